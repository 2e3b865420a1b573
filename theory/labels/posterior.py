"""The MAP view: distillation and label smoothing as a posterior mode under a Dirichlet prior."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..base.probabilities import as_array, check_probabilities, one_hot
from ..base.validation import Array, InputError, as_real_array, check_count, check_fraction, check_positive


def dirichlet_mode(concentration: Any) -> Array:
    """Mode of a Dirichlet distribution, ``(c − 1)/Σ(c − 1)``.

    Parameters
    ----------
    concentration : array (..., K)
        Each at least 1 and one of them above 1: elsewhere the density has no maximum inside the simplex, or
        many.

    Raises
    ------
    InputError
        If a concentration is below 1 or a row is all ones.
    """
    values = as_real_array(concentration, "concentration")
    if values.ndim < 1 or values.shape[-1] == 0:
        raise InputError(f"concentration must have a last axis of classes; got shape {values.shape}.")
    excess = (values - 1) / max(1.0, float(values.max(initial=1.0)))  # whose sum cannot overflow
    total = excess.sum(axis=-1, keepdims=True)
    if values.size and (excess.min() < 0 or total.min() <= 0):
        raise InputError(
            "every concentration must be at least 1 and one in each row above 1; otherwise the density has "
            f"no single mode. The least is {values.min():g}."
        )
    return np.asarray(excess / total)


def label_posterior(labels: Any, prior: Any, strength: float) -> Array:
    """Concentration of the posterior, ``1 + e_y + γ p``, after one observed label.

    Parameters
    ----------
    labels : integer array (N,)
    prior : array (N, K)
        p: the teacher's output, or uniform for label smoothing.
    strength : float
        γ > 0; the prior's concentration is ``1 + γ p``.

    Returns
    -------
    array (N, K)

    References
    ----------
    Zhang & Sabuncu 2020, section 4; Its mode is `mixed_targets` at α = γ/(1 + γ).
    """
    gamma = check_positive(strength, "strength")
    p = as_real_array(prior, "prior")
    check_probabilities(p, "prior")
    y = as_array(labels, "labels")
    if p.ndim != 2 or y.shape != p.shape[:1]:
        raise InputError(f"labels (N,) and prior (N, K) must agree; got {y.shape} and {p.shape}.")
    return np.asarray(1 + one_hot(y, p.shape[1], like=p) + gamma * p)


def distillation_weight(strength: float) -> float:
    """Weight ``α = γ/(1 + γ)`` of the teacher that a prior of strength γ amounts to."""
    gamma = check_positive(strength, "strength")
    return gamma / (1 + gamma)


def prior_strength(weight: float) -> float:
    """Strength ``γ = α/(1 − α)`` of the prior that a teacher of weight α in [0, 1) stands for."""
    alpha = check_fraction(weight, "weight", below_one=True)
    return alpha / (1 - alpha)


def beta_mean(shape: float) -> float:
    """Mean ``a/(a + 1)`` of the label's mass under Beta(a, 1)."""
    a = check_positive(shape, "shape")
    return a / (a + 1)


def ema_decay(step: int, largest: float = 0.999) -> float:
    """Decay of the authors' moving average after `step` optimiser steps: ``min(1 − 1/(step + 1), largest)``.

    While the first term rules, the average is the plain mean of all weights so far.
    """
    return min(1 - 1 / (check_count(step, "step", least=0) + 1), check_fraction(largest, "largest"))
