"""Targets and weights (Z2, Z4, Z5, K1, W3) against the authors' arithmetic, torch's own losses and NumPy."""

from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from selfdistill.theory import (
    InputError,
    beta_mean,
    beta_targets,
    ema_decay,
    label_smoothing,
    mixed_targets,
    soft_label_weights,
)
from selfdistill.theory.base.probabilities import one_hot, softmax


def authors_beta_targets(labels, confidence, draws, n_classes):
    """Zhang & Sabuncu's arithmetic, sample by sample: sort, deal, spread the rest."""
    order = np.argsort(confidence, kind="stable")
    out = np.empty((len(labels), n_classes))
    for mass, sample in zip(np.sort(draws), order, strict=True):
        out[sample] = (1 - mass) / (n_classes - 1)
        out[sample, labels[sample]] = mass
    return out


def test_beta_targets_follow_the_authors_arithmetic(rng):
    for n, k in [(1, 2), (7, 3), (128, 10)]:
        labels = rng.integers(0, k, n)
        confidence, draws = rng.random(n), rng.beta(3, 1, n)
        targets = beta_targets(labels, confidence, draws, k)
        np.testing.assert_allclose(targets, authors_beta_targets(labels, confidence, draws, k), atol=1e-15)
        np.testing.assert_allclose(targets.sum(axis=1), 1)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.integers(0, 2**32 - 1))
def test_beta_targets_keep_the_order_of_confidences(confidences, seed):
    """Z5, with ties: no sample that is surer gets less mass."""
    draws = np.random.default_rng(seed).random(len(confidences))
    labels = np.zeros(len(confidences), int)
    mass = beta_targets(labels, np.array(confidences), draws, 3)[:, 0]
    order = np.argsort(confidences, kind="stable")
    assert (np.diff(mass[order]) >= 0).all()
    np.testing.assert_array_equal(np.sort(mass), np.sort(draws))


def test_beta_mean_is_the_mean_of_draws(rng):
    """Z4 by Monte Carlo, within five standard errors."""
    for a in (0.5, 3.0, 10.0):
        draws = rng.beta(a, 1, 200_000)
        assert abs(draws.mean() - beta_mean(a)) < 5 * draws.std() / np.sqrt(len(draws))


def test_szegedy_smoothing_is_torchs(rng):
    logits = torch.from_numpy(rng.normal(size=(20, 5)))
    labels = torch.from_numpy(rng.integers(0, 5, 20))
    targets = label_smoothing(labels, 0.3, 5, like=logits)
    ours = -(targets * torch.log_softmax(logits, -1)).sum(-1).mean()
    theirs = torch.nn.functional.cross_entropy(logits, labels, label_smoothing=0.3)
    torch.testing.assert_close(ours, theirs)


def test_zhang_smoothing_leaves_one_minus_epsilon_and_converts():
    labels = np.array([0, 2, 1])
    ours = label_smoothing(labels, 0.2, 4, "zhang")
    np.testing.assert_allclose(ours[np.arange(3), labels], 0.8)
    np.testing.assert_allclose(ours, label_smoothing(labels, 0.2 * 4 / 3, 4, "szegedy"))


def test_numpy_and_torch_agree_with_leading_axes(rng):
    """One function for both libraries and for ensembles (members, samples)."""
    labels = rng.integers(0, 4, (3, 6))
    p = rng.dirichlet(np.ones(4), (3, 6))
    confidence, draws, weight = rng.random((3, 6)), rng.random((3, 6)), rng.random((3, 6))
    t = torch.from_numpy
    pairs = [
        (mixed_targets(labels, p, weight), mixed_targets(t(labels), t(p), t(weight))),
        (label_smoothing(labels, 0.1, 4), label_smoothing(t(labels), 0.1, 4, like=t(p))),
        (
            beta_targets(labels, confidence, draws, 4),
            beta_targets(t(labels), t(confidence), t(draws), 4),
        ),
        (softmax(p * 50, 2.0), softmax(t(p) * 50, 2.0)),
        (soft_label_weights(draws, weight), soft_label_weights(t(draws), t(weight))),
        (one_hot(labels, 4), one_hot(t(labels), 4, like=t(p))),
    ]
    for ours, theirs in pairs:
        assert isinstance(ours, np.ndarray)
        assert isinstance(theirs, torch.Tensor)
        np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-15)
    member = beta_targets(labels[1], confidence[1], draws[1], 4)
    np.testing.assert_array_equal(beta_targets(labels, confidence, draws, 4)[1], member)


def test_soft_targets_trace_under_vmap(rng):
    labels = torch.from_numpy(rng.integers(0, 4, (3, 6)))
    p = torch.from_numpy(rng.dirichlet(np.ones(4), (3, 6)))
    mapped = torch.func.vmap(lambda y, q: mixed_targets(y, q, 0.3, check=False))(labels, p)
    torch.testing.assert_close(mapped, mixed_targets(labels, p, 0.3))


def test_weights_lie_in_zero_one_and_grow_with_the_students_loss():
    """W3."""
    student = np.linspace(0, 20, 101)
    weights = soft_label_weights(student, np.full(101, 1.5))
    assert weights[0] == 0
    assert (weights < 1).all()
    assert (np.diff(weights) > 0).all()
    assert np.isfinite(soft_label_weights(np.array([1e4, 0.0]), np.zeros(2))).all()


