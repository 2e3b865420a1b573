"""Two forms of fixed features for the softmax solver: rotated into their eigenbasis, or known by a gram."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg

from ..base.arrays import to_host
from ..base.validation import Array, IndefiniteGramError, semidefinite_slack
from ..spectra.spectrum import Spectrum


@dataclass(frozen=True, eq=False)
class EigenbasisDesign:
    """Features rotated into the eigenvectors of their kernel: the linearised Hessian is diagonal there."""

    rows: Array
    eigenvalues: Array
    sample_weights: Array

    @classmethod
    def from_spectrum(cls, spectrum: Spectrum) -> EigenbasisDesign:
        """Keep the directions of positive eigenvalue."""
        spectrum.require_complete("softmax regression")
        n, kept = spectrum.n_samples, spectrum.eigenvalues > 0
        d = spectrum.eigenvalues[kept]
        rows = to_host(spectrum.basis.expand(np.diag(np.sqrt(n * spectrum.eigenvalues))[:, kept]))
        return cls(rows.astype(np.float64, copy=False), d, np.full((n, 1), 1 / n))

    def forward(self, weights: Array) -> Array:
        """Logits (N, K)."""
        return np.asarray(self.rows @ weights)

    def adjoint(self, residual: Array) -> Array:
        """Weights (r, K)."""
        return np.asarray(self.rows.T @ (self.sample_weights * residual))

    def inner(self, a: Array, b: Array, b_forward: Array) -> float:
        """Euclidean."""
        return float(np.vdot(a, b))

    def precondition(self, weights: Array, ridge: float) -> tuple[Array, Array]:
        """Divide by the eigenvalues of the Hessian at the uniform output."""
        direction = weights / (self.eigenvalues[:, None] / weights.shape[1] + ridge)
        return direction, self.forward(direction)

    def null_part(self, weights: Array) -> None:
        """Every direction that is kept has logits."""


class GramDesign:
    """A kernel known by its gram: W is its dual coefficients, in the inner product that the gram defines.

    Two Cholesky factorisations take the place of the eigenvectors, which cost some ten times as much: one
    shows that the gram is positive semi-definite, one is the inverse Hessian at the uniform output.
    """

    def __init__(self, gram: Array) -> None:
        self.gram = gram
        self._null_factor, self._rounding = _definite_factor(gram)
        self.sample_weights = np.full((len(gram), 1), 1 / len(gram))
        self._shift: float | None = None
        self._factor: Array | None = None

    def forward(self, weights: Array) -> Array:
        """Logits (N, K)."""
        return np.asarray(self.gram @ weights)

    def adjoint(self, residual: Array) -> Array:
        """Dual coefficients (N, K)."""
        return np.asarray(self.sample_weights * residual)

    def inner(self, a: Array, b: Array, b_forward: Array) -> float:
        """``aᵀ gram b``."""
        return float(np.vdot(a, b_forward))

    def precondition(self, weights: Array, ridge: float) -> tuple[Array, Array]:
        """Solve with ``gram + KλN``; that equation also gives the logits without the gram."""
        n, k = weights.shape
        shift = k * ridge * n
        if self._factor is None or self._shift != shift:
            shifted = self.gram.astype(np.float64, copy=True)
            shifted.flat[:: n + 1] += shift
            # The transpose of a symmetric matrix in C order is itself in Fortran order: nothing is copied.
            self._factor = scipy.linalg.cholesky(shifted.T, lower=True, overwrite_a=True, check_finite=False)
            self._shift = shift
        scaled = k * n * weights
        direction = scipy.linalg.cho_solve((self._factor, True), scaled, check_finite=False)
        return direction, scaled - shift * direction

    def null_part(self, weights: Array) -> tuple[Array, Array]:
        """What lies in the directions whose eigenvalues are rounding, and its logits.

        ``(r / (gram + r))²``, r the rounding: 1 in the null space, and next to nothing outside.
        """
        once = self._below_rounding(weights)
        twice = self._below_rounding(once)
        return twice, self._rounding * (once - twice)

    def _below_rounding(self, weights: Array) -> Array:
        return self._rounding * scipy.linalg.cho_solve((self._null_factor, True), weights, check_finite=False)


def _definite_factor(gram: Array) -> tuple[Array, float]:
    """Cholesky factor of the gram plus a shift of the size of its rounding, and the shift.

    Raises `IndefiniteGramError` if the gram has a negative eigenvalue beyond what `Spectrum.from_gram` allows.
    """
    n = len(gram)
    largest = float(np.abs(gram).sum(axis=1).max())  # bounds every eigenvalue
    shift = semidefinite_slack(n, float(np.finfo(gram.dtype).eps)) * (largest or 1.0)
    shifted = gram.astype(np.float64, copy=True)
    shifted.flat[:: n + 1] += shift
    try:
        factor = scipy.linalg.cholesky(shifted.T, lower=True, overwrite_a=True, check_finite=False)
    except np.linalg.LinAlgError:
        values = scipy.linalg.eigvalsh(gram)
        raise IndefiniteGramError(float(values[0]), float(values[-1])) from None
    return factor, shift
