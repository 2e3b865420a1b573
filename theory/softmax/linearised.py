"""Softmax linearised at the uniform output: kernel ridge on centred targets, with penalty Kλ."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..base.arrays import as_symmetric
from ..base.probabilities import as_distributions, softmax
from ..base.validation import as_matrix, check_positive
from ..distillation.distill import distill_with_ridge
from ..distillation.trajectory import Trajectory
from ..spectra.spectrum import Spectrum, as_spectrum
from .fit import SoftmaxFit


def distill_linearised(spectrum: Spectrum, ridge: float, rounds: int) -> Trajectory:
    """Self-distill with softmax linearised at the uniform output: kernel ridge with penalty Kλ.

    With it cross-entropy self-distillation is that of kernel ridge at a fixed penalty (Jeong & Chung 2025).

    Parameters
    ----------
    spectrum : Spectrum
        Of the kernel and centred targets ``T − 1/K``; add 1/K to the fitted values and predictions.
    ridge : float
        λ of the softmax regression.
    rounds : int
        Number of fits.
    """
    return distill_with_ridge(spectrum, linearised_penalty(spectrum, ridge), rounds)


def linearised_penalty(spectrum: Spectrum, ridge: float) -> float:
    """Penalty Kλ of the kernel ridge that linearised softmax amounts to."""
    return as_spectrum(spectrum).n_outputs * check_positive(ridge, "ridge", "It is λ of (λ/2)‖W‖².")


def fit_linearised(gram: Any, features: Any, targets: Any, ridge: float) -> SoftmaxFit:
    """One linearised fit from a gram or from features (the other is None), in the form of an exact one."""
    by_gram = features is None
    given = as_symmetric(as_matrix(gram, "gram")) if by_gram else as_matrix(features, "features")
    t = as_distributions(targets, len(given))
    ridge = check_positive(ridge, "ridge", "It is λ of (λ/2)‖W‖².")
    n, k = t.shape
    spectrum = (Spectrum.from_gram if by_gram else Spectrum.from_features)(given, t - 1 / k)
    run = distill_linearised(spectrum, ridge, 1)
    outputs, dual = 1 / k + run.fitted(1), k * run.dual(1)
    weights = None if by_gram else given.T @ dual
    residual = (t - outputs) / (ridge * n)
    logits = given @ (residual if by_gram else given.T @ residual)
    gap = float(np.abs(outputs - softmax(logits, check=False)).max())
    return SoftmaxFit(outputs, dual, weights, gap, 0, True)
