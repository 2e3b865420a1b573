"""Risk at new points without data: ridge and its rounds on random features with a given spectrum.

For n samples ``x = Σ^{1/2} g`` with independent standard entries g, in p dimensions, ridge with penalty c behaves in
high dimensions like ridge on the population with a larger penalty κ, ``κ (1 − (1/n) Σ_j σ_j/(σ_j + κ)) = c``. Every
filter that is a function of the sample covariance is a contour integral of resolvents, and products of two of them
have deterministic equivalents too. So the risk of any number of rounds, and of any mixture of rounds, follows from κ
on a circle around the penalty; the integral is a sum over a few points, exact to rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..base.validation import (
    Array,
    InputError,
    as_real_array,
    check_count,
    check_nonnegative,
    check_positive,
    check_squarable,
)

# Points on the circle, whose radius is this share of the penalty; trapezoidal sums converge geometrically.
_POINTS = 96
_RADIUS = 0.7
# Filters of many rounds are large on the circle, where they cancel; what may be lost to rounding of the risk.
_MOST_ROUNDING = 1e-5


@dataclass(frozen=True)
class OutOfSampleRisk:
    """Expected squared error at a new point against the noiseless truth: squared bias and variance."""

    squared_bias: float
    variance: float

    @property
    def risk(self) -> float:
        """Their sum."""
        return self.squared_bias + self.variance


def effective_penalty(population_eigenvalues: Any, n_samples: int, ridge: float) -> float:
    """Penalty κ > 0 with which the population is shrunk: ``κ (1 − (1/n) Σ σ/(σ + κ)) = ridge``.

    Parameters
    ----------
    population_eigenvalues : array (p,)
        Eigenvalues σ of the features' covariance, above 0.
    n_samples : int
    ridge : float
        Penalty c of ``mean (f − y)² + c ‖f‖²``.
    """
    from scipy.optimize import brentq  # here, so that importing the floor stays quick

    sigma = _population(population_eigenvalues)
    n, c = check_count(n_samples, "n_samples"), check_positive(ridge, "ridge")

    def excess(logarithm: float) -> float:
        kappa = np.exp(logarithm)
        return float(1 - np.sum(sigma / (sigma + kappa)) / n - c / kappa)

    # κ is at least c, and κ times the sum of the shares at most Σ σ.
    ends = np.log(c) - 1e-9, np.log(c + sigma.sum() / n) + 1e-9
    return float(np.exp(brentq(excess, *ends, xtol=1e-15, rtol=1e-15)))


def isotropic_penalty(variance: float, aspect: float, ridge: float) -> float:
    """`effective_penalty` where all p = aspect · n eigenvalues are equal: the root of a quadratic.

    Parameters
    ----------
    variance : float
        The eigenvalue σ.
    aspect : float
        γ = p/n.
    ridge : float
    """
    sigma = check_positive(variance, "variance")
    gamma, c = check_positive(aspect, "aspect"), check_positive(ridge, "ridge")
    half = (sigma * (1 - gamma) - c) / 2
    root = float(np.hypot(half, np.sqrt(c) * np.sqrt(sigma)))
    # Of the two forms of the root, the one that does not subtract.
    return c * (sigma / (root + half)) if half > 0 else root - half


def out_of_sample_risk(
    population_eigenvalues: Any,
    truth: Any,
    n_samples: int,
    ridge: float,
    noise_variance: float,
    *,
    round_weights: Sequence[float] | Array = (1.0,),
) -> OutOfSampleRisk:
    """Risk at a new point of a mixture of rounds of ridge on random features, for n and p large.

    Parameters
    ----------
    population_eigenvalues : array (p,)
        Eigenvalues σ of the features' covariance, above 0.
    truth : array (p,)
        Coefficients β* of the true linear function, in the covariance's eigenvectors.
    n_samples : int
    ridge : float
        Penalty c of every round.
    noise_variance : float
    round_weights : sequence of float
        Weight of the fit after 1, 2, … rounds, which sum to 1: ``(0, 0, 1)`` is the third round alone, and
        `Mixing.round_weights` any mixture.

    Returns
    -------
    OutOfSampleRisk

    Raises
    ------
    InputError
        If an eigenvalue, the ridge or the variance is out of range, shapes differ, weights do not sum to 1, or so many
        rounds are mixed that rounding would decide the result.

    References
    ----------
    Hastie, Montanari, Rosset & Tibshirani 2022; Bach 2024; Dang, Patil & Rinaldo 2026.

    Examples
    --------
    >>> import numpy as np
    >>> from selfdistill.theory import out_of_sample_risk
    >>> sigma, beta = np.ones(50), np.full(50, 50**-0.5)
    >>> one = out_of_sample_risk(sigma, beta, 100, 0.1, 1.0)
    >>> two = out_of_sample_risk(sigma, beta, 100, 0.1, 1.0, round_weights=(0, 1))
    >>> round(one.risk, 4), round(two.risk, 4)
    (0.6036, 0.4638)
    """
    sigma = _population(population_eigenvalues)
    beta = as_real_array(truth, "truth").astype(np.float64)
    if beta.shape != sigma.shape:
        raise InputError(f"truth must have one coefficient an eigenvalue, {sigma.shape}; got {beta.shape}.")
    check_squarable(float(np.abs(beta).max()), "every coefficient of the truth")
    n, c = check_count(n_samples, "n_samples"), check_positive(ridge, "ridge")
    variance = check_nonnegative(noise_variance, "noise_variance")
    weights = as_real_array(round_weights, "round_weights").astype(np.float64)
    if weights.ndim != 1 or abs(weights.sum() - 1) > 1e-8 * max(1.0, float(np.abs(weights).sum())):
        raise InputError(
            f"round_weights must be a vector that sums to 1, one weight a round; they sum to {weights.sum():.6g}."
        )

    def filter_(d: Array) -> Array:
        kept = d / (d + c)
        return np.asarray(kept * np.polynomial.polynomial.polyval(kept, weights))

    points, kappa = _circle(sigma, n, c)
    missed = _contour(points, c, lambda d: 1 - filter_(d))
    spread = _contour(points, c, lambda d: filter_(d) ** 2 / d)
    bias, bias_rounding = _bias(sigma, beta, n, points, kappa, missed)
    trace, trace_rounding = _one_resolvent(sigma, points, kappa, spread)
    risk = OutOfSampleRisk(bias, variance / n * trace)
    rounding = bias_rounding + variance / n * trace_rounding
    if not rounding <= _MOST_ROUNDING * abs(risk.risk):
        raise InputError(
            f"round_weights mix {len(weights)} rounds, whose terms cancel in double precision (a rounding of about "
            f"{rounding:.1g}). Take fewer rounds of a larger ridge."
        )
    return risk


def _population(eigenvalues: Any) -> Array:
    sigma = as_real_array(eigenvalues, "population_eigenvalues").astype(np.float64)
    if sigma.ndim != 1 or not len(sigma) or not (sigma > 0).all():
        raise InputError(
            "population_eigenvalues must be a vector of numbers above 0 (leave directions without variance "
            f"out); got shape {sigma.shape} with least {sigma.min(initial=np.inf):g}."
        )
    check_squarable(float(sigma.max()), "every population eigenvalue")
    return sigma


def _circle(sigma: Array, n: int, c: float) -> tuple[Array, Array]:
    """Points ζ around the penalty and κ(ζ) at each, followed by Newton's method along the circle."""
    points = c * (1 + _RADIUS * np.exp(2j * np.pi * np.arange(_POINTS) / _POINTS))
    kappa = np.empty(_POINTS, complex)
    guess: complex = effective_penalty(sigma, n, c * (1 + _RADIUS))
    for i, point in enumerate(points):
        for _ in range(60):
            share = sigma / (sigma + guess)
            step = (guess - guess * np.sum(share) / n - point) / (1 - np.sum(share**2) / n)
            guess = guess - step
            if abs(step) <= 1e-15 * abs(guess):
                break
        kappa[i] = guess
    return points, kappa


