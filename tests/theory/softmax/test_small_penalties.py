"""Small penalties, singular grams and features of any size: against forty digits, and against each other."""

import warnings

import mpmath
import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import log_softmax
from scipy.special import softmax as reference_softmax
from sklearn.datasets import load_iris
from sklearn.metrics.pairwise import rbf_kernel

from selfdistill.theory import (
    SoftmaxAccuracyWarning,
    SoftmaxRegression,
    fit_softmax_regression,
    one_hot,
)


@pytest.fixture(scope="module")
def iris():
    x, y = load_iris(return_X_y=True)
    return x - x.mean(axis=0), one_hot(y, 3)


def forty_digit_weights(x, t, ridge, start):
    """Newton's method in forty digits from a start that is close, on all p·K weights."""
    with mpmath.workdps(40):
        (n, p), k = x.shape, t.shape[1]
        rows = [mpmath.matrix(row.tolist()) for row in x]
        w = mpmath.matrix(start.tolist())
        for _ in range(6):
            gradient, hessian = mpmath.mpf(ridge) * w, mpmath.mpf(ridge) * mpmath.eye(p * k)
            for row, target in zip(rows, t, strict=True):
                z = [sum(row[i] * w[i, j] for i in range(p)) for j in range(k)]
                e = [mpmath.exp(v - max(z)) for v in z]
                q = [v / sum(e) for v in e]
                for i in range(p):
                    for j in range(k):
                        gradient[i, j] += row[i] * (q[j] - mpmath.mpf(float(target[j]))) / n
                        for a in range(p):
                            for b in range(k):
                                curvature = q[j] * ((j == b) - q[b])
                                hessian[i * k + j, a * k + b] += row[i] * row[a] * curvature / n
            move = mpmath.lu_solve(
                hessian, mpmath.matrix([gradient[i, j] for i in range(p) for j in range(k)])
            )
            w -= mpmath.matrix(p, k) + mpmath.matrix([[move[i * k + j] for j in range(k)] for i in range(p)])
        assert mpmath.norm(move) < mpmath.mpf(10) ** -25
        return np.array(w.tolist(), dtype=float)


def test_a_singular_gram_is_right_at_new_points_too(iris):
    """Samples in four dimensions, a penalty of 1e-8: outputs and new points against forty digits."""
    x, t = iris[0][::8], iris[1][::8]
    new = iris[0][1::10]
    by_features = fit_softmax_regression(features=x, targets=t, ridge=1e-8)
    by_gram = fit_softmax_regression(x @ x.T, t, 1e-8)
    exact = forty_digit_weights(x, t, 1e-8, by_features.weights)
    for fit, points in ((by_features, (x, new)), (by_gram, (x @ x.T, new @ x.T))):
        np.testing.assert_allclose(fit.outputs, reference_softmax(x @ exact, axis=1), atol=1e-9)
        np.testing.assert_allclose(fit.predict_proba(points[0]), fit.outputs, atol=1e-9)
        np.testing.assert_allclose(
            fit.predict_proba(points[1]), reference_softmax(new @ exact, axis=1), atol=1e-9
        )


@pytest.mark.parametrize("ridge", [1e-2, 1e-4, 1e-6, 1e-8])
def test_gram_and_features_of_iris_agree(iris, ridge):
    x, t = iris
    gram = x @ x.T
    by_features = fit_softmax_regression(features=x, targets=t, ridge=ridge)
    by_gram = fit_softmax_regression(gram, t, ridge)
    np.testing.assert_allclose(by_gram.outputs, by_features.outputs, atol=2e-9)
    np.testing.assert_allclose(by_gram.predict_proba(gram), by_gram.outputs, atol=1e-8)
    np.testing.assert_allclose(by_features.predict_proba(x), by_features.outputs, atol=1e-8)


@pytest.mark.parametrize("ridge", [1e-2, 1e-5, 1e-8, 1e-10])
@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_stationarity_is_what_it_is_defined_as(iris, ridge, kernel):
    x, t = iris
    gram = x @ x.T if kernel == "linear" else rbf_kernel(x, gamma=0.25)
    fit = fit_softmax_regression(gram, t, ridge)
    implied = reference_softmax(gram @ (t - fit.outputs) / (ridge * len(x)), axis=1)
    # Below this, the two orders of the same multiplications differ.
    rounding = np.finfo(float).eps * np.linalg.norm(gram, 2) / (ridge * len(x))
    assert fit.stationarity == pytest.approx(np.abs(fit.outputs - implied).max(), rel=1e-6, abs=10 * rounding)
    assert fit.stationarity < 1e-9 + 100 * rounding
    assert fit.newton_steps < 60


