"""Soft-label losses as modules for any PyTorch loop, with the state that some of them carry.

Each wraps the function of `losses` named in its docstring. State (past outputs, moving averages, teachers)
and the random numbers of a generator that was given are part of ``state_dict``, so that ``load_state_dict``
resumes a run exactly. Teachers and averages stay in evaluation mode whatever mode the loss is put into.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Self, get_args

import torch
from torch import Tensor, nn

from ...theory import InputError, ema_decay, progressive_weight
from ...theory.base.probabilities import one_hot
from ...theory.base.validation import (
    check_choice,
    check_count,
    check_fraction,
    check_nonnegative,
    check_positive,
)
from ...theory.labels.progressive import Schedule
from ...theory.labels.soft_targets import Convention
from .functional import (
    beta_smoothing_loss,
    distillation_loss,
    label_smoothing_loss,
    log_probabilities,
    partial_label_loss,
    progressive_loss,
    weighted_soft_label_loss,
)


def _frozen(network: nn.Module) -> nn.Module:
    """Copy that answers and never learns."""
    return copy.deepcopy(network).requires_grad_(False).eval()


class DistillationLoss(nn.Module):
    """`distillation_loss` with its temperature and the teacher's weight."""

    def __init__(self, temperature: float = 1.0, alpha: float = 0.5) -> None:
        super().__init__()
        self.temperature = check_positive(temperature, "temperature")
        self.alpha = check_fraction(alpha, "alpha")

    def forward(self, student_logits: Tensor, teacher_logits: Tensor, labels: Tensor) -> Tensor:
        """Mean loss of a batch."""
        return distillation_loss(student_logits, teacher_logits, labels, self.temperature, self.alpha)


class LabelSmoothingLoss(nn.Module):
    """`label_smoothing_loss`; "szegedy" is torch's convention, "zhang" leaves 1 − ε on the label."""

    def __init__(self, epsilon: float = 0.1, convention: Convention = "szegedy") -> None:
        super().__init__()
        self.epsilon = check_fraction(epsilon, "epsilon")
        check_choice(convention, "convention", get_args(Convention))
        self.convention: Convention = convention

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Mean loss of a batch."""
        return label_smoothing_loss(logits, labels, self.epsilon, self.convention)


class WeightedSoftLabelLoss(nn.Module):
    """`weighted_soft_label_loss`; the authors use τ = 4, α = 2.25 on CIFAR and τ = 2, α = 2.5 on ImageNet."""

    def __init__(self, temperature: float = 4.0, alpha: float = 2.25) -> None:
        super().__init__()
        self.temperature = check_positive(temperature, "temperature")
        self.alpha = check_nonnegative(alpha, "alpha")

    def forward(self, student_logits: Tensor, teacher_logits: Tensor, labels: Tensor) -> Tensor:
        """Mean loss of a batch."""
        return weighted_soft_label_loss(student_logits, teacher_logits, labels, self.temperature, self.alpha)


class PartialLabelLoss(nn.Module):
    """`partial_label_loss`, ``(1 − p^q)/q`` averaged over candidates."""

    def __init__(self, q: float = 0.7) -> None:
        super().__init__()
        self.q = check_fraction(q, "q")

    def forward(self, logits: Tensor, candidates: Tensor) -> Tensor:
        """Mean loss of a batch."""
        return partial_label_loss(logits, candidates, self.q)


class BetaSmoothingLoss(nn.Module):
    """`beta_smoothing_loss` with its EMA teacher.

    Call ``update(model)`` after every optimiser step. The average starts as a copy of the model and its
    decay after step s is ``min(1 − 1/(s + 1), decay)``; its buffers (batch statistics) follow the model's.

    Parameters
    ----------
    model : nn.Module
        Copied; not registered as a child.
    alpha, shape : float
        Weight of the Beta targets, and a of Beta(a, 1).
    decay : float
        Largest decay of the average.
    generator : torch.Generator, optional
        Source of the draws; its state is kept with the module's. Without it, torch's own.
    """

    step: Tensor

    def __init__(
        self,
        model: nn.Module,
        alpha: float = 0.6,
        shape: float = 3.0,
        decay: float = 0.999,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.alpha = check_fraction(alpha, "alpha")
        self.shape = check_positive(shape, "shape")
        self.decay = check_fraction(decay, "decay")
        self.generator = generator
        self.average = _frozen(model)
        self.register_buffer("step", torch.zeros((), dtype=torch.long))

    def forward(self, logits: Tensor, labels: Tensor, inputs: Tensor) -> Tensor:
        """Mean loss of a batch; `inputs` are what the average is asked about."""
        with torch.no_grad():
            averages = self.average(inputs)
        return beta_smoothing_loss(
            logits, labels, averages, alpha=self.alpha, shape=self.shape, generator=self.generator
        )

    def train(self, mode: bool = True) -> Self:
        """Set the mode of the loss; the average stays in evaluation mode."""
        super().train(mode)
        self.average.eval()
        return self

    def get_extra_state(self) -> Tensor:
        """State of the generator; empty without one."""
        return torch.empty(0) if self.generator is None else self.generator.get_state()

    def set_extra_state(self, state: Tensor) -> None:
        """Put the generator where it was."""
        if self.generator is not None and state.numel():
            self.generator.set_state(state.cpu())

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move the average towards the model."""
        self.step += 1
        share = 1 - ema_decay(int(self.step), self.decay)
        for mean, p in zip(self.average.parameters(), model.parameters(), strict=True):
            mean.lerp_(p.to(mean), share)
        for kept, buffer in zip(self.average.buffers(), model.buffers(), strict=True):
            kept.copy_(buffer)


