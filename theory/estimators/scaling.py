"""Features as a kernel is to see them: centred where that changes nothing but rounding, or standardised."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics.pairwise import pairwise_kernels

from ..base.validation import Array, InputError, check_squarable, shown

# Kernels of differences: the same wherever the origin lies.
TRANSLATION_INVARIANT = ("rbf", "laplacian")


def kernel_values(x: Array, z: Array, kernel: Any, **options: Any) -> Array:
    """Kernel (len(x), len(z)) by scikit-learn's name, or of a function.

    Distances are differences of large numbers where the mean of the points dwarfs their spread (coordinates of a
    map, years, pressures). A kernel of differences is therefore taken of points less the mean of `z`, which is the
    same kernel with all its digits.

    Raises
    ------
    InputError
        If a value is beyond all numbers.
    """
    if isinstance(kernel, str):
        check_sizes(x)
        check_sizes(z)
    if isinstance(kernel, str) and kernel in TRANSLATION_INVARIANT:
        centre = z.mean(axis=0)
        x, z = x - centre, z - centre
    with np.errstate(
        over="ignore", invalid="ignore"
    ):  # an exponent of −∞ is a value of 0; else refused below
        values: Array = pairwise_kernels(x, z, metric=kernel, **options)
    if not np.isfinite(values).all():
        raise InputError(
            f"the kernel {shown(kernel)} has infinite or NaN values on these points. Scale the features, or choose a "
            "smaller coefficient or degree."
        )
    return values


def check_sizes(features: Array) -> None:
    """Raise `InputError` if features have no squares."""
    check_squarable(float(np.abs(features).max(initial=0.0)), "every feature")


def standardized(features: Array) -> Array:
    """Every column with mean 0 and variance 1, at whatever scale it comes; a constant column becomes 0."""
    sizes = np.abs(features).max(axis=0)
    scaled = features / np.where(sizes > 0, sizes, 1.0)  # squares then neither over- nor underflow
    scaled -= scaled.mean(axis=0)
    spread = scaled.std(axis=0)
    varied = (features.max(axis=0) > features.min(axis=0)) & (spread > 0)
    return np.where(varied, scaled / np.where(spread > 0, spread, 1.0), 0.0)
