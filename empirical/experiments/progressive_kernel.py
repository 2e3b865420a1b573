"""Progressive self-distillation of a wide network, epoch by epoch, against its tangent kernel's closed form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from ...theory import Spectrum, Trajectory, progressive_trajectory, progressive_weight
from ...theory.base.validation import Array, check_count, check_fraction, check_positive, check_seeds
from ..data.datasets import Data, load
from ..networks.perceptrons import mlp
from ..tangent.kernel import tangent_kernel
from ..training.ensemble import Ensemble, as_inputs
from ..training.members import TrainingConfig, squared_error, train


@dataclass(frozen=True)
class ProgressiveKernel:
    """Full-batch gradient descent on squared loss, with progressive targets.

    Attributes
    ----------
    data : str
        A two-class set; targets are −1 and 1.
    n_train, n_test : int
    width : int
        Units of each of the two hidden layers, in NTK parametrisation.
    epochs, steps : int
        Number of epochs, and of gradient steps in each.
    final : float
        Weight of the network's own past outputs in the last epoch's targets; it grows linearly from epoch 1.
    rate : float
        Share of its distance to the targets that one step takes along the fastest direction: ``2 η d_max``.
    seeds : tuple of int
    """

    data: str = "digits-3-8"
    n_train: int = 60
    n_test: int = 100
    width: int = 128
    epochs: int = 8
    steps: int = 50
    final: float = 0.8
    rate: float = 0.1
    seeds: tuple[int, ...] = (0, 1, 2)
    device: str = "cpu"

    def __post_init__(self) -> None:
        for name in ("n_train", "n_test", "width", "epochs", "steps"):
            check_count(getattr(self, name), name)
        check_fraction(self.final, "final")
        check_positive(self.rate, "rate")
        check_seeds(self.seeds)


def measure_progressive_kernel(config: ProgressiveKernel) -> xr.Dataset:
    """Relative distance of the network from its prediction, over (epoch, seed), and both sides' norms.

    The network is centred: what is compared is its output less that at initialisation. The prediction uses
    the network's own tangent kernel at initialisation.
    """
    data = load(config.data, config.n_train, config.n_test, np.random.default_rng([config.seeds[0], 52]))
    ensemble = Ensemble.initialise(
        lambda: mlp(data.inputs.shape[1], 1, (config.width,) * 2, parametrisation="ntk"),
        config.seeds,
        device=config.device,
    )
    weights = [progressive_weight(e, config.epochs, config.final) for e in range(1, config.epochs + 1)]
    runs, crosses, rates = [], [], []
    for module in ensemble.modules():
        spectrum = Spectrum.from_gram(tangent_kernel(module, data.inputs), data.signed.astype(float))
        rates.append(config.rate / (2 * spectrum.largest_eigenvalue))
        runs.append(progressive_trajectory(spectrum, weights, rates[-1] * config.steps, config.steps))
        crosses.append(tangent_kernel(module, data.test_inputs, data.inputs))
    fitted, tested = _train(config, ensemble, data, weights, rates)
    return _compare(config, runs, crosses, fitted, tested)


def _train(
    config: ProgressiveKernel, ensemble: Ensemble, data: Data, weights: list[float], rates: list[float]
) -> tuple[Array, Array]:
    """Centred outputs after every epoch, on training (E, M, n) and test points (E, M, q)."""
    x, x_test = as_inputs(data.inputs, ensemble), as_inputs(data.test_inputs, ensemble)
    y = ensemble.share(torch.from_numpy(data.signed).to(x))
    start, start_test = ensemble.predict(x)[..., 0], ensemble.predict(x_test)[..., 0]
    fitted: list[Array] = []
    tested: list[Array] = []

    def each_step(step: int, current: Ensemble) -> Tensor | None:
        epoch, rest = divmod(step + 1, config.steps)
        if rest:
            return None
        past = current.predict(x)[..., 0] - start
        fitted.append(past.double().cpu().numpy())
        tested.append((current.predict(x_test)[..., 0] - start_test).double().cpu().numpy())
        alpha = weights[min(epoch, len(weights) - 1)]
        return (1 - alpha) * y + alpha * past + start

    descent = TrainingConfig(
        epochs=config.epochs * config.steps, batch_size=config.n_train, learning_rate=rates, momentum=0.0
    )
    # Before the first epoch the network's past is zero, as in the closed form.
    train(ensemble, x, (1 - weights[0]) * y + start, squared_error, descent, each_epoch=each_step)
    return np.stack(fitted), np.stack(tested)


def _compare(
    config: ProgressiveKernel, runs: list[Trajectory], crosses: list[Array], fitted: Array, tested: Array
) -> xr.Dataset:
    epochs = range(1, config.epochs + 1)
    predicted = np.stack([[run.fitted(e) for run in runs] for e in epochs])
    unseen = np.stack([[run.predict(k, e) for run, k in zip(runs, crosses, strict=True)] for e in epochs])

    def norm(values: Array) -> Array:
        return np.asarray(np.linalg.norm(values, axis=-1) / np.sqrt(values.shape[-1]))

    axes = ("epoch", "seed")
    return xr.Dataset(
        {
            "predicted_norm": (axes, norm(predicted)),
            "measured_norm": (axes, norm(fitted)),
            "error": (axes, norm(fitted - predicted) / norm(predicted)),
            "test_error": (axes, norm(tested - unseen) / norm(unseen)),
        },
        coords={"epoch": np.array(epochs, np.int32), "seed": np.array(config.seeds, np.int32)},
        attrs={"width": config.width},
    )
