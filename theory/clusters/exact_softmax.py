"""The exact softmax on clustered features: one unknown for each class and given label, however many samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..base.validation import Array, InputError, as_real_array, check_count, check_kind
from ..softmax.fit import SoftmaxFit
from ..softmax.newton import solve_softmax
from ..softmax.regression import TOLERANCE, SoftmaxRegression
from .features import ClusteredFeatures


class ClusteredDesign:
    """Samples of one class and given label share their outputs; a group's dual coefficient is their sum."""

    rows = None

    def __init__(self, model: ClusteredFeatures, corruption: Array) -> None:
        self.classes, self.given = np.nonzero(corruption > 0)
        self.counts = (corruption[self.classes, self.given] * model.n_per_class)[:, None]
        self.sample_weights = self.counts / model.n_samples
        self.model = model
        sizes, self._added = model.steps
        self._shares = sizes[1:] / (model.n_samples * model.n_classes)
        # Where each class starts among the groups, each superclass among classes, all among superclasses.
        starts = np.flatnonzero(np.diff(self.classes, prepend=-1))
        self._starts = [starts]
        self._up: list[Array] = [self.classes]
        if model.superclass_size > 1:
            self._starts.append(np.arange(0, model.n_classes, model.superclass_size))
            self._up.append(model.superclasses)
        top = model.n_classes // model.superclass_size
        self._starts.append(np.zeros(1, np.int64))
        self._up.append(np.zeros(top, np.int64))

    def _sums(self, values: Array) -> list[Array]:
        sums = []
        for starts in self._starts:
            values = np.add.reduceat(values, starts, axis=0)
            sums.append(values)
        return sums

    def _spread(self, sums: list[Array]) -> Array:
        """Add what each level contributes to the logits of its groups."""
        total = self._added[-1] * sums[-1]
        for level in range(len(sums) - 2, -1, -1):
            total = total[self._up[level + 1]] + self._added[level + 1] * sums[level]
        return np.asarray(total[self._up[0]])

    def forward(self, weights: Array) -> Array:
        """Logits of each group."""
        return self._added[0] / self.counts * weights + self._spread(self._sums(weights))

    def adjoint(self, residual: Array) -> Array:
        """Dual coefficients of each group."""
        return np.asarray(self.sample_weights * residual)

    def inner(self, a: Array, b: Array, b_forward: Array) -> float:
        """``aᵀ gram b``."""
        return float(np.vdot(a, b_forward))

    def dual(self, weights: Array) -> Array:
        """The weights themselves."""
        return weights

    def precondition(self, weights: Array, ridge: float) -> tuple[Array, Array]:
        """Solve with the linearised Hessian: from the sum over all down to the single group."""
        n_times_k = self.model.n_samples * self.model.n_classes
        own = ridge + self._added[0] / n_times_k
        scales = own + np.cumsum(self._shares * self._added[1:])
        sums = self._sums(weights)
        solved = sums[-1] / scales[-1]
        outer = self._added[-1] * solved
        solutions = [solved]
        for level in range(len(sums) - 2, -1, -1):
            outer = outer[self._up[level + 1]]
            solved = (sums[level] - self._shares[level] * outer) / scales[level]
            outer = outer + self._added[level + 1] * solved
            solutions.append(solved)
        logits = outer[self._up[0]]
        direction = (weights - self.counts / n_times_k * logits) / own
        return direction, self._added[0] / self.counts * direction + logits


@dataclass(frozen=True, eq=False)
class ClusteredFit:
    """One exact round on clustered features.

    Attributes
    ----------
    outputs : ndarray (K, K, K)
        ``[k, j]`` are the outputs of the samples of class k with given label j; NaN where no sample is.
    stationarity : float
        As in `SoftmaxFit`.
    """

    outputs: Array
    stationarity: float


def distill_clustered_softmax(
    model: ClusteredFeatures,
    corruption: Any,
    rounds: int,
    *,
    targets: Any = None,
    tolerance: float = TOLERANCE,
) -> list[ClusteredFit]:
    """Self-distill the exact softmax regression on clustered features.

    Parameters
    ----------
    model : ClusteredFeatures
    corruption : array (K, K)
        Its rows, times n, are how many samples have each label; they need not be whole numbers.
    rounds : int
        Number of fits.
    targets : array (K, K, K), optional
        Distributions ``[class, given label]`` to fit in the first round; the given labels by default.
    tolerance : float
        Stationarity to reach.

    Returns
    -------
    list of ClusteredFit
        One a round. Cost does not depend on n.

    References
    ----------
    Jeong & Chung 2025, section 4; claims J1, J6 (docs: claims).

    Examples
    --------
    >>> from selfdistill.theory import ClusteredFeatures, corruption_matrix, distill_clustered_softmax
    >>> model = ClusteredFeatures(4, 10**9, within=0.4, across=0.1, ridge=1e-3)
    >>> fits = distill_clustered_softmax(model, corruption_matrix("symmetric", 4, 0.5), 2)
    >>> fits[0].outputs[0, 1].round(3), fits[1].stationarity < 1e-8
    (array([0.489, 0.17 , 0.17 , 0.17 ]), True)
    """
    model = as_clusters(model)
    design = ClusteredDesign(model, model.check_corruption(corruption))
    first = np.eye(model.n_classes)[design.given]
    if targets is not None:
        given = as_real_array(targets, "targets")
        if given.shape != (model.n_classes,) * 3:
            raise InputError(
                f"targets must have shape {(model.n_classes,) * 3}, a distribution for each class and given label; got "
                f"{given.shape}."
            )
        first = given[design.classes, design.given]
    fits = SoftmaxRegression(design, model.ridge).distill(first, rounds, tolerance=tolerance)
    return [ClusteredFit(_unpack(design, fit, model.n_classes), fit.stationarity) for fit in fits]


def as_clusters(value: Any) -> ClusteredFeatures:
    """Return `value`, which must be clustered features."""
    return check_kind(
        value, "model", ClusteredFeatures, "ClusteredFeatures(n_classes, n_per_class, within, …)"
    )


def _unpack(design: ClusteredDesign, fit: SoftmaxFit, k: int) -> Array:
    outputs = np.full((k, k, k), np.nan)
    outputs[design.classes, design.given] = fit.outputs
    return outputs


def exact_minimum_rounds(model: ClusteredFeatures, corruption: Any, max_rounds: int = 50) -> float:
    """Least number of exact rounds after which every training sample is right; ∞ if above `max_rounds`.

    Outputs are followed as deviations from the uniform one, so that a large penalty or many rounds, after
    which they hardly deviate, leave the order of the classes as clear as it was.
    """
    model = as_clusters(model)
    design = ClusteredDesign(model, model.check_corruption(corruption))
    k, groups = model.n_classes, np.arange(len(design.classes))
    targets = np.eye(k)[design.given] - 1 / k
    weights = np.zeros_like(design.adjoint(targets))
    for t in range(1, check_count(max_rounds, "max_rounds") + 1):
        weights, targets, _, _ = solve_softmax(
            design, targets, model.ridge, weights, TOLERANCE, relative=True
        )
        right = targets[groups, design.classes]
        rivals = targets.copy()
        rivals[groups, design.classes] = -np.inf
        if (right - rivals.max(axis=1) > 10 * TOLERANCE * np.abs(targets).max()).all():
            return float(t)
    return np.inf
