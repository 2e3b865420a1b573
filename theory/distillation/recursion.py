"""The one recursion: a round turns the last fit and the given targets into new targets, and shrinks those.

On each eigenvector of the gram the fit after t rounds is a number b_t times the given targets. Round t mixes
``m_t = w_t + (1 − w_t) b_{t−1}``, w_t the weight of the given targets, and fits it. Kernel ridge starts anew and
shrinks what it is given, ``b_t = gain_t m_t`` with ``gain_t = d / (d + c_t)``; gradient flow goes on from the last
fit, ``b_t = b_{t−1} + gain_t (m_t − b_{t−1})``. Ridge refits the given targets first, so that b_0 = 1; a flow
begins at the function zero, so that b_0 = 0. Any number of problems march side by side, one a row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from ..base.validation import Array


@dataclass(frozen=True, eq=False)
class March:
    """Problems on their way: where each stands after `fits` rounds.

    Attributes
    ----------
    eigenvalues : ndarray (m,) or (g, m)
    magnitudes : ndarray (g, m)
        Norm over outputs of the given targets along each eigenvector.
    filters : ndarray (g, m)
        b_t of each problem.
    members : ndarray (g,)
        Which of the problems given at the start these are; those that collapsed have left.
    fits : int
        Rounds made.
    """

    eigenvalues: Array
    magnitudes: Array
    filters: Array
    members: Array
    fits: int = 0

    @classmethod
    def start(cls, eigenvalues: Array, magnitudes: Array, first: float) -> March:
        """Begin with targets of these magnitudes, (g, m), and b_0 = first."""
        return cls(eigenvalues, magnitudes, np.full(magnitudes.shape, first), np.arange(len(magnitudes)))

    def select(self, going: Array) -> March:
        """Keep the problems that go on, by a boolean mask over those here."""
        if going.all():
            return self
        shared = self.eigenvalues.ndim == 1
        return replace(
            self,
            eigenvalues=self.eigenvalues if shared else self.eigenvalues[going],
            magnitudes=self.magnitudes[going],
            filters=self.filters[going],
            members=self.members[going],
        )

    def after(self, step: Step) -> March:
        """Make one round."""
        targets = step.given_weight + (1 - step.given_weight) * self.filters
        fit = step.gain * targets
        if step.flows:
            fit = fit + (1 - step.gain) * self.filters
        return replace(self, filters=fit, fits=self.fits + 1)

    def norms(self) -> Array:
        """Norm of the targets of the next round, (g,)."""
        return np.linalg.norm(self.magnitudes * self.filters, axis=1)


@dataclass(frozen=True, eq=False)
class Step:
    """One round of every problem that goes on.

    Attributes
    ----------
    gain : ndarray (g, m) or (m,)
        Share of its targets that the round's fit reaches: ``d / (d + c)`` for a ridge c.
    ridges : ndarray (g,)
        The penalties; NaN for schedules without any.
    given_weight : float
        Weight of the given targets among those of the round; the last fit has the rest.
    flows : bool
        Whether the fit starts from the last one, as gradient flow does, and not from zero.
    """

    gain: Array
    ridges: Array
    given_weight: float = 0.0
    flows: bool = False


class Rule(Protocol):
    """What chooses the steps of a run, made by a schedule for a spectrum."""

    @property
    def first(self) -> float:
        """b_0: 1 where the first round refits the given targets, 0 where a flow begins at the function zero."""

    @property
    def collapsed(self) -> Array:
        """Which problems have ended because the next fit would be zero, (g,)."""

    def choose(self, march: March) -> tuple[March, Step] | None:
        """Return the problems that go on and their next round, or None when all are over."""


def ridge_gain(eigenvalues: Array, ridges: Array) -> Array:
    """``d / (d + c)`` for each ridge (g,) and eigenvalue (m,) or (g, m); 0 for an eigenvalue of 0."""
    total = eigenvalues + ridges[:, None]
    return np.divide(
        eigenvalues, total, out=np.zeros_like(total), where=np.broadcast_to(eigenvalues > 0, total.shape)
    )


def run_march(
    eigenvalues: Array, magnitudes: Array, rule: Rule, record: Callable[[March, Step], None]
) -> None:
    """Make rounds until the rule ends them; tell `record` what each has come to.

    Parameters
    ----------
    eigenvalues : ndarray (m,) or (g, m)
    magnitudes : ndarray (g, m)
        Norm over outputs of the given targets along each eigenvector.
    rule : Rule
    record : callable
        Called after every round with the problems that made it, and the round.
    """
    march = March.start(eigenvalues, magnitudes, rule.first)
    while (chosen := rule.choose(march)) is not None:
        march, step = chosen
        march = march.after(step)
        record(march, step)


def residual_filter(eigenvalues: Array, ridges: Array, given_weights: Array) -> Array:
    """``1 − b_t`` without cancellation, for rounds with these ridges: (m,).

    The recursion of b, written for what is left of the targets:
    ``1 − b_t = (c_t + d (1 − w_t)(1 − b_{t−1})) / (d + c_t)``.
    """
    left = np.zeros(len(eigenvalues))
    for c, weight in zip(ridges, given_weights, strict=True):
        total = eigenvalues + c
        left = np.divide(
            c + eigenvalues * (1 - weight) * left, total, out=np.ones_like(left), where=total > 0
        )
    return left
