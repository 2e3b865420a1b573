"""Soft-label methods side by side: same networks, same data, same tuning budget, tuned and tested per seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from ...theory.base.validation import Array, InputError, check_count, check_nonnegative
from .. import metrics
from ..data.cifar import CropAndFlip
from ..data.problems import Problems, Split, draw_problems
from ..methods.catalogue import CROSS_ENTROPY, METHODS
from ..methods.method import Method
from ..methods.training import EachEpoch, outputs_on, train_method
from ..training.architectures import Network, check_widths, initialise
from ..training.ensemble import Ensemble
from ..training.members import TrainingConfig


@dataclass(frozen=True)
class Comparison:
    """One comparison.

    Attributes
    ----------
    problems : Problems
    methods : tuple of Method
        Each with a grid of the same number of candidates: the tuning budget. Cross-entropy is added if
        missing: its tuned networks are the teachers.
    network : str
        Architecture, one of `architectures.Network`.
    hidden : tuple of int
        Widths, as `architectures.build_network` takes them.
    epochs, batch_size, learning_rate
        Of SGD with momentum 0.9 and a cosine schedule, for all methods. CIFAR's images are shifted and
        mirrored; teachers' outputs are those of the images as they are.
    decay_scale : float
        Multiplies every weight decay: grids and experiments name those of small networks on digits.
    device : str
        On a GPU, in mixed precision.
    """

    problems: Problems = field(default_factory=Problems)
    methods: tuple[Method, ...] = METHODS
    network: Network = "mlp"
    hidden: tuple[int, ...] = (64, 64)
    epochs: int = 40
    batch_size: int = 100
    learning_rate: float = 0.05
    decay_scale: float = 1.0
    device: str = "cpu"

    def __post_init__(self) -> None:
        check_widths(self.network, self.hidden)
        check_count(self.epochs, "epochs")
        check_nonnegative(self.decay_scale, "decay_scale")
        names = [method.name for method in self.methods]
        if len(set(names)) < len(names):
            raise InputError(f"methods need names of their own; got {', '.join(names)}.")
        self.training()

    def training(self, weight_decay: Sequence[float] | float = 0.0) -> TrainingConfig:
        """Return how every network is trained."""
        return TrainingConfig(
            epochs=self.epochs, batch_size=self.batch_size, learning_rate=self.learning_rate,
            weight_decay=weight_decay, schedule="cosine", mixed_precision=self.device.startswith("cuda"),
        )  # fmt: skip

    def each_seed(self) -> list[Comparison]:
        """Return one comparison a seed: a seed's numbers do not depend on its company."""
        return [replace(self, problems=replace(self.problems, seeds=(s,))) for s in self.problems.seeds]


@dataclass(frozen=True, eq=False)
class Trained:
    """Networks trained by a method, and the problem of each (M,)."""

    method: Method
    ensemble: Ensemble
    problem: Tensor

    def logits(self, inputs: Tensor) -> Tensor:
        """Outputs (M, n, K) on inputs (P, n, ...) of the problems, brought to the CPU."""
        return outputs_on(self.ensemble, inputs, self.problem).cpu()

    def probabilities(self, inputs: Tensor) -> Array:
        """Outputs (M, n, K) as probabilities, in double precision."""
        return np.asarray(self.logits(inputs).double().softmax(-1).numpy())

    def chosen(self, members: Array) -> Trained:
        """Some of the networks."""
        return Trained(
            self.method, self.ensemble.select(members.tolist()), self.problem[torch.as_tensor(members)]
        )


def train_members(
    comparison: Comparison,
    split: Split,
    method: Method,
    settings: Mapping[str, Array],
    problem: Array,
    *,
    teacher: Tensor | None = None,
    generation: int = 0,
    each_epoch: EachEpoch | None = None,
) -> Trained:
    """Train one network for each entry of `problem`.

    Parameters
    ----------
    settings : mapping of str to array (M,)
        ``weight_decay`` is the optimiser's (times `decay_scale`), the rest the rule's.
    problem : integer array (M,)
    teacher : Tensor (P, n, K), optional
        Logits of each problem's teacher on its training inputs.
    generation : int
        Sets initialisations and minibatches apart from those of other generations; within one, all members
        on a problem share them.
    each_epoch : callable, optional
        As `train_method` takes it.
    """
    values = {name: torch.tensor(np.array(v, np.float32)) for name, v in settings.items()}
    decay = values.pop("weight_decay", torch.zeros(len(problem))) * comparison.decay_scale
    index = torch.from_numpy(np.asarray(problem))
    seeds = [comparison.problems.seeds[i] + 10_000 * generation for i in problem]
    run = train_method(
        start(comparison, split, seeds), split.inputs, split.labels, method,
        comparison.training(decay.tolist()), settings=values, problem=index,
        teacher=None if teacher is None else teacher[index],
        augment=CropAndFlip if comparison.problems.data.startswith("cifar") else None, each_epoch=each_epoch,
    )  # fmt: skip
    return Trained(method, run.ensemble, index)


def start(comparison: Comparison, split: Split, seeds: Sequence[int]) -> Ensemble:
    """Fresh networks for the problems, one a seed."""
    shape = tuple(split.inputs.shape[2:])
    return initialise(comparison.network, shape, split.n_classes, comparison.hidden, seeds, comparison.device)


def train_candidates(
    comparison: Comparison, split: Split, method: Method, teacher: Tensor | None = None
) -> Trained:
    """Train every candidate of a method's grid on every problem, candidate by candidate, as one ensemble."""
    n_problems = len(comparison.problems.seeds)
    grid = {name: [dict(c)[name] for c in method.grid] for name, _ in method.grid[0]}
    settings = {name: np.repeat(values, n_problems) for name, values in grid.items()}
    problem = np.tile(np.arange(n_problems), len(method.grid))
    return train_members(comparison, split, method, settings, problem, teacher=teacher)


