"""Metrics of probabilistic classifiers, on arrays of probabilities (N, K) and labels (N,).

NumPy arrays and torch tensors are taken; results are floats, as fractions (not per cent) and nats.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import scipy.special
import scipy.stats
import torch

from ..theory import InputError
from ..theory.base.probabilities import as_array, check_probabilities
from ..theory.base.validation import Array, as_real_array, check_choice, check_count

Bins = Literal["fixed", "equal-mass"]
MOST_BINS = 10_000_000


def _checked(probabilities: Any, labels: Any) -> tuple[Array, Array]:
    p, y = _distributions(probabilities), _as_numpy(labels, "labels")
    if y.shape != p.shape[:1] or y.dtype.kind not in "iu":
        raise InputError(
            f"labels must be {len(p)} whole numbers, one a sample; got shape {y.shape} of {y.dtype}."
        )
    if y.min() < 0 or y.max() >= p.shape[1]:
        raise InputError(f"labels must lie in 0 … {p.shape[1] - 1}; got {y.min()} … {y.max()}.")
    return p, y


def _distributions(probabilities: Any) -> Array:
    p = as_real_array(_as_numpy(probabilities, "probabilities"), "probabilities")
    if p.ndim != 2 or p.shape[1] < 2:
        raise InputError(f"probabilities must have shape (N, K) with K ≥ 2 classes; got {p.shape}.")
    if len(p) == 0:
        raise InputError("probabilities hold no sample: a metric of nothing is not defined.")
    # In their own precision: half-precision rows are off 1 by more than double-precision ones may be.
    raw = probabilities.detach() if isinstance(probabilities, torch.Tensor) else p
    check_probabilities(raw, "probabilities")
    return p.astype(np.float64)  # a copy, even of float64


def _as_numpy(values: Any, name: str) -> Any:
    if not isinstance(values, torch.Tensor):
        return np.asarray(as_array(values, name))
    values = values.detach().cpu()
    return values.double().numpy() if values.is_floating_point() else values.numpy()


def accuracy(probabilities: Any, labels: Any) -> float:
    """Share of samples whose largest probability is on the label (the first of equals counts)."""
    p, y = _checked(probabilities, labels)
    return float((p.argmax(axis=1) == y).mean())


def top_k_accuracy(probabilities: Any, labels: Any, k: int) -> float:
    """Share of samples whose label is among the k largest probabilities (an equal one counts)."""
    p, y = _checked(probabilities, labels)
    k = check_count(k, "k")
    above = (p > p[np.arange(len(y)), y][:, None]).sum(axis=1)
    return float((above < k).mean())


def mean_confidence(probabilities: Any, labels: Any = None) -> float:
    """Mean largest probability; above the accuracy the outputs are overconfident. Labels are not looked at."""
    return float(_distributions(probabilities).max(axis=1).mean())


def negative_log_likelihood(probabilities: Any, labels: Any) -> float:
    """Mean ``−log p(label)`` in nats; infinite if a label has probability 0."""
    p, y = _checked(probabilities, labels)
    with np.errstate(divide="ignore"):
        return float(-np.log(p[np.arange(len(y)), y]).mean())


def brier_score(probabilities: Any, labels: Any) -> float:
    """Mean squared distance of the probabilities from the one-hot label, in [0, 2]."""
    p, y = _checked(probabilities, labels)
    p[np.arange(len(y)), y] -= 1  # a copy, see _distributions
    return float((p**2).sum(axis=1).mean())


@dataclass(frozen=True)
class Reliability:
    """A reliability diagram: per bin, how sure and how right. Empty bins hold NaN and count 0.

    Attributes
    ----------
    edges : ndarray (bins + 1,)
    confidence, accuracy : ndarray (bins,)
        Mean largest probability and share of right answers.
    count : ndarray (bins,)
    """

    edges: Array
    confidence: Array
    accuracy: Array
    count: Array

    @property
    def error(self) -> float:
        """Expected calibration error: mean gap, weighted by the bins' counts."""
        filled = self.count > 0
        gaps = np.abs(self.accuracy - self.confidence)[filled]
        return float(np.average(gaps, weights=self.count[filled]))


