"""Features larger than memory: reading them once or twice leaves a small problem, from which the rounds follow.

With n samples and p features, ``FᵀF`` (p, p) and ``FᵀY`` hold what a schedule needs; chunks of rows are read
one after another, or wherever Dask's scheduler puts them, and no (n, p) array is ever whole. Where singular
values span more than two decades, ``FᵀF`` has lost the small ones to rounding, and the features are read once
more, in coordinates in which all of them count the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

import numpy as np
import scipy.linalg
from scipy.linalg import blas

from ..base.validation import Array, InputError, as_matrix, as_targets
from .memory_cost import features_cost, require_memory

_EPS = float(np.finfo(np.float64).eps)
_CHUNK_BYTES = 2**26
# Rows of a chunk that are squared at once.
_SLAB_BYTES = 2**24
# Ratio of squared singular values down to which one reading gives them to 1e-11.
_ONE_READING = 1e-5

Parts = tuple[Array, ...]


class Chunks(Protocol):
    """Features (n, p) in chunks of rows."""

    @property
    def shape(self) -> tuple[int, int]:
        """``(n, p)``."""

    @property
    def rows(self) -> tuple[int, ...]:
        """Rows of each chunk."""

    def total(self, function: Callable[..., Parts], columns: Array | None, *others: Any) -> Parts:
        """Sum ``function(chunk, its rows of columns, *others)`` over the chunks."""

    def correlate(self, columns: Array) -> Array:
        """``Fᵀ columns`` (p, k)."""

    def multiply(self, matrix: Array) -> Any:
        """``F matrix`` (n, k)."""

    def weighted_squares(self, matrix: Array, weights: Array) -> Array:
        """``(F matrix)² weights``, squares entry by entry: (n,) or (n, J)."""


@dataclass(frozen=True, eq=False)
class ArrayChunks:
    """Chunks that are arrays, one after another."""

    parts: tuple[Array, ...]

    @property
    def rows(self) -> tuple[int, ...]:
        """Rows of each chunk."""
        return tuple(len(part) for part in self.parts)

    @property
    def shape(self) -> tuple[int, int]:
        """``(n, p)``."""
        return sum(self.rows), self.parts[0].shape[1]

    def total(self, function: Callable[..., Parts], columns: Array | None, *others: Any) -> Parts:
        """Sum over the chunks, in their order."""
        total: Parts | None = None
        for part, rows in zip(self.parts, _split(columns, self.rows), strict=True):
            here = function(part, rows, *others)
            total = here if total is None else _add([total, here])
        assert total is not None
        return total

    def correlate(self, columns: Array) -> Array:
        """Read the features once."""
        return self.total(_correlation, columns)[0]

    def multiply(self, matrix: Array) -> Array:
        """Read the features once."""
        return np.concatenate([part @ matrix for part in self.parts])

    def weighted_squares(self, matrix: Array, weights: Array) -> Array:
        """Read the features once."""
        return np.concatenate([_weighted_squares(part, matrix, weights) for part in self.parts])


@dataclass(frozen=True, eq=False)
class DaskChunks:
    """Chunks of a Dask array, on whatever scheduler Dask is set to."""

    features: Any

    @property
    def rows(self) -> tuple[int, ...]:
        """Rows of each chunk."""
        return tuple(int(size) for size in self.features.chunks[0])

    @property
    def shape(self) -> tuple[int, int]:
        """``(n, p)``."""
        return int(self.features.shape[0]), int(self.features.shape[1])

    def total(self, function: Callable[..., Parts], columns: Array | None, *others: Any) -> Parts:
        """Sum in a tree, so that few chunks are alive at a time."""
        dask: Any = import_module("dask")
        each, add = dask.delayed(function, pure=False), dask.delayed(_add, pure=False)
        blocks = self.features.to_delayed().ravel()
        parts = [
            each(block, rows, *others) for block, rows in zip(blocks, _split(columns, self.rows), strict=True)
        ]
        while len(parts) > 1:
            parts = [add(parts[i : i + 4]) for i in range(0, len(parts), 4)]
        total: Parts = dask.compute(parts[0])[0]
        return total

    def correlate(self, columns: Array) -> Array:
        """Read the features once."""
        return self.total(_correlation, columns)[0]

    def multiply(self, matrix: Array) -> Any:
        """Return a lazy Dask array."""
        return self.features @ matrix

    def weighted_squares(self, matrix: Array, weights: Array) -> Array:
        """Read the features once."""
        dask: Any = import_module("dask")
        each = dask.delayed(_weighted_squares, pure=False)
        blocks = self.features.to_delayed().ravel()
        return np.concatenate(dask.compute(*(each(block, matrix, weights) for block in blocks)))


def as_chunks(features: Any) -> Chunks:
    """Return features as chunks: a Dask array as it is cut, or a sequence of arrays with the same columns.

    Raises
    ------
    InputError
        If they are neither, or have no known shape.
    """
    if isinstance(features, Sequence) and not isinstance(features, str):
        parts = [_as_chunk(part) for part in features]
        widths = [part.shape[1] for part in parts]
        if len(set(widths)) != 1:
            raise InputError(
                "features must come in at least one chunk, all with the same columns; got "
                + (f"chunks of {min(widths)} to {max(widths)} columns." if widths else "none.")
            )
        return ArrayChunks(tuple(parts))
    if isinstance(features, np.ndarray):
        return as_chunks(_cut(features) if features.ndim == 2 else [features])
    if not hasattr(features, "to_delayed"):
        raise InputError(
            f"features in chunks must be a sequence of arrays or a Dask array; got {type(features).__name__}."
        )
    if features.ndim != 2 or 0 in features.shape or not np.isfinite(features.shape[0]):
        raise InputError(
            f"features must be (n, features) chunks of known length; got shape {features.shape}. "
            "For a Dask data frame use .to_dask_array(lengths=True)."
        )
    return DaskChunks(features.rechunk({1: features.shape[1]}))


def _as_chunk(part: Any) -> Array:
    """Return a chunk in its own precision, unread where it is a file: the sums show what is not finite."""
    ready = isinstance(part, np.ndarray) and not np.ma.isMaskedArray(part) and part.dtype.kind == "f"
    if ready and part.ndim == 2 and 0 not in part.shape:
        return part
    return as_matrix(part, "each chunk of features")


def _cut(features: Array) -> list[Array]:
    """Rows of one array, a file of any size perhaps, in chunks that each fit in memory."""
    rows = max(1, _CHUNK_BYTES // (8 * max(1, features.shape[1])))
    return [features[at : at + rows] for at in range(0, len(features), rows)] or [features]


def columns_of(targets: Any, n_samples: int) -> tuple[Array, bool]:
    """Targets as (n, k) in memory, and whether they came as (n,)."""
    if hasattr(targets, "compute"):
        targets = targets.compute()
    y = as_targets(targets, n_samples)
    return y.reshape(n_samples, -1), y.ndim == 1


@dataclass(frozen=True, eq=False)
class Reduction:
    """What chunks of features come to.

    Attributes
    ----------
    singular_values : ndarray (m,)
        Of the features, ascending, without those that are rounding.
    directions : ndarray (p, m)
        Right singular vectors over singular values: ``F @ directions`` is orthonormal.
    coefficients : ndarray (m, k)
        Targets in those.
    """

    singular_values: Array
    directions: Array
    coefficients: Array


def reduce_chunks(chunks: Chunks, columns: Array) -> Reduction:
    """Singular values and right singular vectors of features in chunks, and the targets' coefficients.

    Raises
    ------
    InputError
        If values are not finite, or the small problem cannot fit in memory.
    """
    n, p = chunks.shape
    require_memory(features_cost(p, columns.shape[1], max(chunks.rows), n))
    small, right = chunks.total(_moments, columns)
    squares, vectors = scipy.linalg.eigh(small, driver="evd", overwrite_a=True, check_finite=False)
    floor = 4 * p * _EPS * float(squares[-1])
    if squares[0] < _ONE_READING * squares[-1]:
        return _second_reading(chunks, columns, np.sqrt(np.maximum(squares, floor)), vectors)
    kept = squares > floor
    singular = np.sqrt(squares[kept])
    directions = vectors[:, kept] / singular
    return Reduction(singular, directions, directions.T @ right)


def _second_reading(chunks: Chunks, columns: Array, singular: Array, vectors: Array) -> Reduction:
    """Orthogonalise ``F V / s``, whose columns are nearly orthonormal, and carry what that changes back to F.

    With ``Z = F V / s`` and ``ZᵀZ = MᵀM``, ``F = Z s Vᵀ`` has the singular values of the small ``M s Vᵀ``.
    """
    n, p = chunks.shape
    square, right = chunks.total(_moments, columns, vectors / singular)
    size = np.sqrt(np.maximum(np.diag(square), np.finfo(np.float64).tiny))
    values, turn = scipy.linalg.eigh(square / np.outer(size, size), driver="evd", check_finite=False)
    root = np.sqrt(np.maximum(values, 0.0))
    left, found, rows = scipy.linalg.svd((root[:, None] * turn.T) * (size * singular) @ vectors.T)
    kept = found > max(n, p) * _EPS * found[0]
    # Zᵀ Y in the orthonormal directions: turn and left are orthogonal, so only the roots are divided by.
    inverse = np.divide(1.0, root, out=np.zeros_like(root), where=root > _EPS * root[-1])
    mixed = (left[:, kept].T * inverse) @ turn.T
    coefficients = mixed @ (right / size[:, None])
    directions = rows[kept].T / found[kept]
    return Reduction(found[kept][::-1], directions[:, ::-1], coefficients[::-1])


def _split(columns: Array | None, sizes: tuple[int, ...]) -> list[Array | None]:
    if columns is None:
        return [None] * len(sizes)
    return list(np.split(columns, np.cumsum(sizes)[:-1]))


def _moments(block: Array, rows: Array, directions: Array | None = None) -> Parts:
    """``ZᵀZ`` (one triangle computed, both filled) and ``ZᵀY`` of one chunk, Z being F or ``F directions``.

    Some rows at a time are brought to double precision, always in the same place: a new array for all of a chunk
    takes as long as its products. All products are SciPy's: where NumPy brings a BLAS of its own, its threads and
    SciPy's wait for one another, and products take twice as long.
    """
    n, p = block.shape
    step = min(n, max(1, _SLAB_BYTES // (8 * p)))
    held = None if block.dtype == np.float64 and block.flags.c_contiguous else np.empty((step, p))
    turned = None if directions is None else np.asfortranarray(directions.T)
    lower, right = np.zeros((p, p), order="F"), np.zeros((p, rows.shape[1]))
    for at in range(0, n, step):
        slab = block[at : at + step]
        if held is not None:
            np.copyto(held[: len(slab)], slab)
            slab = held[: len(slab)]
        # The transpose of row-major rows is what BLAS reads without a copy.
        columns = slab.T if turned is None else blas.dgemm(1.0, turned, slab.T)
        lower = blas.dsyrk(1.0, columns, beta=1.0, c=lower, overwrite_c=True, lower=1)
        right += blas.dgemm(1.0, columns, rows[at : at + step])
    lower = np.tril(lower)
    if not np.isfinite(lower).all():
        raise InputError(
            "features have NaN or infinite values (or squares that overflow). Remove them first."
        )
    return lower + np.tril(lower, -1).T, right


def _correlation(block: Array, rows: Array) -> Parts:
    return (block.T @ rows,)


def _weighted_squares(block: Array, matrix: Array, weights: Array) -> Array:
    return np.asarray((block @ matrix) ** 2 @ weights)


def _add(parts: list[Parts]) -> Parts:
    return tuple(sum(piece[1:], start=piece[0]) for piece in zip(*parts, strict=True))
