"""Label noise, rounds of self-distillation and partial labels on real features: predicted, and converged probes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from ...theory import (
    Spectrum,
    corrupt_labels,
    corruption_matrix,
    distill_linearised,
    leave_one_out_targets,
    one_hot,
    superclass_groups,
    top_targets,
)
from ...theory.base.validation import (
    Array,
    InputError,
    check_choice,
    check_count,
    check_each,
    check_fraction,
    check_positive,
)
from ..data.own import DataSource, OwnData, as_data
from ..jobs.threads import one_thread
from .learned_features import PRETRAINING, FeatureKind, ProbeData, probe_features
from .probes import Probe, fit_probe

SOURCES = ("predicted", "probe")
PARTS = ("test", "train", "right label", "wrong label")
STUDENTS = (
    "partial labels, from the teacher",
    "partial labels, from zero",
    "top two, cross-entropy",
    "left out",
)


@dataclass(frozen=True)
class LabelRounds:
    """One draw of features and noisy labels for every cell, distilled for some rounds.

    Attributes
    ----------
    features : str
        See `probe_features`.
    cells : tuple of (str, float)
        Noise model and rate of each problem.
    ridges : tuple of float
        λ, the weight decays of the probes.
    rounds : int
        How often a probe is trained; round 1 learns the given labels.
    n_train, n_test : int
    seed : int
        Decides the split, the features and the noise.
    students : tuple of str
        Of `STUDENTS`, which to train once on refined targets. The teacher's two largest outputs are candidates
        of the partial-label loss, started from the teacher's weights or from zero, or soft targets of one half
        each; "left out" learns the label that ridge regression predicts for each sample without its own.
    device : str
        Where the networks of learned features train.
    data : str or OwnData
        With classes, as `datasets.load` takes it.
    n_pretraining : int
        Further samples, on which networks of learned features are trained.
    """

    features: FeatureKind
    cells: tuple[tuple[str, float], ...]
    ridges: tuple[float, ...]
    rounds: int
    n_train: int
    n_test: int
    seed: int
    students: tuple[str, ...] = STUDENTS
    device: str = "cpu"
    data: DataSource = "digits"
    n_pretraining: int = PRETRAINING

    def __post_init__(self) -> None:
        check_each(self.cells, "cells", lambda cell, _: check_fraction(cell[1], "rate", below_one=True))
        check_each(self.ridges, "ridges", check_positive)
        for name in ("rounds", "n_train", "n_test", "n_pretraining"):
            check_count(getattr(self, name), name)
        check_count(self.seed, "seed", least=0)
        for student in self.students:
            check_choice(student, "student", STUDENTS)
        further = self.n_pretraining if self.features in ("clean network", "noisy network") else 0
        data = as_data(self.data, classes=True, sizes=(self.n_train + further, self.n_test))
        if self.features == "other classes" and isinstance(data, OwnData) and data.n_classes < 4:
            raise InputError(f"features from other classes need four classes; {data} has {data.n_classes}.")
        object.__setattr__(self, "data", data)


def label_rounds(config: LabelRounds) -> xr.Dataset:
    """Accuracy of every round and student, against true labels.

    Returns
    -------
    xarray.Dataset
        `accuracy` (ridge, source, part, cell, round): "predicted" is the closed form with softmax linearised, on the
        features' own gram, "probe" the trained one; the parts are the test points, the training points, and
        those training points whose given label is right or wrong. `student_accuracy` (ridge, part, cell, student) of
        one round on refined targets. `stationarity` (ridge, cell) is the largest of any probe.
    """
    with one_thread():
        return _measure(config)


def _measure(config: LabelRounds) -> xr.Dataset:
    data = probe_features(
        config.data, config.features, config.n_train, config.n_test, config.seed, config.device,
        config.n_pretraining,
    )  # fmt: skip
    k = data.n_classes
    groups = superclass_groups(data.features, data.labels, k)
    rng = np.random.default_rng([config.seed, 12])
    rows = []
    for kind, rate in config.cells:
        given = corrupt_labels(data.labels, corruption_matrix(kind, k, rate, groups), rng)  # type: ignore[arg-type]
        rows += [_cell(config, data, given, ridge) for ridge in config.ridges]
    accuracy, students, stationarity = (
        np.stack(column).reshape(len(config.cells), len(config.ridges), *np.shape(column[0]))
        for column in zip(*rows, strict=True)
    )
    result = xr.Dataset(
        {
            "accuracy": (("cell", "ridge", "source", "round", "part"), accuracy),
            "stationarity": (("cell", "ridge"), stationarity),
        },
        coords={
            "ridge": list(config.ridges),
            "source": list(SOURCES),
            "part": list(PARTS),
            "round": np.arange(1, config.rounds + 1),
            "noise": ("cell", [kind for kind, _ in config.cells]),
            "rate": ("cell", [rate for _, rate in config.cells]),
        },
    )
    if not config.students:  # an axis of length zero is no NetCDF
        return result
    return result.assign_coords(student=list(config.students)).assign(
        student_accuracy=(("cell", "ridge", "student", "part"), students)
    )


def _cell(config: LabelRounds, data: ProbeData, given: Array, ridge: float) -> tuple[Array, Array, float]:
    """Accuracies of rounds (source, round, part) and of students (student, part), and the stationarity."""
    targets = one_hot(given, data.n_classes)
    spectrum = Spectrum.from_features(data.features, targets - 1 / data.n_classes)
    run = distill_linearised(spectrum, ridge, config.rounds)
    predicted = [data.features.T @ run.dual(t) for t in range(1, config.rounds + 1)]
    probes: list[Probe] = []
    current = targets
    for _ in range(config.rounds):
        last = probes[-1] if probes else None
        probes.append(fit_probe(data.features, current, ridge, start=last))
        current = probes[-1].outputs(data.features)
    students = [_student(name, data, spectrum, ridge, probes[0]) for name in config.students]
    scores = [
        [_accuracies(data, given, w) for w in predicted],
        [_accuracies(data, given, p.weights) for p in probes],
    ]
    student_scores = [_accuracies(data, given, p.weights) for p in students]
    worst = max(p.stationarity for p in probes + students)
    return np.array(scores), np.array(student_scores), worst


def _student(name: str, data: ProbeData, spectrum: Spectrum, ridge: float, teacher: Probe) -> Probe:
    """One round on refined targets."""
    if name == "left out":
        return fit_probe(data.features, leave_one_out_targets(spectrum, ridge), ridge)
    candidates = top_targets(teacher.outputs(data.features), 2)
    if name == "top two, cross-entropy":
        return fit_probe(data.features, candidates, ridge)
    start = teacher if name == "partial labels, from the teacher" else None
    return fit_probe(data.features, candidates, ridge, "partial labels", start)


def _accuracies(data: ProbeData, given: Array, weights: Array) -> list[float]:
    """Accuracy of weights (p, K) on each of `PARTS`; NaN where there is no such sample."""
    right = (data.features @ weights).argmax(axis=1) == data.labels
    test = (data.test_features @ weights).argmax(axis=1) == data.test_labels
    kept = given == data.labels
    return [float(part.mean()) if len(part) else np.nan for part in (test, right, right[kept], right[~kept])]
