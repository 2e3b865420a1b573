"""Labels and distributions: one-hot rows, softmax, and the one check of each, for NumPy and torch alike.

Functions take arrays of any library of the array API standard with any leading axes, and return arrays of the
same library on the same device. `check=False` skips the checks on values, for inner loops whose inputs were
checked once and for tracing (`vmap`, `compile`), where no value can be looked at.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from array_api_compat import array_namespace, device, is_array_api_obj

from .arrays import to_host
from .validation import Array, InputError, as_targets, check_count, check_positive, refuse_mask

# A row counts as a distribution if its sum is this close to 1 (numbers typed with four digits are), or as
# close as its type can be. Below zero only rounding is let through.
SUM_SLACK = 1e-4
NEGATIVE_SLACK = 1e-9
# The largest whole number up to which floating point holds every one.
_LARGEST_LABEL = 2**53


def as_array(value: Any, name: str, *, check: bool = True) -> Any:
    """Return an array of any library as it is, and lists, numbers and columns of a table as NumPy arrays.

    Raises
    ------
    InputError
        If entries are masked, or rows are not equally long.
    """
    if check:
        refuse_mask(value, name)
    if is_array_api_obj(value):
        # A masked array without masked entries is its data; a NumPy number is an array of one.
        return np.asarray(value) if isinstance(value, np.ma.MaskedArray | np.generic) else value
    try:
        return np.asarray(value)
    except (TypeError, ValueError):
        raise InputError(f"{name} must be an array; its rows are not equally long.") from None


def as_arrays(*, check: bool = True, **values: Any) -> tuple[Any, ...]:
    """As `as_array`, of several arguments by name, which must be of one library.

    Raises
    ------
    InputError
        If entries are masked, rows are not equally long, or two arguments are of different libraries.
    """
    arrays = tuple(as_array(value, name, check=check) for name, value in values.items())
    if check:
        libraries = [type(array).__module__.split(".")[0] for array in arrays]
        for name, library in zip(values, libraries, strict=True):
            if library != libraries[0]:
                raise InputError(
                    f"{' and '.join(values)} must be arrays of one library; {next(iter(values))} is of "
                    f"{libraries[0]} and {name} of {library}. Convert one of them."
                )
    return arrays


def as_real_floats(value: Any, name: str) -> Any:
    """Return an array of any library with its floating-point type; whole numbers take the library's default.

    Raises
    ------
    InputError
        If it does not hold real numbers.
    """
    array = as_array(value, name)
    xp = array_namespace(array)
    try:
        if xp.isdtype(array.dtype, "real floating"):
            return array
        if xp.isdtype(array.dtype, ("integral", "bool")):
            return xp.astype(array, xp.asarray(0.5).dtype)
        if isinstance(array, np.ndarray) and array.dtype.kind == "O":
            return array.astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        pass
    raise InputError(f"{name} must be an array of real numbers; got an array of {array.dtype}.")


def _check_label_range(labels: Any, n_classes: int) -> None:
    if 0 in labels.shape:
        return
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= n_classes:
        raise InputError(
            f"labels must lie in 0 … {n_classes - 1} for {n_classes} classes; got {low} … {high}."
        )


def one_hot(labels: Any, n_classes: int, *, like: Any = None, check: bool = True) -> Any:
    """Labels as distributions.

    Parameters
    ----------
    labels : integer array (..., N)
        Of any width: each is compared as a 64-bit number.
    n_classes : int
        At least 2.
    like : array, optional
        Whose floating-point type the result takes; without it the library's default.

    Returns
    -------
    array (..., N, n_classes)

    Raises
    ------
    InputError
        If labels are not whole numbers in ``0 … n_classes − 1``, or there are fewer than two classes.
    """
    if like is None or not check:
        labels = as_array(labels, "labels", check=check)
    else:
        labels, like = as_arrays(labels=labels, like=like)
    # One class leaves nowhere for the rest of a target.
    n_classes = check_count(n_classes, "n_classes", least=2)
    xp = array_namespace(labels)
    if not xp.isdtype(labels.dtype, "integral"):
        raise InputError(f"labels must be whole numbers, one a sample; got an array of {labels.dtype}.")
    if check and isinstance(labels, np.ndarray):
        _check_label_range(labels, n_classes)  # before unsigned 64-bit numbers lose their last bit
    labels = xp.astype(labels, xp.int64)
    if check and not isinstance(labels, np.ndarray):
        _check_label_range(labels, n_classes)
    classes = xp.arange(n_classes, dtype=xp.int64, device=device(labels))
    kind = xp.asarray(0.5).dtype if like is None else like.dtype
    if check and not xp.isdtype(kind, "real floating"):
        raise InputError(f"like must be an array of floating-point numbers; got one of {kind}.")
    return xp.astype(labels[..., None] == classes, kind)


def softmax(logits: Any, temperature: Any = 1.0, *, check: bool = True) -> Any:
    """Distributions from logits over the last axis, safe at any magnitude.

    Parameters
    ----------
    logits : array (..., K)
        A class whose logit is −inf has probability 0, as masked classes have.
    temperature : float
        Above 0. With ``check=False`` also an array that broadcasts against the logits.

    Raises
    ------
    InputError
        If the temperature is not a finite number above 0, there is no class axis, a logit is NaN or +inf, or
        every logit of a row is −inf.
    """
    if check:
        logits = as_real_floats(logits, "logits")
        temperature = check_positive(temperature, "temperature")
        check_logits(logits)
        xp = array_namespace(logits)
        numbers = xp.finfo(logits.dtype)
        least, most = float(numbers.smallest_normal), float(numbers.max)
        if logits.dtype != xp.float64 and not least <= temperature <= most:
            # The temperature would be 0 or infinite in their type.
            return xp.astype(softmax(xp.astype(logits, xp.float64), temperature, check=False), logits.dtype)
    else:
        logits = as_array(logits, "logits", check=False)
    if isinstance(logits, np.ndarray):
        # Differences first: scaled logits may overflow, and the largest would then be no number.
        with np.errstate(over="ignore"):
            values = np.exp((logits - logits.max(axis=-1, keepdims=True)) / temperature)
        return values / values.sum(axis=-1, keepdims=True)
    xp = array_namespace(logits)
    values = xp.exp((logits - xp.max(logits, axis=-1, keepdims=True)) / temperature)
    return values / xp.sum(values, axis=-1, keepdims=True)


def check_logits(logits: Any) -> None:
    """Raise `InputError` unless logits are numbers below infinity, at least one in each row above −inf."""
    xp = array_namespace(logits)
    if logits.ndim < 1 or logits.shape[-1] == 0:
        raise InputError(f"logits must have a last axis of classes; got shape {tuple(logits.shape)}.")
    if 0 in logits.shape:
        return
    largest = xp.max(logits, axis=-1)
    if bool(xp.any(xp.isnan(logits))) or not bool(xp.all(xp.isfinite(largest))):
        raise InputError(
            "logits must be numbers below infinity, and one in each row above −inf; a row holds NaN, +inf or "
            "nothing but −inf. Leave out samples of models that diverged."
        )


def check_probabilities(probabilities: Any, name: str) -> None:
    """Raise `InputError` unless the last axis holds distributions: see `SUM_SLACK` and `NEGATIVE_SLACK`."""
    xp = array_namespace(probabilities)
    if probabilities.ndim < 1 or not xp.isdtype(probabilities.dtype, "real floating"):
        raise InputError(
            f"{name} must hold one distribution a sample, (..., N, K) floating-point numbers; got shape "
            f"{tuple(probabilities.shape)} of {probabilities.dtype}."
        )
    if probabilities.shape[-1] == 0:
        raise InputError(f"{name} must have a last axis of classes; got shape {tuple(probabilities.shape)}.")
    if 0 in probabilities.shape:
        return
    rounding = 2 * float(xp.finfo(probabilities.dtype).eps)
    total = xp.sum(probabilities, axis=-1)
    worst = float(xp.max(xp.abs(total - 1)))
    least = float(xp.min(probabilities))
    if not (worst <= max(SUM_SLACK, rounding) and least >= -max(NEGATIVE_SLACK, rounding)):
        hint = "Apply a softmax to logits first."
        if np.isnan(worst):
            hint = "Leave out samples of models that diverged."
        raise InputError(
            f"{name} must be probabilities: at least 0, with a sum of 1 over the last axis; the least is "
            f"{least:.4g} and a sum is off by {worst:.4g}. {hint}"
        )


def check_same_samples(labels: Any, other: Any, name: str, *, classes: bool = False) -> None:
    """Raise `InputError` unless `other` has one entry (one row of `classes`) a label: nothing is broadcast."""
    shape = tuple(other.shape[:-1]) if classes else tuple(other.shape)
    if tuple(labels.shape) != shape or (classes and other.ndim == 0):
        what = "one row" if classes else "one entry"
        raise InputError(
            f"{name} must have {what} a label, {tuple(labels.shape)}; got shape {tuple(other.shape)}."
        )


def as_distributions(targets: Any, n_samples: int, name: str = "targets") -> Array:
    """Return soft targets (N, K) as float64, checked row by row; what rounding left below 0 becomes 0.

    Raises
    ------
    InputError
        If a row is no distribution; the message names it.
    """
    t = as_targets(targets, n_samples, name)
    if t.ndim != 2 or t.shape[1] < 2:
        raise InputError(f"{name} must be distributions over at least two classes; got shape {t.shape}.")
    if t.min() < -NEGATIVE_SLACK:
        row = int(t.min(axis=1).argmin())
        raise InputError(f"{name} must be probabilities; row {row} has an entry {t[row].min():g}.")
    sums = t.sum(axis=1)
    worst = int(np.abs(sums - 1).argmax())
    if abs(sums[worst] - 1) > SUM_SLACK:
        raise InputError(f"every row of {name} must sum to 1; row {worst} sums to {sums[worst]:g}.")
    return np.maximum(t, 0.0) if t.min() < 0 else t


def as_labels(labels: Any, n_classes: int | None = None, name: str = "labels") -> Array:
    """Return class labels as a vector of 64-bit integers, checked against the number of classes.

    Raises
    ------
    InputError
        If it is not a vector of whole numbers in ``0 … n_classes − 1``.
    """
    values = to_host(as_array(labels, name))
    if values.ndim != 1 or len(values) == 0 or values.dtype.kind not in "iuf":
        raise InputError(
            f"{name} must be a vector of class numbers 0, 1, …; got shape {values.shape} of {values.dtype}."
        )
    if values.dtype.kind == "f" and (not np.isfinite(values).all() or (values != np.floor(values)).any()):
        raise InputError(f"{name} must be whole class numbers; encode them as 0, 1, … first.")
    low, high = int(values.min()), int(values.max())
    end = _LARGEST_LABEL if n_classes is None else n_classes
    if low < 0 or high >= end:
        allowed = f"0 … {end - 1}" if n_classes is not None or high >= end else "0, 1, …"
        raise InputError(f"{name} must lie in {allowed}; got {low if low < 0 else high}.")
    return values.astype(np.int64)
