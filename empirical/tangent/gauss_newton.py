"""Networks trained to an exact error: least distance to their start, by Gauss-Newton in the dual.

A stochastic method reaches "training error ε" only roughly, and c with it. Here the optimum itself is found:
each step solves an n×n system in the tangent kernel of the current parameters.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ...theory.base.validation import Array, InputError, as_targets, check_positive
from ...theory.distillation.multiplier import penalty_for_error
from ..training.ensemble import Parameters
from .features import TangentFeatures, linear_layers, tangent_features
from .kernel import combine, tangent_kernel


@dataclass(frozen=True, eq=False)
class Fit:
    """A centred network ``h = f(θ) − f(θ_0)`` at the optimum of ``mean (h − y)² + c ‖θ − θ_0‖²``.

    Attributes
    ----------
    displacement : dict of Tensor
        ``θ − θ_0``.
    fitted : ndarray (n,)
        h on the training points.
    penalty : float
        c.
    error : float
        ``mean (h − y)²``.
    stationarity : float
        Norm of the objective's gradient over the norm of its penalty part: 0 at an optimum.
    steps : int
        Gauss-Newton steps taken.
    converged : bool
        Whether error and stationarity met the tolerance.
    """

    displacement: Parameters
    fitted: Array
    penalty: float
    error: float
    stationarity: float
    steps: int
    converged: bool


@dataclass(frozen=True, eq=False)
class _Point:
    """Everything about one displacement that a Gauss-Newton step needs."""

    displacement: Parameters
    features: TangentFeatures
    eigenvalues: Array  # of J Jᵀ / n
    vectors: Array
    values: Array
    slope: Array  # J (θ − θ_0)

    def residual(self, targets: Array) -> Array:
        """What is left for the linearised network to fit, in eigenvectors of its kernel."""
        return np.asarray(self.vectors.T @ (targets - self.values + self.slope))


class CentredNetwork:
    """``h(θ) = f(θ) − f(θ_0)`` of one fully connected network with one output, on fixed training points.

    Parameters
    ----------
    network : torch.nn.Module
        At θ_0. It is copied, and computed in float64.
    inputs : array (n, ...)
        Training points.

    Attributes
    ----------
    network : torch.nn.Module
        The copy, whose parameters move.
    inputs : Tensor (n, ...)
    start : dict of Tensor
        The parameters θ_0.
    gram : ndarray (n, n)
        Tangent kernel of the training points at θ_0.

    Raises
    ------
    InputError
        If the network has parameters outside linear layers, or more than one output.
    """

    def __init__(self, network: nn.Module, inputs: Array) -> None:
        self.network = copy.deepcopy(network).double().requires_grad_(False)
        self.inputs = torch.as_tensor(inputs, dtype=torch.float64)
        self.start = {name: p.clone() for name, p in self.network.named_parameters()}
        self._moved = dict(self.network.named_parameters())
        self._layers = linear_layers(self.network, self.inputs[:1])
        features = tangent_features(self.network, self.inputs, self._layers)
        if features.jacobian is not None or features.n_outputs != 1:
            raise InputError("a centred network must have linear layers only, and one output.")
        self._offset = features.outputs[:, 0].numpy()
        self.gram = combine(features, features, "mean").numpy()

    @np.errstate(over="ignore", invalid="ignore")  # a network that diverges is noticed below
    def fit_to_error(
        self, targets: Array, epsilon: float, *, tolerance: float = 1e-4, max_steps: int = 200
    ) -> Fit:
        """Find the least displacement whose training error is ε.

        Gauss-Newton on the constrained problem: each step linearises the network and takes the penalty at
        which the linearised error is ε, at most halved or doubled from one step to the next.

        Parameters
        ----------
        targets : array (n,)
            With ``mean y² > ε``: otherwise the optimum is h = 0.
        epsilon : float
            Training error to reach.
        tolerance : float
            Relative difference of the error from ε that counts as settled; for stationarity ten times that.
        max_steps : int
            A fit that has not settled after so many steps, or before the network diverged, is returned with
            ``converged=False``.

        Returns
        -------
        Fit

        References
        ----------
        Mobahi et al. 2020, section 2, with the network in place of the Hilbert space; claim M17 (docs: claims).
        """
        y = as_targets(targets, len(self.inputs))
        epsilon = check_positive(epsilon, "epsilon")
        if np.mean(y**2) <= epsilon:
            raise InputError("targets are within epsilon of zero: the optimum is the network at its start.")
        point = self._linearise({name: torch.zeros_like(p) for name, p in self.start.items()})
        penalty: float | None = None
        for step in range(max_steps):
            wanted = self._linear_penalty(point, y, epsilon)
            if wanted is None:  # the linearisation cannot say: move towards ε from the side we are on
                sign = 1 if np.mean((point.values - y) ** 2) < epsilon else -1
                wanted = (penalty or 1.0) * 4.0**sign
            penalty = wanted if penalty is None else float(np.clip(wanted, penalty / 2, penalty * 2))
            if step and self._settled(point, y, penalty, epsilon, tolerance):
                return self._fit(point, y, penalty, step, True)
            further = self._linearise(self._descend(point, y, penalty))
            if not np.isfinite(further.eigenvalues).all():  # ε is out of reach, and the network has diverged
                return self._fit(point, y, penalty, step, False)
            point = further
        assert penalty is not None
        return self._fit(point, y, penalty, max_steps, False)

    def cross_gram(self, inputs: Array) -> Array:
        """Tangent kernel at θ_0 between new points and the training points, (q, n)."""
        self._move({name: torch.zeros_like(p) for name, p in self.start.items()})
        return tangent_kernel(self.network, inputs, self.inputs)

    def predict(self, fit: Fit, inputs: Array) -> Array:
        """Centred outputs ``f(θ) − f(θ_0)`` of a fitted network at new points, (q,)."""
        x = torch.as_tensor(inputs, dtype=torch.float64)
        moved = self._forward(fit.displacement, x)
        self._move({name: torch.zeros_like(p) for name, p in self.start.items()})
        return moved - self.network(x)[:, 0].numpy()

    def _move(self, displacement: Parameters) -> None:
        for name, p in self._moved.items():
            torch.add(self.start[name], displacement[name], out=p.data)

    def _forward(self, displacement: Parameters, inputs: Tensor) -> Array:
        self._move(displacement)
        with torch.no_grad():
            return np.asarray(self.network(inputs)[:, 0].numpy())

    def _linearise(self, displacement: Parameters) -> _Point:
        self._move(displacement)
        features = tangent_features(self.network, self.inputs, self._layers)
        gram = combine(features, features, "mean").numpy() / len(self.inputs)
        known = np.isfinite(gram).all()
        eigenvalues, vectors = np.linalg.eigh(gram) if known else (np.full(len(gram), np.nan), gram)
        return _Point(
            displacement,
            features,
            np.maximum(eigenvalues, 0.0),
            vectors,
            features.outputs[:, 0].numpy() - self._offset,
            features.push(displacement).numpy(),
        )

    def _linear_penalty(self, point: _Point, y: Array, epsilon: float) -> float | None:
        """The c at which the linearised network's optimum has error ε; None if no c does."""
        d, weights = point.eigenvalues, point.residual(y) ** 2
        seen = d > len(d) * np.finfo(float).eps * d.max()
        budget = len(y) * epsilon - weights[~seen].sum()
        excess = weights[seen].sum() - budget
        if budget <= 0 or excess <= 0:
            return None
        return float(penalty_for_error(d[seen], weights[seen], np.array(budget), np.array(excess)))

    def _descend(self, point: _Point, y: Array, penalty: float) -> Parameters:
        """One Gauss-Newton step on the penalised objective, shortened until it descends."""
        dual = point.vectors @ (point.residual(y) / (len(y) * (point.eigenvalues + penalty)))
        target = point.features.pull(torch.from_numpy(dual))
        old = np.mean((point.values - y) ** 2) + penalty * _square(point.displacement)
        length = 1.0
        while True:
            trial = {name: torch.lerp(d, target[name], length) for name, d in point.displacement.items()}
            values = self._forward(trial, self.inputs) - self._offset
            if np.mean((values - y) ** 2) + penalty * _square(trial) < old or length < 2**-7:
                return trial
            length /= 2

    def _stationarity(self, point: _Point, y: Array, penalty: float) -> float:
        pulled = point.features.pull(torch.from_numpy((y - point.values) / (len(y) * penalty)))
        gap = {name: pulled[name] - d for name, d in point.displacement.items()}
        return float(np.sqrt(_square(gap) / max(_square(point.displacement), np.finfo(float).tiny)))

    def _settled(self, point: _Point, y: Array, penalty: float, epsilon: float, tolerance: float) -> bool:
        error = np.mean((point.values - y) ** 2)
        return bool(
            abs(error / epsilon - 1) < tolerance and self._stationarity(point, y, penalty) < 10 * tolerance
        )

    def _fit(self, point: _Point, y: Array, penalty: float, steps: int, converged: bool) -> Fit:
        return Fit(
            point.displacement,
            point.values,
            penalty,
            float(np.mean((point.values - y) ** 2)),
            self._stationarity(point, y, penalty),
            steps,
            converged,
        )


def _square(parameters: Parameters) -> float:
    return float(sum(p.square().sum() for p in parameters.values()))
