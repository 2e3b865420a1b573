"""Checks at the border: each says what was expected, what came and what to do. Inside, arrays are trusted."""

from __future__ import annotations

import reprlib
import sys
from collections.abc import Callable, Sequence
from decimal import ROUND_CEILING, Context
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
T = TypeVar("T")
# Seeds are counted up from the given ones and kept in NetCDF files, whose whole numbers have 32 bits.
LARGEST_SEED = 2**31 - 10**6
# Rounds are made one by one; more than these were never meant.
_MOST_ROUNDS = 100_000
# Larger numbers have no square in floating point, with room for sums of squares.
LARGEST_SQUARED = 1e150
# Inverses of smaller numbers, times what they are multiplied by, overflow.
LEAST_INVERTIBLE = 1e-290


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
    return float(Context(prec=6, rounding=ROUND_CEILING).create_decimal_from_float(value))


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
            f"{largest:.6g}), more than rounding explains. Check that the kernel is a valid one, that no noise was "
            "added to its entries, and that the points lie near the origin: where their mean dwarfs their spread, "
            "distances lose their digits, and subtracting the mean first restores them. A gram that was computed in "
            "single precision must be given in it (float32); one that is meant to be so becomes valid by adding "
            f"{-1.1 * eigenvalue:.2g} to its diagonal."
        )


def check_semidefinite(smallest: float, largest: float, n_samples: int, eps: float) -> None:
    """Raise `IndefiniteGramError` if the smallest eigenvalue of a gram is below zero by more than rounding.

    Parameters
    ----------
    smallest, largest : float
        Eigenvalues of the gram.
    n_samples : int
    eps : float
        Distance from 1 to the next number in the precision that the eigenvalues were computed in.
    """
    if smallest < -semidefinite_slack(n_samples, eps) * max(largest, 0.0):
        raise IndefiniteGramError(smallest, largest)


def semidefinite_slack(n_samples: int, eps: float) -> float:
    """How far below zero, as a share of the largest eigenvalue, rounding may take an eigenvalue of a gram."""
    return 100 * n_samples * eps


def refuse_mask(value: Any, name: str) -> None:
    """Raise if entries of a masked array are masked: `numpy.asarray` would bring back what they hide."""
    parts = value if isinstance(value, list | tuple) else [value]
    hidden = sum(int(np.ma.getmaskarray(part).sum()) for part in parts if np.ma.is_masked(part))
    if hidden:
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
    if hasattr(value, "detach"):
        value = value.detach()  # a torch tensor that requires gradients cannot be read as an array
    try:
        array = np.asarray(value)
        if array.dtype.kind not in "fiub":
            array = array.astype(np.float64) if array.dtype.kind == "O" else array
        if array.dtype.kind not in "fiub":
            raise TypeError
    except (TypeError, ValueError, OverflowError):
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


def check_square(shape: Sequence[int], name: str = "gram") -> None:
    """Raise unless a shape is that of a square matrix with at least one row."""
    if len(shape) != 2 or shape[0] != shape[1] or shape[0] == 0:
        raise InputError(f"{name} must be square, one row and column a sample; got shape {tuple(shape)}.")


def symmetry_slack(eps: float) -> float:
    """How far apart, as a share of the largest entry, rounding may take two mirrored entries of a gram."""
    return 1e3 * eps


def asymmetry(name: str, i: int, j: int, entry: float, mirrored: float) -> InputError:
    """Make the error of a gram whose entries (i, j) and (j, i) differ by more than rounding."""
    return InputError(
        f"{name} must be symmetric, as a kernel matrix k(x_i, x_j) is; {name}[{i}, {j}] = {entry:.6g} and "
        f"{name}[{j}, {i}] = {mirrored:.6g} differ by {abs(entry - mirrored):.3g}. If that is rounding, pass "
        f"({name} + {name}.T) / 2."
    )


def _number(value: Any, wanted: str, hint: str = "") -> float:
    """Read one number, or say what was wanted."""
    try:
        if np.ndim(value) or np.ma.is_masked(value):
            raise TypeError
        return float(value)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        raise InputError(f"{wanted}; got {shown(value)}. {hint}".rstrip()) from None


def shown(value: Any) -> str:
    """Text of a value for a message, cut short."""
    shape = getattr(value, "shape", ())
    return f"{type(value).__name__} of shape {tuple(shape)}" if shape else reprlib.repr(value)


