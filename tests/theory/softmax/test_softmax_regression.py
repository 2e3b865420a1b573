"""The exact softmax: against SciPy, scikit-learn and itself in its three forms (J1, J2)."""

import numpy as np
import pytest
import scipy.optimize
from scipy.special import log_softmax, softmax
from sklearn.linear_model import LogisticRegression

from selfdistill.theory import (
    ClusteredFeatures,
    IndefiniteGramError,
    InputError,
    SoftmaxRegression,
    Spectrum,
    corrupt_labels,
    corruption_matrix,
    distill_clustered_softmax,
    estimate_corruption,
    exact_minimum_rounds,
    fit_softmax_regression,
    one_hot,
)


def soft_targets(rng, n, k):
    return rng.dirichlet(np.ones(k), n)


@pytest.mark.parametrize("ridge", [1e-1, 1e-3, 1e-5])
@pytest.mark.parametrize("shape", [(40, 6), (25, 60)])
def test_gram_and_features_agree_and_are_stationary(rng, ridge, shape):
    x, t = rng.normal(size=shape), soft_targets(rng, shape[0], 4)
    by_features = fit_softmax_regression(features=x, targets=t, ridge=ridge)
    by_gram = fit_softmax_regression(x @ x.T, t, ridge)
    np.testing.assert_allclose(by_features.outputs, by_gram.outputs, atol=1e-8)
    for fit in (by_features, by_gram):
        implied = softmax(x @ x.T @ (t - fit.outputs) / (ridge * shape[0]), axis=1)
        residual = np.abs(fit.outputs - implied).max()
        assert residual < 1e-8
        assert fit.stationarity == pytest.approx(residual, rel=0.5, abs=1e-10)


def test_it_is_the_minimum_that_a_general_minimiser_finds(rng):
    x, t, ridge = rng.normal(size=(30, 4)), soft_targets(rng, 30, 3), 0.02

    def loss(flat):
        w = flat.reshape(4, 3)
        z = x @ w
        gradient = x.T @ (softmax(z, axis=1) - t) / 30 + ridge * w
        return -np.sum(t * log_softmax(z, axis=1)) / 30 + ridge / 2 * np.sum(w**2), gradient.ravel()

    found = scipy.optimize.minimize(loss, np.zeros(12), jac=True, method="BFGS", options={"gtol": 1e-10})
    fit = fit_softmax_regression(features=x, targets=t, ridge=ridge)
    np.testing.assert_allclose(fit.weights, found.x.reshape(4, 3), atol=1e-6)
    np.testing.assert_allclose(fit.predict_proba(x), fit.outputs, atol=1e-7)


def test_hard_labels_agree_with_scikit_learn(rng):
    x, y, ridge = rng.normal(size=(60, 5)), rng.integers(0, 3, 60), 0.01
    rival = LogisticRegression(C=1 / (60 * ridge), fit_intercept=False, tol=1e-10, max_iter=5000).fit(x, y)
    fit = fit_softmax_regression(features=x, targets=one_hot(y, 3), ridge=ridge)
    new = rng.normal(size=(7, 5))
    np.testing.assert_allclose(fit.predict_proba(new), rival.predict_proba(new), atol=1e-6)
    by_gram = fit_softmax_regression(x @ x.T, one_hot(y, 3), ridge)
    np.testing.assert_allclose(by_gram.predict_proba(new @ x.T), fit.predict_proba(new), atol=1e-7)


def test_warm_rounds_end_where_cold_ones_do_and_take_fewer_steps(rng):
    x, y = rng.normal(size=(80, 10)), rng.integers(0, 5, 80)
    model = SoftmaxRegression.from_features(x, 1e-3)
    warm = model.distill(one_hot(y, 5), 4)
    targets, cold_steps = one_hot(y, 5), 0
    for fit in warm:
        cold = fit_softmax_regression(x @ x.T, targets, 1e-3)
        np.testing.assert_allclose(fit.outputs, cold.outputs, atol=1e-7)
        targets, cold_steps = cold.outputs, cold_steps + cold.newton_steps
    assert sum(fit.newton_steps for fit in warm) <= cold_steps


def test_a_factorised_kernel_serves_as_well(rng):
    x, t = rng.normal(size=(20, 5)), soft_targets(rng, 20, 3)
    spectrum = Spectrum.from_gram(x @ x.T, t)
    fit = SoftmaxRegression.from_spectrum(spectrum, 1e-2).fit(t)
    np.testing.assert_allclose(fit.outputs, fit_softmax_regression(x @ x.T, t, 1e-2).outputs, atol=1e-8)


def test_linearised_fit_is_the_smoother_on_centred_targets(rng):
    x, t, ridge = rng.normal(size=(20, 5)), soft_targets(rng, 20, 3), 0.05
    gram = x @ x.T
    expected = 1 / 3 + gram @ np.linalg.solve(gram + 3 * ridge * 20 * np.eye(20), t - 1 / 3)
    by_gram = fit_softmax_regression(gram, t, ridge, linearised=True)
    by_features = fit_softmax_regression(features=x, targets=t, ridge=ridge, linearised=True)
    np.testing.assert_allclose(by_gram.outputs, expected, atol=1e-10)
    np.testing.assert_allclose(by_features.outputs, expected, atol=1e-10)
    np.testing.assert_allclose(by_gram.predict_proba(gram), expected, atol=1e-10)
    np.testing.assert_allclose(by_features.predict_proba(x), expected, atol=1e-10)
    assert by_gram.stationarity > 1e-4  # not the softmax's optimum, and it says so


