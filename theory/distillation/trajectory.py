"""Trajectory: every round of a run, as diagonal filters on one spectrum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.arrays import as_two_dimensional, is_foreign, like, to_host
from ..base.validation import Array, InputError, check_count, check_kind
from ..spectra.bases import FeatureBasis
from ..spectra.spectrum import Spectrum
from .recursion import gained_variances, residual_filter

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Every round of a self-distillation run, as diagonal filters on one spectrum.

    Round t refits to the fitted values of round t − 1; ``t = 0`` stands for the given targets.

    Attributes
    ----------
    spectrum : Spectrum
    multipliers : ndarray (T,)
        Penalty c_t of each fit; scikit-learn's ``alpha`` is ``n * c_t``. NaN for schedules without penalties.
    filters : ndarray (T, m)
        ``filters[t - 1]`` is the diagonal of B_t, which takes the targets to the fit after t rounds.
        m is n for a spectrum from a gram, in the order of ``spectrum.eigenvalues``.
    target_norms : ndarray (T + 1,)
        ``‖y_t‖`` for t = 0 … T.
    collapsed : bool
        Whether the fit of the last round is so small that the next round would be exactly zero.
    epsilon : float or None
        The training error of every round, where the schedule fixes it.
    given_weights : ndarray (T,)
        Weight of the given targets among those of each fit.
    past_weights : ndarray (T,), optional
        Weight of the targets of the round before, none if left out; the fit before has the rest.
    noise_variances : ndarray (T,), optional
        Variance of the noise that the targets of each fit gained, none if left out. Filters, fitted values and
        predictions are then the expected ones.
    """

    spectrum: Spectrum
    multipliers: Array
    filters: Array
    target_norms: Array
    collapsed: bool
    epsilon: float | None
    given_weights: Array
    past_weights: Array | None = None
    noise_variances: Array | None = None

    @property
    def rounds(self) -> int:
        """Number of fits, T: before collapse, if the run collapsed."""
        return len(self.multipliers)

    @property
    def ratios(self) -> Array:
        """``r_t = ‖y_t‖ / √(n ε)`` for t = 0 … T (schedules with a fixed training error only)."""
        if self.epsilon is None:
            raise InputError("ratios are defined for a fixed training error; this schedule has none.")
        return self.target_norms / np.sqrt(self.spectrum.n_samples * self.epsilon)

    @property
    def has_ridges(self) -> bool:
        """Whether every fit has a penalty: not so for gradient flow."""
        return bool(np.isfinite(self.multipliers).all())

    @property
    def variances(self) -> Array:
        """Variance of every fit in each direction of one output, (T, m), from the noise that its targets gained."""
        if self.noise_variances is None:
            return np.zeros_like(self.filters)
        return gained_variances(
            self.spectrum.eigenvalues, self.multipliers, self.given_weights, self._past, self.noise_variances
        )

    @property
    def _past(self) -> Array:
        return np.zeros(self.rounds) if self.past_weights is None else self.past_weights

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

    def residual_filter(self, t: int) -> Array:
        """``1 − B_t`` (m,), to full precision where B_t is next to 1.

        Raises
        ------
        InputError
            If t is not one of the fits, or the schedule has no penalties.
        """
        t = self._check_round(t, 0)
        if not self.has_ridges:
            raise InputError("the residual filter needs the penalty of every fit; gradient flow has none.")
        weights = self.given_weights[:t], self._past[:t]
        return residual_filter(self.spectrum.eigenvalues, self.multipliers[:t], *weights)

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

    def feature_weights(self, t: int) -> Array:
        """Weights (p,) or (p, k) after t ≥ 1 rounds on features in chunks: predictions are ``new_features @ weights``.

        Raises
        ------
        InputError
            If the spectrum does not come from `Spectrum.from_chunks`, or t is not one of the fits.
        """
        t = self._check_round(t, 1)
        spectrum = self.spectrum
        if not isinstance(spectrum.basis, FeatureBasis):
            raise InputError("weights of features need a spectrum from Spectrum.from_chunks; use predict.")
        coefficients = self.filters[t - 1][:, None] * spectrum.coefficients
        return np.asarray(spectrum.shape_like_targets(spectrum.basis.directions @ coefficients))

    def training_error(self, t: int) -> float:
        """Mean squared error of fit t ≥ 1 against its own targets: what is expected of them, if they gained noise."""
        t = self._check_round(t, 1)
        y = to_host(self.fitted(0)).astype(np.float64)
        targets, start = y, y if self.has_ridges else np.zeros_like(y)
        for s in range(int(np.flatnonzero(self._past[:t] == 0)[-1]), t):
            given, past = self.given_weights[s], self._past[s]
            fit = to_host(self.fitted(s)).astype(np.float64) if s else start
            targets = given * y + past * targets + (1 - given - past) * fit
        difference = to_host(self.fitted(t)).astype(np.float64) - targets
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


def as_trajectory(value: Any) -> Trajectory:
    """Return `value`, which must be a trajectory.

    Raises
    ------
    InputError
        If it is not.
    """
    return check_kind(value, "trajectory", Trajectory, "distill(spectrum, schedule)")
