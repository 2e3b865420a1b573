"""The softmax estimator: scikit-learn's own checks, and agreement with its logistic regression."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits, load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from selfdistill.theory import InputError, SelfDistilledSoftmaxRegression, corrupt_labels, corruption_matrix


@parametrize_with_checks([SelfDistilledSoftmaxRegression(), SelfDistilledSoftmaxRegression("rbf", rounds=2)])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def iris():
    x, y = load_iris(return_X_y=True)
    return StandardScaler().fit_transform(x), y


def test_one_round_is_logistic_regression(iris):
    x, y = iris
    ours = SelfDistilledSoftmaxRegression(ridge=0.02).fit(x, y)
    theirs = LogisticRegression(C=1 / (len(x) * 0.02), fit_intercept=False, tol=1e-10, max_iter=10_000).fit(
        x, y
    )
    np.testing.assert_allclose(ours.predict_proba(x), theirs.predict_proba(x), atol=1e-6)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-5)


def test_each_round_learns_the_previous_outputs(iris):
    x, y = iris
    three = SelfDistilledSoftmaxRegression("rbf", gamma=0.3, rounds=3).fit(x, y)
    stages = list(three.staged_predict_proba(x))
    again = SelfDistilledSoftmaxRegression("rbf", gamma=0.3).fit(x, stages[1])
    np.testing.assert_allclose(again.predict_proba(x), stages[2], atol=1e-8)
    np.testing.assert_array_equal(three.predict_proba(x), stages[2])


def test_partial_label_student_learns_two_candidates(iris):
    x, y = iris
    student = SelfDistilledSoftmaxRegression(rounds=2, student="partial_labels").fit(x, y)
    teacher = SelfDistilledSoftmaxRegression().fit(x, y).predict_proba(x)
    targets = np.where(teacher >= np.sort(teacher, axis=1)[:, [-2]], 0.5, 0.0)
    again = SelfDistilledSoftmaxRegression().fit(x, targets)
    np.testing.assert_allclose(student.predict_proba(x), again.predict_proba(x), atol=1e-8)


@pytest.mark.parametrize("student", ["soft", "partial_labels"])
def test_more_rounds_mend_wrong_labels(rng, student):
    x, true = load_digits(return_X_y=True)
    x, true = x[:400] / np.linalg.norm(x[:400], axis=1, keepdims=True), true[:400]
    y = corrupt_labels(true, corruption_matrix("symmetric", 10, 0.5), rng)
    rounds = {"soft": 6, "partial_labels": 2}[student]
    model = SelfDistilledSoftmaxRegression(ridge=1e-4, rounds=rounds, student=student).fit(x, y)
    accuracy = [(p.argmax(axis=1) == true).mean() for p in model.staged_predict_proba(x)]
    assert accuracy[-1] > accuracy[0]


def test_precomputed_equals_the_kernel(iris):
    x, y = iris
    direct = SelfDistilledSoftmaxRegression("rbf", gamma=0.3, rounds=2).fit(x[::2], y[::2])
    given = SelfDistilledSoftmaxRegression("precomputed", rounds=2).fit(rbf_kernel(x[::2], gamma=0.3), y[::2])
    expected = direct.predict_proba(x[1::2])
    np.testing.assert_allclose(given.predict_proba(rbf_kernel(x[1::2], x[::2], gamma=0.3)), expected)
    linear = SelfDistilledSoftmaxRegression().fit(x[::2], y[::2])
    gram = SelfDistilledSoftmaxRegression("precomputed").fit(x[::2] @ x[::2].T, y[::2])
    np.testing.assert_allclose(gram.predict_proba(x @ x[::2].T), linear.predict_proba(x), atol=1e-7)


def test_frames_of_soft_targets_name_the_classes(iris):
    x, y = iris
    names = np.array(["setosa", "versicolor", "virginica"])
    frame = pd.DataFrame(x, columns=list("abcd"))
    soft = pd.DataFrame(0.9 * np.eye(3)[y] + 0.1 / 3, columns=names)
    model = SelfDistilledSoftmaxRegression().fit(frame, soft)
    hard = SelfDistilledSoftmaxRegression().fit(frame, pd.Series(names[y]))
    assert list(model.classes_) == list(hard.classes_) == list(names)
    assert np.mean(model.predict(frame) == names[y]) > 0.8
    assert model.predict_proba(frame).max() < hard.predict_proba(frame).max()


def test_pipeline_and_grid_search(iris):
    x, y = iris
    pipeline = make_pipeline(StandardScaler(), SelfDistilledSoftmaxRegression("rbf"))
    name = "selfdistilledsoftmaxregression__"
    search = GridSearchCV(pipeline, {name + "rounds": [1, 2], name + "ridge": [1e-3, 1e-2]}, cv=3).fit(x, y)
    assert search.best_score_ > 0.9


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"rounds": 0}, "rounds must be a whole number"),
        ({"ridge": 0.0}, "ridge must be"),
        ({"student": "hard"}, '"soft" or "partial_labels"'),
        ({"student": "partial_labels"}, "needs a teacher"),
        ({"kernel": "precomputed"}, "square gram"),
    ],
)
def test_unusable_parameters_are_refused_in_a_sentence(iris, parameters, message):
    with pytest.raises(InputError, match=message):
        SelfDistilledSoftmaxRegression(**parameters).fit(*iris)


def test_two_classes_have_no_partial_labels(iris):
    x, y = iris
    with pytest.raises(InputError, match="three classes"):
        SelfDistilledSoftmaxRegression(rounds=2, student="partial_labels").fit(x[:100], y[:100])


def test_soft_targets_must_be_distributions(iris):
    with pytest.raises(InputError, match="sum to 1"):
        SelfDistilledSoftmaxRegression().fit(iris[0], np.eye(3)[iris[1]] * 2)
