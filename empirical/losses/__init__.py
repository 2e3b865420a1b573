"""Losses with soft labels: rules that state each once, and the functions and modules that are made of them."""

from .focal import focal_loss
from .functional import (
    beta_smoothing_loss,
    distillation_loss,
    draw_beta,
    entropy_penalty_loss,
    label_smoothing_loss,
    log_probabilities,
    partial_label_loss,
    progressive_loss,
    soft_cross_entropy,
    weighted_soft_label_loss,
)

__all__ = [
    "beta_smoothing_loss",
    "distillation_loss",
    "draw_beta",
    "entropy_penalty_loss",
    "focal_loss",
    "label_smoothing_loss",
    "log_probabilities",
    "partial_label_loss",
    "progressive_loss",
    "soft_cross_entropy",
    "weighted_soft_label_loss",
]
