"""The kernel ridge estimator: scikit-learn's own checks, and agreement with refits of `KernelRidge`."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from selfdistill.theory import (
    IndefiniteGramError,
    InfeasibleToleranceError,
    InputError,
    SelfDistilledKernelRidge,
    SelfDistilledSoftmaxRegression,
)

from .ridge_refits import GAMMA, noisy, refits


@parametrize_with_checks(
    [
        SelfDistilledKernelRidge(),
        # Narrow enough for the error of 0.1 to be reached on targets that are noise, as scikit-learn's are.
        SelfDistilledKernelRidge(gamma=5, epsilon=0.1),
        SelfDistilledKernelRidge(rounds="best", max_rounds=3, cv=2),
        SelfDistilledKernelRidge(mixing="optimal"),
        SelfDistilledKernelRidge(gamma="best", ridge="best", rounds="best", max_rounds=3),
        SelfDistilledKernelRidge(rounds=3, ground_truth_weight="best"),
    ]
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


# Each of these hands over a matrix with an eigenvalue below zero: the gram less its mean, with its entries
# rounded to whole numbers, or rounded to float32 and called float64. No kernel has it, and it is refused.
NOT_A_GRAM = ("check_positive_only_tag_during_fit", "check_estimators_dtypes", "check_regressors_train")


@parametrize_with_checks([SelfDistilledKernelRidge(kernel="precomputed")])
def test_scikit_learn_checks_on_grams(estimator, check):
    try:
        check(estimator)
    except (AssertionError, IndefiniteGramError) as error:
        refusal = error if isinstance(error, IndefiniteGramError) else error.__cause__
        if check.func.__name__ not in NOT_A_GRAM or not isinstance(refusal, IndefiniteGramError):
            raise


@pytest.mark.parametrize("weight", [0.0, 0.3])
@pytest.mark.parametrize("outputs", [None, 3])
def test_ridge_rounds_equal_refits(rng, weight, outputs):
    x, y, _ = noisy(rng, outputs=outputs)
    points = rng.uniform(0, 1, (7, 2))
    model = SelfDistilledKernelRidge(gamma=GAMMA, ridge=0.02, rounds=4, ground_truth_weight=weight).fit(x, y)
    expected = refits(x, y, [0.02] * 4, points, weight)
    assert model.predict(points).shape == expected[-1].shape
    np.testing.assert_allclose(model.predict(points), expected[-1], atol=1e-9)
    np.testing.assert_allclose(np.array(list(model.staged_predict(points))), expected, atol=1e-9)


def test_epsilon_rounds_stop_before_collapse(rng):
    x, y, _ = noisy(rng)
    model = SelfDistilledKernelRidge(gamma=GAMMA, epsilon=0.1, rounds="collapse").fit(x, y)
    assert model.rounds_ == model.trajectory_.rounds > 1
    ridges = model.trajectory_.multipliers
    expected = refits(x, y, ridges, x)
    np.testing.assert_allclose(model.predict(x), expected[-1], atol=1e-9)
    errors = np.mean((np.array([y, *expected[:-1]]) - expected) ** 2, axis=1)
    np.testing.assert_allclose(errors, 0.1, rtol=1e-9)
    assert np.mean(expected[-1] ** 2) <= 0.1  # so the next optimal fit is zero


def test_rounds_past_collapse_are_zero_and_say_so(rng):
    x, y, _ = noisy(rng)
    with pytest.warns(UserWarning, match="past collapse"):
        model = SelfDistilledKernelRidge(gamma=GAMMA, epsilon=0.1, rounds=500).fit(x, y)
    assert not model.predict(x).any()


def test_precomputed_equals_the_kernel(rng):
    x, y, _ = noisy(rng)
    points = rng.uniform(0, 1, (5, 2))
    direct = SelfDistilledKernelRidge(gamma=GAMMA, ridge=0.01, rounds="best", max_rounds=5).fit(x, y)
    given = SelfDistilledKernelRidge("precomputed", ridge=0.01, rounds="best", max_rounds=5).fit(
        rbf_kernel(x, gamma=GAMMA), y
    )
    called = clone(direct).set_params(kernel=lambda a, b: float(np.exp(-GAMMA * np.sum((a - b) ** 2))))
    np.testing.assert_allclose(given.predict(rbf_kernel(points, x, gamma=GAMMA)), direct.predict(points))
    np.testing.assert_allclose(called.fit(x, y).predict(points), direct.predict(points))
    assert given.rounds_ == direct.rounds_


def test_pandas_pipeline_and_grid_search(rng):
    x, y, _ = noisy(rng, 60)
    frame = pd.DataFrame(x, columns=["width", "height"], index=[f"row{i}" for i in range(len(x))])
    series = pd.Series(y, index=frame.index, name="target")
    pipeline = make_pipeline(
        StandardScaler().set_output(transform="pandas"),
        TransformedTargetRegressor(SelfDistilledKernelRidge(), transformer=StandardScaler()),
    )
    name = "transformedtargetregressor__regressor__"
    grid = {name + "ridge": [0.003, 0.03], name + "rounds": [1, 3], name + "gamma": [0.5]}
    search = GridSearchCV(pipeline, grid, cv=3).fit(frame, series)
    fitted = search.best_estimator_[-1].regressor_
    assert list(fitted.feature_names_in_) == ["width", "height"]
    assert search.score(frame, series) > 0.5
    with pytest.raises(ValueError, match="feature names"):
        search.predict(frame.rename(columns={"width": "length"}))


def test_frames_of_predictions_keep_index_and_outputs(rng):
    x, y, _ = noisy(rng, 20, outputs=2)
    index = pd.Index([f"row{i}" for i in range(20)], name="id")
    frame = pd.DataFrame(x, columns=["a", "b"], index=index)
    targets = pd.DataFrame(y, columns=["left", "right"], index=index)
    model = SelfDistilledKernelRidge(gamma=GAMMA, ridge=0.01, rounds=3).fit(frame, targets)
    rounds = model.predict_rounds(frame)
    assert rounds.index.equals(index)
    assert list(rounds.columns.names) == ["round", "output"]
    np.testing.assert_array_equal(rounds[3], model.predict(frame))
    assert list(rounds[1].columns) == ["left", "right"]
    single = clone(model).fit(frame, targets["left"]).predict_rounds(frame)
    assert list(single.columns) == [1, 2, 3]
    np.testing.assert_allclose(single[2], rounds[2]["left"])


@pytest.mark.parametrize("outputs", [None, 2])
def test_collapsed_from_the_start_is_zero_in_every_way(rng, outputs):
    x, y, _ = noisy(rng, 10, outputs=outputs)
    frame = pd.DataFrame(x, columns=["a", "b"])
    for rounds in ("collapse", "best"):
        model = SelfDistilledKernelRidge(epsilon=100.0, rounds=rounds, cv=2).fit(frame, y)
        assert model.rounds_ == 0
        assert not model.predict(frame).any()
        assert model.predict_rounds(frame).shape == (10, 0)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"epsilon": 0.1, "ridge": 0.1}, "not both"),
        ({"epsilon": 0.1, "ground_truth_weight": 0.5}, "fixed ridge"),
        ({"rounds": "collapse"}, "needs epsilon"),
        ({"rounds": "most"}, '"collapse" or "best"'),
        ({"rounds": 0}, "rounds must be a whole number"),
        ({"ridge": -1.0}, "above 0"),
        ({"epsilon": float("nan")}, "above 0"),
        ({"rounds": "best", "noise_variance": -1.0}, "noise_variance"),
        ({"kernel": "precomputed"}, "square gram"),
        ({"gamma": -1}, "^gamma must be a finite number above 0; got -1"),
        ({"gamma": "wide"}, "^gamma must be a number above 0"),
        ({"kernel": "poly", "degree": 0}, "^degree must be"),
        ({"kernel": "gauss"}, "kernel must be a function or one of precomputed, .*; got 'gauss'"),
    ],
)
def test_unusable_parameters_are_refused_in_a_sentence(rng, parameters, message):
    x, y, _ = noisy(rng)
    with pytest.raises(InputError, match=message):
        SelfDistilledKernelRidge(**parameters).fit(x, y)


@pytest.mark.parametrize("estimator", [SelfDistilledKernelRidge, SelfDistilledSoftmaxRegression])
def test_a_mask_is_not_forgotten(rng, estimator):
    x, y = rng.normal(size=(6, 2)), np.array([0, 1, 0, 1, 0, 1])
    hidden = np.ma.masked_greater(x, 0)
    with pytest.raises(InputError, match="X must be an array without gaps"):
        estimator().fit(hidden, y)
    with pytest.raises(InputError, match="y must be an array without gaps"):
        estimator().fit(x, np.ma.masked_equal(y, 1))
    with pytest.raises(InputError, match="X must be an array without gaps"):
        estimator().fit(x, y).predict(hidden)
    with pytest.raises(InputError, match="gamma"):
        estimator("rbf", gamma=-1).fit(x, y)


def test_unreachable_epsilon_is_refused(rng):
    with pytest.raises(InfeasibleToleranceError):
        SelfDistilledKernelRidge(epsilon=0.01).fit(np.ones((6, 1)), np.array([0, 2, 0, 2, 0, 2.0]))


def test_theory_imports_without_scikit_learn():
    command = "import sys, selfdistill.theory as t; assert 'SelfDistilledKernelRidge' in dir(t); " + (
        "assert not {'sklearn', 'torch', 'pandas'} & set(sys.modules); t.SelfDistilledKernelRidge"
    )
    subprocess.run([sys.executable, "-c", command], check=True)
