"""Probes on real features against the exact optimum, and the units that the figures are made of."""

import numpy as np
import pytest

from selfdistill.empirical.experiments.label_rounds import (
    AUTHORS_LOSS,
    LabelRounds,
    cross_entropy,
    label_rounds,
    train_probes,
)
from selfdistill.empirical.experiments.learned_features import digits_features
from selfdistill.theory import InputError, corrupt_labels, corruption_matrix, fit_softmax_regression, one_hot

SMALL = LabelRounds(
    "pixels",
    (("symmetric", 0.3), ("superclass", 0.3)),
    1e-3,
    rounds=2,
    n_train=200,
    n_test=100,
    epochs=3,
    seed=5,
)


@pytest.mark.parametrize("kind", ["pixels", "random relu", "clean network", "other classes"])
def test_features_have_length_one_and_tell_classes_apart(kind):
    data = digits_features(kind, 200, 100, seed=3)
    np.testing.assert_allclose(np.linalg.norm(data.features, axis=1), 1, atol=1e-9)
    assert len(data.features) == len(data.labels)
    assert data.labels.max() == data.n_classes - 1
    gram = data.features @ data.features.T
    same = data.labels[:, None] == data.labels
    assert gram[same].mean() > gram[~same].mean() + 0.05
    again = digits_features(kind, 200, 100, seed=3)
    np.testing.assert_array_equal(data.features, again.features)


def test_unknown_features_are_refused():
    with pytest.raises(InputError, match="random relu"):
        digits_features("wavelets", 100, 50, seed=0)  # type: ignore[arg-type]


def test_probes_reach_the_exact_optimum(rng):
    data = digits_features("pixels", 200, 100, seed=3)
    ridge = 1e-2
    targets = np.stack(
        [
            one_hot(corrupt_labels(data.labels, corruption_matrix("symmetric", 10, rate), rng), 10)
            for rate in (0.2, 0.5)
        ]
    )
    weights = train_probes(data.features, targets, ridge, 40, 0, cross_entropy, "cpu")
    for found, t in zip(weights, targets, strict=True):
        exact = fit_softmax_regression(features=data.features, targets=t, ridge=ridge)
        assert np.linalg.norm(found - exact.weights) < 0.05 * np.linalg.norm(exact.weights)


def test_a_unit_measures_all_sources_and_students_and_repeats_itself():
    one, other = label_rounds(SMALL), label_rounds(SMALL)
    assert one.identical(other)
    assert dict(one.sizes) == {
        "source": 3, "part": 2, "cell": 2, "round": 2, "student_source": 2, "student": 4,
    }  # fmt: skip
    students = one["student_accuracy"]
    assert students.sel(student_source="exact", student=AUTHORS_LOSS).isnull().all()
    assert students.sel(student_source="network").notnull().all()
    assert float(one["accuracy"].sel(source="exact", part="train").min()) > 0.5


def test_students_can_be_left_out():
    from dataclasses import replace

    assert "student_accuracy" not in label_rounds(replace(SMALL, students=()))
