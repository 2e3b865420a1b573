"""The Krylov path against the full factorisation, whatever its products come from."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import scipy.sparse
from scipy.sparse.linalg import LinearOperator
from sklearn.kernel_ridge import KernelRidge
from sklearn.metrics.pairwise import rbf_kernel

from selfdistill.theory import (
    IndefiniteGramError,
    InfeasibleToleranceError,
    InputError,
    KrylovAccuracyWarning,
    KrylovNotConvergedError,
    Spectrum,
    collapse_bounds,
    distill_grid,
    distill_ridge_grid,
    distill_to_tolerance,
    distill_with_ridge,
    progressive_trajectory,
)

from .krylov_cases import N, errors, problem


def test_a_few_products_serve_all_rounds():
    _, gram, y = problem(1)
    count = 0

    def product(v):
        nonlocal count
        count += 1
        return gram @ v

    run = distill_to_tolerance(Spectrum.krylov(product, y), 0.2 * np.mean(y**2))
    assert run.collapsed
    assert run.rounds > 1
    assert run.spectrum.products == run.spectrum.passes == count
    assert count < N / 4


def test_every_source_of_products_gives_the_same_run():
    x, gram, y = problem(2)
    epsilon = 0.3 * np.mean(y**2)
    exact = distill_to_tolerance(Spectrum.from_gram(gram, y), epsilon)
    sources = {
        "list": (gram.tolist(), {}),
        "fortran": (np.asfortranarray(gram), {}),
        "view": (np.pad(gram, 3)[3:-3, 3:-3], {}),
        "operator": (LinearOperator(gram.shape, matvec=lambda v: gram @ v, dtype=float), {}),
        "sparse": (scipy.sparse.csr_array(gram), {}),
        "callable": (lambda v: gram @ v, {}),
        "kernel": (lambda a, b: rbf_kernel(a, b, gamma=0.3), {"points": x}),
    }
    for gram_like, more in sources.values():
        run = distill_to_tolerance(Spectrum.krylov(gram_like, y, **more), epsilon)
        assert max(errors(run, exact)) < 1e-8


def test_a_kernel_is_evaluated_in_tiles_of_one_triangle(monkeypatch):
    monkeypatch.setattr("selfdistill.theory.spectra.gram_products.TILE_BYTES", 8 * 3 * 70**2)
    x, gram, y = problem(3)
    evaluated, largest = 0, 0

    def kernel(a, b):
        nonlocal evaluated, largest
        evaluated += len(a) * len(b)
        largest = max(largest, len(a) * len(b))
        return rbf_kernel(a, b, gamma=0.3)

    spectrum = Spectrum.krylov(kernel, y, points=x)
    assert largest <= 70**2
    assert evaluated < 0.7 * spectrum.passes * N**2
    epsilon = 0.4 * np.mean(y**2)
    exact = distill_to_tolerance(Spectrum.from_gram(gram, y), epsilon)
    assert max(errors(distill_to_tolerance(spectrum, epsilon), exact)) < 1e-8


@pytest.mark.parametrize("one_hot", [False, True])
def test_several_outputs_share_a_block(one_hot):
    _, gram, y = problem(4, outputs=3)
    if one_hot:  # centred one-hot targets are linearly dependent
        y = np.eye(4)[np.digitize(y[:, 0], [-0.7, 0.0, 0.7])]
        y -= y.mean(axis=0)
    spectrum = Spectrum.krylov(gram, y)
    epsilon = 0.6 * np.sum(y**2) / N
    run = distill_to_tolerance(spectrum, epsilon)
    assert max(errors(run, distill_to_tolerance(Spectrum.from_gram(gram, y), epsilon))) < 1e-8
    assert run.spectrum.products == 3 * run.spectrum.passes
    assert run.fitted(1).shape == y.shape


def test_it_agrees_with_refitting_scikit_learn_and_predicts():
    x, gram, y = problem(5)
    run = distill_to_tolerance(Spectrum.krylov(gram, y), 0.3 * np.mean(y**2))
    cross = rbf_kernel(np.random.default_rng(1).standard_normal((20, 3)), x, gamma=0.3)
    targets = y
    for t, c in enumerate(run.multipliers, start=1):
        model = KernelRidge(kernel="precomputed", alpha=N * c).fit(gram, targets)
        np.testing.assert_allclose(run.predict(cross, t), model.predict(cross), atol=1e-6)
        targets = model.predict(gram)


def test_bounds_promise_nothing_that_the_products_do_not_show():
    _, gram, y = problem(6)
    epsilon = 0.2 * np.mean(y**2)
    exact = collapse_bounds(Spectrum.from_gram(gram, y), epsilon)
    bounds = collapse_bounds(Spectrum.krylov(gram, y), epsilon)
    assert bounds.exact == exact.exact
    assert bounds.lower == pytest.approx(exact.lower)
    assert np.isnan(bounds.paper_lower)
    assert np.isnan(bounds.condition_number)
    assert bounds.condition_number_bounds[0] <= exact.condition_number
    assert bounds.upper >= exact.upper
    spectrum = distill_to_tolerance(Spectrum.krylov(gram, y), epsilon).spectrum
    assert spectrum.condition_number_bounds[1] == np.inf
    with pytest.raises(InputError, match="not known"):
        _ = spectrum.condition_number
    eigenvalues = np.linalg.eigvalsh(gram) / N
    for a, b in spectrum.basis.eigenvalue_bounds:
        assert ((a - 1e-12 <= eigenvalues) & (eigenvalues <= b + 1e-12)).any()


def test_the_condition_number_is_bounded_and_not_guessed():
    _, gram, y = problem(15)
    gram = gram + np.eye(N)
    spectrum = distill_to_tolerance(Spectrum.krylov(gram, y, tolerance=1e-3), 0.9 * np.mean(y**2)).spectrum
    assert not spectrum.basis.invariant
    low, high = spectrum.condition_number_bounds
    assert 1 < low <= Spectrum.from_gram(gram, y).condition_number < high == np.inf


def test_other_targets_start_a_space_of_their_own():
    _, gram, y = problem(14)
    other = np.cos(3 * y)
    spectrum = Spectrum.krylov(gram, y).with_targets(other)
    epsilon = 0.5 * np.mean(other**2)
    exact = distill_to_tolerance(Spectrum.from_gram(gram, other), epsilon)
    assert max(errors(distill_to_tolerance(spectrum, epsilon), exact)) < 1e-8


def test_low_rank_is_found_out_and_then_all_is_exact(rng):
    features = rng.standard_normal((200, 6))
    y = features @ rng.standard_normal(6) + 0.1 * rng.standard_normal(200)
    spectrum = Spectrum.krylov(features @ features.T, y, tolerance=1e-9)
    dense = Spectrum.from_features(features, y)
    assert spectrum.basis.invariant
    assert spectrum.products <= 8
    assert spectrum.null_energy == pytest.approx(dense.null_energy, rel=1e-9)
    assert spectrum.positive_condition_number == pytest.approx(dense.positive_condition_number, rel=1e-9)
    with pytest.raises(InfeasibleToleranceError):
        distill_to_tolerance(spectrum, 0.9 * dense.least_feasible_epsilon)
    epsilon = 1.5 * dense.least_feasible_epsilon
    assert max(errors(distill_to_tolerance(spectrum, epsilon), distill_to_tolerance(dense, epsilon))) < 1e-9


def test_grids_extend_the_space_for_their_hardest_setting():
    _, gram, y = problem(7)
    dense, krylov = Spectrum.from_gram(gram, y), Spectrum.krylov(gram, y)
    epsilons = np.array([0.5, 0.15, 0.3]) * np.mean(y**2)
    a, b = distill_grid(krylov, epsilons), distill_grid(dense, epsilons)
    np.testing.assert_array_equal(a.rounds, b.rounds)
    np.testing.assert_allclose(a.multipliers, b.multipliers, rtol=1e-8)
    a, b = (distill_ridge_grid(s, [0.1, 0.001], 3) for s in (krylov, dense))
    np.testing.assert_allclose(a.target_norms, b.target_norms, rtol=1e-8)


def test_single_precision_says_what_it_can_do():
    _, gram, y = problem(8)
    epsilon = 0.3 * np.mean(y**2)
    exact = distill_to_tolerance(Spectrum.from_gram(gram, y), epsilon)
    run = distill_to_tolerance(Spectrum.krylov(gram.astype(np.float32), y), epsilon)
    assert run.fitted(1).dtype == np.float32
    assert max(errors(run, exact)) <= run.spectrum.error.largest <= 1e-3
    with pytest.warns(KrylovAccuracyWarning, match="float64"):
        strict = distill_to_tolerance(Spectrum.krylov(gram.astype(np.float32), y, tolerance=1e-12), epsilon)
    assert max(errors(strict, exact)) <= strict.spectrum.error.largest


def test_too_few_products_is_an_error_and_not_a_number():
    _, gram, y = problem(9)
    with pytest.raises(KrylovNotConvergedError, match="max_products"):
        distill_to_tolerance(Spectrum.krylov(gram, y, max_products=10), 0.05 * np.mean(y**2))


def test_targets_below_the_tolerance_are_collapsed_from_the_start():
    _, gram, y = problem(10)
    run = distill_to_tolerance(Spectrum.krylov(gram, y), 2 * np.mean(y**2))
    assert (run.rounds, run.collapsed) == (0, True)


@pytest.mark.parametrize("targets", [np.zeros(5), np.zeros((5, 2))])
def test_targets_of_zero_answer_as_on_the_factorisation(targets):
    """No product is made, and every fit is zero."""
    gram = np.eye(5) + 1
    krylov, dense = Spectrum.krylov(gram, targets), Spectrum.from_gram(gram, targets)
    for run in (
        lambda s: distill_with_ridge(s, 0.1, 2),
        lambda s: distill_with_ridge(s, 0.1, 2, 0.3),
        lambda s: distill_to_tolerance(s, 0.1),
        lambda s: progressive_trajectory(s, [0.1, 0.2], 1.0),
    ):
        here, there = run(krylov), run(dense)
        assert (here.rounds, here.collapsed) == (there.rounds, there.collapsed)
        np.testing.assert_array_equal(here.target_norms, there.target_norms)
        np.testing.assert_array_equal(here.fitted(here.rounds), there.fitted(there.rounds))
    np.testing.assert_array_equal(distill_grid(krylov, [0.1, 0.2]).rounds, [0, 0])
    assert collapse_bounds(krylov, 0.1).exact == 0
    other = distill_to_tolerance(krylov.with_targets(np.arange(5.0)), 0.1)
    expected = distill_to_tolerance(dense.with_targets(np.arange(5.0)), 0.1)
    np.testing.assert_allclose(other.multipliers, expected.multipliers, rtol=1e-8)


@pytest.mark.parametrize("as_callable", [False, True])
def test_what_is_no_gram_is_refused(as_callable, rng):
    _, gram, y = problem(11)

    def given(matrix):
        return (lambda v: matrix @ v) if as_callable else matrix

    skewed = gram.copy()
    skewed[3, 200] += 0.5
    with pytest.raises(InputError, match="symmetric"):
        Spectrum.krylov(given(skewed), y)
    with pytest.raises(IndefiniteGramError):
        Spectrum.krylov(given(gram - 0.5 * np.eye(N)), y)
    broken = gram.copy()
    broken[7, 7] = np.nan
    with pytest.raises(InputError, match="NaN"):
        Spectrum.krylov(given(broken), y)


def test_mismatched_arguments_are_refused():
    x, gram, y = problem(12)
    with pytest.raises(InputError, match="targets"):
        Spectrum.krylov(gram, y[:-1])
    with pytest.raises(InputError, match="square"):
        Spectrum.krylov(gram[:-1], y)
    with pytest.raises(InputError, match="kernel"):
        Spectrum.krylov(gram, y, points=x)
    with pytest.raises(InputError, match="kernel must return"):
        Spectrum.krylov(lambda a, b: np.ones(len(a)), y, points=x)
    with pytest.raises(InputError, match="tolerance"):
        Spectrum.krylov(gram, y, tolerance=0)
    for product in (
        lambda v: gram @ v[:, None],
        lambda v: v[:-1],
        lambda v: v @ v,
        lambda v: list(v),
        lambda v: None,
    ):
        with pytest.raises(InputError, match="product must return the gram times a vector"):
            Spectrum.krylov(product, y)
    with pytest.raises(InputError, match="targets"):
        Spectrum.krylov(lambda v: v, 3.0)
    with pytest.raises(InputError, match="gram must be an array without gaps"):
        Spectrum.krylov(np.ma.masked_less(gram, 0.5), y)


def test_it_stays_quiet_where_all_is_well():
    _, gram, y = problem(13)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        distill_to_tolerance(Spectrum.krylov(gram, y), 0.3 * np.mean(y**2))


def test_low_rank_takes_no_more_products_than_there_are_directions():
    rng = np.random.default_rng(5)
    features = rng.standard_normal((400, 30))
    y = features @ rng.standard_normal((30, 10)) + 0.1 * rng.standard_normal((400, 10))
    run = distill_with_ridge(Spectrum.krylov(features @ features.T, y), 1e-4, 2)
    assert run.spectrum.products <= 4 * 10 + 30
