"""Mixtures of rounds: against 60-digit arithmetic, refits without a sample, published formulas and Monte Carlo."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfdistill.theory import InputError, Mixing, Spectrum, mix_rounds, optimal_mixing, oracle_mixing
from selfdistill.theory.distillation.leave_one_out import leave_one_out

N, RIDGE = 40, 0.01


@pytest.fixture
def problem(rng):
    x = np.sort(rng.uniform(size=N))
    gram = np.exp(-30 * (x[:, None] - x) ** 2)
    return gram, np.sin(6 * x) + 0.3 * rng.normal(size=N)


def mallows(filter_, weights, variance):
    return np.mean((1 - filter_) ** 2 * weights) + variance * (2 * np.mean(filter_) - 1)


def least_mallows_in_sixty_digits(d, weights, ridge, steps, variance):
    """The normal equations in powers, which double precision cannot solve."""
    with mpmath.workdps(60):
        a = [mpmath.mpf(float(v)) / (mpmath.mpf(float(v)) + mpmath.mpf(ridge)) for v in d]
        w = [mpmath.mpf(float(v)) for v in weights]
        columns = [[x * (1 - x) ** j for x in a] for j in range(1, steps + 1)]
        matrix = mpmath.matrix(steps, steps)
        right = mpmath.matrix(steps, 1)
        for i in range(steps):
            for j in range(steps):
                matrix[i, j] = mpmath.fsum(
                    p * q * r for p, q, r in zip(columns[i], columns[j], w, strict=True)
                )
            right[i] = mpmath.fsum(
                p * (r * (1 - x) - variance) for p, r, x in zip(columns[i], w, a, strict=True)
            )
        eta = mpmath.lu_solve(matrix, right)
        filter_ = [x + mpmath.fsum(eta[j] * columns[j][k] for j in range(steps)) for k, x in enumerate(a)]
        return np.array([float(e) for e in eta]), np.array([float(b) for b in filter_])


@pytest.mark.parametrize("steps", [1, 3, 10])
def test_least_of_mallows_in_sixty_digits(problem, steps):
    spectrum = Spectrum.from_gram(*problem)
    mixing = optimal_mixing(spectrum, RIDGE, steps, 0.09)
    eta, filter_ = least_mallows_in_sixty_digits(spectrum.eigenvalues, spectrum.weights, RIDGE, steps, 0.09)
    np.testing.assert_allclose(mixing.filter, filter_, atol=1e-8)
    np.testing.assert_allclose(mixing.weights, eta, rtol=1e-5)
    assert mixing.risk == pytest.approx(mallows(filter_, spectrum.weights, 0.09), abs=1e-12)


@given(
    st.lists(st.floats(0.01, 10), min_size=3, max_size=12),
    st.integers(1, 3),
    st.floats(0.01, 1),
    st.integers(0, 2**32 - 1),
)
@settings(deadline=None, max_examples=60)
def test_no_other_weights_have_a_smaller_criterion(d, steps, variance, seed):
    rng = np.random.default_rng(seed)
    spectrum = Spectrum.from_eigenvalues(d, rng.uniform(0.3, 2, len(d)))
    mixing = optimal_mixing(spectrum, 0.5, steps, variance)
    assert mixing.risk == pytest.approx(mallows(mixing.filter, spectrum.weights, variance), abs=1e-9)
    a = spectrum.eigenvalues / (spectrum.eigenvalues + 0.5)
    for _ in range(20):
        change = rng.normal(size=steps) @ (a * (1 - a) ** np.arange(1, steps + 1)[:, None])
        assert mallows(mixing.filter + change, spectrum.weights, variance) >= mixing.risk - 1e-12


def test_with_known_truth_the_criterion_is_the_risk(rng):
    d, truth, variance = np.linspace(1, 2, 20) ** 2, np.eye(20)[0], 0.01
    spectrum = Spectrum.from_eigenvalues(d, truth)
    for steps, sum_over_samples in ((1, 0.18952), (3, 0.0157)):
        best = min(
            oracle_mixing(spectrum, c, steps, truth, variance).risk for c in np.geomspace(1e-3, 1e2, 300)
        )
        assert 20 * best == pytest.approx(sum_over_samples, rel=2e-3)
    wiener = np.sum(truth**2 * variance / (truth**2 + variance))
    assert 20 * oracle_mixing(spectrum, 0.01, 20, truth, variance).risk == pytest.approx(wiener, rel=1e-6)
    expected = Spectrum.from_eigenvalues(d, np.sqrt(truth**2 + variance))
    np.testing.assert_allclose(
        optimal_mixing(expected, 0.5, 3, variance).weights,
        oracle_mixing(spectrum, 0.5, 3, truth, variance).weights,
    )


def test_risk_of_the_oracle_is_monte_carlo(rng, problem):
    gram, _ = problem
    features = np.linalg.cholesky(gram + 1e-6 * np.eye(N))[:, :25]  # the truth has a part that no fit reaches
    truth, variance = np.sin(np.arange(N)), 0.25
    mixing = oracle_mixing(Spectrum.from_features(features, truth), RIDGE, 2, truth, variance)
    smoother = np.linalg.solve(features @ features.T + N * RIDGE * np.eye(N), features @ features.T)
    operator = sum(
        w * np.linalg.matrix_power(smoother, s) for s, w in enumerate(mixing.round_weights, start=1)
    )
    noisy = truth[:, None] + 0.5 * rng.normal(size=(N, 20_000))
    errors = np.mean((operator @ noisy - truth[:, None]) ** 2, axis=0)
    assert abs(errors.mean() - mixing.risk) < 4.5 * errors.std() / np.sqrt(len(errors))


@given(st.lists(st.floats(0.05, 5), min_size=2, max_size=8, unique=True), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=50)
def test_one_step_has_the_published_weight(d, seed):
    rng = np.random.default_rng(seed)
    truth, variance, ridge = rng.normal(size=len(d)), 0.3, 0.4
    d = np.sort(d)
    a = d / (d + ridge)
    energy = truth**2
    imitation = np.sum(a * (1 - a) * (a * (energy + variance) - energy)) / np.sum(
        a**2 * (1 - a) ** 2 * (energy + variance)
    )
    mixing = oracle_mixing(Spectrum.from_eigenvalues(d, truth), ridge, 1, truth, variance)
    assert mixing.round_weights[1] == pytest.approx(imitation, rel=1e-9)
    assert mixing.weights[0] == pytest.approx(-imitation, rel=1e-9)


def test_the_weight_vanishes_at_the_best_ridge_and_has_the_sign_of_the_excess(rng):
    d, truth, variance = np.geomspace(0.01, 1, 12), rng.normal(size=12), 0.5
    spectrum = Spectrum.from_eigenvalues(d, truth)
    ridges = np.geomspace(1e-4, 1e2, 4001)
    a = d / (d + ridges[:, None])
    risks = ((1 - a) ** 2 * truth**2 + variance * a**2).sum(axis=1)
    best = ridges[np.argmin(risks)]
    imitation = [
        oracle_mixing(spectrum, c, 1, truth, variance).round_weights[1] for c in (best / 3, best, 3 * best)
    ]
    assert imitation[0] > 0 > imitation[2]
    assert abs(imitation[1]) < 0.02


@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("steps", [1, 2, 6])
def test_leave_one_out_is_that_of_refits(rng, problem, steps, outputs):
    gram, y = problem
    y = y if outputs == 1 else np.stack([y, rng.normal(size=N)], axis=1)
    mixing = optimal_mixing(Spectrum.from_gram(gram, y), RIDGE, steps)
    rounds = [np.empty_like(y) for _ in range(steps + 1)]
    for i in range(N):
        others = np.arange(N) != i
        inner = gram[np.ix_(others, others)]
        fit = y[others]
        for s in range(steps + 1):
            dual = np.linalg.solve(inner + N * RIDGE * np.eye(N - 1), fit)
            rounds[s][i] = gram[i, others] @ dual
            fit = inner @ dual
    # Least squares in differences of rounds with weights that sum to 1: the same space, another basis.
    first = (y - rounds[0]).ravel()
    differences = [r.ravel() - rounds[0].ravel() for r in rounds[1:]]
    directions, _ = np.linalg.qr(np.stack(differences, axis=1))
    least = np.sum((first - directions @ (directions.T @ first)) ** 2) / N
    assert mixing.risk == pytest.approx(least, rel=1e-7)
    mixed = sum(w * r for w, r in zip(mixing.round_weights, rounds, strict=True))
    assert np.sum((y - mixed) ** 2) / N == pytest.approx(mixing.risk, rel=1e-7)


def test_left_out_mixture_is_the_mixture_of_left_out_rounds_on_features(rng):
    features, y = rng.normal(size=(30, 7)), rng.normal(size=30)
    spectrum = Spectrum.from_features(features, y)
    mixing = optimal_mixing(spectrum, 0.3, 3)
    error = y - mixing.round_weights @ leave_one_out(spectrum, 0.3, 4)
    assert np.mean(error**2) == pytest.approx(mixing.risk, rel=1e-9)
    by_gram = optimal_mixing(Spectrum.from_gram(features @ features.T, y), 0.3, 3)
    np.testing.assert_allclose(mixing.weights, by_gram.weights, rtol=1e-6)


def test_generalised_cross_validation_is_the_published_one_round_formula(problem):
    gram, y = problem
    smoother = np.linalg.solve(gram + N * RIDGE * np.eye(N), gram)
    first = smoother @ y
    second = smoother @ first
    left_first = (y - first) / (1 - np.trace(smoother) / N)
    left_second = (y - second) / (1 - np.trace(smoother @ smoother) / N)
    own, other, cross = (np.mean(p) for p in (left_first**2, left_second**2, left_first * left_second))
    weight = (own - cross) / (own + other - 2 * cross)
    mixing = optimal_mixing(Spectrum.from_gram(gram, y), RIDGE, 1, criterion="gcv")
    np.testing.assert_allclose(mixing.round_weights, [1 - weight, weight], rtol=1e-10)
    assert mixing.risk == pytest.approx(np.mean(((1 - weight) * left_first + weight * left_second) ** 2))


@pytest.mark.parametrize("steps", [1, 3, 10])
@pytest.mark.parametrize("how", [{"noise_variance": 0.09}, {}, {"criterion": "gcv"}])
def test_all_forms_of_a_mixture_agree(problem, steps, how):
    gram, y = problem
    spectrum = Spectrum.from_gram(gram, y)
    mixing = optimal_mixing(spectrum, RIDGE, steps, **how)
    assert mixing.weights.shape == (steps,)
    a = spectrum.eigenvalues / (spectrum.eigenvalues + RIDGE)
    powers = a * (1 - a) ** np.arange(1, steps + 1)[:, None]
    rounding = 1e-12 * np.abs(mixing.weights).max()
    np.testing.assert_allclose(a + mixing.weights @ powers, mixing.filter, atol=rounding)
    assert mixing.round_weights.sum() == pytest.approx(1, abs=100 * rounding)
    np.testing.assert_allclose(mixing.fitted(), gram @ mixing.dual(), atol=1e-9)
    np.testing.assert_allclose(mixing.predict(gram[:3]), mixing.fitted()[:3], atol=1e-9)


def test_given_weights(problem):
    gram, y = problem
    smoother = np.linalg.solve(gram + N * RIDGE * np.eye(N), gram)
    mixing = mix_rounds(Spectrum.from_gram(gram, y), RIDGE, [2.5, -2.0, 0.5])
    expected = (2.5 * smoother - 2.0 * smoother @ smoother + 0.5 * smoother @ smoother @ smoother) @ y
    np.testing.assert_allclose(mixing.fitted(), expected, atol=1e-9)
    np.testing.assert_allclose(mixing.round_weights, [2.5, -2.0, 0.5], atol=1e-12)
    assert isinstance(mixing, Mixing)
    assert np.isnan(mixing.risk)


def test_more_steps_than_directions_is_no_harm():
    spectrum = Spectrum.from_eigenvalues([1.0, 2.0, 2.0], [1.0, 0.5, 2.0])
    mixing = optimal_mixing(spectrum, 0.5, 6, 0.1)
    wiener = 1 - 2 * 0.1 / np.array([2.0, 4.25, 4.25])
    wiener[0] = 1 - 0.1  # one direction alone: its least is 1 − s²/z²
    np.testing.assert_allclose(mixing.filter[0], wiener[0])
    np.testing.assert_allclose(mixing.filter[1:], 1 - 2 * 0.1 / 4.25)


def test_bad_input(problem):
    spectrum = Spectrum.from_gram(*problem)
    with pytest.raises(InputError, match=r"must sum to 1, .* they sum to 0\.9"):
        mix_rounds(spectrum, RIDGE, [1.5, -0.6])
    for weights in ([[1.0]], [], 1.0):
        with pytest.raises(InputError, match="one weight a round"):
            mix_rounds(spectrum, RIDGE, weights)
    for variance in (0, -1, np.nan, "a"):
        with pytest.raises(InputError, match="noise_variance must be a"):
            optimal_mixing(spectrum, RIDGE, 2, variance)
    with pytest.raises(InputError, match="ridge must be a"):
        optimal_mixing(spectrum, 0.0, 2)
    for steps in (0, -1, 1.5, True):
        with pytest.raises(InputError, match="steps must be a whole number"):
            optimal_mixing(spectrum, RIDGE, steps)
    with pytest.raises(InputError, match="criterion must be one of"):
        optimal_mixing(spectrum, RIDGE, 2, criterion="aic")
    with pytest.raises(InputError, match="leave out noise_variance, or criterion"):
        optimal_mixing(spectrum, RIDGE, 2, 0.1, criterion="gcv")
    with pytest.raises(InputError, match="truth must have 1 outputs"):
        oracle_mixing(spectrum, RIDGE, 2, np.ones((N, 2)), 1.0)
    with pytest.raises(InputError, match="spectrum must be a Spectrum"):
        optimal_mixing(problem[0], RIDGE, 2)
    with pytest.raises(InputError, match="Krylov"):
        optimal_mixing(Spectrum.krylov(*problem), RIDGE, 2)


def test_a_criterion_without_a_least_is_refused():
    """Weights that change the noise alone can lower the trace for ever."""
    spectrum = Spectrum.from_eigenvalues([1.0, 2.0, 3.0], [1.0, 0.0, 0.0])
    with pytest.raises(InputError, match="no least over steps=2: only 1"):
        optimal_mixing(spectrum, 0.5, 2, 0.1)
    assert optimal_mixing(spectrum, 0.5, 1, 0.1).filter[0] == pytest.approx(
        1 - 0.1 * np.sum([a * (1 - a) for a in (2 / 3, 0.8, 6 / 7)]) / (2 / 9)
    )
