"""Students: what is trained together is what would be trained alone, and each is measured as it should be."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from selfdistill.empirical import metrics
from selfdistill.empirical.data.problems import Problems, draw_problems
from selfdistill.empirical.experiments.soft_labels.outcomes import fit_temperature, measure_outputs
from selfdistill.empirical.experiments.soft_labels.setup import Comparison, train_members
from selfdistill.empirical.experiments.soft_labels.stopping_early import BestOnValidation
from selfdistill.empirical.experiments.soft_labels.students import (
    Student,
    Study,
    differences,
    measure_students,
    train_students,
)
from selfdistill.empirical.methods.catalogue import (
    CROSS_ENTROPY,
    PROGRESSIVE,
    SELF_DISTILLATION,
    WITHOUT_REGULARIZATION,
)
from selfdistill.empirical.methods.training import outputs_on
from selfdistill.empirical.networks.perceptrons import mlp
from selfdistill.empirical.training.ensemble import Ensemble

TINY = Comparison(
    Problems(n_train=80, n_validation=40, n_test=60, noise=0.2, seeds=(0, 1)), hidden=(8,), epochs=3
)
DECAY = ("weight_decay", 1e-3)


def soft(name, teacher, temperature=1.0, alpha=0.9, **options):
    settings = (DECAY, ("alpha", alpha), ("temperature", temperature))
    return Student(name, SELF_DISTILLATION, settings, teacher, **options)


PLAIN = Student("plain", CROSS_ENTROPY, (DECAY,))
TEACHER = Student("teacher", CROSS_ENTROPY, (DECAY,), start=1)


def test_students_trained_together_are_those_trained_alone():
    """Teachers of two widths, starts and temperatures in one study, and each student in a study of its own."""
    wide = replace(TEACHER, name="wide", hidden=(16,))
    rows = (
        TEACHER,
        wide,
        PLAIN,
        soft("warm", "teacher", 3.0),
        soft("cold", "teacher"),
        soft("under", "wide"),
    )
    together = measure_students(Study(TINY, rows))
    for student in rows[2:]:
        needed = [s for s in rows[:2] if s.name == student.teacher]
        alone = measure_students(Study(TINY, (*needed, student)))
        for name in ("nll", "training_nll", "scaled_nll"):
            np.testing.assert_allclose(
                alone[name].sel(student=student.name), together[name].sel(student=student.name), rtol=1e-4
            )
    assert not np.allclose(*(together["nll"].sel(student=s) for s in ("warm", "cold")))
    assert not np.allclose(*(together["nll"].sel(student=s) for s in ("plain", "teacher")))  # other starts


def test_a_chain_learns_from_the_generation_before():
    """The third generation by hand, from the second's outputs."""
    rows = (PLAIN, soft("second", "plain", start=1), soft("third", "second", start=2))
    split = draw_problems(TINY.problems)
    trained = train_students(Study(TINY, rows), split)
    settings = {name: np.full(2, value) for name, value in rows[2].settings}
    teacher = trained["second"].logits(split.inputs)
    by_hand = train_members(TINY, split, SELF_DISTILLATION, settings, np.arange(2), teacher=teacher, start=2)
    torch.testing.assert_close(by_hand.logits(split.test_inputs), trained["third"].logits(split.test_inputs))


def test_no_weight_on_the_teacher_is_cross_entropy():
    nothing = Student("nothing", PROGRESSIVE, (DECAY, ("alpha", 0.0)))
    table = measure_students(Study(TINY, (TEACHER, PLAIN, soft("ignored", "teacher", alpha=0.0), nothing)))
    for name in ("ignored", "nothing"):
        np.testing.assert_allclose(differences(table, "nll", name, "plain"), 0, atol=1e-5)


def test_what_is_measured_of_a_student_is_what_its_outputs_say():
    rows = (TEACHER, soft("student", "teacher", 1e4))
    table = measure_students(Study(TINY, rows))
    split = draw_problems(TINY.problems)
    trained = train_students(Study(TINY, rows), split)["student"]
    p, labels = trained.probabilities(split.test_inputs)[1], split.test_labels[1].numpy()
    own = table.sel(student="student").isel(seed=1)
    assert float(own["top5"]) == metrics.top_k_accuracy(p, labels, 5)
    assert float(own["ece_20"]) == pytest.approx(metrics.expected_calibration_error(p, labels, 20))
    assert float(own["confidence"]) == pytest.approx(p.max(axis=1).mean())
    assert float(own["bin_count"].sum()) == 60
    # A teacher that is softened without end knows nothing.
    assert float(own["taught_uncertainty"]) == pytest.approx(np.log(10), abs=1e-4)
    assert 0 <= float(own["share_push"]) <= float(own["share_magnitude"]) <= 1
    assert np.isnan(table["taught_uncertainty"].sel(student="teacher")).all()


