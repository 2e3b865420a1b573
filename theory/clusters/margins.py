"""Over which rounds a sum of powers is positive: the sign of a margin, found exactly and not by counting rounds."""

from __future__ import annotations

import itertools

import numpy as np

from ..base.validation import Array

# A crossing within this of a whole number is that number.
_TIE = 1e-9
# Coefficients below this are rounding of ones that cancel.
_EQUAL = 1e-12

Interval = tuple[float, float]


def first_positive_round(coefficients: Array, logarithms: Array) -> float:
    """Least whole t ≥ 1 at which every row of ``Σ_i coefficients[:, i] · exp(logarithms[i] · t)`` is positive.

    ∞ if there is none.
    """
    for low, high in _all_positive(coefficients, logarithms):
        t = max(1.0, float(np.floor(low + _TIE)) + 1)
        if t <= np.ceil(high - _TIE) - 1:
            return t
    return np.inf


def last_positive_round(coefficients: Array, logarithms: Array, resolution: float) -> float:
    """Last whole t ≥ 1 at which every row is above `resolution`; 0 if there is none, ∞ if they stay so."""
    for low, high in reversed(_all_positive(coefficients, logarithms, resolution)):
        t = float(np.ceil(high - _TIE)) - 1
        if t >= max(1.0, np.floor(low + _TIE) + 1):
            return t
    return 0.0


def _all_positive(coefficients: Array, logarithms: Array, resolution: float = 0.0) -> list[Interval]:
    """Where all rows are above `resolution`, as open intervals of (0, ∞) in order."""
    live = logarithms > -np.inf
    # Equal bases are one term.
    rates, where = np.unique(logarithms[live], return_inverse=True)
    merged = np.zeros((len(coefficients), len(rates)))
    np.add.at(merged.T, where, coefficients[:, live].T)
    found: list[Interval] = [(0.0, np.inf)]
    for row in merged:
        present = np.abs(row) >= _EQUAL * np.abs(row).max(initial=0.0)
        present &= row != 0
        a, its_rates = row[present], rates[present]
        if resolution:
            if not (its_rates == 0).any():
                a, its_rates = np.append(a, 0.0), np.append(its_rates, 0.0)
            a[-1] -= resolution
        found = _intersection(found, _positive(a, its_rates))
        if not found:
            break
    return found


def _positive(a: Array, rates: Array) -> list[Interval]:
    """Where one sum of exponentials is positive."""
    roots = _roots(a, rates)
    edges = [0.0, *roots, np.inf]
    inside = [(low + high) / 2 if high < np.inf else low + 1 for low, high in itertools.pairwise(edges)]
    signs = [_value(a, rates, t) > 0 for t in inside[:-1]] + [bool(len(a)) and a[-1] > 0]
    return [span for span, sign in zip(itertools.pairwise(edges), signs, strict=True) if sign]


def _value(a: Array, rates: Array, t: float) -> float:
    """The sum divided by its largest power, so that nothing underflows to a tie."""
    return float(a @ np.exp((rates - rates[-1]) * t))


def _roots(a: Array, rates: Array) -> list[float]:
    """Positive roots of ``Σ a_i exp(rates_i t)``, rates ascending: between those of a sum with one term less."""
    a, rates = a[a != 0], rates[a != 0]
    if len(a) < 2 or (a > 0).all() or (a < 0).all():
        return []
    if len(a) == 2:
        crossing = float(np.log(-a[0] / a[1]) / (rates[1] - rates[0]))
        return [crossing] if crossing > 0 else []
    # Divided by the last power the sum has a derivative without its last term; between its turns it is monotone.
    shifted = rates[:-1] - rates[-1]
    turns = _roots(a[:-1] * (shifted / -shifted[0]), shifted)
    # Beyond `settled` the last term outweighs all others.
    weights = np.log((len(a) * np.abs(a[:-1])) / abs(a[-1])) / (rates[-1] - rates[:-1])
    settled = max(1.0, float(weights.max()), *(2 * turn for turn in turns))
    edges = [0.0, *turns, settled]
    roots = []
    for low, high in itertools.pairwise(edges):
        if _value(a, rates, low) * _value(a, rates, high) < 0:
            roots.append(_bisected(a, rates, low, high))
    return roots


def _bisected(a: Array, rates: Array, low: float, high: float) -> float:
    """The root between two ends of opposite sign, to the last digit."""
    rising = _value(a, rates, high) > 0
    while low < (middle := (low + high) / 2) < high:
        low, high = (low, middle) if (_value(a, rates, middle) > 0) == rising else (middle, high)
    return high


def _intersection(first: list[Interval], second: list[Interval]) -> list[Interval]:
    spans = [(max(a, c), min(b, d)) for a, b in first for c, d in second]
    return sorted(span for span in spans if span[0] < span[1])


def least_rows(rows: Array, *, dominated: bool) -> Array:
    """Rows without repetitions; with `dominated` also without those that are nowhere below another.

    Where all weights are at least 0, the sums of the rows that are left out are no smaller than one that stays.
    """
    if len(rows) < 2:
        return rows
    spread = np.ptp(rows, axis=0)
    varying = spread > 0
    if dominated and varying.sum() < 2:
        return rows[[rows.sum(axis=1).argmin()]]
    if dominated:
        # One row with small entries everywhere leaves few candidates to be sorted.
        best = rows[[(rows[:, varying] / spread[varying]).sum(axis=1).argmin()]]
        rows = np.concatenate([best, rows[(rows < best).any(axis=1)]])
    rows = rows[np.lexsort(rows[:, varying].T[::-1])]
    rows = rows[np.append(True, (np.diff(rows, axis=0) != 0).any(axis=1))]
    if not dominated or varying.sum() > 2:
        return rows
    last = rows[:, varying][:, -1]
    before = np.minimum.accumulate(np.append(np.inf, last))[:-1]
    return rows[last < before]
