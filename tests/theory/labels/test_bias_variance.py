"""W1, W3 and the two readings: against definitions, mpmath, SymPy and automatic differentiation."""

import mpmath
import numpy as np
import pytest
import sympy
import torch

from selfdistill.theory import (
    InputError,
    bias_variance,
    bias_variance_of_logs,
    bias_variance_of_mean_log,
    label_gradients,
    regularization_samples,
)


def test_parts_are_their_definitions_and_sum_to_the_loss(rng):
    p = rng.dirichlet(np.full(4, 0.5), (7, 5))
    y = rng.dirichlet(np.ones(4), 5)
    parts = bias_variance(p, y)
    mean = np.exp(np.log(p).mean(axis=0))
    mean /= mean.sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(parts.noise, -(y * np.log(y)).sum(-1))
    np.testing.assert_allclose(parts.bias, (y * np.log(y / mean)).sum(-1))
    np.testing.assert_allclose(parts.variance, (mean * np.log(mean / p)).sum(-1).mean(axis=0))
    np.testing.assert_allclose(parts.expected_loss, -(y * np.log(p)).sum(-1).mean(axis=0))
    assert parts.mean().bias == pytest.approx(parts.bias.mean())


def test_members_added_up_one_by_one_give_the_same_parts(rng):
    logs = np.log(rng.dirichlet(np.full(4, 0.5), (7, 5)))
    y = rng.dirichlet(np.ones(4), 5)
    for part, whole in zip(
        bias_variance_of_mean_log(sum(logs) / 7, y), bias_variance_of_logs(logs, y), strict=True
    ):
        np.testing.assert_allclose(part, whole, atol=1e-13)
    with pytest.raises(InputError, match="Normalise each member"):
        bias_variance_of_mean_log(logs.mean(axis=0) + 0.1 + logs.std(), y)
    with pytest.raises(InputError, match="one shape"):
        bias_variance_of_mean_log(logs, y)
    with pytest.raises(InputError, match="geometric mean does not exist"):
        bias_variance_of_mean_log(np.full((5, 4), -np.inf), y)


def test_decomposition_by_computer_algebra():
    """Three members, two classes: the identity holds for symbols, not just for draws."""
    y = sympy.symbols("y", positive=True)
    q = sympy.symbols("q1:4", positive=True)
    logs = [[sympy.log(v) for v in q], [sympy.log(1 - v) for v in q]]
    means = [sum(row) / 3 for row in logs]
    norm = sympy.log(sum(sympy.exp(m) for m in means))
    target = [y, 1 - y]
    noise = -sum(t * sympy.log(t) for t in target)
    bias = sum(t * (sympy.log(t) - (m - norm)) for t, m in zip(target, means, strict=True))
    geometric = [sympy.exp(m - norm) for m in means]
    variance = (
        sum(g * ((m - norm) - log) for g, m, row in zip(geometric, means, logs, strict=True) for log in row)
        / 3
    )
    loss = -sum(t * log for t, row in zip(target, logs, strict=True) for log in row) / 3
    values = {y: sympy.Rational(1, 3), q[0]: sympy.Rational(1, 5), q[1]: sympy.Rational(2, 3),
              q[2]: sympy.Rational(9, 10)}  # fmt: skip
    assert abs(sympy.N((noise + bias + variance - loss).subs(values), 50)) < 1e-45


def test_tiny_probabilities_keep_their_digits_against_mpmath():
    logits = np.array([[[0.0, -2000.0]], [[-3.0, 0.0]]])
    parts = bias_variance_of_logs(logits, [[0.0, 1.0]])
    with mpmath.workdps(60):
        rows = [[mpmath.mpf(v) for v in member[0]] for member in logits]
        logs = [[v - mpmath.log(sum(mpmath.exp(u) for u in row)) for v in row] for row in rows]
        mean = [(logs[0][k] + logs[1][k]) / 2 for k in range(2)]
        norm = mpmath.log(sum(mpmath.exp(m) for m in mean))
        assert float(-norm) == pytest.approx(parts.variance[0], rel=1e-12)
        assert float(-(mean[1] - norm)) == pytest.approx(parts.bias[0], rel=1e-12)


def test_zero_probabilities_have_their_limits():
    parts = bias_variance([[[1.0, 0.0]], [[0.5, 0.5]]], [[1.0, 0.0]])
    assert parts.noise[0] == 0
    assert parts.bias[0] == pytest.approx(0)
    assert parts.variance[0] == pytest.approx(np.log(2) / 2)
    assert bias_variance([[[1.0, 0.0]], [[0.5, 0.5]]], [[0.0, 1.0]]).bias[0] == np.inf


