"""Soft-label losses as modules for any PyTorch loop, with the state that some of them carry.

State (past outputs, moving averages, teachers) and the random numbers of a generator that was given are part
of ``state_dict``, so that ``load_state_dict`` resumes a run exactly.
"""

from .memory import ProgressiveLoss
from .stateless import (
    DistillationLoss,
    EntropyPenaltyLoss,
    FocalLoss,
    LabelSmoothingLoss,
    PartialLabelLoss,
    SoftLabelLoss,
    WeightedSoftLabelLoss,
)
from .teachers import BetaSmoothingLoss, BornAgainLoss

__all__ = [
    "BetaSmoothingLoss",
    "BornAgainLoss",
    "DistillationLoss",
    "EntropyPenaltyLoss",
    "FocalLoss",
    "LabelSmoothingLoss",
    "PartialLabelLoss",
    "ProgressiveLoss",
    "SoftLabelLoss",
    "WeightedSoftLabelLoss",
]
