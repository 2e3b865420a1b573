"""Where soft labels help and where they harm: the same methods over sample size, noise and capacity."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
import xarray as xr

from ....theory import bias_variance_of_mean_log
from ....theory.base.probabilities import one_hot
from ....theory.base.validation import Array, check_count
from ...data.problems import Problems, Split, draw_problems
from ...methods.method import Method
from .outcomes import measure_outputs
from .setup import Comparison, train_members

EFFECTS = ("accuracy", "nll", "ece", "confidence")


@dataclass(frozen=True)
class Cell:
    """One place of the map.

    Attributes
    ----------
    comparison : Comparison
        Its seeds are replicates: each has a test set, and a pool from which training sets are drawn.
    methods : tuple of (Method, settings)
        Cross-entropy first: its networks teach.
    draws : int
        Training sets a replicate.
    """

    comparison: Comparison
    methods: tuple[tuple[Method, tuple[tuple[str, float], ...]], ...]
    draws: int = 2

    def __post_init__(self) -> None:
        check_count(self.draws, "draws", least=2)


def measure_cell(cell: Cell) -> xr.Dataset:
    """Test metrics (means over draws), bias and variance over (method, seed); training accuracy besides."""
    problems = cell.comparison.problems
    pools = draw_problems(replace(problems, n_train=2 * problems.n_train))
    replicate = np.repeat(np.arange(len(pools.inputs)), cell.draws)
    split = _draws(pools, replicate, problems, cell.draws)
    seeds = tuple(seed * cell.draws + d for seed in problems.seeds for d in range(cell.draws))
    drawn = replace(cell.comparison, problems=replace(problems, seeds=seeds), tuning_seeds=())
    members = np.arange(len(replicate))
    teacher = None
    tables = []
    for method, settings in cell.methods:
        values = {name: np.full(len(members), value) for name, value in settings}
        if "teacher" in method.needs and teacher is None:
            first, own = cell.methods[0]
            plain = {name: np.full(len(members), value) for name, value in own}
            teacher = train_members(drawn, split, first, plain, members, start=1).logits(split.inputs)
        trained = train_members(
            drawn, split, method, values, members, teacher=teacher if method.needs else None
        )
        fits = trained.logits(split.inputs).argmax(-1) == split.labels
        logits = trained.logits(split.test_inputs).double()
        tables.append(_tested(logits, pools, replicate, fits.double().mean(dim=1).numpy()))
    return xr.concat(tables, dim="method").assign_coords(
        method=[method.name for method, _ in cell.methods], seed=np.array(problems.seeds, np.int32)
    )


def _draws(pools: Split, replicate: Array, problems: Problems, draws: int) -> Split:
    rows = np.stack(
        [
            np.random.default_rng([seed, 52, d]).permutation(pools.labels.shape[1])[: problems.n_train]
            for seed in problems.seeds
            for d in range(draws)
        ]
    )
    r, i = torch.from_numpy(replicate), torch.from_numpy(rows)
    parts = {name: getattr(pools, name)[r] for name in ("test_inputs", "test_labels")}
    return replace(pools, inputs=pools.inputs[r[:, None], i], labels=pools.labels[r[:, None], i], **parts)


def _tested(logits: torch.Tensor, pools: Split, replicate: Array, fits: Array) -> xr.Dataset:
    """Means over each replicate's draws, and the decomposition over them."""
    labels = pools.test_labels[torch.from_numpy(replicate)].numpy()
    metrics = measure_outputs(logits.softmax(-1).numpy(), labels, EFFECTS) | {"training_accuracy": fits}
    columns = {
        name: np.array([values[replicate == r].mean() for r in range(len(pools.inputs))])
        for name, values in metrics.items()
    }
    parts = [
        bias_variance_of_mean_log(
            logits.log_softmax(-1).numpy()[replicate == r].mean(axis=0), one_hot(own.numpy(), pools.n_classes)
        ).mean()
        for r, own in enumerate(pools.test_labels)
    ]
    columns |= {"bias": np.array([p.bias for p in parts]), "variance": np.array([p.variance for p in parts])}
    return xr.Dataset({name: ("seed", values) for name, values in columns.items()})
