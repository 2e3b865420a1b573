"""Mixtures, chains of teachers, own outputs and Gaussian processes, from their matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg

from selfdistill import theory
from selfdistill.theory import InputError, Spectrum

from ..draws import Draws
from .cases import Verdict, case, compare, first_fault
from .distillation import problem, smoothed


@case
def mixed_rounds(d: Draws) -> Verdict:
    """A mixture with given weights is the weighted sum of its rounds."""
    x, gram, _, y = problem(d)
    n, k = len(x), d.count(1, 4)
    ridge = d.power(-2, 0, 1) * float(np.trace(gram)) / n**2
    weights = d.generator().normal(size=k)
    weights = np.append(weights, 1 - weights.sum())
    smoother = smoothed(gram, n * ridge, np.eye(n))
    fits = [np.linalg.matrix_power(smoother, t + 1) @ y for t in range(k + 1)]
    mixing = theory.mix_rounds(Spectrum.from_gram(gram, y), ridge, weights)
    told = f"{x.tolist()} {y.tolist()} {ridge} {weights}"
    return first_fault(
        compare(mixing.fitted, lambda: sum(w * f for w, f in zip(weights, fits, strict=True)), 1e-8, told,
                floor=float(np.abs(fits).max())),
        compare(lambda: mixing.round_weights, lambda: weights, 1e-8, told),
    )  # fmt: skip


@case
def best_mixture(d: Draws) -> Verdict:
    """The left-out error of the best mixture of two rounds is the least of a parabola through refits."""
    x, gram, _, y = problem(d, 8)
    n = len(x)
    ridge = d.power(-1, 0, 1) * float(np.trace(gram)) / n**2
    rounds = theory.leave_one_out(Spectrum.from_gram(gram, y), ridge, 2)
    first, change = (y - rounds[0]).ravel(), (rounds[1] - rounds[0]).ravel()
    least = first - change * (first @ change) / (change @ change)
    told = f"{x.tolist()} {y.tolist()} {ridge}"
    return compare(
        lambda: theory.optimal_mixing(Spectrum.from_gram(gram, y), ridge, 1).risk,
        lambda: float(least @ least) / n, 1e-6, told,
    )  # fmt: skip


@case
def least_mallows(d: Draws) -> Verdict:
    """Of a known variance no mixture of as many rounds has a lower criterion than the one chosen."""
    x, gram, _, y = problem(d, 8)
    n, steps, variance = len(x), d.count(1, 2), float(np.mean(np.square(y))) * d.pick(0.01, 0.3)
    ridge = d.power(-1, 0) * float(np.trace(gram)) / n**2
    smoother = smoothed(gram, n * ridge, np.eye(n))
    try:
        mixing = theory.optimal_mixing(Spectrum.from_gram(gram, y), ridge, steps, variance)
    except InputError as error:
        return ("refused" if "has no least" in str(error) else "wrong"), str(error)
    k = 1 if y.ndim == 1 else y.shape[1]

    def criterion(weights: Any) -> float:
        matrix = sum(w * np.linalg.matrix_power(smoother, t + 1) for t, w in enumerate(weights))
        return float(np.sum((y - matrix @ y) ** 2) / n + variance * k * (2 * np.trace(matrix) / n - 1))

    chosen = mixing.round_weights
    told = f"{x.tolist()} {y.tolist()} {ridge} {steps} {variance} {chosen}"
    if np.abs(chosen).max() > 1e4:
        return "right", ""  # weights that cancel each other keep no digits in this sum
    here = criterion(chosen)
    near = [criterion(chosen + step * np.eye(steps + 1)[i] - step * np.eye(steps + 1)[-1])
            for i in range(steps) for step in (-0.1, 0.1)]  # fmt: skip
    if min(near) < here - 1e-6 * variance:
        return "wrong", f"{min(near)} is less than {here}: {told}"
    return compare(lambda: mixing.risk, lambda: here, 1e-5, told, floor=variance)


@case
def chain_of_teachers(d: Draws) -> Verdict:
    """A chain on different kernels is the product of its smoothers."""
    x, gram, _, y = problem(d)
    n, k = len(x), d.count(1, 3)
    grams = [
        gram + c * np.diag(np.arange(1.0, n + 1)) * float(np.trace(gram)) / n for c in (0.1, 1.0, 0.5)[:k]
    ]
    ridges = [float(np.trace(g)) / n**2 * d.power(-1, 0, 1) for g in grams]
    chain = theory.teach([Spectrum.from_gram(g, y) for g in grams], ridges)
    target = y
    for g, c in zip(grams, ridges, strict=True):
        target = smoothed(g, n * c, target)
    return compare(lambda: chain.fitted(k), lambda: target, 1e-8, f"{x.tolist()} {y.tolist()} {ridges}")


@case
def own_outputs(d: Draws) -> Verdict:
    """Mean and variance of every generation, from vectors of what is drawn: truth, first noise, later noises."""
    rng, generations = d.generator(), d.count(1, 4)
    values = np.append(np.abs(rng.normal(size=3)), 0.0) * d.power(0, -100, 100)
    ridge = float(values.max()) * d.pick(0.0, 0.1, 3.0)
    s2, fresh, share = d.pick(0.0, 1.0, 1e-10), d.pick(None, 0.0, 0.5), d.pick(0.0, 0.3, 1.0)
    kind = d.pick("fresh", "kept")
    scheme = d.pick("replace", "accumulate") if share == 0 else "replace"
    result = theory.own_outputs(
        Spectrum.from_eigenvalues(values, np.zeros(4)), ridge, generations, s2,
        fresh_noise_variance=fresh, real_share=share, real_labels=kind, scheme=scheme,
    )  # fmt: skip
    later = s2 if fresh is None else fresh

    def expected() -> Any:
        rows = []
        for v in np.sort(values):
            a = v / (v + ridge) if v > 0 else 0.0
            # A target as a sum of independent noises with these factors: first labels, then two a generation.
            target, data, fits = np.zeros(2 * generations + 1), [], []
            target[0] = 1.0
            data.append(target)
            for t in range(generations):
                if t:
                    new = a * target
                    new[2 * t - 1] += 1.0
                    data.append(new)
                    if scheme == "accumulate":
                        target = np.mean(data, axis=0)
                    else:
                        real = np.zeros_like(target)
                        real[0 if kind == "kept" else 2 * t] = 1.0
                        target = share * real + (1 - share) * new
                fits.append(a * target)
            powers = np.full(2 * generations + 1, s2)
            powers[1::2] = later
            rows.append([float(f**2 @ powers) for f in fits])
        return np.array(rows).T

    told = f"{values} {ridge} {generations} {s2} {fresh} {share} {kind} {scheme}"
    return compare(lambda: result.variances, expected, 1e-9, told)


@case
def gaussian_process(d: Draws) -> Verdict:
    """Posterior mean and variance of one round, and of targets that are shown again and again."""
    rng, n, rounds = d.generator(), d.count(2, 8), d.count(1, 3)
    x, new = rng.normal(size=(n, 2)), rng.normal(size=(3, 2))
    kernel = lambda a, b: np.exp(-0.5 * ((a[:, None] - b) ** 2).sum(-1))  # noqa: E731
    gram, cross, y = kernel(x, x), kernel(new, x), rng.normal(size=n) * d.power(0, -50, 50)
    noise = [d.pick(0.01, 0.3, 4.0) for _ in range(rounds)]
    result = theory.distill_distribution(Spectrum.from_gram(gram, y), noise, cross, np.ones(3))
    total = 1 / np.sum(1 / np.array(noise))
    system = scipy.linalg.cho_factor(gram + total * np.eye(n))
    told = f"{x.tolist()} {new.tolist()} {y.tolist()} {noise}"
    return first_fault(
        compare(lambda: result.means[-1], lambda: cross @ scipy.linalg.cho_solve(system, y), 1e-8, told),
        compare(lambda: result.variances[-1],
                lambda: 1 - np.einsum("qi,iq->q", cross, scipy.linalg.cho_solve(system, cross.T)), 1e-8, told,
                floor=1.0),
    )  # fmt: skip
