"""Self-distillation as practitioners do it, over many rounds, beside one round that is tuned; all seeds at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
import torch
import xarray as xr
from torch import Tensor
from torch.nn import functional as F

from ...theory import one_hot
from ...theory.base.validation import (
    Array,
    check_choice,
    check_count,
    check_each,
    check_fraction,
    check_nonnegative,
    check_seeds,
)
from ..data.cifar import CropAndFlip
from ..data.own import DataSource, as_data
from ..data.problems import Problems, Split, draw_problems, is_cifar
from ..jobs.threads import one_thread
from ..methods.training import outputs_on
from ..training.architectures import Network, check_widths, initialise
from ..training.ensemble import Ensemble
from ..training.members import Batch, TrainingConfig, squared_error
from ..training.memory import train_within
from .round_kernels import RoundKernel

Loss = Literal["squared", "cross_entropy"]


@dataclass(frozen=True)
class RoundsConfig:
    """A run of self-distillation.

    Attributes
    ----------
    loss : {"squared", "cross_entropy"}
        The next round's targets are the raw outputs, or the softmax of them.
    data : str or OwnData
        "cifar10", "cifar100", a set of `datasets.load`, or one's own, as `own.as_data` takes it.
    network : str
        One of `architectures.Network`.
    seeds : tuple of int
        One for each network: it decides its split of the data, label noise, initialisation and minibatches.
    rounds : int
        How often the network is trained; round 1 learns the given labels.
    n_train, n_validation, n_test : int
        Validation labels are as noisy as the training labels: controls are tuned on what a practitioner has.
    label_noise : float
        Share of training and validation labels replaced by another class, drawn uniformly.
    hidden : tuple of int
        Widths, as `architectures.build_network` takes them.
    epochs, batch_size, learning_rate, weight_decay
        As in `TrainingConfig`; SGD with momentum 0.9 and a cosine schedule. CIFAR's images are shifted and
        mirrored.
    decays : tuple of float
        Further weight decays at which one round is trained, for the control that tunes it.
    device : str
        On a GPU, in mixed precision.
    """

    loss: Loss
    data: DataSource = "digits"
    network: Network = "mlp"
    seeds: tuple[int, ...] = (0, 1, 2, 3)
    rounds: int = 10
    n_train: int = 400
    n_validation: int = 200
    n_test: int = 1000
    label_noise: float = 0.4
    hidden: tuple[int, ...] = (128,)
    epochs: int = 30
    batch_size: int = 64
    learning_rate: float = 0.05
    weight_decay: float = 5e-3
    decays: tuple[float, ...] = (0.0, 1e-3, 2e-2, 5e-2, 0.1)
    device: str = "cpu"

    def __post_init__(self) -> None:
        check_choice(self.loss, "loss", get_args(Loss))
        check_widths(self.network, self.hidden)
        check_seeds(self.seeds)
        for name in ("rounds", "n_train", "n_validation", "n_test", "epochs"):
            check_count(getattr(self, name), name)
        check_fraction(self.label_noise, "label_noise", below_one=True)
        if self.decays:
            check_each(self.decays, "decays", check_nonnegative)
        data = as_data(self.data, classes=True, sizes=(self.n_train, self.n_validation + self.n_test))
        object.__setattr__(self, "data", data)
        self.training()

    def training(self) -> TrainingConfig:
        """Return how every round is trained."""
        return TrainingConfig(
            epochs=self.epochs, batch_size=self.batch_size, learning_rate=self.learning_rate,
            weight_decay=self.weight_decay, schedule="cosine", mixed_precision=self.device.startswith("cuda"),
        )  # fmt: skip

    def each_seed(self) -> list[RoundsConfig]:
        """Return one run a seed: jobs of their own, which give every seed the numbers that it has in company."""
        return [replace(self, seeds=(seed,)) for seed in self.seeds]


def measure_rounds(config: RoundsConfig) -> xr.Dataset:
    """Train round after round, each from the same start on the last round's outputs, and the controls.

    Returns
    -------
    xarray.Dataset
        On `seed` and `round` (1 … T): `test_accuracy`, `train_accuracy` against the true labels, `given_accuracy`
        against the given ones, `validation_accuracy`; for perceptrons also `basis_size`, `filter_order` (see
        `RoundKernel`) and on `kernel` ("start", "first fit") `predicted_accuracy` of the closed form. Controls of
        one round, chosen by validation accuracy: `tuned_decay_accuracy` and `stopped_early_accuracy` on `seed`,
        with the chosen `tuned_decay` and `stopped_epoch`. `diverged` is 1 for a network that did; from that round
        on all else is NaN.
    """
    with one_thread() if config.network == "mlp" else nullcontext():
        return _measure(config)


def _measure(config: RoundsConfig) -> xr.Dataset:
    split = draw_problems(
        Problems(
            config.data, config.n_train, config.n_validation, config.n_test, config.label_noise, config.seeds
        )
    )
    start = initialise(
        config.network,
        tuple(split.inputs.shape[2:]),
        split.n_classes,
        config.hidden,
        config.seeds,
        config.device,
    )
    given = np.stack([one_hot(row, split.n_classes) for row in split.labels.numpy()])
    targets = torch.as_tensor(given, dtype=torch.float32, device=start.device)
    watch = _Watch(split)
    diverged = np.zeros(len(config.seeds), bool)
    rows: list[dict[str, Array]] = []
    kernels: dict[str, list[RoundKernel]] = {}
    controls: dict[str, Any] = {}
    for round_ in range(1, config.rounds + 1):
        run = train_round(config, start, split, targets, config.weight_decay, watch if round_ == 1 else None)
        diverged |= run.diverged
        outputs = _targets(config, outputs_on(run.ensemble, split.inputs))
        if round_ == 1:
            controls = _controls(config, start, split, targets, run.ensemble, watch)
            if config.network == "mlp":
                kernels = _kernels(config, {"start": start, "first fit": run.ensemble}, split, given, outputs)
        row = accuracies(run.ensemble, outputs, split)
        for name in ("basis_size", "filter_order") if kernels else ():
            fitted = outputs.double().cpu().numpy()
            row[name] = np.array(
                [getattr(kernel, name)(f) for kernel, f in zip(kernels["start"], fitted, strict=True)]
            )
        rows.append({name: np.where(diverged, np.nan, values) for name, values in row.items()})
        targets = outputs
    result = xr.Dataset(
        {name: (("seed", "round"), np.stack([row[name] for row in rows], axis=1)) for name in rows[0]}
        | {name: ("seed", np.where(diverged, np.nan, values)) for name, values in controls.items()}
        | {"diverged": ("seed", diverged.astype(np.int32))},
        coords={"seed": list(config.seeds), "round": np.arange(1, config.rounds + 1)},
    )
    if not kernels:
        return result
    tests = list(zip(split.test_inputs, split.test_labels.numpy(), strict=True))
    curves = [
        [kernel.predicted_accuracy(x, y, config.rounds) for kernel, (x, y) in zip(each, tests, strict=True)]
        for each in kernels.values()
    ]
    return result.assign(predicted_accuracy=(("kernel", "seed", "round"), np.array(curves))).assign_coords(
        kernel=list(kernels)
    )


def train_round(
    config: RoundsConfig,
    start: Ensemble,
    split: Split,
    targets: Tensor,
    weight_decay: float | Sequence[float],
    each_epoch: Callable[[int, range, Ensemble], None] | None = None,
) -> Any:
    """Train every member from its start on its own problem's inputs; return the `Training`."""
    augment = CropAndFlip() if is_cifar(config.data) else None
    repeats = len(start) // len(split.inputs)
    inputs = split.inputs.to(start.device).repeat(repeats, *[1] * (split.inputs.ndim - 1))

    def own_inputs(batch: Batch) -> Batch:
        own = replace(batch, inputs=batch.targets["inputs"], targets=batch.targets["targets"])
        return own if augment is None else augment(own)

    loss: Callable[[Tensor, Tensor], Tensor] = squared_error if config.loss == "squared" else F.cross_entropy
    return train_within(
        None, start, split.inputs[0], {"inputs": inputs, "targets": targets}, loss,
        replace(config.training(), weight_decay=weight_decay), prepare=own_inputs, each_epoch=each_epoch,
    )  # fmt: skip


