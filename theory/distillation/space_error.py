"""How accurate a run on a Krylov space is.

A run on the space is exact for the projected gram, a Gauss rule. What the space leaves out is estimated by the same
run on the Gauss-Radau rule: in the first round of ridge, multipliers on the two rules lie on both sides of the true
one. What rounding does is estimated by the same run on projections that are changed at random by as much. Runs are
compared round by round, in multipliers, norms and fits; a fit is a vector of the space, so that nothing is lost
between them. An estimate that is an upper bound may be far above the error: how far is seen one size of the space
later, when the run on the larger space stands for the truth, and the next estimate is lowered by it, with a margin.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..base.validation import Array, InfeasibleToleranceError
from ..spectra.bases import IdentityBasis
from ..spectra.block_lanczos import KrylovSpace
from ..spectra.gauss_radau import QuadratureRule, gauss_rule, radau_rule, rounded_rule
from ..spectra.krylov import KrylovError
from ..spectra.spectrum import Spectrum
from .schedules import Schedule
from .trajectory import Trajectory

Solve = Callable[[Spectrum, Schedule], Trajectory]

# On the difference of two rules, whose errors need not be of opposite sign.
_SAFETY = 2.0
# Projections that are drawn to see what rounding does; their seed, so that an estimate is the same each time.
_DRAWS, _SEED = 4, 0
# The vectors of the space are rounded too, and what a fit has outside the space no projection shows.
_OUTSIDE = np.array([1.0, 1.0, 5.0])
# How far an estimate is lowered: not beyond this multiple of what was seen to be enough one size earlier, and only
# from so many vectors on, where convergence is no longer abrupt.
_MARGIN, _STEADY = 10.0, 8
# Results are stored in so many units of the precision, whatever the run.
_STORED = 20.0


@dataclass(frozen=True, eq=False)
class SpaceRun:
    """A run on a Krylov space of some size, and the run on its Gauss-Radau rule.

    Attributes
    ----------
    space : KrylovSpace
    run : Trajectory
        On the Gauss rule.
    fits : ndarray (T, m, k)
        Fitted values of every round in the vectors of the space.
    left_out : ndarray (3,)
        Differences from the run on the Gauss-Radau rule: of multipliers, norms and fits.
    """

    space: KrylovSpace
    run: Trajectory
    fits: Array
    left_out: Array

    @classmethod
    def of(cls, space: KrylovSpace, targets: Array, schedule: Schedule, solve: Solve) -> SpaceRun:
        """Run the schedule on both rules of a space."""
        run, fits = _solved(gauss_rule(space), targets, schedule, solve)
        left_out = np.zeros(3)
        if run.rounds and not space.invariant:
            left_out = _differences(run, fits, *_tried(radau_rule(space), targets, schedule, solve))
        return cls(space, run, fits, left_out)

    def error(
        self, before: SpaceRun | None, tolerance: float, targets: Array, schedule: Schedule, solve: Solve
    ) -> KrylovError:
        """Estimate the error of this run, where `before` is that of a smaller space.

        What rounding does is only asked once the rest is below the tolerance, or falls no further.
        """
        if self.run.rounds == 0 or self.space.size == 0:  # targets of zero open no space: all is zero
            return KrylovError(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
        left_out = _SAFETY * self.left_out * self._looseness(before)
        falling = before is None or bool((self.left_out < 0.5 * before.left_out).any())
        if falling and left_out.max() > tolerance:
            return KrylovError(*left_out.tolist(), *np.zeros(3).tolist())
        rng = np.random.default_rng(_SEED)
        drawn = [
            _differences(
                self.run, self.fits, *_tried(rounded_rule(self.space, rng), targets, schedule, solve)
            )
            for _ in range(_DRAWS)
        ]
        rounding = np.max(drawn, axis=0) * _OUTSIDE + _STORED * self.space.roundoff
        if not self.run.has_ridges:
            rounding[0] = 0.0
        return KrylovError(*(left_out + rounding).tolist(), *rounding.tolist())

    def _looseness(self, before: SpaceRun | None) -> Array:
        """Shares to which the estimates are lowered, from how far above the error those of `before` turned out."""
        if before is None or before.run.rounds != self.run.rounds or before.space.size < _STEADY:
            return np.ones(3)
        known = (self.left_out <= before.left_out / _MARGIN) & np.isfinite(before.left_out)
        true = _differences(self.run, self.fits, before.run, before.fits)
        seen = np.divide(true, before.left_out, out=np.ones(3), where=known & (before.left_out > 0))
        return np.minimum(1.0, _MARGIN * seen)


def on_rule(rule: QuadratureRule, targets: Array) -> Spectrum:
    """Return a rule as a spectrum of its own, with nothing to refine."""
    return Spectrum(rule.nodes, rule.coefficients, targets, IdentityBasis(), 0.0, False)


def _solved(
    rule: QuadratureRule, targets: Array, schedule: Schedule, solve: Solve
) -> tuple[Trajectory, Array]:
    run = solve(on_rule(rule, targets), schedule)
    return run, rule.vectors @ (run.filters[:, :, None] * rule.coefficients)


def _tried(
    rule: QuadratureRule, targets: Array, schedule: Schedule, solve: Solve
) -> tuple[Trajectory | None, Array]:
    """Solve on another rule, on which the training error may be out of reach."""
    try:
        return _solved(rule, targets, schedule, solve)
    except InfeasibleToleranceError:
        return None, np.zeros(0)


def _differences(run: Trajectory, fits: Array, other: Trajectory | None, other_fits: Array) -> Array:
    """Largest relative differences over the rounds: of multipliers, of norms, and of fits relative to ``‖y‖``."""
    if other is None or other.rounds != run.rounds:
        return np.full(3, np.inf)
    shared = min(fits.shape[1], other_fits.shape[1])
    apart = np.sum((fits[:, :shared] - other_fits[:, :shared]) ** 2, axis=(1, 2))
    for rest in (fits[:, shared:], other_fits[:, shared:]):
        apart += np.sum(rest**2, axis=(1, 2))
    tiny = np.finfo(float).tiny
    multipliers = np.abs(other.multipliers / np.maximum(run.multipliers, tiny) - 1)
    norms = np.abs(other.target_norms / np.maximum(run.target_norms, tiny) - 1)
    return np.array(
        [
            multipliers.max() if run.has_ridges else 0.0,
            norms.max(),
            np.sqrt(apart.max()) / run.target_norms[0],
        ]
    )
