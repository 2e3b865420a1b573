"""Many settings at once: a grid of tolerances, ridges or whole spectra, every round of all of them together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ..base.validation import Array, InputError, as_real_array, check_count, check_fraction
from ..spectra.spectrum import Spectrum, as_spectrum
from .multiplier import excess_energies, penalty_for_error
from .schedules import Trajectory, distill_to_tolerance, distill_with_ridge


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
        """Return one run with its filters, so that it predicts; nothing is solved again."""
        fits = int(self.rounds[index])
        penalties = self.multipliers[index, :fits]
        d, alpha = self.spectrum.eigenvalues, self.ground_truth_weight
        filters = np.empty((fits, len(d)))
        previous: Array = np.ones(len(d))
        for t, c in enumerate(penalties):
            shrink = np.divide(d, d + c, where=d > 0, out=np.zeros_like(d))
            filters[t] = previous = shrink * (alpha + (1 - alpha) * previous)
        norms = self.target_norms[index, : fits + 1]
        epsilon = float(self.settings[index]) if self.to_tolerance else None
        return Trajectory(self.spectrum, penalties, filters, norms, bool(self.collapsed[index]), epsilon)


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
    if max_rounds is not None:
        max_rounds = check_count(max_rounds, "max_rounds", least=0)
    for epsilon in np.sort(epsilons):  # the smallest asks for most; the others find nothing left to do
        spectrum = spectrum.resolve(partial(distill_to_tolerance, epsilon=epsilon, max_rounds=max_rounds))
    spectrum.check_feasible(float(epsilons.min()))
    keep = np.flatnonzero((spectrum.eigenvalues > 0) & spectrum.weighted)
    magnitudes = np.sqrt(spectrum.weights[keep])
    size = len(epsilons)
    multipliers: list[Array] = []
    norms: list[Array] = [np.full(size, np.sqrt(spectrum.energy))]

    def record(active: Array, penalties: Array, norm: Array) -> None:
        for kept, values in ((multipliers, penalties), (norms, norm)):
            row = np.full(size, np.nan)
            row[active] = values
            kept.append(row)

    rounds, collapsed = _march(
        spectrum.eigenvalues[keep],
        np.broadcast_to(magnitudes, (size, len(keep))),
        np.full(size, np.sqrt(spectrum.null_energy)),
        spectrum.n_samples * epsilons,
        max_rounds,
        record,
    )
    return DistillationGrid(
        spectrum, epsilons, rounds, collapsed,
        np.array(multipliers).reshape(-1, size).T, np.array(norms).T, 0.0, True,
    )  # fmt: skip


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
    rounds = check_count(rounds, "rounds", least=0)
    alpha = check_fraction(ground_truth_weight, "ground_truth_weight")
    for ridge in np.sort(ridges):
        spectrum = spectrum.resolve(
            partial(distill_with_ridge, ridge=ridge, rounds=rounds, ground_truth_weight=alpha)
        )
    shrink = spectrum.eigenvalues / (spectrum.eigenvalues + ridges[:, None])
    norms = np.empty((len(ridges), rounds + 1))
    norms[:, 0] = np.sqrt(spectrum.energy)
    filters: Array = np.ones_like(shrink)
    for t in range(rounds):
        filters = shrink * (alpha + (1 - alpha) * filters)
        norms[:, t + 1] = np.sqrt(filters**2 @ spectrum.weights)
    return DistillationGrid(
        spectrum, ridges, np.full(len(ridges), rounds), np.zeros(len(ridges), bool),
        np.repeat(ridges[:, None], rounds, axis=1), norms, alpha, False,
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
        If shapes do not broadcast, an eigenvalue or ratio is not positive, or all coefficients are zero.

    References
    ----------
    Mobahi et al. 2020, section 3.4; the count that claims M6-M8 bound.

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
    if not (ratios > 0).all() or not (z.max(axis=-1) > 0).all():
        raise InputError("every initial ratio must be above 0, and no problem's coefficients all zero.")
    m = d.shape[-1]
    # Scaled to r_0, the budget is 1 and equal problems count the same whatever their units.
    z = z / z.max(axis=-1, keepdims=True)
    z = z / np.linalg.norm(z, axis=-1, keepdims=True)
    z = np.broadcast_to(z, (*shape, m)) * np.broadcast_to(ratios, shape)[..., None]
    d = np.broadcast_to(d, (*shape, m)).reshape(-1, m)
    size = len(d)
    rounds, _ = _march(d, z.reshape(-1, m), np.zeros(size), np.ones(size), None, lambda *_: None)
    return rounds.reshape(shape)


def _march(
    d: Array,
    magnitudes: Array,
    null: Array,
    budgets: Array,
    max_rounds: int | None,
    record: Callable[[Array, Array, Array], None],
) -> tuple[Array, Array]:
    """Run the to-tolerance recursion on all problems still alive; tell `record` each round's results.

    Parameters
    ----------
    d : array (m,) or (g, m)
        Positive eigenvalues.
    magnitudes : array (g, m)
        Norm over outputs of the targets along each direction.
    null : array (g,)
        Norm of what no fit reaches; gone after the first round.
    budgets : array (g,)
        ``n ε``.
    """
    size = len(budgets)
    rounds = np.zeros(size, int)
    collapsed = np.zeros(size, bool)
    active = np.arange(size)
    z = np.array(magnitudes)
    excess = excess_energies(np.column_stack([z, null]), budgets)
    ratio = np.sqrt(np.maximum(1 + excess / budgets, 0))
    null_energy, rounding, t = null**2, np.zeros(size), 0
    while True:
        alive = excess > rounding
        collapsed[active[~alive]] = True
        if max_rounds is not None and t >= max_rounds:
            return rounds, collapsed
        active, z, excess = active[alive], z[alive], excess[alive]
        if not len(active):
            return rounds, collapsed
        t += 1
        reachable = budgets[active] - (null_energy[active] if t == 1 else 0.0)
        here = d if d.ndim == 1 else d[active]
        penalties = np.zeros(len(active))
        solvable = reachable > 0
        penalties[solvable] = penalty_for_error(
            here if d.ndim == 1 else here[solvable], z[solvable] ** 2, reachable[solvable], excess[solvable]
        )
        z = z * (here / (here + penalties[:, None]))
        rounds[active] = t
        record(active, penalties, np.linalg.norm(z, axis=1))
        excess = excess_energies(z, budgets[active])
        # As in distill_to_tolerance: rounding left in ‖y_t‖² after t diagonal products.
        rounding = 8 * np.finfo(np.float64).eps * t * ratio[active] * budgets[active]


def _positive_vector(values: Any, name: str) -> Array:
    vector = as_real_array(values, name).astype(np.float64)
    if vector.ndim != 1 or not len(vector) or not (vector > 0).all():
        raise InputError(f"{name} must be a vector of numbers above 0; got {values!r:.80}.")
    return vector
