"""Gauss and Gauss-Radau rules of a Lanczos process, and what they tell of the error.

The small projected matrix is a Gauss quadrature rule for the measure in which every training error, norm and
multiplier is an integral (Golub and Meurant 2010). The Gauss-Radau rule with a node at zero is a second one,
with errors of the other sign for the residual of a ridge fit: the two bracket the first multiplier, and their
difference estimates the error of the others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.arrays import to_host
from ..base.validation import Array, IndefiniteGramError, InfeasibleToleranceError
from .block_lanczos import BlockLanczos
from .spectrum import Spectrum

if TYPE_CHECKING:
    from ..distillation.schedules import Trajectory

# Rounding of one product, in units of the precision times the largest eigenvalue.
_ROUNDING = 4.0
# On the difference of the two rules: past the first round their errors need not be of opposite sign.
_SAFETY = 2.0


@dataclass(frozen=True)
class KrylovError:
    """Estimated errors of a trajectory computed in a Krylov subspace.

    Attributes
    ----------
    multipliers, norms : float
        Largest relative error over the rounds.
    fitted : float
        Largest error of the fitted values over the rounds, relative to ``‖y‖``.
    multiplier_rounding, fitted_rounding : float
        What of these comes from the precision of the products: more products do not help.
    """

    multipliers: float
    norms: float
    fitted: float
    multiplier_rounding: float
    fitted_rounding: float

    @property
    def largest(self) -> float:
        """Largest of the errors."""
        return max(self.multipliers, self.norms, self.fitted)

    def settled(self, tolerance: float) -> bool:
        """Whether every error is below the tolerance, or next to what rounding leaves of it."""
        return (
            self.multipliers <= max(tolerance, 2 * self.multiplier_rounding)
            and self.norms <= max(tolerance, 2 * self.fitted_rounding)
            and self.fitted <= max(tolerance, 2 * self.fitted_rounding + self.multiplier_rounding)
        )


def ritz_spectrum(process: BlockLanczos, targets: Any) -> Spectrum:
    """Gauss rule: the gram projected on the Krylov space, without a basis.

    Raises
    ------
    IndefiniteGramError
        If the projection has a negative eigenvalue beyond rounding: then so has the gram.
    """
    values, vectors = process.ritz()
    return _small_spectrum(process, values, vectors, targets)


def radau_spectrum(process: BlockLanczos, targets: Any) -> Spectrum:
    """Gauss-Radau rule: the last diagonal block changed so that zero is a node, once for every column."""
    values, vectors = process.ritz()
    node = min(-process.rounding_level, float(values[0]) - process.rounding_level)
    beta = process.next_norm
    coupling = beta @ vectors[-beta.shape[1] :]
    last = node * np.eye(len(beta)) + (coupling / (values - node)) @ coupling.T
    m = len(values)
    extended = np.zeros((m + len(beta), m + len(beta)))
    extended[:m, :m] = process.projected()
    extended[m:, m - beta.shape[1] : m] = beta
    extended[m - beta.shape[1] : m, m:] = beta.T
    extended[m:, m:] = last
    return _small_spectrum(process, *np.linalg.eigh(extended), targets)


def _small_spectrum(process: BlockLanczos, values: Array, vectors: Array, targets: Any) -> Spectrum:
    n, largest = process.n_samples, float(values.max(initial=0.0))
    if values.min(initial=0.0) < -100 * n * process.roundoff * largest or (
        largest == 0 > values.min(initial=0)
    ):
        raise IndefiniteGramError(n * float(values.min()), n * largest)
    d = np.where(values > process.rounding_level, values, 0.0)
    z = vectors[: len(process.start)].T @ process.start
    return Spectrum(d, z, to_host(targets).astype(np.float64, copy=False), None, 0.0, False)


def estimate_error(
    process: BlockLanczos, targets: Any, run: Trajectory, solve: Callable[[Spectrum], Trajectory]
) -> KrylovError:
    """Estimate the errors of a run on the Gauss rule.

    Fitted values: with its penalties fixed, a round computed in the subspace differs from the true one by at
    most the residual of its linear system, and later rounds only damp that; to this adds what an error of the
    penalty does. Multipliers and norms: difference between the Gauss and the Gauss-Radau rule, which bracket
    the first multiplier.
    """
    if run.rounds == 0:
        return KrylovError(0.0, 0.0, 0.0, 0.0, 0.0)
    spectrum, c = run.spectrum, run.multipliers[:, None]
    d, w = spectrum.eigenvalues, spectrum.weights
    entering = np.divide(run.filters, d, out=np.zeros_like(run.filters), where=d > 0)
    entering[:1, d == 0] = 1 / np.maximum(c[:1], np.finfo(float).tiny)
    if run.epsilon is None:
        entering[:, d == 0] = 1 / c
    size = np.sqrt(entering**2 @ w)
    fit_rounding = _ROUNDING * process.roundoff * d.max() * np.cumsum(size)
    residual = c * entering
    norm = np.sqrt(residual**2 @ w)
    slope = (residual**2 * (d / (d + c))) @ w / np.maximum(norm, np.finfo(float).tiny)
    c_rounding = fit_rounding / slope if run.epsilon is not None else np.zeros_like(norm)
    scale = float(run.target_norms[0])
    rounding = float(c_rounding.max()), float(fit_rounding[-1]) / scale
    if process.complete:
        fit = fit_rounding + np.cumsum(c_rounding * run.target_norms[:-1] / 4)
        return KrylovError(rounding[0], rounding[1], float(fit[-1]) / scale, *rounding)
    beta = process.next_norm
    last = beta @ process.ritz()[1][-beta.shape[1] :]
    lost = np.linalg.norm(np.einsum("am,tm,mk->tak", last, entering, spectrum.coefficients), axis=(1, 2))
    fit = np.cumsum(lost) + fit_rounding
    try:
        other = solve(radau_spectrum(process, targets))
    except InfeasibleToleranceError:
        other = None
    if other is None or other.rounds != run.rounds:
        return KrylovError(np.inf, np.inf, float(fit[-1]) / scale, *rounding)
    c_error = _SAFETY * np.abs(other.multipliers / run.multipliers - 1) + c_rounding
    norm_error = _SAFETY * np.abs(other.target_norms / run.target_norms - 1)[1:] + fit_rounding / scale
    fit += np.cumsum(c_error * run.target_norms[:-1] / 4)
    return KrylovError(float(c_error.max()), float(norm_error.max()), float(fit[-1]) / scale, *rounding)
