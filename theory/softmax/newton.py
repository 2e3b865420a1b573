"""Newton's method for softmax regression, whatever form the features have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import scipy.linalg

from ..base.probabilities import softmax
from ..base.validation import Array

_NEWTON_STEPS = 200
_CG_STEPS = 2000
# The most unknowns for which a Newton equation is solved by a factorisation where iterations are many.
_DIRECT_UNKNOWNS = 1500


class Design(Protocol):
    """What Newton's method needs of the features: weights W are vectors of a space with an inner product."""

    @property
    def rows(self) -> Array | None:
        """Features (N, r) where the space is Euclidean and they are at hand; None elsewhere."""

    @property
    def sample_weights(self) -> Array:
        """Share of each sample in the loss, (N, 1)."""

    def forward(self, weights: Array) -> Array:
        """Logits of all samples."""

    def adjoint(self, residual: Array) -> Array:
        """Weighted sum of the samples' features times their residuals."""

    def inner(self, a: Array, b: Array, b_forward: Array) -> float:
        """Inner product of two weights, the second given with its logits."""

    def precondition(self, weights: Array, ridge: float) -> tuple[Array, Array]:
        """Apply the inverse Hessian at the uniform output; return that and its logits."""

    def dual(self, weights: Array) -> Array:
        """Coefficients of the samples, (N, K), whose combination of features the weights are."""


def deviations(logits: Array) -> Array:
    """Softmax less the uniform output, to full relative precision also where logits are all but equal."""
    k = logits.shape[1]
    centred = logits - logits.mean(axis=1, keepdims=True)
    if np.abs(centred).max(initial=0.0) > 0.1:
        return np.asarray(softmax(logits, check=False) - 1 / k)
    rises = np.expm1(centred)
    mean = rises.mean(axis=1, keepdims=True)
    return np.asarray((rises - mean) / (k * (1 + mean)))


@dataclass(frozen=True, eq=False)
class _Point:
    """An iterate, with what was computed there. `size` is the squared norm of the preconditioned gradient."""

    weights: Array
    logits: Array
    deviations: Array
    gradient: Array
    direction: Array
    direction_logits: Array
    size: float


def _point(design: Design, targets: Array, ridge: float, weights: Array, logits: Array) -> _Point:
    found = deviations(logits)
    gradient = design.adjoint(found - targets) + ridge * weights
    direction, direction_logits = design.precondition(gradient, ridge)
    size = design.inner(gradient, direction, direction_logits)
    return _Point(weights, logits, found, gradient, direction, direction_logits, size)


def solve_softmax(
    design: Design, targets: Array, ridge: float, weights: Array, tolerance: float, *, relative: bool = False
) -> tuple[Array, Array, float, int]:
    """Solve ``adjoint(softmax(forward(W)) − T) + λ W = 0``; return W, outputs, their change and the steps.

    Targets and outputs are given less 1/K, so that those close to the uniform output keep their digits. With
    `relative` the tolerance is a share of the largest of these deviations.

    The Newton equation is solved to a part of the gradient, and a step is halved until the gradient's norm
    falls. The loss is strongly convex, so that norm has no other minimum and no step length is tuned. It
    ends where outputs change by no more than the tolerance if the gradient is taken out, or where rounding
    lets no step make the gradient smaller. The change is what one more step would do to the outputs.
    """
    here = _point(design, targets, ridge, weights, design.forward(weights))
    first = here.size
    direct, change = False, 0.0
    for step in range(_NEWTON_STEPS):
        implied = deviations(here.logits - design.forward(here.gradient) / ridge)
        change = float(np.abs(here.deviations - implied).max())
        enough = tolerance * (float(np.abs(here.deviations).max()) if relative else 1.0)
        if change <= enough or here.size <= 0:
            return here.weights, here.deviations, change, step
        move = None
        if not direct:
            # Superlinear towards the end, but no more accurate than the tolerance asks for.
            accuracy = max(min(0.1, (here.size / first) ** 0.25), 0.1 * enough / change)
            move = _iterated_step(design, here, ridge, accuracy)
            direct = move is None
        if move is None:
            move = _factorised_step(design, here, ridge)
        change = float(np.abs(deviations(here.logits + move[1]) - here.deviations).max())
        there = _shortened(design, targets, ridge, here, *move)
        if there is None:
            return here.weights, here.deviations, change, step
        here = there
    return here.weights, here.deviations, change, _NEWTON_STEPS


