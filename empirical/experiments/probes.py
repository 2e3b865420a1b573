"""Linear probes trained until they have converged: cross-entropy, and the partial-label loss, which is not convex."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.optimize

from ...theory import softmax
from ...theory.base.validation import Array, check_choice, check_positive

ProbeLoss = Literal["cross-entropy", "partial labels"]
PARTIAL_Q = 0.7  # the authors' exponent


@dataclass(frozen=True, eq=False)
class Probe:
    """A softmax regression without intercept.

    Attributes
    ----------
    weights : ndarray (p, K)
    stationarity : float
        Norm of the objective's gradient over the norm of its weight-decay part: 0 where training has converged.
    """

    weights: Array
    stationarity: float

    def outputs(self, features: Array) -> Array:
        """Class probabilities (n, K) of feature rows (n, p)."""
        return softmax(features @ self.weights)


def fit_probe(
    features: Array,
    targets: Array,
    ridge: float,
    loss: ProbeLoss = "cross-entropy",
    start: Probe | None = None,
) -> Probe:
    """Minimise ``mean loss + (ridge/2) ‖W‖²`` by L-BFGS on all samples, from given weights or from zero.

    Parameters
    ----------
    features : ndarray (N, p)
    targets : ndarray (N, K)
        Soft targets; for partial labels the candidates of each sample, equally weighted, rows of sum 1.
    ridge : float
        Weight decay.
    loss : {"cross-entropy", "partial labels"}
        ``−Σ_k t_k log p_k``, which has one minimum; or ``Σ_k t_k (1 − p_k^q)/q`` with q = 0.7, which has many, so
        that the start matters.
    start : Probe, optional
        Where to begin; weights of zero by default.
    """
    check_positive(ridge, "ridge")
    check_choice(loss, "loss", ("cross-entropy", "partial labels"))
    n, shape = len(features), (features.shape[1], targets.shape[1])

    def objective(flat: Array) -> tuple[float, Array]:
        weights = flat.reshape(shape)
        value, slope = _LOSSES[loss](features @ weights, targets)
        gradient = features.T @ slope / n + ridge * weights
        return value / n + ridge / 2 * float(flat @ flat), gradient.ravel()

    first = np.zeros(shape) if start is None else start.weights
    found = scipy.optimize.minimize(
        objective, first.ravel(), jac=True, method="L-BFGS-B",
        options={"maxiter": 5000, "maxfun": 10_000, "maxcor": 20, "ftol": 0, "gtol": 5e-3 * ridge},
    )  # fmt: skip
    gradient = np.linalg.norm(objective(found.x)[1])
    scale = max(ridge * float(np.linalg.norm(found.x)), np.finfo(float).tiny)
    return Probe(found.x.reshape(shape), float(gradient / scale))


def _cross_entropy(logits: Array, targets: Array) -> tuple[float, Array]:
    """Summed loss, and its gradient in the logits."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return -float(np.sum(targets * log_p)), np.exp(log_p) * targets.sum(axis=1, keepdims=True) - targets


def _partial_labels(logits: Array, targets: Array) -> tuple[float, Array]:
    """Summed loss, and its gradient in the logits."""
    p = softmax(logits)
    power = targets * p**PARTIAL_Q
    value = float(np.sum(targets) - np.sum(power)) / PARTIAL_Q
    return value, p * power.sum(axis=1, keepdims=True) - power


_LOSSES = {"cross-entropy": _cross_entropy, "partial labels": _partial_labels}