def select(trained: Trained, split: Split) -> Array:
    """The member of each problem with the best validation accuracy, then validation NLL: (P,)."""
    probabilities = trained.probabilities(split.validation_inputs)
    labels = split.validation_labels[trained.problem].numpy()
    scores = np.array(
        [(_score(metrics.accuracy, p, y), -_score(metrics.negative_log_likelihood, p, y))
         for p, y in zip(probabilities, labels, strict=True)]
    )  # fmt: skip
    best = []
    for number in range(len(split.inputs)):
        members = np.flatnonzero(trained.problem.numpy() == number)
        order = np.lexsort((scores[members, 1], scores[members, 0]))
        best.append(members[order[-1]])
    return np.array(best)


def _score(metric: Any, p: Array, y: Array) -> float:
    """A metric, or −∞ for a network that diverged."""
    return float(metric(p, y)) if np.isfinite(p).all() else -np.inf


METRICS: dict[str, Callable[[Array, Array], float]] = {
    "accuracy": metrics.accuracy,
    "nll": metrics.negative_log_likelihood,
    "brier": metrics.brier_score,
    "ece": partial(metrics.expected_calibration_error, n_bins=15),
    "ece_equal_mass": partial(metrics.expected_calibration_error, n_bins=15, bins="equal-mass"),
    "aurc": metrics.area_under_risk_coverage,
    "excess_aurc": metrics.excess_area_under_risk_coverage,
    "uncertainty": lambda p, y: metrics.predictive_uncertainty(p),
    "diversity": metrics.confidence_diversity,
}


def measure_outputs(probabilities: Array, labels: Array) -> dict[str, Array]:
    """Every metric of `METRICS` for each member: probabilities (M, n, K), labels (M, n), to (M,) each.

    NaN for a member that diverged.
    """
    rows = [
        [metric(p, y) if np.isfinite(p).all() else np.nan for metric in METRICS.values()]
        for p, y in zip(probabilities, labels, strict=True)
    ]
    return dict(zip(METRICS, np.array(rows, float).T, strict=True))


def compare(comparison: Comparison) -> xr.Dataset:
    """Tune and test every method on every problem.

    For each seed, a method's candidates are trained, the best on validation is chosen, and it alone is
    measured on the test set; teachers are the cross-entropy networks so chosen.

    Returns
    -------
    xarray.Dataset
        Every metric of `METRICS` over (method, seed), the chosen candidate and each candidate's test
        accuracy over (method, candidate, seed), and reliability diagrams over (method, seed, bin).

    Raises
    ------
    InputError
        If the methods' grids differ in length (a larger budget is an advantage).

    Examples
    --------
    >>> from selfdistill.empirical.experiments.comparison import Comparison, compare
    >>> from selfdistill.empirical.data.problems import Problems
    >>> table = compare(Comparison(Problems(n_train=100, seeds=(0, 1)), epochs=2))
    >>> dict(table.accuracy.sizes)
    {'method': 8, 'seed': 2}
    """
    methods = comparison.methods
    if CROSS_ENTROPY.name not in [m.name for m in methods]:
        methods = (CROSS_ENTROPY, *methods)
    budgets = {m.name: len(m.grid) for m in methods}
    if len(set(budgets.values())) != 1:
        raise InputError(f"every method needs a grid of the same length, its tuning budget; got {budgets}.")
    split = draw_problems(comparison.problems)
    ordered = sorted(methods, key=lambda m: m.name != CROSS_ENTROPY.name)  # the teachers come first
    teacher: Tensor | None = None
    columns: dict[str, xr.Dataset] = {}
    for method in ordered:
        trained = train_candidates(comparison, split, method, teacher)
        chosen = select(trained, split)
        if teacher is None:
            teacher = trained.chosen(chosen).logits(split.inputs)
        columns[method.name] = _tested(trained, chosen, split)
    table = xr.concat([columns[m.name] for m in methods], dim="method")
    return table.assign_coords(
        method=[m.name for m in methods], seed=np.array(comparison.problems.seeds, np.int32)
    )


def _tested(trained: Trained, chosen: Array, split: Split) -> xr.Dataset:
    probabilities = trained.probabilities(split.test_inputs)
    labels = split.test_labels[trained.problem].numpy()
    results = measure_outputs(probabilities[chosen], labels[chosen])
    everyone = [_score(metrics.accuracy, p, y) for p, y in zip(probabilities, labels, strict=True)]
    n_candidates = len(trained.method.grid)
    diagrams = [_diagram(probabilities[m], labels[m]) for m in chosen]
    return xr.Dataset(
        {name: ("seed", values) for name, values in results.items()}
        | {
            "chosen": ("seed", (chosen // len(split.inputs)).astype(np.int32)),
            "candidate_accuracy": (("candidate", "seed"), np.reshape(everyone, (n_candidates, -1))),
        }
        | {
            f"bin_{name}": (("seed", "bin"), np.stack([d[name] for d in diagrams]))
            for name in ("confidence", "accuracy", "count")
        }
    )


def _diagram(p: Array, y: Array) -> dict[str, Array]:
    """Reliability diagram in ten bins; of a network that diverged, empty."""
    if not np.isfinite(p).all():
        nothing = np.full(10, np.nan)
        return {"confidence": nothing, "accuracy": nothing, "count": np.zeros(10, np.int32)}
    diagram = metrics.reliability_diagram(p, y, 10)
    return {
        "confidence": diagram.confidence, "accuracy": diagram.accuracy, "count": diagram.count.astype(np.int32)
    }  # fmt: skip
