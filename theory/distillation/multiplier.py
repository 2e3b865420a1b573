"""The penalty that makes a ridge fit's training error exactly ε: one root per round, and the rule of such rounds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..base.arrays import to_host
from ..base.validation import Array, InputError
from ..spectra.spectrum import Spectrum
from .recursion import March, Step, ridge_gain

# Rounds that are made one by one until collapse, where the caller names no number: they take seconds.
MOST_ROUNDS = 100_000

_ITERATIONS = 200


def excess_energy(values: Array, budget_factors: tuple[float, float]) -> float:
    """``‖values‖² − a·b`` without cancellation, for budget factors (a, b).

    Close to collapse the two agree in all but the last digits, and the multiplier is as accurate as their
    difference. Each product is split into a rounded value and its exact error (Dekker 1971), and so is each
    addition.
    """
    flat = np.ravel(values).astype(np.float64)
    # A power of two takes the values near 1, exactly: the splitting below would overflow at large ones.
    power = int(np.frexp(np.abs(flat).max(initial=0.0))[1])
    flat = np.ldexp(flat, -power)
    x = np.append(flat, budget_factors[0])
    y = np.append(flat, -np.ldexp(budget_factors[1], -2 * power))
    product, error = _exact_product(x[None], y[None])
    return float(np.ldexp(_accurate_sum(product, error)[0], 2 * power))


def excess_energies(values: Array, budgets: Array) -> Array:
    """``‖values‖² − budget`` for each row, as accurately as :func:`excess_energy`.

    Parameters
    ----------
    values : array (g, m)
    budgets : array (g,)

    Returns
    -------
    array (g,)
    """
    excess = np.einsum("gm,gm->g", values, values) - budgets
    near = np.flatnonzero(np.abs(excess) < budgets)  # elsewhere nothing cancels
    product, error = _exact_product(values[near], values[near])
    excess[near] = _accurate_sum(np.concatenate([product, -budgets[near, None]], axis=1), error)
    return np.asarray(excess)


def _accurate_sum(terms: Array, errors: Array) -> Array:
    """Row sums of terms and their errors as if in twice the precision (Ogita, Rump and Oishi 2005)."""
    error = errors.sum(axis=1)
    while terms.shape[1] > 1:
        half = terms.shape[1] // 2
        a, b, rest = terms[:, :half], terms[:, half : 2 * half], terms[:, 2 * half :]
        added = a + b
        part = added - a
        error = error + ((a - (added - part)) + (b - part)).sum(axis=1)
        terms = np.concatenate([added, rest], axis=1)
    return np.asarray(terms[:, 0] + error)


def _exact_product(x: Array, y: Array) -> tuple[Array, Array]:
    def split(v: Array) -> tuple[Array, Array]:
        scaled = v * 134217729.0  # 2**27 + 1
        high = scaled - (scaled - v)
        return high, v - high

    product = x * y
    (xh, xl), (yh, yl) = split(x), split(y)
    return product, ((xh * yh - product) + xh * yl + xl * yh) + xl * yl


def penalty_for_error(eigenvalues: Array, weights: Array, budget: Array, excess: Array) -> Array:
    """Solve ``Σ_k (c / (c + d_k))² w_k = budget`` for c > 0, for any number of problems at once.

    In ``λ = 1/c`` the reciprocal residual norm is a concave, increasing, nearly linear function, so Newton's
    method on it climbs to the root from the left without overshooting (Hebden 1973; Moré and Sorensen 1983,
    for the trust-region equation, of which this is one). It lies between two bounds:
    ``(r − 1)/d_max ≤ λ ≤ (r − 1)/d_min``, ``r = √(Σ w / budget)``.

    Parameters
    ----------
    eigenvalues : array (m,) or (..., m)
        Positive d_k.
    weights : array (..., m)
        w_k, squared norm of the targets along direction k; at least one positive in each problem.
    budget : array (...)
        Squared residual norm to reach, above zero (what no fit can reach already taken off).
    excess : array (...)
        ``Σ w − budget``, above zero, as accurately as the caller knows it.

    Returns
    -------
    array (...)
        The penalties c.
    """
    w = weights / budget[..., None]
    gap_at_zero = excess / budget
    ratio_excess = gap_at_zero / (1 + np.sqrt(1 + gap_at_zero))  # r − 1
    present = w > 0
    least = np.where(present, eigenvalues, np.inf).min(axis=-1)
    largest = np.where(present, eigenvalues, 0.0).max(axis=-1)
    m = w.shape[-1]
    shape = ratio_excess.shape
    inverse = _climb(
        np.broadcast_to(eigenvalues, w.shape).reshape(-1, m) if np.ndim(eigenvalues) > 1 else eigenvalues,
        w.reshape(-1, m),
        gap_at_zero.ravel(),
        (ratio_excess / largest).ravel(),
        (ratio_excess / least).ravel(),
    )
    return np.asarray(1 / inverse).reshape(shape)


def _climb(d: Array, w: Array, gap_at_zero: Array, lower: Array, upper: Array) -> Array:
    """Newton's method from below for every row of w (g, m) in the unit budget; d is (m,) or (g, m)."""
    found = np.empty_like(lower)
    rows = np.arange(len(w))
    inverse = lower
    for _ in range(_ITERATIONS):
        scaled = inverse[:, None] * d
        damped = 1 / (1 + scaled)
        residual = w * damped**2
        squared_norm = residual.sum(axis=1)
        gap = squared_norm - 1
        near = gap_at_zero < 1
        if near.any():  # there the difference cancels, and this way of writing it does not
            gap[near] = gap_at_zero[near] - np.sum((residual * scaled * (2 + scaled))[near], axis=1)
        slope = (residual * damped * d).sum(axis=1)
        step = squared_norm * gap / ((1 + np.sqrt(squared_norm)) * slope)
        moved = np.clip(inverse + step, lower, upper)
        found[rows] = moved
        # The climb is monotone: a step that does not go up is rounding.
        rising = moved > inverse * (1 + 2 * np.finfo(np.float64).eps)
        if not rising.any():
            break
        if not rising.all():
            rows, w, gap_at_zero, lower, upper = (a[rising] for a in (rows, w, gap_at_zero, lower, upper))
            d = d if d.ndim == 1 else d[rising]
        inverse = moved[rising]
    return found


