"""Who is confused with whom, estimated from probabilities that never saw a sample's own label."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..base.probabilities import as_labels
from ..base.validation import Array, InputError, as_matrix

# Probabilities closer than this are the same.
_ROUNDING = 1e-10


def class_thresholds(probabilities: Any, labels: Any) -> Array:
    """Mean probability of each class among the samples labelled as it, (K,): what is usual for that label.

    Raises
    ------
    InputError
        If shapes do not match, labels are out of range, or a class has no samples.
    """
    p, given = _checked(probabilities, labels)
    counts = np.bincount(given, minlength=p.shape[1])
    own = p[np.arange(len(p)), given]
    return np.asarray(np.bincount(given, own, minlength=p.shape[1]) / counts)


def contradiction(probabilities: Any, labels: Any) -> tuple[Array, Array]:
    """How much more than usual the likeliest other class is probable, less the same for the given one.

    Returns
    -------
    scores : ndarray (n,)
        Above 0 the other class is suggested; differences by rounding are 0.
    other : ndarray of int (n,)
        That class.
    """
    p, given = _checked(probabilities, labels)
    lead = p - class_thresholds(p, given)
    everyone = np.arange(len(p))
    own = lead[everyone, given]
    lead[everyone, given] = -np.inf
    other = lead.argmax(axis=1)
    scores = lead[everyone, other] - own
    return np.where(np.abs(scores) < _ROUNDING, 0.0, scores), other


def confident_joint(probabilities: Any, labels: Any) -> Array:
    """Estimate the joint distribution of true class (row) and given label (column), (K, K).

    A sample counts as of a class if it gives that class at least the probability that is usual among samples
    labelled as it; of several such classes the likeliest. Samples that reach none count nowhere. Columns are then
    scaled to the labels' frequencies. Probabilities that are the same for all samples say nothing: then every label
    is taken to be right.

    Parameters
    ----------
    probabilities : array (n, K)
        Of each class for each sample, from a model that did not see the sample's own label.
    labels : array (n,)
        Given labels 0 … K − 1; every class occurs.

    References
    ----------
    Northcutt, Jiang & Chuang 2021, Confident learning (arXiv 1911.00068), section 3.1.

    Examples
    --------
    >>> from selfdistill.theory import confident_joint
    >>> confident_joint([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.7, 0.3]], [0, 0, 1, 1])
    array([[0.5, 0. ],
           [0. , 0.5]])
    """
    p, given = _checked(probabilities, labels)
    n, k = p.shape
    if np.ptp(p, axis=0).max() < _ROUNDING:
        return np.diag(np.bincount(given, minlength=k) / n)
    reached = p >= class_thresholds(p, given) - 1e-12  # a threshold of one sample is that sample's value
    counted = reached.any(axis=1)
    true = np.where(reached, p, -np.inf).argmax(axis=1)
    counts = np.bincount(true[counted] * k + given[counted], minlength=k * k).reshape(k, k).astype(np.float64)
    frequencies = np.bincount(given, minlength=k) / n
    sums = counts.sum(axis=0)
    # A label that no confident sample has is taken to be right.
    counts[np.arange(k)[sums == 0], np.arange(k)[sums == 0]] = 1.0
    return np.asarray(counts / counts.sum(axis=0) * frequencies)


def corruption_from_joint(joint: Any) -> Array:
    """Rows of a joint distribution scaled to sum to 1; a class that is never true is taken to keep its label."""
    matrix = as_matrix(joint, "joint").astype(np.float64)
    never = matrix.sum(axis=1) == 0
    matrix[never, never] = 1.0
    return np.asarray(matrix / matrix.sum(axis=1, keepdims=True))


def _checked(probabilities: Any, labels: Any) -> tuple[Array, Array]:
    p = as_matrix(probabilities, "probabilities").astype(np.float64)
    given = as_labels(labels, p.shape[1])
    if len(given) != len(p):
        raise InputError(f"labels must have one entry a row of probabilities ({len(p)}); got {len(given)}.")
    absent = np.flatnonzero(np.bincount(given, minlength=p.shape[1]) == 0)
    if len(absent):
        raise InputError(f"no sample is labelled {int(absent[0])}: leave that column of probabilities out.")
    return p, given
