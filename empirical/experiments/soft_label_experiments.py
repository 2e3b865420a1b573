"""What soft labels do to networks: generations, temperature, teachers, schedules.

Every experiment is a pure function of a frozen configuration, on the same problems, networks and training as
`comparison`, with one setting a method in place of a grid.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import xarray as xr
from torch import Tensor

from ...theory import progressive_weight, regularization_samples
from ...theory.base.probabilities import softmax
from ...theory.base.validation import (
    Array,
    check_choice,
    check_count,
    check_each,
    check_fraction,
    check_nonnegative,
    check_positive,
)
from ...theory.labels.label_gradients import Reading
from ...theory.labels.progressive import Schedule
from .. import metrics
from ..data.problems import Split, draw_problems
from ..losses.rules import past_outputs
from ..losses.terms import Setting
from ..methods.catalogue import (
    CROSS_ENTROPY,
    DISTILLATION,
    SELF_DISTILLATION,
    WITHOUT_REGULARIZATION,
)
from ..methods.method import Method, Samples, Term
from .comparison import Comparison, Trained, measure_outputs, train_members


def _check_distillation(config: Any) -> None:
    check_fraction(config.alpha, "alpha")
    check_nonnegative(config.weight_decay, "weight_decay")


def _settings(n: int, **values: Any) -> dict[str, Array]:
    """Settings of n members, from one number or n."""
    return {name: np.broadcast_to(np.asarray(value, float), (n,)) for name, value in values.items()}


def _each_problem(comparison: Comparison, copies: int = 1) -> Array:
    """Problem of each member: all problems, copy by copy."""
    return np.tile(np.arange(len(comparison.problems.seeds)), copies)


def train_teachers(comparison: Comparison, split: Split, weight_decay: float) -> Trained:
    """Cross-entropy networks, one a problem."""
    members = _each_problem(comparison)
    settings = _settings(len(members), weight_decay=weight_decay)
    return train_members(comparison, split, CROSS_ENTROPY, settings, members)


def measure_test(trained: Trained, split: Split) -> dict[str, Array]:
    """Every metric on the test set, (M,) each."""
    labels = split.test_labels[trained.problem].numpy()
    return measure_outputs(trained.probabilities(split.test_inputs), labels)


def _seed_coordinate(comparison: Comparison) -> Array:
    return np.array(comparison.problems.seeds, np.int32)


@dataclass(frozen=True)
class Generations:
    """Self-distillation chained: every generation learns from the one before, from a fresh start.

    Attributes
    ----------
    comparison : Comparison
    generations : int
        Networks in the chain; the first learns from the labels.
    alpha, temperature : float
        Of `distillation_loss`.
    weight_decay : float
    """

    comparison: Comparison = field(default_factory=Comparison)
    generations: int = 10
    alpha: float = 0.6
    temperature: float = 1.0
    weight_decay: float = 1e-2

    def __post_init__(self) -> None:
        check_count(self.generations, "generations")
        _check_distillation(self)
        check_positive(self.temperature, "temperature")


def measure_generations(config: Generations) -> xr.Dataset:
    """Every metric over (generation, seed)."""
    comparison = config.comparison
    split = draw_problems(comparison.problems)
    members = _each_problem(comparison)
    settings = _settings(
        len(members), alpha=config.alpha, temperature=config.temperature, weight_decay=config.weight_decay
    )
    trained = train_teachers(comparison, split, config.weight_decay)
    rows = [measure_test(trained, split)]
    for generation in range(1, config.generations):
        teacher = trained.logits(split.inputs)
        trained = train_members(
            comparison, split, SELF_DISTILLATION, settings, members, teacher=teacher, generation=generation
        )
        rows.append(measure_test(trained, split))
    return xr.Dataset(
        {name: (("generation", "seed"), np.stack([row[name] for row in rows])) for name in rows[0]},
        coords={
            "generation": np.arange(1, config.generations + 1, dtype=np.int32),
            "seed": _seed_coordinate(comparison),
        },
    )


@dataclass(frozen=True)
class TemperatureSweep:
    """Distillation from one teacher a problem over temperatures, with and without regularization samples."""

    comparison: Comparison = field(default_factory=Comparison)
    temperatures: tuple[float, ...] = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 10.0)
    alpha: float = 0.9
    weight_decay: float = 1e-2

    def __post_init__(self) -> None:
        check_each(self.temperatures, "temperatures", check_positive)
        _check_distillation(self)


def measure_temperatures(config: TemperatureSweep) -> xr.Dataset:
    """Students' metrics over (variant, temperature, seed); teachers' and counts over (temperature, seed).

    Counts are shares of the training samples that the trained student of distillation leaves as
    regularization samples, by both readings.
    """
    comparison = config.comparison
    split = draw_problems(comparison.problems)
    teacher = train_teachers(comparison, split, config.weight_decay).logits(split.inputs)
    tau = np.array(config.temperatures)
    members = _each_problem(comparison, len(tau))
    settings = _settings(
        len(members), alpha=config.alpha, weight_decay=config.weight_decay,
        temperature=np.repeat(tau, len(comparison.problems.seeds)),
    )  # fmt: skip
    shape = (len(tau), len(comparison.problems.seeds))
    axes = ("temperature", "seed")
    students, counts = [], {}
    for method in (DISTILLATION, WITHOUT_REGULARIZATION):
        trained = train_members(comparison, split, method, settings, members, teacher=teacher, generation=1)
        students.append({k: v.reshape(shape) for k, v in measure_test(trained, split).items()})
        if method is DISTILLATION:
            counts = {
                f"share_{reading}": (axes, values.reshape(shape))
                for reading, values in _regularization_shares(trained, teacher, split, settings).items()
            }
    softened = _softened(teacher, split, tau)
    return xr.Dataset(
        {name: (("variant", *axes), np.stack([s[name] for s in students])) for name in students[0]}
        | {f"teacher_{name}": (axes, values) for name, values in softened.items()}
        | counts,
        coords={
            "variant": ["all samples", "without regularization samples"],
            "temperature": tau,
            "seed": _seed_coordinate(comparison),
        },
    )


def _regularization_shares(
    trained: Trained, teacher: Tensor, split: Split, settings: dict[str, Array]
) -> dict[str, Array]:
    logits, labels = trained.logits(split.inputs), split.labels[trained.problem]
    own = teacher[trained.problem]
    readings: tuple[Reading, ...] = ("push", "magnitude")
    return {
        reading: np.array(
            [
                float(regularization_samples(s, t, y, float(tau), reading).double().mean())
                for s, t, y, tau in zip(logits, own, labels, settings["temperature"], strict=True)
            ]
        )
        for reading in readings
    }


def _softened(teacher: Tensor, split: Split, temperatures: Array) -> dict[str, Array]:
    """Uncertainty and diversity of softened teachers on their own training samples: (T, P) each."""
    labels = split.labels.numpy()
    out = np.empty((2, len(temperatures), len(teacher)))
    for i, tau in enumerate(temperatures):
        for j, z in enumerate(teacher.double()):
            p = softmax(z, float(tau)).numpy()
            out[:, i, j] = metrics.predictive_uncertainty(p), metrics.confidence_diversity(p, labels[j])
    return {"uncertainty": out[0], "diversity": out[1]}


@dataclass(frozen=True)
class Teachers:
    """One student architecture beneath teachers of several widths, as multiples of its own."""

    comparison: Comparison = field(default_factory=Comparison)
    factors: tuple[float, ...] = (0.25, 1.0, 4.0)
    alpha: float = 0.8
    temperature: float = 2.0
    weight_decay: float = 1e-2

    def __post_init__(self) -> None:
        check_each(self.factors, "factors", check_positive)
        _check_distillation(self)
        check_positive(self.temperature, "temperature")


def measure_teachers(config: Teachers) -> xr.Dataset:
    """Metrics of teachers and of their students over (factor, seed), and of the student alone over (seed,)."""
    comparison = config.comparison
    split = draw_problems(comparison.problems)
    members = _each_problem(comparison)
    settings = _settings(
        len(members), alpha=config.alpha, temperature=config.temperature, weight_decay=config.weight_decay
    )
    rows: dict[str, list[Array]] = {}
    for factor in config.factors:
        wide = replace(comparison, hidden=tuple(max(1, round(factor * width)) for width in comparison.hidden))
        teachers = train_teachers(wide, split, config.weight_decay)
        students = train_members(
            comparison, split, DISTILLATION, settings, members, teacher=teachers.logits(split.inputs),
            generation=1,
        )  # fmt: skip
        for role, trained in (("teacher", teachers), ("student", students)):
            for name, values in measure_test(trained, split).items():
                rows.setdefault(f"{role}_{name}", []).append(values)
    decay = {"weight_decay": settings["weight_decay"]}
    alone = train_members(comparison, split, CROSS_ENTROPY, decay, members, generation=1)
    return xr.Dataset(
        {name: (("factor", "seed"), np.stack(values)) for name, values in rows.items()}
        | {f"alone_{name}": ("seed", values) for name, values in measure_test(alone, split).items()},
        coords={"factor": np.array(config.factors), "seed": _seed_coordinate(comparison)},
    )


@dataclass(frozen=True)
class Schedules:
    """Progressive self-distillation over final weights and the schedules that lead to them."""

    comparison: Comparison = field(default_factory=Comparison)
    finals: tuple[float, ...] = (0.0, 0.3, 0.6, 0.8, 0.95)
    schedules: tuple[Schedule, ...] = ("linear", "constant", "quadratic")
    weight_decay: float = 1e-2

    def __post_init__(self) -> None:
        check_each(self.finals, "finals", check_fraction)
        check_each(self.schedules, "schedules", lambda name, of: check_choice(name, of, tuple(POWERS)))
        check_nonnegative(self.weight_decay, "weight_decay")


def scheduled(s: Samples, *, alpha: Setting, power: Setting) -> list[Term]:
    """Progressive targets with ``α_T·(t/T)^power``: power 1 is linear, 0 constant, 2 quadratic."""
    return past_outputs(s, alpha=alpha * s.progress**power)


POWERS: dict[Schedule, int] = {"linear": 1, "constant": 0, "quadratic": 2}


def measure_schedules(config: Schedules) -> xr.Dataset:
    """Every metric over (schedule, final, seed), and the schedules themselves."""
    comparison = config.comparison
    split = draw_problems(comparison.problems)
    n_seeds, n_finals = len(comparison.problems.seeds), len(config.finals)
    method = Method("scheduled", scheduled, needs=frozenset({"past"}))
    copies = len(config.schedules) * n_finals
    members = _each_problem(comparison, copies)
    settings = _settings(
        len(members), weight_decay=config.weight_decay,
        alpha=np.tile(np.repeat(config.finals, n_seeds), len(config.schedules)),
        power=np.repeat([POWERS[name] for name in config.schedules], n_finals * n_seeds),
    )  # fmt: skip
    trained = train_members(comparison, split, method, settings, members)
    shape = (len(config.schedules), n_finals, n_seeds)
    epochs = np.arange(1, comparison.epochs + 1, dtype=np.int32)
    weights = [
        [progressive_weight(int(t), comparison.epochs, 1.0, name) for t in epochs]
        for name in config.schedules
    ]
    return xr.Dataset(
        {
            name: (("schedule", "final", "seed"), values.reshape(shape))
            for name, values in measure_test(trained, split).items()
        }
        | {"weight": (("schedule", "epoch"), np.array(weights))},
        coords={
            "schedule": list(config.schedules),
            "epoch": epochs,
            "final": np.array(config.finals),
            "seed": _seed_coordinate(comparison),
        },
    )
