"""The former place of `selfdistill.empirical.losses.modules`."""

from .losses.modules import (
    BetaSmoothingLoss,
    BornAgainLoss,
    DistillationLoss,
    LabelSmoothingLoss,
    PartialLabelLoss,
    ProgressiveLoss,
    WeightedSoftLabelLoss,
)

__all__ = [
    "BetaSmoothingLoss",
    "BornAgainLoss",
    "DistillationLoss",
    "LabelSmoothingLoss",
    "PartialLabelLoss",
    "ProgressiveLoss",
    "WeightedSoftLabelLoss",
]
