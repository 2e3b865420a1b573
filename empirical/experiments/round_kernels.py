"""What a network's tangent kernel says of its rounds of self-distillation: a predicted curve, and filters."""

from __future__ import annotations

import copy

import numpy as np
import scipy.stats
from torch import Tensor, nn

from ...theory import InfeasibleToleranceError, Spectrum, distill_to_tolerance, distill_with_ridge
from ...theory.base.validation import Array
from ..tangent.kernel import tangent_kernel

BAND = 10
"""Eigenvectors in a band: a single measured filter is mostly noise."""
PASSED = 0.1
"""A band counts as a basis function of a fit while more than this share of the labels passes it."""


class RoundKernel:
    """Kernel ridge in the place of one network, with its tangent kernel and one calibrated number.

    Parameters
    ----------
    network : torch.nn.Module
        At its start, or after its first fit: its features are then frozen as they are.
    inputs : Tensor (n, ...)
        Training points.
    given : ndarray (n, k)
        One-hot given labels.
    first_error : float
        Mean squared error (summed over outputs) of the network's first fit. The ridge of all rounds is the one
        at which the kernel's first fit has that error; nothing else is taken from training.
    """

    def __init__(self, network: nn.Module, inputs: Tensor, given: Array, first_error: float) -> None:
        # In single precision the gram of nearly equal features is no gram up to rounding.
        self.network = copy.deepcopy(network).double()
        self.inputs, self.level = inputs, 1 / given.shape[1]
        gram = tangent_kernel(self.network, inputs) if np.isfinite(first_error) else None
        self.spectrum = (
            None
            if gram is None or not np.isfinite(gram).all()
            else Spectrum.from_gram(gram, given - self.level)
        )
        self.error = first_error

    def predicted_accuracy(self, inputs: Tensor, labels: Array, rounds: int) -> Array:
        """Accuracy of every round at new points; NaN if the kernel cannot have the error of the first fit."""
        unknown = np.full(rounds, np.nan)
        if self.spectrum is None:
            return unknown
        try:
            ridge = distill_to_tolerance(self.spectrum, self.error, max_rounds=1).multipliers
        except InfeasibleToleranceError:
            return unknown
        if not len(ridge):  # the first fit is no better than none
            return unknown
        run = distill_with_ridge(self.spectrum, float(ridge[0]), rounds)
        cross = tangent_kernel(self.network, inputs, self.inputs)
        outputs = [run.predict(cross, t) for t in range(1, rounds + 1)]
        return np.array([np.mean(h.argmax(axis=1) == labels) for h in outputs])

    def band_filters(self, fitted: Array) -> Array:
        """Share of the given labels that passes each band of eigenvectors, largest eigenvalues first.

        It is ``⟨z_t, z_0⟩ / ‖z_0‖²`` in the band. Theory makes it grow with the eigenvalue.
        """
        assert self.spectrum is not None
        z = self.spectrum.basis.project(fitted - self.level)
        z0 = self.spectrum.coefficients
        order = np.argsort(self.spectrum.eigenvalues)[::-1]
        bands = np.array_split(order, max(2, len(order) // BAND))
        return np.array([np.sum(z[b] * z0[b]) / np.sum(z0[b] ** 2) for b in bands])

    def basis_size(self, fitted: Array) -> float:
        """Effective number of basis functions of a fit (n, k): bands whose filter is above a tenth."""
        if self.spectrum is None or not np.isfinite(fitted).all():
            return float("nan")
        return float(np.sum(self.band_filters(fitted) > PASSED))

    def filter_order(self, fitted: Array) -> float:
        """Rank correlation of the bands' filters with their eigenvalues: 1 is the order of theory, 0 none."""
        if self.spectrum is None or not np.isfinite(fitted).all():
            return float("nan")
        filters = self.band_filters(fitted)
        return float(scipy.stats.spearmanr(-np.arange(len(filters)), filters).statistic)
