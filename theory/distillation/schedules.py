"""Schedules: how the penalty and the targets of every round are chosen.

A schedule is a value. `distill` runs any of them on any spectrum; they differ in nothing but the rule that
each of them makes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

from ..base.arrays import to_host
from ..base.validation import (
    Array,
    InputError,
    as_real_array,
    check_count,
    check_flag,
    check_fraction,
    check_nonnegative,
    check_positive,
    check_rounds,
)
from ..spectra.memory_cost import Cost, require_memory
from ..spectra.spectrum import Spectrum, as_spectrum
from .left_out_run import LeftOutRun
from .multiplier import MOST_ROUNDS, ToleranceRule, tolerance_rule
from .recursion import FlowRule, RidgeRule, Rule

GivenWeight = float | Sequence[float] | Array | Literal["best"]

# What the filters of a run to collapse may need at least, unless the caller bounds it.
_MOST_BYTES = 8 * 2**30
# Less than this is not worth asking how much memory is free.
_NO_MATTER = 2**28


class Schedule(Protocol):
    """What `distill` asks of a schedule."""

    @property
    def epsilon(self) -> float | None:
        """The training error of every round, where the schedule fixes it."""

    @property
    def needs_all(self) -> str | None:
        """What of the schedule needs every eigenvalue, as a message names it; None if products suffice."""

    def check(self, spectrum: Spectrum) -> None:
        """Raise `InputError` if the schedule cannot be run on the spectrum, before any work."""

    def rule(self, spectrum: Spectrum) -> Rule:
        """Make the rule that chooses the steps."""


@dataclass(frozen=True)
class ToTolerance:
    """Every round has the training error ε exactly; the run ends when the fit would be zero.

    Each round minimises ``‖f‖²`` subject to ``mean (f(x_i) − y_i)² ≤ epsilon``. A fit whose targets have norm
    at most ``√(n ε)`` is zero: the run has collapsed.

    Parameters
    ----------
    epsilon : float
        Mean squared training error of every round (summed over outputs), above 0.
    max_rounds : int, optional
        Stop after so many fits even if not collapsed. Must be given where collapse is known to take more than a
        million rounds, or 8 GiB of filters.

    References
    ----------
    Mobahi et al. 2020, sections 2 and 3.
    """

    epsilon: float
    max_rounds: int | None = None

    needs_all = None

    def __post_init__(self) -> None:
        hint = "It is the mean squared training error of every round."
        object.__setattr__(self, "epsilon", check_positive(self.epsilon, "epsilon", hint))
        if self.max_rounds is not None:
            check_count(self.max_rounds, "max_rounds", least=0)

    def check(self, spectrum: Spectrum) -> None:
        """Refuse an ε that no fit reaches, or one that takes more rounds than can be held."""
        spectrum.check_feasible(self.epsilon)
        if self.max_rounds is None:
            _check_room(spectrum.initial_ratio(self.epsilon) - 1, len(spectrum.eigenvalues), self.epsilon)
        else:
            require_filters(min(self.max_rounds, spectrum.initial_ratio(self.epsilon) - 1), spectrum)

    def rule(self, spectrum: Spectrum) -> ToleranceRule:
        """Solve for the penalty of each round."""
        return tolerance_rule(spectrum, np.array([self.epsilon]), self.max_rounds)


@dataclass(frozen=True)
class FixedRidge:
    """Kernel ridge with given penalties, fitted to a mixture of the given targets and the last fit.

    Parameters
    ----------
    ridge : float or sequence of float
        Penalty c of ``mean (f − y)² + c ‖f‖²``; scikit-learn's ``alpha`` is ``n * c``. A sequence gives every
        round its own.
    rounds : int, optional
        Number of fits; for a sequence of penalties, its length.
    ground_truth_weight : float, sequence of float, or "best"
        Weight α in [0, 1] of the given targets: fit t has targets ``α y + (1 − α) f_{t−1}``. A sequence gives
        every round its own; the first has no effect, since the first fit has the given targets anyway. "best" gives
        every round the weight that is best at samples left out of the run so far; the run's ``given_weights`` say
        which.
    unbounded : bool
        Whether weights may leave [0, 1], as the best ones may.

    References
    ----------
    Borup & Andersen 2021 (arXiv 2102.13088); Jeong & Chung 2025, section 2.
    """

    ridge: float | Sequence[float] | Array
    rounds: int | None = None
    ground_truth_weight: GivenWeight = 0.0
    unbounded: bool = False

    epsilon = None

    def __post_init__(self) -> None:
        ridges = as_ridges(self.ridge, self.rounds)
        object.__setattr__(self, "ridge", tuple(ridges))
        object.__setattr__(self, "rounds", len(ridges))
        if not self.chooses:
            weights = _given_weights(self.ground_truth_weight, len(ridges), self.unbounded)
            object.__setattr__(self, "ground_truth_weight", tuple(weights))

    @property
    def chooses(self) -> bool:
        """Whether the weights are chosen for the spectrum."""
        return isinstance(self.ground_truth_weight, str) and self.ground_truth_weight == "best"

    @property
    def needs_all(self) -> str | None:
        """Weights are chosen at left-out samples."""
        return 'ground_truth_weight="best"' if self.chooses else None

    def check(self, spectrum: Spectrum) -> None:
        """Any penalty can be run on any spectrum, if the rounds' filters fit in memory."""
        require_filters(float(self.rounds or 0), spectrum)

    def weights(self, spectrum: Spectrum) -> Array:
        """Weight of the given targets in every round on a spectrum, (T,)."""
        if not self.chooses:
            return np.asarray(self.ground_truth_weight)
        as_spectrum(spectrum).require_complete(str(self.needs_all))
        run = LeftOutRun(spectrum, np.asarray(self.ridge), None, clip=not self.unbounded)
        if self.rounds:
            run.singles(to_host(spectrum.targets).astype(np.float64, copy=False))
        return run.weights

    def rule(self, spectrum: Spectrum) -> RidgeRule:
        """Take the penalties one after another."""
        return RidgeRule(np.asarray(self.ridge)[:, None], self.weights(spectrum))


