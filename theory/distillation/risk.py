"""Bias, variance and risk of every round, and the round at which to stop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..base.validation import Array, InputError, as_targets, check_nonnegative
from .trajectory import Trajectory, as_trajectory


@dataclass(frozen=True, eq=False)
class RiskCurve:
    """Expected squared error of the fits at the training points, against the noiseless truth.

    Attributes
    ----------
    squared_bias, variance : ndarray (T,)
        Entry t − 1 is of round t; means over the points, sums over outputs.
    """

    squared_bias: Array
    variance: Array

    @property
    def risk(self) -> Array:
        """Squared bias plus variance, (T,)."""
        return self.squared_bias + self.variance

    @property
    def best_round(self) -> int:
        """Round t ≥ 1 with the least risk."""
        return int(np.argmin(self.risk)) + 1


def risk_curve(trajectory: Trajectory, truth: Any, noise_variance: float) -> RiskCurve:
    """Risk of round t for ``y = truth + noise``: ``(1/n)(Σ (1 − b_k)² (Vᵀf*)_k² + s² Σ b_k²)``.

    Exact if the penalties do not depend on the noise (fixed ridge); for the to-tolerance schedule it is the
    risk of the same filters on fresh noise. Noise that the targets gain on the way (`OwnOutputs`) adds its variance.

    Parameters
    ----------
    trajectory : Trajectory
    truth : array (n,) or (n, k)
        f* at the training points.
    noise_variance : float
        s² of one output at one point.

    Raises
    ------
    InputError
        If shapes do not match, the variance is negative, or there are no rounds.
    """
    spectrum = as_trajectory(trajectory).spectrum
    spectrum.require_complete("the risk")
    f = as_targets(truth, spectrum.n_samples, "truth").reshape(spectrum.n_samples, -1)
    if f.shape[1] != spectrum.n_outputs:
        raise InputError(f"truth must have {spectrum.n_outputs} outputs, as the targets; got {f.shape[1]}.")
    noise_variance = check_nonnegative(noise_variance, "noise_variance")
    if trajectory.rounds == 0:
        raise InputError("the trajectory has no rounds: there is no fit to judge.")
    energy = np.sum(spectrum.basis.project(f) ** 2, axis=1)
    unreachable = max(float(np.sum(f**2) - energy.sum()), 0.0)
    b = trajectory.filters
    n = spectrum.n_samples
    return RiskCurve(
        ((1 - b) ** 2 @ energy + unreachable) / n,
        spectrum.n_outputs * np.sum(noise_variance * b**2 + trajectory.variances, axis=1) / n,
    )


def estimated_risk(trajectory: Trajectory, noise_variance: float) -> Array:
    """Unbiased estimate of the risk of every round from the noisy targets alone (Mallows 1973), (T,).

    ``(1/n)(‖(I − B_t) y‖² + 2 s² tr B_t) − s²``, sums over outputs; unbiased for penalties that do not
    depend on the noise.

    Raises
    ------
    InputError
        If the variance is not a finite number of at least 0.
    """
    spectrum = as_trajectory(trajectory).spectrum
    spectrum.require_complete("an estimate of the risk")
    noise_variance = check_nonnegative(noise_variance, "noise_variance")
    b, n = trajectory.filters, spectrum.n_samples
    residual = (1 - b) ** 2 @ spectrum.weights + max(spectrum.energy - float(spectrum.weights.sum()), 0.0)
    residual = residual + spectrum.n_outputs * trajectory.variances.sum(axis=1)
    return residual / n + noise_variance * spectrum.n_outputs * (2 * b.sum(axis=1) / n - 1)
