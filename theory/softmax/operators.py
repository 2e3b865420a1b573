"""Three forms of fixed features for the softmax solver: eigenvectors, a gram, and a factor of a gram."""

from __future__ import annotations

import numpy as np
import scipy.linalg

from ..base.validation import Array
from .pivoted_cholesky import PivotedCholesky


class FeatureDesign:
    """Features known sample by sample: `rows` (N, r). What is left open is the preconditioner."""

    def __init__(self, rows: Array) -> None:
        self.rows = rows
        self.sample_weights = np.full((len(rows), 1), 1 / len(rows))

    def forward(self, weights: Array) -> Array:
        """Logits (N, K)."""
        return np.asarray(self.rows @ weights)

    def adjoint(self, residual: Array) -> Array:
        """Weights (r, K)."""
        return np.asarray(self.rows.T @ (self.sample_weights * residual))

    def inner(self, a: Array, b: Array, b_forward: Array) -> float:
        """Euclidean inner product of two weights; the logits of the second are not needed."""
        return float(np.vdot(a, b))


class EigenbasisDesign(FeatureDesign):
    """Features rotated into the eigenvectors of their kernel: the linearised Hessian is diagonal there.

    Parameters
    ----------
    basis : ndarray (N, r)
        Orthonormal columns.
    singular_values : ndarray (r,)
        Of the features; all above 0.
    """

    def __init__(self, basis: Array, singular_values: Array) -> None:
        super().__init__(basis * singular_values)
        self.basis, self.singular_values = basis, singular_values
        self.eigenvalues = singular_values**2 / len(basis)

    def precondition(self, weights: Array, ridge: float) -> tuple[Array, Array]:
        """Divide by the eigenvalues of the Hessian at the uniform output."""
        direction = weights / (self.eigenvalues[:, None] / weights.shape[1] + ridge)
        return direction, self.forward(direction)

    def dual(self, weights: Array) -> Array:
        """Coefficients of the samples' features that give these weights."""
        return np.asarray(self.basis @ (weights / self.singular_values[:, None]))


class FactorDesign(FeatureDesign):
    """A gram that is singular, or nearly so against a small penalty, as the features ``L`` of ``gram = L Lᵀ``.

    The dual coefficients of such a gram are large and cancel; weights of `L` are not. `L` comes from a
    Cholesky factorisation with pivoting, which stops where the rest of the gram is rounding.
    """

    def __init__(self, factor: PivotedCholesky) -> None:
        rows = factor.rows()
        super().__init__(rows)
        self.pivots = factor.pivots
        self._squares = rows.T @ rows / len(rows)
        self._factor: tuple[float, Array] | None = None

    def precondition(self, weights: Array, ridge: float) -> tuple[Array, Array]:
        """Solve with the Hessian at the uniform output."""
        shift = weights.shape[1] * ridge
        if self._factor is None or self._factor[0] != shift:
            # Rounding may hide a smaller shift; this is only a preconditioner.
            least = 100 * np.finfo(np.float64).eps * float(np.trace(self._squares))
            shifted = self._squares.copy()
            shifted.flat[:: len(shifted) + 1] += max(shift, least)
            factor = scipy.linalg.cholesky(shifted, lower=True, overwrite_a=True, check_finite=False)
            self._factor = shift, factor
        scaled = weights.shape[1] * weights
        direction = scipy.linalg.cho_solve((self._factor[1], True), scaled, check_finite=False)
        return direction, self.forward(direction)

    def dual(self, weights: Array) -> Array:
        """Coefficients of the pivots' features that give these weights; 0 for all other samples."""
        coefficients = np.zeros((len(self.rows), weights.shape[1]))
        coefficients[self.pivots] = scipy.linalg.solve_triangular(
            self.rows[self.pivots], weights, lower=True, trans="T", check_finite=False
        )
        return coefficients


class GramDesign:
    """A kernel known by its gram: W is its dual coefficients, in the inner product that the gram defines."""

    rows = None

    def __init__(self, gram: Array) -> None:
        self.gram = gram
        self.sample_weights = np.full((len(gram), 1), 1 / len(gram))
        self._factor: tuple[float, Array] | None = None

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
        if self._factor is None or self._factor[0] != shift:
            shifted = self.gram.astype(np.float64, copy=True)
            shifted.flat[:: n + 1] += shift
            # The transpose of a symmetric matrix in C order is itself in Fortran order: nothing is copied.
            factor = scipy.linalg.cholesky(shifted.T, lower=True, overwrite_a=True, check_finite=False)
            self._factor = shift, factor
        scaled = k * n * weights
        direction = scipy.linalg.cho_solve((self._factor[1], True), scaled, check_finite=False)
        return direction, scaled - shift * direction

    def dual(self, weights: Array) -> Array:
        """The weights themselves."""
        return weights
