"""Rounds to collapse against the recursion, over spectra of fourteen decades (M5-M8)."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfdistill.theory import (
    InfeasibleToleranceError,
    InputError,
    SelfDistilledKernelRidge,
    SoftmaxRegression,
    Spectrum,
    TooLargeError,
    collapse_bounds,
    collapse_rounds_grid,
    distill_grid,
    distill_ridge_grid,
    distill_to_tolerance,
    distill_with_ridge,
    leave_one_out,
    optimal_mixing,
)
from selfdistill.theory.distillation import collapse
from selfdistill.theory.distillation.collapse import (
    paper_norm_bounds,
    ratio_lower_bounds,
    ratio_upper_bounds,
    rounds_bounds,
)

from ..made_spectra import epsilon_for_ratio, ratios, spectra

SLACK = 1e-9
property_test = settings(max_examples=120, deadline=None)


@property_test
@given(spectra(), ratios)
def test_m5_the_paper_s_norm_bound(spectrum, ratio):
    epsilon = epsilon_for_ratio(spectrum, ratio)
    run = distill_to_tolerance(spectrum, epsilon)
    r, kappa = spectrum.initial_ratio(epsilon), spectrum.condition_number
    proved = int(min(run.rounds, (r - 1) / kappa))
    # M5 as theory.md states it, written out: a power series a^t z_0 − √(nε) b Σ a^s.
    a = ((r - 1) ** 2 + kappa * (2 * r - 1)) / (r - 1 + kappa) ** 2
    b = r**2 * kappa / (r - 1 + kappa) ** 2
    unit = np.sqrt(spectrum.n_samples * epsilon)
    for t in range(proved + 1):
        bound = a**t * run.target_norms[0] - unit * b * sum(a**s for s in range(t))
        assert run.target_norms[t] >= bound * (1 - SLACK) - SLACK * unit
        assert unit * paper_norm_bounds(r, kappa, proved)[t] == pytest.approx(
            max(bound, 0), abs=SLACK * unit * r
        )


@property_test
@given(spectra(), ratios)
def test_m6_m7_m8_hold_and_m7_is_the_sharper(spectrum, ratio):
    epsilon = epsilon_for_ratio(spectrum, ratio)
    bounds = collapse_bounds(spectrum, epsilon)
    assert bounds.paper_lower <= bounds.lower
    assert bounds.lower <= bounds.exact + SLACK
    assert bounds.exact <= bounds.upper
    assert bounds.upper <= np.ceil(bounds.initial_ratio**2 - 1 + SLACK)
    if bounds.condition_number > 1:
        assert bounds.paper_lower < bounds.lower


@property_test
@given(spectra(), ratios)
def test_m7_and_m8_bound_the_norm_of_every_round(spectrum, ratio):
    epsilon = epsilon_for_ratio(spectrum, ratio)
    r = distill_to_tolerance(spectrum, epsilon).ratios
    lower = ratio_lower_bounds(r[0], len(r) - 1)
    upper = ratio_upper_bounds(r[0], spectrum.condition_number)[: len(r)]
    np.testing.assert_array_less(lower * (1 - SLACK) - SLACK, r)
    np.testing.assert_array_less(r, upper * (1 + SLACK) + SLACK)
    np.testing.assert_allclose(np.diff(r) <= -0.0, True)


@property_test
@given(spectra(min_size=2), st.floats(1.01, 15))
def test_m7_from_the_data_every_round_moves_the_targets_by_exactly_sqrt_n_epsilon(spectrum, ratio):
    epsilon = epsilon_for_ratio(spectrum, ratio)
    run = distill_to_tolerance(spectrum, epsilon)
    for t in range(1, run.rounds + 1):
        step = np.linalg.norm(run.fitted(t) - run.fitted(t - 1))
        assert step == pytest.approx(np.sqrt(spectrum.n_samples * epsilon), rel=1e-9)


@settings(max_examples=100, deadline=None)
@given(spectra(min_size=2), st.floats(1.05, 12), st.floats(0.05, 0.9))
def test_m8_holds_when_targets_lie_partly_in_the_null_space(spectrum, ratio, share):
    z = spectrum.coefficients[:, 0]
    n = spectrum.n_samples + 1
    epsilon = float(z @ z / ratio**2 / n)
    # A null direction that takes up a part of the tolerance, so the first round has κ = ∞.
    singular = Spectrum.from_eigenvalues(
        np.append(spectrum.eigenvalues, 0.0), np.append(z, np.sqrt(share * n * epsilon))
    )
    assert singular.condition_number == np.inf
    bounds = collapse_bounds(singular, epsilon)
    assert bounds.paper_lower == 0
    assert bounds.lower <= bounds.exact + SLACK
    assert bounds.exact <= bounds.upper <= np.ceil(bounds.initial_ratio**2 - 1 + SLACK)


@pytest.mark.parametrize("ratio", [1.5, 3.0, 4.0, 7.25])
def test_m7_is_attained_when_all_eigenvalues_are_equal(ratio):
    spectrum = Spectrum.from_eigenvalues([0.3, 0.3, 0.3], [1.0, 2.0, 2.0])
    bounds = collapse_bounds(spectrum, 9 / (3 * ratio**2))
    assert bounds.exact == bounds.upper == np.ceil(ratio - 1)
    r = distill_to_tolerance(spectrum, 9 / (3 * ratio**2)).ratios
    np.testing.assert_allclose(r, ratio - np.arange(len(r)), atol=1e-12)


def test_directions_without_targets_do_not_count_in_the_condition_number():
    with_rest = Spectrum.from_eigenvalues([1e-12, 1.0, 2.0, 50.0], [0.0, 3.0, 4.0, 0.0])
    assert with_rest.condition_number == 2.0


def test_a_real_gram_has_a_condition_number_at_which_the_paper_promises_nothing(rng):
    x = np.linspace(0, 1, 40)
    gram = np.exp(-30 * (x[:, None] - x) ** 2)
    spectrum = Spectrum.from_gram(gram, np.sin(6 * x) + 0.3 * rng.normal(size=40))
    bounds = collapse_bounds(spectrum, 0.1)
    assert bounds.paper_lower < 1e-6
    assert 1 < bounds.lower <= bounds.exact <= bounds.upper


def test_bounds_of_what_collapsed_before_the_first_round_are_zero():
    bounds = collapse_bounds(Spectrum.from_eigenvalues([1.0, 2.0], [1.0, 1.0]), epsilon=3.0)
    assert (bounds.exact, bounds.paper_lower, bounds.lower, bounds.upper) == (0, 0.0, 0.0, 0)


def test_bad_tolerances_are_refused():
    spectrum = Spectrum.from_eigenvalues([0.0, 2.0], [1.0, 1.0])
    with pytest.raises(InputError, match="epsilon must be"):
        collapse_bounds(spectrum, 0.0)
    with pytest.raises(InfeasibleToleranceError, match=r"0\.5"):
        collapse_bounds(spectrum, 0.4)


def test_bounds_are_at_hand_where_counting_would_take_for_ever():
    spectrum = Spectrum.from_eigenvalues([1.0, 2.0], [1.0, 1.0])
    paper, lower, upper = rounds_bounds(spectrum, 1e-16)  # r_0 = 1e8
    assert (paper, lower) == pytest.approx((5e7, 1e8))
    assert lower < upper < 2.1e8  # the iterated bound, not ⌈r_0² − 1⌉
    assert ratio_upper_bounds(1e8, 2.0, rounds=3).shape == (4,)
    with pytest.raises(InputError, match=r"at least 1e\+08 rounds to collapse.*1\.49 GiB. Give max_rounds"):
        collapse_bounds(spectrum, 1e-16)
    assert distill_to_tolerance(spectrum, 1e-16, max_rounds=2).rounds == 2


@pytest.mark.parametrize("kappa", [1.0, 3.0, 1e3, 1e9, np.inf])
@pytest.mark.parametrize("ratio", [1.5, 30.0, 700.0])
def test_beyond_iteration_the_upper_bound_is_an_integral_that_is_never_below(monkeypatch, kappa, ratio):
    iterated = collapse._upper_bound(ratio, np.inf, kappa)
    monkeypatch.setattr(collapse, "_LONGEST_ITERATION", 0.0)
    assert iterated <= collapse._upper_bound(ratio, np.inf, kappa) <= 1.02 * iterated + 6


@given(st.floats(0.1, 10), st.floats(1e-3, 1e3), st.integers(0, 2**32))
@settings(max_examples=300)
def test_at_the_tolerance_counts_and_bounds_agree(size, eigenvalue, seed):
    """r_0 = 1 up to rounding: nothing is fitted, whichever way it is asked."""
    z = size * np.random.default_rng(seed).standard_normal(5)
    spectrum = Spectrum.from_eigenvalues(eigenvalue * np.arange(1.0, 6.0), z)
    epsilon = float(np.sum(z**2) / 5)
    bounds = collapse_bounds(spectrum, epsilon)
    assert bounds.lower <= bounds.exact <= bounds.upper
    assert collapse_rounds_grid(spectrum.eigenvalues, z, 1.0) == 0


@pytest.mark.parametrize("scale", [1e-150, 1e150, 1e152])
def test_extreme_scales_change_nothing_but_the_scale(scale):
    z = np.array([1.0, 2.0, 3.0])
    here = collapse_bounds(Spectrum.from_eigenvalues([1.0, 2.0, 4.0], z), 0.1).exact
    there = collapse_bounds(Spectrum.from_eigenvalues([1.0, 2.0, 4.0], scale * z), 0.1 * scale**2).exact
    assert here == there > 1


@pytest.mark.parametrize("ratio", [1001.0, 2000.0])
def test_the_upper_bound_of_many_rounds_is_not_the_square_of_the_ratio(ratio):
    """Equal eigenvalues take exactly r_0 − 1 rounds; ⌈r_0² − 1⌉ would be a million."""
    _, lower, upper = rounds_bounds(Spectrum.from_eigenvalues(np.ones(4), np.ones(4)), 1 / ratio**2)
    assert lower == pytest.approx(ratio - 1)
    assert ratio - 1 <= upper <= 1.01 * ratio


@pytest.mark.parametrize("epsilon", [1e-24, 1e-14])
def test_more_rounds_than_can_be_made_are_refused_at_once(epsilon):
    spectrum = Spectrum.from_gram(np.diag([1.0, 2.0, 5.0]), [1.0, 2.0, 3.0])
    for call in (
        lambda: distill_to_tolerance(spectrum, epsilon),
        lambda: distill_grid(spectrum, [0.1, epsilon]),
        lambda: SelfDistilledKernelRidge(epsilon=epsilon, rounds="collapse").fit(np.eye(3), [1.0, 2.0, 3.0]),
    ):
        start = time.process_time()
        with pytest.raises(InputError, match=r"rounds to collapse.* Give max_rounds"):
            call()
        assert time.process_time() - start < 2


@pytest.mark.parametrize(
    "call",
    [
        lambda s, t: distill_with_ridge(s, 0.1, t),
        lambda s, t: distill_ridge_grid(s, [0.1, 0.2], t),
        lambda s, t: leave_one_out(s, 0.1, t),
        lambda s, t: optimal_mixing(s, 0.1, t),
        lambda s, t: SoftmaxRegression.from_gram(np.eye(3), 0.1).distill(np.eye(3), t),
    ],
)
def test_rounds_that_were_never_meant_are_refused_before_any_is_made(call):
    with pytest.raises(InputError, match=r"must be a whole number between \d and 100000; got 1000000000000"):
        call(Spectrum.from_gram(np.eye(3), [1.0, 2.0, 3.0]), 10**12)


def test_filters_that_do_not_fit_are_refused_before_any_round(monkeypatch):
    monkeypatch.setattr("selfdistill.theory.spectra.memory_cost.available_memory", lambda: 2**28)
    spectrum = Spectrum.from_eigenvalues(np.linspace(1, 2, 1000), np.ones(1000))
    for call in (
        lambda: distill_with_ridge(spectrum, 0.1, 90_000),
        lambda: distill_to_tolerance(spectrum, 1e-10, 80_000),
    ):
        with pytest.raises(
            TooLargeError, match=r"keeping the filters of .* rounds needs about .* Ask for fewer"
        ):
            call()
    assert distill_to_tolerance(
        spectrum, 0.3, 10**9
    ).collapsed  # as many as allowed are not as many as needed
