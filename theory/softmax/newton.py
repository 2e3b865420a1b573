"""Newton's method for softmax regression in the kernel's own space, whatever form the features have (J1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..base.probabilities import softmax
from ..base.validation import Array

_NEWTON_STEPS = 200
_CG_STEPS = 2000


class Design(Protocol):
    """What Newton's method needs of the features: weights W are vectors of a space with an inner product."""

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

    def null_part(self, weights: Array) -> tuple[Array, Array] | None:
        """The part of weights whose logits are rounding, and those logits; None if there is no such part."""


@dataclass(frozen=True, eq=False)
class _Point:
    """An iterate, with what was computed there. `size` is the squared norm of the preconditioned gradient."""

    weights: Array
    logits: Array
    outputs: Array
    gradient: Array
    direction: Array
    direction_logits: Array
    size: float


def _point(design: Design, targets: Array, ridge: float, weights: Array, logits: Array) -> _Point:
    outputs = softmax(logits, check=False)
    gradient = design.adjoint(outputs - targets) + ridge * weights
    direction, direction_logits = design.precondition(gradient, ridge)
    size = design.inner(gradient, direction, direction_logits)
    return _Point(weights, logits, outputs, gradient, direction, direction_logits, size)


def _settled(design: Design, targets: Array, ridge: float, point: _Point) -> _Point:
    """Take the gradient's null part out of the weights; their logits stay.

    Conjugate gradients do not see that part: it would grow from step to step, until its rounding hides the
    gradient and no step seems to make it smaller. It is left alone while that rounding is far below.
    """
    rounding = np.finfo(np.float64).eps * ridge * point.logits.size
    if point.size > 1e6 * rounding * np.linalg.norm(point.gradient) * np.linalg.norm(point.direction):
        return point
    null = design.null_part(point.gradient)
    if null is None:
        return point
    part, its_logits = null
    return _point(design, targets, ridge, point.weights - part / ridge, point.logits - its_logits / ridge)


def solve_softmax(
    design: Design, targets: Array, ridge: float, weights: Array, tolerance: float
) -> tuple[Array, Array, float, int]:
    """Solve ``adjoint(softmax(forward(W)) − T) + λ W = 0``; return W, outputs, stationarity and steps.

    The Newton equation is solved to a part of the gradient, and a step is halved until the gradient's norm
    falls. The loss is strongly convex, so that norm has no other minimum and no step length is tuned.
    """
    start = _point(design, targets, ridge, weights, design.forward(weights))
    here = _settled(design, targets, ridge, start)
    first = here.size
    stationarity = np.inf
    for step in range(_NEWTON_STEPS):
        implied = softmax(here.logits - design.forward(here.gradient) / ridge, check=False)
        stationarity = float(np.abs(here.outputs - implied).max())
        if stationarity <= tolerance or here.size <= 0:
            return here.weights, here.outputs, stationarity, step
        # Superlinear towards the end, but no more accurate than the tolerance asks for.
        accuracy = max(min(0.1, (here.size / first) ** 0.25), 0.1 * tolerance / stationarity)
        move, move_logits = _newton_step(design, here, ridge, accuracy)
        length = 1.0
        while True:
            there = _point(
                design, targets, ridge, here.weights + length * move, here.logits + length * move_logits
            )
            if there.size < here.size:
                break
            length /= 2
            if length < 1e-6:  # rounding: no step makes the gradient smaller
                return here.weights, here.outputs, stationarity, step
        here = _settled(design, targets, ridge, there)
    return here.weights, here.outputs, stationarity, _NEWTON_STEPS


def _newton_step(design: Design, here: _Point, ridge: float, accuracy: float) -> tuple[Array, Array]:
    """Solve ``Hessian · move = −gradient`` by preconditioned conjugate gradients, to `accuracy`."""
    outputs, residual, size = here.outputs, -here.gradient, here.size
    search, search_logits = -here.direction, -here.direction_logits
    move, move_logits = np.zeros_like(search), np.zeros_like(search_logits)
    for _ in range(_CG_STEPS):
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
            break
        search = direction + (new_size / size) * search
        search_logits = direction_logits + (new_size / size) * search_logits
        size = new_size
    return move, move_logits
