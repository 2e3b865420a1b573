"""Train all members of an ensemble at once: minibatches, SGD with momentum or Adam, schedules, divergence."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from ...theory.base.validation import Array, InputError
from .ensemble import Ensemble, Loss, as_inputs
from .objectives import cross_entropy, squared_error
from .optimisers import Optimiser
from .settings import TrainingConfig

__all__ = [
    "Batch",
    "MinibatchOrder",
    "Optimiser",
    "Training",
    "TrainingConfig",
    "cross_entropy",
    "rows_of",
    "squared_error",
    "train",
]


@dataclass(eq=False)
class Batch:
    """What a `prepare` hook sees before each step.

    Attributes
    ----------
    ensemble : Ensemble
        Current members.
    index : Tensor (M, b)
        Which training samples each member sees.
    inputs : Tensor (M, b, ...)
    targets : nested Tensor (M, b, ...)
    epoch, step : int
        From 0; steps count over all epochs.
    """

    ensemble: Ensemble
    index: Tensor
    inputs: Tensor
    targets: Any
    epoch: int
    step: int


@dataclass(frozen=True, eq=False)
class Training:
    """Trained members.

    Attributes
    ----------
    ensemble : Ensemble
    losses : ndarray (epochs, M)
        Mean loss of each epoch's minibatches.
    diverged_at : ndarray (M,)
        First epoch whose loss is not finite, −1 for none. Such a member's outputs are NaN; the others are
        unharmed.
    """

    ensemble: Ensemble
    losses: Array
    diverged_at: Array

    @property
    def diverged(self) -> Array:
        """Which members diverged: boolean (M,)."""
        return np.asarray(self.diverged_at >= 0)


def train(
    ensemble: Ensemble,
    inputs: Any,
    targets: Any,
    loss: Loss,
    config: TrainingConfig,
    *,
    prepare: Callable[[Batch], Batch] | None = None,
    each_epoch: Callable[[int, Ensemble], Any] | None = None,
) -> Training:
    """Train all members; their start is left as it was.

    Parameters
    ----------
    ensemble : Ensemble
    inputs : array or Tensor (n, ...)
        Shared by all members.
    targets : nested Tensor (M, n, ...)
        What `loss` needs besides the outputs: one tensor or a tuple or dict of them, each with the member
        axis first. ``ensemble.share(t)`` gives all members the same.
    loss : callable
        ``loss(outputs (b, k), targets)`` of ONE member and batch, a scalar: `squared_error`, `cross_entropy`,
        any of `torch.nn.functional`, ….
    config : TrainingConfig
    prepare : callable, optional
        Takes the `Batch` of all members and returns it changed: augmentation, targets that depend on the
        batch.
    each_epoch : callable, optional
        ``each_epoch(epoch, ensemble)`` after every epoch. What it returns, unless None, becomes the targets.

    Returns
    -------
    Training

    Raises
    ------
    InputError
        If targets are not (members, samples, …), there is no sample, or the loss is no number.

    Examples
    --------
    >>> import torch
    >>> from selfdistill.empirical.training.ensemble import Ensemble
    >>> from selfdistill.empirical.networks.perceptrons import mlp
    >>> from selfdistill.empirical.training.members import TrainingConfig, squared_error, train
    >>> x = torch.linspace(-1, 1, 32)[:, None]
    >>> members = Ensemble.initialise(lambda: mlp(1, 1, (16,)), seeds=range(3))
    >>> run = train(members, x, members.share(x**2), squared_error, TrainingConfig(epochs=20, batch_size=8))
    >>> bool((run.losses[-1] < run.losses[0]).all())
    True
    """
    x = as_inputs(inputs, ensemble)
    if not len(x):
        raise InputError("there is no sample to train on.")
    targets = tree_map(lambda t: torch.as_tensor(t).to(ensemble.device), targets)
    _check_targets(targets, len(ensemble), len(x))
    _keep_freed_memory()
    optimiser = Optimiser(config, ensemble)
    order = MinibatchOrder(ensemble.seeds, len(x), config.batch_size)
    total = max(1, config.epochs * order.steps)
    parameters = {
        name: p.clone(memory_format=torch.contiguous_format) for name, p in ensemble.parameters.items()
    }
    current = ensemble.with_parameters(parameters)
    less = torch.bfloat16 if config.mixed_precision else None
    losses = torch.zeros(config.epochs, len(ensemble), device=ensemble.device)
    step = 0
    for epoch in range(config.epochs):
        for rows in order.epoch():
            index = rows.to(ensemble.device)
            drawn = tree_map(lambda t, i=index: _own_rows(t, i), targets)
            batch = Batch(current, index, rows_of(x, index), drawn, epoch, step)
            if prepare is not None:
                with torch.no_grad():
                    batch = prepare(batch)
            values, gradients = current.gradients(loss, batch.inputs, batch.targets, computed_in=less)
            if step == 0:
                _check_scalar(values, len(ensemble))
            optimiser.step(parameters, gradients, _rate(config, step, total))
            losses[epoch].add_(values.detach(), alpha=index.shape[1] / len(x))
            step += 1
        if each_epoch is not None:
            changed = each_epoch(epoch, current)
            targets = targets if changed is None else tree_map(lambda t: t.to(ensemble.device), changed)
    for p in parameters.values():
        p.requires_grad_(False)
    history = losses.cpu().numpy().astype(np.float64)
    broken = ~np.isfinite(history)
    first = broken.argmax(axis=0) if len(broken) else 0
    return Training(current, history, np.where(broken.any(axis=0), first, -1))


def _check_targets(targets: Any, n_members: int, n_samples: int) -> None:
    def check(t: Tensor) -> None:
        if t.shape[:2] != (n_members, n_samples):
            raise InputError(
                f"targets must have shape (members, samples, …) = ({n_members}, {n_samples}, …); got "
                f"{tuple(t.shape)}. ensemble.share(targets) gives all members the same."
            )

    tree_map(check, targets)


def rows_of(x: Tensor, index: Tensor) -> Tensor:
    """``x[index]`` for any shape of index, by a function that copies whole rows (six times as fast on a CPU)."""
    return x.index_select(0, index.reshape(-1)).reshape(*index.shape, *x.shape[1:])


def _own_rows(t: Tensor, index: Tensor) -> Tensor:
    """Each member's own rows of ``t`` (M, n, ...), of which those of all members may be the same memory."""
    if t.stride(0) == 0:
        return rows_of(t[0], index)
    if not t.is_contiguous():
        return t[torch.arange(len(t), device=t.device)[:, None], index]
    starts = torch.arange(0, t.shape[0] * t.shape[1], t.shape[1], device=t.device)
    return rows_of(t.flatten(0, 1), index + starts[:, None])


def _keep_freed_memory() -> None:
    """Have glibc keep freed memory of some megabytes: else every step returns it and faults it in again.

    It adapts to the largest block that was freed, up to 32 MiB; elsewhere this does nothing.
    """
    torch.empty(31 * 2**20, dtype=torch.uint8)


def _check_scalar(values: Tensor, n_members: int) -> None:
    if values.shape != (n_members,):
        raise InputError(
            f"loss must return one number for a member's batch; it gives {tuple(values.shape[1:])}. Take its mean."
        )


def _rate(config: TrainingConfig, step: int, total: int) -> float:
    return (1 + math.cos(math.pi * step / total)) / 2 if config.schedule == "cosine" else 1.0


class MinibatchOrder:
    """Each member's own order of samples, from its own seed, whatever its company."""

    def __init__(self, seeds: Sequence[int], n_samples: int, batch_size: int) -> None:
        self.generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self.n_samples = n_samples
        self.batch_size = batch_size
        self.steps = -(-n_samples // batch_size)

    def epoch(self) -> Sequence[Tensor]:
        """Index tensors (M, b), one a step."""
        order = [torch.randperm(self.n_samples, generator=g) for g in self.generators]
        return torch.split(torch.stack(order), self.batch_size, dim=1)
