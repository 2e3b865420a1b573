"""What distillation cannot run on is refused by name: tolerances, penalties, grams in place of spectra."""

import numpy as np
import pytest
import torch

from selfdistill.theory import (
    ClusteredFeatures,
    InfeasibleToleranceError,
    InputError,
    SelfDistilledKernelRidge,
    SoftmaxRegression,
    Spectrum,
    collapse_bounds,
    distill_grid,
    distill_linearised,
    distill_ridge_grid,
    distill_to_tolerance,
    distill_with_ridge,
    fit_softmax_regression,
    generalization_bound,
    ground_truth_limit,
    leave_one_out_outputs,
    one_round_kernel,
    progressive_trajectory,
)
from selfdistill.theory.distillation.collapse import rounds_bounds


@pytest.fixture
def small():
    return Spectrum.from_eigenvalues([1.0, 2.0], [1.0, 1.0])


@pytest.mark.parametrize("epsilon", [0, -0.1, float("nan"), float("inf"), "small", None, [0.1, 0.2]])
def test_epsilon_must_be_a_positive_number(small, epsilon):
    with pytest.raises(InputError, match="epsilon must be"):
        distill_to_tolerance(small, epsilon)


@pytest.mark.parametrize(
    "call",
    [
        lambda gram: distill_to_tolerance(gram, 0.1),
        lambda gram: distill_with_ridge(gram, 0.1, 2),
        lambda gram: ground_truth_limit(gram, 0.1, 0.5),
        lambda gram: collapse_bounds(gram, 0.1),
        lambda gram: rounds_bounds(gram, 0.1),
        lambda gram: distill_grid(gram, [0.1, 0.2]),
        lambda gram: distill_ridge_grid(gram, [0.1, 0.2], 3),
        lambda gram: progressive_trajectory(gram, [0.1, 0.2], 0.1),
        lambda gram: distill_linearised(gram, 0.1, 2),
        lambda gram: leave_one_out_outputs(gram, 0.1),
        lambda gram: SoftmaxRegression.from_spectrum(gram, 0.1),
    ],
)
@pytest.mark.parametrize("value", [np.eye(3), torch.eye(3), [[1.0]], None])
def test_a_gram_in_place_of_its_spectrum_is_refused(call, value):
    with pytest.raises(
        InputError, match=r"spectrum must be a Spectrum; got \w+. .*Spectrum.from_gram\(gram, targets\)"
    ):
        call(value)


@pytest.mark.parametrize(
    "call", [lambda run: one_round_kernel(run, 1), lambda run: generalization_bound(run, 1)]
)
def test_a_spectrum_in_place_of_a_run_is_refused(small, call):
    with pytest.raises(InputError, match="trajectory must be a Trajectory; got Spectrum"):
        call(small)


def test_numbers_as_text_are_read_the_same_way_everywhere(small):
    run, text = distill_to_tolerance(small, 0.1), distill_to_tolerance(small, "0.1")
    np.testing.assert_array_equal(run.target_norms, text.target_norms)
    assert text.epsilon == 0.1
    assert collapse_bounds(small, "0.1") == collapse_bounds(small, 0.1)
    assert ground_truth_limit(small, "0.1", "0.5").multipliers == [0.2]
    with pytest.raises(InfeasibleToleranceError):
        Spectrum.from_gram(np.ones((2, 2)), [0.0, 1.0]).check_feasible("0.1")
    fits = [fit_softmax_regression(np.eye(2), np.eye(2), ridge, linearised=True) for ridge in (0.1, "0.1")]
    np.testing.assert_array_equal(fits[0].dual, fits[1].dual)
    with pytest.warns(UserWarning, match=r"past collapse: after 1 fits at epsilon=0\.5"):
        SelfDistilledKernelRidge(epsilon="0.5", rounds=9).fit(np.eye(2), [1.0, -1.0])
    model = ClusteredFeatures(3, 5, 0.4, 0.1, "0.1")
    assert model.smoother_eigenvalues() == pytest.approx(
        ClusteredFeatures(3, 5, 0.4, 0.1, 0.1).smoother_eigenvalues()
    )


@pytest.mark.parametrize("max_rounds", [-1, 1.5, "2", True])
def test_max_rounds_must_be_a_count(small, max_rounds):
    with pytest.raises(InputError, match="max_rounds must be a whole number"):
        distill_to_tolerance(small, 0.1, max_rounds=max_rounds)
    with pytest.raises(InputError, match="max_rounds must be a whole number"):
        distill_grid(small, [0.1], max_rounds=max_rounds)


@pytest.mark.parametrize(
    ("ridge", "rounds", "message"),
    [
        (0.0, 3, "ridge"),
        (-1.0, 3, "ridge"),
        (np.nan, 3, "ridge"),
        ([0.1, 0.0], None, "every ridge must be above 0"),
        ([0.1, 0.2], 3, "one penalty a round"),
        ([[0.1]], None, "one penalty a round"),
        (0.1, None, "rounds must be given"),
        (0.1, -1, "rounds must be a whole number"),
        (0.1, 2.5, "rounds must be a whole number"),
    ],
)
def test_bad_penalties_are_refused(small, ridge, rounds, message):
    with pytest.raises(InputError, match=message):
        distill_with_ridge(small, ridge, rounds)


@pytest.mark.parametrize("weight", [-0.1, 1.1, np.nan, "all"])
def test_the_ground_truth_weight_is_a_fraction(small, weight):
    with pytest.raises(InputError, match="ground_truth_weight must"):
        distill_with_ridge(small, 0.1, 2, ground_truth_weight=weight)


def test_without_ground_truth_there_is_no_ridge_limit(small):
    with pytest.raises(InputError, match="tend to zero"):
        ground_truth_limit(small, 0.1, 0.0)


def test_a_round_that_is_not_there_is_refused(small):
    run = distill_with_ridge(small, 0.1, 2)
    with pytest.raises(InputError, match="past the last fit"):
        run.fitted(3)
    with pytest.raises(InputError, match="t must be"):
        run.fitted(-1)
    with pytest.raises(InputError, match="t must be"):
        run.dual(0)
    with pytest.raises(InputError, match="t must be"):
        run.predict(np.ones((1, 2)), 0)
    with pytest.raises(InputError, match="fixed training error"):
        _ = run.ratios


@pytest.mark.parametrize("cross", [np.ones((3, 3)), np.ones(2), [[1.0, np.nan]]])
def test_new_points_need_one_column_a_training_point(small, cross):
    with pytest.raises(InputError, match="cross_gram"):
        distill_with_ridge(small, 0.1, 1).predict(cross, 1)
