"""Many classes, many rounds and small penalties: what once took seconds, or gigabytes, each by its own line.

Seconds are the processor's; those before are the clock's, on another host.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from selfdistill.empirical.metrics import brier_score
from selfdistill.theory import (
    ClusteredFeatures,
    SoftmaxRegression,
    Spectrum,
    corrupt_labels,
    corruption_matrix,
    one_hot,
)
from selfdistill.theory.distillation.collapse import rounds_bounds

from .measure import alone, worked

CLASSES, GIVEN, SAMPLES = 2000, 1000, 100_000
RIDGE, RATIO = 1e-8, 999


def rounds_of_many_classes(classes: int) -> float:
    """Seconds of `minimum_rounds` with as many classes, under symmetric noise."""
    model = ClusteredFeatures(classes, 50, 0.4, 0.1, 1e-7)
    noise = corruption_matrix("symmetric", classes, 0.5)
    return worked(lambda: model.minimum_rounds(noise))[0]


def noisy_labels(samples: int, classes: int) -> float:
    """Seconds of drawing a noisy label for every sample."""
    noise = corruption_matrix("symmetric", classes, 0.4)
    labels = np.arange(samples) % classes
    return worked(lambda: corrupt_labels(labels, noise, 0))[0]


def margins_of_many_classes(classes: int) -> float:
    """Seconds of accuracy and margins of every class and given label, which once took outputs of K³ numbers."""
    model = ClusteredFeatures(classes, 50, 0.4, 0.1, 1e-7)
    noise = corruption_matrix("symmetric", classes, 0.5)
    return worked(lambda: (model.accuracy(noise, 3), model.margins(noise, 3)))[0]


def squared_distance(samples: int, classes: int) -> float:
    """Seconds of the Brier score."""
    probabilities = np.full((samples, classes), 1 / classes)
    labels = np.arange(samples) % classes
    return worked(lambda: brier_score(probabilities, labels))[0]


def bounds_far_above_the_noise(ratio: float) -> float:
    """Seconds of the bounds on rounds whose number is about the square of the ratio."""
    spectrum = Spectrum.from_eigenvalues(np.logspace(-8, 0, 500), np.ones(500))
    return worked(lambda: rounds_bounds(spectrum, 1 / ratio**2))[0]


def small_penalty() -> tuple[float, float]:
    """Seconds and stationarity of one softmax regression on iris, RBF kernel, at a penalty of 1e-8."""
    from sklearn.datasets import load_iris
    from sklearn.metrics.pairwise import rbf_kernel

    x, y = load_iris(return_X_y=True)
    gram, targets = rbf_kernel(x, gamma=0.25), one_hot(y, 3)
    seconds, fit = worked(lambda: SoftmaxRegression.from_gram(gram, RIDGE).fit(targets))
    return seconds, fit.stationarity


def run() -> list[dict[str, Any]]:
    """One row each; the rivals are what the same calls took before they were rewritten, on another host."""
    rounds_seconds, rounds_peak = alone(rounds_of_many_classes, CLASSES)
    margins_seconds, margins_peak = alone(margins_of_many_classes, CLASSES)
    labels_seconds, labels_peak = alone(noisy_labels, SAMPLES, GIVEN)
    brier_seconds, brier_peak = alone(squared_distance, 1000, 10 * CLASSES)
    bounds_seconds, bounds_peak = alone(bounds_far_above_the_noise, RATIO)
    (softmax_seconds, stationarity), softmax_peak = alone(small_penalty)
    rows: list[tuple[str, float, float | None, float | None, float, float | None, str]] = [
        # work, seconds, seconds before, at least so many times faster, peak, peak before, note
        (
            f"minimum rounds, {CLASSES} classes", rounds_seconds, 27.0, 2.0, rounds_peak, 1229.0, "1.2 GiB before",
        ),
        (
            f"accuracy and margins, {CLASSES} classes", margins_seconds, None, None, margins_peak,
            8 * CLASSES**3 / 2**20, "outputs of every class, label and output would be 60 GiB",
        ),
        (
            f"noisy labels, {SAMPLES} samples, {GIVEN} classes", labels_seconds, 1.0, 1.0, labels_peak, 874.0,
            "874 MiB before",
        ),
        (
            f"Brier score, 1000 samples, {10 * CLASSES} classes", brier_seconds, None, None, brier_peak,
            8 * (10 * CLASSES) ** 2 / 2**20, "the identity of that size alone would be 3 GiB",
        ),
        (
            f"bounds on rounds, r0 = {RATIO}", bounds_seconds, 1.2, 2.0, bounds_peak, None, "a million steps",
        ),
        (
            f"softmax regression, 150 samples, penalty {RIDGE:g}", softmax_seconds, 5.8, 5.0, softmax_peak, None,
            f"stationarity {stationarity:.1e}",
        ),
    ]  # fmt: skip
    return [
        line
        for work, seconds, before, least, peak, peak_before, note in rows
        for line in lines(work, seconds, before, least, peak, peak_before, note)
    ]


def lines(
    work: str,
    seconds: float,
    before: float | None,
    least: float | None,
    peak: float,
    peak_before: float | None,
    note: str,
) -> list[dict[str, Any]]:
    """A row of seconds, and one of memory where that was the trouble."""
    time = {
        "work": work,
        "rival": "itself before (another host)",
        "ours_seconds": seconds,
        "rival_seconds": before,
        "ratio": None if before is None else before / seconds,
        "at_least": least,
        "peak_mib": peak,
        "note": note,
    }
    if peak_before is None:
        return [time]
    memory = {
        "work": "the same: memory",
        "rival": f"{peak_before:.0f} MiB",
        "ratio": peak_before / peak,
        "at_least": 1.0,
        "peak_mib": peak,
    }
    return [time, memory]
