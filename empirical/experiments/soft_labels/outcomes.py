"""What is measured of trained networks: on test samples, after temperature scaling, and as teachers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from torch import Tensor

from ....theory import regularization_samples
from ....theory.base.validation import Array
from ... import metrics
from ...data.problems import Split
from .setup import Trained

METRICS: dict[str, Callable[[Array, Array], float]] = {
    "accuracy": metrics.accuracy,
    "top5": partial(metrics.top_k_accuracy, k=5),
    "nll": metrics.negative_log_likelihood,
    "brier": metrics.brier_score,
    "ece": partial(metrics.expected_calibration_error, n_bins=15),
    "ece_10": partial(metrics.expected_calibration_error, n_bins=10),
    "ece_20": partial(metrics.expected_calibration_error, n_bins=20),
    "ece_equal_mass": partial(metrics.expected_calibration_error, n_bins=15, bins="equal-mass"),
    "aurc": metrics.area_under_risk_coverage,
    "excess_aurc": metrics.excess_area_under_risk_coverage,
    "confidence": metrics.mean_confidence,
    "uncertainty": lambda p, y: metrics.predictive_uncertainty(p),
    "diversity": metrics.confidence_diversity,
}
"""Of probabilities (n, K) and labels (n,)."""
ON_TRAINING = ("accuracy", "nll", "confidence", "uncertainty", "diversity")
TAUGHT = ("taught_uncertainty", "taught_diversity", "share_push", "share_magnitude")
SCALED = ("nll", "ece", "ece_10", "ece_20")


def measure_outputs(
    probabilities: Array, labels: Array, names: tuple[str, ...] = tuple(METRICS)
) -> dict[str, Array]:
    """Metrics of `METRICS` for each member: probabilities (M, n, K), labels (M, n), to (M,) each.

    NaN for a member that diverged.
    """
    rows = [
        [METRICS[name](p, y) if np.isfinite(p).all() else np.nan for name in names]
        for p, y in zip(probabilities, labels, strict=True)
    ]
    return dict(zip(names, np.array(rows, float).T, strict=True))


def fit_temperature(logits: Array, labels: Array) -> float:
    """Temperature by which logits (n, K) must be divided for the least NLL on labels (Guo et al. 2017).

    NaN for a network that diverged.
    """
    if not np.isfinite(logits).all():
        return float("nan")
    rows = np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        return -float(log_softmax(logits / np.exp(log_temperature), axis=1)[rows, labels].mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-3.0, 3.0), method="bounded").x))


def measure_trained(trained: Trained, split: Split) -> dict[str, Array]:
    """Every metric of every network, (M,) each.

    Plain names are of the test samples; ``scaled_…`` after division of the logits by the ``temperature``
    fitted on validation samples; ``training_…`` of the training samples, as a teacher of generation one more
    would see them.
    """
    own = trained.problem
    logits = trained.logits(split.test_inputs).double().numpy()
    labels = split.test_labels[own].numpy()
    found = measure_outputs(softmax(logits, axis=-1), labels)
    held_out = trained.logits(split.validation_inputs).double().numpy()
    temperature = np.array(
        [fit_temperature(z, y) for z, y in zip(held_out, split.validation_labels[own].numpy(), strict=True)]
    )
    found["temperature"] = temperature
    scaled = measure_outputs(softmax(logits / temperature[:, None, None], axis=-1), labels, SCALED)
    found |= {f"scaled_{name}": values for name, values in scaled.items()}
    training = measure_outputs(trained.probabilities(split.inputs), split.labels[own].numpy(), ON_TRAINING)
    return found | {f"training_{name}": values for name, values in training.items()}


def measure_teaching(trained: Trained, teacher: Tensor, temperature: Array, split: Split) -> dict[str, Array]:
    """Uncertainty and diversity of each network's softened teacher, and what it does to the label.

    Parameters
    ----------
    trained : Trained
        M students.
    teacher : Tensor (M, n, K)
        Logits of each one's teacher on its training samples.
    temperature : array (M,)
        By which the teacher is softened.

    Returns
    -------
    dict of array (M,)
        ``taught_uncertainty`` and ``taught_diversity`` of the softened teacher on the training samples;
        ``share_push`` and ``share_magnitude`` of training samples that the trained student leaves as
        regularization samples, by both readings. NaN where a network diverged.
    """
    labels = split.labels[trained.problem]
    students = trained.logits(split.inputs)
    rows: list[dict[str, Any]] = []
    for z, s, y, tau in zip(teacher.double(), students.double(), labels, temperature, strict=True):
        if not (z.isfinite().all() and s.isfinite().all()):
            rows.append(dict.fromkeys(TAUGHT, np.nan))
            continue
        soft = torch.softmax(z / tau, dim=-1).numpy()
        rows.append(
            {
                "taught_uncertainty": metrics.predictive_uncertainty(soft),
                "taught_diversity": metrics.confidence_diversity(soft, y),
                "share_push": regularization_samples(s, z, y, float(tau)).double().mean(),
                "share_magnitude": regularization_samples(s, z, y, float(tau), "magnitude").double().mean(),
            }
        )
    return {name: np.array([float(row[name]) for row in rows]) for name in TAUGHT}


def reliability(probabilities: Array, labels: Array) -> dict[str, Array]:
    """Reliability diagram in ten bins; of a network that diverged, empty."""
    if not np.isfinite(probabilities).all():
        nothing = np.full(10, np.nan)
        return {"confidence": nothing, "accuracy": nothing, "count": np.zeros(10, np.int32)}
    diagram = metrics.reliability_diagram(probabilities, labels, 10)
    return {
        "confidence": diagram.confidence, "accuracy": diagram.accuracy, "count": diagram.count.astype(np.int32)
    }  # fmt: skip
