"""The multiplier against its defining equation solved in 60 digits (M1, M2)."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings

from selfdistill.theory import Spectrum, distill_to_tolerance
from selfdistill.theory.distillation.multiplier import excess_energy

from ..made_spectra import epsilon_for_ratio, ratios, spectra


def exact_run(eigenvalues, coefficients, epsilon, rounds):
    """Multipliers and norms of the recursion in 60-digit arithmetic, taking the floats as exact numbers."""
    with mpmath.workdps(60):
        d = [mpmath.mpf(float(v)) for v in eigenvalues]
        z = [mpmath.mpf(float(v)) for v in coefficients]
        budget = len(d) * mpmath.mpf(float(epsilon))
        multipliers, norms = [], []
        for _ in range(rounds):

            def residual(c, z=z):
                return sum((c / (c + dk)) ** 2 * zk**2 for dk, zk in zip(d, z, strict=True)) - budget

            r = mpmath.sqrt(sum(v**2 for v in z) / budget)
            # Monotone in c: bisect from a bracket wider than M2's, so that M2 is not assumed.
            low, high = min(d) / (r - 1) / 1000, max(d) / (r - 1) * 1000
            assert residual(low) < 0 < residual(high)
            while high / low - 1 > mpmath.mpf(10) ** -35:
                middle = mpmath.sqrt(low * high)
                low, high = (low, middle) if residual(middle) > 0 else (middle, high)
            c = low
            z = [dk / (dk + c) * zk for dk, zk in zip(d, z, strict=True)]
            multipliers.append(c)
            norms.append(mpmath.sqrt(sum(v**2 for v in z)))
        return multipliers, norms


@pytest.mark.parametrize("ratio", [1 + 1e-9, 1 + 1e-6, 1.01, 2.0, 40.0, 1e4, 1e7])
@pytest.mark.parametrize("decades", [0, 2, 14])
def test_the_root_is_exact_to_twelve_digits(ratio, decades, rng):
    d = np.logspace(-decades, 0, 9)
    z = rng.normal(size=9)
    epsilon = float(z @ z / (9 * ratio**2))
    run = distill_to_tolerance(Spectrum.from_eigenvalues(d, z), epsilon, max_rounds=1)
    (expected,), _ = exact_run(d, z, epsilon, 1)
    assert abs(mpmath.mpf(run.multipliers[0]) / expected - 1) < 1e-12


@pytest.mark.parametrize("decades", [1, 14])
def test_the_whole_run_follows_the_recursion_in_sixty_digits(decades, rng):
    d = np.logspace(-decades, 0, 6)
    z = rng.normal(size=6)
    epsilon = float(z @ z / (6 * 6.5**2))
    run = distill_to_tolerance(Spectrum.from_eigenvalues(d, z), epsilon)
    assert run.collapsed
    assert run.rounds >= 6
    multipliers, norms = exact_run(d, z, epsilon, run.rounds)
    # A norm rounded by u moves the next multiplier by u r/(r − 1): no algorithm in doubles does better.
    amplified = run.ratios[:-1] / (run.ratios[:-1] - 1)
    np.testing.assert_array_less(
        np.abs(run.multipliers / np.array(multipliers, float) - 1), 1e-13 * amplified
    )
    np.testing.assert_allclose(run.target_norms[1:], np.array(norms, float), rtol=1e-12)
    assert norms[-1] <= mpmath.sqrt(6 * mpmath.mpf(epsilon))  # collapsed, and not a round earlier
    assert norms[-2] > mpmath.sqrt(6 * mpmath.mpf(epsilon))


@settings(max_examples=120, deadline=None)
@given(spectra(), ratios)
def test_m1_every_round_has_training_error_epsilon(spectrum, ratio):
    epsilon = epsilon_for_ratio(spectrum, ratio)
    run = distill_to_tolerance(spectrum, epsilon)
    y = spectrum.coefficients[:, 0]
    for c in run.multipliers:  # from the definition, not from the trajectory's own accounting
        fit = spectrum.eigenvalues / (spectrum.eigenvalues + c) * y
        assert np.mean((fit - y) ** 2) == pytest.approx(epsilon, rel=1e-9)
        y = fit


@settings(max_examples=120, deadline=None)
@given(spectra(), ratios)
def test_m2_brackets_every_multiplier(spectrum, ratio):
    run = distill_to_tolerance(spectrum, epsilon_for_ratio(spectrum, ratio))
    excess = run.ratios[:-1] - 1
    d = spectrum.eigenvalues
    # The recomputed r_t − 1 itself carries a few roundings of r_t.
    slack = 1 + 1e-10 + 1e-14 * run.ratios[:-1] / excess
    assert (run.multipliers * excess * slack >= d.min()).all()
    assert (run.multipliers * excess <= d.max() * slack).all()


def test_excess_energy_does_not_cancel():
    # 1 + 2⁻⁵³ is lost when squared in doubles; the difference of squares is exact all the same.
    x = np.array([1.0, 2.0**-30])
    assert excess_energy(x, (1.0, 1.0)) == 2.0**-60
    with mpmath.workdps(60):
        values = np.random.default_rng(0).normal(size=50)
        budget = float(values @ values) * (1 - 1e-13)
        expected = sum(mpmath.mpf(v) ** 2 for v in values) - mpmath.mpf(3.0) * mpmath.mpf(budget / 3)
        assert abs(excess_energy(values, (3.0, budget / 3)) / expected - 1) < 1e-12
