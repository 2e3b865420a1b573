"""Train all members of an ensemble at once: minibatches, SGD with momentum or Adam, schedules, divergence."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from ...theory.base.validation import (
    Array,
    InputError,
    check_choice,
    check_count,
    check_each,
    check_fraction,
    check_nonnegative,
    check_positive,
)
from ..losses.terms import log_softmax
from .ensemble import Ensemble, Loss, Parameters, as_inputs

PerMember = float | Sequence[float]


@dataclass(frozen=True)
class TrainingConfig:
    """How to train.

    Attributes
    ----------
    epochs : int
        Passes over the data.
    batch_size : int
        Samples a step; the last batch of an epoch may be smaller.
    optimiser : {"sgd", "adam"}
    learning_rate : float or sequence of float
        One for all members, or one each.
    momentum : float
        Of SGD; for Adam, β₁ is 0.9 and β₂ 0.999.
    weight_decay : float or sequence of float
        One for all members, or one each. Added to the gradient by SGD, decoupled in Adam (AdamW).
    schedule : {"constant", "cosine"}
        Cosine falls to zero over all steps.
    mixed_precision : bool
        Networks compute in bfloat16; parameters, the loss and the update stay in float32.
    """

    epochs: int
    batch_size: int = 128
    optimiser: Literal["sgd", "adam"] = "sgd"
    learning_rate: PerMember = 0.1
    momentum: float = 0.9
    weight_decay: PerMember = 0.0
    schedule: Literal["constant", "cosine"] = "constant"
    mixed_precision: bool = False

    def __post_init__(self) -> None:
        check_count(self.epochs, "epochs", least=0)
        check_count(self.batch_size, "batch_size")
        check_choice(self.optimiser, "optimiser", ("sgd", "adam"))
        check_choice(self.schedule, "schedule", ("constant", "cosine"))
        check_fraction(self.momentum, "momentum", below_one=True)
        for name, check in (("learning_rate", check_positive), ("weight_decay", check_nonnegative)):
            value = getattr(self, name)
            if np.ndim(value) == 0:
                check(value, name)
            else:
                check_each(list(value), name, check)


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


def squared_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """``Σ‖f(x_i) − y_i‖² / n``: summed over outputs, averaged over samples, as in the theory."""
    return (outputs - targets.reshape(outputs.shape)).square().sum() / len(outputs)


def cross_entropy(outputs: Tensor, labels: Tensor) -> Tensor:
    """`torch.nn.functional.cross_entropy` with labels (n,), in functions that `vmap` need not take apart."""
    return -log_softmax(outputs).gather(-1, labels.unsqueeze(-1)).mean()


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
    members = torch.arange(len(ensemble), device=ensemble.device)[:, None]
    parameters = {name: p.clone() for name, p in ensemble.parameters.items()}
    current = ensemble.with_parameters(parameters)
    less = torch.bfloat16 if config.mixed_precision else None
    losses = torch.zeros(config.epochs, len(ensemble), device=ensemble.device)
    step = 0
    for epoch in range(config.epochs):
        for rows in order.epoch():
            index = rows.to(ensemble.device)
            drawn = tree_map(lambda t, i=index: t[members, i], targets)
            batch = Batch(current, index, rows_of(x, index), drawn, epoch, step)
            if prepare is not None:
                with torch.no_grad():
                    batch = prepare(batch)
            values, gradients = current.gradients(loss, batch.inputs, batch.targets, computed_in=less)
            if step == 0:
                _check_scalar(values, len(ensemble))
            optimiser.step(parameters, gradients, _rate(config, step, total))
            losses[epoch] += values.detach().float() * (index.shape[1] / len(x))
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


class Optimiser:
    """SGD with momentum, or Adam, on stacked parameters with one learning rate a member."""

    def __init__(self, config: TrainingConfig, ensemble: Ensemble) -> None:
        self.config = config
        self.rate = self._per_member(config.learning_rate, "learning_rate", ensemble)
        self.decay = self._per_member(config.weight_decay, "weight_decay", ensemble)
        self.decays = bool((self.decay != 0).any())
        same = bool((self.rate == self.rate[0]).all())
        self.common_rate = float(self.rate[0]) if same else None
        zeros = [torch.zeros_like(p) for p in ensemble.parameters.values()]
        self.first = zeros
        self.second = [torch.zeros_like(z) for z in zeros] if config.optimiser == "adam" else []
        self.steps = 0

    @staticmethod
    def _per_member(value: PerMember, name: str, ensemble: Ensemble) -> Tensor:
        values = torch.as_tensor(value, dtype=torch.float32, device=ensemble.device)
        if values.ndim and values.shape != (len(ensemble),):
            raise InputError(
                f"{name} must be one number, or one for each of the {len(ensemble)} members; "
                f"got shape {tuple(values.shape)}."
            )
        return values.expand(len(ensemble))

    @torch.no_grad()
    def step(self, parameters: Parameters, gradients: Sequence[Tensor], schedule: float) -> None:
        """Update the parameters in place."""
        self.steps += 1
        values = list(parameters.values())
        grads = list(gradients)
        if self.config.optimiser == "sgd":
            torch._foreach_mul_(self.first, self.config.momentum)
            torch._foreach_add_(self.first, grads)
            if self.decays:  # in place: a copy of all parameters a step would cost as much as the step
                for velocity, p in zip(self.first, values, strict=True):
                    velocity.addcmul_(p, _over(self.decay, p))
            if self.common_rate is not None:  # spares a copy of all parameters
                torch._foreach_add_(values, self.first, alpha=-self.common_rate * schedule)
                return
            rates = [_over(self.rate * schedule, p) for p in values]
            torch._foreach_sub_(values, torch._foreach_mul(self.first, rates))
            return
        rates = [_over(self.rate * schedule, p) for p in values]
        if self.decays:
            for p, rate in zip(values, rates, strict=True):
                p.mul_(1 - rate * _over(self.decay, p))
        torch._foreach_lerp_(self.first, grads, 0.1)
        torch._foreach_mul_(self.second, 0.999)
        torch._foreach_addcmul_(self.second, grads, grads, 0.001)
        root = torch._foreach_div(torch._foreach_sqrt(self.second), math.sqrt(1 - 0.999**self.steps))
        torch._foreach_add_(root, 1e-8)
        update = torch._foreach_div(self.first, root)
        torch._foreach_div_(update, 1 - 0.9**self.steps)
        torch._foreach_sub_(values, torch._foreach_mul(update, rates))


def _over(per_member: Tensor, parameter: Tensor) -> Tensor:
    """Shape (M,) as (M, 1, …), to multiply a stacked parameter."""
    return per_member.reshape(-1, *[1] * (parameter.ndim - 1)).to(parameter.dtype)
