"""The best weight of the given targets, against a line search over refits without each sample."""

import numpy as np
import pytest
import scipy.optimize

from selfdistill.theory import (
    FixedRidge,
    InputError,
    Spectrum,
    best_ground_truth_weights,
    best_mixture_weight,
    distill,
    distill_with_ridge,
    leave_one_out,
)

N, RIDGE = 24, 0.004


@pytest.fixture
def problem(rng):
    x = np.sort(rng.uniform(size=N))
    gram = np.exp(-60 * (x[:, None] - x) ** 2)
    return gram, np.sin(7 * x) + 0.5 * rng.normal(size=N)


def left_out_error(gram, y, weights, ridges=(RIDGE,) * 9):
    """Mean squared error of runs that are refitted without each sample."""
    errors = []
    for i in range(N):
        others = np.arange(N) != i
        inner, fit = gram[np.ix_(others, others)], y[others]
        for weight, ridge in zip(weights, ridges, strict=False):
            dual = np.linalg.solve(inner + N * ridge * np.eye(N - 1), weight * y[others] + (1 - weight) * fit)
            fit = inner @ dual
        errors.append((gram[i, others] @ dual - y[i]) ** 2)
    return np.mean(errors)


def test_each_weight_is_that_of_a_line_search_over_refits(problem):
    gram, y = problem
    weights = best_ground_truth_weights(Spectrum.from_gram(gram, y), RIDGE, 4)
    assert weights[0] == 1
    for t in range(1, 4):
        found = scipy.optimize.minimize_scalar(
            lambda w, t=t: left_out_error(gram, y, [*weights[:t], w]), bounds=(0, 1), method="bounded",
            options={"xatol": 1e-9},
        )  # fmt: skip
        assert weights[t] == pytest.approx(found.x, abs=1e-5)


@pytest.mark.parametrize(("ridges", "unbounded"), [([RIDGE] * 3, False), ([1e-3, 0.3, 0.1], True)])
def test_best_is_a_setting_of_the_schedule(problem, ridges, unbounded):
    gram, y = problem
    schedule = FixedRidge(ridges, ground_truth_weight="best", unbounded=unbounded)
    run = distill(Spectrum.from_gram(gram, y), schedule)
    chosen = [1.0]
    for _ in ridges[1:]:
        search = {"bounds": (0, 1), "method": "bounded"} if not unbounded else {"bracket": (0, 1)}
        found = scipy.optimize.minimize_scalar(
            lambda w: left_out_error(gram, y, [*chosen, w], ridges), **search,
            options={"xatol": 1e-9} if not unbounded else None,
        )  # fmt: skip
        chosen.append(found.x)
    np.testing.assert_allclose(run.given_weights, chosen, atol=2e-5)
    if unbounded:
        assert min(chosen) < 0 or max(chosen) > 1
    given = distill(run.spectrum, FixedRidge(ridges, ground_truth_weight=run.given_weights, unbounded=True))
    np.testing.assert_array_equal(run.filters, given.filters)
    if not unbounded:
        errors = np.mean((leave_one_out(run.spectrum, RIDGE, 3, "best") - y) ** 2, axis=1)
        assert errors[-1] == pytest.approx(left_out_error(gram, y, chosen, ridges))
        np.testing.assert_array_equal(
            distill_with_ridge(run.spectrum, RIDGE, 3, "best").given_weights, run.given_weights
        )


def test_earlier_weights_do_not_depend_on_later_rounds(problem):
    spectrum = Spectrum.from_gram(*problem)
    long, short = (best_ground_truth_weights(spectrum, RIDGE, t) for t in (7, 3))
    np.testing.assert_array_equal(long[:3], short)


def test_no_round_needs_no_weight(problem):
    assert distill_with_ridge(Spectrum.from_gram(*problem), RIDGE, 0, "best").rounds == 0


def test_where_no_weight_matters_it_is_one():
    """On single directions a sample says nothing of another: every left-out prediction is zero."""
    weights = best_ground_truth_weights(Spectrum.from_eigenvalues([1.0, 2.0], [3.0, 1.0]), 0.1, 3)
    np.testing.assert_array_equal(weights, 1)


def test_students_are_linear_in_their_weight(problem):
    gram, y = problem
    spectrum = Spectrum.from_gram(gram, y)

    def student(weight):
        return distill(spectrum, FixedRidge(RIDGE, 3, [1, 0.3, weight], unbounded=True)).fitted(3)

    first = distill(spectrum, FixedRidge(RIDGE, 1)).fitted(1)
    for weight in (-0.5, 0.4, 1.7):
        np.testing.assert_allclose(student(weight), weight * first + (1 - weight) * student(0), atol=1e-10)


def test_weights_past_the_limits_are_clipped_unless_told_otherwise():
    first, pure = np.array([1.0, 0.0]), np.array([0.0, 0.0])
    assert best_mixture_weight(first, pure, [3.0, 1.0]) == 1
    assert best_mixture_weight(first, pure, [-3.0, 1.0]) == 0
    assert best_mixture_weight(first, pure, [3.0, 1.0], clip=False) == 3


def test_bad_input(problem):
    with pytest.raises(InputError, match="one shape"):
        best_mixture_weight([1.0], [1.0, 2.0], [1.0, 2.0])
    with pytest.raises(InputError, match="the same predictions"):
        best_mixture_weight([1.0, 2.0], [1.0, 2.0], [1.0, 3.0])
    with pytest.raises(InputError, match="Krylov"):
        best_ground_truth_weights(Spectrum.krylov(*problem), RIDGE, 3)
    with pytest.raises(InputError, match='ground_truth_weight="best" needs every eigenvalue'):
        distill_with_ridge(Spectrum.krylov(*problem), RIDGE, 3, "best")
    with pytest.raises(InputError, match=r"in \[0, 1\], one weight a round, or \"best\"; got 'good'"):
        FixedRidge(RIDGE, 3, "good")
    with pytest.raises(InputError, match="left out one by one, not in groups"):
        leave_one_out(Spectrum.from_gram(*problem), RIDGE, 3, "best", groups=np.arange(N) // 2)
    with pytest.raises(InputError, match="rounds"):
        best_ground_truth_weights(Spectrum.from_gram(*problem), RIDGE, 0)