def _targets(config: RoundsConfig, outputs: Tensor) -> Tensor:
    """What the next round learns: raw outputs, or probabilities."""
    return outputs if config.loss == "squared" else outputs.softmax(dim=2)


def _correct(outputs: Tensor, labels: Tensor) -> Array:
    """Share of samples of each member whose largest output is the label's."""
    return np.asarray((outputs.argmax(dim=2).cpu() == labels).double().mean(dim=1).numpy())


def accuracies(ensemble: Ensemble, outputs: Tensor, split: Split) -> dict[str, Array]:
    """Accuracies of every member on the parts of its own problem; `outputs` are those on its training points."""
    return {
        "test_accuracy": _correct(outputs_on(ensemble, split.test_inputs), split.test_labels),
        "validation_accuracy": _correct(
            outputs_on(ensemble, split.validation_inputs), split.validation_labels
        ),
        "train_accuracy": _correct(outputs, split.clean_labels),
        "given_accuracy": _correct(outputs, split.labels),
    }


class _Watch:
    """Validation and test accuracy after every epoch, for the control that stops early."""

    def __init__(self, split: Split) -> None:
        self.split = split
        self.seen: dict[tuple[int, int], tuple[float, float]] = {}

    def __call__(self, epoch: int, members: range, ensemble: Ensemble) -> None:
        problem = torch.arange(members.start, members.stop)
        parts = (
            (self.split.validation_inputs, self.split.validation_labels),
            (self.split.test_inputs, self.split.test_labels),
        )
        values = [_correct(outputs_on(ensemble, x, problem), y[problem]) for x, y in parts]
        for i, pair in enumerate(zip(*values, strict=True)):
            self.seen[members.start + i, epoch] = pair

    def best(self, member: int) -> tuple[int, float]:
        """Epoch (from 1) of the best validation accuracy, the first of equals, and the test accuracy there."""
        epochs = sorted(epoch for m, epoch in self.seen if m == member)
        epoch = max(epochs, key=lambda e: self.seen[member, e][0])
        return epoch + 1, self.seen[member, epoch][1]


