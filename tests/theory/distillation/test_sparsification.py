"""Ratios of filters, their bounds and what survives, over spectra of fourteen decades (M9-M12, M16)."""

import itertools

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfdistill.theory import (
    InputError,
    Spectrum,
    adjacent_ratios,
    distill_to_tolerance,
    distill_with_ridge,
    effective_basis_size,
    sparsity_index,
)
from selfdistill.theory.distillation.sparsification import (
    distinct_eigenvalues,
    early_stopping_ratio_limit,
    near_interpolation_limit,
    ratio_bound,
)

from ..made_spectra import epsilon_for_ratio, ratios, spectra

PAPER = [1.0, 2.0, 4.0, 5.0]


def log_filters(multipliers, eigenvalues):
    """log B_t from the multipliers alone, (T, n): small ratios keep their digits."""
    return -np.cumsum(np.log1p(np.asarray(multipliers)[:, None] / np.asarray(eigenvalues)), axis=0)


@settings(max_examples=120, deadline=None)
@given(spectra(min_size=2), st.floats(1.5, 200), st.integers(1, 40))
def test_m9_the_paper_s_bound_on_every_pair(spectrum, margin, rounds):
    # r_0 far enough from 1 that the bound is proved for several rounds, whatever the condition number.
    r = 1 + margin * spectrum.condition_number
    run = distill_to_tolerance(spectrum, epsilon_for_ratio(spectrum, r), max_rounds=rounds)
    d, b = spectrum.eigenvalues, log_filters(run.multipliers, spectrum.eigenvalues)
    proved = int(min(run.rounds, margin))
    for t in range(1, proved + 1):
        for j, k in itertools.combinations(range(len(d)), 2):
            one_round = np.log1p((d[0] / d[j] - d[0] / d[k]) / (r - 1 + d[0] / d[k]))
            # The bound is met with equality by pairs at the ends of the spectrum, up to its rounding.
            assert b[t - 1, k] - b[t - 1, j] >= t * one_round * (1 - 1e-8) - 1e-14 * t


@settings(max_examples=100, deadline=None)
@given(spectra(min_size=2), st.floats(1.1, 100), st.integers(1, 9))
def test_ratio_bound_is_the_formula_of_m9(spectrum, r, t):
    d = spectrum.eigenvalues[distinct_eigenvalues(spectrum.eigenvalues)]
    with mpmath.workdps(40):
        scaled = [mpmath.mpf(r) - 1 + mpmath.mpf(d[0]) / mpmath.mpf(v) for v in d]
        expected = [float((a / b) ** t) for a, b in itertools.pairwise(scaled)]
    np.testing.assert_allclose(ratio_bound(spectrum.eigenvalues, r, t), expected, rtol=1e-12)


@settings(max_examples=120, deadline=None)
@given(spectra(min_size=2), ratios)
def test_m10_every_adjacent_ratio_and_the_sparsity_index_grow(spectrum, ratio):
    run = distill_to_tolerance(spectrum, epsilon_for_ratio(spectrum, ratio))
    d = spectrum.eigenvalues
    kept = distinct_eigenvalues(d)
    growth = np.log1p(run.multipliers[:, None] / d[kept][:-1]) - np.log1p(
        run.multipliers[:, None] / d[kept][1:]
    )
    measured = adjacent_ratios(run.filters, d)
    assert measured.shape == (run.rounds, len(kept) - 1)
    finite = run.filters[1:, kept][:, :-1] > np.finfo(float).tiny  # digits go as a filter underflows
    step = measured[1:][finite] / measured[:-1][finite]
    np.testing.assert_allclose(np.log(step), growth[1:][finite], rtol=1e-9, atol=1e-13)
    assert (step[growth[1:][finite] > 1e-14] > 1).all()
    index = sparsity_index(run.filters, d)
    assert (np.diff(np.log(index[np.isfinite(index)])) >= -1e-13).all()


@settings(max_examples=120, deadline=None)
@given(spectra(), ratios, st.floats(1e-9, 0.9))
def test_m16_the_basis_never_grows(spectrum, ratio, threshold):
    run = distill_to_tolerance(spectrum, epsilon_for_ratio(spectrum, ratio))
    counts = effective_basis_size(run.filters, threshold)
    expected = [sum(v > threshold for v in run.filter(t)) for t in range(1, run.rounds + 1)]
    assert counts.tolist() == expected
    assert (np.diff(counts) <= 0).all()