def test_a_small_penalty_takes_few_and_short_steps(iris):
    """It took 200 steps and ended at a stationarity of 1."""
    x, t = iris
    rng = np.random.default_rng(0)
    for targets in (t, one_hot(rng.integers(0, 3, len(x)), 3)):
        fits = SoftmaxRegression.from_gram(rbf_kernel(x, gamma=0.25), 1e-10).distill(targets, 3)
        assert sum(fit.newton_steps for fit in fits) < 120
        assert max(fit.stationarity for fit in fits) < 1e-7


@pytest.mark.parametrize("factor", [1e-140, 1e-8, 2.0**-10, 1e8, 1e140])
def test_features_of_any_size_are_one_problem(iris, factor):
    """Features times s with a penalty times s² have the same outputs."""
    x, t = iris
    ridge = 0.01 * factor**2
    expected = fit_softmax_regression(features=x, targets=t, ridge=0.01).outputs
    fit = fit_softmax_regression(features=x * factor, targets=t, ridge=ridge)
    np.testing.assert_allclose(fit.outputs, expected, atol=1e-9)
    np.testing.assert_allclose(fit.predict_proba(x * factor), expected, atol=1e-9)
    gram = fit_softmax_regression(factor * x @ (factor * x).T, t, ridge)
    np.testing.assert_allclose(gram.outputs, expected, atol=1e-9)
    np.testing.assert_allclose(gram.predict_proba(factor * x @ (factor * x).T), expected, atol=1e-8)


def test_features_far_from_the_origin(iris):
    """An offset of 1e7 acts as an intercept that is hardly penalised: against SciPy in turned coordinates."""
    x, t = iris
    offset, n = 1e7, len(x)
    turn = np.linalg.qr(np.column_stack([np.ones(4), np.eye(4)[:, :3]]))[0]
    turned = x @ turn * np.sign(turn[0, 0])
    design = np.column_stack([1 + turned[:, 0] / (2 * offset), turned[:, 1:]])
    penalties = 0.01 * np.array([(2 * offset) ** -2.0, 1, 1, 1])[:, None]

    def loss(flat):
        w = flat.reshape(4, 3)
        z = design @ w
        gradient = design.T @ (reference_softmax(z, axis=1) - t) / n + penalties * w
        return -(t * log_softmax(z, axis=1)).sum() / n + (penalties * w * w).sum() / 2, gradient.ravel()

    found = minimize(loss, np.zeros(12), jac=True, method="BFGS", options={"gtol": 1e-11})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SoftmaxAccuracyWarning)
        fit = fit_softmax_regression(features=x + offset, targets=t, ridge=0.01)
    np.testing.assert_allclose(
        fit.outputs, reference_softmax(design @ found.x.reshape(4, 3), axis=1), atol=1e-7
    )


@pytest.mark.parametrize(
    ("factor", "ridge"), [(1.0, 1e-20), (1e8, 0.01), (1e160, 0.01), (1.0, 1e-300), (1e300, 1e-300)]
)
def test_a_penalty_below_rounding_is_told(iris, factor, ridge):
    x, t = iris
    with pytest.warns(SoftmaxAccuracyWarning, match="stationary only to"):
        fit = fit_softmax_regression(features=x * factor, targets=t, ridge=ridge)
    assert np.isfinite(fit.outputs).all()
    assert fit.stationarity > 1e-5


def test_a_start_with_another_penalty_serves_too(iris):
    x, t = iris
    gram = rbf_kernel(x, gamma=0.25)
    start = fit_softmax_regression(gram, t, 1e-3)
    warm, cold = fit_softmax_regression(gram, t, 1e-8, start=start), fit_softmax_regression(gram, t, 1e-8)
    np.testing.assert_allclose(warm.outputs, cold.outputs, atol=1e-9)
    again = fit_softmax_regression(gram, t, 1e-8, start=cold)
    assert again.newton_steps <= 2
