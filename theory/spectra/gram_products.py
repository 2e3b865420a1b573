"""Products of a gram with a block of vectors: all that the Krylov path asks of a kernel."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import scipy.linalg.blas

from ..base.arrays import as_floating, is_foreign, namespace, roundoff
from ..base.validation import (
    Array,
    InputError,
    as_matrix,
    asymmetry,
    check_square,
    refuse_mask,
    symmetry_slack,
)

# A tile of kernel values and the temporaries of computing it stay near this size.
TILE_BYTES = 24 * 2**20
_TEMPORARIES = 3


@dataclass(frozen=True)
class Product:
    """``block (n, k) → gram @ block (n, k)``, with what must be known of the gram besides.

    Attributes
    ----------
    n_samples : int
    apply : callable
        The product.
    pattern : array
        A sample of the kind, device and precision of its vectors.
    roundoff : float
        Of the precision in which it computes.
    stored : bool
        Whether the gram is held somewhere; else its tiles are computed in every product.
    """

    n_samples: int
    apply: Callable[[Any], Any]
    pattern: Any
    roundoff: float
    stored: bool = True


def as_product(gram: Any, targets: Any, points: Any = None, *, keep: bool = False) -> Product:
    """Turn what the caller has into a product.

    Parameters
    ----------
    gram : array (n, n), sparse matrix, LinearOperator or callable
        A callable is a product with one vector, or with `points` a kernel ``k(A, B) -> (len(A), len(B))``.
    targets : array (n,) or (n, k)
        Gives n and, for a callable, the kind of array.
    points : array (n, d), optional
    keep : bool
        Whether the kernel's tiles are kept after they were first computed: one triangle of the gram.

    Raises
    ------
    InputError
        If it is none of these, or a dense gram is not a finite square symmetric matrix.
    """
    if points is not None:
        if not callable(gram):
            raise InputError("with points, the first argument must be a kernel k(A, B) that can be called.")
        return _kernel_product(gram, points, keep)
    if is_foreign(gram):
        return _tensor_product(gram)
    if hasattr(gram, "matvec") or hasattr(gram, "tocsr"):
        return _operator_product(gram)
    if callable(gram):
        kind = targets if is_foreign(targets) else np.empty(0)
        n = (*np.shape(targets), 0)[0]  # a number has no samples: that is refused with the targets
        return Product(n, partial(_by_column, gram), kind, roundoff(kind))
    return _dense_product(gram)


def _by_column(function: Callable[[Any], Any], block: Any) -> Any:
    columns = []
    for j in range(block.shape[1]):
        product = function(block[:, j])
        if getattr(product, "shape", None) != block.shape[:1]:
            shape = tuple(product.shape) if hasattr(product, "shape") else type(product).__name__
            raise InputError(
                f"the product must return the gram times a vector ({len(block)},), an array of that shape; got "
                f"{shape}."
            )
        columns.append(product)
    return namespace(block).stack(columns, axis=1)


def _operator_product(gram: Any) -> Product:
    from scipy.sparse.linalg import aslinearoperator

    operator = aslinearoperator(gram)
    check_square(operator.shape)
    kind = np.empty(0)
    return Product(operator.shape[0], operator.matmat, kind, roundoff(kind))


def _tensor_product(gram: Any) -> Product:
    check_square(gram.shape)
    if not namespace(gram).isdtype(gram.dtype, "real floating"):
        raise InputError(f"gram must hold floating-point numbers; got {gram.dtype}.")
    if hasattr(gram, "detach"):
        gram = gram.detach()
    return Product(gram.shape[0], lambda block: gram @ block, gram[:0, 0], roundoff(gram))


def _dense_product(gram: Any) -> Product:
    """Read one triangle of a NumPy gram, once per vector: half the memory traffic of a plain product."""
    refuse_mask(gram, "gram")
    matrix = gram if isinstance(gram, np.ndarray) and gram.ndim == 2 else as_matrix(gram, "gram")
    check_square(matrix.shape)
    if matrix.dtype not in (np.float32, np.float64):
        matrix = as_matrix(matrix, "gram").astype(np.float64)
    fortran = matrix.T if matrix.flags.c_contiguous else np.asfortranarray(matrix)
    symv = scipy.linalg.blas.dsymv if matrix.dtype == np.float64 else scipy.linalg.blas.ssymv

    def apply(block: Array) -> Array:
        if block.shape[1] > _SYMV_COLUMNS:
            return matrix @ block
        return np.stack([symv(1.0, fortran, column, lower=1) for column in block.T], axis=1)

    _check_symmetric(matrix, partial(symv, 1.0, fortran, lower=1))
    return Product(len(matrix), apply, np.empty(0, matrix.dtype), roundoff(matrix))


# With more columns than this one general product is quicker than so many symmetric ones.
_SYMV_COLUMNS = 4


def _check_symmetric(matrix: Array, one_triangle: Callable[[Array], Array]) -> None:
    """Compare the product that reads one triangle with one that reads all: two passes and no copy."""
    probe = np.random.default_rng(0).standard_normal(len(matrix)).astype(matrix.dtype)
    whole = matrix @ probe
    if not np.isfinite(whole).all():
        as_matrix(matrix, "gram")  # says which entry
        raise InputError("the products of the gram overflow: scale it down.")
    difference = np.abs(whole - one_triangle(probe))
    worst = int(difference.argmax())
    scale = float(np.abs(matrix[worst]).sum()) + float(np.abs(whole).max())
    if difference[worst] > symmetry_slack(float(np.finfo(matrix.dtype).eps)) * scale:
        row, column = matrix[worst], matrix[:, worst]
        other = int(np.abs(row - column).argmax())
        raise asymmetry("gram", worst, other, float(row[other]), float(column[other]))


def _kernel_product(kernel: Callable[[Any, Any], Any], points: Any, keep: bool) -> Product:
    """Products that evaluate the kernel tile by tile, each tile of one triangle once a product or, if kept, once."""
    points = as_floating(points, "points")
    points = points.reshape(-1, 1) if points.ndim == 1 else points
    if points.ndim != 2 or 0 in points.shape:
        raise InputError(f"points must have shape (n, features); got {tuple(points.shape)}.")
    xp, n = namespace(points), points.shape[0]
    pattern = points[:0, 0]
    eps = roundoff(points)
    side = max(1, int((TILE_BYTES / (_TEMPORARIES * points.dtype.itemsize)) ** 0.5))
    cuts = [(a, min(a + side, n)) for a in range(0, n, side)]
    workers = 1 if is_foreign(points) else min(len(cuts), cores())

    kept: dict[Any, Any] = {}

    def evaluate(pair: tuple[tuple[int, int], tuple[int, int]]) -> Any:
        if pair in kept:
            return kept[pair]
        (a, b), (c, d) = pair
        values = kernel(points[a:b, :], points[c:d, :])
        if tuple(getattr(values, "shape", ())) != (b - a, d - c):
            raise InputError(
                f"the kernel must return ({b - a}, {d - c}) values for so many points; got "
                f"shape {tuple(getattr(values, 'shape', ()))}."
            )
        if keep:
            kept[pair] = values
        return values

    def tile(block: Any, pair: tuple[tuple[int, int], tuple[int, int]]) -> tuple[Any, Any]:
        (a, b), (c, d) = pair
        values = evaluate(pair)
        return values @ block[c:d, :], (None if a == c else values.T @ block[a:b, :])

    def apply(block: Any) -> Any:
        total = xp.zeros_like(block)
        pairs = [(first, second) for i, first in enumerate(cuts) for second in cuts[i:]]
        for ((a, b), (c, d)), (upper, lower) in zip(
            pairs, _in_order(partial(tile, block), pairs, workers), strict=True
        ):
            total[a:b, :] += upper
            if lower is not None:
                total[c:d, :] += lower
        return total

    return Product(n, apply, pattern, eps, stored=keep)


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _in_order(function: Callable[[Any], Any], items: list[Any], workers: int) -> Iterator[Any]:
    """Map over threads, results in order (so that sums are the same in every run); an interruption ends it."""
    if workers == 1:
        yield from map(function, items)
        return
    pool = ThreadPoolExecutor(workers)
    try:
        ahead: deque[Future[Any]] = deque()
        for item in items:
            ahead.append(pool.submit(function, item))
            # What waits for its turn holds memory, and has to be waited for when the work is interrupted.
            if len(ahead) > 2 * workers:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