def _controls(
    config: RoundsConfig, start: Ensemble, split: Split, targets: Tensor, first: Ensemble, watch: _Watch
) -> dict[str, Array]:
    """One round with the weight decay, or the epoch, that the noisy validation labels like best."""
    m, decays = len(config.seeds), (config.weight_decay, *config.decays)
    scores, test = [], []
    groups = [first]
    if config.decays:
        many = start.select(list(range(m)) * len(config.decays))
        each = [decay for decay in config.decays for _ in range(m)]
        trained = train_round(config, many, split, targets.repeat(len(config.decays), 1, 1), each).ensemble
        groups += [trained.select(slice(i * m, (i + 1) * m)) for i in range(len(config.decays))]
    for members in groups:
        scores.append(_correct(outputs_on(members, split.validation_inputs), split.validation_labels))
        test.append(_correct(outputs_on(members, split.test_inputs), split.test_labels))
    chosen = np.argmax(scores, axis=0)
    stopped = [watch.best(i) for i in range(m)]
    return {
        "tuned_decay": np.array(decays)[chosen],
        "tuned_decay_accuracy": np.array(test)[chosen, np.arange(m)],
        "stopped_epoch": np.array([float(epoch) for epoch, _ in stopped]),
        "stopped_early_accuracy": np.array([accuracy for _, accuracy in stopped]),
    }


def _kernels(
    config: RoundsConfig, ensembles: dict[str, Ensemble], split: Split, given: Array, outputs: Tensor
) -> dict[str, list[RoundKernel]]:
    error = ((outputs.double().cpu().numpy() - given) ** 2).sum(axis=2).mean(axis=1)
    return {
        name: [
            RoundKernel(network, x, y, float(e))
            for network, x, y, e in zip(ensemble.modules(), split.inputs, given, error, strict=True)
        ]
        for name, ensemble in ensembles.items()
    }
