"""Rounds until collapse: counted, and bounded from both sides (claims M5-M8)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..base.validation import Array
from ..spectra.spectrum import Spectrum, as_spectrum
from .schedules import distill_to_tolerance

# From here on M8 is not iterated: its closed form ⌈r_0² − 1⌉ is given.
_LONGEST_ITERATION = 1e6


@dataclass(frozen=True)
class CollapseBounds:
    """Number of fits before the fit becomes zero, and bounds on it.

    Attributes
    ----------
    exact : int
        Counted by running the recursion.
    paper_lower : float
        ``(r_0 − 1)/κ``, the guarantee of Mobahi et al. (M6); 0 when κ is infinite.
    lower : float
        ``r_0 − 1`` whatever the spectrum (M7).
    upper : int
        From the decrease of r_t² in every round (M8); at most ``⌈r_0² − 1⌉``.
    initial_ratio : float
        ``r_0 = ‖y‖ / √(n ε)``.
    condition_number : float
        κ of the first round.
    """

    exact: int
    paper_lower: float
    lower: float
    upper: int
    initial_ratio: float
    condition_number: float


def collapse_bounds(spectrum: Spectrum, epsilon: float) -> CollapseBounds:
    """Count the rounds to collapse and bound them.

    Parameters
    ----------
    spectrum : Spectrum
    epsilon : float
        Mean squared training error of every round.

    Raises
    ------
    InputError, InfeasibleToleranceError
        As `distill_to_tolerance`.

    References
    ----------
    Mobahi et al. 2020, section 3.4 for M6; M7 and M8 are this project's.

    Examples
    --------
    >>> from selfdistill.theory import Spectrum, collapse_bounds
    >>> bounds = collapse_bounds(Spectrum.from_eigenvalues([1.0, 1.0], [3.0, 4.0]), epsilon=0.5)
    >>> bounds.lower, bounds.exact, bounds.upper  # κ = 1: the lower bound is attained
    (4.0, 4, 4)
    """
    exact = distill_to_tolerance(spectrum, epsilon).rounds
    paper_lower, lower, upper = rounds_bounds(spectrum, epsilon)
    return CollapseBounds(
        exact, paper_lower, lower, upper, spectrum.initial_ratio(epsilon), spectrum.condition_number
    )


def rounds_bounds(spectrum: Spectrum, epsilon: float) -> tuple[float, float, int]:
    """Bounds on the number of fits without making any: the paper's (M6), M7 from below, M8 from above."""
    r, kappa = as_spectrum(spectrum).initial_ratio(epsilon), spectrum.condition_number
    excess = max(r - 1, 0.0)
    if r**2 > _LONGEST_ITERATION:
        upper = int(np.ceil(r**2 - 1))
    else:
        upper = len(ratio_upper_bounds(r, kappa, spectrum.positive_condition_number)) - 1
    return excess / kappa, excess, upper


def ratio_upper_bounds(
    initial_ratio: float, kappa: float, later_kappa: float | None = None, *, rounds: int | None = None
) -> Array:
    """Upper bounds on r_t for t = 0, 1, … up to the round that must have collapsed (claim M8).

    ``r_t² ≤ r_{t−1}² − 1 − 2 (r_{t−1} − 1)/κ``, since a fit and its residual are positively correlated.

    Parameters
    ----------
    initial_ratio : float
        r_0.
    kappa, later_kappa : float
        Condition number of the first round and of the later ones (from which the null space is gone).
    rounds : int, optional
        Stop at this t, if not earlier.
    """
    later = kappa if later_kappa is None else later_kappa
    squares = [initial_ratio**2]
    # An equality at κ = 1 would otherwise count one round more by rounding alone.
    slack = 8 * np.finfo(np.float64).eps * initial_ratio**2
    while squares[-1] > 1 + slack and len(squares) - 1 != rounds:
        k = kappa if len(squares) == 1 else later
        squares.append(squares[-1] - 1 - 2 * (np.sqrt(squares[-1]) - 1) / k)
    return np.sqrt(np.maximum(squares, 0.0))


def ratio_lower_bounds(initial_ratio: float, rounds: int) -> Array:
    """Lower bounds ``r_0 − t`` on r_t for t = 0 … rounds, by the triangle inequality (claim M7)."""
    return np.maximum(initial_ratio - np.arange(rounds + 1), 0.0)


def paper_norm_bounds(initial_ratio: float, kappa: float, rounds: int) -> Array:
    """The paper's lower bounds on r_t for t = 0 … rounds (claim M5); meaningful while t ≤ (r_0 − 1)/κ.

    ``r_t ≥ a^t r_0 − b (a^t − 1)/(a − 1)`` with
    ``a = ((r_0 − 1)² + κ(2 r_0 − 1))/(r_0 − 1 + κ)²`` and ``b = r_0² κ/(r_0 − 1 + κ)²``.
    """
    t = np.arange(rounds + 1)
    r = initial_ratio
    if not np.isfinite(kappa):
        return np.where(t == 0, r, 0.0)
    a = ((r - 1) ** 2 + kappa * (2 * r - 1)) / (r - 1 + kappa) ** 2
    b = r**2 * kappa / (r - 1 + kappa) ** 2
    geometric = t.astype(float) if a == 1 else (a**t - 1) / (a - 1)
    return np.maximum(a**t * r - b * geometric, 0.0)
