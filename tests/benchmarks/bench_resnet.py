"""ResNet-18 in training: our ensemble path against a plain loop, and the share of the machine's peak it reaches."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from selfdistill.empirical.networks.residual import resnet
from selfdistill.empirical.training.ensemble import Ensemble
from selfdistill.empirical.training.members import MinibatchOrder, TrainingConfig, train

from .measure import interleaved

REPEATS = 3


def floating_point_operations(build: Callable[[], nn.Module], batch: int) -> int:
    """Operations of one forward and backward pass, counted on shapes alone."""
    with torch.device("meta"):
        network, images = build(), torch.empty(batch, 3, 32, 32)
    with FlopCounterMode(display=False) as counter:
        network(images).sum().backward()
    return int(counter.get_total_flops())


def peak_rate(device: str, dtype: torch.dtype, side: int) -> float:
    """Operations a second of a large matrix product, the best of several."""
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    best = float("inf")
    for _ in range(10):
        synchronise(device)
        start = time.perf_counter()
        a @ b
        synchronise(device)
        best = min(best, time.perf_counter() - start)
    return 2 * side**3 / best


def synchronise(device: str) -> None:
    """Wait for a GPU."""
    if device == "cuda":
        torch.cuda.synchronize()


def plain_loop(ensemble: Ensemble, x: torch.Tensor, labels: torch.Tensor, config: TrainingConfig) -> None:
    """Train the one member as an ordinary module with `torch.optim.SGD`."""
    model = next(iter(ensemble.modules()))
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    order = MinibatchOrder(ensemble.seeds, len(x), config.batch_size)
    for _ in range(config.epochs):
        for index in order.epoch():
            with torch.autocast(x.device.type, torch.bfloat16, enabled=config.mixed_precision):
                loss = F.cross_entropy(model(x[index[0]]), labels[index[0]])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()


def run() -> list[dict[str, Any]]:
    """Medians, interleaved; bfloat16 and batch 512 on a GPU, float32 and a small batch without one."""
    gpu = torch.cuda.is_available()
    device, batch, steps = ("cuda", 512, 40) if gpu else ("cpu", 32, 2)
    x = torch.randn(batch * steps, 3, 32, 32, device=device)
    labels = torch.randint(10, (batch * steps,), device=device)
    ensemble = Ensemble.initialise(lambda: resnet(18, 10), (0,), device=device, at_once=1)
    config = TrainingConfig(epochs=1, batch_size=batch, mixed_precision=gpu)

    def ours() -> None:
        train(ensemble, x, ensemble.share(labels), F.cross_entropy, config)
        synchronise(device)

    def rival() -> None:
        plain_loop(ensemble, x, labels, config)
        synchronise(device)

    ours(), rival()  # warm
    ours_seconds, rival_seconds = interleaved([ours, rival], REPEATS)
    rate = floating_point_operations(lambda: resnet(18, 10), batch) * steps / ours_seconds
    dtype, side = (torch.bfloat16, 8192) if gpu else (torch.float32, 3072)
    peak = peak_rate(device, dtype, side)
    kind = "bf16" if gpu else "float32"
    return [
        {
            "work": f"ResNet-18, batch {batch}, {kind}, {steps} steps, {device}",
            "rival": "plain PyTorch loop", "ours_seconds": ours_seconds, "rival_seconds": rival_seconds,
            "ratio": rival_seconds / ours_seconds, "at_least": 0.9, "note": f"medians of {REPEATS}, interleaved",
        },
        {
            "work": "the same: share of the machine's peak",
            "rival": f"{kind} matrix product of side {side}", "ratio": rate / peak,
            "note": f"{rate / 1e12:.3g} of {peak / 1e12:.3g} TFLOP/s; operations of convolutions and products "
            "counted on shapes",
        },
    ]  # fmt: skip