def test_a_fitted_temperature_is_the_best_of_a_grid(rng):
    logits, labels = rng.normal(0, 4, (200, 5)), rng.integers(0, 5, 200)
    logits[np.arange(200), labels] += 3
    tau = fit_temperature(logits, labels)

    def loss(t):
        return metrics.negative_log_likelihood(torch.from_numpy(logits / t).softmax(-1), labels)

    assert loss(tau) <= min(loss(t) for t in np.geomspace(0.1, 10, 400)) + 1e-9
    assert np.isnan(fit_temperature(np.full((3, 2), np.nan), np.zeros(3, int)))


def test_stopping_early_keeps_each_members_best_epoch(rng):
    """Members whose validation loss was least at different epochs, and one that diverged in the end."""
    split = draw_problems(replace(TINY.problems, seeds=(0,)))
    ensemble = Ensemble.initialise(lambda: mlp(64, 10, (4,)), (0, 1, 2))
    best = BestOnValidation(split, np.zeros(3, int))
    snapshots = []
    for epoch in range(4):
        with torch.no_grad():
            parameters = {n: p + 0.3 * torch.randn(p.shape) for n, p in ensemble.parameters.items()}
        if epoch == 3:
            parameters = {
                n: torch.cat([p[:2], torch.full_like(p[2:], torch.nan)]) for n, p in parameters.items()
            }
        snapshots.append(ensemble.with_parameters(parameters))
        best(epoch, range(3), snapshots[-1])
    inputs, labels = split.validation_inputs, split.validation_labels[0]

    def losses(of):
        outputs = outputs_on(of, inputs, torch.zeros(3, dtype=torch.long))
        return np.array([float(torch.nn.functional.cross_entropy(z, labels)) for z in outputs])

    every = np.array([losses(s) for s in snapshots])
    np.testing.assert_allclose(losses(best.restored(ensemble)), np.nanmin(every, axis=0), rtol=1e-5)
    np.testing.assert_array_equal(best.epochs, np.nanargmin(every, axis=0) + 1)


def test_dropping_every_soft_label_is_cross_entropy():
    """Teachers that are never surer than their student: all samples are regularization samples."""
    split = draw_problems(TINY.problems)
    settings = {"weight_decay": np.zeros(2)}
    tempered = settings | {"alpha": np.full(2, 0.9), "temperature": np.ones(2)}
    members = np.arange(2)
    plain = train_members(TINY, split, CROSS_ENTROPY, settings, members)
    logits = -40.0 * torch.nn.functional.one_hot(split.labels, 10).float()
    dropped = train_members(TINY, split, WITHOUT_REGULARIZATION, tempered, members, teacher=logits)
    np.testing.assert_allclose(dropped.logits(split.inputs), plain.logits(split.inputs), atol=1e-5)


def test_shifted_images_are_trained_on_and_their_teachers_asked_about_them():
    """With images as they are the teacher's word is another, and so is the student."""
    pairs = replace(TINY, problems=Problems("digit-pairs", 100, 100, 100, seeds=(0,)), epochs=2)
    rows = (TEACHER, PLAIN, replace(PLAIN, name="shifted", augmentation="shift"),
            soft("student", "teacher", augmentation="shift"))  # fmt: skip
    batch, images = (
        measure_students(Study(replace(pairs, teacher_sees=s), rows)) for s in ("batch", "images")
    )
    assert differences(batch, "nll", "shifted", "plain")[0] != 0
    assert batch["nll"].sel(student="student").values != images["nll"].sel(student="student").values
    assert batch["nll"].sel(student="shifted").values == images["nll"].sel(student="shifted").values


def test_a_member_that_diverged_is_nan():
    outputs = np.full((1, 4, 3), np.nan)
    assert all(np.isnan(v).all() for v in measure_outputs(outputs, np.zeros((1, 4), int)).values())
