"""Partial labels: candidates, the condition and its two failures, leave-one-out outputs (J8, J9)."""

import numpy as np
import pytest

from selfdistill.theory import (
    ClusteredFeatures,
    InputError,
    Spectrum,
    corrupt_labels,
    corruption_matrix,
    distill_clustered_softmax,
    estimate_corruption,
    fit_softmax_regression,
    leave_one_out_outputs,
    leave_one_out_targets,
    one_hot,
    partial_label_condition,
    top_targets,
    top_two_targets,
)
from selfdistill.theory.clusters.group_outputs import group_accuracy

MODEL = ClusteredFeatures(4, 30, within=0.4, across=0.1, ridge=1e-3)
PAIRS = corruption_matrix("superclass", 4, 0.4, [[0, 1], [2, 3]])


def refined(corruption, m=2):
    teacher = np.round(MODEL.outputs(corruption, 1), 9)
    return top_targets(teacher.reshape(16, 4), m).reshape(4, 4, 4)


def test_top_two_puts_half_on_each_of_the_largest(rng):
    outputs = rng.dirichlet(np.ones(6), 50)
    targets = top_two_targets(outputs)
    order = np.argsort(-outputs, axis=1)
    expected = (one_hot(order[:, 0], 6) + one_hot(order[:, 1], 6)) / 2
    np.testing.assert_array_equal(targets, expected)


def test_labels_that_tie_share_the_last_place():
    np.testing.assert_allclose(top_two_targets([[0.4, 0.2, 0.2, 0.2]]), [[1 / 2, 1 / 6, 1 / 6, 1 / 6]])
    np.testing.assert_allclose(top_targets([[0.3, 0.3, 0.4]], 1), [[0, 0, 1]])
    np.testing.assert_allclose(top_targets([[0.3, 0.3, 0.4]], 3), [[1 / 3] * 3])


def test_more_candidates_than_classes_are_refused():
    with pytest.raises(InputError, match="at most"):
        top_targets(np.eye(3), 4)


@pytest.mark.parametrize("rate", [0.2, 0.5, 0.7])
def test_one_partial_round_corrects_symmetric_noise(rate):
    noise = corruption_matrix("symmetric", 4, rate)
    assert group_accuracy(MODEL.smooth(refined(noise), noise), noise) == 1
    assert MODEL.accuracy(noise, 1) < 1 or rate < 0.5


def test_pairs_tie_for_the_student_and_not_for_more_rounds():
    assert group_accuracy(MODEL.smooth(refined(PAIRS), PAIRS), PAIRS) == pytest.approx(0.5)
    exact = distill_clustered_softmax(MODEL, PAIRS, 1, targets=refined(PAIRS))[0]
    assert group_accuracy(exact.outputs, PAIRS) == pytest.approx(0.5)
    assert MODEL.accuracy(PAIRS, 4) == 1


def test_the_left_out_candidate_corrects_pairs_in_one_round():
    targets = top_targets(MODEL.leave_one_out(PAIRS).reshape(16, 4), 1).reshape(4, 4, 4)
    assert group_accuracy(MODEL.smooth(targets, PAIRS), PAIRS) == 1


def test_leave_one_out_outputs_equal_refits_without_each_sample(rng):
    x, labels, ridge = rng.normal(size=(15, 4)), rng.integers(0, 3, 15), 0.01
    gram, centred = x @ x.T, one_hot(labels, 3) - 1 / 3
    found = leave_one_out_outputs(Spectrum.from_gram(gram, centred), ridge)
    by_features = leave_one_out_outputs(Spectrum.from_features(x, centred), ridge)
    for i in range(15):
        rest = np.delete(np.arange(15), i)
        # The penalty per sample stays K λ N with N = 15.
        dual = np.linalg.solve(gram[np.ix_(rest, rest)] + 3 * ridge * 15 * np.eye(14), centred[rest])
        np.testing.assert_allclose(found[i], 1 / 3 + gram[i, rest] @ dual, atol=1e-10)
    np.testing.assert_allclose(by_features, found, atol=1e-10)


def test_closed_form_leave_one_out_equals_that_of_the_gram(rng):
    true = MODEL.labels()
    given = corrupt_labels(true, PAIRS, rng, exact=True)
    spectrum = Spectrum.from_gram(MODEL.gram(), one_hot(given, 4) - 1 / 4)
    corruption = estimate_corruption(true, given, 4)
    np.testing.assert_allclose(
        MODEL.leave_one_out(corruption)[true, given], leave_one_out_outputs(spectrum, MODEL.ridge), atol=1e-10
    )
    targets = leave_one_out_targets(spectrum, MODEL.ridge)
    np.testing.assert_array_equal(targets.argmax(axis=1), true)


def student_is_right(model, true, targets):
    y = fit_softmax_regression(model.gram(), targets, model.ridge, linearised=True).outputs
    rival = np.where(one_hot(true, y.shape[1]) == 1, -np.inf, y).max(axis=1)
    return bool((y[np.arange(len(true)), true] - rival > 1e-9).all())


def test_the_condition_tells_when_the_student_is_right(rng):
    for kind in ("symmetric", "superclass"):
        noise = corruption_matrix(kind, 4, 0.4, [0, 0, 1, 1])
        true = MODEL.labels()
        given = corrupt_labels(true, noise, rng, exact=True)
        teacher = MODEL.outputs(estimate_corruption(true, given, 4), 1)[true, given]
        targets = top_two_targets(np.round(teacher, 9))
        assert partial_label_condition(targets, true) == student_is_right(MODEL, true, targets)
        assert partial_label_condition(targets, true) == (kind == "symmetric")


def test_the_condition_is_not_sufficient_where_candidates_are_unequally_frequent():
    """Counterexample: label 0 is the second candidate of most samples, and of nearly all of class 1."""
    model = ClusteredFeatures(6, 12, within=0.5, across=0.05, ridge=7e-3)
    true = model.labels()
    second = np.where(true == 0, np.where(np.arange(72) % 12 < 6, 1, 2), 0)
    second[(true > 0) & (np.arange(72) % 12 == 0)] = 5
    second[(true == 5) & (np.arange(72) % 12 == 0)] = 4
    targets = (one_hot(true, 6) + one_hot(second, 6)) / 2
    assert partial_label_condition(targets, true)
    assert not student_is_right(model, true, targets)
