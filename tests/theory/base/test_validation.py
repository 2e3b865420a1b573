"""Checks at the border: every wrong kind of value ends in one sentence, and rounding is no mistake."""

import mpmath
import numpy as np
import pytest
import torch
from sklearn.kernel_approximation import RBFSampler

from selfdistill.empirical.data.datasets import load
from selfdistill.theory import (
    ClusteredFeatures,
    IndefiniteGramError,
    InfeasibleToleranceError,
    InputError,
    Spectrum,
    corrupt_labels,
    corruption_matrix,
    fit_softmax_regression,
    fourier_features,
    relu_features,
)
from selfdistill.theory.base.validation import (
    as_generator,
    as_real_array,
    check_choice,
    check_count,
    check_fraction,
    check_nonnegative,
    check_positive,
    check_seeds,
    refuse_mask,
)

WRONG_NUMBERS = [
    None,
    "abc",
    {},
    [],
    [1.0, 2.0],
    [[1], [2, 3]],
    np.ones(3),
    np.ones(1),
    1j,
    10**400,
    np.ma.masked,
]


@pytest.mark.parametrize("value", WRONG_NUMBERS)
@pytest.mark.parametrize("check", [check_positive, check_nonnegative, check_fraction, check_count])
def test_what_is_no_number_is_named(check, value):
    with pytest.raises(InputError, match=r"^size must (be|lie)") as error:
        check(value, "size")
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 200


@pytest.mark.parametrize("value", [None, 3, ["rbf"], np.array(["rbf", "linear"]), {}])
def test_a_choice_is_text(value):
    with pytest.raises(InputError, match="kernel must be one of rbf, linear"):
        check_choice(value, "kernel", ("rbf", "linear"))


@pytest.mark.parametrize(
    "seeds", [None, 3, (), (0, 0), (1.5,), (-1,), (2**40,), ("a",), ([1],), np.arange(2)]
)
def test_seeds_that_a_results_file_cannot_hold_are_refused_before_training(seeds):
    with pytest.raises(InputError, match="seeds"):
        check_seeds(seeds)


# --- generators -----------------------------------------------------------------------------------

DRAWS = {
    "corrupt_labels": lambda rng: corrupt_labels([0, 1] * 20, corruption_matrix("symmetric", 2, 0.4), rng),
    "relu_features": lambda rng: relu_features(2, 4, rng)(np.eye(2)),
    "fourier_features": lambda rng: fourier_features(2, 4, 0.5, rng)(np.eye(2)),
    "draw_features": lambda rng: ClusteredFeatures(2, 3, 0.5, 0.1, 1.0).draw_features(5, rng),
    "load": lambda rng: load("two_moons", 8, 8, rng).inputs,
}


@pytest.mark.parametrize("name", DRAWS)
def test_seeds_and_generators_alike(name):
    draw = DRAWS[name]
    np.testing.assert_array_equal(draw(3), draw(np.random.default_rng(3)))
    assert (draw(3) != draw(np.int64(4))).any()
    for wrong in (None, -1, 1.5, "3", True, [0], np.random.RandomState(0)):
        with pytest.raises(InputError, match="rng must be a seed"):
            draw(wrong)


def test_a_generator_goes_on_and_is_not_copied():
    generator = np.random.default_rng(0)
    assert as_generator(generator) is generator


def test_fourier_features_are_those_of_scikit_learn(rng):
    """Given the same random numbers."""
    points = rng.normal(size=(6, 3))
    state = np.random.RandomState(np.random.default_rng(5).bit_generator)
    sampler = RBFSampler(gamma=0.7, n_components=9, random_state=state).fit(points)
    np.testing.assert_allclose(fourier_features(3, 9, 0.7, 5)(points), sampler.transform(points), rtol=1e-12)


def test_random_features_take_lists_and_refuse_what_has_another_shape():
    transform = relu_features(2, 3, 0)
    np.testing.assert_array_equal(transform([[1, 2]]), transform(np.array([[1.0, 2.0]])))
    for wrong in (None, "abc", [1.0, 2.0], [[1.0]], [[np.nan, 1.0]]):
        with pytest.raises(InputError, match="points"):
            transform(wrong)


# --- arrays ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [None, "abc", {}, [[1], [2, 3]], [10**400], [1j], [None], object()])
def test_what_is_no_array_of_numbers_is_named(value):
    with pytest.raises(InputError, match=r"^data "):
        as_real_array(value, "data")


def test_a_tensor_that_requires_gradients_is_an_array():
    tensor = torch.ones(3, requires_grad=True)
    np.testing.assert_array_equal(as_real_array(tensor, "data"), np.ones(3))


def test_masks_inside_a_list_are_seen():
    row = np.ma.array([1.0, 2.0], mask=[False, True])
    with pytest.raises(InputError, match="masked array with 1 masked entry"):
        refuse_mask([row, np.ones(2)], "data")


# --- grams: one rule of symmetry and one of definiteness, whatever holds the gram ------------------

GRAMS = {
    "factorised": lambda gram: Spectrum.from_gram(gram, [1.0, -1.0]),
    "tensor": lambda gram: Spectrum.from_gram(torch.tensor(gram), [1.0, -1.0]),
    "products": lambda gram: Spectrum.krylov(gram, [1.0, -1.0]),
    "softmax": lambda gram: fit_softmax_regression(gram, np.eye(2), 0.1),
}


@pytest.mark.parametrize("name", GRAMS)
def test_the_same_asymmetry_is_refused_and_its_size_is_shown(name):
    GRAMS[name](np.array([[1.0, 0.5], [0.5 + 1e-14, 1.0]]))  # rounding
    with pytest.raises(
        InputError, match=r"differ by 1e-11\. If that is rounding, pass \(gram \+ gram\.T\) / 2"
    ):
        GRAMS[name](np.array([[1.0, 0.5], [0.5 + 1e-11, 1.0]]))


@pytest.mark.parametrize("name", GRAMS)
def test_the_same_negative_eigenvalue_is_refused(name):
    with pytest.raises(IndefiniteGramError, match="subtracting the mean") as error:
        GRAMS[name](np.array([[1.0, 1.0 + 1e-9], [1.0 + 1e-9, 1.0]]))
    assert error.value.eigenvalue == pytest.approx(-1e-9, rel=1e-4)


@pytest.mark.parametrize("value", [5e-324, 1e-320, 1e-9 / 3, 0.25, 123456.5, 1.7e308])
def test_the_epsilon_that_a_message_names_can_be_used(value):
    message = str(InfeasibleToleranceError(value / 2, value))
    named = mpmath.mpf(message.split("Choose epsilon above ")[1].split(",")[0])
    assert value <= named <= mpmath.mpf(value) * (1 + 1e-5) + 5e-324
