"""Losses against the authors' own arithmetic, in double precision, and at the edges of floating point."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from selfdistill.empirical.losses import focal_loss
from selfdistill.empirical.losses.functional import (
    beta_smoothing_loss,
    distillation_loss,
    draw_beta,
    entropy_penalty_loss,
    label_smoothing_loss,
    partial_label_loss,
    progressive_loss,
    soft_cross_entropy,
    weighted_soft_label_loss,
)
from selfdistill.theory import InputError, mixed_targets


@pytest.fixture
def batch(rng):
    """Student logits that ask for gradients, teacher logits and labels: 16 samples, 6 classes."""
    student = torch.from_numpy(rng.normal(0, 3, (16, 6))).requires_grad_()
    teacher = torch.from_numpy(rng.normal(0, 3, (16, 6)))
    return student, teacher, torch.from_numpy(rng.integers(0, 6, 16))


def gradient(loss, logits):
    return torch.autograd.grad(loss, logits)[0]


def test_distillation_at_temperature_one_has_the_gradient_of_mixed_targets(batch):
    """Z3, K1, K2: ``(p − target)/N``, from autograd."""
    student, teacher, labels = batch
    targets = mixed_targets(labels, teacher.softmax(-1), 0.3)
    expected = (student.softmax(-1) - targets) / len(labels)
    ours = gradient(distillation_loss(student, teacher, labels, 1.0, 0.3), student)
    torch.testing.assert_close(ours, expected.detach())
    mixed = gradient(soft_cross_entropy(student, targets), student)
    torch.testing.assert_close(mixed, expected.detach())


def test_soft_part_has_the_stated_gradient(batch):
    """``∂L_kd/∂z = τ (p_s^τ − p_t^τ)`` (section 4)."""
    student, teacher, labels = batch
    ours = gradient(distillation_loss(student, teacher, labels, 3.0, 1.0) * len(labels), student)
    expected = 3.0 * ((student / 3).softmax(-1) - (teacher / 3).softmax(-1))
    torch.testing.assert_close(ours, expected.detach())


def test_beta_smoothing_equals_the_authors_arithmetic(batch, rng):
    """Up to the 1e-8 they add inside the logarithm, which moves it by at most 1e-8/p."""
    student, average, labels = batch
    draws = torch.from_numpy(rng.beta(3, 1, 16))
    order = average.softmax(-1)[torch.arange(16), labels].argsort()
    mass = draws.sort().values.unsqueeze(1)
    hot = F.one_hot(labels, 6).double()[order]
    targets = hot * (mass - (1 - mass) / 5) + (1 - mass) / 5
    p = student.softmax(-1)[order]
    expected = 0.4 * F.cross_entropy(student, labels) - 0.6 * (targets * (p + 1e-8).log()).sum() / 16
    ours = beta_smoothing_loss(student, labels, average, draws)
    assert 0 <= ours - expected <= 0.6 * (targets * 1e-8 / p).sum() / 16
    exact = 0.4 * F.cross_entropy(student, labels) - 0.6 * (targets * p.log()).sum() / 16
    torch.testing.assert_close(ours, exact, rtol=1e-14, atol=0)


def test_beta_draws_have_the_beta_distribution():
    from scipy.stats import beta, kstest

    draws = draw_beta(3.0, (5000,), like=torch.zeros(1).double(), generator=torch.Generator().manual_seed(0))
    assert kstest(draws.numpy(), beta(3, 1).cdf).pvalue > 1e-3


def test_partial_labels_equal_the_authors_arithmetic(batch):
    student, teacher, _ = batch
    candidates = teacher.topk(2, dim=1).indices
    chosen = F.softmax(student, dim=1).gather(1, candidates).ravel()
    expected = ((1 - chosen**0.7) / 0.7).mean()
    ours = partial_label_loss(student, candidates, 0.7)
    torch.testing.assert_close(ours, expected, rtol=1e-14, atol=0)
    torch.testing.assert_close(gradient(ours, student), gradient(expected, student))
    mask = F.one_hot(candidates, 6).sum(1)
    for form in (mask, mask.bool(), mask.double() / 2):
        torch.testing.assert_close(partial_label_loss(student, form, 0.7), ours)


def test_partial_labels_tend_to_log_loss(batch):
    student, _, labels = batch
    ce = F.cross_entropy(student, labels)
    torch.testing.assert_close(partial_label_loss(student, labels[:, None], 0.0), ce)
    torch.testing.assert_close(partial_label_loss(student, labels[:, None], 1e-9), ce)


def test_progressive_gradient_at_the_label_is_rescaled_cross_entropy(batch):
    """K3 by autograd."""
    from selfdistill.theory import gradient_rescaling

    student, past, labels = batch
    rows = torch.arange(len(labels))
    ours = gradient(progressive_loss(student, labels, past.softmax(-1), 0.6), student)[rows, labels]
    plain = gradient(F.cross_entropy(student, labels), student)[rows, labels]
    p_past, p_now = (z.softmax(-1)[rows, labels].detach().numpy() for z in (past, student))
    np.testing.assert_allclose(ours, plain.numpy() * gradient_rescaling(p_past, p_now, 0.6), rtol=1e-10)


def sigmoid_focal(inputs, targets, gamma):
    """The binary focal loss as torchvision has it, from its documentation: no balance between classes."""
    p = torch.sigmoid(inputs)
    missing = p * (1 - targets) + (1 - p) * targets
    return missing**gamma * F.binary_cross_entropy_with_logits(inputs, targets, reduction="none")


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0, 5.0])
def test_of_two_classes_the_focal_loss_is_that_of_a_sigmoid(gamma):
    z = (
        torch.randn(50, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        .mul(4)
        .requires_grad_()
    )
    labels = torch.arange(50) % 2
    ours = focal_loss(torch.stack([torch.zeros_like(z), z], dim=1), labels, gamma, reduction="none")
    theirs = sigmoid_focal(z, labels.double(), gamma)
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)
    slopes = [torch.autograd.grad(v.sum(), z, retain_graph=True)[0] for v in (ours, theirs)]
    torch.testing.assert_close(*slopes, rtol=1e-9, atol=1e-12)


def test_the_focal_loss_of_mixed_labels_is_the_mean_over_them():
    z = torch.randn(6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    mixed = torch.rand(6, 4, dtype=torch.float64).softmax(-1)
    each = [focal_loss(z, torch.full((6,), k), 2.0, reduction="none") for k in range(4)]
    torch.testing.assert_close(
        focal_loss(z, mixed, 2.0, reduction="none"), (mixed * torch.stack(each, dim=1)).sum(1)
    )


def test_the_focal_loss_of_certain_and_impossible_classes_has_finite_gradients():
    z = torch.tensor([[0.0, -torch.inf, 1.0], [900.0, -900.0, 0.0]], requires_grad=True)
    for gamma in (0.5, 2.0):
        loss = focal_loss(z, torch.tensor([2, 0]), gamma)
        assert torch.isfinite(loss)
        (slope,) = torch.autograd.grad(loss, z)
        assert torch.isfinite(slope).all()
    assert focal_loss(z.detach(), torch.tensor([1, 0]), 2.0, check=False) == torch.inf


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda z, y: focal_loss(z, y, -1.0), "gamma"),
        (lambda z, y: distillation_loss(z, z, y, 0.0, 0.5), "temperature"),
        (lambda z, y: distillation_loss(z, z, y, -1.0, 0.5), "temperature"),
        (lambda z, y: distillation_loss(z, z, y, 1.0, 1.5), "alpha"),
        (lambda z, y: distillation_loss(z, z[:1], y, 1.0, 0.5), "shape"),
        (lambda z, y: distillation_loss(z, z, y[:1], 1.0, 0.5), "labels"),
        (lambda z, y: weighted_soft_label_loss(z, z, y, 1.0, -1.0), "alpha"),
        (lambda z, y: beta_smoothing_loss(z, y, z, shape=0.0), "shape"),
        (lambda z, y: soft_cross_entropy(z, z + 1), "probabilities"),
        (lambda z, y: soft_cross_entropy(z, z[:, :2]), "shape"),
        (lambda z, y: progressive_loss(z, y, z + 0.5, 0.5), "probabilities"),
        (lambda z, y: partial_label_loss(z, torch.tensor([[0, 0], [1, 2]])), "twice"),
        (lambda z, y: partial_label_loss(z, torch.tensor([[0, 7], [1, 2]])), "labels"),
        (lambda z, y: partial_label_loss(z, torch.zeros(2, 3)), "candidate"),
        (lambda z, y: partial_label_loss(z, y[:, None], 1.5), "q must"),
        (lambda z, y: label_smoothing_loss(z, y, 0.1, "torch"), "convention must be one of"),
        (lambda z, y: distillation_loss(z, z, y, tempered="student"), "tempered must be one of"),
        (lambda z, y: entropy_penalty_loss(z, y, -0.1), "beta"),
        (lambda z, y: label_smoothing_loss(z.numpy(), y, 0.1), "torch tensor"),
        (lambda z, y: label_smoothing_loss(z[:, :1], y, 0.1), "two classes"),
    ],
)
def test_bad_settings_are_named(call, words):
    with pytest.raises(InputError, match=words):
        call(torch.zeros(2, 3), torch.tensor([0, 1]))
