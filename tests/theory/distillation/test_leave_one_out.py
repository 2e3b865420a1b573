"""Left-out predictions of every round, against runs that are made anew without each sample."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge
from sklearn.metrics.pairwise import rbf_kernel

from selfdistill.theory import (
    InputError,
    Spectrum,
    distill_to_tolerance,
    distill_with_ridge,
    leave_one_out,
    leave_one_out_errors,
    left_out_weights,
    progressive_weight,
)


def refitted(gram, targets, ridges, weights):
    """n runs with n − 1 samples each, by a general solver; the raw penalty n·c is that of the whole run."""
    n = len(gram)
    y = targets.reshape(n, -1)
    out = np.empty((len(ridges), *y.shape))
    for i in range(n):
        others = np.delete(np.arange(n), i)
        inner, cross = gram[np.ix_(others, others)], gram[i, others]
        previous = y[others]
        for t, (ridge, weight) in enumerate(zip(ridges, weights, strict=True)):
            goal = weight * y[others] + (1 - weight) * previous
            dual = np.linalg.solve(inner + n * ridge * np.eye(n - 1), goal)
            previous, out[t, i] = inner @ dual, cross @ dual
    return out.reshape(len(ridges), *targets.shape)


def problem(rng, n=30, outputs=None):
    x = rng.normal(size=(n, 3))
    shape = (n,) if outputs is None else (n, outputs)
    return x, rbf_kernel(x, gamma=0.4), rng.normal(size=shape)


@pytest.mark.parametrize("outputs", [None, 1, 4])
@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_equals_refits_in_every_round(rng, outputs, weight):
    _, gram, y = problem(rng, outputs=outputs)
    found = leave_one_out(Spectrum.from_gram(gram, y), 0.01, 6, weight)
    assert found.shape == (6, *y.shape)
    np.testing.assert_allclose(found, refitted(gram, y, [0.01] * 6, [weight] * 6), rtol=0, atol=1e-11)


@given(st.data())
def test_equals_refits_for_any_penalties_and_weights(data):
    rounds = data.draw(st.integers(1, 5))
    ridges = data.draw(st.lists(st.floats(-5, 1).map(lambda e: 10.0**e), min_size=rounds, max_size=rounds))
    weights = data.draw(st.lists(st.floats(0, 1), min_size=rounds, max_size=rounds))
    _, gram, y = problem(np.random.default_rng(data.draw(st.integers(0, 99))), n=12)
    found = leave_one_out(Spectrum.from_gram(gram, y), ridges, ground_truth_weight=weights)
    expected = refitted(gram, y, ridges, weights)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10 * max(1, np.abs(expected).max(initial=0)))


def test_one_round_is_what_scikit_learn_gives_without_the_sample(rng):
    x, gram, y = problem(rng, n=15)
    found = leave_one_out(Spectrum.from_gram(gram, y), 0.02, 1)[0]
    for i in range(15):
        others = np.delete(np.arange(15), i)
        model = KernelRidge(kernel="rbf", gamma=0.4, alpha=15 * 0.02).fit(x[others], y[others])
        assert found[i] == pytest.approx(model.predict(x[[i]])[0], abs=1e-12)


def test_progressive_targets(rng):
    _, gram, y = problem(rng)
    weights = [1 - progressive_weight(t, 5, final=0.8) for t in range(1, 6)]
    found = leave_one_out(Spectrum.from_gram(gram, y), 0.003, 5, weights)
    np.testing.assert_allclose(found, refitted(gram, y, [0.003] * 5, weights), rtol=0, atol=1e-11)


def test_penalties_of_a_run_to_a_tolerance(rng):
    _, gram, y = problem(rng)
    run = distill_to_tolerance(Spectrum.from_gram(gram, y), 0.1)
    found = leave_one_out(run.spectrum, run.multipliers)
    np.testing.assert_allclose(
        found, refitted(gram, y, run.multipliers, [0] * run.rounds), rtol=0, atol=1e-10
    )


@pytest.mark.parametrize("shape", [(40, 4), (12, 30)])
def test_features_equal_refits(rng, shape):
    features, y = rng.normal(size=shape), rng.normal(size=(shape[0], 2))
    features[:, -1] = features[:, 0]  # rank-deficient
    found = leave_one_out(Spectrum.from_features(features, y), 0.01, 4, 0.2)
    expected = refitted(features @ features.T, y, [0.01] * 4, [0.2] * 4)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-11)


@pytest.mark.parametrize("penalty", [1e-6, 1e-9, 1e-12])
def test_tiny_penalties_against_sixty_digits(rng, penalty):
    """A gram that a float64 solve could not tell from singular: the reference is solved with 60 digits."""
    n, rounds = 8, 4
    gram = rbf_kernel(rng.normal(size=(n, 2)), gamma=1.0)
    y = rng.normal(size=n)
    found = leave_one_out(Spectrum.from_gram(gram, y), penalty / n, rounds)
    with mpmath.workdps(60):
        for i in range(n):
            others = [j for j in range(n) if j != i]
            inner = mpmath.matrix(gram[np.ix_(others, others)].tolist())
            cross = mpmath.matrix(gram[[i]][:, others].tolist())
            previous = mpmath.matrix([mpmath.mpf(y[j]) for j in others])
            for t in range(rounds):
                dual = mpmath.lu_solve(inner + penalty * mpmath.eye(n - 1), previous)
                assert found[t, i] == pytest.approx(float((cross * dual)[0]), rel=1e-9, abs=1e-9)
                previous = inner * dual


def test_duplicated_points(rng):
    x, _, y = problem(rng, n=16)
    x[8:] = x[:8]
    gram = rbf_kernel(x, gamma=0.4)
    for ridge in (1e-2, 1e-5):
        found = leave_one_out(Spectrum.from_gram(gram, y), ridge, 5)
        np.testing.assert_allclose(found, refitted(gram, y, [ridge] * 5, [0] * 5), rtol=0, atol=1e-9)


@pytest.mark.parametrize("ridge", [1e-2, 1e-8, 1e-12])
def test_a_sample_that_alone_holds_a_feature_is_predicted_from_nothing(rng, ridge):
    """Its leverage is one: without it nothing is known of its direction, and the rest decides."""
    features = np.column_stack([rng.normal(size=20), np.zeros(20)])
    features[3] = [0.0, 5.0]
    y = rng.normal(size=20)
    found = leave_one_out(Spectrum.from_features(features, y), ridge, 3)
    np.testing.assert_allclose(found[:, 3], 0, atol=1e-9)
    others = np.delete(np.arange(20), 7)
    alone = Ridge(alpha=20 * ridge, fit_intercept=False).fit(features[others], y[others])
    assert found[0, 7] == pytest.approx(alone.predict(features[[7]])[0], abs=1e-9)
    gram = Spectrum.from_gram(features @ features.T, y)
    np.testing.assert_allclose(leave_one_out(gram, ridge, 3)[:, 3], 0, atol=1e-9)


def test_a_huge_kernel_value_beside_small_ones(rng):
    gram = rbf_kernel(rng.normal(size=(10, 2)))
    gram[4] = gram[:, 4] = 0.0
    gram[4, 4] = 1e8
    found = leave_one_out(Spectrum.from_gram(gram, rng.normal(size=10)), 1e-3, 3)
    np.testing.assert_allclose(found[:, 4], 0, atol=1e-9)


def test_a_diagonal_gram_knows_nothing_of_a_sample_left_out(rng):
    spectrum = Spectrum.from_eigenvalues([1.0, 2.0, 5.0], [1.0, -2.0, 3.0])
    np.testing.assert_allclose(leave_one_out(spectrum, 0.1, 3), 0, atol=1e-15)


def test_errors_of_a_grid(rng):
    _, gram, y = problem(rng, outputs=3)
    spectrum, ridges = Spectrum.from_gram(gram, y), [1e-4, 1e-2, 1.0]
    errors = leave_one_out_errors(spectrum, ridges, 5)
    for row, ridge in zip(errors, ridges, strict=True):
        squares = (refitted(gram, y, [ridge] * 5, [0] * 5) - y) ** 2
        np.testing.assert_allclose(row, squares.sum(axis=2).mean(axis=1), rtol=1e-9)


def test_tensors_give_tensors(rng):
    _, gram, y = problem(rng)
    spectrum = Spectrum.from_gram(torch.tensor(gram), torch.tensor(y))
    found = leave_one_out(spectrum, 0.01, 3)
    assert isinstance(found, torch.Tensor)
    np.testing.assert_allclose(found.numpy(), leave_one_out(Spectrum.from_gram(gram, y), 0.01, 3), atol=1e-12)


def test_no_memory_of_the_order_of_the_grid(rng):
    """Nothing as large as the gram is made beside the eigenvectors, however many penalties are compared."""
    import tracemalloc

    n, outputs, rounds = 1500, 4, 8
    spectrum = Spectrum.from_gram(
        rbf_kernel(rng.normal(size=(n, 6)), gamma=0.1), rng.normal(size=(n, outputs))
    )
    tracemalloc.start()
    leave_one_out_errors(spectrum, np.logspace(-6, 0, 13), rounds)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    block = 3 * 32 * 2**20
    assert peak < block + 20 * 8 * n * outputs * rounds


@pytest.mark.parametrize("low_rank", [False, True])
def test_groups_are_left_out_together(rng, low_rank):
    x, gram, y = problem(rng, n=20, outputs=2)
    groups = np.array(["b", "a", "c", "d"])[rng.permutation(np.arange(20) % 4)]
    if low_rank:
        gram = x @ x.T
    spectrum = Spectrum.from_features(x, y) if low_rank else Spectrum.from_gram(gram, y)
    found = leave_one_out(spectrum, 0.01, 4, 0.2, groups=groups)
    for group in "abcd":
        out = groups == group
        run = distill_with_ridge(Spectrum.from_gram(gram[~out][:, ~out], y[~out]), 20 / 15 * 0.01, 4, 0.2)
        for t in range(1, 5):
            np.testing.assert_allclose(found[t - 1, out], run.predict(gram[out][:, ~out], t), atol=1e-11)
    alone = leave_one_out(spectrum, 0.01, 4, 0.2, groups=np.arange(20))
    np.testing.assert_allclose(alone, leave_one_out(spectrum, 0.01, 4, 0.2), atol=1e-12)


@pytest.mark.parametrize("low_rank", [False, True])
def test_weights_of_the_others_make_the_prediction(rng, low_rank):
    x, gram, y = problem(rng, n=12, outputs=2)
    spectrum = Spectrum.from_features(x, y) if low_rank else Spectrum.from_gram(gram, y)
    predictions = leave_one_out(spectrum, 0.01, 3)[-1]
    for i in (0, 7):
        weights = left_out_weights(spectrum, 0.01, 3, i)
        assert weights[i] == 0
        np.testing.assert_allclose(weights @ y, predictions[i], atol=1e-12)


def test_mistakes_are_named(rng):
    _, gram, y = problem(rng, n=40)
    spectrum = Spectrum.from_gram(gram, y)
    with pytest.raises(InputError, match="Krylov"):
        leave_one_out(Spectrum.krylov(gram, y), 0.1, 2)
    with pytest.raises(InputError, match=r"must be a Spectrum; got ndarray"):
        leave_one_out(gram, 0.1, 2)
    with pytest.raises(InputError, match="above 0"):
        leave_one_out(spectrum, 0.0, 2)
    with pytest.raises(InputError, match=r"every ground_truth_weight must lie in \[0, 1\]; got 2"):
        leave_one_out(spectrum, 0.1, 2, [0, 2])
    with pytest.raises(InputError, match="one weight a round"):
        leave_one_out(spectrum, 0.1, 2, [0.1])
    with pytest.raises(InputError, match=r"group of each of the 40 samples"):
        leave_one_out(spectrum, 0.1, 2, groups=[1, 2])
    with pytest.raises(InputError, match=r"at least two groups"):
        leave_one_out(spectrum, 0.1, 2, groups=[1] * 40)
    with pytest.raises(InputError, match=r"sample must be a whole number between 0 and 39; got 40"):
        left_out_weights(spectrum, 0.1, 2, 40)
    with pytest.raises(InputError, match="vector of penalties"):
        leave_one_out_errors(spectrum, [], 2)
