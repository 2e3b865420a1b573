"""Corruption matrices, noisy labels and confusable classes (section 2, noise models)."""

import numpy as np
import pytest

from selfdistill.theory import (
    InputError,
    corrupt_labels,
    corruption_gap,
    corruption_matrix,
    estimate_corruption,
    superclass_groups,
)


@pytest.mark.parametrize("k", [2, 3, 7])
@pytest.mark.parametrize("rate", [0.0, 0.3, 0.9])
def test_rows_are_distributions_and_keep_their_label_as_often_as_asked(k, rate):
    groups = np.zeros(k, int)
    for kind in ("symmetric", "asymmetric", "superclass"):
        matrix = corruption_matrix(kind, k, rate, groups)
        np.testing.assert_allclose(matrix.sum(axis=1), 1)
        np.testing.assert_allclose(np.diag(matrix), 1 - rate)
        assert matrix.min() >= 0


def test_asymmetric_noise_falls_twice_as_often_on_the_next_class():
    matrix = corruption_matrix("asymmetric", 5, 0.5)
    assert matrix[4, 0] == pytest.approx(0.2)
    assert matrix[4, 1] == matrix[4, 2] == matrix[4, 3] == pytest.approx(0.1)


def test_superclass_noise_stays_in_its_group():
    matrix = corruption_matrix("superclass", 5, 0.4, [[0, 3], [1, 2, 4]])
    assert matrix[0].tolist() == pytest.approx([0.6, 0, 0, 0.4, 0])
    assert matrix[1].tolist() == pytest.approx([0, 0.6, 0.2, 0, 0.2])
    np.testing.assert_array_equal(matrix, corruption_matrix("superclass", 5, 0.4, [7, 9, 9, 7, 9]))


def test_drawn_labels_follow_the_matrix(rng):
    matrix = corruption_matrix("asymmetric", 4, 0.5)
    true = np.repeat(np.arange(4), 20_000)
    found = estimate_corruption(true, corrupt_labels(true, matrix, rng), 4)
    # Five standard errors of a frequency from 20,000 draws.
    assert np.abs(found - matrix).max() < 5 * np.sqrt(0.25 / 20_000)


def test_exact_counts_are_exact_and_random_only_in_the_choice_of_samples(rng):
    matrix = corruption_matrix("symmetric", 4, 0.6)
    true = np.tile(np.arange(4), 50)
    one, other = (corrupt_labels(true, matrix, rng, exact=True) for _ in range(2))
    np.testing.assert_allclose(estimate_corruption(true, one, 4), matrix)
    assert (one != other).any()
    odd = corrupt_labels(np.zeros(7, int), corruption_matrix("symmetric", 3, 0.5), rng, exact=True)
    assert np.bincount(odd, minlength=3).sum() == 7
    assert np.abs(np.bincount(odd, minlength=3) - 7 * np.array([0.5, 0.25, 0.25])).max() < 1


def test_a_seed_stands_for_its_generator():
    matrix, labels = corruption_matrix("symmetric", 3, 0.5), np.arange(60) % 3
    for exact in (False, True):
        given = corrupt_labels(labels, matrix, 7, exact)
        np.testing.assert_array_equal(given, corrupt_labels(labels, matrix, np.random.default_rng(7), exact))
    with pytest.raises(InputError, match="rng must be a seed"):
        corrupt_labels(labels, matrix, None)  # what could not be drawn again


def test_gap_is_the_least_lead_over_labels_that_occur():
    assert corruption_gap(corruption_matrix("symmetric", 4, 0.6)) == pytest.approx(0.2)
    assert corruption_gap(corruption_matrix("asymmetric", 5, 0.5)) == pytest.approx(0.5 - 0.2)
    assert corruption_gap(corruption_matrix("superclass", 4, 0.5, [0, 0, 1, 1])) == 0.0
    assert corruption_gap(np.eye(3)) == 1.0
    assert corruption_gap(np.array([[0.4, 0.6], [0.0, 1.0]])) == pytest.approx(-0.2)


def test_groups_found_from_features_are_those_that_were_built_in(rng):
    centres = np.repeat(rng.normal(size=(2, 30)), 3, axis=0) + 0.3 * rng.normal(size=(6, 30))
    labels = np.repeat(np.arange(6), 20)
    groups = superclass_groups(centres[labels] + 0.1 * rng.normal(size=(120, 30)), labels)
    assert (groups[:3] == groups[0]).all()
    assert (groups[3:] == groups[3]).all()
    assert groups[0] != groups[3]


def test_a_class_that_no_other_resembles_still_gets_a_group(rng):
    centres = np.vstack([np.eye(8)[0], np.eye(8)[0] + 0.1 * np.eye(8)[1], -np.eye(8)[0]])
    labels = np.repeat(np.arange(3), 5)
    groups = superclass_groups(centres[labels], labels)
    assert np.bincount(groups).min() >= 2
    assert corruption_matrix("superclass", 3, 0.3, groups).shape == (3, 3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda r: corruption_matrix("symmetric", 4, 1.0), r"\[0, 1\)"),
        (lambda r: corruption_matrix("symmetric", 4, -0.1), r"\[0, 1\)"),
        (lambda r: corruption_matrix("symmetric", 1, 0.1), "n_classes"),
        (lambda r: corruption_matrix("uniform", 4, 0.1), "noise model"),
        (lambda r: corruption_matrix("superclass", 4, 0.1), "groups"),
        (lambda r: corruption_matrix("superclass", 4, 0.1, [[0, 1, 2], [3]]), "class 3 is alone"),
        (lambda r: corruption_matrix("superclass", 4, 0.1, [[0, 1], [2]]), "exactly once"),
        (lambda r: corruption_matrix("superclass", 4, 0.1, [0, 0, 1]), "4 classes"),
        (lambda r: corrupt_labels([0, 4], np.eye(4), r), "0 … 3"),
        (lambda r: corrupt_labels([0, -1], np.eye(4), r), "-1"),
        (lambda r: corrupt_labels([0.5], np.eye(4), r), "whole"),
        (lambda r: corrupt_labels(["a"], np.eye(4), r), "class numbers"),
        (lambda r: corrupt_labels([0], np.eye(4), "seed"), "rng must be a seed"),
        (lambda r: corrupt_labels([0], np.eye(4), -1), "rng must be .* got -1"),
        (
            lambda r: corrupt_labels(np.ma.array([0, 1], mask=[0, 1]), np.eye(4), r),
            "labels must be .* without gaps",
        ),
        (lambda r: corrupt_labels([0], np.full((2, 2), 0.6), r), "sum to 1"),
        (lambda r: corrupt_labels([0], np.array([[1.5, -0.5], [0, 1]]), r), "probabilities"),
        (lambda r: corrupt_labels([0], np.ones((2, 3)), r), "square"),
        (lambda r: estimate_corruption([0, 0], [0, 1], 2), "class 1 has no samples"),
        (lambda r: estimate_corruption([0, 1], [0], 2), "as long"),
        (lambda r: superclass_groups(np.zeros((4, 2)), [0, 0, 1, 1]), "zero"),
        (lambda r: superclass_groups(np.ones((4, 2)), [0, 0, 2, 2]), "no samples"),
        (lambda r: superclass_groups(np.ones((4, 2)), [0, 1]), "one entry a row"),
    ],
)
def test_bad_input_is_refused_with_the_reason(call, message, rng):
    with pytest.raises(InputError, match=message):
        call(rng)