def test_m11_the_paper_s_example_near_interpolation():
    limits = near_interpolation_limit(PAPER)
    np.testing.assert_allclose(limits, [1.1052, 1.0513, 1.0101], atol=5e-5)
    spectrum = Spectrum.from_eigenvalues(PAPER, np.ones(4))
    r = 5001.0
    run = distill_to_tolerance(spectrum, 1 / r**2, max_rounds=1000)  # t = (r_0 − 1)/κ
    exact = adjacent_ratios(run.filters[-1], PAPER)
    np.testing.assert_allclose(exact, [1.2244, 1.1065, 1.0205], atol=5e-5)
    assert (exact >= limits).all()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0.05, 1), min_size=2, max_size=6, unique=True))
def test_m11_the_bound_tends_to_its_limit(eigenvalues):
    d = np.sort(eigenvalues)
    kappa = d[-1] / d[0]
    limit = np.log(near_interpolation_limit(d))
    errors = []
    for rounds in (10**4, 10**6):
        bound = np.log(ratio_bound(d, 1 + kappa * rounds, rounds))
        errors.append(np.abs(bound - limit).max(initial=0.0))
    # First order in 1/t; differences below rounding times t are not told apart.
    assert errors[1] <= errors[0] / 50 + 1e-9


@settings(max_examples=120, deadline=None)
@given(spectra(min_size=2), st.floats(-20, 20).map(lambda e: 10.0**e))
def test_m12_one_round_never_passes_the_ratio_of_eigenvalues(spectrum, ridge):
    one = adjacent_ratios(distill_with_ridge(spectrum, ridge, 1).filters[0], spectrum.eigenvalues)
    assert (one <= early_stopping_ratio_limit(spectrum.eigenvalues) * (1 + 1e-12)).all()
    assert (one >= 1 - 1e-15).all()


@settings(max_examples=50, deadline=None)
@given(spectra(min_size=2))
def test_m12_the_limit_is_reached_as_the_tolerance_grows(spectrum):
    far = adjacent_ratios(distill_with_ridge(spectrum, 1e20, 1).filters[0], spectrum.eigenvalues)
    np.testing.assert_allclose(far, early_stopping_ratio_limit(spectrum.eigenvalues), rtol=1e-12)


def test_m12_self_distillation_passes_it():
    run = distill_to_tolerance(Spectrum.from_eigenvalues(PAPER, np.ones(4)), 1 / 12**2)
    assert (adjacent_ratios(run.filters[-1], PAPER) > early_stopping_ratio_limit(PAPER)).all()


def test_sparsity_index_is_the_least_ratio_over_distinct_positive_eigenvalues():
    d = [0.0, 1.0, 1.0, 2.0, 8.0]
    b = [0.0, 0.1, 0.1, 0.2, 0.3]
    assert sparsity_index(b, d) == pytest.approx(1.5)
    np.testing.assert_allclose(adjacent_ratios(b, d), [2.0, 1.5])
    np.testing.assert_allclose(sparsity_index([b, b], d), [1.5, 1.5])
    assert distinct_eigenvalues([0.0, 1.0, 1.0 + 1e-12, 2.0]).tolist() == [1, 3]


@pytest.mark.parametrize("d", [[3.0], [0.0, 3.0], [2.0, 2.0], [0.0, 0.0]])
def test_with_fewer_than_two_distinct_eigenvalues_nothing_is_told_apart(d):
    assert sparsity_index(np.full(len(d), 0.5), d) == 1.0
    assert sparsity_index(np.full((3, len(d)), 0.5), d).tolist() == [1.0, 1.0, 1.0]


def test_a_filter_that_underflowed_is_infinitely_sparse():
    assert adjacent_ratios([0.0, 0.5], [1.0, 2.0]).tolist() == [np.inf]


def test_no_rounds_give_no_rows():
    assert effective_basis_size(np.empty((0, 3))).shape == (0,)
    assert sparsity_index(np.empty((0, 3)), [1.0, 2.0, 3.0]).shape == (0,)
    assert effective_basis_size([0.5, 1e-4, 1e-3]) == 1


@pytest.mark.parametrize("threshold", [0.0, -1.0, np.nan, "small"])
def test_the_threshold_is_a_positive_number(threshold):
    with pytest.raises(InputError, match="threshold"):
        effective_basis_size([0.5], threshold)


def test_filters_and_eigenvalues_must_match():
    with pytest.raises(InputError, match="one column an eigenvalue"):
        adjacent_ratios([0.5, 0.6], [1.0, 2.0, 3.0])
    with pytest.raises(InputError, match="filters"):
        adjacent_ratios([np.nan, 0.6], [1.0, 2.0])
