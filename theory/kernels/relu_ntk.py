"""The tangent kernel of an infinitely wide ReLU network, in closed form."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..base.validation import Array, InputError, as_matrix, check_count, check_positive

_BLOCK_BYTES = 2**24  # of one temporary; about eight live at once


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
        Number of hidden layers; 0 is a linear model.
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
        If the points differ in their number of features, or a parameter is out of range.

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
    hidden_layers = check_count(hidden_layers, "hidden_layers", least=0)
    w2 = check_positive(weight_std, "weight_std") ** 2
    if not (np.isfinite(bias_std) and bias_std >= 0):
        raise InputError(f"bias_std must be a finite number of at least 0; got {bias_std:g}.")
    b2 = float(bias_std) ** 2
    kernel = np.empty((len(x), len(z)))
    rows = max(1, _BLOCK_BYTES // (8 * len(z)))
    for start in range(0, len(x), rows):
        block = slice(start, min(start + rows, len(x)))
        kernel[block] = _block(x[block], z, hidden_layers, w2, b2, start if same else None)
    return kernel


def _block(x: Array, z: Array, hidden_layers: int, w2: float, b2: float, offset: int | None) -> Array:
    """Rows of the kernel; `offset` is where the diagonal starts, None if there is none."""
    p = x.shape[1]
    covariance = w2 / p * (x @ z.T) + b2
    variance_x = w2 / p * np.sum(x**2, axis=1) + b2
    variance_z = w2 / p * np.sum(z**2, axis=1) + b2
    tangent = covariance.copy()
    diagonal = None if offset is None else (np.arange(len(x)), offset + np.arange(len(x)))
    for _ in range(hidden_layers):
        scale = np.sqrt(np.outer(variance_x, variance_z))
        cosine = np.clip(np.divide(covariance, scale, out=np.zeros_like(scale), where=scale > 0), -1, 1)
        if diagonal is not None:
            # arccos turns one ulp below 1 into an angle of 1e-8; a point's angle with itself is 0.
            cosine[diagonal] = 1.0
        angle = np.arccos(cosine)
        covariance = w2 * scale * (np.sin(angle) + (np.pi - angle) * cosine) / (2 * np.pi) + b2
        tangent *= w2 * (np.pi - angle) / (2 * np.pi)
        tangent += covariance
        variance_x = w2 * variance_x / 2 + b2
        variance_z = w2 * variance_z / 2 + b2
    return tangent
