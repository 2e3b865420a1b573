"""Checks at the border: each says what was expected, what came and what to do. Inside, arrays are trusted."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
T = TypeVar("T")


class InputError(ValueError):
    """The caller's input cannot be used; the message says what was expected and what to do."""


class InfeasibleToleranceError(InputError):
    """No function in the kernel's span reaches the training error that was asked for.

    Attributes
    ----------
    least_feasible_epsilon : float
        The mean squared error that interpolating everything the kernel can reach leaves.
    """

    def __init__(self, epsilon: float, least_feasible_epsilon: float) -> None:
        self.least_feasible_epsilon = least_feasible_epsilon
        super().__init__(
            f"epsilon={epsilon:.6g} cannot be reached: the targets have a part outside the kernel's span, "
            f"which leaves a mean squared error of {least_feasible_epsilon:.6g} whatever the fit. "
            f"Choose epsilon above {_round_up(least_feasible_epsilon):.6g}, or a kernel of higher rank "
            "(duplicated points with different targets also cause this)."
        )


def _round_up(value: float) -> float:
    """Round a positive number up to six digits, so that the number a message names can be used."""
    step = 10.0 ** (math.floor(math.log10(value)) - 5)
    return math.ceil(value / step) * step


class IndefiniteGramError(InputError):
    """A matrix offered as a gram has an eigenvalue below zero by more than rounding.

    Attributes
    ----------
    eigenvalue : float
        The offending eigenvalue of the matrix that was given.
    """

    def __init__(self, eigenvalue: float, largest: float) -> None:
        self.eigenvalue = eigenvalue
        super().__init__(
            f"the gram is not positive semi-definite: it has an eigenvalue {eigenvalue:.6g} (the largest is "
            f"{largest:.6g}). No kernel has such a gram: check that the kernel is a valid one and that no "
            "noise was added to its entries."
        )


def refuse_mask(value: Any, name: str) -> None:
    """Raise if entries of a masked array are masked: `numpy.asarray` would bring back what they hide."""
    if np.ma.is_masked(value):
        hidden = int(np.ma.getmaskarray(value).sum())
        raise InputError(
            f"{name} must be an array without gaps; it is a masked array with {hidden} "
            f"masked {'entry' if hidden == 1 else 'entries'}. Leave those samples out, or fill them in with .filled()."
        )


def check_kind(value: Any, name: str, kind: type[T], how: str) -> T:
    """Return `value` if it is of a class of this package; `how` says how to make one."""
    if not isinstance(value, kind):
        raise InputError(f"{name} must be a {kind.__name__}; got {type(value).__name__}. Make it with {how}.")
    return value


def as_real_array(value: Any, name: str) -> Array:
    """Return `value` as a finite floating-point array (float32 is kept, everything else becomes float64).

    Raises
    ------
    InputError
        If it is not numeric, complex, masked, or holds NaN or infinite values.
    """
    refuse_mask(value, name)
    try:
        array = np.asarray(value)
        if array.dtype.kind not in "fiub":
            array = array.astype(np.float64) if array.dtype.kind == "O" else array
        if array.dtype.kind not in "fiub":
            raise TypeError
    except (TypeError, ValueError):
        raise InputError(
            f"{name} must be an array of real numbers; got {type(value).__name__} "
            "that cannot be read as one. Encode text and dates as numbers first."
        ) from None
    if array.dtype != np.float32:
        array = array.astype(np.float64, copy=False)
    if not np.isfinite(array).all():
        bad = int(array.size - np.isfinite(array).sum())
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise InputError(
            f"{name} has {bad} NaN or infinite value{'s' if bad > 1 else ''} (the first at index {where}). "
            "Remove or impute them first."
        )
    return array


def as_matrix(value: Any, name: str) -> Array:
    """Return `value` as a finite two-dimensional floating-point array with at least one row and column."""
    array = as_real_array(value, name)
    if array.ndim != 2 or 0 in array.shape:
        raise InputError(
            f"{name} must be a matrix with at least one row and column; got shape {array.shape}."
        )
    return array


