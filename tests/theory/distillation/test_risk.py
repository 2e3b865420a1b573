"""M15: the closed-form risk, its estimate, and Monte Carlo that knows no spectrum."""

import numpy as np
import pytest
from sklearn.metrics.pairwise import rbf_kernel

from selfdistill.theory import InputError, Spectrum, distill_with_ridge, estimated_risk, risk_curve

N, RIDGE, ROUNDS, SIGMA = 30, 5e-3, 12, 0.6


@pytest.fixture
def problem():
    x = np.linspace(0, 1, N)
    return rbf_kernel(x[:, None], gamma=30.0), np.sin(2 * np.pi * x)


@pytest.mark.parametrize("weight", [0.0, 0.3])
def test_risk_equals_monte_carlo(rng, problem, weight):
    gram, truth = problem
    draws = 4000
    y = truth[:, None] + SIGMA * rng.normal(size=(N, draws))
    smoother = np.linalg.solve(gram + N * RIDGE * np.eye(N), gram)
    curve = risk_curve(
        distill_with_ridge(Spectrum.from_gram(gram, truth), RIDGE, ROUNDS, weight), truth, SIGMA**2
    )
    fit = y
    for t in range(ROUNDS):
        fit = smoother @ (weight * y + (1 - weight) * fit)
        error = np.mean((fit - truth[:, None]) ** 2, axis=0)
        assert abs(error.mean() - curve.risk[t]) < 4.5 * error.std() / np.sqrt(draws)


def test_risk_falls_then_rises(problem):
    gram, truth = problem
    curve = risk_curve(distill_with_ridge(Spectrum.from_gram(gram, truth), RIDGE, 60), truth, SIGMA**2)
    best = curve.best_round
    assert 1 < best < 60
    assert (np.diff(curve.risk[:best]) < 0).all()
    assert (np.diff(curve.risk[best - 1 :]) > 0).all()
    assert (np.diff(curve.variance) < 0).all()


def test_estimate_is_unbiased(rng, problem):
    gram, truth = problem
    spectrum = Spectrum.from_gram(gram, truth)
    curve = risk_curve(distill_with_ridge(spectrum, RIDGE, ROUNDS), truth, SIGMA**2)
    estimates = np.array(
        [
            estimated_risk(
                distill_with_ridge(Spectrum.from_gram(gram, truth + SIGMA * e), RIDGE, ROUNDS), SIGMA**2
            )
            for e in rng.normal(size=(400, N))
        ]
    )
    error = estimates.std(axis=0) / np.sqrt(len(estimates))
    assert (np.abs(estimates.mean(axis=0) - curve.risk) < 4.5 * error).all()


def test_part_of_the_truth_outside_the_features_is_bias(rng):
    features = rng.normal(size=(20, 3))
    truth = rng.normal(size=20)
    by_features = risk_curve(
        distill_with_ridge(Spectrum.from_features(features, truth), RIDGE, 3), truth, 0.1
    )
    by_gram = risk_curve(
        distill_with_ridge(Spectrum.from_gram(features @ features.T, truth), RIDGE, 3), truth, 0.1
    )
    np.testing.assert_allclose(by_features.risk, by_gram.risk, rtol=1e-9)


def test_bad_input(problem):
    gram, truth = problem
    run = distill_with_ridge(Spectrum.from_gram(gram, truth), RIDGE, 2)
    with pytest.raises(InputError, match="noise_variance"):
        risk_curve(run, truth, -1.0)
    for noise in (-1, np.nan, np.inf, "a", None):
        with pytest.raises(InputError, match="noise_variance must be a"):
            estimated_risk(run, noise)
        with pytest.raises(InputError, match="noise_variance must be a"):
            risk_curve(run, truth, noise)
    with pytest.raises(InputError, match="trajectory must be a Trajectory; got ndarray"):
        estimated_risk(gram, 1.0)
    with pytest.raises(InputError, match="shape"):
        risk_curve(run, truth[:-1], 1.0)
    with pytest.raises(InputError, match="1 outputs"):
        risk_curve(run, np.stack([truth, truth], axis=1), 1.0)
    with pytest.raises(InputError, match="no rounds"):
        risk_curve(distill_with_ridge(Spectrum.from_gram(gram, truth), RIDGE, 0), truth, 1.0)