def _contour(points: Array, c: float, function: Callable[[Array], Array]) -> Array:
    """Weights ω with ``function(M) = Σ ω (M + ζ)⁻¹``, for a function that decays and has its pole at −c."""
    return np.asarray(-function(-points) * (points - c) / len(points))


def _bias(
    sigma: Array, beta: Array, n: int, points: Array, kappa: Array, weights: Array
) -> tuple[float, float]:
    """``βᵀ h(M) Σ h(M) β`` for the h that `weights` integrate, and its rounding."""
    shrunk = (kappa / points)[:, None] / (sigma + kappa[:, None])
    pairs = (shrunk * sigma * beta**2) @ shrunk.T
    overlap = (sigma / (sigma + kappa[:, None])) @ (sigma / (sigma + kappa[:, None])).T / n
    terms = pairs / (1 - overlap)
    rounding = np.finfo(np.float64).eps * float(np.abs(weights) @ np.abs(terms) @ np.abs(weights))
    return float((weights @ terms @ weights).real), rounding


def _one_resolvent(sigma: Array, points: Array, kappa: Array, weights: Array) -> tuple[float, float]:
    """``tr(Σ g(M))`` for the g that `weights` integrate, and its rounding."""
    traces = (kappa / points) * np.sum(sigma / (sigma + kappa[:, None]), axis=1)
    rounding = np.finfo(np.float64).eps * float(np.abs(weights) @ np.abs(traces))
    return float((weights @ traces).real), rounding
