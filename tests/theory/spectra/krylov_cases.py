"""A smooth problem for the Krylov path, and the true errors of a run on it."""

from __future__ import annotations

import numpy as np
from sklearn.metrics.pairwise import rbf_kernel

N = 300


def problem(seed, n=N, gamma=0.3, outputs=None, noise=0.3):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 3))
    shape = (n,) if outputs is None else (n, outputs)
    signal = np.sin(x[:, 0]) + x[:, 1] * x[:, 2]
    y = (signal if outputs is None else signal[:, None]) + noise * rng.standard_normal(shape)
    return x, rbf_kernel(x, gamma=gamma), y


def errors(run, exact):
    """True errors of a run in the measures of KrylovError."""
    assert run.rounds == exact.rounds
    size = np.linalg.norm(exact.fitted(0))
    return (
        np.abs(run.multipliers / exact.multipliers - 1).max(),
        np.abs(run.target_norms / exact.target_norms - 1).max(),
        max(np.linalg.norm(run.fitted(t) - exact.fitted(t)) / size for t in range(1, run.rounds + 1)),
    )
