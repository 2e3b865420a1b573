"""Self-distillation: run a schedule on a spectrum. Every run of the package goes through here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..base.validation import Array, InputError, check_fraction, check_positive
from ..spectra.krylov import KrylovBasis
from ..spectra.memory_cost import Cost
from ..spectra.spectrum import Spectrum, as_spectrum
from .recursion import March, Step, run_march
from .refinement import on_gauss_rule, refine, space_cost
from .schedules import FixedRidge, GivenWeight, Progressive, Schedule, ToTolerance
from .trajectory import Trajectory


def distill(spectrum: Spectrum, schedule: Schedule) -> Trajectory:
    """Refit to the last fit, again and again, as the schedule says.

    Parameters
    ----------
    spectrum : Spectrum
        On any basis; a Krylov space is grown as far as the schedule needs, and ``run.spectrum`` is the one that
        the run was computed on. The given spectrum stays as it is.
    schedule : ToTolerance, FixedRidge, OwnOutputs or Progressive

    Returns
    -------
    Trajectory

    Raises
    ------
    InputError
        If there is no spectrum or no schedule, or the schedule cannot be run on the spectrum.
    InfeasibleToleranceError
        If the targets' part outside the kernel's span alone exceeds the training error that is asked for.

    Examples
    --------
    >>> from selfdistill.theory import FixedRidge, Spectrum, ToTolerance, distill
    >>> spectrum = Spectrum.from_eigenvalues([1.0, 2.0, 4.0, 5.0], [1, 1, 1, 1])
    >>> distill(spectrum, ToTolerance(epsilon=0.04)).rounds
    5
    >>> distill(spectrum, FixedRidge(ridge=1.0, rounds=2)).filter(2)
    array([0.25      , 0.44444444, 0.64      , 0.69444444])
    """
    if not callable(getattr(schedule, "rule", None)) or isinstance(schedule, type):
        raise InputError(
            f"schedule must be ToTolerance, FixedRidge, OwnOutputs or Progressive; got {type(schedule).__name__}. "
            "For example distill(spectrum, ToTolerance(epsilon=0.1))."
        )
    return _run(settled(spectrum, schedule), schedule)


def settled(spectrum: Spectrum, schedule: Schedule) -> Spectrum:
    """Return the spectrum on which a schedule's run is accurate: grown, where it is a Krylov space."""
    spectrum = as_spectrum(spectrum)
    if schedule.needs_all:
        spectrum.require_complete(schedule.needs_all)
    return refine(spectrum, schedule, _run)


def _run(spectrum: Spectrum, schedule: Schedule) -> Trajectory:
    """Run a schedule on a spectrum as it stands."""
    schedule.check(spectrum)
    rule = schedule.rule(spectrum)
    d = spectrum.eigenvalues
    magnitudes = np.sqrt(spectrum.weights) * (spectrum.weighted & (d > 0))
    filters: list[Array] = []
    norms = [float(np.sqrt(spectrum.energy))]
    steps: list[tuple[float, float, float, float]] = []

    def record(march: March, step: Step) -> None:
        filters.append(march.filters[0])
        norms.append(float(march.norms()[0]))
        steps.append((float(step.ridges[0]), step.given_weight, step.past_weight, step.noise_variance))

    run_march(d, magnitudes[None], rule, record)
    ridges, given, past, noise = np.array(steps).reshape(-1, 4).T
    return Trajectory(
        spectrum,
        ridges,
        np.array(filters).reshape(len(filters), len(d)),
        np.array(norms),
        bool(rule.collapsed[0]),
        schedule.epsilon,
        given,
        past if past.any() else None,
        noise if noise.any() else None,
    )


def expected_cost(spectrum: Spectrum, epsilon: float) -> Cost:
    """Memory and products to expect of a run to tolerance on a Krylov space, judged by the products made so far.

    Parameters
    ----------
    spectrum : Spectrum
        From `Spectrum.krylov`.
    epsilon : float

    Raises
    ------
    InputError
        If the spectrum is factorised: then every further run on it costs next to nothing.
    """
    basis = as_spectrum(spectrum).basis
    if not isinstance(basis, KrylovBasis):
        raise InputError("the spectrum is factorised already: a run on it costs next to nothing.")
    run = _run(on_gauss_rule(basis.space, spectrum), ToTolerance(epsilon, 1))
    ridge = float(run.multipliers[0]) if run.rounds else np.inf
    return space_cost(basis, spectrum, ridge)


