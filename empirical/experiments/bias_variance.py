"""Bias and variance of networks, epoch by epoch, over independently drawn training sets."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from ...theory import bias_variance_of_mean_log
from ...theory.base.probabilities import one_hot
from ...theory.base.validation import (
    Array,
    InputError,
    check_count,
    check_fraction,
    check_nonnegative,
    check_positive,
)
from ..data.problems import Split, draw_problems
from ..methods.catalogue import CROSS_ENTROPY, DISTILLATION, WEIGHTED_SOFT_LABELS
from ..methods.method import Method
from ..methods.training import outputs_on
from ..training.ensemble import Ensemble
from .comparison import Comparison, train_members


@dataclass(frozen=True)
class BiasVariance:
    """Bias and variance over independently drawn training sets.

    Attributes
    ----------
    comparison : Comparison
        Each of its seeds is one replicate: a test set and a pool to draw from.
    draws : int
        Training sets a replicate, drawn without replacement from the replicate's own pool of
        ``n_train`` samples.
    n_draw : int
        Samples a training set.
    alpha, temperature : float
        Of distillation; the teacher of each draw is a network trained on that draw.
    wsl_alpha : float
        Of the weighted soft labels.
    weight_decay : float
    """

    comparison: Comparison = field(default_factory=Comparison)
    draws: int = 10
    n_draw: int = 250
    alpha: float = 0.8
    temperature: float = 2.0
    wsl_alpha: float = 2.0
    weight_decay: float = 3e-3

    def __post_init__(self) -> None:
        check_count(self.draws, "draws", least=2)  # one network has no variance
        check_count(self.n_draw, "n_draw")
        if self.n_draw > self.comparison.problems.n_train:
            raise InputError(
                f"n_draw={self.n_draw} samples cannot be drawn from a pool of {self.comparison.problems.n_train} "
                "without replacement: raise the problems' n_train."
            )
        check_fraction(self.alpha, "alpha")
        check_positive(self.temperature, "temperature")
        check_nonnegative(self.wsl_alpha, "wsl_alpha")
        check_nonnegative(self.weight_decay, "weight_decay")


def measure_bias_variance(config: BiasVariance) -> xr.Dataset:
    """Noise, bias and variance on the test set over (method, epoch, seed), and the loss they sum to."""
    comparison = config.comparison
    pools = draw_problems(comparison.problems)
    split, replicate = _draw_training_sets(config, pools)
    # A network's seed is its own, whatever the other replicates.
    seeds = tuple(seed * config.draws + d for seed in comparison.problems.seeds for d in range(config.draws))
    drawn = replace(comparison, problems=replace(comparison.problems, seeds=seeds))
    n_members = len(replicate)
    decay = {"weight_decay": config.weight_decay}
    plans: list[tuple[Method, dict[str, float]]] = [
        (CROSS_ENTROPY, decay),
        (DISTILLATION, decay | {"alpha": config.alpha, "temperature": config.temperature}),
        (WEIGHTED_SOFT_LABELS, decay | {"alpha": config.wsl_alpha, "temperature": config.temperature}),
    ]
    teacher: Tensor | None = None
    columns = []
    for method, values in plans:
        record = _Record(pools, replicate, comparison.epochs)
        settings = {name: np.full(n_members, value) for name, value in values.items()}
        trained = train_members(
            drawn, split, method, settings, np.arange(n_members), teacher=teacher,
            generation=int(teacher is not None), each_epoch=record,
        )  # fmt: skip
        if teacher is None:
            teacher = trained.logits(split.inputs)
        columns.append(record.dataset())
    return xr.concat(columns, dim="method").assign_coords(
        method=[method.name for method, _ in plans],
        epoch=np.arange(1, comparison.epochs + 1, dtype=np.int32),
        seed=np.array(comparison.problems.seeds, np.int32),
    )


def _draw_training_sets(config: BiasVariance, pools: Split) -> tuple[Split, Array]:
    """Training sets (R·D, n_draw, …) and the replicate of each."""
    n_replicates, n_pool = pools.labels.shape
    replicate = np.repeat(np.arange(n_replicates), config.draws)
    rows = np.stack(
        [
            np.random.default_rng([config.comparison.problems.seeds[r], 51, d]).permutation(n_pool)
            for r in range(n_replicates)
            for d in range(config.draws)
        ]
    )[:, : config.n_draw]
    r, i = torch.from_numpy(replicate)[:, None], torch.from_numpy(rows)
    return replace(pools, inputs=pools.inputs[r, i], labels=pools.labels[r, i]), replicate


class _Record:
    """Adds up, epoch by epoch, what the decomposition of the test outputs needs; members come in groups."""

    def __init__(self, pools: Split, replicate: Array, epochs: int) -> None:
        self.pools = pools
        self.replicate = replicate
        self.draws = np.bincount(replicate)
        n_replicates, n_test = pools.test_labels.shape
        self.logs = np.zeros((epochs, n_replicates, n_test, pools.n_classes))
        self.loss, self.accuracy = np.zeros((2, epochs, n_replicates))

    def __call__(self, epoch: int, members: range, ensemble: Ensemble) -> None:
        own = self.replicate[members.start : members.stop]
        logits = outputs_on(ensemble, self.pools.test_inputs, torch.from_numpy(own)).double().cpu()
        for r, logs in zip(own, logits.log_softmax(-1), strict=True):
            labels = self.pools.test_labels[r]
            self.logs[epoch, r] += logs.numpy()
            self.loss[epoch, r] += float(torch.nn.functional.nll_loss(logs, labels)) / self.draws[r]
            self.accuracy[epoch, r] += float((logs.argmax(-1) == labels).double().mean()) / self.draws[r]

    def dataset(self) -> xr.Dataset:
        """(epoch, seed) each."""
        targets = [one_hot(labels.numpy(), self.pools.n_classes) for labels in self.pools.test_labels]
        parts = np.array(
            [
                [bias_variance_of_mean_log(sums / n, y).mean()
                 for sums, n, y in zip(logs, self.draws, targets, strict=True)]
                for logs in self.logs
            ]
        )  # fmt: skip
        columns = dict(zip(("noise_part", "bias", "variance"), np.moveaxis(parts, -1, 0), strict=True))
        columns |= {"loss": self.loss, "accuracy": self.accuracy}
        return xr.Dataset({name: (("epoch", "seed"), values) for name, values in columns.items()})
