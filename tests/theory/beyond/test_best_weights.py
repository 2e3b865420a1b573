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
)

N, RIDGE = 24, 0.004


@pytest.fixture
def problem(rng):
    x = np.sort(rng.uniform(size=N))
    gram = np.exp(-60 * (x[:, None] - x) ** 2)
    return gram, np.sin(7 * x) + 0.5 * rng.normal(size=N)


def left_out_error(gram, y, weights):
    """Mean squared error of runs that are refitted without each sample."""
    errors = []
    for i in range(N):
        others = np.arange(N) != i
        inner, fit = gram[np.ix_(others, others)], y[others]
        for weight in weights:
            dual = np.linalg.solve(inner + N * RIDGE * np.eye(N - 1), weight * y[others] + (1 - weight) * fit)
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
    with pytest.raises(InputError, match="rounds"):
        best_ground_truth_weights(Spectrum.from_gram(*problem), RIDGE, 0)
