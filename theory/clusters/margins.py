"""When sums of powers turn positive: the sign of a margin over rounds (claims J5, J7)."""

from __future__ import annotations

import numpy as np

from ..base.validation import Array

# Terms below `_EQUAL` cancel; a crossing within `_TIE` of a whole number is that number.
_TIE = 1e-9
_EQUAL = 1e-12
_SEARCHED_ROUNDS = 1_000_000


def first_positive_round(coefficients: Array, bases: Array) -> float:
    """Least whole t ≥ 1 at which all rows of ``Σ_i coefficients[:, i] · bases[i]^t`` are positive; ∞ if none.

    Rows of two terms, which is all of them for equally frequent labels, have a closed form; others are
    searched until their largest base decides, or for a million rounds.
    """
    live = bases > 0
    rows, base = coefficients[:, live], bases[live]
    # Equal bases are one term.
    base, where = np.unique(base, return_inverse=True)
    merged = np.zeros((len(rows), len(base)))
    np.add.at(merged.T, where, rows.T)
    merged[np.abs(merged) < _EQUAL] = 0.0
    if not (merged != 0).any(axis=1).all():
        return np.inf
    low, high = 1.0, np.inf
    open_rows = []
    for row in merged:
        present = np.flatnonzero(row)
        a = row[present]
        if (a < 0).all():
            return np.inf
        if (a > 0).all():
            continue
        if len(present) > 2:
            open_rows.append(row)
            continue
        crossing = np.log(-a[0] / a[1]) / np.log(base[present[1]] / base[present[0]])
        if a[1] > 0:
            low = max(low, np.floor(crossing + _TIE) + 1)
        else:
            high = min(high, np.ceil(crossing - _TIE) - 1)
    if low > high:
        return np.inf
    return _search(np.array(open_rows), base, low, high) if open_rows else float(low)


def _search(rows: Array, base: Array, low: float, high: float) -> float:
    scaled = np.log(base / base[-1])
    end = min(high, low + _SEARCHED_ROUNDS)
    for row in rows:  # beyond `settled` the largest base has the say
        present = np.flatnonzero(row)
        lead, rest = present[-1], present[:-1]
        growth = scaled[lead] - scaled[rest[-1]]
        settled = np.log(np.abs(row[rest]).sum() / abs(row[lead])) / growth
        if row[lead] < 0:
            end = min(end, max(low, np.ceil(settled)))
    start, width = low, 64
    while start <= end:
        t = np.arange(start, min(end, start + width - 1) + 1)
        # Divided by each row's own leading power, so that nothing underflows to a tie.
        leads = np.array([np.flatnonzero(row)[-1] for row in rows])
        powers = np.exp(t[:, None, None] * np.minimum(scaled - scaled[leads][:, None], 0.0))
        positive = ((powers * rows).sum(axis=2) > _EQUAL).all(axis=1)
        if positive.any():
            return float(t[positive.argmax()])
        start, width = start + width, min(2 * width, 65536)
    return np.inf
