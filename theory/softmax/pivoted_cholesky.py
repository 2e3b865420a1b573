"""Cholesky factorisation with pivoting: shows that a gram is semi-definite, and finds its rank on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
from scipy.linalg.lapack import dpstrf

from ..base.validation import Array, IndefiniteGramError, semidefinite_slack


def largest_eigenvalue_bound(gram: Array) -> float:
    """A number that no eigenvalue exceeds: the largest sum of a row's magnitudes."""
    return float(np.abs(gram).sum(axis=1).max())


@dataclass(frozen=True, eq=False)
class PivotedCholesky:
    """Factor ``L`` of ``gram = L Lᵀ`` up to rounding, as LAPACK leaves it: rows in the order of the pivots."""

    packed: Array
    order: Array
    rank: int

    @classmethod
    def of(cls, gram: Array) -> PivotedCholesky:
        """Factorise; stop where the rest of the gram is rounding.

        Raises
        ------
        IndefiniteGramError
            If the gram has a negative eigenvalue beyond what `Spectrum.from_gram` allows.
        """
        rounding = float(np.finfo(gram.dtype).eps) * len(gram)
        diagonal = float(np.diagonal(gram).max())
        # The transpose of a symmetric matrix in C order is itself in Fortran order: copied once.
        copy = np.array(gram, np.float64, order="C").T
        packed, order, rank, _ = dpstrf(copy, tol=rounding * diagonal, lower=1, overwrite_a=1)
        factor = cls(packed, order - 1, int(rank) if diagonal > 0 else 0)
        if factor.rank < len(gram):
            slack = semidefinite_slack(len(gram), float(np.finfo(gram.dtype).eps))
            allowed = slack * (largest_eigenvalue_bound(gram) or 1.0)
            _refuse_indefinite(gram, factor.rows(), allowed)
        return factor

    @property
    def pivots(self) -> Array:
        """Samples in the order in which they were taken, as many as the rank."""
        return self.order[: self.rank]

    @property
    def last_pivot(self) -> float:
        """Least pivot over the largest, squared roots undone; 0 for a singular gram."""
        diagonal = np.diagonal(self.packed)
        return float((diagonal[-1] / diagonal[0]) ** 2) if self.rank == len(diagonal) else 0.0

    def rows(self) -> Array:
        """``L`` (N, rank), a row a sample."""
        rows = np.empty((len(self.order), self.rank))
        rows[self.order] = np.tril(self.packed[:, : self.rank])
        return rows


def _refuse_indefinite(gram: Array, rows: Array, allowed: float) -> None:
    """Look at what the factor leaves of the gram through a few random vectors; it may only be rounding."""
    n = len(gram)
    probes: Any = np.random.default_rng(0).standard_normal((n, 4)) / np.sqrt(n)
    left = np.abs(gram @ probes - rows @ (rows.T @ probes)).max()
    if left > allowed / np.sqrt(n):
        values = scipy.linalg.eigvalsh(gram)
        if values[0] < -allowed:
            raise IndefiniteGramError(float(values[0]), float(values[-1]))
