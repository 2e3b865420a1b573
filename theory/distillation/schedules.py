"""Self-distillation as one diagonal recursion; schedules differ only in each round's penalty (section 0)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.arrays import as_two_dimensional, is_foreign, like, to_host
from ..base.validation import (
    Array,
    InputError,
    as_real_array,
    check_count,
    check_fraction,
    check_kind,
    check_positive,
)
from ..spectra.spectrum import Spectrum, as_spectrum
from .multiplier import excess_energy, penalty_for_error

if TYPE_CHECKING:
    import xarray as xr

# What a run to collapse may need at least, unless the caller bounds it.
_MOST_ROUNDS = 1e6
_MOST_BYTES = 8 * 2**30


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Every round of a self-distillation run, as diagonal filters on one spectrum.

    Round t refits to the fitted values of round t − 1; ``t = 0`` stands for the given targets.

    Attributes
    ----------
    spectrum : Spectrum
    multipliers : ndarray (T,)
        Penalty c_t of each fit; scikit-learn's ``alpha`` is ``n * c_t``.
    filters : ndarray (T, m)
        ``filters[t - 1]`` is the diagonal of B_t, which takes the targets to the fit after t rounds.
        m is n for a spectrum from a gram, in the order of ``spectrum.eigenvalues``.
    target_norms : ndarray (T + 1,)
        ``‖y_t‖`` for t = 0 … T.
    collapsed : bool
        Whether the fit of the last round is so small that the next round would be exactly zero.
    epsilon : float or None
        The training error of every round, where the schedule fixes it.
    """

    spectrum: Spectrum
    multipliers: Array
    filters: Array
    target_norms: Array
    collapsed: bool
    epsilon: float | None

    @property
    def rounds(self) -> int:
        """Number of fits, T: before collapse, if the run collapsed."""
        return len(self.multipliers)

    @property
    def ratios(self) -> Array:
        """``r_t = ‖y_t‖ / √(n ε)`` for t = 0 … T (to-tolerance schedule only)."""
        if self.epsilon is None:
            raise InputError("ratios are defined for a fixed training error; this schedule has none.")
        return self.target_norms / np.sqrt(self.spectrum.n_samples * self.epsilon)

    def _check_round(self, t: int, least: int) -> int:
        t = check_count(t, "t", least=least)
        if t > self.rounds:
            reason = "the run collapsed then, and later fits are zero" if self.collapsed else "ask for more"
            raise InputError(
                f"t={t} is past the last fit: this trajectory has {self.rounds} rounds ({reason})."
            )
        return t

    def filter(self, t: int) -> Array:
        """Diagonal of B_t, (m,); all ones at t = 0."""
        t = self._check_round(t, 0)
        return self.filters[t - 1] if t else np.ones(len(self.spectrum.eigenvalues))

    def fitted(self, t: int) -> Any:
        """Fitted values after t rounds on the training points, shaped as the targets; t = 0 gives those."""
        if self._check_round(t, 0) == 0:
            return self.spectrum.shape_like_targets(self.spectrum.targets)
        spectrum = self.spectrum
        values = spectrum.expand(self.filters[t - 1][:, None] * spectrum.coefficients)
        return spectrum.shape_like_targets(values)

    def dual(self, t: int) -> Any:
        """Dual coefficients β_t after t ≥ 1 rounds, so that ``gram @ β_t`` are the fitted values.

        Null directions are dropped: they do not change a prediction.
        """
        t = self._check_round(t, 1)
        spectrum = self.spectrum
        d = spectrum.eigenvalues
        positive = d > 0
        inverse = np.divide(1.0, spectrum.n_samples * d, where=positive, out=np.zeros_like(d))
        values = spectrum.expand((self.filters[t - 1] * inverse)[:, None] * spectrum.coefficients)
        return spectrum.shape_like_targets(values)

    def predict(self, cross_gram: Any, t: int) -> Any:
        """Predictions after t ≥ 1 rounds at new points.

        Parameters
        ----------
        cross_gram : array (q, n)
            Kernel between the q new points (rows) and the training points.
        t : int
            Number of fits made.

        Returns
        -------
        array (q,) or (q, k)
        """
        cross = as_two_dimensional(cross_gram, "cross_gram")
        if cross.shape[1] != self.spectrum.n_samples:
            raise InputError(
                f"cross_gram must have one column a training point, shape (q, {self.spectrum.n_samples}); "
                f"got {cross.shape}."
            )
        dual = self.dual(t)
        if is_foreign(cross) != is_foreign(dual) or (is_foreign(cross) and cross.dtype != dual.dtype):
            dual = like(to_host(dual), cross)
        return cross @ dual

    def training_error(self, t: int) -> float:
        """Mean squared error of fit t ≥ 1 against its own targets, those of round t − 1 (M1)."""
        t = self._check_round(t, 1)
        difference = to_host(self.fitted(t)).astype(np.float64) - to_host(self.fitted(t - 1))
        return float(np.sum(difference**2) / self.spectrum.n_samples)

    def to_dataset(self) -> xr.Dataset:
        """Multipliers, norms and filters on labelled axes (`round`, `direction`)."""
        import xarray as xr

        fits = np.arange(1, self.rounds + 1)
        return xr.Dataset(
            {
                "multiplier": ("fit", self.multipliers),
                "filter": (("fit", "direction"), self.filters),
                "target_norm": ("round", self.target_norms),
                "eigenvalue": ("direction", self.spectrum.eigenvalues),
            },
            coords={"fit": fits, "round": np.arange(self.rounds + 1)},
            attrs={"collapsed": int(self.collapsed), "n_samples": self.spectrum.n_samples},
        )


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
        Stop after so many fits even if not collapsed. Collapse comes within ``⌈r_0² − 1⌉`` (M8). Must be
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
    Mobahi et al. 2020, sections 2 and 3; claims M1-M4, M7, M8.

    Examples
    --------
    >>> from selfdistill.theory import Spectrum, distill_to_tolerance
    >>> run = distill_to_tolerance(Spectrum.from_eigenvalues([1.0, 2.0, 4.0, 5.0], [1, 1, 1, 1]), 0.04)
    >>> run.rounds, run.collapsed
    (5, True)
    """
    epsilon = check_positive(epsilon, "epsilon", "It is the mean squared training error of every round.")
    ratio = as_spectrum(spectrum).initial_ratio(epsilon)
    if max_rounds is not None:
        max_rounds = check_count(max_rounds, "max_rounds", least=0)
    spectrum = spectrum.resolve(partial(distill_to_tolerance, epsilon=epsilon, max_rounds=max_rounds))
    spectrum.check_feasible(epsilon)
    n, d = spectrum.n_samples, spectrum.eigenvalues
    if max_rounds is None:
        _check_room(ratio - 1, len(d), epsilon)
    budget = n * epsilon
    positive = np.flatnonzero((d > 0) & spectrum.weighted)
    z = spectrum.coefficients[positive]
    null = spectrum.null_energy
    filter_ = np.ones(len(d)) * (d > 0)
    excess = excess_energy(to_host(spectrum.targets), (float(n), epsilon))
    multipliers: list[float] = []
    filters: list[Array] = []
    norms = [float(np.sqrt(spectrum.energy))]
    # Rounding left in ‖y_t‖² after t diagonal products; below it the targets are at the tolerance.
    rounding = 0.0
    while excess > rounding and (max_rounds is None or len(multipliers) < max_rounds):
        weights = np.sum(z**2, axis=1)
        reachable = budget - null
        penalty = (
            float(penalty_for_error(d[positive], weights, np.asarray(reachable), np.asarray(excess)))
            if reachable > 0
            else 0.0
        )
        shrink = d[positive] / (d[positive] + penalty)
        z = z * shrink[:, None]
        filter_ = filter_ * np.divide(d, d + penalty, where=d > 0, out=np.zeros_like(d))
        multipliers.append(penalty)
        filters.append(filter_)
        norms.append(float(np.sqrt(np.sum(z**2))))
        null = 0.0
        excess = excess_energy(z, (float(n), epsilon))
        rounding = 8 * np.finfo(np.float64).eps * len(multipliers) * ratio * budget
    return Trajectory(
        spectrum,
        np.array(multipliers),
        np.array(filters).reshape(len(filters), len(d)),
        np.array(norms),
        bool(excess <= rounding),
        epsilon,
    )


def as_trajectory(value: Any) -> Trajectory:
    """Return `value`, which must be a trajectory.

    Raises
    ------
    InputError
        If it is not.
    """
    return check_kind(value, "trajectory", Trajectory, "distill_to_tolerance or distill_with_ridge")


def _check_room(least_rounds: float, directions: int, epsilon: float) -> None:
    """Say what counting to collapse would need, where M7 knows beforehand that it is too much."""
    needed = 8 * directions * least_rounds
    if least_rounds > _MOST_ROUNDS or needed > _MOST_BYTES:
        raise InputError(
            f"epsilon={epsilon:.6g} takes at least {least_rounds:.4g} rounds to collapse, whose filters need "
            f"{needed / 2**30:.3g} GiB. Give max_rounds, or a larger epsilon."
        )


def distill_with_ridge(
    spectrum: Spectrum,
    ridge: float | Sequence[float] | Array,
    rounds: int | None = None,
    ground_truth_weight: float = 0.0,
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
    ground_truth_weight : float
        Weight α in [0, 1] of the given targets: fit t has targets ``α y + (1 − α) f_{t−1}``.

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
    Borup & Andersen 2021 (arXiv 2102.13088); Jeong & Chung 2025, section 2; claims B1, B2, J2.
    """
    alpha = check_fraction(ground_truth_weight, "ground_truth_weight")
    penalties = _penalties(ridge, rounds)
    spectrum = as_spectrum(spectrum).resolve(
        partial(distill_with_ridge, ridge=penalties, ground_truth_weight=alpha)
    )
    d = spectrum.eigenvalues
    filters = np.empty((len(penalties), len(d)))
    previous = np.ones(len(d))
    for t, c in enumerate(penalties):
        previous = d / (d + c) * (alpha + (1 - alpha) * previous)
        filters[t] = previous
    norms = np.sqrt(np.concatenate([[spectrum.energy], filters**2 @ spectrum.weights]))
    return Trajectory(spectrum, penalties, filters, norms, False, None)


