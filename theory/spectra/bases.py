"""Bases: the directions in which every round is diagonal, in the forms in which they can be known.

A basis stands for the n × m matrix V whose columns are orthonormal eigenvectors of the gram. Three forms stand
here, the Krylov space has a file of its own. Everything else in the package uses it through four things alone:

* ``project(columns)``: ``Vᵀ columns``, from n training points to m directions;
* ``expand(coefficients)``: ``V coefficients``, from directions back to training points;
* ``diagonal(filter)``: the diagonal of ``V diag(filter) Vᵀ``, one number a training point;
* ``complete``: whether every eigenvalue of the gram that is not zero belongs to one of the directions. Traces,
  diagonals, risks and leave-one-out need that; `Spectrum.require_complete` asks for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ..base.arrays import like, roundoff, to_host
from ..base.validation import Array
from .chunk_reduction import Chunks

# Rows of the eigenvectors that are squared at a time take so many bytes.
_BLOCK_BYTES = 32 * 2**20


class Basis(Protocol):
    """What the rounds ask of a basis; see the module's text."""

    @property
    def complete(self) -> bool:
        """Whether every eigenvalue of the gram that is not zero is known."""

    @property
    def invariant(self) -> bool:
        """Whether every eigenvalue is known in whose direction the targets have a part."""

    @property
    def way(self) -> str:
        """How the directions were found, in a phrase."""

    @property
    def pattern(self) -> Any:
        """An array of the kind, device and precision that `expand` returns."""

    @property
    def roundoff(self) -> float:
        """Relative rounding error of a projection."""

    def project(self, columns: Any) -> Array:
        """``Vᵀ columns`` (m, k) as NumPy float64, for columns (n, k)."""

    def expand(self, coefficients: Array) -> Any:
        """``V coefficients`` (n, k), for coefficients (m, k)."""

    def diagonal(self, filters: Array) -> Array:
        """Diagonal of ``V diag(filter) Vᵀ`` (n,), for a filter (m,); or (n, J), for filters (J, m)."""


@dataclass(frozen=True)
class IdentityBasis:
    """The targets are given in the eigenvectors already: V is the identity."""

    complete = invariant = True
    way = "eigenvalues as given"
    roundoff = 0.0  # nothing is projected

    @property
    def pattern(self) -> Any:
        """NumPy float64."""
        return np.empty(0)

    def project(self, columns: Any) -> Array:
        """Return the columns as they are."""
        return to_host(columns)

    def expand(self, coefficients: Array) -> Array:
        """Return the coefficients as they are."""
        return coefficients

    def diagonal(self, filters: Array) -> Array:
        """Return the filters as they are."""
        return filters.T


@dataclass(frozen=True, eq=False)
class DenseBasis:
    """Eigenvectors held as an array (n, m), of NumPy or another kind, on any device.

    Attributes
    ----------
    vectors : array (n, m)
        Orthonormal columns, one an eigenvalue; m < n where features had fewer columns than samples, and then
        all other eigenvalues are zero.
    """

    vectors: Any

    complete = invariant = True
    way = "factorised"

    @property
    def pattern(self) -> Any:
        """The eigenvectors."""
        return self.vectors

    @property
    def roundoff(self) -> float:
        """Precision of the eigenvectors."""
        return roundoff(self.vectors)

    def project(self, columns: Any) -> Array:
        """Multiply with the transposed eigenvectors, in their own precision and on their device."""
        if getattr(columns, "dtype", None) != self.vectors.dtype:
            columns = like(to_host(columns), self.vectors)
        return to_host(self.vectors.T @ columns).astype(np.float64)

    def expand(self, coefficients: Array) -> Any:
        """Multiply with the eigenvectors."""
        return self.vectors @ like(coefficients, self.vectors)

    def diagonal(self, filters: Array) -> Array:
        """Sum the squared entries of every row, weighted by the filter; squares are taken block by block."""
        n, m = self.vectors.shape
        rows = max(1, _BLOCK_BYTES // (8 * m + 1))
        result = np.empty((n, *filters.shape[:-1]))
        for start in range(0, n, rows):
            block = slice(start, start + rows)
            result[block] = to_host(self.vectors[block]).astype(np.float64) ** 2 @ filters.T
        return result


@dataclass(frozen=True, eq=False)
class FeatureBasis:
    """Eigenvectors ``V = F @ directions`` of ``F Fᵀ``, applied chunk by chunk and never formed.

    Attributes
    ----------
    chunks : Chunks
        The features F, (n, p).
    directions : ndarray (p, m)
        Right singular vectors over singular values.
    """

    chunks: Chunks
    directions: Array

    complete = invariant = True
    way = "features reduced chunk by chunk"

    @property
    def pattern(self) -> Any:
        """NumPy float64."""
        return np.empty(0)

    @property
    def roundoff(self) -> float:
        """Precision of the directions."""
        return roundoff(self.directions)

    def project(self, columns: Any) -> Array:
        """Read the features once."""
        return self.directions.T @ self.chunks.correlate(to_host(columns))

    def expand(self, coefficients: Array) -> Any:
        """Vectors (n, k): a lazy Dask array where the features are one, else NumPy."""
        return self.chunks.multiply(self.directions @ coefficients)

    def diagonal(self, filters: Array) -> Array:
        """Read the features once."""
        return self.chunks.weighted_squares(self.directions, filters.T)
