"""Many settings at once: a grid of tolerances, ridges or whole spectra, every round of all of them together."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import replace as dc_replace
from typing import Any

import numpy as np

from ..base.validation import (
    Array,
    InputError,
    as_real_array,
    check_fraction,
    check_normal,
    check_rounds,
    shown,
)
from ..spectra.spectrum import Spectrum, as_spectrum
from .distill import distill, settled
from .multiplier import MOST_ROUNDS, ToleranceRule, excess_energies, tolerance_rule
from .recursion import March, RidgeRule, Step, run_march
from .schedules import FixedRidge, ToTolerance
from .trajectory import Trajectory


@dataclass(frozen=True, eq=False)
class DistillationGrid:
    """Runs that share a spectrum and differ in one setting.

    Attributes
    ----------
    spectrum : Spectrum
    settings : ndarray (g,)
        The ε or the ridge of each run.
    rounds : ndarray (g,)
        Number of fits of each run.
    collapsed : ndarray (g,)
        Which runs ended because the next fit would be zero.
    multipliers : ndarray (g, T)
        Penalty of each fit; NaN past a run's last one. T is the longest run's number of fits.
    target_norms : ndarray (g, T + 1)
        ``‖y_t‖``; NaN past a run's last fit.
    ground_truth_weight : float
        As in `distill_with_ridge`; 0 for the to-tolerance schedule.
    to_tolerance : bool
        Whether the settings are tolerances.
    """

    spectrum: Spectrum
    settings: Array
    rounds: Array
    collapsed: Array
    multipliers: Array
    target_norms: Array
    ground_truth_weight: float
    to_tolerance: bool

    def trajectory(self, index: int) -> Trajectory:
        """Return one run with its filters, so that it predicts; no penalty is solved for again."""
        fits = int(self.rounds[index])
        replay = FixedRidge(self.multipliers[index, :fits], fits, self.ground_truth_weight)
        run = distill(self.spectrum, replay)
        epsilon = float(self.settings[index]) if self.to_tolerance else None
        norms = self.target_norms[index, : fits + 1]
        return dc_replace(run, target_norms=norms, collapsed=bool(self.collapsed[index]), epsilon=epsilon)


def distill_grid(spectrum: Spectrum, epsilons: Any, max_rounds: int | None = None) -> DistillationGrid:
    """Run `distill_to_tolerance` for every ε of a grid, one vectorised solve a round for all of them.

    Parameters
    ----------
    spectrum : Spectrum
    epsilons : array (g,)
        Mean squared training errors, each above 0 and feasible.
    max_rounds : int, optional
        Stop every run after so many fits.

    Raises
    ------
    InputError
        If epsilons is not a vector of positive numbers.
    InfeasibleToleranceError
        If the least of them cannot be reached.

    Examples
    --------
    >>> from selfdistill.theory import Spectrum, distill_grid
    >>> grid = distill_grid(Spectrum.from_eigenvalues([1.0, 2.0, 4.0, 5.0], [1, 1, 1, 1]), [0.04, 0.1, 2.0])
    >>> grid.rounds
    array([5, 3, 0])
    """
    spectrum = as_spectrum(spectrum)
    epsilons = _positive_vector(epsilons, "epsilons")
    if not np.isfinite(spectrum.initial_ratio(float(epsilons.min())) ** 2):
        raise InputError(
            f"every epsilon must be nearer to the targets' mean square, {spectrum.energy / spectrum.n_samples:.3g}: "
            f"its share of that overflows for {epsilons.min():.3g}."
        )
    if max_rounds is None and spectrum.initial_ratio(float(epsilons.min())) - 1 > MOST_ROUNDS:
        raise InputError(
            f"epsilon={epsilons.min():.6g} takes more than {MOST_ROUNDS} rounds to collapse, and they are counted one "
            "by one. Give max_rounds, or larger epsilons."
        )
    for epsilon in np.sort(epsilons):  # the smallest asks for most; the others find nothing left to do
        spectrum = settled(spectrum, ToTolerance(epsilon, max_rounds))
    spectrum.check_feasible(float(epsilons.min()))
    rule = tolerance_rule(spectrum, epsilons, max_rounds)
    keep = np.flatnonzero((spectrum.eigenvalues > 0) & spectrum.weighted)
    return _run_grid(spectrum, keep, rule, epsilons, 0.0)


def distill_ridge_grid(
    spectrum: Spectrum, ridges: Any, rounds: int, ground_truth_weight: float = 0.0
) -> DistillationGrid:
    """Run `distill_with_ridge` for every penalty of a grid at once.

    Parameters
    ----------
    spectrum : Spectrum
    ridges : array (g,)
        Penalties c; scikit-learn's ``alpha`` is ``n * c``.
    rounds : int
    ground_truth_weight : float
        Weight α in [0, 1] of the given targets.

    Raises
    ------
    InputError
        If ridges is not a vector of positive numbers, or the weight is outside [0, 1].
    """
    spectrum = as_spectrum(spectrum)
    ridges = _positive_vector(ridges, "ridges")
    rounds = check_rounds(rounds, least=0)
    alpha = check_fraction(ground_truth_weight, "ground_truth_weight")
    for ridge in np.sort(ridges):
        spectrum = settled(spectrum, FixedRidge(float(ridge), rounds, alpha))
    rule = RidgeRule(np.broadcast_to(ridges, (rounds, len(ridges))), np.full(rounds, alpha))
    return _run_grid(spectrum, np.arange(len(spectrum.eigenvalues)), rule, ridges, alpha)


def _run_grid(
    spectrum: Spectrum, keep: Array, rule: ToleranceRule | RidgeRule, settings: Array, given_weight: float
) -> DistillationGrid:
    """Run every setting on the directions to keep; note multipliers and norms, round by round."""
    size = len(settings)
    rounds = np.zeros(size, int)
    multipliers: list[Array] = []
    norms: list[Array] = [np.full(size, np.sqrt(spectrum.energy))]

    def record(march: March, step: Step) -> None:
        rounds[march.members] = march.fits
        for kept, values in ((multipliers, step.ridges), (norms, march.norms())):
            row = np.full(size, np.nan)
            row[march.members] = values
            kept.append(row)

    magnitudes = np.broadcast_to(np.sqrt(spectrum.weights[keep]), (size, len(keep)))
    run_march(spectrum.eigenvalues[keep], magnitudes, rule, record)
    return DistillationGrid(
        spectrum, settings, rounds, rule.collapsed,
        np.array(multipliers).reshape(-1, size).T, np.array(norms).T, given_weight,
        isinstance(rule, ToleranceRule),
    )  # fmt: skip


def collapse_rounds_grid(eigenvalues: Any, coefficients: Any, initial_ratios: Any) -> Array:
    """Count the rounds to collapse for many spectra and tolerances at once.

    Parameters
    ----------
    eigenvalues : array (..., m)
        Positive d_k of each problem, in any order.
    coefficients : array (..., m)
        Targets in the eigenvectors; only their proportions matter, since r_0 gives the scale.
    initial_ratios : array (...)
        ``r_0 = ‖y‖ / √(n ε)`` of each problem. The leading axes of the three broadcast.

    Returns
    -------
    ndarray of int (...)
        Fits before collapse: 0 where r_0 ≤ 1.

    Raises
    ------
    InputError
        If shapes do not broadcast, an eigenvalue or ratio is not positive, all coefficients are zero, or a problem
        takes more than 100,000 rounds.

    References
    ----------
    Mobahi et al. 2020, section 3.4.

    Examples
    --------
    >>> import numpy as np
    >>> from selfdistill.theory import collapse_rounds_grid
    >>> kappa = np.array([1.0, 10.0, 100.0])
    >>> collapse_rounds_grid(np.stack([np.ones(3), kappa], axis=-1), [1.0, 1.0], 5.0)
    array([4, 5, 6])
    """
    d = as_real_array(eigenvalues, "eigenvalues").astype(np.float64)
    z = np.abs(as_real_array(coefficients, "coefficients").astype(np.float64))
    ratios = as_real_array(initial_ratios, "initial_ratios").astype(np.float64)
    try:
        d, z = np.broadcast_arrays(d, z)
        shape = np.broadcast_shapes(d.shape[:-1], ratios.shape)
    except ValueError:
        raise InputError(
            "eigenvalues (..., m), coefficients (..., m) and initial_ratios (...) must broadcast; got shapes "
            f"{np.shape(eigenvalues)}, {np.shape(coefficients)}, {ratios.shape}."
        ) from None
    if d.ndim == 0 or d.shape[-1] == 0:
        raise InputError("eigenvalues must have a last axis of directions, with at least one entry.")
    if not (d > 0).all():
        raise InputError(f"every eigenvalue must be above 0 (leave null directions out); got {d.min():g}.")
    check_normal(d, "eigenvalues")
    if not (ratios > 0).all() or not (z.max(axis=-1) > 0).all():
        raise InputError("every initial ratio must be above 0, and no problem's coefficients all zero.")
    if ratios.size and ratios.max() - 1 > MOST_ROUNDS:
        raise InputError(
            f"an initial ratio of {ratios.max():.4g} takes at least as many rounds less one, and they are counted one "
            f"by one: take ratios up to {MOST_ROUNDS}, or `collapse.rounds_bounds` for bounds without counting."
        )
    m = d.shape[-1]
    # Scaled to r_0, the budget is 1 and equal problems count the same whatever their units.
    z = z / z.max(axis=-1, keepdims=True)
    z = z / np.linalg.norm(z, axis=-1, keepdims=True)
    z = np.broadcast_to(z, (*shape, m)) * np.broadcast_to(ratios, shape)[..., None]
    d = np.broadcast_to(d, (*shape, m)).reshape(-1, m)
    z = z.reshape(-1, m)
    size = len(d)
    rule = ToleranceRule(np.ones(size), excess_energies(z, np.ones(size)), np.zeros(size), None)
    # A ratio of at most 1 has collapsed, whatever its square has been rounded to.
    rule.excess[np.broadcast_to(ratios, shape).ravel() <= 1] = 0.0
    rounds = np.zeros(size, int)

    def record(march: March, step: Step) -> None:
        rounds[march.members] = march.fits

    run_march(d, z, rule, record)
    return rounds.reshape(shape)


def _positive_vector(values: Any, name: str) -> Array:
    vector = as_real_array(values, name).astype(np.float64)
    if vector.ndim != 1 or not len(vector) or not (vector > 0).all():
        raise InputError(f"{name} must be a vector of numbers above 0; got {shown(values)}.")
    return vector
