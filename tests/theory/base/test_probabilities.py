"""One place for labels and distributions: every width of labels, one tolerance, softmax at the extremes."""

import numpy as np
import pytest
import scipy.special
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from selfdistill.theory import (
    InputError,
    bias_variance,
    corrupt_labels,
    fit_softmax_regression,
    label_posterior,
    mixed_targets,
    one_hot,
    softmax,
)
from selfdistill.theory.base.probabilities import as_distributions, as_labels, check_probabilities


@pytest.mark.parametrize("kind", ["uint8", "int8", "int16", "uint16", "uint32", "uint64", "int64"])
@pytest.mark.parametrize("library", [np.asarray, torch.from_numpy])
@pytest.mark.parametrize("n_classes", [100, 256, 300, 70_000])
def test_narrow_labels_serve_any_number_of_classes(kind, library, n_classes):
    labels = np.arange(min(n_classes, np.iinfo(kind).max + 1))[[0, 3, -1]].astype(kind)
    hot = np.asarray(one_hot(library(labels), n_classes))
    np.testing.assert_array_equal(np.argwhere(hot), np.column_stack([range(3), labels.astype(int)]))
    assert (as_labels(labels, n_classes) == labels).all()


def test_labels_that_a_signed_number_does_not_hold_are_refused():
    huge = np.array([2**64 - 1], np.uint64)
    for call in (lambda: one_hot(huge, 3), lambda: as_labels(huge), lambda: as_labels([1e300])):
        with pytest.raises(InputError, match="must lie in"):
            call()


@pytest.mark.parametrize("library", [np.asarray, torch.as_tensor])
def test_softmax_at_the_extremes(library):
    """Against exact limits: differences are formed before anything can overflow."""
    for logits, temperature, expected in [
        ([1e308, -1e308, 1e308], 1.0, [0.5, 0, 0.5]),
        ([1e300, 0.0], 1e-300, [1, 0]),
        ([1e-300, 0.0], 1e-300, scipy.special.softmax([1.0, 0.0])),
        ([3.0, -np.inf, 3.0], 2.0, [0.5, 0, 0.5]),
        ([5e-324, 0.0], 1e300, [0.5, 0.5]),
    ]:
        found = softmax(library(np.array(logits)), temperature)
        np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-14)
    single = library(np.array([1.0, 0.0, -np.inf], np.float32))
    np.testing.assert_array_equal(np.asarray(softmax(single, 1e-46)), [1, 0, 0])
    np.testing.assert_array_equal(np.asarray(softmax(single, 1e60)), [0.5, 0.5, 0])
    assert softmax(library(np.array([3, 1, 2]))).dtype in (np.float64, torch.float32)


@pytest.mark.parametrize(
    "logits",
    [[np.nan, 1.0], [np.inf, 1.0], [[-np.inf, -np.inf]], 3.0, [[]], ["a"], None, {}, [1j, 2], [[1.0], [1, 2]],
     np.ma.array([1.0, 2.0], mask=[1, 0]), torch.tensor([torch.nan, 0.0])],
)  # fmt: skip
def test_logits_without_a_softmax_are_refused(logits):
    with pytest.raises(InputError):
        softmax(logits)


@settings(max_examples=30, deadline=None)
@given(hnp.arrays(np.float64, (3, 4), elements=st.floats(-1e308, 1e308)), st.floats(1e-300, 1e300))
def test_softmax_agrees_with_long_double(logits, temperature):
    wide = logits.astype(np.longdouble)
    expected = np.exp((wide - wide.max(axis=1, keepdims=True)) / np.longdouble(temperature))
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(softmax(logits, temperature), expected.astype(float), atol=1e-15)


OFF = [[0.5, 0.5 + 9e-5], [0.3333, 0.6666]], [[0.5, 0.5 + 2e-4], [0.3333, 0.6666]]


def test_one_tolerance_holds_at_every_border():
    """Rows typed with four digits are distributions everywhere; rows off by 2e-4 nowhere."""
    taken, refused = np.array(OFF[0]), np.array(OFF[1])
    doors = [
        lambda p: check_probabilities(p, "p"),
        lambda p: as_distributions(p, 2),
        lambda p: mixed_targets([0, 1], p, 0.5),
        lambda p: bias_variance(p[None], p),
        lambda p: label_posterior([0, 1], p, 1.0),
        lambda p: fit_softmax_regression(np.eye(2), p, 0.1),
        lambda p: corrupt_labels([0, 1], p, 0),
        lambda p: corrupt_labels(np.zeros(100_000, int), p, 0, exact=True),
    ]
    for door in doors:
        door(taken)
        with pytest.raises(InputError, match=r"sum"):
            door(refused)


def test_below_zero_only_rounding_is_let_through():
    assert as_distributions([[1 + 1e-12, -1e-12]], 1).min() == 0
    for door in (lambda p: check_probabilities(p, "p"), lambda p: as_distributions(p, 1)):
        with pytest.raises(InputError, match="probabilities"):
            door(np.array([[1.0001, -0.0001]]))


def test_half_precision_rows_are_distributions(rng):
    rows = torch.from_numpy(rng.dirichlet(np.ones(10), 50))
    for kind in (torch.float16, torch.bfloat16, torch.float32):
        check_probabilities(rows.to(kind), "rows")


def test_two_libraries_are_not_mixed_silently():
    with pytest.raises(InputError, match="one library; labels is of numpy and probabilities of torch"):
        mixed_targets(np.array([0]), torch.tensor([[0.5, 0.5]]), 0.5)
