"""Networks taught by networks: generations on their own outputs, and students of every weight.

Small perceptrons with squared error on one-hot digits whose training targets carry Gaussian noise, so that the closed
forms past the papers can be asked of them. Every unit is one split of the data.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr

from ...theory import best_mixture_weight, one_hot
from ...theory.base.validation import Array, check_count, check_nonnegative, check_positive
from ..data.datasets import load
from ..networks.perceptrons import mlp
from ..training.ensemble import Ensemble
from ..training.members import TrainingConfig, squared_error, train

PIPELINES = ("self-distillation", "replaced", "accumulated", "half real")
STUDENTS = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class TaughtNetworks:
    """One split of digits and how networks are trained on it.

    Attributes
    ----------
    n_train, n_test : int
    width : int
        Of the hidden layer.
    generations : int
    noise : float
        Standard deviation of the noise of a target, and of that of every read-out of outputs.
    epochs : int
    seed : int
        Of the split, the noise and the initial weights.
    device : str
    """

    n_train: int = 200
    n_test: int = 600
    width: int = 64
    generations: int = 6
    noise: float = 0.5
    epochs: int = 40
    seed: int = 0
    device: str = "cpu"

    def __post_init__(self) -> None:
        for name in ("n_train", "n_test", "width", "generations", "epochs"):
            check_count(getattr(self, name), name)
        check_positive(self.noise, "noise")
        check_nonnegative(self.seed, "seed")


def measure_taught_networks(config: TaughtNetworks) -> xr.Dataset:
    """Train everything of one split.

    Returns
    -------
    xarray.Dataset
        ``distance`` and ``accuracy`` of every pipeline and generation; ``student_error`` measured at every weight,
        and ``predicted_error`` from the first fit and the pure student alone, with ``best_weight``. Errors are squared
        distances to the clean one-hot labels of test points, distances those of training points; sums over outputs.
    """
    torch.manual_seed(config.seed)
    problem = _Problem(config)
    generations = problem.generations()
    return xr.merge([generations, problem.weights()])


class _Problem:
    """A split, its noise, and networks trained on it."""

    def __init__(self, config: TaughtNetworks) -> None:
        self.config = config
        self.rng = np.random.default_rng([config.seed, 121])
        data = load("digits", config.n_train, config.n_test, self.rng)
        self.inputs, self.test_inputs = (
            v.reshape(len(v), -1).astype(np.float32) for v in (data.inputs, data.test_inputs)
        )
        self.clean = one_hot(data.targets, 10)
        self.test = one_hot(data.test_targets, 10)
        self.labels = self.clean + self.noise()

    def noise(self) -> Array:
        return self.config.noise * self.rng.normal(size=self.clean.shape)

    def fit(self, targets: Array, width: int, stream: int) -> tuple[Array, Array]:
        """Outputs on training and test points (M, n, 10) of fresh networks, one for each set of targets (M, n, 10)."""
        config = self.config
        seed = 1000 * config.seed + stream
        ensemble = Ensemble.initialise(
            lambda: mlp(self.inputs.shape[1], 10, (width,)), [seed] * len(targets), device=config.device
        )
        how = TrainingConfig(
            epochs=config.epochs, batch_size=50, optimiser="adam", learning_rate=5e-3, schedule="cosine"
        )
        trained = train(
            ensemble, self.inputs, torch.as_tensor(targets, dtype=torch.float32), squared_error, how
        ).ensemble
        with torch.no_grad():
            both = [trained.predict(torch.as_tensor(x)) for x in (self.inputs, self.test_inputs)]
        first, second = (np.asarray(v.cpu(), dtype=np.float64) for v in both)
        return first, second

    def generations(self) -> xr.Dataset:
        """Every pipeline for its generations."""
        targets = np.stack([self.labels] * len(PIPELINES))
        total = self.labels
        distance, accuracy = [], []
        for t in range(1, self.config.generations + 1):
            fitted, tested = self.fit(targets, self.config.width, t)
            distance.append(np.sum((fitted - self.clean) ** 2, axis=(1, 2)) / len(self.clean))
            accuracy.append(np.mean(tested.argmax(-1) == self.test.argmax(-1), axis=1))
            total = total + fitted[2] + self.noise()
            targets = np.stack(
                [
                    fitted[0],
                    fitted[1] + self.noise(),
                    total / (t + 1),
                    (self.labels + fitted[3] + self.noise()) / 2,
                ]
            )
        axes = ("generation", "pipeline")
        return xr.Dataset(
            {"distance": (axes, distance), "accuracy": (axes, accuracy)},
            coords={"generation": np.arange(1, self.config.generations + 1), "pipeline": list(PIPELINES)},
        )

    def weights(self) -> xr.Dataset:
        """Students of every weight, measured, and as two networks predict them."""
        fitted, tested = self.fit(self.labels[None], self.config.width, 51)
        first = tested[0]
        given = [w * self.labels + (1 - w) * fitted[0] for w in STUDENTS]
        students = self.fit(np.stack(given), self.config.width, 52)[1]
        half = len(self.test) // 2
        chosen = best_mixture_weight(first[:half], students[0][:half], self.test[:half])
        return xr.Dataset(
            {
                "student_error": ("weight", [self._error(s[half:], half) for s in students]),
                "predicted_error": (
                    "weight",
                    [self._error((w * first + (1 - w) * students[0])[half:], half) for w in STUDENTS],
                ),
                "best_weight": chosen,
            },
            coords={"weight": list(STUDENTS)},
        )

    def _error(self, outputs: Array, start: int) -> float:
        return float(np.sum((outputs - self.test[start:]) ** 2) / len(outputs))