@dataclass(frozen=True)
class OwnOutputs:
    """Kernel ridge trained on what earlier fits said; reading them out adds noise, and real labels may be mixed in.

    Every round starts from new data: outputs of the last fit, with noise of their own, replace the targets or join
    all that there have been. A run's filters, fitted values and predictions are the expected ones, and its
    ``variances`` are those that the noise leaves in each direction. Without any noise, and replaced, it is
    `FixedRidge` with ground truth.

    Parameters
    ----------
    ridge : float or sequence of float
        Penalty c of every round, or one each; 0 is allowed and fits the targets exactly.
    rounds : int, optional
        Number of fits; for a sequence of penalties, its length.
    real_share : float
        Weight w in [0, 1] of real labels in every target: ``w · real + (1 − w) · own outputs``.
    accumulate : bool
        Whether a round sees the mean of all data sets so far, and not the newest alone; only without a real share,
        since the real labels are among them.
    fresh_noise_variance : float
        Variance of the noise that reading out a fit adds to an output.
    label_noise_variance : float
        Where real labels are collected anew for every round: the variance of their noise around the given targets,
        which then are the truth. At 0 they are the given targets, the same in every round.

    References
    ----------
    Shumailov et al. 2024; Dohmatob, Feng & Kempe 2024; Gerstgrasser et al. 2024 (accumulated).
    """

    ridge: float | Sequence[float] | Array
    rounds: int | None = None
    real_share: float = 0.0
    accumulate: bool = False
    fresh_noise_variance: float = 0.0
    label_noise_variance: float = 0.0

    epsilon = needs_all = None

    def __post_init__(self) -> None:
        ridges = as_ridges(self.ridge, self.rounds, zero=True)
        object.__setattr__(self, "ridge", tuple(ridges))
        object.__setattr__(self, "rounds", len(ridges))
        check_fraction(self.real_share, "real_share")
        check_nonnegative(self.fresh_noise_variance, "fresh_noise_variance")
        check_nonnegative(self.label_noise_variance, "label_noise_variance")
        if check_flag(self.accumulate, "accumulate") and self.real_share > 0:
            raise InputError(
                "real_share is for targets that are replaced: accumulated data hold the real labels once, with every "
                "data set weighing the same."
            )

    def check(self, spectrum: Spectrum) -> None:
        """Any penalty can be run on any spectrum, if the rounds' filters fit in memory."""
        require_filters(float(self.rounds or 0), spectrum)

    def rule(self, spectrum: Spectrum) -> RidgeRule:
        """Take the penalties one after another, with the noise that the targets gain."""
        ridges = np.asarray(self.ridge)[:, None]
        sets = np.arange(1.0, len(ridges) + 1)  # data sets there are at every round
        if self.accumulate:
            given, past, newest = np.zeros(len(ridges)), 1 - 1 / sets, 1 / sets
        else:
            given = np.full(len(ridges), float(self.real_share))
            past, newest = np.zeros(len(ridges)), 1 - given
        noise = given**2 * self.label_noise_variance + newest**2 * self.fresh_noise_variance
        noise[:1] = self.label_noise_variance
        return RidgeRule(ridges, given, past, noise)


