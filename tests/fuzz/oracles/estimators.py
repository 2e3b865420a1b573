"""Estimators against solving their systems, for offsets, scales and precisions of features and targets."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg

from selfdistill import theory

from ..draws import Draws
from .cases import Verdict, case, compare, first_fault

STEP = 2.0**-20


def apart(x: Any, z: Any, gamma: float, kernel: str) -> Any:
    """A kernel of differences, from exact differences."""
    away = x[:, None] - z
    return np.exp(-gamma * (away**2 if kernel == "rbf" else np.abs(away)).sum(-1))


@case
def kernel_ridge(d: Draws) -> Verdict:
    """The regressor at its own points and at new ones, where features have offsets as coordinates of maps have."""
    rng, n = d.generator(), d.count(5, 15)
    offset = d.pick(0.0, 0.0, 101325.0, 1e5, 5e6, 1e8)
    x = np.round(rng.normal(size=(n + 3, 2)) / STEP) * STEP + offset
    if offset == 0 and d.chance(2):
        x = x.astype(np.float32)
    y = rng.normal(size=n) * d.power(0, -50, 50)
    ridge, rounds, gamma = d.power(-3, -1, 1), d.count(1, 3), d.pick(0.1, 1.0)
    name = d.pick("rbf", "laplacian")
    points = x.astype(np.float64)
    gram, cross = apart(points[:n], points[:n], gamma, name), apart(points[n:], points[:n], gamma, name)
    system = gram + n * ridge * np.eye(n)
    target = y
    for _ in range(rounds):
        dual = scipy.linalg.solve(system, target, assume_a="pos")
        target = gram @ dual
    model = theory.SelfDistilledKernelRidge(name, gamma=gamma, ridge=ridge, rounds=rounds).fit(x[:n], y)
    told = f"{name} {x.dtype} {x.tolist()} {y.tolist()} {ridge} {rounds} {gamma}"
    return first_fault(
        compare(
            lambda: model.predict(x[:n]), lambda: target, 1e-6, told, floor=1e-3 * float(np.abs(y).max())
        ),
        compare(
            lambda: model.predict(x[n:]),
            lambda: cross @ dual,
            1e-6,
            told,
            floor=1e-3 * float(np.abs(y).max()),
        ),
    )


@case
def classifier(d: Draws) -> Verdict:
    """Outputs of the classifier: rounds on one-hot labels, the rest of each row dealt by the labels' frequencies."""
    rng, n, k = d.generator(), d.count(6, 14), d.count(2, 3)
    offset = d.pick(0.0, 1e5)
    x, y = np.round(rng.normal(size=(n, 2)) / STEP) * STEP + offset, np.resize(np.arange(k), n)
    weights = rng.integers(1, 4, n).astype(float) if d.chance(2) else np.ones(n)
    ridge, rounds, gamma = d.power(-3, -1, 1), d.count(1, 3), d.pick(0.3, 1.0)
    model = theory.SelfDistilledRidgeClassifier(gamma=gamma, ridge=ridge, rounds=rounds)
    model.fit(x, y, sample_weight=weights if weights.any() else None)

    def expected() -> Any:
        repeated = np.repeat(np.arange(n), weights.astype(int))  # a sample of weight 2 counts as two
        gram = apart(x[repeated], x[repeated], gamma, "rbf")
        target = np.eye(k)[y[repeated]]
        for _ in range(rounds):
            dual = scipy.linalg.solve(
                gram + len(repeated) * ridge * np.eye(len(repeated)), target, assume_a="pos"
            )
            target = gram @ dual
        outputs = apart(x, x[repeated], gamma, "rbf") @ dual
        frequencies = np.bincount(y[repeated]) / len(repeated)
        return outputs + frequencies * (1 - outputs.sum(axis=1, keepdims=True))

    return compare(
        lambda: model.outputs(x), expected, 1e-6, f"{x.tolist()} {weights} {ridge} {rounds} {gamma}"
    )


@case
def label_errors(d: Draws) -> Verdict:
    """No offset, order of samples or name of a class changes what is said of a label; probabilities are ones."""
    rng, n, k = d.generator(), d.count(10, 24), d.count(2, 3)
    y = np.resize(np.arange(k), n)
    x = np.round((rng.normal(size=(n, 2)) + 3 * y[:, None]) / STEP) * STEP
    y[0] = (y[0] + 1) % k
    options = {"gamma": 0.5, "ridge": 0.01, "rounds": d.count(1, 3)} if d.chance(2) else {}
    kernel = d.pick("rbf", "laplacian", "linear")
    options = {**options, "kernel": kernel}
    if kernel == "linear":
        options.pop("gamma", None)
    standardize = d.chance(2) or kernel == "linear"
    found = theory.find_label_errors(x, y, standardize=standardize, **options)
    order = rng.permutation(n)
    other = theory.find_label_errors(
        (x + d.pick(0.0, 1e5, 5e6))[order],
        np.array(["c", "a", "b"])[y[order]],
        standardize=standardize,
        **options,
    )
    told = f"{x.tolist()} {y.tolist()} {options} standardize={standardize}"
    p = np.asarray(found.probabilities)
    if not (p >= 0).all() or not np.allclose(p.sum(axis=1), 1):
        return "wrong", f"no probabilities: {told}"
    if found.rounds != other.rounds:
        return "refused", "two settings tie to rounding"
    return compare(lambda: other.scores, lambda: found.scores[order], 1e-5, told, floor=1.0)