def as_targets(value: Any, n_samples: int, name: str = "targets") -> Array:
    """Return targets of shape (n,) or (n, k) as a float64 array, checked against the number of samples."""
    array = as_real_array(value, name).astype(np.float64, copy=False)
    if array.ndim not in (1, 2) or array.shape[0] != n_samples or 0 in array.shape:
        raise InputError(
            f"{name} must have shape ({n_samples},) or ({n_samples}, outputs), one row a sample; "
            f"got {array.shape}."
        )
    with np.errstate(over="ignore"):
        if not np.isfinite(np.sum(array * array)):
            raise InputError(
                f"{name} are too large to be squared (up to {np.abs(array).max():.3g}): scale them down, "
                "and epsilon with the square of the scale."
            )
    return array


def as_gram(value: Any, name: str = "gram") -> Array:
    """Return a square matrix, symmetric up to rounding, made exactly symmetric.

    Definiteness is checked where the eigenvalues are computed.

    Raises
    ------
    InputError
        If it is not a finite square symmetric matrix.
    """
    gram = as_matrix(value, name)
    if gram.shape[0] != gram.shape[1]:
        raise InputError(f"{name} must be square, one row and column a sample; got shape {gram.shape}.")
    scale = float(np.abs(gram).max())
    difference = float(np.abs(gram - gram.T).max())
    if difference > 1e3 * np.finfo(gram.dtype).eps * scale:
        i, j = (int(k) for k in np.unravel_index(np.abs(gram - gram.T).argmax(), gram.shape))
        raise InputError(
            f"{name} must be symmetric; {name}[{i}, {j}] = {gram[i, j]:.6g} but "
            f"{name}[{j}, {i}] = {gram[j, i]:.6g}. A kernel matrix k(x_i, x_j) is symmetric."
        )
    return (gram + gram.T) / 2 if difference else gram


def check_positive(value: float, name: str, hint: str = "") -> float:
    """Return `value` as a float; it must be a finite number above zero."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise InputError(f"{name} must be a number above 0; got {value!r}. {hint}".rstrip()) from None
    if not (np.isfinite(number) and number > 0):
        raise InputError(f"{name} must be a finite number above 0; got {number:g}. {hint}".rstrip())
    return number


def check_nonnegative(value: float, name: str) -> float:
    """Return `value` as a float; it must be a finite number of at least zero."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise InputError(f"{name} must be a number of at least 0; got {value!r}.") from None
    if not (np.isfinite(number) and number >= 0):
        raise InputError(f"{name} must be a finite number of at least 0; got {number:g}.")
    return number


def check_fraction(value: float, name: str, *, below_one: bool = False) -> float:
    """Return `value` as a float in [0, 1], or in [0, 1) with `below_one`."""
    interval = "[0, 1)" if below_one else "[0, 1]"
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise InputError(f"{name} must be a number in {interval}; got {value!r}.") from None
    if not (0 <= number <= 1) or (below_one and number == 1):
        raise InputError(f"{name} must lie in {interval}; got {number:g}.")
    return number


def check_count(value: int, name: str, *, least: int = 1) -> int:
    """Return `value` as an int that is at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise InputError(f"{name} must be a whole number of at least {least}; got {value!r}.")
    return int(value)


def check_choice(value: Any, name: str, known: Sequence[str]) -> None:
    """Raise unless `value` is one of the known names."""
    if value not in known:
        raise InputError(f"{name} must be one of {', '.join(known)}; got {value!r}.")


def check_each(values: Any, name: str, check: Callable[[Any, str], object]) -> None:
    """Check every entry of a tuple, which must have some."""
    if not isinstance(values, tuple | list | range) or not values:
        raise InputError(f"{name} must be a tuple of at least one value; got {values!r}.")
    for value in values:
        check(value, f"each of {name}")


def check_seeds(seeds: Any) -> None:
    """Raise unless there are seeds, whole numbers of at least 0 and no two the same."""
    check_each(seeds, "seeds", lambda seed, name: check_count(seed, name, least=0))
    if len(set(seeds)) < len(seeds):
        raise InputError(f"seeds must differ, or samples would be counted twice; got {tuple(seeds)}.")
