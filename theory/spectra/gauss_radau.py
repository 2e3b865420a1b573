"""Quadrature rules of a Krylov space: Gauss, Gauss-Radau with a node at zero, and Gauss as rounding may have it.

Every training error, norm and multiplier of a run is an integral over the spectrum of the gram, weighted by
the targets. The projection of the gram on the Krylov space is a Gauss rule for that measure (Golub and Meurant
2010). The Gauss-Radau rule with a node at zero is a second one, whose error for the residual of a ridge fit
has the other sign: the two bracket the first multiplier, and their difference estimates the error of the others.
A rule whose projection is changed by as much as rounding may have changed it says what rounding does to a run.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg

from ..base.validation import Array, IndefiniteGramError, check_semidefinite
from .block_lanczos import KrylovSpace

# Rounding of an entry of the projection: so many times what is seen, and at least so many units of the precision
# times the largest eigenvalue; and of a target, in units of the precision.
_SEEN, _LEAST, _STARTING = 12.0, 2.0, 8.0


@dataclass(frozen=True, eq=False)
class QuadratureRule:
    """Nodes and weights for integrals over the spectrum of the gram.

    Attributes
    ----------
    nodes : ndarray (m,)
        Ascending; exactly 0 where they are below rounding.
    vectors : ndarray (m, m)
        Eigenvectors of the projection, whose rows are the vectors of the space.
    coefficients : ndarray (m, k)
        Targets in these eigenvectors; their squares are the weights.
    """

    nodes: Array
    vectors: Array
    coefficients: Array


def gauss_rule(space: KrylovSpace) -> QuadratureRule:
    """The gram projected on the space.

    Raises
    ------
    IndefiniteGramError
        If the projection has a negative eigenvalue beyond rounding: then so has the gram.
    """
    values, vectors = space.ritz
    n, largest = space.n_samples, float(values.max(initial=0.0))
    least = float(values.min(initial=0.0))
    check_semidefinite(n * least, n * largest, n, space.roundoff)
    if largest == 0 and least < 0:
        raise IndefiniteGramError(n * least, n * largest)
    return _rule(space, values, vectors)


def radau_rule(space: KrylovSpace) -> QuadratureRule:
    """The rule whose last block is changed so that zero is a node for every column."""
    # A Ritz value of the size of rounding would make the node's block infinite, whatever its sign.
    lifted = np.maximum(space.ritz[0], space.rounding_level)
    last = (space.ritz_couplings / lifted) @ space.ritz_couplings.T
    if space.narrow and space.width == 1:
        diagonal, beside = space.tridiagonal()
        found = scipy.linalg.eigh_tridiagonal(
            np.append(diagonal, last[0, 0]), np.append(beside, space.next_coupling[0, 0]), check_finite=False
        )
        return _rule(space, *found)
    m, beta = space.size, space.next_coupling
    matrix = np.zeros((m + len(beta), m + len(beta)))
    matrix[:m, :m] = space.projected()
    matrix[m:, m - beta.shape[1] : m] = beta
    matrix[m - beta.shape[1] : m, m:] = beta.T
    matrix[m:, m:] = last
    return _rule(space, *scipy.linalg.eigh(matrix, driver="evd", check_finite=False))


def rounded_rule(space: KrylovSpace, rng: np.random.Generator) -> QuadratureRule:
    """The Gauss rule of targets and a projection that are changed at random by as much as rounding may have done."""
    least = _LEAST * space.roundoff * float(np.abs(space.ritz[0]).max(initial=0.0))
    scale = max(least, _SEEN * space.entry_rounding)
    start = space.start * (1 + _STARTING * space.roundoff * rng.standard_normal(space.start.shape))
    if space.narrow:
        diagonal, beside = space.tridiagonal()
        values, vectors = scipy.linalg.eigh_tridiagonal(
            diagonal + scale * rng.standard_normal(diagonal.shape),
            beside + scale * rng.standard_normal(beside.shape),
            check_finite=False,
        )
        return _rule(space, values, vectors, start)
    matrix = space.projected()
    change = np.triu(scale * rng.standard_normal(matrix.shape) * (matrix != 0))
    matrix += change + np.triu(change, 1).T
    values, vectors = scipy.linalg.eigh(matrix, driver="evd", check_finite=False)
    return _rule(space, values, vectors, start)


def _rule(space: KrylovSpace, values: Array, vectors: Array, start: Array | None = None) -> QuadratureRule:
    nodes = np.where(values > space.rounding_level, values, 0.0)
    start = space.start if start is None else start
    return QuadratureRule(nodes, vectors, vectors[: len(start)].T @ start)
