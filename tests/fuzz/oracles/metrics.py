"""Metrics of probabilities, by loops from their definitions, with ties and certain outputs."""

from __future__ import annotations

import itertools

import numpy as np

from selfdistill.empirical import metrics

from ..draws import Draws
from .cases import Verdict, case, compare

NAMES = ("brier_score", "accuracy", "expected_calibration_error", "area_under_risk_coverage", "top_k_accuracy",
         "mean_confidence", "negative_log_likelihood", "predictive_uncertainty")  # fmt: skip


@case
def metrics_of_probabilities(d: Draws) -> Verdict:
    """Eight metrics."""
    rng, n, k = d.generator(), d.count(1, 7), d.count(2, 4)
    p = rng.dirichlet(np.ones(k), n)
    if d.chance(2):
        p = np.round(p * 4)
        p[p.sum(1) == 0] = 1
        p /= p.sum(1, keepdims=True)
    y = rng.integers(0, k, n).astype(d.pick("int64", "int8", "uint8", "uint16"))
    name, top = d.pick(*NAMES), d.count(1, k)
    sure, wrong = p.max(1), p.argmax(1) != y

    def calibration() -> float:
        total = 0.0
        for low, high in itertools.pairwise(np.linspace(0, 1, 16)):
            inside = (sure > low) & (sure <= high)
            if inside.any():
                total += inside.mean() * abs((~wrong)[inside].mean() - sure[inside].mean())
        return total

    def under_the_curve() -> float:
        total, before, errors = 0.0, 0, 0.0
        for level in sorted(
            set(sure), reverse=True
        ):  # of m equally sure ones, the j-th in the mean over all orders
            inside = sure == level
            m, bad = int(inside.sum()), float(wrong[inside].sum())
            total += sum((errors + j * bad / m) / (before + j) for j in range(1, m + 1))
            before, errors = before + m, errors + bad
        return total / n

    expected = {
        "brier_score": lambda: np.mean(
            [sum((p[i, j] - (j == y[i])) ** 2 for j in range(k)) for i in range(n)]
        ),
        "accuracy": lambda: 1 - wrong.mean(),
        "expected_calibration_error": calibration,
        "area_under_risk_coverage": under_the_curve,
        "top_k_accuracy": lambda: np.mean([(p[i] > p[i, y[i]]).sum() < top for i in range(n)]),
        "mean_confidence": lambda: sure.mean(),
        "negative_log_likelihood": lambda: np.mean(
            [-np.log(p[i, y[i]]) if p[i, y[i]] else np.inf for i in range(n)]
        ),
        "predictive_uncertainty": lambda: np.mean([-sum(q * np.log(q) for q in row if q) for row in p]),
    }[name]
    more = {"top_k_accuracy": (y, top), "predictive_uncertainty": ()}.get(name, (y,))
    return compare(lambda: getattr(metrics, name)(p, *more), expected, 1e-12, f"{name} {p.tolist()} {y.tolist()} {top}",
                   floor=1e-3)  # fmt: skip
