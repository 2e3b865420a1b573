"""The classifier that tunes itself: scikit-learn's checks, refits by `KernelRidge`, weights, mistakes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris, make_blobs
from sklearn.kernel_ridge import KernelRidge
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.utils.estimator_checks import parametrize_with_checks

from selfdistill.theory import InputError, SelfDistilledRidgeClassifier, corrupt_labels, corruption_matrix

FIXED = {"gamma": 0.5, "ridge": 0.02, "rounds": 3}
# A sample of weight 2 is left out whole, one of two copies alone: a choice by leave-one-out may differ.
DIFFERS = "check_sample_weight_equivalence_on_dense_data"


@parametrize_with_checks([SelfDistilledRidgeClassifier(**FIXED)])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@parametrize_with_checks([SelfDistilledRidgeClassifier()])
def test_scikit_learn_checks_where_everything_is_chosen(estimator, check):
    if check.func.__name__ != DIFFERS:
        check(estimator)


def refits(x, y, points, rounds=3, weights=None):
    """Outputs by scikit-learn's kernel ridge, refitted to its own fits around the classes' frequencies."""
    weights = np.ones(len(x)) if weights is None else weights
    one_hot = np.eye(y.max() + 1)[y]
    mean = np.average(one_hot, axis=0, weights=weights)
    targets = one_hot - mean
    for _ in range(rounds):
        alpha = weights.sum() * 0.02
        model = KernelRidge(kernel="rbf", gamma=0.5, alpha=alpha).fit(x, targets, sample_weight=weights)
        targets = model.predict(x)
    return mean + model.predict(points)


@pytest.mark.parametrize("weighted", [False, True])
def test_outputs_equal_refits(rng, weighted):
    x, y = make_blobs(50, centers=3, cluster_std=3, random_state=0)
    weights = rng.uniform(0.2, 3, 50) if weighted else None
    points = rng.normal(size=(7, 2)) * 5
    model = SelfDistilledRidgeClassifier(**FIXED).fit(x, y, weights)
    expected = refits(x, y, points, weights=weights)
    np.testing.assert_allclose(model.outputs(points), expected, atol=1e-10)
    np.testing.assert_array_equal(model.predict(points), expected.argmax(axis=1))
    cut = np.maximum(expected, 1e-12)
    np.testing.assert_allclose(model.predict_proba(points), cut / cut.sum(axis=1, keepdims=True), atol=1e-9)
    np.testing.assert_allclose(np.exp(model.predict_log_proba(points)), model.predict_proba(points))


def test_samples_of_weight_zero_are_as_if_absent(rng):
    x, y = make_blobs(40, centers=3, random_state=1)
    weights = np.ones(40)
    weights[:7] = 0
    for kernel in ("rbf", "precomputed"):
        data = rbf_kernel(x, gamma=0.1) if kernel == "precomputed" else x
        model = SelfDistilledRidgeClassifier(kernel).fit(data, y, weights)
        part = data[7:, 7:] if kernel == "precomputed" else data[7:]
        alone = SelfDistilledRidgeClassifier(kernel).fit(part, y[7:])
        at = data[:, 7:] if kernel == "precomputed" else data
        np.testing.assert_allclose(model.predict_proba(data), alone.predict_proba(at), atol=1e-9)


def test_two_classes_have_one_decision_value():
    x, y = make_blobs(40, centers=2, random_state=2)
    model = SelfDistilledRidgeClassifier().fit(x, np.array(["no", "yes"])[y])
    decision = model.decision_function(x)
    assert decision.shape == (40,)
    np.testing.assert_array_equal(model.predict(x), np.where(decision > 0, "yes", "no"))


def test_it_stands_more_label_noise_than_one_untuned_fit():
    x, y = load_iris(return_X_y=True)
    lead = []
    for seed in range(6):
        given = corrupt_labels(y[::2], corruption_matrix("symmetric", 3, 0.4), seed)
        tuned = SelfDistilledRidgeClassifier().fit(x[::2], given)
        untuned = SelfDistilledRidgeClassifier(gamma=None, ridge=1e-4, rounds=1).fit(x[::2], given)
        lead.append(tuned.score(x[1::2], y[1::2]) - untuned.score(x[1::2], y[1::2]))
    assert np.mean(lead) > 0.05


def test_frames_and_kernels_without_a_coefficient():
    x, y = load_iris(return_X_y=True)
    frame = pd.DataFrame(x, columns=list("abcd"))
    assert SelfDistilledRidgeClassifier("linear").fit(frame, y).gamma_ is None
    assert SelfDistilledRidgeClassifier().fit(frame, y).feature_names_in_.tolist() == list("abcd")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ridge": "least"}, 'ridge must be a number, or "best"'),
        ({"rounds": "collapse"}, 'rounds must be a number, or "best"'),
        ({"rounds": 0}, "rounds must be"),
        ({"ridge": -1.0}, "ridge must be"),
        ({"gamma": "auto"}, "gamma must be"),
        ({"kernel": "nonsense"}, "kernel must be"),
        ({"max_rounds": 0}, "max_rounds must be"),
    ],
)
def test_mistakes_are_named(options, message):
    x, y = make_blobs(10, centers=2, random_state=2)
    with pytest.raises(InputError, match=message):
        SelfDistilledRidgeClassifier(**options).fit(x, y)