def reliability_diagram(
    probabilities: Any, labels: Any, n_bins: int = 15, bins: Bins = "fixed"
) -> Reliability:
    """Confidence against accuracy in bins ``(low, high]`` over the largest probability.

    Parameters
    ----------
    probabilities : array (N, K)
    labels : integer array (N,)
    n_bins : int
    bins : {"fixed", "equal-mass"}
        Of equal width on [0, 1], or with edges at the confidences' quantiles (equal confidences stay in one
        bin, which may leave others empty).

    Raises
    ------
    InputError
        For input that is no distributions and labels, no sample, or fewer than one bin.
    """
    p, y = _checked(probabilities, labels)
    n_bins = check_count(n_bins, "n_bins", most=MOST_BINS)
    check_choice(bins, "bins", get_args(Bins))
    confidence, right = p.max(axis=1), p.argmax(axis=1) == y
    if bins == "fixed":
        edges = np.linspace(0, 1, n_bins + 1)
    else:
        last = -(-np.arange(1, n_bins + 1) * len(confidence) // n_bins) - 1
        edges = np.concatenate([[0.0], np.sort(confidence)[last]])
    # (low, high]: the first edge not below the confidence closes its bin.
    place = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, n_bins - 1)
    count = np.bincount(place, minlength=n_bins)
    with np.errstate(invalid="ignore"):
        return Reliability(
            edges,
            np.bincount(place, confidence, n_bins) / count,
            np.bincount(place, right, n_bins) / count,
            count,
        )


def expected_calibration_error(
    probabilities: Any, labels: Any, n_bins: int = 15, bins: Bins = "fixed"
) -> float:
    """Mean gap between confidence and accuracy over the bins of `reliability_diagram`: a fraction.

    References
    ----------
    Naeini et al. 2015; Guo et al. 2017.

    Examples
    --------
    >>> from selfdistill.empirical.metrics import expected_calibration_error
    >>> round(expected_calibration_error([[0.8, 0.2], [0.8, 0.2]], [0, 1], 10), 12)
    0.3
    """
    return reliability_diagram(probabilities, labels, n_bins, bins).error


def risk_coverage(probabilities: Any, labels: Any) -> Array:
    """Error rate among the i surest samples, i = 1 … N, the mean over all orders of equally sure samples."""
    p, y = _checked(probabilities, labels)
    _, level = np.unique(-p.max(axis=1), return_inverse=True)
    # In the mean over all orders each sample of a level counts as the level's share of wrong answers.
    wrong = np.bincount(level, p.argmax(axis=1) != y) / np.bincount(level)
    return np.asarray(np.cumsum(wrong[np.sort(level)]) / np.arange(1, len(y) + 1))


def area_under_risk_coverage(probabilities: Any, labels: Any) -> float:
    """Mean of `risk_coverage`: how well confidence ranks right before wrong answers; a fraction.

    The order of the samples does not matter: ties of confidence are averaged over.

    References
    ----------
    Geifman & El-Yaniv 2017; Kim et al. 2021 report it times 1000.
    """
    return float(risk_coverage(probabilities, labels).mean())


def excess_area_under_risk_coverage(probabilities: Any, labels: Any) -> float:
    """AURC above that of an ideal ranking of the same answers (all wrong ones last)."""
    risks = risk_coverage(probabilities, labels)
    n = len(risks)
    wrong = round(float(risks[-1]) * n)
    best = np.concatenate([np.zeros(n - wrong), np.arange(1, wrong + 1)]) / np.arange(1, n + 1)
    return float(risks.mean() - best.mean())


def predictive_uncertainty(probabilities: Any) -> float:
    """Mean entropy of the outputs, in nats (Zhang & Sabuncu 2020, section 5)."""
    return float(scipy.special.entr(_distributions(probabilities)).sum(axis=1).mean())


def confidence_diversity(probabilities: Any, labels: Any) -> float:
    """Differential entropy, in nats, of the probability given to the label, over samples.

    Estimated by `scipy.stats.differential_entropy` (spacings of the order statistics). Many equal
    probabilities (float32 outputs that round to 1) have no density: the value is then −∞.

    Raises
    ------
    InputError
        For fewer than three samples.

    References
    ----------
    Zhang & Sabuncu 2020, section 5.
    """
    p, y = _checked(probabilities, labels)
    if len(y) < 3:
        raise InputError(f"a density needs at least three samples; got {len(y)}.")
    with np.errstate(divide="ignore"):
        # SciPy's own window, √n + 1/2, is too wide for fewer than five samples.
        window = min(int(np.sqrt(len(y)) + 0.5), (len(y) - 1) // 2)
        return float(scipy.stats.differential_entropy(p[np.arange(len(y)), y], window_length=window))
