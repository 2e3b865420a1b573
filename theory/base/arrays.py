"""Arrays of the user's kind: NumPy, or torch tensors on any device, behind one interface.

What is as long as the data (targets, basis, fitted values) stays of the user's kind, on its device and in
its precision. The few numbers of a round and the diagonal filters are NumPy float64: they are small, and
root finding wants float64 whatever the data's precision.
"""

from __future__ import annotations

from typing import Any

import array_api_compat as compat
import numpy as np
import scipy.linalg

from .validation import (
    Array,
    InputError,
    as_matrix,
    as_real_array,
    as_targets,
    asymmetry,
    check_square,
    symmetry_slack,
)

# What rounds to so few digits is of single precision, whose numbers end at 1e±38.
_SINGLE = 1e-10
_SINGLE_RANGE = 1e25


def is_foreign(value: Any) -> bool:
    """Tell whether a value is an array of a kind other than NumPy's, such as a torch tensor."""
    return bool(compat.is_array_api_obj(value)) and not isinstance(value, np.ndarray | np.generic)


def namespace(value: Any) -> Any:
    """Array API of a value; NumPy's for plain sequences."""
    return compat.array_namespace(value if compat.is_array_api_obj(value) else np.empty(0))


def to_host(value: Any) -> Array:
    """Copy an array to NumPy if it is not there already."""
    if hasattr(value, "compute"):
        value = value.compute()  # Dask
    if not is_foreign(value):
        return np.asarray(value)
    if hasattr(value, "detach"):
        value = value.detach()
        if str(value.dtype) == "torch.bfloat16":  # NumPy has no such numbers
            value = value.float()
    return np.asarray(compat.to_device(value, "cpu"))


def like(values: Array, pattern: Any) -> Any:
    """Bring NumPy values to the kind, device and precision of `pattern`."""
    if not is_foreign(pattern):
        return np.asarray(values, dtype=getattr(pattern, "dtype", None))
    xp = namespace(pattern)
    array = np.ascontiguousarray(values)
    if min(array.strides, default=0) < 0:
        array = array.copy()  # a single column that runs backwards counts as contiguous, but no tensor does
    return xp.asarray(array, dtype=pattern.dtype, device=compat.device(pattern))


def roundoff(array: Any) -> float:
    """Distance from 1 to the next number in the array's precision."""
    return float(namespace(array).finfo(array.dtype).eps)


def as_floating(value: Any, name: str) -> Any:
    """Return an array of its own kind as finite float32 or float64; see `validation.as_real_array`.

    Raises
    ------
    InputError
        If it is not numeric, complex, or holds NaN or infinite values.
    """
    if not is_foreign(value):
        return as_real_array(value, name)
    xp = namespace(value)
    if not xp.isdtype(value.dtype, ("real floating", "integral", "bool")):
        raise InputError(f"{name} must be an array of real numbers; got {value.dtype}.")
    if hasattr(value, "detach"):
        value = value.detach()  # closed forms have no use for a graph
    if value.dtype not in (xp.float32, xp.float64):
        value = xp.astype(value, xp.float64)
    if not bool(xp.all(xp.isfinite(value))):
        raise InputError(f"{name} has NaN or infinite values. Remove or impute them first.")
    return value


def as_two_dimensional(value: Any, name: str) -> Any:
    """Return a finite floating-point matrix of its own kind with at least one row and column."""
    if not is_foreign(value):
        return as_matrix(value, name)
    matrix = as_floating(value, name)
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise InputError(
            f"{name} must be a matrix with at least one row and column; got shape {tuple(matrix.shape)}."
        )
    return matrix


def as_symmetric(value: Any, name: str = "gram") -> Any:
    """Return a square matrix of its own kind, symmetric up to rounding, made exactly symmetric.

    Definiteness is checked where the eigenvalues are computed.

    Raises
    ------
    InputError
        If it is not a finite square symmetric matrix.
    """
    matrix = as_two_dimensional(value, name)
    check_square(matrix.shape, name)
    xp = namespace(matrix)
    gaps = xp.abs(matrix - matrix.T)
    widest = float(xp.max(gaps))
    if widest > symmetry_slack(roundoff(matrix)) * float(xp.max(xp.abs(matrix))):
        i, j = divmod(int(xp.argmax(gaps)), matrix.shape[1])
        raise asymmetry(name, i, j, float(matrix[i, j]), float(matrix[j, i]))
    return matrix / 2 + matrix.T / 2 if widest else matrix


def as_columns(value: Any, n_samples: int, pattern: Any, name: str = "targets") -> tuple[Any, bool]:
    """Return targets as (n, k) beside `pattern` (its kind and device), and whether they came as (n,).

    NumPy targets stay float64; beside a tensor they take its precision.

    Raises
    ------
    InputError
        If there is not one row a sample, or single precision has no room for what is computed of them.
    """
    if is_foreign(value):
        array = as_floating(value, name)
        if array.ndim not in (1, 2) or array.shape[0] != n_samples or 0 in array.shape:
            raise InputError(
                f"{name} must have shape ({n_samples},) or ({n_samples}, outputs), one row a sample; "
                f"got {tuple(array.shape)}."
            )
    else:
        array = as_targets(value, n_samples, name)
    _check_range(array, pattern, name)
    if is_foreign(pattern):
        if not is_foreign(array) or array.dtype != pattern.dtype or array.device != pattern.device:
            array = like(to_host(array), pattern)
    else:
        array = to_host(array).astype(np.float64, copy=False)
    return array.reshape(n_samples, -1), array.ndim == 1


def _check_range(targets: Any, pattern: Any, name: str) -> None:
    """Refuse targets that would become 0 or infinite beside an array of single precision."""
    if roundoff(pattern) < _SINGLE:
        return
    largest = float(namespace(targets).max(namespace(targets).abs(targets)))
    if largest and not 1 / _SINGLE_RANGE <= largest <= _SINGLE_RANGE:
        raise InputError(
            f"{name} go up to {largest:.3g}, and single precision, in which the gram or the features are held, has no "
            "room for what is computed of them. Scale them to about 1, or give the rest in double precision."
        )


def eigh(gram: Any) -> tuple[Array, Any]:
    """Eigenvalues, ascending, as NumPy float64, and eigenvectors of the gram's kind.

    Entries of the eigenvectors that are no more than rounding are set to zero: where a sample stands alone, its
    left-out prediction would otherwise be made of them.
    """
    if is_foreign(gram):
        xp = namespace(gram)
        values, vectors = xp.linalg.eigh(gram)
        vectors = xp.where(xp.abs(vectors) < 8 * roundoff(gram), xp.zeros_like(vectors), vectors)
    else:
        values, vectors = scipy.linalg.eigh(gram, driver="evd", check_finite=False)
        for column in vectors.T:  # evd's vectors are stored column by column
            column[np.abs(column) < 8 * roundoff(gram)] = 0.0
    return to_host(values).astype(np.float64), vectors


def thin_svd(matrix: Any) -> tuple[Any, Array]:
    """Left singular vectors of the matrix's kind, and singular values, descending, as NumPy float64."""
    if is_foreign(matrix):
        vectors, values, _ = namespace(matrix).linalg.svd(matrix, full_matrices=False)
    else:
        vectors, values, _ = scipy.linalg.svd(matrix, full_matrices=False, check_finite=False)
    return vectors, to_host(values).astype(np.float64)