def check_positive(value: float, name: str, hint: str = "") -> float:
    """Return `value` as a float; it must be a finite number above zero."""
    number = _number(value, f"{name} must be a number above 0", hint)
    if not (np.isfinite(number) and number > 0):
        raise InputError(f"{name} must be a finite number above 0; got {number:g}. {hint}".rstrip())
    return number


def check_squarable(number: float, name: str) -> float:
    """Return a number whose square is one too."""
    if abs(number) > LARGEST_SQUARED:
        raise InputError(
            f"{name} must be at most {LARGEST_SQUARED:g}, or its square is no number; got {number:g}."
        )
    return number


def check_normal(values: Array, name: str) -> None:
    """Raise if a positive value (an eigenvalue, a variance) is so small that its inverse is no number."""
    if ((values > 0) & (values < LEAST_INVERTIBLE)).any():
        least = values[values > 0].min()
        raise InputError(
            f"{name} above 0 must be at least {LEAST_INVERTIBLE:g}; got {least:g}. Scale all of them up."
        )


def check_nonnegative(value: float, name: str) -> float:
    """Return `value` as a float; it must be a finite number of at least zero."""
    number = _number(value, f"{name} must be a number of at least 0")
    if not (np.isfinite(number) and number >= 0):
        raise InputError(f"{name} must be a finite number of at least 0; got {number:g}.")
    return number


def check_fraction(value: float, name: str, *, below_one: bool = False) -> float:
    """Return `value` as a float in [0, 1], or in [0, 1) with `below_one`."""
    interval = "[0, 1)" if below_one else "[0, 1]"
    number = _number(value, f"{name} must be a number in {interval}")
    if not (0 <= number <= 1) or (below_one and number == 1):
        raise InputError(f"{name} must lie in {interval}; got {number:g}.")
    return number


def check_count(value: int, name: str, *, least: int = 1, most: int | None = None) -> int:
    """Return `value` as an int that is at least `least`, and at most `most` where that is given."""
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or not least <= value <= (sys.maxsize if most is None else most):
        wanted = f"of at least {least}" if most is None else f"between {least} and {most}"
        raise InputError(f"{name} must be a whole number {wanted}; got {shown(value)}.")
    return int(value)


def check_rounds(value: int, name: str = "rounds", *, least: int = 1) -> int:
    """Return a number of rounds as an int: they are made one by one, so that there is a largest one."""
    return check_count(value, name, least=least, most=_MOST_ROUNDS)


def check_choice(value: Any, name: str, known: Sequence[str]) -> None:
    """Raise unless `value` is one of the known names."""
    if not isinstance(value, str) or value not in known:
        raise InputError(f"{name} must be one of {', '.join(known)}; got {shown(value)}.")


def check_flag(value: Any, name: str) -> bool:
    """Return `value`, which must be True or False."""
    if not isinstance(value, bool | np.bool_):
        raise InputError(f"{name} must be True or False; got {shown(value)}.")
    return bool(value)


def check_each(values: Any, name: str, check: Callable[[Any, str], object]) -> None:
    """Check every entry of a tuple, which must have some."""
    if not isinstance(values, tuple | list | range) or not values:
        raise InputError(f"{name} must be a tuple of at least one value; got {shown(values)}.")
    for value in values:
        check(value, f"each of {name}")


def check_seeds(seeds: Any) -> None:
    """Raise unless there are seeds, whole numbers that a results file can hold, and no two the same."""
    check_each(seeds, "seeds", lambda seed, name: check_count(seed, name, least=0, most=LARGEST_SEED))
    if len(set(seeds)) < len(seeds):
        raise InputError(f"seeds must differ, or samples would be counted twice; got {shown(tuple(seeds))}.")


def as_generator(value: Any, name: str = "rng") -> np.random.Generator:
    """Return a generator as it is, or open one from a seed.

    Raises
    ------
    InputError
        If it is neither: nothing here draws numbers that cannot be drawn again.
    """
    if isinstance(value, np.random.Generator):
        return value
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 0:
        raise InputError(
            f"{name} must be a seed, a whole number of at least 0, or a numpy.random.Generator; got {shown(value)}."
        )
    return np.random.default_rng(int(value))