def test_a_teacher_that_is_nearly_sure_is_weighed_by_its_own_loss():
    teacher = np.array([1e-9, 1e-7, 3e-5, 0.0])
    expected = -np.expm1(-np.array([0.5e-9, 2e-8, 1e-5, 1e-8]) / [1e-9, 1e-7, 3e-5, 1e-7])
    np.testing.assert_allclose(soft_label_weights([0.5e-9, 2e-8, 1e-5, 1e-8], teacher), expected, rtol=1e-12)
    authors = -np.expm1(-0.5 / (teacher + 1e-7))
    np.testing.assert_allclose(soft_label_weights(np.full(4, 0.5), teacher, added=1e-7), authors, rtol=1e-12)


def test_ema_decay_starts_as_a_plain_mean(rng):
    values = rng.normal(size=50)
    average = 0.0
    for step, value in enumerate(values):
        decay = ema_decay(step)
        average = decay * average + (1 - decay) * value
    assert average == pytest.approx(values.mean())
    assert ema_decay(10**6) == 0.999


def test_softmax_is_safe_at_any_magnitude():
    np.testing.assert_array_equal(softmax(np.array([1e4, -1e4])), [1.0, 0.0])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: one_hot(np.array([0, 3]), 3), "0 … 2"),
        (lambda: one_hot(np.array([-1]), 3), "-1"),
        (lambda: one_hot(np.array([0.5]), 3), "whole numbers"),
        (lambda: one_hot(np.array([0]), 1), "n_classes"),
        (lambda: label_smoothing(np.array([0]), 1.1, 3), "epsilon"),
        (lambda: label_smoothing(np.array([0]), 0.1, 3, "other"), "convention"),
        (lambda: mixed_targets(np.array([0]), np.array([[0.5, 0.6]]), 0.5), "probabilities"),
        (lambda: mixed_targets(np.array([0]), np.array([[np.nan, 0.6]]), 0.5), "probabilities"),
        (lambda: mixed_targets(np.array([0]), np.array([[0.5, 0.5]]), -0.1), "weight"),
        (lambda: mixed_targets(np.array([0]), np.array([[0.5, 0.5]]), np.array([2.0])), "weight"),
        (lambda: mixed_targets(np.array([0, 1]), np.array([[0.5, 0.5]]), 0.5), "one row a label"),
        (lambda: beta_targets(np.array([0]), np.array([0.5]), np.array([1.5]), 3), "draw"),
        (lambda: beta_targets(np.array([0]), np.array([np.nan]), np.array([0.5]), 3), "NaN"),
        (lambda: beta_targets(np.array([0]), np.array([0.5, 0.1]), np.array([0.5]), 3), "confidence"),
        (lambda: softmax(np.zeros(2), 0.0), "temperature"),
        (
            lambda: label_smoothing(np.array([0, 1]), np.full(3, 0.1), 3),
            r"epsilon must be one number, or one a label",
        ),
        (lambda: label_smoothing([0], np.full(3, 0.1), 3), r"one a label, \(1,\); got shape \(3,\)"),
        (
            lambda: mixed_targets([0, 1], np.full((2, 2), 0.5), np.full(3, 0.5)),
            r"weight must be one number.*\(3,\)",
        ),
        (
            lambda: mixed_targets([0, 1], np.full((2, 2), 0.5), np.full((2, 2), 0.5)),
            "weight must be one number",
        ),
        (lambda: mixed_targets(np.ma.array([0, 1], mask=[1, 0]), np.full((2, 2), 0.5), 0.5), "without gaps"),
        (lambda: soft_label_weights([0.1, -0.1], [1.0, 1.0]), "student_loss must be at least 0"),
        (lambda: soft_label_weights(torch.ones(2), -torch.ones(2)), "teacher_loss must be at least 0"),
        (lambda: soft_label_weights([0.1], [1.0, 1.0]), "one entry a label"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(InputError, match=words):
        call()


def test_losses_that_are_not_looked_at_are_taken_as_they_are():
    losses = torch.tensor([[0.5, 1.0], [2.0, 0.0]])
    np.testing.assert_array_equal(torch.func.vmap(partial(soft_label_weights, check=False))(losses, losses + 1),
                                  soft_label_weights(losses, losses + 1))  # fmt: skip
    assert soft_label_weights(np.array([-1.0]), np.array([1.0]), check=False) < 0


def test_an_empty_batch_has_empty_targets():
    empty = np.zeros(0, int)
    assert mixed_targets(empty, np.zeros((0, 3)), 0.5).shape == (0, 3)
    assert beta_targets(empty, np.zeros(0), np.zeros(0), 3).shape == (0, 3)


def test_lists_are_arrays_too():
    assert mixed_targets([0, 1], [[0.5, 0.5], [0.2, 0.8]], 0.5).tolist() == [[0.75, 0.25], [0.1, 0.9]]
    assert beta_targets([0, 1], [0.9, 0.2], [0.4, 0.8], 2)[:, 0].tolist() == pytest.approx([0.8, 0.6])
