"""Students: networks that learn from labels, from earlier students, or from themselves, all in one measurement.

Generations, temperatures, teachers of several sizes, schedules and the comparison of methods are lists of
students; `measure_students` trains together what can be trained together and measures each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import xarray as xr

from ....theory.base.validation import Array, InputError, check_count
from ...data.problems import Split, draw_problems
from ...methods.method import Method
from ...training.ensemble import Ensemble
from .outcomes import measure_teaching, measure_trained, reliability
from .setup import Augmentation, Comparison, Trained, train_members
from .stopping_early import BestOnValidation


@dataclass(frozen=True)
class Student:
    """One way to train a network.

    Attributes
    ----------
    name : str
        As the student is called in the results, and by those whom it teaches.
    method : Method
    settings : tuple of (str, float)
        One for each setting of the method's rule, and ``weight_decay``.
    teacher : str or None
        Another student of the study.
    hidden : tuple of int or None
        Widths, where they are not the comparison's.
    augmentation : str or None
        Where it is not the comparison's.
    start : int
        Number of the initialisation; students with one number share it, and their minibatches. A teacher of
        a student of its own kind should have another.
    stops_early : bool
        Keep the weights of the epoch with the least validation NLL.
    """

    name: str
    method: Method
    settings: tuple[tuple[str, float], ...] = ()
    teacher: str | None = None
    hidden: tuple[int, ...] | None = None
    augmentation: Augmentation | None = None
    start: int = 0
    stops_early: bool = False

    def __post_init__(self) -> None:
        check_count(self.start, "start", least=0)
        self.method.check_settings(frozenset(dict(self.settings)) - {"weight_decay"})
        if ("teacher" in self.method.needs) != (self.teacher is not None):
            has = "needs a teacher" if self.teacher is None else "takes no teacher"
            raise InputError(f"student {self.name!r}: {self.method.name} {has}.")


@dataclass(frozen=True)
class Study:
    """Students on the same problems."""

    comparison: Comparison
    students: tuple[Student, ...]

    def __post_init__(self) -> None:
        names = [s.name for s in self.students]
        if len(set(names)) < len(names):
            raise InputError(f"students need names of their own; got {', '.join(names)}.")
        known: set[str] = set()
        for student in self.students:
            if student.teacher is not None and student.teacher not in known:
                raise InputError(
                    f"the teacher of {student.name!r} must come before it; {student.teacher!r} does not."
                )
            known.add(student.name)


def measure_students(study: Study) -> xr.Dataset:
    """Train and measure every student on every problem.

    Returns
    -------
    xarray.Dataset
        Metrics of `outcomes.measure_trained` and `outcomes.measure_teaching` (NaN without a teacher) over
        (student, seed), and reliability diagrams over (student, seed, bin).

    Examples
    --------
    >>> from selfdistill.empirical.data.problems import Problems
    >>> from selfdistill.empirical.experiments.soft_labels.setup import Comparison
    >>> from selfdistill.empirical.experiments.soft_labels.students import Student, Study, measure_students
    >>> from selfdistill.empirical.methods.catalogue import CROSS_ENTROPY, SELF_DISTILLATION
    >>> teacher = Student("first", CROSS_ENTROPY, start=1)
    >>> second = Student("second", SELF_DISTILLATION, (("alpha", 0.9), ("temperature", 1.0)), "first")
    >>> table = measure_students(Study(Comparison(Problems(n_train=100, seeds=(0, 1)), epochs=2), (teacher, second)))
    >>> dict(table.accuracy.sizes)
    {'student': 2, 'seed': 2}
    """
    split = draw_problems(study.comparison.problems)
    trained = train_students(study, split)
    tables = [_measure(student, trained, split) for student in study.students]
    names = sorted({name for table in tables for name in table}, key=str)
    empty = np.full(len(split.inputs), np.nan)
    table = xr.concat(
        [xr.Dataset({n: t.get(n, ("seed", empty)) for n in names}) for t in tables], dim="student"
    )
    return table.assign_coords(
        student=[s.name for s in study.students],
        seed=np.array(study.comparison.problems.seeds, np.int32),
    )


def train_students(study: Study, split: Split) -> dict[str, Trained]:
    """Train every student on every problem: together those that differ in settings, teacher or start alone."""
    n_problems = len(split.inputs)
    trained: dict[str, Trained] = {}
    widths = {s.name: s.hidden for s in study.students}
    waiting = list(study.students)
    while waiting:
        ready = [s for s in waiting if s.teacher is None or s.teacher in trained]
        group = [s for s in ready if _kind(s, widths) == _kind(ready[0], widths)]
        together = _train_group(study.comparison, split, group, trained)
        for i, student in enumerate(group):
            trained[student.name] = together.chosen(range(i * n_problems, (i + 1) * n_problems))
        waiting = [s for s in waiting if s.name not in trained]
    return trained


def _kind(student: Student, widths: Mapping[str, tuple[int, ...] | None]) -> tuple[Any, ...]:
    """What students that are trained together have in common."""
    names = frozenset(dict(student.settings))
    taught_by = None if student.teacher is None else (widths[student.teacher],)
    return student.method, names, student.hidden, student.augmentation, student.stops_early, taught_by


def _train_group(
    comparison: Comparison, split: Split, group: Sequence[Student], trained: dict[str, Trained]
) -> Trained:
    n_problems, first = len(split.inputs), group[0]
    own = replace(
        comparison,
        hidden=first.hidden or comparison.hidden,
        augmentation=first.augmentation or comparison.augmentation,
    )
    problem = np.tile(np.arange(n_problems), len(group))
    settings = {
        name: np.repeat([dict(s.settings)[name] for s in group], n_problems) for name, _ in first.settings
    }
    start = np.repeat([s.start for s in group], n_problems)
    best = BestOnValidation(split, problem) if first.stops_early else None
    teacher = _teachers(split, group, trained, own)
    run = train_members(
        own, split, first.method, settings, problem, teacher=teacher, start=start, each_epoch=best
    )
    return run if best is None else replace(run, ensemble=best.restored(run.ensemble))


def _teachers(
    split: Split, group: Sequence[Student], trained: dict[str, Trained], comparison: Comparison
) -> Ensemble | torch.Tensor | None:
    """Teachers of the members: as one ensemble if they must see each batch, else their outputs."""
    names = [s.teacher for s in group if s.teacher is not None]
    if not names:
        return None
    if comparison.augmentation == "none" or comparison.teacher_sees == "images":
        return torch.cat([trained[name].logits(split.inputs) for name in names])
    return Ensemble.concatenate([trained[name].ensemble for name in names])


def _measure(student: Student, trained: dict[str, Trained], split: Split) -> xr.Dataset:
    own = trained[student.name]
    found = measure_trained(own, split)
    if student.teacher is not None:
        tau = np.full(len(own.problem), dict(student.settings).get("temperature", 1.0))
        found |= measure_teaching(own, trained[student.teacher].logits(split.inputs), tau, split)
    diagrams = [
        reliability(p, y)
        for p, y in zip(own.probabilities(split.test_inputs), split.test_labels.numpy(), strict=True)
    ]
    columns: dict[str, Any] = {name: ("seed", values) for name, values in found.items()}
    for name in ("confidence", "accuracy", "count"):
        columns[f"bin_{name}"] = (("seed", "bin"), np.stack([d[name] for d in diagrams]).astype(float))
    return xr.Dataset(columns)


def differences(table: xr.Dataset, metric: str, student: str, rival: str) -> Array:
    """Difference of a metric between two students, seed by seed (both learn the same problems)."""
    values = table[metric]
    return np.asarray(values.sel(student=student) - values.sel(student=rival), float)
