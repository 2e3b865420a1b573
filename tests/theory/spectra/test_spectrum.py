"""Spectrum: the factorisation itself, and everything that must be refused at the border."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics.pairwise import rbf_kernel

from selfdistill.theory import (
    IndefiniteGramError,
    InputError,
    Spectrum,
    distill_to_tolerance,
    distill_with_ridge,
)


def test_the_factorisation_rebuilds_gram_and_targets(rng):
    gram, Y = rbf_kernel(rng.normal(size=(15, 3))), rng.normal(size=(15, 2))
    spectrum = Spectrum.from_gram(gram, Y)
    vectors = spectrum.basis.vectors
    rebuilt = 15 * (vectors * spectrum.eigenvalues) @ vectors.T
    np.testing.assert_allclose(rebuilt, gram, atol=1e-13)
    np.testing.assert_allclose(spectrum.expand(spectrum.coefficients), Y, atol=1e-13)
    assert (np.diff(spectrum.eigenvalues) >= 0).all()
    assert spectrum.energy == pytest.approx(np.sum(Y**2))
    np.testing.assert_allclose(spectrum.weights, np.sum((vectors.T @ Y) ** 2, axis=1))


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 12), st.integers(1, 12), st.integers(1, 3), st.integers(0, 2**20))
def test_features_equal_their_gram(n, p, outputs, seed):
    rng = np.random.default_rng(seed)
    features, Y = rng.normal(size=(n, p)), rng.normal(size=(n, outputs))
    direct = Spectrum.from_features(features, Y)
    through_gram = Spectrum.from_gram(features @ features.T, Y)
    assert direct.least_feasible_epsilon == pytest.approx(through_gram.least_feasible_epsilon, abs=1e-10)
    epsilon = max(0.2, 1.1 * direct.least_feasible_epsilon)
    a, b = distill_to_tolerance(direct, epsilon), distill_to_tolerance(through_gram, epsilon)
    assert a.rounds == b.rounds
    for t in range(1, a.rounds + 1):
        np.testing.assert_allclose(a.fitted(t), b.fitted(t), atol=1e-8)
    ridge_a, ridge_b = distill_with_ridge(direct, 0.1, 3), distill_with_ridge(through_gram, 0.1, 3)
    np.testing.assert_allclose(ridge_a.fitted(3), ridge_b.fitted(3), atol=1e-10)
    new = rng.normal(size=(4, p)) @ features.T
    np.testing.assert_allclose(ridge_a.predict(new, 3), ridge_b.predict(new, 3), atol=1e-8)


def test_order_of_given_eigenvalues_does_not_matter():
    spectrum = Spectrum.from_eigenvalues([3.0, 1.0, 2.0], [30.0, 10.0, 20.0])
    np.testing.assert_array_equal(spectrum.eigenvalues, [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(spectrum.coefficients[:, 0], [10.0, 20.0, 30.0])


def test_single_precision_is_kept_in_the_basis_and_close_in_the_result(rng):
    gram, y = rbf_kernel(rng.normal(size=(30, 3))), rng.normal(size=30)
    single = Spectrum.from_gram(gram.astype(np.float32), y.astype(np.float32))
    assert single.basis.vectors.dtype == np.float32
    epsilon = 0.3 * float(np.mean(y**2))
    a = distill_to_tolerance(single, epsilon)
    b = distill_to_tolerance(Spectrum.from_gram(gram, y), epsilon)
    assert a.rounds == b.rounds
    np.testing.assert_allclose(a.fitted(a.rounds), b.fitted(b.rounds), atol=1e-4)
    features = Spectrum.from_features(rng.normal(size=(30, 3)).astype(np.float32), y)
    assert features.basis.vectors.dtype == np.float32


@pytest.mark.parametrize("make", [list, tuple, np.asarray, lambda v: np.asarray(v, dtype=object)])
def test_lists_integers_and_object_numbers_are_read(make):
    spectrum = Spectrum.from_gram(make([[2, 0], [0, 1]]), make([True, False]))
    np.testing.assert_allclose(spectrum.eigenvalues, [0.5, 1.0])


def test_one_sample_is_a_spectrum_of_one():
    run = distill_to_tolerance(Spectrum.from_gram([[2.0]], [3.0]), 1.0)
    assert run.spectrum.condition_number == 1
    assert run.rounds == 2  # r_0 = 3, κ = 1: attained, M7
    np.testing.assert_allclose([run.fitted(t)[0] for t in (0, 1, 2)], [3.0, 2.0, 1.0])


def test_a_zero_gram_reaches_nothing():
    spectrum = Spectrum.from_gram(np.zeros((3, 3)), [1.0, 2.0, 2.0])
    assert spectrum.least_feasible_epsilon == pytest.approx(3.0)
    assert spectrum.condition_number == np.inf
    with pytest.raises(InputError, match="cannot be reached"):
        distill_to_tolerance(spectrum, 2.9)
    assert distill_to_tolerance(spectrum, 3.1).collapsed


def test_rounding_below_zero_is_not_called_indefinite():
    x = np.linspace(0, 1, 200)[:, None]
    gram = rbf_kernel(x, gamma=0.1)  # numerically of rank ten or so: eigenvalues of both signs near 1e-15
    assert np.linalg.eigvalsh(gram)[0] < 0
    spectrum = Spectrum.from_gram(gram, np.sin(3 * x[:, 0]))
    assert (spectrum.eigenvalues >= 0).all()
    assert np.sum(spectrum.eigenvalues > 0) < 20


good = np.eye(3)


@pytest.mark.parametrize(
    ("gram", "targets", "message"),
    [
        (
            np.full((3, 3), np.nan),
            np.ones(3),
            r"gram has 9 NaN or infinite values \(the first at index \(0, 0\)\)",
        ),
        (
            np.diag([1, np.inf, 1]),
            np.ones(3),
            r"gram has 1 NaN or infinite value \(the first at index \(1, 1\)\)",
        ),
        (good, [1, np.nan, 2], r"targets has 1 NaN or infinite value \(the first at index \(1,\)\)"),
        (good, [1, -np.inf, 2], "targets has 1 NaN or infinite"),
        (good[:2], np.ones(3), r"gram must be square.*\(2, 3\)"),
        (np.ones(3), np.ones(3), r"gram must be a matrix.*\(3,\)"),
        (np.ones((2, 2, 2)), np.ones(2), "gram must be a matrix"),
        (np.zeros((0, 0)), [], r"at least one row and column; got shape \(0, 0\)"),
        ([[1, 0.5], [0.4, 1]], [1, 2], r"gram\[0, 1\] = 0.5 and gram\[1, 0\] = 0.4 differ by 0.1"),
        (good, np.ones(4), r"targets must have shape \(3,\) or \(3, outputs\).*got \(4,\)"),
        (good, np.ones((2, 3)), r"targets must have shape.*got \(2, 3\)"),
        (good, np.ones((3, 0)), r"targets must have shape.*got \(3, 0\)"),
        (good, np.ones((3, 1, 1)), "targets must have shape"),
        (good, 3.0, "targets must have shape"),
        (good, ["cat", "dog", "cat"], "targets must be an array of real numbers.*Encode text"),
        (good, np.array(["cat", 1, 2], dtype=object), "targets must be an array of real numbers"),
        (good, [1, None, 2], "targets"),
        (good, [1e200, 0, 0], "too large to be squared"),
        (good, [1j, 2, 3], "targets must be an array of real numbers"),
        (good * 1j, np.ones(3), "gram must be an array of real numbers"),
        (
            good,
            np.array(["2020-01-01"] * 3, dtype="datetime64[D]"),
            "targets must be an array of real numbers",
        ),
        ([[1, 2], [3]], [1, 2], "gram must be an array of real numbers"),
        ("gram.npy", np.ones(3), "gram must be an array of real numbers"),
        (None, np.ones(3), "gram"),
        (np.ma.masked_less(good, 0.5), np.ones(3), "gram must be an array without gaps.* 6 masked entries"),
        (
            good,
            np.ma.array([1, 2, 3], mask=[0, 1, 0]),
            "targets must be an array without gaps.* 1 masked entry",
        ),
    ],
)
def test_what_is_no_gram_or_no_target_is_refused(gram, targets, message):
    with pytest.raises(InputError, match=message):
        Spectrum.from_gram(gram, targets)


def test_an_indefinite_gram_is_refused_with_its_eigenvalue():
    rotation = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    gram = rotation @ np.diag([-0.25, 1.0, 2.0]) @ rotation.T
    with pytest.raises(IndefiniteGramError, match=r"eigenvalue -0\.25") as caught:
        Spectrum.from_gram((gram + gram.T) / 2, np.ones(3))
    assert caught.value.eigenvalue == pytest.approx(-0.25)
    with pytest.raises(IndefiniteGramError, match=r"eigenvalue -2 \(the largest is -1\)"):
        Spectrum.from_gram(-np.diag([1.0, 2.0]), np.ones(2))


def test_an_array_that_masks_nothing_is_an_array():
    spectrum = Spectrum.from_gram(np.ma.array(np.diag([1.0, 2.0])), [1.0, 1.0])
    np.testing.assert_allclose(spectrum.eigenvalues, [0.5, 1.0])


def test_an_asymmetric_gram_is_refused_even_where_the_asymmetry_is_small(rng):
    gram = rbf_kernel(rng.normal(size=(6, 2)))
    gram[2, 4] += 1e-9
    with pytest.raises(InputError, match=r"gram\[2, 4\]|gram\[4, 2\]"):
        Spectrum.from_gram(gram, np.ones(6))
    gram[2, 4] -= 1e-9 - 1e-15  # rounding is forgiven
    assert Spectrum.from_gram(gram, np.ones(6)).n_samples == 6


@pytest.mark.parametrize(
    ("features", "targets", "message"),
    [
        (np.ones((3, 0)), np.ones(3), "features must be a matrix"),
        (np.zeros((0, 2)), np.ones(0), "features must be a matrix"),
        (np.ones(3), np.ones(3), "features must be a matrix"),
        ([[1.0, np.nan]], [1.0], "features has 1 NaN"),
        (np.ones((3, 2)), np.ones(2), "targets must have shape"),
        ([["a"], ["b"]], [1, 2], "features must be an array of real numbers"),
    ],
)
def test_what_is_no_feature_matrix_is_refused(features, targets, message):
    with pytest.raises(InputError, match=message):
        Spectrum.from_features(features, targets)


@pytest.mark.parametrize(
    ("eigenvalues", "coefficients", "message"),
    [
        ([], [], "at least one entry"),
        ([[1.0]], [1.0], "eigenvalues must be a vector"),
        ([1.0, -1.0], [1.0, 1.0], "eigenvalue -1"),
        ([1.0, np.nan], [1.0, 1.0], "eigenvalues has 1 NaN"),
        ([1.0, 2.0], [1.0], "coefficients must have shape"),
    ],
)
def test_what_is_no_spectrum_is_refused(eigenvalues, coefficients, message):
    with pytest.raises(InputError, match=message):
        Spectrum.from_eigenvalues(eigenvalues, coefficients)