def test_one_member_has_no_variance(rng):
    parts = bias_variance(rng.dirichlet(np.ones(3), (1, 6)), np.eye(3)[[0, 1, 2, 0, 1, 2]])
    np.testing.assert_allclose(parts.variance, 0, atol=1e-15)


def test_label_gradients_are_autograds(rng):
    tau = 3.0
    student = torch.from_numpy(rng.normal(0, 2, (30, 5))).requires_grad_()
    teacher = torch.from_numpy(rng.normal(0, 2, (30, 5)))
    labels = torch.from_numpy(rng.integers(0, 5, 30))
    hard = torch.nn.functional.cross_entropy(student, labels, reduction="sum")
    soft = -(tau**2) * ((teacher / tau).softmax(-1) * (student / tau).log_softmax(-1)).sum()
    rows = torch.arange(30)
    a = torch.autograd.grad(hard, student)[0][rows, labels]
    kd = torch.autograd.grad(soft, student)[0][rows, labels]
    ours = label_gradients(student.detach(), teacher, labels, tau)
    torch.testing.assert_close(ours.label, a)
    torch.testing.assert_close(ours.distillation, kd)
    push = regularization_samples(student.detach(), teacher, labels, tau)
    assert torch.equal(push, kd > 0)
    magnitude = regularization_samples(student.detach(), teacher, labels, tau, "magnitude")
    assert torch.equal(magnitude, (kd - a).abs() > a.abs())
    assert 0 < push.sum() < 30
    numpy_push = regularization_samples(student.detach().numpy(), teacher.numpy(), labels.numpy(), tau)
    np.testing.assert_array_equal(numpy_push, push.numpy())


def test_the_second_reading_holds_the_first_and_those_pulled_up_hard(rng):
    """``|b| > |a|`` iff the label is pushed down, or pulled up by more than twice its own gradient."""
    student, teacher = rng.normal(0, 4, (2, 2000, 3))
    labels = rng.integers(0, 3, 2000)
    a, kd = label_gradients(student, teacher, labels, 3.0)
    push = regularization_samples(student, teacher, labels, 3.0)
    magnitude = regularization_samples(student, teacher, labels, 3.0, "magnitude")
    np.testing.assert_array_equal(magnitude, push | (kd < 2 * a))
    assert (magnitude & ~push).sum() > 20


@pytest.mark.parametrize(
    ("p", "y", "words"),
    [
        (np.ones((2, 3)) / 3, np.eye(3)[:2], "shape"),
        (np.ones((2, 1, 3)) / 3, np.eye(3)[:2], "shape"),
        (np.ones((2, 0, 3)), np.zeros((0, 3)), "shape"),
        (np.ones((2, 1, 3)) / 2, np.eye(3)[:1], "probabilities"),
        (np.ones((2, 1, 3)) / 3, np.ones((1, 3)), "targets"),
        (np.full((2, 1, 3), np.nan), np.eye(3)[:1], "NaN"),
        (np.eye(2)[[0, 1]][:, None], np.eye(2)[:1], "geometric"),
    ],
)
def test_bad_input_is_named(p, y, words):
    with pytest.raises(InputError, match=words):
        bias_variance(p, y)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("logs", "words"),
    [
        ([[[np.inf, 0.0]]], r"log-probabilities must be finite or −inf; one is \+inf"),
        ([[[0.0, 0.0]], [[-np.inf, -np.inf]]], "member 1 gives every class of sample 0 probability 0"),
        ([[["a", "b"]]], "log-probabilities must be an array of real numbers"),
        (np.ma.masked_less(np.zeros((2, 1, 2)), 1), "without gaps"),
    ],
)
def test_bad_logarithms_are_named(logs, words):
    with pytest.raises(InputError, match=words):
        bias_variance_of_logs(logs, [[1.0, 0.0]])


def test_a_mean_of_logarithms_is_never_infinite():
    with pytest.raises(InputError, match=r"mean_log must be finite or −inf; one is \+inf"):
        bias_variance_of_mean_log([[np.inf, 0.0]], [[1.0, 0.0]])


def test_bad_settings_are_named():
    z, y = np.zeros((1, 3)), np.array([0])
    with pytest.raises(InputError, match="temperature"):
        regularization_samples(z, z, y, 0.0)
    with pytest.raises(InputError, match="reading"):
        regularization_samples(z, z, y, 1.0, "other")
    with pytest.raises(InputError, match="one shape"):
        regularization_samples(z, z[:, :2], y, 1.0)
