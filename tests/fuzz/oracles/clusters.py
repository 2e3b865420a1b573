"""Clustered features against fractions: exact signs of margins, round by round."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from selfdistill import theory
from selfdistill.theory import InputError

from ..draws import Draws
from .cases import RIGHT, Verdict, case, compare


def exact_outputs(model: Any, corruption: Any, t: int) -> Any:
    """Outputs less 1/K after t rounds of label averaging, in fractions: (class, given label, output)."""
    k, n = model.n_classes, model.n_per_class
    c, d = Fraction(model.within), Fraction(model.across)
    sizes = (1 - c, 1 - c + n * (c - d), 1 - c + n * (c - d) + n * k * d)
    total = k * Fraction(model.ridge) * k * n
    s = [value / (value + total) for value in sizes]
    powers = [v**t for v in s]
    weights = (powers[0], powers[1] - powers[0], powers[2] - powers[1])
    rows = [[Fraction(float(v)) for v in row] for row in corruption]
    rows = [[v / sum(row) for v in row] for row in rows]
    means = [sum(row[j] for row in rows) / k for j in range(k)]
    return [
        [[weights[0] * (j == o) + weights[1] * rows[i][o] + weights[2] * means[o] - powers[2] / k for o in range(k)]
         for j in range(k)]
        for i in range(k)
    ]  # fmt: skip


@case
def rounds_of_clusters(d: Draws) -> Verdict:
    """Accuracy and the least number of rounds that corrects all labels, by the signs of fractions."""
    rng, k, n = d.generator(), d.count(2, 4), d.pick(2, 5, 20, 1000)
    # Binary fractions: where margins tie, they tie in floating point too.
    across = d.pick(0.0, 0.0625, 0.3125)
    within = across + d.pick(0.03125, 0.3125, 0.625)
    ridge = 2.0 ** d.pick(-20, -10, -3, 3, 7) * d.pick(1.0, 0.75)
    model = theory.ClusteredFeatures(k, n, within, across, ridge)
    # Eighths: so that rows sum to 1 exactly and ties are ties.
    if d.chance(2):
        corruption = np.array([np.bincount(rng.integers(0, k, 8), minlength=k) for _ in range(k)]) / 8
    else:
        corruption = theory.corruption_matrix(d.pick("symmetric", "asymmetric"), k, d.pick(0.125, 0.25, 0.5))
        corruption = np.round(corruption * 1024) / 1024
        corruption[np.arange(k), np.arange(k)] += 1 - corruption.sum(axis=1)
    told = f"ClusteredFeatures({k}, {n}, {within}, {across}, {ridge}), {corruption.tolist()}"

    def right(t: int) -> Any:
        """Share of right samples after t rounds, ties by chance."""
        total = 0.0
        for i, of_class in enumerate(exact_outputs(model, corruption, t)):
            for j, row in enumerate(of_class):
                best = max(row)
                if corruption[i, j] > 0 and row[i] == best:
                    total += corruption[i, j] / k / sum(v == best for v in row)
        return total

    t = d.pick(0, 1, 2, 3, 6)
    off = compare(
        lambda: model.accuracy(corruption, t), lambda: right(t), 1e-9, f"accuracy after {t}: {told}"
    )
    if off != RIGHT:
        return off
    first = model.minimum_rounds(corruption)
    if first <= 40:
        if right(int(first)) < 1 - 1e-12:
            return "wrong", f"not all right after {first} rounds: {told}"
        if first > 1 and right(int(first) - 1) > 1 - 1e-12:
            return "wrong", f"all right before {first} rounds: {told}"
    elif any(right(u) > 1 - 1e-12 for u in (1, 2, 5, 20)):
        return "wrong", f"minimum_rounds {first}, but all are right before: {told}"
    given = corruption > 0  # what no sample has counts as nothing
    return compare(
        lambda: (model.outputs(corruption, t) - 1 / k)[given],
        lambda: np.array(exact_outputs(model, corruption, t), float)[given],
        1e-9, f"outputs after {t}: {told}", floor=1e-3,
    )  # fmt: skip


@case
def anything_of_clusters(d: Draws) -> Verdict:
    """Any numbers that make a model: an accuracy in [0, 1], rounds of at least 1, never NaN."""
    try:
        model = theory.ClusteredFeatures(
            d.count(1, 5), d.count(0, 10**6), d.pick(0.9, 0.5, 1.0, -0.5), d.pick(0.1, 0.0, -0.1, 0.5),
            d.power(-300, -100, -9, 0, 9, 100, 300),
        )  # fmt: skip
        noise = d.generator().dirichlet(np.ones(model.n_classes), model.n_classes)
        t = d.pick(0, 1, 10**3, 10**6, 10**9)
        accuracy, first = model.accuracy(noise, t), model.minimum_rounds(noise)
        last = model.last_round(noise)
    except InputError as error:
        return "refused", str(error)
    told = f"{model} {noise.tolist()} {t}"
    if not (0 <= accuracy <= 1 and first >= 1 and last >= 0):
        return "wrong", f"accuracy {accuracy}, first {first}, last {last}: {told}"
    if first < 1e15 and model.accuracy(noise, int(first)) != 1:
        return (
            "wrong",
            f"accuracy {model.accuracy(noise, int(first))} after the {first} rounds that correct all: {told}",
        )
    return RIGHT