def _penalties(ridge: float | Sequence[float] | Array, rounds: int | None) -> Array:
    values = as_real_array(ridge, "ridge").astype(np.float64)
    if values.ndim == 0:
        if rounds is None:
            raise InputError("rounds must be given with a single ridge.")
        values = np.full(check_count(rounds, "rounds", least=0), float(values))
        check_positive(as_real_array(ridge, "ridge"), "ridge")  # type: ignore[arg-type]
    if values.ndim != 1 or (rounds is not None and len(values) != rounds):
        raise InputError(
            f"ridge must be a number, or one penalty a round ({rounds}); got shape {values.shape}."
        )
    if not (values > 0).all():
        raise InputError(f"every ridge must be above 0; got {values.min():g}.")
    return values


def ground_truth_limit(spectrum: Spectrum, ridge: float, ground_truth_weight: float) -> Trajectory:
    """Fit that infinitely many rounds with weight α > 0 on the ground truth tend to: ridge c / α (claim B1).

    Returned as a one-round trajectory. With α = 0 the limit is zero, and an `InputError` says so.
    """
    alpha = check_fraction(ground_truth_weight, "ground_truth_weight")
    if alpha == 0:
        raise InputError("without ground truth (weight 0) the rounds tend to zero: there is no ridge fit.")
    return distill_with_ridge(spectrum, check_positive(ridge, "ridge") / alpha, 1)
