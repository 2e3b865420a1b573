"""Label noise: corruption matrices, noisy labels drawn from them, and their estimates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np

from ..base.probabilities import as_distributions, as_labels, one_hot
from ..base.validation import (
    Array,
    InputError,
    as_generator,
    as_matrix,
    check_choice,
    check_count,
    check_flag,
    check_fraction,
    shown,
)

NoiseModel = Literal["symmetric", "asymmetric", "superclass"]
# Complete linkage is cut at this part of its largest height, as Jeong & Chung do.
LINKAGE_CUT = 0.8
# A matrix of more classes takes 7 GiB.
_MOST_CLASSES = 30_000


def as_corruption(corruption: Any) -> Array:
    """Return a corruption matrix, checked: square, each row a distribution.

    Raises
    ------
    InputError
        If it is none; the message names the row.
    """
    matrix = as_matrix(corruption, "corruption").astype(np.float64)
    if matrix.shape[0] != matrix.shape[1]:
        raise InputError(
            f"corruption must be square, one row a true class and one column a given label; "
            f"got shape {matrix.shape}."
        )
    rows = as_distributions(matrix, len(matrix), "corruption")
    return np.asarray(rows / rows.sum(axis=1, keepdims=True))


def as_groups(groups: Any, n_classes: int) -> Array:
    """Return the group of each class, (K,), from that or from a list of lists of classes.

    Raises
    ------
    InputError
        If a class is missing or listed twice.
    """
    if (
        isinstance(groups, list | tuple)
        and len(groups)
        and all(isinstance(group, Sequence | np.ndarray) for group in groups)
    ):
        members = [int(k) for group in groups for k in as_labels(group, name="each of groups")]
        if sorted(members) != list(range(n_classes)):
            raise InputError(
                f"groups must list each of the {n_classes} classes exactly once; got {shown(members)}."
            )
        ids = np.empty(n_classes, np.int64)
        for number, group in enumerate(groups):
            ids[np.asarray(group, np.int64)] = number
        return ids
    ids = as_labels(groups, name="groups")
    if len(ids) != n_classes:
        raise InputError(f"groups must give one group number for each of the {n_classes} classes.")
    return np.unique(ids, return_inverse=True)[1]


def corruption_matrix(kind: NoiseModel, n_classes: int, rate: float, groups: Any = None) -> Array:
    """Probability of each given label for each true class.

    Parameters
    ----------
    kind : {"symmetric", "asymmetric", "superclass"}
        Symmetric: ``rate / (K − 1)`` on every other class. Asymmetric: ``rate / K`` on every other class and
        as much again on the next one. Superclass: uniform on the other classes of the same group.
    n_classes : int
        K, at least 2.
    rate : float
        Probability η in [0, 1) that a label is wrong.
    groups : sequence, optional
        For "superclass": the group number of each class, or a list of lists of classes.

    Returns
    -------
    ndarray (K, K)
        Row k is the distribution of given labels in class k; rows sum to 1.

    Raises
    ------
    InputError
        For an unknown kind, a rate outside [0, 1), or groups that are missing or have a single class.

    References
    ----------
    Jeong & Chung 2025, section 5.

    Examples
    --------
    >>> corruption_matrix("superclass", 4, 0.2, groups=[[0, 1], [2, 3]])[0]
    array([0.8, 0.2, 0. , 0. ])
    """
    k = check_count(n_classes, "n_classes", least=2, most=_MOST_CLASSES)
    rate = check_fraction(rate, "rate", below_one=True)
    others = 1 - np.eye(k)
    check_choice(kind, "the noise model", get_args(NoiseModel))
    if kind == "symmetric":
        wrong = others / (k - 1)
    elif kind == "asymmetric":
        wrong = (others + np.roll(np.eye(k), 1, axis=1)) / k
    else:
        if groups is None:
            raise InputError("superclass noise needs groups: the group number of each class.")
        ids = as_groups(groups, k)
        sizes = np.bincount(ids)
        if sizes.min() < 2:
            alone = int(np.flatnonzero(sizes[ids] == 1)[0])
            raise InputError(
                f"every group must have at least two classes to confuse; class {alone} is alone in its "
                "group. Merge it into another group."
            )
        wrong = others * (ids[:, None] == ids) / (sizes[ids] - 1)[:, None]
    return (1 - rate) * np.eye(k) + rate * wrong


def corrupt_labels(
    labels: Any, corruption: Any, rng: np.random.Generator | int, exact: bool = False
) -> Array:
    """Draw a noisy label for every sample.

    Parameters
    ----------
    labels : array (N,)
        True classes.
    corruption : array (K, K)
    rng : numpy.random.Generator or int
        A generator, or the seed of one.
    exact : bool
        If set, each class gets each label as often as expected (rounded, the largest remainders up), so that
        only the choice of samples is random; if not, labels are independent draws.

    Returns
    -------
    ndarray (N,)

    Raises
    ------
    InputError
        If labels are out of range, corruption is no stochastic matrix or rng is none of these.
    """
    matrix = as_corruption(corruption)
    true = as_labels(labels, len(matrix))
    rng = as_generator(rng)
    if not check_flag(exact, "exact"):
        edges = np.cumsum(matrix, axis=1)
        edges /= edges[:, -1:]  # exactly 1 from the last label that occurs on
        draws = rng.random(len(true))
    given = np.empty_like(true)
    order = np.argsort(true, kind="stable")
    classes, starts = np.unique(true[order], return_index=True)
    for k, members in zip(classes, np.split(order, starts[1:]), strict=True):
        if not exact:
            given[members] = np.searchsorted(edges[k, :-1], draws[members], side="right")
            continue
        counts = _rounded_counts(matrix[k], len(members))
        given[members] = rng.permutation(np.repeat(np.arange(len(matrix)), counts))
    return given


def _rounded_counts(probabilities: Array, total: int) -> Array:
    expected = probabilities * total
    counts = np.floor(expected + 1e-9).astype(np.int64)
    by_remainder = np.argsort(counts - expected, kind="stable")
    counts[by_remainder[: total - int(counts.sum())]] += 1
    return counts


def estimate_corruption(labels: Any, noisy_labels: Any, n_classes: int) -> Array:
    """Frequencies of given labels in each true class.

    Raises
    ------
    InputError
        If the vectors differ in length, labels are out of range, or a class has no samples.
    """
    k = check_count(n_classes, "n_classes", least=2)
    true, given = as_labels(labels, k), as_labels(noisy_labels, k, "noisy_labels")
    _refuse_empty_classes(true, k)
    if len(true) != len(given):
        raise InputError(f"labels and noisy_labels must be as long; got {len(true)} and {len(given)}.")
    counts = np.bincount(true * k + given, minlength=k * k).reshape(k, k)
    return np.asarray(counts / counts.sum(axis=1, keepdims=True))


def _refuse_empty_classes(labels: Array, n_classes: int) -> None:
    present = np.unique(labels)
    if len(present) < n_classes:
        missing = int(np.setdiff1d(np.arange(len(present) + 1), present)[0])
        raise InputError(f"class {missing} has no samples. Leave the class out, or give samples of it.")


def corruption_gap(corruption: Any) -> float:
    """Least lead of the true label over a wrong label that occurs in its class (Jeong & Chung 2025).

    A wrong label that does not occur leads only where the true label does not occur either: then the gap
    is 0. Without noise it is 1. At most 0, no number of rounds corrects the labels.
    """
    matrix = as_corruption(corruption)
    kept = np.diag(matrix)
    lead = kept[:, None] - matrix
    wrong_occurs = (matrix > 0) & ~np.eye(len(matrix), dtype=bool)
    gap = float(min(lead[wrong_occurs].min(initial=1.0), 1.0 if kept.all() else 0.0))
    # Differences of probabilities that should tie differ by rounding.
    return 0.0 if abs(gap) < 1e-12 else gap


def superclass_groups(features: Any, labels: Any, n_classes: int | None = None) -> Array:
    """Group confusable classes by complete linkage of ``1 − mean class-to-class cosine similarity``.

    The linkage is cut at 0.8 of its largest height. A class that stays alone joins the group with which it
    has the greatest mean similarity, since superclass noise needs two classes in every group.

    Parameters
    ----------
    features : array (N, p)
        No row may be zero.
    labels : array (N,)
    n_classes : int, optional
        K; by default one more than the largest label.

    Returns
    -------
    ndarray (K,)
        Group number of each class, for `corruption_matrix`.

    Raises
    ------
    InputError
        If a class has no samples, a feature row is zero, or there are fewer than two classes.
    """
    x = as_matrix(features, "features").astype(np.float64)
    if n_classes is not None:
        n_classes = check_count(n_classes, "n_classes", least=2)
    true = as_labels(labels, n_classes)
    k = check_count(int(true.max()) + 1 if n_classes is None else n_classes, "n_classes", least=2)
    if len(true) != len(x):
        raise InputError(f"labels must have one entry a row of features ({len(x)}); got {len(true)}.")
    x = x / np.maximum(
        np.abs(x).max(axis=1, keepdims=True), np.finfo(float).tiny
    )  # squares then do not overflow
    lengths = np.linalg.norm(x, axis=1)
    if not lengths.all():
        raise InputError(f"row {int(lengths.argmin())} of features is zero: it has no direction to compare.")
    _refuse_empty_classes(true, k)
    sizes = np.bincount(true, minlength=k)
    means = one_hot(true, k).T @ (x / lengths[:, None]) / sizes[:, None]
    similarity = means @ means.T
    # Imported here: the two take a third of the time that the whole floor takes to import.
    from scipy.cluster import hierarchy
    from scipy.spatial.distance import squareform

    linkage = hierarchy.linkage(squareform(np.maximum(1 - similarity, 0.0), checks=False), "complete")
    ids = hierarchy.fcluster(linkage, LINKAGE_CUT * linkage[:, 2].max(), "distance")
    for alone in range(k):
        if (ids == ids[alone]).sum() == 1:
            candidates = np.unique(np.delete(ids, alone))
            closeness = [similarity[alone, ids == group].mean() for group in candidates]
            ids[alone] = candidates[int(np.argmax(closeness))]
    return np.unique(ids, return_inverse=True)[1]
