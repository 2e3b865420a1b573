"""Label noise, rounds of self-distillation and partial labels on real features: predicted, exact, networks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr
from torch import Tensor, nn

from ...theory import (
    SoftmaxRegression,
    Spectrum,
    corrupt_labels,
    corruption_matrix,
    distill_linearised,
    leave_one_out_targets,
    one_hot,
    softmax,
    superclass_groups,
    top_targets,
)
from ...theory.base.validation import (
    Array,
    check_choice,
    check_count,
    check_each,
    check_fraction,
    check_positive,
)
from ..losses.functional import partial_label_loss, soft_cross_entropy
from ..training.ensemble import Ensemble, Loss
from ..training.members import TrainingConfig, train
from .learned_features import FeatureKind, ProbeData, digits_features

SOURCES = ("predicted", "exact", "network")
STUDENTS = ("top two", "top two, authors' loss", "top three", "left out")
AUTHORS_LOSS = STUDENTS[1]
# Accuracies need no more; the figures of single outputs ask for the full precision.
_STATIONARITY = 1e-4


@dataclass(frozen=True)
class LabelRounds:
    """One draw of features and noisy labels for every cell, distilled for some rounds.

    Attributes
    ----------
    features : str
        See `digits_features`.
    cells : tuple of (str, float)
        Noise model and rate of each problem; all are trained together.
    ridge : float
        λ, the weight decay of the probes.
    rounds : int
    n_train, n_test : int
    epochs : int
        Of minibatch SGD in each round, from zero weights.
    seed : int
    device : str
    students : tuple of str
        Of `STUDENTS`, which to train once on refined targets: on the teacher's two or three largest outputs,
        or on the largest leave-one-out output; by cross-entropy unless the authors' loss is named.
    """

    features: FeatureKind
    cells: tuple[tuple[str, float], ...]
    ridge: float
    rounds: int
    n_train: int
    n_test: int
    epochs: int
    seed: int
    device: str = "cpu"
    students: tuple[str, ...] = STUDENTS

    def __post_init__(self) -> None:
        check_each(self.cells, "cells", lambda cell, _: check_fraction(cell[1], "rate", below_one=True))
        check_positive(self.ridge, "ridge")
        for name in ("rounds", "n_train", "n_test", "epochs"):
            check_count(getattr(self, name), name)
        check_count(self.seed, "seed", least=0)
        for student in self.students:
            check_choice(student, "student", STUDENTS)


def train_probes(
    features: Array, targets: Array, ridge: float, epochs: int, seed: int, loss: Loss, device: str
) -> Array:
    """Train one linear probe a problem by minibatch SGD with momentum; return weights (M, p, K).

    Parameters
    ----------
    features : ndarray (N, p)
    targets : ndarray (M, N, K)
        Soft targets, or candidate distributions for a partial-label loss.
    ridge : float
        Weight decay: the penalty is ``(ridge/2) ‖W‖²``.
    epochs, seed, loss, device
        Of training. Probes start at zero and have no intercept, as in the theory.
    """
    m, _, k = targets.shape

    def build() -> nn.Module:
        layer = nn.Linear(features.shape[1], k, bias=False)
        nn.init.zeros_(layer.weight)
        return layer

    start = Ensemble.initialise(build, [seed * 1000 + member for member in range(m)], device=device)
    # Features have length 1, so steps are stable far above this rate; smaller ones do not reach the optimum of
    # a weak penalty in tens of epochs.
    config = TrainingConfig(
        epochs=epochs, batch_size=100, learning_rate=10.0, weight_decay=ridge, schedule="cosine"
    )
    trained = train(start, features.astype(np.float32), torch.as_tensor(targets).float(), loss, config)
    weights: Tensor = trained.ensemble.parameters["weight"]
    return np.asarray(weights.transpose(1, 2).cpu().numpy(), dtype=np.float64)


def cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy to soft targets, for one member under `vmap`."""
    return soft_cross_entropy(outputs, targets, check=False)


def partial_loss(outputs: Tensor, targets: Tensor) -> Tensor:
    """The authors' ``(1 − p^q)/q`` averaged over candidates, for one member under `vmap`."""
    return partial_label_loss(outputs, targets, 0.7, check=False)


