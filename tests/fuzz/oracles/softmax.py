"""Softmax regression against Newton's method in 40 digits, and against the size of its own equation."""

from __future__ import annotations

import warnings
from typing import Any

import mpmath
import numpy as np

from selfdistill import theory

from ..draws import Draws
from .cases import RIGHT, Verdict, case, compare


def optimum(x: Any, targets: Any, ridge: float) -> Any:
    """Probabilities (n, k) at the least of ``mean cross-entropy + (ridge/2)‖W‖²``, by damped Newton in 40 digits."""
    n, p, k = len(x), x.shape[1], targets.shape[1]
    with mpmath.workdps(40):
        X = [[mpmath.mpf(float(v)) for v in row] for row in x]
        T = [[mpmath.mpf(float(v)) for v in row] for row in targets]
        c = mpmath.mpf(float(ridge))

        def outputs(w: Any) -> Any:
            rows = []
            for row in X:
                z = [mpmath.fsum(row[a] * w[a * k + j] for a in range(p)) for j in range(k)]
                top = max(z)
                e = [mpmath.exp(v - top) for v in z]
                rows.append([v / mpmath.fsum(e) for v in e])
            return rows

        def loss(w: Any) -> Any:
            y = outputs(w)
            fit = -mpmath.fsum(T[i][j] * mpmath.log(y[i][j]) for i in range(n) for j in range(k)) / n
            return fit + c / 2 * mpmath.fsum(v * v for v in w)

        w = [mpmath.mpf(0)] * (p * k)
        for _ in range(200):
            y = outputs(w)
            slope = mpmath.matrix([
                mpmath.fsum(X[i][a] * (y[i][j] - T[i][j]) for i in range(n)) / n + c * w[a * k + j]
                for a in range(p) for j in range(k)
            ])  # fmt: skip
            bend = mpmath.matrix(p * k, p * k)
            for i in range(n):
                for a in range(p):
                    for b in range(p):
                        for j in range(k):
                            for m in range(k):
                                bend[a * k + j, b * k + m] += (
                                    X[i][a] * X[i][b] * y[i][j] * ((j == m) - y[i][m]) / n
                                )
            for a in range(p * k):
                bend[a, a] += c
            step, share, before = mpmath.lu_solve(bend, slope), mpmath.mpf(1), loss(w)
            while loss([v - share * s for v, s in zip(w, step, strict=True)]) > before and share > 1e-12:
                share /= 2
            w = [v - share * s for v, s in zip(w, step, strict=True)]
            if mpmath.norm(step) <= mpmath.mpf(10) ** -20 * (1 + mpmath.norm(mpmath.matrix(w))):
                break
        return np.array([[float(v) for v in row] for row in outputs(w)])


def fitted(call: Any) -> tuple[Any, bool]:
    """A fit, and whether it warned of its own accuracy."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        fit = call()
    return fit, any(issubclass(w.category, theory.SoftmaxAccuracyWarning) for w in told)


@case
def softmax_regression(d: Draws) -> Verdict:
    """Outputs and new points from features and from their gram, down to tiny penalties, or a warning."""
    rng, n, k, p = d.generator(), d.count(2, 4), d.count(2, 3), d.count(1, 2)
    size = d.power(0, 0, 2, -2, 100, -100)
    x = rng.normal(size=(n, p))
    targets = rng.dirichlet(np.ones(k), n)
    ridge = d.power(-8, -5, -2, 0, 2)
    wanted = optimum(x, targets, ridge)
    by = d.pick("features", "gram")
    given = {"features": size * x} if by == "features" else {"gram": (size * x) @ (size * x).T}
    fit, warned = fitted(
        lambda: theory.fit_softmax_regression(**given, targets=targets, ridge=ridge * size**2)
    )
    if warned:
        return RIGHT
    told = f"{by} {x.tolist()} times {size}, {targets.tolist()}, ridge {ridge} over the size squared"
    first = compare(lambda: fit.outputs, lambda: wanted, 1e-6, told)
    if first != RIGHT:
        return first
    points = next(iter(given.values()))
    return compare(lambda: fit.predict_proba(points), lambda: wanted, 1e-6, f"at the points, {told}")


@case
def stationary_softmax(d: Draws) -> Verdict:
    """Outputs of larger problems are those of their own equation, and the stationarity that is said is the true one."""
    rng, n, k = d.generator(), d.count(5, 20), d.count(2, 4)
    x = rng.normal(size=(n, d.count(1, 6))) + d.pick(0.0, 0.0, 10.0)
    targets, ridge = rng.dirichlet(np.ones(k), n), d.power(-6, -3, 0, 2)
    if d.chance(2):
        targets = np.eye(k)[rng.integers(0, k, n)]
    by = d.pick("features", "gram")
    given = {"features": x} if by == "features" else {"gram": x @ x.T}
    fit, warned = fitted(lambda: theory.fit_softmax_regression(**given, targets=targets, ridge=ridge))
    if warned:
        return RIGHT
    exact = x.astype(np.longdouble)
    logits = exact @ (exact.T @ (targets - fit.outputs)) / (n * ridge)
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    off = float(np.abs(e / e.sum(axis=1, keepdims=True) - fit.outputs).max())
    # An error of the outputs comes back up to the factor by which the ridge magnifies it.
    magnified = 1e-9 * (1 + np.linalg.norm(x, 2) ** 2 / (n * ridge))
    told = f"{by} ridge {ridge}, x={x.tolist()}, {targets.tolist()}"
    if off > max(magnified, 1e-7):
        return "wrong", f"outputs off by {off:.3g} (said {fit.stationarity:.3g}), {told}"
    if off > 1e-9 and not 0.01 < (fit.stationarity + 1e-12) / off < 100 and fit.stationarity < 1e-3 * off:
        return "wrong", f"stationarity {fit.stationarity:.3g} for {off:.3g}, {told}"
    return RIGHT


@case
def softmax_of_rounds(d: Draws) -> Verdict:
    """The estimator's last round is a fit to the round before it, on kernels as on features."""
    rng, n, k, rounds = d.generator(), d.count(6, 15), d.count(2, 3), d.count(1, 3)
    x = rng.normal(size=(n, 3))
    y = np.resize(np.arange(k), n)
    kernel, ridge = d.pick("linear", "rbf"), d.power(-3, -2, 0)
    model = theory.SelfDistilledSoftmaxRegression(kernel, gamma=0.5, ridge=ridge, rounds=rounds).fit(x, y)
    gram = x @ x.T if kernel == "linear" else np.exp(-0.5 * ((x[:, None] - x) ** 2).sum(-1))
    targets = np.eye(k)[y]
    for _ in range(rounds):
        fit = theory.fit_softmax_regression(gram, targets, ridge)
        targets = fit.outputs
    return compare(
        lambda: model.predict_proba(x), lambda: targets, 1e-6, f"{kernel} {ridge} {x.tolist()} {rounds}"
    )
