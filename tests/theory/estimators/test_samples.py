"""Features of many samples: left-out rounds from inner products of columns equal those from singular vectors."""

import numpy as np
import pytest

from selfdistill.theory import Spectrum, leave_one_out
from selfdistill.theory.estimators.samples import spectrum_of_features


def decades(rng, n, p, span):
    """Features whose singular values fall over so many decades."""
    left, _ = np.linalg.qr(rng.standard_normal((n, p)))
    right, _ = np.linalg.qr(rng.standard_normal((p, p)))
    return left * np.logspace(1, 1 - span, p) @ right


@pytest.mark.parametrize("span", [0, 3, 8, 14])
@pytest.mark.parametrize("ridge", [1e-6, 1e-2])
def test_left_out_rounds_are_those_of_singular_vectors(rng, span, ridge):
    features, y = decades(rng, 120, 20, span), rng.standard_normal((120, 3))
    found = leave_one_out(spectrum_of_features(features, y), ridge, 4)
    expected = leave_one_out(Spectrum.from_features(features, y), ridge, 4)
    np.testing.assert_allclose(found, expected, atol=1e-8 * np.abs(expected).max())


def test_features_that_repeat_and_samples_that_stand_alone(rng):
    features = rng.standard_normal((90, 6))
    features = np.column_stack([features, features[:, :2], np.zeros(90), np.ones(90)])
    features[:, 4], features[7] = 0.0, 0.0
    features[7, 4] = 5.0  # the only sample with this feature: its leverage is 1 without a penalty
    y = rng.standard_normal((90, 2))
    for ridge in (1e-10, 1e-3):
        found = leave_one_out(spectrum_of_features(features, y), ridge, 3)
        index = np.arange(90) != 7
        one = leave_one_out(Spectrum.from_features(features, y), ridge, 3)
        np.testing.assert_allclose(found[:, index], one[:, index], atol=1e-9)
        # Refits without the sample, by the normal equations.
        target = y[index]
        for t in range(3):
            small = features[index].T @ features[index] + 90 * ridge * np.eye(10)
            weights = np.linalg.solve(small, features[index].T @ target)
            np.testing.assert_allclose(found[t, 7], features[7] @ weights, atol=1e-6)
            target = features[index] @ weights


def test_few_samples_are_factorised_as_ever(rng):
    features, y = rng.standard_normal((30, 20)), rng.standard_normal(30)
    found, expected = spectrum_of_features(features, y), Spectrum.from_features(features, y)
    np.testing.assert_array_equal(found.eigenvalues, expected.eigenvalues)