def label_rounds(config: LabelRounds) -> xr.Dataset:
    """Accuracy of every round and student, on the training points' true labels and on test points.

    Returns
    -------
    xarray.Dataset
        `accuracy` (source, part, cell, round) with the sources "predicted" (softmax linearised, J2), "exact"
        and "network"; `student_accuracy` (student_source, part, cell, student) of one round on refined
        targets, exact and network.
    """
    data = digits_features(config.features, config.n_train, config.n_test, config.seed, config.device)
    k = data.n_classes
    groups = superclass_groups(data.features, data.labels, k)
    rng = np.random.default_rng([config.seed, 12])
    given = np.stack(
        [
            one_hot(corrupt_labels(data.labels, corruption_matrix(kind, k, rate, groups), rng), k)  # type: ignore[arg-type]
            for kind, rate in config.cells
        ]
    )
    predicted, left_out = _predicted(config, data, given)
    exact, exact_students = _exact(config, data, given, left_out)
    network, network_students = _network(config, data, given, left_out)
    result = xr.Dataset(
        {
            "accuracy": (
                ("source", "part", "cell", "round"),
                np.stack([predicted, exact, network]),
            )
        },
        coords={
            "source": list(SOURCES),
            "part": ["train", "test"],
            "round": np.arange(1, config.rounds + 1),
            "noise": ("cell", [kind for kind, _ in config.cells]),
            "rate": ("cell", [rate for _, rate in config.cells]),
        },
    )
    if not config.students:  # an axis of length zero is no NetCDF
        return result
    students = np.stack([exact_students, network_students])
    return result.assign_coords(student_source=["exact", "network"], student=list(config.students)).assign(
        student_accuracy=(("student_source", "part", "cell", "student"), students)
    )


def _accuracies(data: ProbeData, weights: Array) -> Array:
    """Training and test accuracy of weights (..., p, K): (2, ...)."""
    parts = ((data.features, data.labels), (data.test_features, data.test_labels))
    return np.stack([np.mean((x @ weights).argmax(axis=-1) == labels, axis=-1) for x, labels in parts])


def _predicted(config: LabelRounds, data: ProbeData, given: Array) -> tuple[Array, Array]:
    accuracy, left_out = [], []
    spectrum = Spectrum.from_features(data.features, given[0] - 1 / data.n_classes)
    for labels in given:
        spectrum = spectrum.with_targets(labels - 1 / data.n_classes)
        run = distill_linearised(spectrum, config.ridge, config.rounds)
        weights = [data.features.T @ run.dual(t + 1) for t in range(config.rounds)]
        accuracy.append(_accuracies(data, np.stack(weights)))
        left_out.append(leave_one_out_targets(spectrum, config.ridge))
    return np.stack(accuracy, axis=1), np.stack(left_out)


def _refine(student: str, teacher: Array, left_out: Array) -> Array:
    if student == "left out":
        return left_out
    return top_targets(teacher, 3 if student == "top three" else 2)


def _exact(config: LabelRounds, data: ProbeData, given: Array, left_out: Array) -> tuple[Array, Array]:
    model = SoftmaxRegression.from_features(data.features, config.ridge)
    rounds = np.empty((2, len(given), config.rounds))
    # The authors' loss is not convex, so that student has no exact solution: NaN.
    students = np.full((2, len(given), len(config.students)), np.nan)
    for cell, (labels, held) in enumerate(zip(given, left_out, strict=True)):
        fits = model.distill(labels, config.rounds, tolerance=_STATIONARITY)
        rounds[:, cell] = _accuracies(data, np.stack([data.features.T @ fit.dual for fit in fits]))
        for i, student in enumerate(config.students):
            if student != AUTHORS_LOSS:
                targets = _refine(student, fits[0].outputs, held)
                fit = model.fit(targets, fits[0], tolerance=_STATIONARITY)
                students[:, cell, i] = _accuracies(data, data.features.T @ fit.dual)
    return rounds, students


def _network(config: LabelRounds, data: ProbeData, given: Array, left_out: Array) -> tuple[Array, Array]:
    def fit(targets: Array, loss: Loss, stage: int) -> Array:
        seed = config.seed * 100 + stage
        return train_probes(data.features, targets, config.ridge, config.epochs, seed, loss, config.device)

    rounds = np.empty((2, len(given), config.rounds))
    targets = given
    teacher = given
    for t in range(config.rounds):
        weights = fit(targets, cross_entropy, t)
        rounds[:, :, t] = _accuracies(data, weights)
        targets = softmax(data.features @ weights)
        teacher = targets if t == 0 else teacher
    students = np.empty((2, len(given), len(config.students)))
    for i, student in enumerate(config.students):
        refined = np.stack([_refine(student, y, held) for y, held in zip(teacher, left_out, strict=True)])
        loss = partial_loss if student == AUTHORS_LOSS else cross_entropy
        students[:, :, i] = _accuracies(data, fit(refined, loss, 50 + i))
    return rounds, students
