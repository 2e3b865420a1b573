"""Random features: maps whose inner products approximate a kernel, so that n enters only linearly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..base.validation import Array, InputError, as_generator, as_matrix, check_count, check_positive


@dataclass(frozen=True, eq=False)
class RandomFeatures:
    """A map (n, inputs) → (n, features); NumPy arrays give NumPy arrays, Dask arrays lazy ones.

    Attributes
    ----------
    directions : ndarray (inputs, features)
        Random directions w, one a column.
    phases : ndarray (features,) or None
        Shifts b of the cosines; None for ReLU features.
    """

    directions: Array
    phases: Array | None

    def __call__(self, points: Any) -> Any:
        """Features of points (n, inputs), chunk by chunk where the points come in chunks."""
        lazy = hasattr(points, "map_blocks")
        points = points if lazy else as_matrix(points, "points")
        if points.ndim != 2 or points.shape[1] != len(self.directions):
            raise InputError(f"points must have shape (n, {len(self.directions)}); got {points.shape}.")
        if not lazy:
            return self._transform(points)
        points = points.rechunk({1: -1})
        width = self.directions.shape[1]
        return points.map_blocks(
            self._transform, dtype=self.directions.dtype, chunks=(points.chunks[0], (width,))
        )

    def _transform(self, points: Array) -> Array:
        values = points @ self.directions
        if self.phases is None:
            np.maximum(values, 0, out=values)
        else:
            values += self.phases
            np.cos(values, out=values)
        values *= np.sqrt(2 / values.shape[1])
        return values


def relu_features(n_inputs: int, n_features: int, rng: np.random.Generator | int) -> RandomFeatures:
    """``√(2/p)·relu(x·w)`` with w ~ N(0, I): the arc-cosine kernel of order one in expectation.

    ``E = ‖x‖‖z‖ (sin θ + (π − θ) cos θ)/π``, θ the angle of x and z: one hidden ReLU layer of width p whose
    first weights are not trained.

    Parameters
    ----------
    n_inputs, n_features : int
        Columns of the points, and p.
    rng : numpy.random.Generator or int
        A generator, or the seed of one.

    References
    ----------
    Cho & Saul 2009, Kernel methods for deep learning.
    """
    shape = (check_count(n_inputs, "n_inputs"), check_count(n_features, "n_features"))
    return RandomFeatures(as_generator(rng).standard_normal(shape), None)


def fourier_features(
    n_inputs: int, n_features: int, gamma: float, rng: np.random.Generator | int
) -> RandomFeatures:
    """``√(2/p)·cos(x·w + b)`` with w ~ N(0, 2γ): the kernel ``exp(−γ‖x − z‖²)`` in expectation.

    The features of scikit-learn's `RBFSampler`, which draws w and b, for points in memory or in chunks.

    Parameters
    ----------
    n_inputs, n_features : int
        Columns of the points, and p.
    gamma : float
        γ, above 0.
    rng : numpy.random.Generator or int
        A generator, or the seed of one.

    References
    ----------
    Rahimi & Recht 2007, Random features for large-scale kernel machines.
    """
    from sklearn.kernel_approximation import RBFSampler  # heavy: imported when it is asked for

    sampler = RBFSampler(
        gamma=check_positive(gamma, "gamma"),
        n_components=check_count(n_features, "n_features"),
        random_state=np.random.RandomState(as_generator(rng).bit_generator),
    ).fit(np.zeros((1, check_count(n_inputs, "n_inputs"))))
    return RandomFeatures(sampler.random_weights_, sampler.random_offset_)
