"""Eigenvectors of a gram, from itself or from features, and whether finding them is affordable."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..base.arrays import eigh, is_foreign, like, roundoff, thin_svd, to_host
from ..base.validation import Array, InputError, check_semidefinite, check_squarable
from .bases import Basis, DenseBasis, FeatureBasis
from .memory_cost import TooLargeError, dense_cost, require_memory

# From here on a factorisation can exhaust a machine, and its memory is checked first.
_LARGE = 4000


def factorise_gram(gram: Any) -> tuple[Array, DenseBasis]:
    """Eigenvalues of ``gram / n``, ascending, 0 where they are rounding, and eigenvectors, of a symmetric gram.

    A NumPy gram of single precision is factorised in double precision: single precision would lose its eigenvalues
    below 1e-6 of the largest, although its entries have them; eigenvectors are of its own precision again. Tensors
    are factorised in theirs.

    Raises
    ------
    IndefiniteGramError
        If the gram has a negative eigenvalue beyond rounding.
    """
    n = gram.shape[0]
    if not is_foreign(gram) and n >= _LARGE:
        require_memory(dense_cost(n))
    precise = gram if is_foreign(gram) else gram.astype(np.float64, copy=False)
    eigenvalues, vectors = eigh(precise)
    check_semidefinite(float(eigenvalues[0]), float(eigenvalues[-1]), n, roundoff(gram))
    # Below this an eigenvalue is the factorisation's rounding, or what one below zero shows to be that of the entries.
    rounding = max(4 * np.sqrt(n) * roundoff(precise) * float(eigenvalues[-1]), -float(eigenvalues[0]))
    vectors = vectors if is_foreign(gram) else vectors.astype(gram.dtype, copy=False)
    return np.where(eigenvalues > rounding, eigenvalues, 0.0) / n, DenseBasis(vectors)


def factorise_features(features: Any) -> tuple[Array, DenseBasis]:
    """Positive eigenvalues of ``features featuresᵀ / n``, ascending, and their eigenvectors, by a thin SVD.

    Raises
    ------
    InputError
        If the features are too large to be squared.
    """
    vectors, singular = thin_svd(features)
    if not np.isfinite(singular[0] ** 2):
        raise InputError(
            f"features are too large: their gram has entries of about {singular[0]:.3g} squared. Scale them down."
        )
    rounding = max(features.shape) * roundoff(features) * singular[0]
    rank = int(np.sum(singular > rounding))
    kept = like(np.ascontiguousarray(to_host(vectors)[:, :rank][:, ::-1]), vectors)
    return singular[:rank][::-1] ** 2 / features.shape[0], DenseBasis(kept)


def energy_outside(basis: Basis, columns: Any, coefficients: Array) -> float:
    """Squared norm of the part of the targets (n, k) that the directions do not reach.

    Raises
    ------
    InputError
        If targets are too large to be squared.
    """
    if len(coefficients) == len(columns):
        return 0.0
    check_squarable(
        float(np.abs(to_host(columns)).max()), "every target beside features that do not reach them all"
    )
    if isinstance(basis, FeatureBasis):  # without reading features again
        energy = float(np.sum(columns**2))
        outside = energy - float(np.sum(coefficients**2))
        # Below this the difference is rounding.
        return outside if outside > 100 * np.finfo(np.float64).eps * energy else 0.0
    left = to_host(columns) - to_host(basis.expand(coefficients))
    return float(np.sum(left.astype(np.float64) ** 2))


def evaluated(gram: Any, points: Any) -> tuple[Any, Any]:
    """Evaluate a kernel on its points, once for all products, where its gram and a factorisation fit in memory."""
    if points is None or not callable(gram) or not _fits(len(points), build_gram=True):
        return gram, points
    return gram(points, points), None


def can_factorise(gram: Any) -> bool:
    """Whether a gram is an array, and its factorisation fits in memory."""
    by_products = callable(gram) or hasattr(gram, "matvec") or hasattr(gram, "tocsr")
    if by_products or not hasattr(gram, "__len__") or getattr(gram, "ndim", 2) == 0:
        return False
    return _fits(len(gram), build_gram=False)


def _fits(n_samples: int, *, build_gram: bool) -> bool:
    try:
        require_memory(dense_cost(n_samples, build_gram=build_gram))
    except TooLargeError:
        return False
    return True
