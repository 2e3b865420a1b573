"""The one recursion: a round turns the last fit and the given targets into new targets, and shrinks those.

On each eigenvector of the gram the fit after t rounds is a number b_t times the given targets. Round t mixes
``m_t = w_t + v_t m_{t−1} + (1 − w_t − v_t) b_{t−1}``, w_t the weight of the given targets and v_t that of the targets
of the round before, and fits it. Kernel ridge starts anew and shrinks what it is given, ``b_t = gain_t m_t`` with
``gain_t = d / (d + c_t)``; gradient flow goes on from the last fit, ``b_t = b_{t−1} + gain_t (m_t − b_{t−1})``. Ridge
refits the given targets first, so that b_0 = 1; a flow begins at the function zero, so that b_0 = 0. Any number of
problems march side by side, one a row. A round's targets may gain noise; of the expected fit it changes nothing, and
its variance follows from the steps alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from ..base.validation import Array, InputError

# Steps of descent that diverge are shown up to a growth by so many powers of ten.
_MOST_DECADES = 60


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
    targets : ndarray (g, m)
        m_t of each problem: of the targets that the last fit was given.
    members : ndarray (g,)
        Which of the problems given at the start these are; those that collapsed have left.
    fits : int
        Rounds made.
    """

    eigenvalues: Array
    magnitudes: Array
    filters: Array
    targets: Array
    members: Array
    fits: int = 0

    @classmethod
    def start(cls, eigenvalues: Array, magnitudes: Array, first: float) -> March:
        """Begin with targets of these magnitudes, (g, m), and b_0 = first."""
        at = np.full(magnitudes.shape, first)
        return cls(eigenvalues, magnitudes, at, at, np.arange(len(magnitudes)))

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
            targets=self.targets[going],
            members=self.members[going],
        )

    def after(self, step: Step) -> March:
        """Make one round."""
        own = 1 - step.given_weight - step.past_weight
        targets = step.given_weight + own * self.filters
        if step.past_weight:
            targets = targets + step.past_weight * self.targets
        fit = step.gain * targets
        if step.flows:
            fit = fit + (1 - step.gain) * self.filters
        return replace(self, filters=fit, targets=targets, fits=self.fits + 1)

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
        Weight of the given targets among those of the round.
    past_weight : float
        Weight of the targets of the round before; the last fit has the rest.
    noise_variance : float
        Variance of the noise that the targets of the round gain, in every direction of one output.
    flows : bool
        Whether the fit starts from the last one, as gradient flow does, and not from zero.
    """

    gain: Array
    ridges: Array
    given_weight: float = 0.0
    past_weight: float = 0.0
    noise_variance: float = 0.0
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
    return np.divide(eigenvalues, total, out=np.zeros(total.shape), where=eigenvalues > 0)


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
                with np.errstate(over="ignore"):
                    gain = np.where(unstable, 1 - (1 - progress / self.substeps) ** self.substeps, gain)
            if len(self.given_weights) * np.log10(np.abs(gain).max(initial=1.0)) > _MOST_DECADES:
                raise InputError(
                    f"gradient descent in {self.substeps} substeps an epoch diverges: it is stable for steps below "
                    f"{self.substeps / float(march.eigenvalues.max()):.3g}. Take a smaller step, or more substeps."
                )
        weight = float(self.given_weights[march.fits])
        return march, Step(gain, np.full(len(march.members), np.nan), weight, flows=True)


def residual_filter(eigenvalues: Array, ridges: Array, given_weights: Array, past_weights: Array) -> Array:
    """``1 − b_t`` without cancellation, for rounds with these ridges: (m,).

    The recursion of b and m, written for what is missing of the targets:
    ``1 − b_t = (c_t + d (1 − m_t)) / (d + c_t)``.
    """
    missing, left = np.zeros(len(eigenvalues)), np.zeros(len(eigenvalues))
    for c, given, past in zip(ridges, given_weights, past_weights, strict=True):
        missing = past * missing + (1 - given - past) * left
        total = eigenvalues + c
        left = np.divide(c + eigenvalues * missing, total, out=np.ones_like(left), where=total > 0)
    return left


def gained_variances(
    eigenvalues: Array, ridges: Array, given_weights: Array, past_weights: Array, noise_variances: Array
) -> Array:
    """Variance that the noise which targets gained leaves in every fit, (T, m), in every direction of one output.

    What is noise in the targets of one round is, in those of the next, ``v_t + (1 − w_t − v_t) gain_{t−1}`` times as
    much, and new noise comes to it.
    """
    gains = ridge_gain(eigenvalues, ridges)
    carried = past_weights[1:, None] + (1 - given_weights - past_weights)[1:, None] * gains[:-1]
    spreads = np.empty_like(gains)
    spreads[:1] = noise_variances[:1, None]
    for t in range(1, len(gains)):
        spreads[t] = carried[t - 1] ** 2 * spreads[t - 1] + noise_variances[t]
    return np.asarray(gains**2 * spreads)
