"""Inputs that once gave a quiet wrong answer in the label rooms."""

import tracemalloc

import numpy as np
import pytest
import torch

from selfdistill.theory import (
    InputError,
    bias_variance,
    corrupt_labels,
    corruption_matrix,
    dirichlet_mode,
    estimate_corruption,
    gradient_rescaling,
    label_gradients,
    partial_label_condition,
    regularization_samples,
    superclass_groups,
)


@pytest.mark.parametrize("reading", ["push", "magnitude"])
def test_regularization_samples_near_ties_in_single_precision(reading, rng):
    """The sign is that of the same numbers in a hundred bits more, though p differs in the eighth digit."""
    student = rng.normal(size=(4000, 5)).astype(np.float32)
    teacher = (student + 1e-6 * rng.normal(size=student.shape)).astype(np.float32)
    labels = rng.integers(0, 5, 4000)
    rows = np.arange(4000)

    def probabilities(logits, tau):
        wide = logits.astype(np.longdouble) / tau
        e = np.exp(wide - wide.max(axis=1, keepdims=True))
        return (e / e.sum(axis=1, keepdims=True))[rows, labels]

    a = probabilities(student, 1) - 1
    kd = 2 * (probabilities(student, 2) - probabilities(teacher, 2))
    expected = kd > 0 if reading == "push" else np.abs(kd - a) > np.abs(a)
    found = regularization_samples(student, teacher, labels, 2.0, reading)
    np.testing.assert_array_equal(found, expected)
    t = torch.from_numpy
    np.testing.assert_array_equal(
        regularization_samples(t(student), t(teacher), t(labels), 2.0, reading).numpy(), expected
    )


def test_equal_outputs_are_a_tie_in_any_order_of_the_classes(rng):
    student = rng.normal(size=(500, 7)).astype(np.float32)
    teacher = student.copy()
    teacher[:, 1:] = rng.permuted(student[:, 1:], axis=1)
    assert not regularization_samples(student, teacher, np.zeros(500, int), 3.0).any()


def test_gradient_of_a_sure_student_keeps_its_digits():
    logits = np.array([[40.0, 0.0, 0.0]])
    assert label_gradients(logits, logits, [0], 1.0).label[0] == pytest.approx(-2 * np.exp(-40), rel=1e-12)


def test_gradients_trace_under_vmap(rng):
    student, teacher = (torch.from_numpy(rng.normal(size=(3, 6, 4))) for _ in range(2))
    labels = torch.from_numpy(rng.integers(0, 4, (3, 6)))
    for function in (label_gradients, regularization_samples):
        mapped = torch.func.vmap(lambda s, t, y, f=function: f(s, t, y, 2.0, check=False))(
            student, teacher, labels
        )
        direct = function(student, teacher, labels, 2.0)
        torch.testing.assert_close(mapped, direct) if function is regularization_samples else [
            torch.testing.assert_close(m, d) for m, d in zip(mapped, direct, strict=True)
        ]


def test_noisy_labels_take_no_more_than_a_few_vectors():
    """A hundred thousand labels of a thousand classes took 874 MiB."""
    noise = corruption_matrix("symmetric", 1000, 0.4)
    labels = np.arange(100_000) % 1000
    tracemalloc.start()
    noisy = corrupt_labels(labels, noise, 0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60 * 2**20
    assert abs((noisy != labels).mean() - 0.4) < 5 * np.sqrt(0.24 / 100_000)


def test_noisy_labels_are_those_of_the_cumulative_row(rng):
    noise = rng.dirichlet(np.ones(5), 5)
    labels = rng.integers(0, 5, 3000)
    draws = np.random.default_rng(7).random(3000)
    expected = (draws[:, None] >= np.cumsum(noise, axis=1)[:, :-1][labels]).sum(axis=1)
    np.testing.assert_array_equal(corrupt_labels(labels, noise, 7), expected)


def test_rounding_below_zero_is_no_infinite_noise():
    noise, bias, variance = bias_variance([[[1.0, -1e-17]]], [[1 + 1e-12, -1e-12]])
    assert noise[0] == pytest.approx(0, abs=1e-11)
    assert np.isfinite([bias[0], variance[0]]).all()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: gradient_rescaling([0.1, 0.2], [0.3], 0.5), "one entry a sample"),
        (lambda: gradient_rescaling([0.1, 0.2], [0.3, 0.4], [0.5, 0.5, 0.5]), "one entry a sample"),
        (lambda: partial_label_condition([[0.5, 0.5, 0]], [0, 1]), "one row a label"),
        (lambda: partial_label_condition(3.0, [0]), "targets"),
        (lambda: dirichlet_mode(3.0), "axis of classes"),
        (lambda: estimate_corruption([0, 10**6], [0, 1], 10**7), "class 1 has no samples"),
        (lambda: superclass_groups(np.eye(2), [0, 10**9]), "class 1 has no samples"),
        (lambda: corruption_matrix("symmetric", 10**6, 0.1), "n_classes must be"),
        (lambda: regularization_samples(np.zeros((2, 3)), np.zeros((2, 3)), [0], 1.0), "one row a label"),
        (lambda: regularization_samples([[np.nan, 1]], [[1.0, 1]], [0], 1.0), "NaN"),
        (lambda: regularization_samples([[0, 1]], [[1.0, 1]], [0], 0.0), "temperature"),
    ],
)
def test_what_has_no_answer_is_refused(call, words):
    with pytest.raises(InputError, match=words):
        call()


def test_a_large_concentration_has_a_mode():
    np.testing.assert_allclose(dirichlet_mode([1e308, 1e308, 1.0]), [0.5, 0.5, 0])
