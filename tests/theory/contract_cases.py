"""One problem on every basis, every schedule, and its rounds by solving and bisection."""

from __future__ import annotations

from functools import cache

import dask.array as da
import numpy as np
import scipy.optimize
import torch

from selfdistill.theory import (
    FixedRidge,
    OwnOutputs,
    Progressive,
    Spectrum,
    ToTolerance,
)

N, P = 60, 9
TOLERANCE = 1e-6


def problem(outputs=None):
    rng = np.random.default_rng(7)
    features = rng.standard_normal((N, P)) * np.geomspace(3, 0.3, P)
    shape = (P,) if outputs is None else (P, outputs)
    signal = features @ rng.standard_normal(shape)
    return features, signal + 0.4 * rng.standard_normal(signal.shape)


def full_rank():
    """A gram with more directions than the targets' Krylov space will see before it is accurate."""
    x = np.random.default_rng(8).standard_normal((N, 2))
    return np.exp(-0.5 * ((x[:, None] - x) ** 2).sum(-1))


# One spectrum a basis, all of the same gram and targets.
BASES = {
    "dense": lambda f, y: Spectrum.from_gram(f @ f.T, y),
    "torch": lambda f, y: Spectrum.from_gram(torch.as_tensor(f @ f.T), torch.as_tensor(y)),
    "features": lambda f, y: Spectrum.from_features(f, y),
    "chunks": lambda f, y: Spectrum.from_chunks([f[:25], f[25:]], y),
    "dask": lambda f, y: Spectrum.from_chunks(da.from_array(f, chunks=(20, 4)), y),
    "identity": lambda f, y: rotated(f, y),
    "krylov": lambda f, y: Spectrum.krylov(f @ f.T, y, tolerance=1e-9),
}


def rotated(features, y):
    """Eigenvalues and coefficients of the gram; its points are the eigenvectors themselves."""
    d, v = np.linalg.eigh(features @ features.T)
    return Spectrum.from_eigenvalues(np.where(d > 1e-9 * d[-1], d, 0.0) / N, v.T @ y)


SCHEDULES = {
    "to tolerance": ToTolerance(0.5),
    "two rounds to tolerance": ToTolerance(0.5, max_rounds=2),
    "fixed ridge": FixedRidge(0.05, 4),
    "a ridge for every round": FixedRidge([0.3, 0.1, 0.02]),
    "ground truth": FixedRidge(0.05, 4, 0.3),
    "a weight for every round": FixedRidge(0.05, 3, [0.0, 0.9, 0.2]),
    "weights without limits": FixedRidge(0.05, 3, [0.0, -0.5, 1.7], unbounded=True),
    "the best weight for every round": FixedRidge(0.05, 3, "best"),
    "own outputs": OwnOutputs([0.05, 0.1, 0.02], real_share=0.3, fresh_noise_variance=0.1),
    "own outputs accumulated": OwnOutputs(0.05, 4, accumulate=True),
    "gradient flow": Progressive([0.0, 0.2, 0.5, 0.8], 0.3),
    "gradient descent": Progressive([0.0, 0.2, 0.5], 0.02, substeps=4),
}


def independent(gram, y, schedule):
    """The same rounds from the gram alone, by solving and by bisection: no eigenvectors, no recursion."""
    fits, multipliers, last = [], [], y
    if isinstance(schedule, Progressive):
        last = np.zeros_like(y)
        for past in schedule.past_weights:
            target = (1 - past) * y + past * last
            steps = schedule.substeps or 20_000
            for _ in range(steps):
                last = last - 2 * schedule.step / steps * (gram / N) @ (last - target)
            fits.append(last)
        return fits, multipliers

    def fit(c, target):
        return np.linalg.solve(gram + N * c * np.eye(N), gram @ target)

    if isinstance(schedule, OwnOutputs):
        data = [y]
        for c in schedule.ridge:
            mixed = schedule.real_share * y + (1 - schedule.real_share) * data[-1]
            fits.append(fit(c, np.mean(data, axis=0) if schedule.accumulate else mixed))
            data.append(fits[-1])
        return fits, list(schedule.ridge)
    if isinstance(schedule, FixedRidge):
        weights = best_by_search(schedule) if schedule.chooses else schedule.ground_truth_weight
        for c, weight in zip(schedule.ridge, weights, strict=True):
            target = weight * y + (1 - weight) * last if fits else y
            last = fit(c, target)
            fits.append(last)
            multipliers.append(c)
        return fits, multipliers
    while np.sum(last**2) > N * schedule.epsilon and len(fits) != schedule.max_rounds:
        low, high = 1e-8, 1e8
        for _ in range(200):
            c = np.sqrt(low * high)
            error = np.sum((fit(c, last) - last) ** 2) / N
            low, high = (c, high) if error < schedule.epsilon else (low, c)
        last = fit(c, last)
        fits.append(last)
        multipliers.append(c)
    return fits, multipliers


@cache
def best_by_search(schedule):
    """Weight of every round by a line search over runs that are made anew without each sample."""
    features, y = problem()
    gram, weights = features @ features.T, [1.0]

    def left_out_error(weight):
        error = 0.0
        for i in range(N):
            others = np.arange(N) != i
            inner, last = gram[np.ix_(others, others)], y[others]
            for c, w in zip(schedule.ridge, [*weights, weight], strict=False):
                dual = np.linalg.solve(inner + N * c * np.eye(N - 1), w * y[others] + (1 - w) * last)
                last = inner @ dual
            error += (gram[i, others] @ dual - y[i]) ** 2
        return error

    while len(weights) < schedule.rounds:
        found = scipy.optimize.minimize_scalar(
            left_out_error, bounds=(0, 1), method="bounded", options={"xatol": 1e-9}
        )
        weights.append(found.x)
    return weights
