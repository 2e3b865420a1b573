"""Thirty-two networks trained as one ensemble, against a plain PyTorch loop over them."""

from __future__ import annotations

import time

import numpy as np
import torch
from torch.nn import functional as F

from selfdistill.empirical.networks.perceptrons import mlp
from selfdistill.empirical.training.ensemble import Ensemble
from selfdistill.empirical.training.members import MinibatchOrder, TrainingConfig, cross_entropy, train

MEMBERS, SAMPLES, BATCH, EPOCHS = 32, 1280, 128, 10  # 100 steps


def plain_loop(
    ensemble: Ensemble, x: torch.Tensor, labels: torch.Tensor, config: TrainingConfig
) -> list[list[float]]:
    """Train each member by itself with `torch.optim.SGD`."""
    losses = []
    for seed, model in zip(ensemble.seeds, ensemble.modules(), strict=True):
        optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        order = MinibatchOrder([seed], len(x), config.batch_size)
        history = []
        for _ in range(config.epochs):
            total = 0.0
            for index in order.epoch():
                loss = F.cross_entropy(model(x[index[0]]), labels[index[0]])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                total += loss.item() * index.shape[1] / len(x)
            history.append(total)
        losses.append(history)
    return losses


def run() -> list[dict[str, object]]:
    """Time both, interleaved, best of three; the losses must agree."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(SAMPLES, 64, generator=generator).to(device)
    labels = torch.randint(10, (SAMPLES,), generator=generator).to(device)
    ensemble = Ensemble.initialise(lambda: mlp(64, 10, (64, 64)), range(MEMBERS), device=device)
    config = TrainingConfig(epochs=EPOCHS, batch_size=BATCH)
    targets = ensemble.share(labels)
    seconds: dict[str, list[float]] = {"ours": [], "rival": []}
    for _ in range(3):
        start = time.perf_counter()
        ours = train(ensemble, x, targets, cross_entropy, config).losses
        seconds["ours"].append(time.perf_counter() - start)
        start = time.perf_counter()
        rival = np.array(plain_loop(ensemble, x, labels, config)).T
        seconds["rival"].append(time.perf_counter() - start)
    ours_seconds, rival_seconds = min(seconds["ours"]), min(seconds["rival"])
    return [
        {
            "work": f"{MEMBERS} MLPs 64-64-64-10, batch {BATCH}, {EPOCHS * SAMPLES // BATCH} steps, {device}",
            "rival": "plain PyTorch loop over the members",
            "ours_seconds": ours_seconds,
            "rival_seconds": rival_seconds,
            "ratio": rival_seconds / ours_seconds,
            "at_least": 25 if device == "cuda" else 6,
            "note": f"largest relative difference of losses {np.max(np.abs(ours / rival - 1)):.1e}",
        }
    ]