@dataclass(frozen=True)
class Progressive:
    """Gradient flow towards targets that mix the labels with the function of the epoch before.

    Each epoch is gradient flow on ``mean (f − m_e)²`` for a time Δ, from zero at the start, towards
    ``m_e = (1 − α_e) y + α_e f_{e−1}``. Progressive self-distillation of a network, in the kernel regime.

    Parameters
    ----------
    past_weights : sequence of float
        α_e of each epoch, in [0, 1]; all zeros is plain gradient flow.
    step : float
        Δ, time an epoch; for gradient descent with learning rate η, η times the steps of an epoch.
    substeps : int, optional
        Take so many steps of gradient descent an epoch in place of the flow: ``(1 − 2 d Δ/s)^s`` stands for
        ``exp(−2 d Δ)``.

    References
    ----------
    Kim et al. 2021, equation 5, for the targets.
    """

    past_weights: Sequence[float] | Array
    step: float
    substeps: int | None = None

    epsilon = needs_all = None

    def __post_init__(self) -> None:
        weights = as_real_array(self.past_weights, "weights").astype(np.float64)
        if weights.ndim != 1 or not ((weights >= 0) & (weights <= 1)).all():
            raise InputError("weights must be one number in [0, 1] an epoch.")
        object.__setattr__(self, "past_weights", tuple(weights))
        check_positive(self.step, "step")
        if self.substeps is not None:
            check_count(self.substeps, "substeps")

    def check(self, spectrum: Spectrum) -> None:
        """Any step can be run on any spectrum."""

    def rule(self, spectrum: Spectrum) -> FlowRule:
        """Flow for the same time in every epoch."""
        rate = 2.0 * float(self.step)
        return FlowRule(rate, self.substeps, 1 - np.asarray(self.past_weights))


def require_filters(rounds: float, spectrum: Spectrum) -> None:
    """Refuse a run of at least so many rounds whose filters would not fit in memory."""
    needed = 8.0 * rounds * len(spectrum.eigenvalues)
    if needed > _NO_MATTER:
        what = f"keeping the filters of {rounds:.6g} rounds"
        require_memory(Cost(what, int(needed), None, 0.0, "Ask for fewer rounds."))


def _check_room(least_rounds: float, directions: int, epsilon: float) -> None:
    """Say what counting to collapse would need, where ``r_0 − 1`` rounds are certain and already too many."""
    needed = 8 * directions * least_rounds
    if least_rounds > MOST_ROUNDS or needed > _MOST_BYTES:
        raise InputError(
            f"epsilon={epsilon:.6g} takes at least {least_rounds:.4g} rounds to collapse, whose filters need "
            f"{needed / 2**30:.3g} GiB. Give max_rounds, or a larger epsilon."
        )


def as_ridges(ridge: Any, rounds: int | None, *, zero: bool = False) -> Array:
    """Return one penalty a round, from one number or one a round; `zero` says whether a penalty may be 0."""
    values = as_real_array(ridge, "ridge").astype(np.float64)
    if values.ndim == 0:
        if rounds is None:
            raise InputError("rounds must be given with a single ridge.")
        check = check_nonnegative if zero else check_positive
        values = np.full(check_rounds(rounds, least=0), check(float(values), "ridge"))
    if values.ndim != 1 or (rounds is not None and len(values) != rounds):
        raise InputError(
            f"ridge must be a number, or one penalty a round ({rounds}); got shape {values.shape}."
        )
    if not ((values >= 0) if zero else (values > 0)).all():
        raise InputError(f"every ridge must be {'at least' if zero else 'above'} 0; got {values.min():g}.")
    return values


def _given_weights(weight: Any, rounds: int, unbounded: bool) -> Array:
    if isinstance(weight, str):
        raise InputError(
            f'ground_truth_weight must be a weight in [0, 1], one weight a round, or "best"; got {weight!r}.'
        )
    if not isinstance(weight, list | tuple) and np.ndim(weight) == 0 and not unbounded:
        return np.full(rounds, check_fraction(weight, "ground_truth_weight"))
    values = as_real_array(weight, "ground_truth_weight").astype(np.float64)
    if values.ndim > 1 or (values.ndim == 1 and len(values) != rounds):
        raise InputError(
            f"ground_truth_weight must be a number, or one weight a round ({rounds}); got shape {values.shape}."
        )
    if not unbounded:
        for value in values:
            check_fraction(float(value), "every ground_truth_weight")
    return np.array(np.broadcast_to(values, rounds))
