"""Error of every round on samples held out in folds, each fold factorised once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.model_selection import check_cv

from ..base.validation import Array
from ..distillation.trajectory import Trajectory
from ..spectra.spectrum import Spectrum


def fold_risk(distill: Callable[[Spectrum], Trajectory], gram: Array, y: Array, cv: Any) -> Array:
    """Mean squared error on held-out samples after 1, 2, … fits, (T,).

    Parameters
    ----------
    distill : callable
        Runs the rounds on the spectrum of a fold's training samples.
    gram : ndarray (n, n)
    y : ndarray (n,) or (n, k)
    cv : int, splitter or iterable
    """
    total, count = np.zeros(0), 0
    for train, test in check_cv(cv).split(gram, y):
        errors = _fold_errors(distill, gram, y, train, test)
        # Past a fold's collapse its predictions stay zero: its last entry.
        length = max(len(total), len(errors))
        total = _extend(total, length) + _extend(errors, length) if count else errors
        count += len(test)
    return total[:-1] / count  # without the zero fit that follows the last round


def _fold_errors(
    distill: Callable[[Spectrum], Trajectory], gram: Array, y: Array, train: Array, test: Array
) -> Array:
    """Sum of squared errors on the held-out points after 1, 2, … fits, then that of the zero fit."""
    run = distill(Spectrum.from_gram(gram[np.ix_(train, train)], y[train]))
    truth = y[test].reshape(len(test), -1)
    zero = np.sum(truth**2)
    if not run.rounds:
        return np.array([zero])
    spectrum = run.spectrum
    d = spectrum.eigenvalues
    inverse = np.divide(1.0, spectrum.n_samples * d, where=d > 0, out=np.zeros_like(d))
    projected = spectrum.basis.project(gram[np.ix_(train, test)]).T * inverse
    errors = [np.sum((projected @ (b[:, None] * spectrum.coefficients) - truth) ** 2) for b in run.filters]
    return np.array([*errors, zero])


def _extend(values: Array, length: int) -> Array:
    return np.concatenate([values, np.full(length - len(values), values[-1])])
