"""Bias and variance of networks, epoch by epoch, over independently drawn training sets."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from ...theory import bias_variance_of_mean_log
from ...theory.base.probabilities import one_hot
from ...theory.base.validation import Array, InputError, check_choice, check_count, check_nonnegative
from ..data.problems import Split, draw_problems
from ..methods.catalogue import CROSS_ENTROPY
from ..methods.method import Method
from ..methods.training import outputs_on
from ..training.ensemble import Ensemble
from .soft_labels.setup import Comparison, train_members

Teacher = Literal["none", "given", "own draw"]


@dataclass(frozen=True)
class Learner:
    """A method and its teacher.

    Attributes
    ----------
    name : str
    method : Method
    settings : tuple of (str, float)
        Of its rule.
    teacher : {"none", "given", "own draw"}
        One network trained on a sample of its own, the same for all draws (the teacher is given, and the
        expectation is over the student's data alone), or a network trained on the student's draw.
    """

    name: str
    method: Method
    settings: tuple[tuple[str, float], ...] = ()
    teacher: Teacher = "none"

    def __post_init__(self) -> None:
        check_choice(self.teacher, "teacher", ("none", "given", "own draw"))
        self.method.check_settings(frozenset(dict(self.settings)))
        if ("teacher" in self.method.needs) != (self.teacher != "none"):
            raise InputError(f"{self.name}: its method and its teacher ({self.teacher}) do not agree.")


@dataclass(frozen=True)
class BiasVariance:
    """Bias and variance over independently drawn training sets.

    Attributes
    ----------
    comparison : Comparison
        Each of its seeds is one replicate: a test set, a teacher's sample, and a pool to draw from.
    learners : tuple of Learner
    draws : int
        Training sets a replicate, drawn without replacement from the replicate's own pool.
    n_draw : int
        Samples a training set.
    n_teacher : int
        Samples of the given teacher: the first of the problem's ``n_train``; the others are the pool.
    weight_decay : float
        Of students and teachers.
    """

    comparison: Comparison = field(default_factory=Comparison)
    learners: tuple[Learner, ...] = (Learner("cross-entropy", CROSS_ENTROPY),)
    draws: int = 10
    n_draw: int = 150
    n_teacher: int = 150
    weight_decay: float = 5e-4

    def __post_init__(self) -> None:
        check_count(self.draws, "draws", least=2)  # one network has no variance
        check_count(self.n_draw, "n_draw")
        check_count(self.n_teacher, "n_teacher")
        pool = self.comparison.problems.n_train - self.n_teacher
        if self.n_draw > pool:
            raise InputError(
                f"n_draw={self.n_draw} samples cannot be drawn without replacement from a pool of {pool} (n_train "
                "less n_teacher): raise the problems' n_train."
            )
        check_nonnegative(self.weight_decay, "weight_decay")


def measure_bias_variance(config: BiasVariance) -> xr.Dataset:
    """Noise, bias and variance on the test set over (method, epoch, seed), and the loss they sum to.

    ``training_accuracy`` over (method, seed) is that of the last epoch; ``teacher_accuracy`` over (seed) is the
    given teacher's on the test set.
    """
    comparison = config.comparison
    pools = draw_problems(comparison.problems)
    split, replicate = draw_training_sets(config, pools)
    # A network's seed is its own, whatever the other replicates.
    seeds = tuple(seed * config.draws + d for seed in comparison.problems.seeds for d in range(config.draws))
    drawn = replace(comparison, problems=replace(comparison.problems, seeds=seeds), tuning_seeds=())
    given = train_given_teacher(config, pools)
    given_outputs = outputs_on(given.select(replicate.tolist()), split.inputs).cpu()
    teachers: dict[Teacher, Tensor | None] = {"none": None, "given": given_outputs}
    if any(learner.teacher == "own draw" for learner in config.learners):
        own = Learner("teacher", CROSS_ENTROPY)
        teachers["own draw"] = _train(config, drawn, split, own, None, start=1)[0]
    columns = []
    for learner in config.learners:
        record = _Record(pools, replicate, comparison.epochs)
        _, accuracy = _train(config, drawn, split, learner, teachers[learner.teacher], record=record)
        of_replicate = [accuracy[replicate == r].mean() for r in range(len(pools.inputs))]
        columns.append(record.dataset().assign(training_accuracy=("seed", np.array(of_replicate))))
    of_teacher = outputs_on(given, pools.test_inputs).argmax(-1).cpu() == pools.test_labels
    return xr.concat(columns, dim="method").assign(
        teacher_accuracy=("seed", of_teacher.double().mean(dim=1).numpy())
    ).assign_coords(
        method=[learner.name for learner in config.learners],
        epoch=np.arange(1, comparison.epochs + 1, dtype=np.int32),
        seed=np.array(comparison.problems.seeds, np.int32),
    )  # fmt: skip


def train_given_teacher(config: BiasVariance, pools: Split) -> Ensemble:
    """One cross-entropy network a replicate, on the samples set aside for it."""
    sample = replace(
        pools, inputs=pools.inputs[:, : config.n_teacher], labels=pools.labels[:, : config.n_teacher]
    )
    n = len(pools.inputs)
    decay = {"weight_decay": np.full(n, config.weight_decay)}
    return train_members(config.comparison, sample, CROSS_ENTROPY, decay, np.arange(n), start=2).ensemble


def _train(
    config: BiasVariance,
    drawn: Comparison,
    split: Split,
    learner: Learner,
    teacher: Tensor | None,
    *,
    start: int = 0,
    record: _Record | None = None,
) -> tuple[Tensor, Array]:
    """Logits of one network a draw on its training samples, and its accuracy there (M,)."""
    n = len(split.inputs)
    settings = {"weight_decay": config.weight_decay} | dict(learner.settings)
    trained = train_members(
        drawn, split, learner.method, {name: np.full(n, v) for name, v in settings.items()}, np.arange(n),
        teacher=teacher, start=start, each_epoch=record,
    )  # fmt: skip
    logits = trained.logits(split.inputs)
    right = logits.argmax(-1) == split.labels
    return logits, np.asarray(right.double().mean(dim=1).numpy())


def draw_training_sets(config: BiasVariance, pools: Split) -> tuple[Split, Array]:
    """Training sets (R·D, n_draw, …) from what the teachers left of the pools, and the replicate of each."""
    n_replicates, n_samples = pools.labels.shape
    replicate = np.repeat(np.arange(n_replicates), config.draws)
    rows = config.n_teacher + np.stack(
        [
            np.random.default_rng([seed, 51, d]).permutation(n_samples - config.n_teacher)[: config.n_draw]
            for seed in config.comparison.problems.seeds
            for d in range(config.draws)
        ]
    )
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
