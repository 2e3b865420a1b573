"""What a round earns: Pythagoras on thousands of random spectra, and counts made before any fit."""

import numpy as np
import pytest
import scipy.optimize
from hypothesis import given, settings
from hypothesis import strategies as st

from selfdistill.theory import (
    InputError,
    Spectrum,
    distill_to_tolerance,
    estimated_truth_norm,
    most_rounds_that_help,
    rounds_that_help,
)
from selfdistill.theory.beyond.gains import fit_norms


def norm(d, values):
    return np.sqrt(np.sum(values**2 / (len(d) * d)))


def penalties_by_bisection(d, z, epsilon):
    """Penalty of every problem (g, m) at which the error is ε: an oracle that shares nothing with the package."""
    low, high = np.full(len(d), -40.0), np.full(len(d), 40.0)
    for _ in range(60):
        middle = (low + high) / 2
        c = np.exp(middle)[:, None]
        over = np.mean((c / (c + d) * z) ** 2, axis=1) > epsilon
        low, high = np.where(over, low, middle), np.where(over, middle, high)
    return np.exp((low + high) / 2)[:, None]


def test_every_counted_round_earns_its_error_on_ten_thousand_spectra():
    rng = np.random.default_rng(15)
    problems, n = 10_000, 6
    d = np.sort(10.0 ** rng.uniform(-3, 0, (problems, n)), axis=1)
    truth = rng.normal(size=(problems, n)) * d ** rng.uniform(0, 1, (problems, 1))
    y = truth + rng.uniform(0.1, 1.5, (problems, 1)) * rng.normal(size=(problems, n))
    epsilon = np.mean(y**2, axis=1) / rng.uniform(2, 40, problems)
    bound = np.sum(truth**2 / (n * d), axis=1)
    fit, counts, less = y, np.zeros(problems, int), 0
    for _ in range(45):
        alive = np.mean(fit**2, axis=1) > epsilon
        following = fit * d / (d + penalties_by_bisection(d, fit, epsilon)) * alive[:, None]
        gain = np.mean((fit - truth) ** 2, axis=1) - np.mean((following - truth) ** 2, axis=1)
        helps = alive & (np.sum(following**2 / (n * d), axis=1) >= bound)
        assert (gain[helps] >= epsilon[helps] * (1 - 1e-9)).all()
        less += int((gain[alive & ~helps] < epsilon[alive & ~helps]).sum())
        counts += helps
        fit = following
    assert not alive.any()
    assert counts.sum() > 10_000
    assert less > 10_000  # the count says something: rounds past it mostly earn less
    for i in range(0, problems, 50):
        spectrum = Spectrum.from_eigenvalues(d[i], y[i])
        assert rounds_that_help(spectrum, epsilon[i], np.sqrt(bound[i])) == counts[i]
        assert counts[i] <= most_rounds_that_help(np.mean((y[i] - truth[i]) ** 2), epsilon[i])


def test_the_norm_is_that_of_a_general_solver(rng):
    """Least norm at a given error, by a solver that knows no filter."""
    d, y = np.array([0.2, 1.0, 3.0]), np.array([1.0, -2.0, 1.5])
    run = distill_to_tolerance(Spectrum.from_eigenvalues(d, y), 0.2, 2)
    target = y
    for expected in fit_norms(run):
        solved = scipy.optimize.minimize(
            lambda f: np.sum(f**2 / (3 * d)),
            target,
            constraints=[{"type": "ineq", "fun": lambda f, t=target: 0.2 - np.mean((f - t) ** 2)}],
            tol=1e-14,
        )
        assert norm(d, solved.x) == pytest.approx(expected, rel=1e-5)
        target = solved.x


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=50, deadline=None)
def test_norms_fall_so_that_the_rounds_that_help_come_first(seed):
    rng = np.random.default_rng(seed)
    d = 10.0 ** rng.uniform(-6, 0, 6)
    run = distill_to_tolerance(Spectrum.from_eigenvalues(d, rng.normal(size=6)), 0.01)
    assert (np.diff(fit_norms(run)) < 0).all()


def test_a_larger_bound_on_the_norm_promises_less(rng):
    spectrum = Spectrum.from_eigenvalues(10.0 ** rng.uniform(-3, 0, 20), rng.normal(size=20))
    counts = [rounds_that_help(spectrum, 0.01, bound) for bound in (0.01, 0.5, 2.0, 50.0)]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[-1]


def test_estimated_norm_of_a_smooth_truth(rng):
    n = 400
    x = np.linspace(0, 1, n)
    gram = np.exp(-20 * (x[:, None] - x) ** 2)
    dual = np.zeros(n)
    dual[[80, 200, 300]] = 1.0, -1.5, 1.0
    truth = gram @ dual
    estimates = [
        estimated_truth_norm(Spectrum.from_gram(gram, truth + 0.1 * rng.normal(size=n)), 0.01)
        for _ in range(5)
    ]
    assert np.mean(estimates) == pytest.approx(np.sqrt(dual @ gram @ dual), rel=0.1)


def test_bad_input(rng):
    spectrum = Spectrum.from_eigenvalues([1.0, 2.0], [0.1, 0.1])
    for value in (0, -1, np.nan, "a"):
        with pytest.raises(InputError, match="truth_norm must be a"):
            rounds_that_help(spectrum, 0.001, value)
        with pytest.raises(InputError, match="noise_variance must be a"):
            estimated_truth_norm(spectrum, value)
    with pytest.raises(InputError, match="epsilon"):
        rounds_that_help(spectrum, 0, 1.0)
    with pytest.raises(InputError, match="nothing to estimate"):
        estimated_truth_norm(spectrum, 1.0)
    with pytest.raises(InputError, match="noise_energy"):
        most_rounds_that_help(-1, 0.1)
    assert rounds_that_help(spectrum, 1.0, 1.0) == 0  # collapsed from the start
