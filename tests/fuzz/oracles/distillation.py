"""Rounds and their bounds: 60 digits, linear systems solved again and again, refits without a sample."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import scipy.linalg

from selfdistill import theory
from selfdistill.theory import InputError, Spectrum

from ..draws import Draws
from .cases import DIGITS, RIGHT, Verdict, case, compare, first_fault


@case
def rounds_to_a_tolerance(d: Draws) -> Verdict:
    """Multipliers solve their equation in 60 digits, whatever the scales of eigenvalues and targets."""
    rng, n = d.generator(), d.count(1, 5)
    values = np.abs(rng.normal(size=n)) * d.power(0, 0, -12, 12, -140, 140)
    values *= 10.0 ** (rng.uniform(-1, 1, n) * d.pick(0, 3, 8))
    z = rng.normal(size=n) * d.power(0, 0, -12, 12, -120, 120)
    epsilon = float(np.mean(z**2)) * d.pick(1e-9, 1e-3, 0.1, 0.5, 0.9, 0.999)
    run = theory.distill_to_tolerance(Spectrum.from_eigenvalues(values, z), epsilon, 3)
    order = np.argsort(values, kind="stable")
    with mpmath.workdps(DIGITS):
        left = [mpmath.mpf(v) for v in z[order]]
        for t, c in enumerate(run.multipliers):
            rates = [mpmath.mpf(c) / (mpmath.mpf(c) + mpmath.mpf(v)) for v in values[order]]
            error = mpmath.fsum((r * v) ** 2 for r, v in zip(rates, left, strict=True)) / n
            told = f"round {t + 1} of eigenvalues {values}, coefficients {z}, epsilon {epsilon}"
            if abs(error / mpmath.mpf(epsilon) - 1) > 1e-8:
                return "wrong", f"error {mpmath.nstr(error / epsilon, 12)} ε in {told}"
            left = [(1 - r) * v for r, v in zip(rates, left, strict=True)]
            norm = mpmath.sqrt(mpmath.fsum(v**2 for v in left))
            if abs(run.target_norms[t + 1] / norm - 1) > 1e-7:
                return "wrong", f"norm {run.target_norms[t + 1]} for {mpmath.nstr(norm, 12)} in {told}"
    return RIGHT


def smoothed(gram: Any, total: float, targets: Any) -> Any:
    """Fitted values of ridge regression on a gram; `total` is n times the ridge."""
    return gram @ scipy.linalg.solve(gram + total * np.eye(len(gram)), targets, assume_a="pos")


def problem(d: Draws, most: int = 9) -> tuple[Any, Any, Any, Any]:
    """Features, their gram and that of two new points, and targets of any scale, with one or more outputs."""
    rng, n = d.generator(), d.count(3, most)
    x = rng.normal(size=(n + 2, d.count(1, 4))) * d.power(0, 0, -3, 3)
    y = rng.normal(size=(n, d.count(1, 3))) * d.power(0, 0, -100, 100)
    y = y[:, 0] if y.shape[1] == 1 and d.chance(2) else y
    return x[:n], x[:n] @ x[:n].T, x[n:] @ x[:n].T, y


def built(d: Draws, x: Any, gram: Any, y: Any) -> tuple[str, Any]:
    """A spectrum of the same problem by any of its doors."""
    way = d.pick("gram", "features", "chunks", "krylov", "krylov of a function", "of")
    split = max(1, len(x) // 2)
    make = {
        "gram": lambda: Spectrum.from_gram(gram, y),
        "features": lambda: Spectrum.from_features(x, y),
        "chunks": lambda: Spectrum.from_chunks([x[:split], x[split:]], y),
        "krylov": lambda: Spectrum.krylov(gram, y),
        "krylov of a function": lambda: Spectrum.krylov(lambda a, b: a @ b.T, y, points=x),
        "of": lambda: Spectrum.of(gram, y),
    }
    return way, make[way]


@case
def rounds_with_a_ridge(d: Draws) -> Verdict:
    """Fitted values and predictions of a fixed ridge, whatever holds the kernel, against solving its systems."""
    x, gram, cross, y = problem(d)
    n, rounds, weight = len(x), d.count(1, 4), d.pick(0.0, 0.3, 1.0)
    ridge = d.power(-3, -1, 0, 2) * float(np.trace(gram)) / n**2
    way, make = built(d, x, gram, y)
    fits, target = [], y
    for _ in range(rounds):
        given = target
        fits.append(smoothed(gram, n * ridge, given))
        target = weight * y + (1 - weight) * fits[-1]
    predicted = cross @ scipy.linalg.solve(gram + n * ridge * np.eye(n), given, assume_a="pos")
    told = f"{way} {x.tolist()} {y.tolist()} ridge={ridge} rounds={rounds} weight={weight}"
    held: list[Any] = []

    def run() -> Any:
        held[:] = held or [theory.distill_with_ridge(make(), ridge, rounds, weight)]
        return held[0]

    return first_fault(
        compare(lambda: run().fitted(rounds), lambda: fits[-1], 1e-6, f"fitted, {told}"),
        compare(lambda: run().predict(cross, rounds), lambda: predicted, 1e-5, f"predicted, {told}",
                floor=float(np.abs(fits[-1]).max())),
    )  # fmt: skip


@case
def bounds_hold(d: Draws) -> Verdict:
    """The exact number of rounds lies in its bounds, and a run of so many rounds has collapsed."""
    rng, n = d.generator(), d.count(1, 30)
    values = 10.0 ** rng.uniform(-d.pick(0, 1, 6), 0, n) * d.power(0, 0, -150, 150)
    z = rng.normal(size=n) * d.power(0, 0, -100, 100)
    epsilon = float(np.mean(z**2)) * d.pick(1e-3, 0.01, 0.1, 0.5, 0.9, 1.0, 1.1)
    spectrum = Spectrum.from_eigenvalues(values, z)
    bounds = theory.collapse_bounds(spectrum, epsilon)
    holds = bounds.paper_lower - 1e-9 <= bounds.exact and bounds.lower - 1e-9 <= bounds.exact <= bounds.upper
    counted = theory.distill_to_tolerance(spectrum, epsilon)
    if holds and counted.collapsed and counted.rounds == bounds.exact:
        return RIGHT
    return "wrong", f"{bounds}, counted {counted.rounds}, {values.tolist()}, {z.tolist()}, {epsilon}"


@case
def grids(d: Draws) -> Verdict:
    """A grid of settings is what its settings give one by one."""
    x, gram, _, y = problem(d)
    spectrum, energy = Spectrum.from_gram(gram, y), float(np.sum(y**2)) / len(y)
    rounds = d.count(1, 4)
    if d.chance(2):
        least = spectrum.least_feasible_epsilon
        settings = [max(least * 1.01, energy * share) for share in (1e-3, 0.1, 0.6)]
        grid = theory.distill_grid(spectrum, settings, rounds)
        runs = [theory.distill_to_tolerance(spectrum, e, rounds) for e in settings]
    else:
        settings = [float(np.trace(gram)) / len(x) ** 2 * share for share in (1e-3, 1.0, 30.0)]
        grid = theory.distill_ridge_grid(spectrum, settings, rounds)
        runs = [theory.distill_with_ridge(spectrum, c, rounds) for c in settings]
    for row, run in enumerate(runs):
        told = f"setting {row} of {settings}, {x.tolist()}, {y.tolist()}"
        if grid.rounds[row] != run.rounds:
            return "wrong", f"{grid.rounds[row]} rounds for {run.rounds}, {told}"
        off = first_fault(
            compare(lambda: grid.multipliers[row, : run.rounds], lambda: run.multipliers, 1e-8, told),  # noqa: B023
            compare(lambda: grid.target_norms[row, : run.rounds + 1], lambda: run.target_norms, 1e-8, told),  # noqa: B023
        )
        if off != RIGHT:
            return off
    return RIGHT


@case
def progressive_rounds(d: Draws) -> Verdict:
    """Gradient flow, or steps of gradient descent, towards moving targets, against the matrix exponential."""
    x, gram, _, y = problem(d)
    n, weights = len(x), [d.pick(0.0, 0.3, 0.9, 1.0) for _ in range(d.count(1, 3))]
    step = d.power(-6, -2, 0, 1) * n / float(np.trace(gram))
    substeps = d.pick(None, None, 1, 4)

    def expected() -> Any:
        f = np.zeros_like(y)
        decay = scipy.linalg.expm(-2 * step * gram / n)
        if substeps is not None:
            decay = np.linalg.matrix_power(np.eye(n) - 2 * step / substeps * gram / n, substeps)
        for weight in weights:
            towards = (1 - weight) * y + weight * f
            f = towards + decay @ (f - towards)
        return f

    told = f"{x.tolist()} {y.tolist()} {weights} {step} {substeps}"
    run = theory.progressive_trajectory(Spectrum.from_gram(gram, y), weights, step, substeps)
    return compare(
        lambda: run.fitted(len(weights)), expected, 1e-8, told, floor=1e-6 * float(np.abs(y).max())
    )


@case
def left_out_rounds(d: Draws) -> Verdict:
    """Predictions at samples left out, alone or in groups, against running without them."""
    x, gram, _, y = problem(d, 7)
    n, rounds, weight = len(x), d.count(1, 3), d.pick(0.0, 0.3)
    ridge = d.power(-2, 0, 1) * float(np.trace(gram)) / n**2
    groups = d.generator().integers(0, 3, n) if d.chance(2) else np.arange(n)
    spectrum = Spectrum.from_features(x, y) if d.chance(2) else Spectrum.from_gram(gram, y)
    if len(np.unique(groups)) < 2:
        groups = np.arange(n)

    def expected() -> Any:
        predicted = np.zeros((rounds, *y.shape))
        for group in np.unique(groups):
            out, kept = np.flatnonzero(groups == group), np.flatnonzero(groups != group)
            inner, target = gram[np.ix_(kept, kept)], y[kept]
            for t in range(rounds):
                dual = scipy.linalg.solve(inner + n * ridge * np.eye(len(kept)), target, assume_a="pos")
                predicted[t, out] = gram[np.ix_(out, kept)] @ dual
                target = weight * y[kept] + (1 - weight) * inner @ dual
        return predicted

    told = f"{x.tolist()} {y.tolist()} {ridge} {rounds} {weight} {groups}"
    return compare(
        lambda: theory.leave_one_out(spectrum, ridge, rounds, weight, groups=groups), expected, 1e-6, told,
        floor=float(np.abs(y).max()) * 1e-3,
    )  # fmt: skip


@case
def kernel_of_one_round(d: Draws) -> Verdict:
    """One ridge fit with the kernel that distillation amounts to gives what distillation gave."""
    x, gram, _, y = problem(d)
    gram = gram + np.eye(len(x)) * float(np.trace(gram)) * d.pick(0.1, 1e-3)
    t = d.count(1, 3)
    spectrum = Spectrum.from_gram(gram, y)
    run = theory.distill_with_ridge(spectrum, d.power(-3, -1, 0) * float(np.trace(gram)) / len(x), t)
    kernel = theory.one_round_kernel(run, t)
    return compare(
        lambda: smoothed(kernel.gram(), len(x) * kernel.ridge, y), lambda: run.fitted(t), 1e-6,
        f"{gram.tolist()} {y.tolist()} round {t}", floor=1e-4 * float(np.abs(y).max()),
    )  # fmt: skip


@case
def risk_of_rounds(d: Draws) -> Verdict:
    """Bias, variance and Mallows' estimate from the matrix of every round."""
    x, gram, _, y = problem(d)
    n, rounds, variance = len(x), d.count(1, 3), d.pick(0.0, 0.1, 1e-20, 1e20)
    ridge = d.power(-2, 0, 1) * float(np.trace(gram)) / n**2
    truth = d.generator().normal(size=y.shape)
    run = theory.distill_with_ridge(Spectrum.from_gram(gram, y), ridge, rounds)
    smoother, k = smoothed(gram, n * ridge, np.eye(n)), 1 if y.ndim == 1 else y.shape[1]
    matrices = [np.linalg.matrix_power(smoother, t + 1) for t in range(rounds)]
    told = f"{x.tolist()} {y.tolist()} {ridge} {rounds} {variance}"
    curve = theory.risk_curve(run, truth, variance)
    return first_fault(
        compare(lambda: curve.squared_bias, lambda: [np.sum((truth - m @ truth) ** 2) / n for m in matrices],
                1e-8, told),
        compare(lambda: curve.variance, lambda: [variance * k * np.sum(m**2) / n for m in matrices], 1e-8, told),
        compare(lambda: theory.estimated_risk(run, variance),
                lambda: [np.sum((y - m @ y) ** 2) / n + variance * k * (2 * np.trace(m) / n - 1) for m in matrices],
                1e-8, told, floor=variance),
    )  # fmt: skip


