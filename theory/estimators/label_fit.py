"""The fit behind a search for wrong labels: chosen by leave-one-out, then anew on the samples that agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..base.arrays import to_host
from ..base.validation import Array
from ..distillation.distill import distill_with_ridge
from ..distillation.leave_one_out import group_numbers, leave_one_out, left_out_weights
from ..labels.confident_joint import contradiction
from ..spectra.spectrum import Spectrum
from .samples import KernelSamples, Points
from .selection import select_setting

# Rounds to choose from, if none are given.
ROUNDS = range(1, 9)
# Share by which further rounds must lower the left-out error to be chosen: of eight times as many settings, chance
# favours some. With few samples and much noise that cost more than the rounds brought.
WORTH = 0.02


@dataclass(frozen=True, eq=False)
class LabelFit:
    """Left-out outputs of every sample, and the spectra that they come from.

    Attributes
    ----------
    probabilities : ndarray (n, K)
    gamma : float or None
    ridge : float
        Of the fit to all samples; the total penalty ``n * ridge`` is kept where fewer are fitted.
    rounds : int
    kept : ndarray of bool (n,)
        Samples that the last fit learned from.
    whole, part : Spectrum
        Of all samples, and of those that were kept.
    points : Points
    groups : ndarray or None
    notes : list of str
    """

    probabilities: Array
    gamma: float | None
    ridge: float
    rounds: int
    kept: Array
    whole: Spectrum
    part: Spectrum
    points: Points
    groups: Array | None
    notes: list[str]

    def weights(self, sample: int) -> Array:
        """Weight of every sample's label in the left-out output at one sample, (n,)."""
        kept = np.flatnonzero(self.kept)
        ridge = self.ridge * len(self.kept) / len(kept)
        weights = np.zeros(len(self.kept))
        if not self.kept[sample]:
            row = self.points.predict(kept, np.array([sample]), np.ones(1))
            run = distill_with_ridge(self.part.with_targets(row), ridge, self.rounds)
            weights[kept] = to_host(run.dual(self.rounds))
            return weights
        position = int(np.searchsorted(kept, sample))
        together = None if self.groups is None else self.groups[kept]
        weights[kept] = left_out_weights(self.part, ridge, self.rounds, position, groups=together)
        return weights

    def probabilities_after(self, given: Array, rounds: int) -> Array:
        """Probabilities of all samples, (n, K), had the last fit made another number of rounds.

        Parameters
        ----------
        given : ndarray of int (n,)
            The labels that were fitted.
        rounds : int
        """
        targets = np.eye(int(given.max()) + 1)[given]
        ridge = self.ridge * len(self.kept) / int(self.kept.sum())
        return _judge(self.part, self.points, targets, self.kept, ridge, rounds, self.groups)


def fit_labels(
    samples: KernelSamples,
    given: Array,
    gamma: float | None,
    ridge: float | None,
    rounds: int | None,
    groups: Any,
    consensus: int,
) -> LabelFit:
    """Choose the setting by leave-one-out, then refit `consensus` times to the samples whose labels agree."""
    targets = np.eye(int(given.max()) + 1)[given]
    n = len(given)
    members = None if groups is None else group_numbers(groups, n)
    frequencies = other_frequencies(targets, members)
    chosen = select_setting(
        samples.spectra(gamma, targets),
        None if ridge is None else [ridge],
        ROUNDS if rounds is None else [rounds],
        groups=members,
        error=lambda p, y: (
            np.sum((frequencies + beyond(p, frequencies) - y) ** 2, axis=(1, 2))
            / np.where(np.arange(len(p)) > 0, 1 - WORTH, 1.0)
        ),
    )
    left_out = leave_one_out(chosen.spectrum, chosen.ridge, chosen.rounds, groups=members)[-1]
    p = as_probabilities(targets.mean(axis=0) + beyond(left_out, frequencies))
    points = samples.points(chosen.gamma)
    kept, part, notes = np.ones(n, bool), chosen.spectrum, []
    error = np.sum((frequencies + beyond(left_out, frequencies) - targets) ** 2)
    if error > (1 - WORTH) * np.sum((frequencies - targets) ** 2):
        notes.append(
            f"Left out in turn, labels are predicted less than {100 * WORTH:.0f} % better (squared error) than by "
            "their frequencies alone: the features say hardly anything of these labels, and what is called wrong may "
            "be chance."
        )
    if samples.how != "gram":
        notes.append(f"The kernel of {n} samples is represented by {samples.how}.")
    for _ in range(consensus):
        agrees = contradiction(p, given)[0] <= 0
        if members is not None:  # a group is kept whole, or its rest would vouch for what is left out
            agrees = np.bincount(members, ~agrees)[members] == 0
        if np.bincount(given[agrees], minlength=targets.shape[1]).min() < 2:
            notes.append(
                "Too few labels of a class agree with the others: no refit without those that do not."
            )
            break
        kept, index = agrees, np.flatnonzero(agrees)
        part = points.spectrum(targets, index)
        p = _judge(part, points, targets, kept, chosen.ridge * n / len(index), chosen.rounds, members)
    return LabelFit(
        p, chosen.gamma, chosen.ridge, chosen.rounds, kept, chosen.spectrum, part, points, members, notes
    )


def _judge(
    part: Spectrum,
    points: Points,
    targets: Array,
    kept: Array,
    ridge: float,
    rounds: int,
    members: Array | None,
) -> Array:
    """Probabilities of all samples from a fit to some: left out where kept, predicted elsewhere."""
    index, rest = np.flatnonzero(kept), np.flatnonzero(~kept)
    groups = None if members is None else members[index]
    outputs, mean = np.empty(targets.shape), targets[index].mean(axis=0)
    left_out = leave_one_out(part, ridge, rounds, groups=groups)[-1]
    outputs[index] = beyond(left_out, other_frequencies(targets[index], groups))
    if len(rest):
        dual = to_host(distill_with_ridge(part, ridge, rounds).dual(rounds))
        outputs[rest] = beyond(points.predict(rest, index, dual), mean)
    return as_probabilities(mean + outputs)


def other_frequencies(targets: Array, groups: Array | None) -> Array:
    """Frequencies of the labels among the samples outside each one's group, (n, K)."""
    if groups is None:
        return np.asarray((targets.sum(axis=0) - targets) / (len(targets) - 1))
    numbers = np.unique(groups, return_inverse=True)[1]
    sums = np.zeros((numbers.max() + 1, targets.shape[1]))
    np.add.at(sums, numbers, targets)
    rest = targets.sum(axis=0) - sums
    return np.asarray((rest / rest.sum(axis=1, keepdims=True))[numbers])


def beyond(outputs: Array, frequencies: Array) -> Array:
    """What a fit says beyond the labels' frequencies: by linearity, the fit to labels from which those were taken off.

    To be put onto the frequencies of ALL labels, the same for every sample. Put onto the frequencies of the others,
    every label would look rarer to the samples that have it than to the rest, by one in n: where features say
    nothing, that alone would call every label wrong.
    """
    return np.asarray(outputs - frequencies * outputs.sum(axis=-1, keepdims=True))


def as_probabilities(outputs: Array) -> Array:
    """Outputs that sum to 1, below 0 cut off."""
    cut = np.maximum(outputs, 0.0)
    return np.asarray(cut / cut.sum(axis=1, keepdims=True))
