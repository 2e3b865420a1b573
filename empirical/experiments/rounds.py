"""Matched experiment 2: self-distillation as practitioners do it, over many rounds, all seeds at once."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import scipy.stats
import torch
import xarray as xr
from torch import Tensor
from torch.nn import functional as F

from ...theory import corrupt_labels, corruption_matrix
from ...theory.base.probabilities import one_hot
from ...theory.base.validation import (
    Array,
    InputError,
    check_choice,
    check_count,
    check_fraction,
    check_seeds,
)
from ..data.cifar import CropAndFlip, load_cifar
from ..data.datasets import Data, load
from ..jobs.threads import one_thread
from ..tangent.kernel import tangent_kernel
from ..training.architectures import Network, check_widths, initialise
from ..training.ensemble import Ensemble
from ..training.members import TrainingConfig, squared_error
from ..training.memory import train_within

Loss = Literal["squared", "cross_entropy"]


@dataclass(frozen=True)
class RoundsConfig:
    """A run of self-distillation.

    Attributes
    ----------
    loss : {"squared", "cross_entropy"}
        The next round's targets are the raw outputs, or the softmax of them.
    data : str
        "cifar10", "cifar100", or a set of `datasets.load`.
    network : str
        One of `architectures.Network`.
    seeds : tuple of int
        One a member: its initialisation, its label noise, its order of minibatches. The first also decides
        the split of the data, which all share.
    rounds : int
    n_train, n_test : int
    label_noise : float
        Share of training labels replaced by another class, drawn uniformly.
    hidden : tuple of int
        Widths, as `architectures.build_network` takes them.
    epochs, batch_size, learning_rate, weight_decay
        As in `TrainingConfig`; SGD with momentum 0.9 and a cosine schedule. CIFAR's images are shifted and
        mirrored.
    device : str
        On a GPU, in mixed precision.
    """

    loss: Loss
    data: str = "digits"
    network: Network = "mlp"
    seeds: tuple[int, ...] = (0, 1, 2, 3)
    rounds: int = 10
    n_train: int = 400
    n_test: int = 1000
    label_noise: float = 0.4
    hidden: tuple[int, ...] = (128,)
    epochs: int = 30
    batch_size: int = 64
    learning_rate: float = 0.05
    weight_decay: float = 5e-3
    device: str = "cpu"

    def __post_init__(self) -> None:
        check_choice(self.loss, "loss", get_args(Loss))
        check_widths(self.network, self.hidden)
        check_seeds(self.seeds)
        for name in ("rounds", "n_train", "n_test", "epochs"):
            check_count(getattr(self, name), name)
        check_fraction(self.label_noise, "label_noise", below_one=True)
        self.training()

    def training(self) -> TrainingConfig:
        """Return how every round is trained."""
        return TrainingConfig(
            epochs=self.epochs, batch_size=self.batch_size, learning_rate=self.learning_rate,
            weight_decay=self.weight_decay, schedule="cosine", mixed_precision=self.device.startswith("cuda"),
        )  # fmt: skip

    def each_seed(self) -> list[RoundsConfig]:
        """Return one run a seed; the split of the data into training and test points is then its own too."""
        return [replace(self, seeds=(seed,)) for seed in self.seeds]


def measure_rounds(config: RoundsConfig) -> xr.Dataset:
    """Train round after round, each from the same start on the last round's outputs.

    Returns
    -------
    xarray.Dataset
        On `seed` and `round` (1 … T): `test_accuracy`, `train_accuracy` against the true labels,
        `given_accuracy` against the noisy ones, `effective_rank` of the training outputs (exponential of the
        entropy of their centred singular values), and for MLPs `filter_order`, the rank correlation of the
        measured filters with the eigenvalues of the start's tangent kernel (1: the theory's order). On `seed`:
        `diverged`, 1 for a network that did; from that round on all else is NaN.
    """
    with one_thread() if config.network == "mlp" else nullcontext():
        return _measure(config)


def _measure(config: RoundsConfig) -> xr.Dataset:
    data = _data(config)
    labels = np.stack([_noisy(data, config.label_noise, seed) for seed in config.seeds])
    start = initialise(
        config.network, data.inputs.shape[1:], data.n_classes, config.hidden, config.seeds, config.device
    )
    inputs = torch.as_tensor(data.inputs, device=start.device)
    indicators = np.stack([one_hot(row, data.n_classes, like=data.inputs) for row in labels])
    given = torch.as_tensor(indicators, device=start.device)
    bases = _eigenbases(start, data.inputs) if config.network == "mlp" else []
    loss: Callable[[Tensor, Tensor], Tensor] = squared_error if config.loss == "squared" else F.cross_entropy
    targets, rows, diverged = given, [], np.zeros(len(config.seeds), bool)
    for _ in range(config.rounds):
        augment = CropAndFlip() if config.data.startswith("cifar") else None
        run = train_within(None, start, inputs, targets, loss, config.training(), prepare=augment)
        diverged |= run.diverged
        outputs = run.ensemble.predict(inputs)
        targets = outputs if config.loss == "squared" else outputs.softmax(dim=2)
        test = run.ensemble.predict(data.test_inputs).argmax(dim=2).cpu().numpy()
        row = _summary(targets, given, test, labels, data, bases)
        rows.append({name: np.where(diverged, np.nan, values) for name, values in row.items()})
    names = rows[0].keys()
    return xr.Dataset(
        {name: (("seed", "round"), np.stack([row[name] for row in rows], axis=1)) for name in names}
        | {"diverged": ("seed", diverged.astype(np.int32))},
        coords={"seed": list(config.seeds), "round": np.arange(1, config.rounds + 1)},
    )


def _data(config: RoundsConfig) -> Data:
    rng = np.random.default_rng([config.seeds[0], 2])
    if config.data.startswith("cifar"):
        return load_cifar(config.data, config.n_train, config.n_test, rng)
    data = load(config.data, config.n_train, config.n_test, rng)
    if data.n_classes < 2:
        raise InputError(f"rounds are measured on classes; {config.data} has none.")
    return data


def _noisy(data: Data, rate: float, seed: int) -> Array:
    matrix = corruption_matrix("symmetric", data.n_classes, rate)
    return corrupt_labels(data.targets, matrix, np.random.default_rng([seed, 3]))


def _eigenbases(start: Ensemble, inputs: Array) -> list[tuple[Array, Array]]:
    bases = []
    for network in start.modules():
        values, vectors = np.linalg.eigh(tangent_kernel(network, inputs).astype(np.float64))
        bases.append((values, vectors))
    return bases


def _summary(
    outputs: Tensor, given: Tensor, test: Array, labels: Array, data: Data, bases: list[tuple[Array, Array]]
) -> dict[str, Array]:
    predicted = outputs.argmax(dim=2).cpu().numpy()
    fitted, first = outputs.double().cpu().numpy(), given.double().cpu().numpy()
    summary = {
        "test_accuracy": (test == data.test_targets).mean(axis=1),
        "train_accuracy": (predicted == data.clean_targets).mean(axis=1),
        "given_accuracy": (predicted == labels).mean(axis=1),
        "effective_rank": np.array([effective_rank(f) for f in fitted]),
    }
    if bases:
        summary["filter_order"] = np.array(
            [filter_order(f, y, *basis) for f, y, basis in zip(fitted, first, bases, strict=True)]
        )
    return summary


def effective_rank(outputs: Array) -> float:
    """Exponential of the entropy of the normalised singular values of centred outputs (n, k).

    From 1 (all outputs on a line) to k. NaN for outputs that are not finite.

    References
    ----------
    Roy & Vetterli 2007.
    """
    if not np.isfinite(outputs).all():
        return float("nan")
    singular = np.linalg.svd(outputs - outputs.mean(axis=0), compute_uv=False)
    share = singular[singular > 0] / singular.sum()
    return float(np.exp(-np.sum(share * np.log(share))))


def filter_order(fitted: Array, given: Array, eigenvalues: Array, vectors: Array) -> float:
    """Weighted rank correlation of measured filters with eigenvalues, over bands of ten directions.

    The filter of a band is ``⟨z_t, z_0⟩ / ‖z_0‖²`` in it; theory makes it grow with the eigenvalue.
    """
    if not np.isfinite(fitted).all():
        return float("nan")
    z, z0 = vectors.T @ (fitted - fitted.mean(axis=0)), vectors.T @ (given - given.mean(axis=0))
    bands = np.array_split(np.arange(len(eigenvalues)), max(2, len(eigenvalues) // 10))
    filters = [np.sum(z[b] * z0[b]) / np.sum(z0[b] ** 2) for b in bands]
    return float(scipy.stats.spearmanr(range(len(bands)), filters).statistic)
