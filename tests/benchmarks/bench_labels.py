"""Many classes and small penalties: rounds of thousands of classes, noisy labels of a thousand, softmax at 1e-8."""

from __future__ import annotations

from typing import Any

import numpy as np

from selfdistill.theory import (
    ClusteredFeatures,
    SoftmaxRegression,
    corrupt_labels,
    corruption_matrix,
    one_hot,
)

from .measure import alone, timed

CLASSES, GIVEN, SAMPLES = 2000, 1000, 100_000
RIDGE = 1e-8


def rounds_of_many_classes(classes: int) -> float:
    """Seconds of `minimum_rounds` with as many classes, under symmetric noise."""
    model = ClusteredFeatures(classes, 50, 0.4, 0.1, 1e-7)
    noise = corruption_matrix("symmetric", classes, 0.5)
    return timed(lambda: model.minimum_rounds(noise))[0]


def noisy_labels(samples: int, classes: int) -> float:
    """Seconds of drawing a noisy label for every sample."""
    noise = corruption_matrix("symmetric", classes, 0.4)
    labels = np.arange(samples) % classes
    return timed(lambda: corrupt_labels(labels, noise, 0))[0]


def small_penalty() -> tuple[float, float]:
    """Seconds and stationarity of one softmax regression on iris, RBF kernel, at a penalty of 1e-8."""
    from sklearn.datasets import load_iris
    from sklearn.metrics.pairwise import rbf_kernel

    x, y = load_iris(return_X_y=True)
    gram, targets = rbf_kernel(x, gamma=0.25), one_hot(y, 3)
    seconds, fit = timed(lambda: SoftmaxRegression.from_gram(gram, RIDGE).fit(targets))
    return seconds, fit.stationarity


def run() -> list[dict[str, Any]]:
    """One row each; the rivals are what the same calls took before they were rewritten, on another host."""
    rounds_seconds, rounds_peak = alone(rounds_of_many_classes, CLASSES)
    labels_seconds, labels_peak = alone(noisy_labels, SAMPLES, GIVEN)
    (softmax_seconds, stationarity), softmax_peak = alone(small_penalty)
    rows = [
        (f"minimum rounds, {CLASSES} classes", rounds_seconds, 27.0, 2.0, rounds_peak, "1.2 GiB before"),
        (f"noisy labels, {SAMPLES} samples, {GIVEN} classes", labels_seconds, 1.0, 1.0, labels_peak, "874 MiB before"),
        (
            f"softmax regression, 150 samples, penalty {RIDGE:g}", softmax_seconds, 5.8, 5.0, softmax_peak,
            f"stationarity {stationarity:.1e}",
        ),
    ]  # fmt: skip
    return [
        {
            "work": work,
            "rival": "itself before (another host)",
            "ours_seconds": seconds,
            "rival_seconds": rival,
            "ratio": rival / seconds,
            "at_least": least,
            "peak_mib": peak,
            "note": note,
        }
        for work, seconds, rival, least, peak, note in rows
    ]
