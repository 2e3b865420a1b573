"""How distillation sparsifies the basis: ratios of filters, their bounds, what survives (M9-M12, M16)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..base.validation import Array, InputError, as_real_array, check_positive


def effective_basis_size(filters: Any, threshold: float = 1e-3) -> Any:
    """Count the eigenvectors that a filter keeps: ``#{k : B_t[k] > threshold}`` (docs: claim M16: never grows).

    Parameters
    ----------
    filters : array (m,) or (T, m)
    threshold : float
        In (0, 1).

    Returns
    -------
    int or ndarray (T,)
    """
    threshold = check_positive(threshold, "threshold")
    counts = np.sum(as_real_array(filters, "filters").astype(np.float64) > threshold, axis=-1)
    return int(counts) if np.ndim(counts) == 0 else counts


def distinct_eigenvalues(eigenvalues: Any, tolerance: float = 1e-10) -> Array:
    """Positions of one representative of every distinct positive eigenvalue, ascending.

    Parameters
    ----------
    eigenvalues : array (m,)
        Ascending.
    tolerance : float
        Relative difference up to which two count as one.
    """
    d = as_real_array(eigenvalues, "eigenvalues").astype(np.float64)
    positions: list[int] = []
    for k in np.flatnonzero(d > 0):
        if not positions or d[k] > d[positions[-1]] * (1 + tolerance):
            positions.append(int(k))
    return np.array(positions, dtype=int)


def adjacent_ratios(filters: Any, eigenvalues: Any) -> Array:
    """Ratios ``B_t[k+1] / B_t[k]`` over the distinct positive eigenvalues, ascending (docs: claim M10: they grow).

    Parameters
    ----------
    filters : array (m,) or (T, m)
    eigenvalues : array (m,)

    Returns
    -------
    ndarray (p − 1,) or (T, p − 1)
        For p distinct positive eigenvalues. Infinite where the smaller filter has underflowed to zero.
    """
    b = as_real_array(filters, "filters").astype(np.float64)
    d = as_real_array(eigenvalues, "eigenvalues").astype(np.float64)
    if d.ndim != 1 or b.ndim not in (1, 2) or b.shape[-1] != len(d):
        raise InputError(
            "eigenvalues must be a vector (m,) and filters (m,) or (T, m), one column an eigenvalue; got shapes "
            f"{d.shape} and {b.shape}."
        )
    kept = b[..., distinct_eigenvalues(d)]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratios = kept[..., 1:] / kept[..., :-1]
    return np.where(kept[..., :-1] > 0, ratios, np.inf)


def sparsity_index(filters: Any, eigenvalues: Any) -> Any:
    """Least adjacent ratio of the filter: how sharply a round tells neighbouring eigenvectors apart.

    Parameters
    ----------
    filters : array (m,) or (T, m)
    eigenvalues : array (m,)
        Ascending.

    Returns
    -------
    float or ndarray (T,)
        1 if fewer than two positive eigenvalues differ: nothing is told apart.

    References
    ----------
    Mobahi et al. 2020, section 3.3.
    """
    ratios = adjacent_ratios(filters, eigenvalues)
    least = ratios.min(axis=-1) if ratios.shape[-1] else np.ones(ratios.shape[:-1])
    return float(least) if np.ndim(least) == 0 else least


def ratio_bound(eigenvalues: Any, initial_ratio: float, t: int) -> Array:
    """The paper's lower bounds on the adjacent ratios of B_t (docs: claim M9).

    ``((r_0 − 1 + d_min/d_j) / (r_0 − 1 + d_min/d_k))^t`` for neighbours d_k > d_j; it is proved for
    ``t ≤ (r_0 − 1)/κ``.

    Parameters
    ----------
    eigenvalues : array (m,)
        Ascending; those of the directions in which the targets have weight.
    initial_ratio : float
        r_0.
    t : int

    Returns
    -------
    ndarray (p − 1,)
    """
    d = as_real_array(eigenvalues, "eigenvalues").astype(np.float64)
    d = d[distinct_eigenvalues(d)]
    scaled = initial_ratio - 1 + d[0] / d
    return (scaled[:-1] / scaled[1:]) ** t


def near_interpolation_limit(eigenvalues: Any) -> Array:
    """Limit of that bound at ``t = (r_0 − 1)/κ`` as ε → 0: ``exp((d_min/κ)(1/d_j − 1/d_k))`` (docs: claim M11).

    Examples
    --------
    >>> from selfdistill.theory.distillation.sparsification import near_interpolation_limit
    >>> near_interpolation_limit([1, 2, 4, 5]).round(4)
    array([1.1052, 1.0513, 1.0101])
    """
    d = as_real_array(eigenvalues, "eigenvalues").astype(np.float64)
    d = d[distinct_eigenvalues(d)]
    kappa = d[-1] / d[0]
    return np.exp(d[0] / kappa * (1 / d[:-1] - 1 / d[1:]))


def early_stopping_ratio_limit(eigenvalues: Any) -> Array:
    """What one round with any penalty, however large, can reach: ``d_k / d_j`` for neighbours (docs: claim M12)."""
    d = as_real_array(eigenvalues, "eigenvalues").astype(np.float64)
    d = d[distinct_eigenvalues(d)]
    return d[1:] / d[:-1]
