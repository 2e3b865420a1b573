"""Losses as modules that carry nothing from batch to batch: settings and options are given once."""

from __future__ import annotations

from typing import Any, Unpack, cast

from torch import Tensor, nn

from ...theory.base.validation import check_choice, check_fraction, check_nonnegative, check_positive
from ...theory.labels.soft_targets import Convention
from .batches import Batch, Options, check_options
from .focal import focal_loss
from .functional import (
    DISTILLATION,
    LABEL_SMOOTHING,
    Tempered,
    distillation_loss,
    entropy_penalty_loss,
    label_smoothing_loss,
    partial_label_loss,
    weighted_soft_label_loss,
)


class SoftLabelLoss(nn.Module):
    """What all modules share: settings of a loss, and the options of `batches.Options` as keywords.

    Whatever is of one batch alone (``sample_weight``, a setting with one entry a sample) is a keyword of
    ``forward``, where it takes the place of what was given first. Class weights move with the module.
    """

    weight: Tensor | None

    def __init__(self, options: Options, **settings: Any) -> None:
        super().__init__()
        check_options(options)
        self.settings = settings
        self.options = {name: value for name, value in options.items() if name != "weight"}
        self.register_buffer("weight", options.get("weight"), persistent=False)

    def given(self, more: dict[str, Any]) -> dict[str, Any]:
        """Keywords for the function of the loss."""
        return {**self.settings, **self.options, "weight": self.weight, **more}

    def batch(self, logits: Tensor, more: dict[str, Any]) -> Batch:
        """Outputs with the options that hold for this batch."""
        given = self.given(more)
        options = {name: value for name, value in given.items() if name in Options.__annotations__}
        return Batch.read(logits, cast(Options, options))

    def extra_repr(self) -> str:
        """Settings and options, for printing."""
        return ", ".join(f"{name}={value}" for name, value in (self.settings | self.options).items())


class DistillationLoss(SoftLabelLoss):
    """`distillation_loss`: ``tempered="both"`` is Hinton's, ``"teacher"`` that of Zhang & Sabuncu."""

    def __init__(
        self,
        temperature: float = 1.0,
        alpha: float = 0.5,
        tempered: Tempered = "both",
        **options: Unpack[Options],
    ) -> None:
        check_choice(tempered, "tempered", tuple(DISTILLATION))
        super().__init__(
            options,
            temperature=check_positive(temperature, "temperature"),
            alpha=check_fraction(alpha, "alpha"),
            tempered=tempered,
        )

    def forward(self, student_logits: Tensor, teacher_logits: Tensor, labels: Tensor, **more: Any) -> Tensor:
        """Loss of a batch."""
        return distillation_loss(student_logits, teacher_logits, labels, **self.given(more))


class LabelSmoothingLoss(SoftLabelLoss):
    """`label_smoothing_loss`; "szegedy" is torch's convention, "zhang" leaves 1 − ε on the label."""

    def __init__(
        self, epsilon: float = 0.1, convention: Convention = "szegedy", **options: Unpack[Options]
    ) -> None:
        check_choice(convention, "convention", tuple(LABEL_SMOOTHING))
        super().__init__(options, epsilon=check_fraction(epsilon, "epsilon"), convention=convention)

    def forward(self, logits: Tensor, labels: Tensor, **more: Any) -> Tensor:
        """Loss of a batch."""
        return label_smoothing_loss(logits, labels, **self.given(more))


class EntropyPenaltyLoss(SoftLabelLoss):
    """`entropy_penalty_loss`, ``CE − β·H``."""

    def __init__(self, beta: float = 0.1, **options: Unpack[Options]) -> None:
        super().__init__(options, beta=check_nonnegative(beta, "beta"))

    def forward(self, logits: Tensor, labels: Tensor, **more: Any) -> Tensor:
        """Loss of a batch."""
        return entropy_penalty_loss(logits, labels, **self.given(more))


class FocalLoss(SoftLabelLoss):
    """`focal_loss`, ``−(1 − p)^γ log p``."""

    def __init__(self, gamma: float = 2.0, **options: Unpack[Options]) -> None:
        super().__init__(options, gamma=check_nonnegative(gamma, "gamma"))

    def forward(self, logits: Tensor, labels: Tensor, **more: Any) -> Tensor:
        """Loss of a batch."""
        return focal_loss(logits, labels, **self.given(more))


class WeightedSoftLabelLoss(SoftLabelLoss):
    """`weighted_soft_label_loss`; the authors use τ = 4, α = 2.25 on CIFAR and τ = 2, α = 2.5 on ImageNet."""

    def __init__(self, temperature: float = 4.0, alpha: float = 2.25, **options: Unpack[Options]) -> None:
        super().__init__(
            options,
            temperature=check_positive(temperature, "temperature"),
            alpha=check_nonnegative(alpha, "alpha"),
        )

    def forward(self, student_logits: Tensor, teacher_logits: Tensor, labels: Tensor, **more: Any) -> Tensor:
        """Loss of a batch."""
        return weighted_soft_label_loss(student_logits, teacher_logits, labels, **self.given(more))


class PartialLabelLoss(SoftLabelLoss):
    """`partial_label_loss`, ``(1 − p^q)/q`` averaged over candidates."""

    def __init__(self, q: float = 0.7, **options: Unpack[Options]) -> None:
        super().__init__(options, q=check_fraction(q, "q"))

    def forward(self, logits: Tensor, candidates: Tensor, **more: Any) -> Tensor:
        """Loss of a batch."""
        return partial_label_loss(logits, candidates, **self.given(more))
