"""Rounds until collapse: counted, and bounded from both sides."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..base.validation import Array
from ..spectra.spectrum import Spectrum, as_spectrum
from .distill import distill_to_tolerance

# Squared ratios up to which the upper bound is iterated round by round; beyond, an integral bounds it.
_LONGEST_ITERATION = 1e6
_EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class CollapseBounds:
    """Number of fits before the fit becomes zero, and bounds on it.

    Attributes
    ----------
    exact : int
        Counted by running the recursion.
    paper_lower : float
        ``(r_0 − 1)/κ``, the guarantee of Mobahi et al.; 0 when κ is infinite, NaN where it is not known.
    lower : float
        ``r_0 − 1`` whatever the spectrum: a round moves the targets by ``√(n ε)`` exactly.
    upper : int
        From the decrease of r_t² in every round; at most ``⌈r_0² − 1⌉``.
    initial_ratio : float
        ``r_0 = ‖y‖ / √(n ε)``.
    condition_number : float
        κ of the first round; NaN where it is not known, on a Krylov space.
    condition_number_bounds : (float, float)
        What is known of κ: the same number twice where all of it is.
    """

    exact: int
    paper_lower: float
    lower: float
    upper: int
    initial_ratio: float
    condition_number: float
    condition_number_bounds: tuple[float, float]


def collapse_bounds(spectrum: Spectrum, epsilon: float) -> CollapseBounds:
    """Count the rounds to collapse and bound them.

    Parameters
    ----------
    spectrum : Spectrum
    epsilon : float
        Mean squared training error of every round.

    Returns
    -------
    CollapseBounds
        ``lower <= exact <= upper``: the rounds counted by running them, and bounds that need r_0 and κ alone;
        ``paper_lower`` is the published guarantee.

    Raises
    ------
    InputError, InfeasibleToleranceError
        As `distill_to_tolerance`.

    References
    ----------
    Mobahi et al. 2020, section 3.4 for its bound; the other two are this project's (docs: claims M7 and M8).

    Examples
    --------
    >>> from selfdistill.theory import Spectrum, collapse_bounds
    >>> bounds = collapse_bounds(Spectrum.from_eigenvalues([1.0, 1.0], [3.0, 4.0]), epsilon=0.5)
    >>> bounds.lower, bounds.exact, bounds.upper  # κ = 1: the lower bound is attained
    (4.0, 4, 4)
    """
    run = distill_to_tolerance(spectrum, epsilon)
    paper_lower, lower, upper = rounds_bounds(run.spectrum, epsilon)
    bounds = run.spectrum.condition_number_bounds
    return CollapseBounds(
        run.rounds, paper_lower, lower, upper, spectrum.initial_ratio(epsilon), _known(bounds), bounds
    )


def rounds_bounds(spectrum: Spectrum, epsilon: float) -> tuple[float, float, int]:
    """Bounds on the number of fits without making any: the paper's from below, ours from below and above.

    Where κ is not known, on a Krylov space, the paper's bound is NaN, and the one from above holds whatever κ is.
    """
    r, bounds = as_spectrum(spectrum).initial_ratio(epsilon), spectrum.condition_number_bounds
    later = spectrum.positive_condition_number if spectrum.basis.invariant else np.inf
    excess = max(r - 1, 0.0)
    return excess / _known(bounds), excess, _upper_bound(r, bounds[1], later)


def _known(bounds: tuple[float, float]) -> float:
    """The condition number where its bounds agree, else NaN."""
    return bounds[0] if bounds[0] == bounds[1] else np.nan


def _upper_bound(ratio: float, kappa: float, later_kappa: float) -> int:
    """Rounds after which r_t is at most 1 for certain."""
    if ratio**2 <= _LONGEST_ITERATION:
        # A ratio above 1 by no more than rounding takes a round all the same.
        return max(sum(1 for _ in _squares(ratio, kappa, later_kappa)) - 1, int(ratio > 1))
    square = ratio**2 - 1 - 2 * (ratio - 1) / kappa
    # Each further round takes off g = 1 + 2 (r − 1)/κ at least, and g falls with r: the integral of dr²/g over the
    # way down to r = 1 is no less than the number of rounds.
    slope, r = 2 / later_kappa, float(np.sqrt(square))
    rounds = square - 1
    if slope * r > 1e-6:
        rounds = min(rounds, 2 / slope * (r - 1) - 2 * (1 - slope) / slope**2 * np.log1p(slope * (r - 1)))
    return 1 + int(np.ceil(rounds))


def ratio_upper_bounds(
    initial_ratio: float, kappa: float, later_kappa: float | None = None, *, rounds: int | None = None
) -> Array:
    """Upper bounds on r_t for t = 0, 1, … up to the round that must have collapsed.

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
    squares = list(_squares(initial_ratio, kappa, later_kappa, rounds))
    return np.sqrt(np.maximum(squares, 0.0))


def _squares(
    initial_ratio: float, kappa: float, later_kappa: float | None = None, rounds: int | None = None
) -> Iterator[float]:
    """Squares of `ratio_upper_bounds`, in Python's own numbers: NumPy's scalars take eight times as long a step."""
    square, factor = float(initial_ratio) ** 2, 2 / float(kappa)
    later_factor = factor if later_kappa is None else 2 / float(later_kappa)
    # An equality at κ = 1 would otherwise count one round more by rounding alone.
    limit, left = 1 + 8 * _EPS * square, np.inf if rounds is None else rounds
    yield square
    while square > limit and left > 0:
        square -= 1 + factor * (math.sqrt(square) - 1)
        yield square
        factor, left = later_factor, left - 1


def ratio_lower_bounds(initial_ratio: float, rounds: int) -> Array:
    """Lower bounds ``r_0 − t`` on r_t for t = 0 … rounds, by the triangle inequality."""
    return np.maximum(initial_ratio - np.arange(rounds + 1), 0.0)


def paper_norm_bounds(initial_ratio: float, kappa: float, rounds: int) -> Array:
    """The paper's lower bounds on r_t for t = 0 … rounds; meaningful while t ≤ (r_0 − 1)/κ.

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