def test_linearisation_is_the_limit_of_a_large_ridge(rng):
    x, t = rng.normal(size=(20, 5)), soft_targets(rng, 20, 3)
    errors = []
    for ridge in (1.0, 10.0):
        exact = fit_softmax_regression(features=x, targets=t, ridge=ridge).outputs
        linear = fit_softmax_regression(features=x, targets=t, ridge=ridge, linearised=True).outputs
        errors.append(np.abs(exact - linear).max() / np.abs(exact - 1 / 3).max())
    assert errors[1] < errors[0] / 5


@pytest.mark.parametrize("kind", ["symmetric", "asymmetric", "superclass"])
@pytest.mark.parametrize("nested", [False, True])
def test_grouped_rounds_are_the_exact_rounds_on_the_gram(rng, kind, nested):
    extra = {"superclass_size": 2, "within_superclass": 0.3} if nested else {}
    model = ClusteredFeatures(6, 10, within=0.5, across=0.1, ridge=1e-3, **extra)
    true = model.labels()
    given = corrupt_labels(true, corruption_matrix(kind, 6, 0.4, np.arange(6) // 2), rng, exact=True)
    by_gram = SoftmaxRegression.from_gram(model.gram(), model.ridge).distill(one_hot(given, 6), 3)
    by_group = distill_clustered_softmax(model, estimate_corruption(true, given, 6), 3)
    for dense, group in zip(by_gram, by_group, strict=True):
        np.testing.assert_allclose(group.outputs[true, given], dense.outputs, atol=1e-8)
        assert group.stationarity < 1e-8


def test_exact_rounds_of_the_papers_example():
    model = ClusteredFeatures(4, 100, within=0.4, across=0.1, ridge=1e-3)
    noise = corruption_matrix("symmetric", 4, 0.6)
    assert exact_minimum_rounds(model, noise) in (2, 3)  # the prediction, or one more (J6)
    assert exact_minimum_rounds(model, corruption_matrix("symmetric", 4, 0.8), 5) == np.inf


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (np.full((3, 2), 0.4), "sum to 1"),
        (np.array([[1.5, -0.5]] * 3), "probabilities"),
        (np.ones((2, 2)) / 2, "shape"),
        (np.ones((3, 1)), "two classes"),
        (np.full((3, 2), np.nan), "NaN"),
    ],
)
def test_targets_that_are_no_distributions_are_refused(targets, message):
    with pytest.raises(InputError, match=message):
        fit_softmax_regression(np.eye(3), targets, 0.1)


def test_a_ridge_of_zero_is_refused():
    with pytest.raises(InputError, match="ridge"):
        fit_softmax_regression(np.eye(2), np.eye(2), 0.0)


@pytest.mark.parametrize("tolerance", [-1, np.nan, np.inf, "tight", None])
def test_a_tolerance_that_is_none_is_refused(tolerance):
    model = SoftmaxRegression.from_gram(np.eye(2), 0.5)
    for call in (
        lambda: model.fit(np.eye(2), tolerance=tolerance),
        lambda: model.distill(np.eye(2), 2, tolerance=tolerance),
    ):
        with pytest.raises(InputError, match="tolerance must be"):
            call()


def test_an_indefinite_gram_is_refused_with_its_eigenvalue(rng):
    noisy = ClusteredFeatures(3, 10, 0.4, 0.1, 1e-3).gram()
    noise = rng.uniform(0, 2, noisy.shape)
    with pytest.raises(IndefiniteGramError) as error:
        fit_softmax_regression(noisy + noise + noise.T, one_hot(np.arange(30) % 3, 3), 0.1)
    assert error.value.eigenvalue == pytest.approx(np.linalg.eigvalsh(noisy + noise + noise.T)[0])
    with pytest.raises(InputError, match="symmetric"):
        fit_softmax_regression(noisy + noise, one_hot(np.arange(30) % 3, 3), 0.1)


def test_features_or_gram_but_not_both():
    with pytest.raises(InputError, match="either"):
        fit_softmax_regression(np.eye(2), np.eye(2), 0.1, features=np.eye(2))
    with pytest.raises(InputError, match="columns"):
        fit_softmax_regression(np.eye(2), np.eye(2), 0.1).predict_proba(np.ones((1, 3)))


def test_a_start_from_another_problem_is_refused(rng):
    x = rng.normal(size=(10, 3))
    start = fit_softmax_regression(features=x, targets=soft_targets(rng, 10, 3), ridge=0.1)
    with pytest.raises(InputError, match="same problem"):
        fit_softmax_regression(features=x, targets=soft_targets(rng, 10, 4), ridge=0.1, start=start)


@pytest.mark.parametrize("ridge", [0.1, 0.01, 1e-4])
def test_a_rank_deficient_gram_loses_nothing_from_round_to_round(rng, ridge):
    x = rng.normal(size=(120, 4))
    labels = (x[:, 0] + 0.5 * rng.normal(size=120) > 0).astype(int) + (x[:, 1] > 0.5)
    by_gram = SoftmaxRegression.from_gram(x @ x.T, ridge).distill(one_hot(labels, 3), 5)
    by_features = SoftmaxRegression.from_features(x, ridge).distill(one_hot(labels, 3), 5)
    for a, b in zip(by_gram, by_features, strict=True):
        assert a.stationarity < 1e-8
        np.testing.assert_allclose(a.outputs, b.outputs, atol=1e-6)