def distill_to_tolerance(spectrum: Spectrum, epsilon: float, max_rounds: int | None = None) -> Trajectory:
    """Refit to the previous fit, each time at training error exactly ε, until nothing is left.

    Each round minimises ``‖f‖²`` subject to ``mean (f(x_i) − y_i)² ≤ epsilon``. A fit whose targets have
    norm at most ``√(n ε)`` is zero: the run has collapsed.

    Parameters
    ----------
    spectrum : Spectrum
    epsilon : float
        Mean squared training error of every round (summed over outputs), above 0.
    max_rounds : int, optional
        Stop after so many fits even if not collapsed. Collapse comes within ``⌈r_0² − 1⌉``. Must be
        given where collapse is known to take more than a million rounds, or 8 GiB of filters.

    Returns
    -------
    Trajectory
        With no fits and ``collapsed`` set if the targets are below the tolerance from the start.

    Raises
    ------
    InputError
        If there is no spectrum, epsilon is not a positive number, or so small that a run to collapse is out of reach.
    InfeasibleToleranceError
        If the targets' part outside the kernel's span alone exceeds epsilon.

    References
    ----------
    Mobahi et al. 2020, sections 2 and 3.

    Examples
    --------
    >>> from selfdistill.theory import Spectrum, distill_to_tolerance
    >>> run = distill_to_tolerance(Spectrum.from_eigenvalues([1.0, 2.0, 4.0, 5.0], [1, 1, 1, 1]), 0.04)
    >>> run.rounds, run.collapsed
    (5, True)
    """
    return distill(spectrum, ToTolerance(epsilon, max_rounds))


def distill_with_ridge(
    spectrum: Spectrum,
    ridge: float | Sequence[float] | Array,
    rounds: int | None = None,
    ground_truth_weight: GivenWeight = 0.0,
) -> Trajectory:
    """Refit kernel ridge with a given penalty to a mixture of the given targets and the previous fit.

    Parameters
    ----------
    spectrum : Spectrum
    ridge : float or sequence of float
        Penalty c of ``mean (f − y)² + c ‖f‖²``; scikit-learn's ``alpha`` is ``n * c``. A sequence gives
        every round its own.
    rounds : int, optional
        Number of fits; for a sequence of penalties, its length.
    ground_truth_weight : float, sequence of float, or "best"
        Weight α in [0, 1] of the given targets: fit t has targets ``α y + (1 − α) f_{t−1}``. One number, one a
        round, or for every round the one that is best at samples left out of the run so far.

    Returns
    -------
    Trajectory

    Raises
    ------
    InputError
        If there is no spectrum, a penalty is not positive, the weight is outside [0, 1], or rounds and
        penalties disagree.

    References
    ----------
    Borup & Andersen 2021 (arXiv 2102.13088); Jeong & Chung 2025, section 2.
    """
    return distill(spectrum, FixedRidge(ridge, rounds, ground_truth_weight))


def ground_truth_limit(spectrum: Spectrum, ridge: float, ground_truth_weight: float) -> Trajectory:
    """Fit that infinitely many rounds with weight α > 0 on the ground truth tend to: ridge c / α.

    Returned as a one-round trajectory. With α = 0 the limit is zero, and an `InputError` says so.
    """
    alpha = check_fraction(ground_truth_weight, "ground_truth_weight")
    if alpha == 0:
        raise InputError("without ground truth (weight 0) the rounds tend to zero: there is no ridge fit.")
    return distill_with_ridge(spectrum, check_positive(ridge, "ridge") / alpha, 1)


def progressive_trajectory(
    spectrum: Spectrum, weights: Any, step: float, substeps: int | None = None
) -> Trajectory:
    """Whole progressive run with squared loss in the kernel regime, in closed form.

    Each epoch is gradient flow on ``mean (f − m_e)²`` for a time Δ, from zero at the start, towards the
    moving target ``m_e = (1 − α_e) y + α_e f_{e−1}``, where ``f_{e−1}`` is the function at the end of the
    epoch before. On eigenvector k: ``f_e = m_e + exp(−2 d_k Δ)(f_{e−1} − m_e)``.

    Parameters
    ----------
    spectrum : Spectrum
    weights : sequence of float
        α_e of each epoch, in [0, 1]; all zeros is plain gradient flow.
    step : float
        Δ, time an epoch; for gradient descent with learning rate η, η times the steps of an epoch.
    substeps : int, optional
        Take so many steps of gradient descent an epoch in place of the flow: ``(1 − 2 d_k Δ/s)^s`` stands
        for the exponential.

    Returns
    -------
    Trajectory
        One fit an epoch, with filters, norms and predictions; the schedule has no penalties, so its
        multipliers are NaN.

    Raises
    ------
    InputError
        If a weight leaves [0, 1] or the step is not positive.
    """
    return distill(spectrum, Progressive(weights, step, substeps))
