"""Random features: maps whose inner products approximate a kernel, so that n enters only linearly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..base.validation import Array, InputError, check_count, check_positive


@dataclass(frozen=True, eq=False)
class RandomFeatures:
    """A map (n, inputs) → (n, features); NumPy arrays give NumPy arrays, Dask arrays lazy ones.

    Attributes
    ----------
    directions : ndarray (inputs, features)
    phases : ndarray (features,) or None
        Of cosines; None for ReLU features.
    """

    directions: Array
    phases: Array | None

    def __call__(self, points: Any) -> Any:
        """Features of points, chunk by chunk where they come in chunks."""
        if points.ndim != 2 or points.shape[1] != len(self.directions):
            raise InputError(f"points must have shape (n, {len(self.directions)}); got {points.shape}.")
        if hasattr(points, "map_blocks"):
            points = points.rechunk({1: -1})
            width = self.directions.shape[1]
            return points.map_blocks(
                self._transform, dtype=self.directions.dtype, chunks=(points.chunks[0], (width,))
            )
        return self._transform(np.asarray(points))

    def _transform(self, points: Array) -> Array:
        values = points @ self.directions
        if self.phases is None:
            np.maximum(values, 0, out=values)
        else:
            values += self.phases
            np.cos(values, out=values)
        values *= np.sqrt(2 / values.shape[1])
        return values


def relu_features(n_inputs: int, n_features: int, rng: np.random.Generator) -> RandomFeatures:
    """``√(2/p)·relu(x·w)`` with w ~ N(0, I): the arc-cosine kernel of order one in expectation.

    ``E = ‖x‖‖z‖ (sin θ + (π − θ) cos θ)/π``, θ the angle of x and z: one hidden ReLU layer of width p whose
    first weights are not trained.

    References
    ----------
    Cho & Saul 2009, Kernel methods for deep learning.
    """
    shape = (check_count(n_inputs, "n_inputs"), check_count(n_features, "n_features"))
    return RandomFeatures(rng.standard_normal(shape), None)


def fourier_features(
    n_inputs: int, n_features: int, gamma: float, rng: np.random.Generator
) -> RandomFeatures:
    """``√(2/p)·cos(x·w + b)`` with w ~ N(0, 2γ): the kernel ``exp(−γ‖x − z‖²)`` in expectation.

    References
    ----------
    Rahimi & Recht 2007, Random features for large-scale kernel machines.
    """
    shape = (check_count(n_inputs, "n_inputs"), check_count(n_features, "n_features"))
    width = np.sqrt(2 * check_positive(gamma, "gamma"))
    return RandomFeatures(width * rng.standard_normal(shape), rng.uniform(0, 2 * np.pi, n_features))
