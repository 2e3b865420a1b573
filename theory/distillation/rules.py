"""Rules: what a schedule makes for a spectrum, to choose the steps of a run one after another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..base.arrays import to_host
from ..base.validation import Array
from ..spectra.spectrum import Spectrum
from .multiplier import excess_energies, excess_energy, penalty_for_error
from .recursion import March, Step, ridge_gain


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


@dataclass(frozen=True, eq=False)
class RidgeRule:
    """Given penalties, and what the targets of every round are made of.

    Attributes
    ----------
    ridges : ndarray (T, g)
    given_weights : ndarray (T,)
        Weight of the given targets.
    past_weights, noise_variances : ndarray (T,), optional
        Weight of the targets of the round before, and variance of the noise that the targets gain: none if left out.
    """

    ridges: Array
    given_weights: Array
    past_weights: Array | None = None
    noise_variances: Array | None = None

    first = 1.0

    @property
    def collapsed(self) -> Array:
        """None: with a ridge the fit never becomes zero."""
        return np.zeros(self.ridges.shape[1], bool)

    def choose(self, march: March) -> tuple[March, Step] | None:
        """Take the next penalties."""
        if march.fits == len(self.ridges):
            return None
        t, ridges = march.fits, self.ridges[march.fits]
        given, past, noise = (
            0.0 if values is None else float(values[t])
            for values in (self.given_weights, self.past_weights, self.noise_variances)
        )
        return march, Step(ridge_gain(march.eigenvalues, ridges), ridges, given, past, noise)


@dataclass(frozen=True, eq=False)
class FlowRule:
    """Gradient flow, or `substeps` steps of descent, for a time in which an eigenvalue d decays by ``rate · d``."""

    rate: float
    substeps: int | None
    given_weights: Array

    first = 0.0
    collapsed = np.zeros(1, bool)

    def choose(self, march: March) -> tuple[March, Step] | None:
        """Flow for one more epoch."""
        if march.fits == len(self.given_weights):
            return None
        progress = self.rate * march.eigenvalues
        if self.substeps is None:
            gain = -np.expm1(-progress)
        else:
            with np.errstate(divide="ignore", invalid="ignore"):
                gain = -np.expm1(self.substeps * np.log1p(-progress / self.substeps))
                unstable = progress >= self.substeps
                gain = np.where(unstable, 1 - (1 - progress / self.substeps) ** self.substeps, gain)
        weight = float(self.given_weights[march.fits])
        return march, Step(gain, np.full(len(march.members), np.nan), weight, flows=True)
