"""Risk at new points: simulation with real samples, one-round formulas of the literature, the isotropic quadratic."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfdistill.theory import InputError, effective_penalty, isotropic_penalty, out_of_sample_risk

MIXTURES = [(1,), (0, 1), (0, 0, 1), (0, 0, 0, 0, 0, 0, 0, 0, 0, 1), (2.5, -2, 0.5)]


@given(st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=20), st.integers(1, 40), st.floats(1e-3, 1e3))
@settings(max_examples=100, deadline=None)
def test_effective_penalty_solves_its_equation(sigma, n, ridge):
    sigma = np.array(sigma)
    kappa = effective_penalty(sigma, n, ridge)
    assert kappa >= ridge
    assert kappa == pytest.approx(ridge + kappa * np.sum(sigma / (sigma + kappa)) / n, rel=1e-9)


@pytest.mark.parametrize("aspect", [0.1, 0.99, 1.0, 1.01, 10.0])
@pytest.mark.parametrize("ridge", [1e-8, 0.1, 100.0])
def test_isotropic_penalty_is_a_root_of_the_quadratic(aspect, ridge):
    general = effective_penalty(np.full(int(100 * aspect), 1.7), 100, ridge)
    assert isotropic_penalty(1.7, aspect, ridge) == pytest.approx(general, rel=1e-7)


def test_one_round_is_the_formula_of_the_literature(rng):
    sigma, beta, n, c = 10.0 ** rng.uniform(-2, 0, 60), rng.normal(size=60), 90, 0.05
    kappa = effective_penalty(sigma, n, c)
    freedom = np.sum((sigma / (sigma + kappa)) ** 2) / n
    risk = out_of_sample_risk(sigma, beta, n, c, 0.7)
    bias = kappa**2 * np.sum(sigma * beta**2 / (sigma + kappa) ** 2) / (1 - freedom)
    assert risk.squared_bias == pytest.approx(bias, rel=1e-10)
    assert risk.variance == pytest.approx(0.7 * freedom / (1 - freedom), rel=1e-10)
    assert risk.risk == risk.squared_bias + risk.variance


def test_many_samples_are_the_population(rng):
    """With n → ∞ the sample covariance is the population's, and the filter acts on it directly."""
    sigma, beta, c = 10.0 ** rng.uniform(-2, 0, 30), rng.normal(size=30), 0.05
    for weights in MIXTURES:
        kept = sigma / (sigma + c)
        filter_ = kept * np.polynomial.polynomial.polyval(kept, np.array(weights, float))
        risk = out_of_sample_risk(sigma, beta, 10**9, c, 1.0, round_weights=weights)
        assert risk.squared_bias == pytest.approx(np.sum(sigma * ((1 - filter_) * beta) ** 2), rel=1e-5)
        assert 1e9 * risk.variance == pytest.approx(np.sum(filter_**2), rel=1e-5)


@pytest.mark.parametrize("n", [90, 240])
def test_rounds_and_mixtures_against_simulation(rng, n):
    p, c, draws = 150, 0.05, 60
    sigma, beta = np.geomspace(1, 0.05, p), np.cos(np.arange(p)) / 8
    simulated = np.empty((draws, len(MIXTURES), 2))
    for draw in range(draws):
        features = rng.normal(size=(n, p)) * np.sqrt(sigma)
        covariance = features.T @ features / n
        keep = np.linalg.solve(covariance + c * np.eye(p), covariance)
        resolvent = np.linalg.inv(covariance + c * np.eye(p))
        for i, weights in enumerate(MIXTURES):
            power, estimator = np.eye(p), np.zeros((p, p))
            for weight in weights:
                estimator += weight * power @ resolvent  # takes Xᵀy/n to the coefficients
                power = keep @ power
            left = beta - estimator @ covariance @ beta
            simulated[draw, i] = (
                np.sum(sigma * left**2),
                np.trace((estimator * sigma) @ estimator @ covariance) / n,
            )
    for i, weights in enumerate(MIXTURES):
        risk = out_of_sample_risk(sigma, beta, n, c, 1.0, round_weights=weights)
        predicted = np.array([risk.squared_bias, risk.variance])
        error = simulated[:, i].std(axis=0) / np.sqrt(draws)
        # Equivalents are exact for n, p → ∞: at this size they are off by 1/n of the value.
        assert (np.abs(simulated[:, i].mean(axis=0) - predicted) < 4.5 * error + 2 * predicted / n).all()


@pytest.mark.parametrize("rounds", [12, 16])
def test_many_rounds_keep_their_digits(rounds):
    """With n → ∞ the filter acts on the population: an oracle without any contour."""
    sigma, c = np.geomspace(1, 1e-3, 30), 0.05
    risk = out_of_sample_risk(sigma, np.ones(30), 10**10, c, 1.0, round_weights=[0] * (rounds - 1) + [1])
    expected = np.sum(sigma * (1 - (sigma / (sigma + c)) ** rounds) ** 2)
    assert risk.squared_bias == pytest.approx(expected, rel=1e-6)


def test_rounds_that_rounding_would_decide_are_refused():
    with pytest.raises(InputError, match=r"mix 31 rounds, whose terms cancel .* Take fewer rounds"):
        out_of_sample_risk(
            np.geomspace(1, 1e-6, 200), np.ones(200), 100, 1e-6, 1.0, round_weights=[0] * 30 + [1]
        )


def test_bad_input():
    sigma = np.ones(4)
    with pytest.raises(InputError, match="vector of numbers above 0"):
        effective_penalty([1.0, 0.0], 5, 0.1)
    with pytest.raises(InputError, match="ridge must be a"):
        effective_penalty(sigma, 5, 0.0)
    with pytest.raises(InputError, match="n_samples"):
        effective_penalty(sigma, 0, 0.1)
    with pytest.raises(InputError, match="aspect must be a"):
        isotropic_penalty(1.0, 0.0, 0.1)
    with pytest.raises(InputError, match="one coefficient an eigenvalue"):
        out_of_sample_risk(sigma, np.ones(3), 5, 0.1, 1.0)
    with pytest.raises(InputError, match=r"sums to 1, .* they sum to 1\.5"):
        out_of_sample_risk(sigma, sigma, 5, 0.1, 1.0, round_weights=(1.0, 0.5))
    with pytest.raises(InputError, match="noise_variance"):
        out_of_sample_risk(sigma, sigma, 5, 0.1, -1.0)
