"""Networks trained as one ensemble, against a plain PyTorch loop over them: over members, width, batch and threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from selfdistill.empirical.networks.perceptrons import mlp
from selfdistill.empirical.training.ensemble import Ensemble
from selfdistill.empirical.training.members import MinibatchOrder, TrainingConfig, cross_entropy, train

from .measure import timed, worked

STEPS_AN_EPOCH, REPEATS = 10, 3


@dataclass(frozen=True)
class Cell:
    """One setting; what is asked of the ratio is asked of the first."""

    members: int = 32
    width: int = 64
    batch: int = 128
    epochs: int = 2
    one_thread: bool = False
    at_least: float | None = None


def cells(device: str) -> list[Cell]:
    """The main one, the same on one thread, and one size changed at a time."""
    main = [Cell(epochs=10, at_least=25 if device == "cuda" else 8)]
    one_thread = [Cell(epochs=10, one_thread=True)] if device == "cpu" else []
    sizes = [
        Cell(members=8),
        Cell(members=128),
        Cell(width=16),
        Cell(width=256),
        Cell(batch=32),
        Cell(batch=512),
    ]
    return main + one_thread + sizes


def plain_loop(
    ensemble: Ensemble, x: torch.Tensor, labels: torch.Tensor, config: TrainingConfig, *, fused: bool
) -> list[list[float]]:
    """Train each member by itself with `torch.optim.SGD`."""
    losses = []
    for seed, model in zip(ensemble.seeds, ensemble.modules(), strict=True):
        optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, fused=fused or None)
        order = MinibatchOrder([seed], len(x), config.batch_size)
        history = []
        for _ in range(config.epochs):
            values = []
            for index in order.epoch():
                loss = F.cross_entropy(model(x[index[0]]), labels[index[0]])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                values.append(loss.detach())
            history.append(float(torch.stack(values).mean()))
        losses.append(history)
    return losses


def measure(cell: Cell, device: str) -> dict[str, object]:
    """Time all, interleaved, the best of each; the rival's optimiser is the faster one; the losses must agree.

    What the rival takes where torch has one thread stands in the note: its products are small, and a second thread
    need not help it.
    """
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(STEPS_AN_EPOCH * cell.batch, 64, generator=generator).to(device)
    labels = torch.randint(10, (len(x),), generator=generator).to(device)
    hidden = (cell.width, cell.width)
    ensemble = Ensemble.initialise(lambda: mlp(64, 10, hidden), range(cell.members), device=device)
    config = TrainingConfig(epochs=cell.epochs, batch_size=cell.batch)
    targets = ensemble.share(labels)
    threads = 1 if cell.one_thread else torch.get_num_threads()
    rivals = {"plain": (False, threads), "fused": (True, threads)}
    if threads > 1:
        rivals["fused, one thread"] = (True, 1)
    seconds: dict[str, list[float]] = {name: [] for name in ("ours", *rivals)}
    clock = worked if cell.one_thread else timed
    ours = rival = np.empty(0)
    for _ in range(REPEATS):
        with torch_threads(threads):
            took, run = clock(lambda: train(ensemble, x, targets, cross_entropy, config))
        ours = run.losses
        seconds["ours"].append(took)
        for name, (fused, own_threads) in rivals.items():
            with torch_threads(own_threads):
                took, losses = clock(lambda f=fused: plain_loop(ensemble, x, labels, config, fused=f))
            rival = np.array(losses).T
            seconds[name].append(took)
    best = {name: min(values) for name, values in seconds.items()}
    rival_seconds = min(best["plain"], best["fused"])
    return {
        "work": f"{cell.members} MLPs 64-{cell.width}-{cell.width}-10, batch {cell.batch}, "
        f"{cell.epochs * STEPS_AN_EPOCH} steps, {device}"
        + (", one thread, processor's seconds" if cell.one_thread else ""),
        "rival": "plain PyTorch loop over the members",
        "ours_seconds": best["ours"],
        "rival_seconds": rival_seconds,
        "ratio": rival_seconds / best["ours"],
        "at_least": cell.at_least,
        "note": f"largest relative difference of losses {np.max(np.abs(ours / rival - 1)):.1e}; the rival by its "
        "optimiser: " + "; ".join(f"{name} {best[name]:.3g} s" for name in rivals),
    }


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Give torch so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def run() -> list[dict[str, object]]:
    """One row a cell."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return [measure(cell, device) for cell in cells(device)]
