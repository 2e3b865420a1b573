"""Networks that measure what theory predicts, on CPU or GPU.

The names below are loaded when they are asked for, and torch with them: importing the package costs nothing.
"""

from importlib import import_module
from typing import Any

_WHERE = {
    "losses": (
        "beta_smoothing_loss",
        "distillation_loss",
        "entropy_penalty_loss",
        "focal_loss",
        "label_smoothing_loss",
        "partial_label_loss",
        "progressive_loss",
        "soft_cross_entropy",
        "weighted_soft_label_loss",
    ),
    "losses.modules": (
        "BetaSmoothingLoss",
        "BornAgainLoss",
        "DistillationLoss",
        "EntropyPenaltyLoss",
        "FocalLoss",
        "LabelSmoothingLoss",
        "PartialLabelLoss",
        "ProgressiveLoss",
        "WeightedSoftLabelLoss",
    ),
    "losses.stored": ("StoredTeacher", "fingerprint", "store_teacher"),
    "losses.terms": ("Samples", "Term"),
    "losses.top_targets": ("TopTargets",),
    "methods.method": ("Method",),
    "methods.catalogue": ("METHODS", "budget"),
    "metrics": (
        "area_under_risk_coverage",
        "confidence_diversity",
        "expected_calibration_error",
        "predictive_uncertainty",
    ),
    "data.own": ("OwnData",),
    "data.problems": ("Problems",),
    "experiments.comparison": ("Comparison", "compare"),
    "experiments.kernel_rounds": ("KernelRounds", "measure_kernel_rounds"),
    "training.ensemble": ("Ensemble",),
    "training.members": ("TrainingConfig", "train"),
    "jobs.runner": ("run_jobs",),
}
_MODULE = {name: module for module, names in _WHERE.items() for name in names}

__all__ = sorted(_MODULE)


def __getattr__(name: str) -> Any:
    if name not in _MODULE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_MODULE[name]}", __name__), name)


def __dir__() -> list[str]:
    return __all__
