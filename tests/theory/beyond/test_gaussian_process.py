"""Distilled Gaussian processes: scikit-learn on repeated data, refits, and functions drawn from the prior."""

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF

from selfdistill.theory import InputError, Spectrum, distill_distribution, distill_mean

N, ALPHAS = 15, (0.2, 0.05, 0.4)
KERNEL = RBF(0.2)


@pytest.fixture
def problem(rng):
    x, new = np.sort(rng.uniform(size=N))[:, None], np.linspace(-0.2, 1.2, 8)[:, None]
    return x, new, np.sin(5 * x[:, 0]) + 0.4 * rng.normal(size=N)


def distilled(how, x, new, y):
    return how(Spectrum.from_gram(KERNEL(x), y), ALPHAS, KERNEL(new, x), KERNEL.diag(new))


def test_the_mean_is_that_of_refits(problem):
    x, new, y = problem
    rounds = distilled(distill_mean, x, new, y)
    targets = y
    for t, alpha in enumerate(ALPHAS):
        model = GaussianProcessRegressor(KERNEL, alpha=alpha, optimizer=None).fit(x, targets)
        np.testing.assert_allclose(rounds.means[t], model.predict(new), atol=1e-9)
        if t == 0:
            deviation = model.predict(new, return_std=True)[1]
            np.testing.assert_allclose(rounds.variances[0], deviation**2, atol=1e-9)
        targets = model.predict(x)


def test_the_variance_of_a_round_is_its_error_under_the_prior(rng, problem):
    x, new, _ = problem
    draws, both = 40_000, np.vstack([x, new])
    functions = np.linalg.cholesky(KERNEL(both) + 1e-9 * np.eye(len(both))) @ rng.normal(
        size=(len(both), draws)
    )
    y = functions[:N] + np.sqrt(ALPHAS[0]) * rng.normal(size=(N, draws))
    rounds = distilled(distill_mean, x, new, y)
    for t in range(3):
        errors = (rounds.means[t] - functions[N:]) ** 2
        deviation = np.abs(errors.mean(axis=1) - rounds.variances[t]) / (errors.std(axis=1) / np.sqrt(draws))
        assert (deviation < 4.5).all()
    assert (
        rounds.variances[1:] >= rounds.variances[0] - 1e-12
    ).all()  # no predictor beats the posterior mean


def test_the_distribution_is_that_of_repeated_data(problem):
    x, new, y = problem
    rounds = distilled(distill_distribution, x, new, y)
    for t in range(1, 4):
        repeated = np.vstack([x] * t), np.tile(y, t)
        noise = np.repeat(ALPHAS[:t], N)
        model = GaussianProcessRegressor(KERNEL, alpha=noise, optimizer=None).fit(*repeated)
        mean, deviation = model.predict(new, return_std=True)
        np.testing.assert_allclose(rounds.means[t - 1], mean, atol=1e-8)
        np.testing.assert_allclose(rounds.variances[t - 1], deviation**2, atol=1e-8)
    np.testing.assert_allclose(rounds.noise_variances, [0.2, 0.04, 1 / 27.5])


def test_the_two_move_apart(problem):
    x, _, y = problem
    mean, distribution = (distilled(how, x, x, y) for how in (distill_mean, distill_distribution))
    errors = [np.sum((rounds.means - y) ** 2, axis=1) for rounds in (mean, distribution)]
    assert (np.diff(errors[0]) > 0).all()
    assert (np.diff(errors[1]) < 0).all()


def test_bad_input(problem):
    x, new, y = problem
    spectrum = Spectrum.from_gram(KERNEL(x), y)
    cross, prior = KERNEL(new, x), KERNEL.diag(new)
    for how in (distill_mean, distill_distribution):
        with pytest.raises(InputError, match="every noise variance must be above 0"):
            how(spectrum, [0.1, 0.0], cross, prior)
        for alphas in (0.1, [], [[0.1]]):
            with pytest.raises(InputError, match="one variance a round"):
                how(spectrum, alphas, cross, prior)
        with pytest.raises(InputError, match="one column a training point"):
            how(spectrum, [0.1], cross[:, :-1], prior)
        with pytest.raises(InputError, match="new point with itself"):
            how(spectrum, [0.1], cross, prior[:-1])
        with pytest.raises(
            InputError, match=r"at point \d it is 0.01, less than the 0.\d+ that the training points"
        ):
            how(spectrum, [0.1], cross, 0.01 * prior)
