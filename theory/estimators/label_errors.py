"""Which labels are wrong: left-out outputs of self-distilled kernel ridge, and what theory says of the rounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..base.validation import Array, check_count, check_flag, check_positive
from ..clusters.features import ClusteredFeatures
from ..labels.confident_joint import confident_joint, contradiction, corruption_from_joint
from ..labels.noise import corruption_gap
from ..spectra.spectrum import Spectrum
from .class_labels import as_classes
from .label_fit import LabelFit, fit_labels
from .samples import KernelSamples, as_numbers

# Left-out rounds take time that grows with the square of their number, for every setting that is compared.
_MOST_ROUNDS = 100


@dataclass(frozen=True, eq=False)
class LabelErrors:
    """What the other samples say of every label.

    Attributes
    ----------
    classes : ndarray (K,)
        The labels that occur, sorted; columns of `probabilities` and axes of `corruption`.
    given : ndarray of int (n,)
        Given labels as numbers of classes.
    scores : ndarray (n,)
        Higher is more suspicious: by how much more than usual the likeliest other class is probable, less the
        same for the given one. Above 0 another class is suggested.
    ranking : ndarray of int (n,)
        Samples, the worst first.
    probabilities : ndarray (n, K)
        Of each class, from a fit that never saw the sample's label; of it they know only what it adds to the
        labels' frequencies, which are the same for all samples.
    suggested : ndarray (n,)
        Label that the others suggest: the given one where the score is at most 0.
    confidence : ndarray (n,)
        Probability of the suggested label.
    joint : ndarray (K, K)
        Estimated share of samples of each true class (row) with each given label (column).
    corruption : ndarray (K, K)
        Its rows scaled to sum to 1: probability of each given label for each true class.
    gap : float
        Least lead of the true label over a wrong one that occurs in its class, of `corruption`.
    minimum_rounds : float
        Rounds after which label averaging corrects every training label, predicted from `gap`, the penalty and
        the gram's mean values inside and across classes; inf: no number of rounds corrects them.
    rounds : int
        Rounds of the chosen fit: those of the least left-out error on the given labels, where that is at least
        2 % below the least of one round, else 1.
    ridge : float
        Its penalty.
    gamma : float or None
        Its kernel coefficient, if the kernel has one.
    kept : ndarray of bool (n,)
        Samples whose labels the last fit learned from.
    notes : tuple of str
        What a reader should know besides.
    """

    classes: Array
    given: Array
    scores: Array
    ranking: Array
    probabilities: Array
    suggested: Array
    confidence: Array
    joint: Array
    corruption: Array
    gap: float
    minimum_rounds: float
    rounds: int
    ridge: float
    gamma: float | None
    kept: Array
    notes: tuple[str, ...]
    fit: LabelFit = field(repr=False)

    @property
    def flagged(self) -> Array:
        """Samples for which another label is suggested: boolean (n,)."""
        return self.scores > 0

    @property
    def noise_rate(self) -> float:
        """Estimated share of wrong labels, from the joint distribution."""
        return float(1 - np.trace(self.joint))

    def explain(self, sample: int, count: int = 5) -> Explanation:
        """Say why: the samples whose labels are averaged into this one's probabilities, the weightiest first.

        Raises
        ------
        InputError
            If there is no such sample.
        """
        n = len(self.given)
        check_count(sample, "sample", least=0, most=n - 1)
        weights = self.fit.weights(sample)
        shares = np.bincount(self.given, weights, minlength=len(self.classes))
        nearest = np.argsort(-np.abs(weights), kind="stable")[: check_count(count, "count")]
        return Explanation(sample, shares, nearest, weights[nearest], self.classes[self.given[nearest]])


@dataclass(frozen=True, eq=False)
class Explanation:
    """Why a label is suggested: a left-out output is a weighted sum of the others' labels.

    Attributes
    ----------
    sample : int
    shares : ndarray (K,)
        Weight that each label has in the sum; what is missing to 1 goes to the labels' overall frequencies.
    neighbours : ndarray of int (count,)
        The samples of the largest weights.
    weights : ndarray (count,)
    labels : ndarray (count,)
        Their given labels.
    """

    sample: int
    shares: Array
    neighbours: Array
    weights: Array
    labels: Array


def find_label_errors(
    X: Any,
    labels: Any,
    *,
    kernel: str | Callable[..., float] = "rbf",
    gamma: float | None = None,
    ridge: float | None = None,
    rounds: int | None = None,
    groups: Any = None,
    consensus: int = 2,
    standardize: bool = True,
    random_state: Any = None,
) -> LabelErrors:
    """Find wrong labels, the confusion behind them, and the rounds that correct them.

    Labels are fitted by self-distilled kernel ridge. Kernel coefficient, penalty and number of rounds are those
    whose left-out outputs come nearest to the given labels, so that nothing has to be tuned or known of the
    noise. Samples whose label the others contradict are then left out of the fit, and all are judged anew.

    Parameters
    ----------
    X : array (n, p), DataFrame, or tensor
        Numbers; a table may have columns of text; features of a network can be a tensor on any device. The gram
        (n, n) for ``kernel="precomputed"``.
    labels : array (n,)
        Classes of any kind: whole numbers, text, booleans. Each must occur at least twice.
    kernel : str or callable
        Of `sklearn.metrics.pairwise.pairwise_kernels`.
    gamma, ridge : float, optional
        Kernel coefficient and penalty; chosen if not given.
    rounds : int, optional
        Number of rounds, at most 100; chosen among 1 to 8 if not given.
    groups : array (n,), optional
        Samples that may not vouch for each other, such as pictures of one patient: left out together.
    consensus : int
        How often contradicted samples are left out and the rest is fitted again; 0 for never.
    standardize : bool
        Bring every numeric column to mean 0 and variance 1 (not for a gram).
    random_state : int or None
        Seed of the landmarks that stand for the samples where there are more than 5,000.

    Returns
    -------
    LabelErrors
        Its `probabilities` are what cleanlab calls ``pred_probs``.

    Raises
    ------
    InputError
        If labels and samples do not match, values are missing, there is one class, a class has one sample, or
        labels are no classes.

    References
    ----------
    Claims L1, J4, J5 and J7 (docs: label errors); Northcutt, Jiang & Chuang 2021 for the joint distribution.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from selfdistill.theory import find_label_errors
    >>> X, y = load_iris(return_X_y=True)
    >>> y[[3, 64, 120]] = [2, 0, 0]  # three labels are wrong
    >>> found = find_label_errors(X, y)
    >>> sorted(int(i) for i in found.ranking[:3])
    [3, 64, 120]
    >>> [int(k) for k in found.suggested[[3, 64, 120]]]
    [0, 1, 2]
    """
    consensus = check_count(consensus, "consensus", least=0)
    if ridge is not None:
        ridge = check_positive(ridge, "ridge")
    if rounds is not None:
        rounds = check_count(rounds, "rounds", most=_MOST_ROUNDS)
    check_flag(standardize, "standardize")
    samples = _samples(X, kernel, standardize, random_state)
    classes, given = as_classes(labels, len(samples.X))
    fit = fit_labels(samples, given, gamma, ridge, rounds, groups, consensus)
    p = fit.probabilities
    scores, other = contradiction(p, given)
    suggested = np.where(scores > 0, other, given)
    joint = confident_joint(p, given)
    corruption = corruption_from_joint(joint)
    gap = corruption_gap(corruption)
    return LabelErrors(
        classes, given, scores, np.argsort(-scores, kind="stable"), p, classes[suggested],
        p[np.arange(len(p)), suggested], joint, corruption, gap,
        predicted_rounds(fit.whole, suggested, corruption, fit.ridge), fit.rounds, fit.ridge, fit.gamma,
        fit.kept, tuple(fit.notes), fit,
    )  # fmt: skip


def predicted_rounds(spectrum: Spectrum, classes: Array, corruption: Array, ridge: float) -> float:
    """Rounds that label averaging needs to correct every training label (docs: claim J5), from estimated quantities.

    The gram's mean values inside and across classes, in units of its diagonal's, make the clustered model.

    Parameters
    ----------
    spectrum : Spectrum
    classes : array (n,)
        True class of each sample, or its estimate.
    corruption : array (K, K)
    ridge : float
        Penalty c of the fits.
    """
    n, k = spectrum.n_samples, len(corruption)
    indicators = np.eye(k)[classes]
    sizes = indicators.sum(axis=0)
    projected = spectrum.with_targets(indicators).coefficients
    sums = n * projected.T @ (spectrum.eigenvalues[:, None] * projected)
    diagonal = float(spectrum.eigenvalues.sum())
    pairs = float(np.sum(sizes * (sizes - 1)))
    if pairs == 0 or diagonal == 0:
        return np.inf
    within = float((np.trace(sums) - n * diagonal) / pairs) / diagonal
    across = float((sums.sum() - np.trace(sums)) / (n**2 - np.sum(sizes**2))) / diagonal
    across = min(max(across, 0.0), 1.0)
    if not across < within < 1:
        return np.inf
    per_class = max(1, round(n / k))
    model = ClusteredFeatures(k, per_class, within, across, n * ridge / diagonal / (k * k * per_class))
    return model.minimum_rounds(corruption)


def _samples(
    X: Any, kernel: str | Callable[..., float], standardize: bool, random_state: Any
) -> KernelSamples:
    given = isinstance(kernel, str) and kernel == "precomputed"
    return KernelSamples(as_numbers(X, standardize=standardize and not given), kernel, random_state)
