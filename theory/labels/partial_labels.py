"""Partial labels: candidates refined from a teacher, and when one round on them corrects all labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..base.probabilities import as_distributions, as_labels, check_same_samples
from ..base.validation import Array, InputError, as_matrix, check_count


def top_targets(outputs: Any, candidates: int) -> Array:
    """Spread each target evenly over the labels with the largest outputs (m of them: our extension).

    Parameters
    ----------
    outputs : array (N, K)
        A teacher's outputs: probabilities, logits or linearised ones.
    candidates : int
        m, from 1 (pseudo-labels) to K (uniform).

    Returns
    -------
    ndarray (N, K)
        ``1/m`` on the m largest outputs of each row; labels that tie for the last places share them evenly.

    Raises
    ------
    InputError
        If m is not in 1 … K.

    Examples
    --------
    >>> top_targets([[0.5, 0.2, 0.3]], 2)
    array([[0.5, 0. , 0.5]])
    """
    y = as_matrix(outputs, "outputs")
    m = check_count(candidates, "candidates")
    if m > y.shape[1]:
        raise InputError(f"candidates must be at most the number of classes, {y.shape[1]}; got {m}.")
    least = -np.partition(-y, m - 1, axis=1)[:, m - 1 : m]
    above, tied = y > least, y == least
    places = m - above.sum(axis=1, keepdims=True)
    return np.asarray((above + tied * (places / tied.sum(axis=1, keepdims=True))) / m)


def top_two_targets(outputs: Any) -> Array:
    """Half on each of the two largest outputs: the targets of Jeong & Chung's partial-label student.

    Parameters
    ----------
    outputs : array (N, K)

    Returns
    -------
    ndarray (N, K)
    """
    return top_targets(outputs, 2)


def partial_label_condition(targets: Any, labels: Any) -> bool:
    """Tell whether one linearised round on candidate sets can classify every training sample right.

    That is so iff the true label is a full candidate of every sample of its class and no other label is: then
    only the true label has the largest average in its class. If two labels are candidates of all samples of
    a class they tie, as when classes are confused in pairs (groups of two). It is necessary always, and sufficient
    where candidates are equally frequent overall; else a label that is frequent elsewhere can win by
    ``(s_3 − s_2)`` times its excess, where clusters are few and the ridge penalty large.

    Parameters
    ----------
    targets : array (N, K)
        Candidate targets; the largest entries of a row are its full candidates.
    labels : array (N,)
        True classes.
    """
    t = as_matrix(targets, "targets")
    t = as_distributions(t, len(t))
    true = as_labels(labels, t.shape[1])
    check_same_samples(true, t, "targets", classes=True)
    full = t >= t.max(axis=1, keepdims=True) - 1e-9
    for k in np.unique(true):
        shared = full[true == k].all(axis=0)
        if not (shared[k] and shared.sum() == 1):
            return False
    return True