def _shortened(
    design: Design, targets: Array, ridge: float, here: _Point, move: Array, move_logits: Array
) -> _Point | None:
    """Halve the step until the gradient is smaller; None if rounding lets no step be."""
    length = 1.0
    while length > 1e-6:
        weights, logits = here.weights + length * move, here.logits + length * move_logits
        there = _point(design, targets, ridge, weights, logits)
        if there.size < here.size:
            return there
        length /= 2
    return None


def _iterated_step(design: Design, here: _Point, ridge: float, accuracy: float) -> tuple[Array, Array] | None:
    """Solve ``Hessian · move = −gradient`` by preconditioned conjugate gradients, to `accuracy`.

    None where that takes longer than a factorisation would.
    """
    outputs = here.deviations + 1 / here.deviations.shape[1]
    residual, size = -here.gradient, here.size
    search, search_logits = -here.direction, -here.direction_logits
    move, move_logits = np.zeros_like(search), np.zeros_like(search_logits)
    limit = _worthwhile_iterations(design, outputs.shape[1])
    for _ in range(limit or _CG_STEPS):
        curved = outputs * search_logits
        curved -= outputs * curved.sum(axis=1, keepdims=True)
        applied = design.adjoint(curved) + ridge * search
        length = size / design.inner(applied, search, search_logits)
        move += length * search
        move_logits += length * search_logits
        residual -= length * applied
        direction, direction_logits = design.precondition(residual, ridge)
        new_size = design.inner(residual, direction, direction_logits)
        if new_size <= accuracy**2 * here.size:
            return move, move_logits
        search = direction + (new_size / size) * search
        search_logits = direction_logits + (new_size / size) * search_logits
        size = new_size
    return None if limit else (move, move_logits)


def _worthwhile_iterations(design: Design, n_classes: int) -> int | None:
    """How many iterations cost as much as a factorisation; None if that is out of the question."""
    if design.rows is None:
        return None
    n, r = design.rows.shape
    unknowns = r * (n_classes - 1)
    if unknowns > _DIRECT_UNKNOWNS:
        return None
    return 10 + int((n * unknowns**2 + unknowns**3 / 3) / (6 * n * r * n_classes))


def _factorised_step(design: Design, here: _Point, ridge: float) -> tuple[Array, Array]:
    """Solve ``Hessian · move = −gradient`` by a Cholesky factorisation.

    Adding one number to all logits of a sample changes no output: along those weights the Hessian is the
    penalty alone, and they are split off.
    """
    rows, k = design.rows, here.deviations.shape[1]
    assert rows is not None
    r, p = rows.shape[1], here.deviations + 1 / k
    common = here.gradient.mean(axis=1, keepdims=True)
    differences = scipy.linalg.helmert(k).T  # orthonormal, columns sum to 0
    mixed = p @ differences
    hessian = np.empty((k - 1, r, k - 1, r))
    for a in range(k - 1):
        for b in range(a + 1):
            curvature = p @ (differences[:, a] * differences[:, b]) - mixed[:, a] * mixed[:, b]
            block = rows.T @ (design.sample_weights * curvature[:, None] * rows)
            hessian[a, :, b], hessian[b, :, a] = block, block.T
    matrix = hessian.reshape(r * (k - 1), -1)
    # Cholesky's errors follow the scale of each unknown once the diagonal is 1.
    scales = 1 / np.sqrt(np.diagonal(matrix) + ridge)
    matrix.flat[:: len(matrix) + 1] += ridge
    matrix *= scales[:, None]
    matrix *= scales
    right = -(here.gradient @ differences).T.ravel() * scales
    solved = _solve_definite(matrix, right) * scales
    move = solved.reshape(k - 1, r).T @ differences.T - common / ridge
    return move, design.forward(move)


def _solve_definite(matrix: Array, right: Array) -> Array:
    """Solve with a matrix of unit diagonal; if rounding made it indefinite, with the least shift that helps."""
    shift = 0.0
    while True:
        try:
            factor = scipy.linalg.cholesky(matrix, lower=True, check_finite=False)
            return np.asarray(scipy.linalg.cho_solve((factor, True), right, check_finite=False))
        except np.linalg.LinAlgError:
            added = max(9 * shift, 1e-15 * len(matrix))
            shift += added
            matrix.flat[:: len(matrix) + 1] += added
