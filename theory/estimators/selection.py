"""Kernel coefficient, penalty and round of the least left-out error: one factorisation a coefficient, no folds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..base.arrays import to_host
from ..base.validation import Array, InfeasibleToleranceError, InputError
from ..distillation.distill import distill_to_tolerance
from ..distillation.leave_one_out import leave_one_out, leave_one_out_errors
from ..distillation.schedules import GivenWeight
from ..distillation.trajectory import Trajectory
from ..spectra.spectrum import Spectrum
from .scaling import check_sizes

# Penalties are compared over six decades around the one that halves an average direction …
RIDGES = np.logspace(-3, 3, 13)
# … and kernel coefficients around one over the features' number and variance: smooth kernels first.
GAMMAS = 2.0 ** np.arange(-4, 2)


@dataclass(frozen=True, eq=False)
class Selection:
    """The setting of the least left-out error, and the table it was taken from.

    Attributes
    ----------
    spectrum : Spectrum
        Factorised at the chosen coefficient.
    gamma : float or None
        None where the kernel has no coefficient or it was given.
    ridge : float
    rounds : int
    errors : ndarray (coefficients, penalties, T)
        Left-out error of every setting.
    """

    spectrum: Spectrum
    gamma: float | None
    ridge: float
    rounds: int
    errors: Array

    @property
    def risk(self) -> Array:
        """Left-out errors of the rounds, at the chosen coefficient and penalty, (T,)."""
        at = np.unravel_index(int(np.argmin(self.errors)), self.errors.shape)
        return np.asarray(self.errors[at[0], at[1]])


def select_setting(
    spectra: Iterable[tuple[float | None, Spectrum]],
    ridges: Sequence[float] | None,
    rounds: Sequence[int],
    ground_truth_weight: GivenWeight = 0.0,
    *,
    groups: Any = None,
    error: Callable[[Array, Array], Array] | None = None,
) -> Selection:
    """Compare every kernel coefficient, penalty and number of rounds by leave-one-out.

    Parameters
    ----------
    spectra : iterable of (gamma, Spectrum)
        Factorised when asked for; two are held at a time.
    ridges : sequence of float, optional
        Penalties; 13 around the scale of each gram if not given.
    rounds : sequence of int
        Numbers of fits to choose from.
    ground_truth_weight : float, sequence of float, or "best"
        As in `leave_one_out`.
    groups : array (n,), optional
        Samples that are left out together.
    error : callable, optional
        ``(predictions (T, n, k), targets (n, k)) -> (T,)``; the mean squared error, summed over outputs, if not
        given.

    Returns
    -------
    Selection
    """
    error = mean_squared_error if error is None else error
    best: tuple[float, Spectrum, float | None, float, int] | None = None
    table = []
    allowed = np.asarray(rounds) - 1
    for gamma, spectrum in spectra:
        y = to_host(spectrum.targets).astype(np.float64, copy=False)
        rows = []
        for ridge in ridges_around(spectrum) if ridges is None else ridges:
            left_out = leave_one_out(
                spectrum, ridge, int(allowed[-1]) + 1, ground_truth_weight, groups=groups
            )
            rows.append(error(to_host(left_out).reshape(-1, *y.shape), y)[allowed])
            at = int(np.argmin(rows[-1]))
            if best is None or rows[-1][at] < best[0]:
                best = (float(rows[-1][at]), spectrum, gamma, float(ridge), int(rounds[at]))
        table.append(rows)
    assert best is not None
    return Selection(best[1], best[2], best[3], best[4], np.array(table))


def select_tolerance(
    spectra: Iterable[tuple[float | None, Spectrum]], epsilon: float, rounds: int | None, *, last: bool
) -> tuple[float | None, Trajectory, int, Array]:
    """Compare kernel coefficients, and rounds unless the last is wanted, where every round has training error ε.

    The penalties of each run are held while samples are left out.

    Parameters
    ----------
    spectra : iterable of (gamma, Spectrum)
    epsilon : float
    rounds : int or None
        Fits to make at most.
    last : bool
        Whether the last fit is judged, not the best.

    Returns
    -------
    gamma, run, chosen round, left-out error of every round
    """
    best: tuple[float | None, Trajectory, int, Array] | None = None
    refused: InputError | None = None
    for gamma, spectrum in spectra:
        try:
            run = distill_to_tolerance(spectrum, epsilon, rounds)
        except InfeasibleToleranceError as error:
            refused = error
            continue
        y = to_host(spectrum.targets).astype(np.float64, copy=False)
        if run.rounds:
            ridges = np.maximum(run.multipliers, np.finfo(np.float64).tiny)
            errors = mean_squared_error(to_host(leave_one_out(spectrum, ridges)).reshape(-1, *y.shape), y)
        else:
            errors = mean_squared_error(np.zeros((1, *y.shape)), y)
        chosen = run.rounds if last or not run.rounds else int(np.argmin(errors)) + 1
        if best is None or errors[max(chosen, 1) - 1] < best[3][max(best[2], 1) - 1]:
            best = (gamma, run, chosen, errors)
    if best is None:
        assert refused is not None
        raise refused
    return best


def left_out_noise_variance(spectrum: Spectrum, rounds: int = 8) -> float:
    """Noise of the targets, summed over outputs: the least mean squared left-out error over penalties and rounds.

    A left-out prediction errs by the target's noise and by an error of its own, so that this is the noise
    variance from above; it comes down to it as samples grow many.
    """
    return float(leave_one_out_errors(spectrum, ridges_around(spectrum), rounds).min())


def mean_squared_error(predictions: Array, targets: Array) -> Array:
    """Error of every round: mean over samples, sum over outputs."""
    return np.asarray(np.sum((predictions - targets) ** 2, axis=(1, 2)) / len(targets))


def ridges_around(spectrum: Spectrum) -> Array:
    """Penalties to compare: in units of the mean of the gram's diagonal, over n."""
    scale = float(spectrum.eigenvalues.sum()) / spectrum.n_samples
    return RIDGES * (scale if scale > 0 else 1.0)


def is_best(value: Any) -> bool:
    """Whether a setting is to be chosen: the word "best", and not an array of anything."""
    return isinstance(value, str) and value == "best"


def gammas_around(X: Array) -> Array:
    """Kernel coefficients to compare, around one over the number of features and their mean variance."""
    check_sizes(X)
    variance = float(X.var(axis=0).mean())
    return GAMMAS / (X.shape[1] * (variance if variance > 0 else 1.0))