@case
def infeasible(d: Draws) -> Verdict:
    """What no fit reaches is refused with the least error that one does; just above it, it is answered."""
    x, gram, _, y = problem(d)
    n = len(x)
    q = np.linalg.svd(x, full_matrices=False)[0]
    rank = int(np.linalg.matrix_rank(x))
    left = y - q[:, :rank] @ (q[:, :rank].T @ y)
    least, energy = float(np.sum(left**2)) / n, float(np.sum(y**2)) / n
    if least < 1e-6 * energy or least > 0.99 * energy:
        return RIGHT
    spectrum = Spectrum.from_features(x, y) if d.chance(2) else Spectrum.from_gram(gram, y)
    told = f"{x.tolist()} {y.tolist()}, least {least}"
    try:
        theory.distill_to_tolerance(spectrum, least * 0.999, 1)
        return "wrong", f"an error below the least was reached: {told}"
    except theory.InfeasibleToleranceError as error:
        if abs(error.least_feasible_epsilon / least - 1) > 1e-6:
            return "wrong", f"said {error.least_feasible_epsilon}: {told}"
    try:
        run = theory.distill_to_tolerance(spectrum, least + 1e-3 * (energy - least), 1)
    except InputError as error:
        return "wrong", f"{error} {told}"
    return compare(lambda: run.training_error(1), lambda: least + 1e-3 * (energy - least), 1e-7, told)
