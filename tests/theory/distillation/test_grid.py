"""Grids of settings against runs of one setting, and against a solver that shares no code with them."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize

from selfdistill.theory import (
    InfeasibleToleranceError,
    InputError,
    Spectrum,
    collapse_rounds_grid,
    distill_grid,
    distill_ridge_grid,
    distill_to_tolerance,
    distill_with_ridge,
)


@pytest.fixture
def spectrum(rng):
    factor = rng.standard_normal((30, 12))
    return Spectrum.from_features(factor, factor @ rng.standard_normal(12) + 0.05 * rng.standard_normal(30))


def rounds_by_brentq(d, z, ratio):
    """Rounds to collapse with SciPy's bracketing root finder, on targets scaled to ‖z‖ = r_0, budget 1."""
    z, rounds = ratio * z / np.linalg.norm(z), 0
    while np.linalg.norm(z) > 1 + 1e-12:

        def error(log_penalty, z=z):
            return np.sum((z / (1 + d * np.exp(-log_penalty))) ** 2) - 1

        c = np.exp(scipy.optimize.brentq(error, -60, 60, xtol=1e-13, rtol=1e-13))
        z, rounds = z * d / (d + c), rounds + 1
    return rounds


def test_rounds_of_many_spectra_agree_with_an_independent_solver(rng):
    d = np.exp(rng.uniform(-4, 4, (6, 1, 9)))
    z = rng.standard_normal((6, 1, 9))
    ratios = np.array([0.5, 1.3, 2.7, 8.1, 20.0])
    counted = collapse_rounds_grid(d, z, ratios)
    assert counted.shape == (6, 5)
    expected = [[rounds_by_brentq(d[i, 0], z[i, 0], r) for r in ratios] for i in range(6)]
    np.testing.assert_array_equal(counted, expected)


def test_rounds_stay_within_the_two_sided_bound(rng):
    ratios = np.geomspace(1.01, 15, 40)
    rounds = collapse_rounds_grid(np.exp(rng.uniform(-8, 8, (40, 1, 20))), np.ones(20), ratios)
    assert (rounds >= ratios - 1).all()
    assert (rounds <= np.ceil(ratios**2 - 1)).all()


def test_a_flat_spectrum_attains_the_lower_bound_exactly():
    ratios = np.arange(1, 60) / 2
    np.testing.assert_array_equal(
        collapse_rounds_grid(np.ones(7), np.ones(7), ratios), np.ceil(ratios - 1).clip(0)
    )


def test_a_grid_of_tolerances_equals_single_runs(spectrum):
    least = spectrum.least_feasible_epsilon
    epsilons = least + np.array([1e-3, 0.1, 1.0, 50.0])
    grid = distill_grid(spectrum, epsilons)
    for i, epsilon in enumerate(epsilons):
        single, one = distill_to_tolerance(spectrum, epsilon), grid.trajectory(i)
        assert (one.rounds, one.collapsed, one.epsilon) == (single.rounds, single.collapsed, epsilon)
        np.testing.assert_allclose(one.multipliers, single.multipliers, rtol=1e-10)
        np.testing.assert_allclose(one.target_norms, single.target_norms, rtol=1e-12)
        np.testing.assert_allclose(one.filters, single.filters, rtol=1e-10)
        for t in range(1, one.rounds + 1):
            assert one.training_error(t) == pytest.approx(epsilon, rel=1e-9)


def test_several_outputs_share_one_penalty(rng):
    gram = np.cov(rng.standard_normal((8, 40)))
    spectrum = Spectrum.from_gram(gram, rng.standard_normal((8, 3)))
    grid = distill_grid(spectrum, [0.3, 0.9], max_rounds=2)
    for i, epsilon in enumerate([0.3, 0.9]):
        single = distill_to_tolerance(spectrum, epsilon, max_rounds=2)
        np.testing.assert_allclose(grid.trajectory(i).multipliers, single.multipliers, rtol=1e-10)
        assert bool(grid.collapsed[i]) == single.collapsed


def test_a_grid_of_ridges_equals_single_runs(spectrum):
    grid = distill_ridge_grid(spectrum, [0.01, 3.0], rounds=4, ground_truth_weight=0.3)
    for i, ridge in enumerate([0.01, 3.0]):
        single, one = distill_with_ridge(spectrum, ridge, 4, 0.3), grid.trajectory(i)
        np.testing.assert_allclose(one.target_norms, single.target_norms, rtol=1e-13)
        np.testing.assert_allclose(one.filters, single.filters, rtol=1e-13)


def test_inputs_are_refused_in_words(spectrum):
    with pytest.raises(InfeasibleToleranceError):
        distill_grid(spectrum, [1.0, spectrum.least_feasible_epsilon / 2])
    for epsilons in ([], [[1.0]], [0.1, -1.0]):
        with pytest.raises(InputError, match="epsilons"):
            distill_grid(spectrum, epsilons)
    with pytest.raises(InputError, match="broadcast"):
        collapse_rounds_grid(np.ones((3, 2)), np.ones((4, 2)), 2.0)
    with pytest.raises(InputError, match="above 0"):
        collapse_rounds_grid([0.0, 1.0], [1.0, 1.0], 2.0)
    with pytest.raises(InputError, match="coefficients"):
        collapse_rounds_grid([1.0, 1.0], [0.0, 0.0], 2.0)
