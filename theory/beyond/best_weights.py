"""The best weight of the given targets, for every step of its own.

A step's student is linear in its weight: fitted to ``α y + (1 − α) f``, it is α times the fit to the given targets
plus 1 − α times the fit to the last outputs. So the weight that is best on any targets that the fits have not seen is
a least-squares problem in one unknown, and two fits give the students of all weights. For networks that are near
their linearisation the same two trained networks give an estimate of all students.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..base.validation import Array, InputError, as_real_array, check_flag, check_positive, check_rounds
from ..distillation.left_out_run import mixture_weight
from ..distillation.schedules import FixedRidge
from ..spectra.spectrum import Spectrum


def best_mixture_weight(first: Any, pure: Any, targets: Any, *, clip: bool = True) -> float:
    """Weight α with which ``α · first + (1 − α) · pure`` is nearest to the targets, in least squares.

    Parameters
    ----------
    first : array
        Predictions of the fit to the given targets, at points that no fit has seen.
    pure : array of the same shape
        Predictions of the student that was fitted to the last outputs alone.
    targets : array of the same shape
        Targets at those points.
    clip : bool
        Whether α must stay in [0, 1], as in the paper.

    Returns
    -------
    float

    Raises
    ------
    InputError
        If shapes differ, or both predictions are the same, so that every weight is.

    References
    ----------
    Borup & Andersen 2021, on the optimal weight of each step.

    Examples
    --------
    >>> from selfdistill.theory import best_mixture_weight
    >>> best_mixture_weight(first=[2.0, 0.0], pure=[1.0, 0.0], targets=[1.25, 3.0])
    0.25
    """
    given, taught, wanted = (
        as_real_array(values, name).astype(np.float64)
        for values, name in ((first, "first"), (pure, "pure"), (targets, "targets"))
    )
    if not given.shape == taught.shape == wanted.shape or not given.size:
        raise InputError(
            f"first, pure and targets must have one shape; got {given.shape}, {taught.shape} and {wanted.shape}."
        )
    check_flag(clip, "clip")
    weight = mixture_weight(given, taught, wanted)
    if weight is None:
        raise InputError(
            "first and pure are the same predictions, so that every weight gives the same student: there is no "
            "best one. Was the student fitted to the given targets?"
        )
    return float(np.clip(weight, 0.0, 1.0)) if clip else weight


def best_ground_truth_weights(spectrum: Spectrum, ridge: float, rounds: int) -> Array:
    """Choose a weight of the given targets for every round, each best at samples left out of the run so far.

    These are the weights of ``FixedRidge(ridge, rounds, ground_truth_weight="best")`` on the spectrum. Greedy, as in
    the paper: the weight of a round is chosen with those before it fixed.

    Parameters
    ----------
    spectrum : Spectrum
        One that knows all eigenvectors.
    ridge : float
        Penalty c of every round.
    rounds : int
        Number of fits T.

    Returns
    -------
    ndarray (T,)
        In [0, 1]. The first has no effect, as the first fit has the given targets anyway, and is 1. So is any on
        which nothing depends.
    """
    schedule = FixedRidge(check_positive(ridge, "ridge"), check_rounds(rounds), "best")
    return schedule.weights(spectrum)
