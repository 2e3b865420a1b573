"""The tangent kernel of an infinitely wide ReLU network, in closed form."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..base.validation import Array, InputError, as_matrix, check_count, check_nonnegative, check_positive

_BLOCK_BYTES = 2**24  # of one temporary; about eight live at once
MOST_LAYERS = 10_000
# From here on the angle of two points is found from their sum and difference.
_OPPOSITE = -1 + 1e-6


def relu_tangent_kernel(
    x: Any,
    z: Any | None = None,
    *,
    hidden_layers: int = 2,
    weight_std: float = 2**0.5,
    bias_std: float = 0.0,
) -> Array:
    """Neural tangent kernel of a fully connected ReLU network as its hidden layers grow without bound.

    NTK parametrisation: all parameters standard normal, pre-activations
    ``weight_std · W h / √fan_in + bias_std · b``, one output. With ``Σ`` the covariance of pre-activations
    and θ the angle between two of them, one layer maps

    * ``Σ ← weight_std² · √(Σ_xx Σ_zz) (sin θ + (π − θ) cos θ) / 2π + bias_std²``
    * ``Θ ← Σ + weight_std² · Θ (π − θ) / 2π``

    Parameters
    ----------
    x : array (n, p)
        Points, one a row.
    z : array (m, p), optional
        Other points; `x` itself by default.
    hidden_layers : int
        Number of hidden layers, up to 10,000; 0 is a linear model.
    weight_std : float
        √2 keeps the variance of activations from layer to layer.
    bias_std : float
        0 for no biases.

    Returns
    -------
    ndarray (n, m), float64
        Built in blocks of rows: memory is the result's and about 128 MiB.

    Raises
    ------
    InputError
        If the points differ in their number of features, a parameter is out of range, or the kernel is larger
        than a floating-point number.

    References
    ----------
    Jacot, Gabriel & Hongler 2018 (arXiv 1806.07572), theorem 1; arc-cosine kernels of Cho & Saul 2009.

    Examples
    --------
    >>> import numpy as np
    >>> from selfdistill.theory import relu_tangent_kernel
    >>> relu_tangent_kernel(np.eye(2), hidden_layers=1).round(4)
    array([[2.    , 0.3183],
           [0.3183, 2.    ]])
    """
    x = as_matrix(x, "x").astype(np.float64, copy=False)
    same = z is None
    z = x if same else as_matrix(z, "z").astype(np.float64, copy=False)
    if x.shape[1] != z.shape[1]:
        raise InputError(f"x and z must have as many columns; got {x.shape[1]} and {z.shape[1]}.")
    hidden_layers = check_count(hidden_layers, "hidden_layers", least=0, most=MOST_LAYERS)
    weight_std = check_positive(weight_std, "weight_std")
    bias_std = check_nonnegative(bias_std, "bias_std")
    units, stds, sizes = _unit_rows(x, weight_std, bias_std)
    other_units, other_stds, other_sizes = (
        (units, stds, sizes) if same else _unit_rows(z, weight_std, bias_std)
    )
    layers = _layers(stds, hidden_layers, weight_std, bias_std)
    other_layers = layers if same else _layers(other_stds, hidden_layers, weight_std, bias_std)
    last, other_last = layers[0][-1], other_layers[0][-1]
    kernel = np.empty((len(x), len(z)))
    rows = max(1, _BLOCK_BYTES // (8 * len(z)))
    for start in range(0, len(x), rows):
        block = slice(start, min(start + rows, len(x)))
        cosine = np.clip(units[block] @ other_units.T, -1, 1)
        own = (np.arange(len(cosine)), start + np.arange(len(cosine))) if same else None
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):  # refused below
            rest = _rest_of_angles(cosine, units[block], other_units)
            kernel[block] = _tangent(
                cosine, rest, tuple(part[:, block] for part in layers), other_layers, own
            )
            kernel[block] *= last[block, None]
            kernel[block] *= other_last
            # The large factor comes first: the product of all may be a number where that of some is none.
            kernel[block] *= np.maximum(sizes[block, None], other_sizes)
            kernel[block] *= np.minimum(sizes[block, None], other_sizes)
    if not np.isfinite(kernel).all():
        raise InputError(
            f"the tangent kernel overflows: after {hidden_layers} hidden layers pre-activations have a standard "
            f"deviation of {max(last.max(), other_last.max()):.3g}. Scale the points, weight_std or bias_std down."
        )
    return kernel


def _unit_rows(points: Array, weight_std: float, bias_std: float) -> tuple[Array, Array, Array]:
    """Unit vectors whose inner products are the correlations of first pre-activations; deviations; sizes.

    Rows are divided by their largest entry before anything is squared, so that no scale over- or underflows.
    Without biases the kernel is homogeneous: then deviations are those of rows of size 1, and sizes multiply
    them at the end. With biases all sizes are 1.
    """
    sizes = np.abs(points).max(axis=1, initial=0.0)
    shapes = points / np.where(sizes > 0, sizes, 1.0)[:, None]
    norms = np.linalg.norm(shapes, axis=1)
    factors = np.ones_like(sizes) if bias_std else sizes
    sizes = sizes if bias_std else np.ones_like(sizes)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        inputs = weight_std / np.sqrt(points.shape[1]) * norms * sizes
        stds = np.hypot(inputs, bias_std)
        safe = np.where(stds > 0, stds, 1.0)
        units = np.column_stack(
            [shapes * (inputs / safe / np.where(norms > 0, norms, 1.0))[:, None], bias_std / safe]
        )
    return units, stds, factors


def _layers(
    stds: Array, hidden_layers: int, weight_std: float, bias_std: float
) -> tuple[Array, Array, Array]:
    """Standard deviation of every layer's pre-activations, and what weights and biases have of it.

    Three arrays (hidden_layers + 1, n): deviations, and the parts ``weight_std · last / this`` and
    ``bias_std / this``.
    """
    deviations, of_weights, of_bias = [stds], [np.ones_like(stds)], [np.zeros_like(stds)]
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        for _ in range(hidden_layers):
            following = np.hypot(weight_std * deviations[-1] / np.sqrt(2), bias_std)
            safe = np.where(following > 0, following, 1.0)
            of_weights.append(weight_std * deviations[-1] / safe)
            of_bias.append(bias_std / safe)
            deviations.append(following)
    return np.array(deviations), np.array(of_weights), np.array(of_bias)


def _rest_of_angles(cosine: Array, units: Array, others: Array) -> Array:
    """What angles lack of π; the cosine of nearly opposite points would leave half of its digits."""
    rest = np.arccos(-cosine)
    rows, columns = np.nonzero(cosine < _OPPOSITE)
    some = max(1, _BLOCK_BYTES // (8 * units.shape[1]))
    for start in range(0, len(rows), some):
        i, j = rows[start : start + some], columns[start : start + some]
        u, v = units[i], others[j]
        rest[i, j] = 2 * np.arctan2(np.linalg.norm(u + v, axis=1), np.linalg.norm(u - v, axis=1))
    return rest


def _tangent(cosine: Array, rest: Array, rows: Any, columns: Any, own: tuple[Array, Array] | None) -> Array:
    """Tangent kernel of a block over the last layer's standard deviations; `own` is where a point meets itself.

    `rest` is π less the angle in the first layer. Later angles are at most a right one.
    """
    tangent = cosine.copy()
    for layer in range(1, len(rows[0])):
        if layer > 1:
            rest = np.arccos(-cosine)
        if own is not None:
            # arccos turns one ulp below 1 into an angle of 1e-8; a point's angle with itself is 0.
            cosine[own], rest[own] = 1.0, np.pi
        weights = np.outer(rows[1][layer], columns[1][layer])
        cosine = weights * (np.sin(rest) + rest * cosine) / (2 * np.pi)
        cosine += np.outer(rows[2][layer], columns[2][layer])
        np.clip(cosine, -1, 1, out=cosine)
        tangent *= weights * rest / (2 * np.pi)
        tangent += cosine
    return tangent