@dataclass(eq=False)
class ToleranceRule:
    """Penalties that make each round's training error exactly the budget; notes which problems have collapsed.

    Attributes
    ----------
    budgets : ndarray (g,)
        Squared residual norm of every round, ``n ε``.
    excess : ndarray (g,)
        Squared norm of the given targets above the budget, as accurately as it is known.
    null_energy : ndarray (g,)
        Squared norm of what no fit reaches; gone after the first round.
    max_rounds : int or None
    """

    budgets: Array
    excess: Array
    null_energy: Array
    max_rounds: int | None

    first = 1.0

    def __post_init__(self) -> None:
        self.collapsed = np.zeros(len(self.budgets), bool)
        self._ratios = np.sqrt(np.maximum(1 + self.excess / self.budgets, 0.0))

    def choose(self, march: March) -> tuple[March, Step] | None:
        """Let go of the problems that are at the tolerance, and solve for the penalty of the others."""
        excess, rounding = self.excess, np.zeros(len(self.excess))
        budgets = self.budgets[march.members]
        if march.fits:
            excess = excess_energies(march.magnitudes * march.filters, budgets)
            # What rounding leaves in the squared norm after so many products.
            rounding = 8 * np.finfo(np.float64).eps * march.fits * self._ratios[march.members] * budgets
        going = excess > rounding
        self.collapsed[march.members[~going]] = True
        if march.fits == self.max_rounds or not going.any():
            return None
        if march.fits >= MOST_ROUNDS and self.max_rounds is None:
            raise InputError(
                f"not collapsed after {MOST_ROUNDS} rounds. Give max_rounds, or a larger epsilon (a smaller ratio)."
            )
        march = march.select(going)
        ridges = self._solve(march, budgets[going], excess[going])
        return march, Step(ridge_gain(march.eigenvalues, ridges), ridges)

    def _solve(self, march: March, budgets: Array, excess: Array) -> Array:
        reachable = budgets - self.null_energy[march.members] if march.fits == 0 else budgets
        weights = (march.magnitudes * march.filters) ** 2
        d = march.eigenvalues
        if d.ndim == 1:  # directions without targets have no say
            seen = np.flatnonzero((d > 0) & march.magnitudes.any(axis=0))
            d, weights = d[seen], weights[:, seen]
        ridges = np.zeros(len(budgets))
        solvable = reachable > 0
        ridges[solvable] = penalty_for_error(
            d if d.ndim == 1 else d[solvable], weights[solvable], reachable[solvable], excess[solvable]
        )
        return ridges


def tolerance_rule(spectrum: Spectrum, epsilons: Array, max_rounds: int | None) -> ToleranceRule:
    """Rule for a training error of each run on a spectrum, (g,)."""
    n, targets = float(spectrum.n_samples), to_host(spectrum.targets)
    # Targets whose ratio rounds to 1 are at the tolerance, as all bounds have it.
    excess = [excess_energy(targets, (n, e)) if spectrum.initial_ratio(e) > 1 else 0.0 for e in epsilons]
    null = np.full(len(epsilons), spectrum.seen_null_energy)
    return ToleranceRule(n * epsilons, np.array(excess), null, max_rounds)
