"""Green's functions of smoothness penalties on [0, 1]: the kernels of the paper's example (docs: claim M14)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..base.validation import Array, InputError, as_real_array


def cubic_green_kernel(x: Any, s: Any) -> Array:
    """Kernel of ``∫ (f'')²`` on [0, 1] with f(0) = f(1) = f''(0) = f''(1) = 0.

    ``g(x, s) = max(x − s, 0)³/6 − x(1 − s)(x² − 2s + s²)/6``: cubic on either side of s, zero at both ends.

    Parameters
    ----------
    x, s : array (p,), (q,)
        Points in [0, 1].

    Returns
    -------
    ndarray (p, q)

    Raises
    ------
    InputError
        If a point lies outside [0, 1].

    References
    ----------
    Mobahi et al. 2020, section 5; derived in `selfdistill.theory.kernels.green_derivation`.

    Examples
    --------
    >>> from selfdistill.theory import cubic_green_kernel
    >>> cubic_green_kernel([0.5], [0.0, 0.5]).round(6)
    array([[0.      , 0.020833]])
    """
    x, s = _points(x, "x")[:, None], _points(s, "s")[None, :]
    # The kernel is symmetric: with a ≤ b it is a (1 − b)(2b − b² − a²)/6. Written so that nothing cancels.
    a, b = np.minimum(x, s), np.maximum(x, s)
    squares = np.where(b < 0.5, b * (2 - b) - a**2, (1 - a) * (1 + a) - (1 - b) ** 2)
    return a * (1 - b) * squares / 6


def brownian_bridge_kernel(x: Any, s: Any) -> Array:
    """Kernel of ``∫ (f')²`` on [0, 1] with f(0) = f(1) = 0: ``min(x, s) − x s``, (len(x), len(s))."""
    x, s = _points(x, "x")[:, None], _points(s, "s")[None, :]
    return np.minimum(x, s) * (1 - np.maximum(x, s))


def _points(value: Any, name: str) -> Array:
    points = as_real_array(value, name).astype(np.float64)
    if points.ndim == 2 and points.shape[1] == 1:
        points = points[:, 0]
    if points.ndim != 1:
        raise InputError(f"{name} must be a vector of points in [0, 1]; got shape {points.shape}.")
    if len(points) and (points.min() < 0 or points.max() > 1):
        raise InputError(
            f"{name} must lie in [0, 1], where the kernel is defined; got values from {points.min():g} to "
            f"{points.max():g}. Rescale them first."
        )
    return points
