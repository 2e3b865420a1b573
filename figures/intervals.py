"""Confidence intervals over independent samples (one a seed), and what they allow to be decided."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import bdtr, bdtrc, betaincinv, nctdtrinc, stdtr, stdtrit

# Beyond a million samples the answer is "none that anybody will draw".
MOST_SAMPLES = 1_000_000
# How often an effect of the size that is called detectable would be decided.
POWER = 0.8


def t_half_width(samples: npt.ArrayLike, confidence: float = 0.95) -> npt.NDArray[Any]:
    """Half the width of Student's t interval of the mean over the first axis; NaN for fewer than two samples."""
    values = np.asarray(samples, float)
    n = len(values)
    if n < 2:
        return np.full(values.shape[1:], np.nan)
    return np.asarray(stdtrit(n - 1, (1 + confidence) / 2) * values.std(axis=0, ddof=1) / np.sqrt(n))


def t_p_value(distance: float, spread: float, n: int) -> float:
    """Two-sided p-value of a mean that lies `distance` away from the edge of what is claimed.

    It is one minus the confidence of the widest t interval that does not reach the edge, so it is below
    0.05 exactly where the interval at 95 % decides.

    Parameters
    ----------
    distance : float
        From the mean to the nearest edge, not negative.
    spread : float
        Standard deviation of the samples.
    n : int
        Number of samples, at least two.
    """
    if spread == 0:
        return 1.0 if distance == 0 else 0.0
    return float(2 * stdtr(n - 1, -distance / (spread / np.sqrt(n))))


def binomial_interval(successes: float, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the exact interval of a proportion (Clopper & Pearson 1934)."""
    tail = (1 - confidence) / 2
    low = betaincinv(successes, trials - successes + 1, tail) if successes > 0 else 0.0
    high = betaincinv(successes + 1, trials - successes, 1 - tail) if successes < trials else 1.0
    return float(low), float(high)


def binomial_p_value(successes: int, trials: int, edge: float) -> float:
    """Two-sided p-value of a proportion against `edge`: twice the smaller tail, as the exact interval has it."""
    upper = bdtrc(successes - 1, trials, edge) if successes else 1.0
    return float(min(1.0, 2 * min(upper, bdtr(successes, trials, edge))))


def samples_needed_for_mean(distance: float, spread: float) -> int | None:
    """How many samples would decide, if mean and spread stayed as they are; None where a million would not."""
    return _least(lambda n: stdtrit(n - 1, 0.975) * spread / np.sqrt(n) < distance)


def samples_needed_for_proportion(rate: float, edge: float) -> int | None:
    """How many trials would decide, if the rate stayed as it is; None where a million would not."""

    def decides(n: int) -> bool:
        low, high = binomial_interval(rate * n, n)
        return not low <= edge <= high

    return _least(decides)


def detectable_mean(spread: float, n: int) -> float:
    """How far from the edge of what is claimed a mean must lie for n samples to decide it four times in five."""
    return float(nctdtrinc(n - 1, 1 - POWER, stdtrit(n - 1, 0.975)) * spread / np.sqrt(n))


def detectable_proportion(trials: int, edge: float, *, above: bool) -> float | None:
    """How far above (or below) an edge a rate must lie for the exact interval to decide it four times in five.

    None where no count of successes could decide, since the edge is too near to 0 or 1 for so few trials.
    """
    if not above:
        return detectable_proportion(trials, 1 - edge, above=True)
    decided = bisect_right(
        range(trials + 1), edge, key=lambda successes: binomial_interval(successes, trials)[0]
    )
    if decided > trials:
        return None
    return float(betaincinv(decided, trials - decided + 1, POWER)) - edge


def _least(decides: Callable[[int], Any]) -> int | None:
    """Find the smallest count from two on at which a condition holds that stays true once it is."""
    if not decides(MOST_SAMPLES):
        return None
    low, high = 1, MOST_SAMPLES
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if decides(middle) else (middle, high)
    return high


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values for their number, so that one below 0.05 may be relied on among all of them (Holm 1979)."""
    order = np.argsort(p_values, kind="stable")
    raised = np.asarray(p_values, float)[order] * np.arange(len(order), 0, -1)
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(np.maximum.accumulate(raised), 1.0)
    return [float(p) for p in adjusted]
