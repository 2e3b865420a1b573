"""Labels of any kind as numbers of classes, and what makes labels no classes."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np

from ..base.arrays import to_host
from ..base.probabilities import as_array
from ..base.validation import Array, InputError
from ..spectra.memory_cost import Cost, require_memory
from .label_fit import ROUNDS

# More classes than this that are numbers, with fewer samples each on average, are taken for values of a quantity.
_MANY_CLASSES = 30
_FEW_SAMPLES = 10


def as_classes(
    labels: Any, n: int, name: str = "labels", at: Callable[[int], str] = "index {}".format
) -> tuple[Array, Array]:
    """Classes that occur (K,), and each sample's number among them (n,).

    Parameters
    ----------
    labels : array (n,)
    n : int
    name : str
        What messages call the labels.
    at : callable
        How they name the place of a sample, from its number counted from 0.

    Raises
    ------
    InputError
        If there is not one label a sample, one is missing, they are no classes, or a class is too small.
    """
    values = to_host(as_array(labels, name))
    if values.shape != (n,):
        raise InputError(f"{name} must have one entry for each of the {n} samples; got shape {values.shape}.")
    absent = [i for i, v in enumerate(values.tolist()) if _missing(v)]
    if absent:
        raise InputError(
            f"{name} has no value at {len(absent)} of {n} samples (the first at {at(absent[0])}). Leave those out."
        )
    if values.dtype.kind == "f" and (values != np.floor(values)).any():
        first = values[values != np.floor(values)][0]
        raise InputError(
            f"{name} must be classes; {first:g} is no class number. For a quantity there are no wrong labels."
        )
    try:
        classes, given = np.unique(values, return_inverse=True)
    except TypeError:
        classes, given = np.unique(values.astype(str), return_inverse=True)
    many = len(classes) > _MANY_CLASSES and n < _FEW_SAMPLES * len(classes)
    if many and all(isinstance(c, Real) for c in classes.tolist()):
        raise InputError(
            f"{name} has {len(classes)} different numbers in {n} rows: is it a quantity? selfdistill rounds distils "
            f"quantities; for classes, give names (text) or at least {_FEW_SAMPLES} samples a class."
        )
    counts = np.bincount(given)
    if len(classes) < 2:
        raise InputError(f"{name} must hold at least two classes; all {n} are {classes[0]!s}.")
    if counts.min() < 2:
        alone = classes[counts < 2]
        names = ", ".join(str(c) for c in alone[:5]) + (", …" if len(alone) > 5 else "")
        raise InputError(
            f"every class must have at least two samples: without its only one nothing is known of a class. "
            f"{len(alone)} of {len(classes)} classes have one ({names}). Leave those samples out, or merge classes."
        )
    _check_room(n, len(classes))
    return classes, given


def _missing(value: Any) -> bool:
    """Whether a label is None, NaN, or what pandas writes for a value that is not there: all differ from themselves."""
    different = value is None or value != value
    return not isinstance(different, bool | np.bool_) or bool(different)


def _check_room(n: int, k: int) -> None:
    outputs = 8 * n * k * (4 * len(ROUNDS) + 4)
    require_memory(
        Cost(
            "fitting one output a class",
            outputs,
            None,
            0.0,
            "Merge rare classes, or take a sample of the rows.",
        )
    )
