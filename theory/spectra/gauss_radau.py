"""Two quadrature rules of a Krylov space: Gauss, and Gauss-Radau with a node at zero.

Every training error, norm and multiplier of a run is an integral over the spectrum of the gram, weighted by
the targets. The projection of the gram on the Krylov space is a Gauss rule for that measure (Golub and Meurant
2010). The Gauss-Radau rule with a node at zero is a second one, whose error for the residual of a ridge fit
has the other sign: the two bracket the first multiplier, and their difference estimates the error of the others.
"""

from __future__ import annotations

import numpy as np
import scipy.linalg

from ..base.validation import Array, IndefiniteGramError
from .block_lanczos import KrylovSpace


def gauss_rule(space: KrylovSpace) -> tuple[Array, Array]:
    """Nodes (m,), ascending, and coefficients of the targets (m, k): the gram projected on the space.

    Raises
    ------
    IndefiniteGramError
        If the projection has a negative eigenvalue beyond rounding: then so has the gram.
    """
    values, vectors = space.ritz
    n, largest = space.n_samples, float(values.max(initial=0.0))
    least = float(values.min(initial=0.0))
    if least < -100 * n * space.roundoff * largest or (largest == 0 and least < 0):
        raise IndefiniteGramError(n * least, n * largest)
    return _without_rounding(space, values), vectors[: len(space.start)].T @ space.start


def radau_rule(space: KrylovSpace) -> tuple[Array, Array]:
    """Nodes and coefficients of the rule whose last block is changed so that zero is a node for every column."""
    values, _ = space.ritz
    # A Ritz value of the size of rounding would make the node's block infinite, whatever its sign.
    lifted = np.maximum(values, space.rounding_level)
    last = (space.ritz_couplings / lifted) @ space.ritz_couplings.T
    if space.narrow and space.width == 1:
        diagonal, beside = space.tridiagonal()
        nodes, vectors = scipy.linalg.eigh_tridiagonal(
            np.append(diagonal, last[0, 0]), np.append(beside, space.next_coupling[0, 0]), check_finite=False
        )
    else:
        m, beta = space.size, space.next_coupling
        matrix = np.zeros((m + len(beta), m + len(beta)))
        matrix[:m, :m] = space.projected()
        matrix[m:, m - beta.shape[1] : m] = beta
        matrix[m - beta.shape[1] : m, m:] = beta.T
        matrix[m:, m:] = last
        nodes, vectors = scipy.linalg.eigh(matrix, driver="evd", check_finite=False)
    return _without_rounding(space, nodes), vectors[: len(space.start)].T @ space.start


def _without_rounding(space: KrylovSpace, values: Array) -> Array:
    return np.where(values > space.rounding_level, values, 0.0)