class ProgressiveLoss(nn.Module):
    """`progressive_loss` with a memory of every sample's outputs of the epoch before.

    A sample that was never seen is its own label. A batch reads its samples' past outputs, then leaves its
    present ones, so each sample may come once an epoch, as a `DataLoader` brings it.

    Parameters
    ----------
    n_samples, n_classes : int
        Of the training set.
    epochs : int
        T.
    final : float
        α_T; the paper's is 0.8.
    schedule : {"linear", "constant", "quadratic"}
    """

    past: Tensor
    seen: Tensor

    def __init__(
        self,
        n_samples: int,
        n_classes: int,
        epochs: int,
        final: float = 0.8,
        schedule: Schedule = "linear",
    ) -> None:
        super().__init__()
        check_count(n_samples, "n_samples")
        check_count(n_classes, "n_classes", least=2)
        progressive_weight(0, epochs, final, schedule)  # checks all three
        self.epochs, self.final, self.schedule = epochs, final, schedule
        self.register_buffer("past", torch.zeros(n_samples, n_classes))
        self.register_buffer("seen", torch.zeros(n_samples, dtype=torch.bool))

    def forward(self, logits: Tensor, labels: Tensor, index: Tensor, epoch: int) -> Tensor:
        """Mean loss of a batch.

        Parameters
        ----------
        logits : Tensor (b, K)
        labels : Tensor (b,)
        index : Tensor (b,)
            Which training samples these are, 0 … n_samples − 1.
        epoch : int
            From 0, as loops count; the weight is that of t = epoch + 1.
        """
        n_samples, n_classes = self.past.shape
        index = torch.as_tensor(index, device=self.past.device)
        if (
            logits.shape != (*labels.shape, n_classes)
            or index.shape != labels.shape
            or index.dtype.is_floating_point
        ):
            raise InputError(
                f"the memory holds {n_classes} classes and wants one whole number a label as index; got logits "
                f"{tuple(logits.shape)}, labels {tuple(labels.shape)} and index {tuple(index.shape)} of {index.dtype}."
            )
        if index.numel() and not 0 <= int(index.min()) <= int(index.max()) < n_samples:
            raise InputError(
                f"the memory holds {n_samples} samples; got indices {int(index.min())} … {int(index.max())}. "
                "Give the size of the training set as n_samples."
            )
        weight = progressive_weight(epoch + 1, self.epochs, self.final, self.schedule)
        hot = one_hot(labels, n_classes, like=self.past)
        past = torch.where(self.seen[index, None], self.past[index], hot)
        loss = progressive_loss(logits, labels, past, weight)
        self.past[index] = log_probabilities(logits.detach(), check=False).exp().to(self.past)
        self.seen[index] = True
        return loss

    def _load_from_state_dict(self, state: Mapping[str, Any], prefix: str, *args: Any) -> None:
        kept = state.get(f"{prefix}past")
        if kept is not None and kept.shape != self.past.shape:
            raise InputError(
                f"the checkpoint's memory is {tuple(kept.shape)} but this training set needs "
                f"{tuple(self.past.shape)} (samples, classes): it belongs to another training set."
            )
        super()._load_from_state_dict(state, prefix, *args)


class BornAgainLoss(nn.Module):
    """Born-again generations: plain cross-entropy first, then distillation from the generation before.

    Call ``next_generation(student)`` when a generation is trained, and start a fresh student. To resume from a
    checkpoint of a later generation, call it once with any network of that architecture, then load.

    References
    ----------
    Furlanello et al. 2018; Zhang & Sabuncu 2020, section 3.
    """

    finished: Tensor

    def __init__(self, temperature: float = 1.0, alpha: float = 1.0) -> None:
        super().__init__()
        self.loss = DistillationLoss(temperature, alpha)
        self.teacher: nn.Module | None = None
        self.register_buffer("finished", torch.zeros((), dtype=torch.long))

    @property
    def generation(self) -> int:
        """How many generations are trained."""
        return int(self.finished)

    def next_generation(self, student: nn.Module) -> None:
        """Make a frozen copy of the student the teacher."""
        self.teacher = _frozen(student)
        self.finished += 1

    def train(self, mode: bool = True) -> Self:
        """Set the mode of the loss; the teacher stays in evaluation mode."""
        super().train(mode)
        if self.teacher is not None:
            self.teacher.eval()
        return self

    def _load_from_state_dict(self, state: Mapping[str, Any], prefix: str, *args: Any) -> None:
        if self.teacher is None and any(name.startswith(f"{prefix}teacher.") for name in state):
            raise InputError(
                "the checkpoint holds a teacher and this loss has none yet: call next_generation(network) with "
                "any network of its architecture, then load."
            )
        super()._load_from_state_dict(state, prefix, *args)

    def forward(self, logits: Tensor, labels: Tensor, inputs: Tensor) -> Tensor:
        """Mean loss of a batch; `inputs` are what the teacher is asked about."""
        if self.teacher is None:
            return label_smoothing_loss(logits, labels, 0.0)
        with torch.no_grad():
            teacher_logits = self.teacher(inputs)
        loss: Tensor = self.loss(logits, teacher_logits, labels)
        return loss
