"""Single precision, features of any size and penalties below rounding, in the estimators."""

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.kernel_ridge import KernelRidge

from selfdistill.theory import SelfDistilledKernelRidge, SelfDistilledSoftmaxRegression


@pytest.fixture(scope="module")
def iris():
    x, y = load_iris(return_X_y=True)
    return (x - x.mean(axis=0)) / x.std(axis=0), y


@pytest.mark.parametrize("ridge", [1e-4, 1e-7])
def test_single_precision_features_are_as_good_as_scikit_learns(rng, ridge):
    """A gram in float32 had its rank cut: an error of 0.015 where scikit-learn has 1e-5."""
    x = rng.normal(size=(120, 3)).astype(np.float32)
    y = np.sin(x[:, 0]) + 0.1 * rng.normal(size=120)
    exact = (
        KernelRidge(kernel="rbf", gamma=0.1, alpha=120 * ridge)
        .fit(x.astype(float), y)
        .predict(x.astype(float))
    )
    ours = SelfDistilledKernelRidge(gamma=0.1, ridge=ridge).fit(x, y)
    assert np.abs(ours.predict(x) - exact).max() < 1e-6
    feasible = SelfDistilledKernelRidge(gamma=0.1, epsilon=0.05, rounds="collapse").fit(x, y)
    wide = SelfDistilledKernelRidge(gamma=0.1, epsilon=0.05, rounds="collapse").fit(x.astype(float), y)
    assert feasible.rounds_ == wide.rounds_


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_single_precision_softmax(iris, kernel):
    x, y = iris[0].astype(np.float32), iris[1]
    fits = [
        SelfDistilledSoftmaxRegression(kernel, ridge=1e-4, rounds=2).fit(z, y) for z in (x, x.astype(float))
    ]
    np.testing.assert_allclose(fits[0].predict_proba(x), fits[1].predict_proba(x), atol=1e-7)


@pytest.mark.parametrize(
    ("change", "ridge"),
    [(lambda x: x * 1e8, 0.01), (lambda x: x + 1e7, 0.01), (lambda x: x, 1e-20), (lambda x: x * 1e160, 0.01)],
)
def test_a_penalty_below_rounding_is_a_convergence_warning(iris, change, ridge):
    with pytest.warns(ConvergenceWarning, match="stationary only to") as told:
        model = SelfDistilledSoftmaxRegression(ridge=ridge, rounds=2).fit(change(iris[0]), iris[1])
    assert len(told) == 1
    assert np.isfinite(model.predict_proba(change(iris[0]))).all()


def test_large_features_with_their_penalty_are_the_same_problem(iris):
    x, y = iris
    expected = SelfDistilledSoftmaxRegression(ridge=0.01, rounds=2).fit(x, y).predict_proba(x)
    large = SelfDistilledSoftmaxRegression(ridge=1e14, rounds=2).fit(1e8 * x, y).predict_proba(1e8 * x)
    np.testing.assert_allclose(large, expected, atol=1e-9)
