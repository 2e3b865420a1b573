"""Losses against the authors' own arithmetic, in double precision, and at the edges of floating point."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from selfdistill.empirical.losses.functional import (
    beta_smoothing_loss,
    distillation_loss,
    draw_beta,
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


def test_distillation_is_torchs_kl_up_to_the_teachers_entropy(batch):
    student, teacher, labels = batch
    tau = 4.0
    kl = F.kl_div(
        F.log_softmax(student / tau, -1),
        F.log_softmax(teacher / tau, -1),
        log_target=True,
        reduction="batchmean",
    )
    entropy = torch.distributions.Categorical(logits=teacher / tau).entropy().mean()
    expected = 0.1 * F.cross_entropy(student, labels) + 0.9 * tau**2 * (kl + entropy)
    torch.testing.assert_close(distillation_loss(student, teacher, labels, tau, 0.9), expected)


def test_soft_part_has_the_stated_gradient(batch):
    """``∂L_kd/∂z = τ (p_s^τ − p_t^τ)`` (section 4)."""
    student, teacher, labels = batch
    ours = gradient(distillation_loss(student, teacher, labels, 3.0, 1.0) * len(labels), student)
    expected = 3.0 * ((student / 3).softmax(-1) - (teacher / 3).softmax(-1))
    torch.testing.assert_close(ours, expected.detach())


def test_weighted_soft_labels_equal_the_authors_arithmetic(batch):
    student, teacher, labels = batch
    tau, alpha = 4.0, 2.25
    soft = -(F.softmax(teacher / tau, 1) * F.log_softmax(student / tau, 1)).sum(1, keepdim=True)
    hot = F.one_hot(labels, 6).double()
    loss_s = -(hot * F.log_softmax(student.detach(), 1)).sum(1, keepdim=True)
    loss_t = -(hot * F.log_softmax(teacher, 1)).sum(1, keepdim=True)
    weight = 1 - torch.exp(-torch.clamp(loss_s / (loss_t + 1e-7), min=0))
    expected = F.cross_entropy(student, labels) + alpha * tau**2 * (weight * soft).mean()
    ours = weighted_soft_label_loss(student, teacher, labels, tau, alpha)
    torch.testing.assert_close(ours, expected, rtol=1e-14, atol=0)
    torch.testing.assert_close(gradient(ours, student), gradient(expected, student))


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


def test_label_smoothing_is_torchs_and_the_authors(batch):
    student, _, labels = batch
    torch.testing.assert_close(
        label_smoothing_loss(student, labels, 0.1), F.cross_entropy(student, labels, label_smoothing=0.1)
    )
    hot = F.one_hot(labels, 6).double() * (1 - 0.1 - 0.1 / 5) + 0.1 / 5
    expected = -(hot * student.log_softmax(-1)).sum() / 16
    torch.testing.assert_close(label_smoothing_loss(student, labels, 0.1, "zhang"), expected)


def test_progressive_gradient_at_the_label_is_rescaled_cross_entropy(batch):
    """K3 by autograd."""
    from selfdistill.theory import gradient_rescaling

    student, past, labels = batch
    rows = torch.arange(len(labels))
    ours = gradient(progressive_loss(student, labels, past.softmax(-1), 0.6), student)[rows, labels]
    plain = gradient(F.cross_entropy(student, labels), student)[rows, labels]
    p_past, p_now = (z.softmax(-1)[rows, labels].detach().numpy() for z in (past, student))
    np.testing.assert_allclose(ours, plain.numpy() * gradient_rescaling(p_past, p_now, 0.6), rtol=1e-10)


LOSSES = {
    "soft": lambda s, t, y: soft_cross_entropy(s, t.float().softmax(-1)),
    "smoothing": lambda s, t, y: label_smoothing_loss(s, y, 0.1),
    "distillation": lambda s, t, y: distillation_loss(s, t, y, 4.0, 0.5),
    "weighted": lambda s, t, y: weighted_soft_label_loss(s, t, y, 4.0, 2.25),
    "beta": lambda s, t, y: beta_smoothing_loss(s, y, t),
    "progressive": lambda s, t, y: progressive_loss(s, y, t.float().softmax(-1), 0.5),
    "partial": lambda s, t, y: partial_label_loss(s, t.topk(2, -1).indices),
}


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_extreme_logits_give_finite_losses_and_gradients(name, dtype):
    logits = torch.tensor([[1e4, -1e4, 0.0], [-1e4, 1e4, 1e4]], dtype=dtype).requires_grad_()
    teacher = torch.tensor([[-1e4, 1e4, 0.0], [1e4, -1e4, 0.0]], dtype=dtype)
    loss = LOSSES[name](logits, teacher, torch.tensor([1, 0]))
    assert torch.isfinite(loss)
    assert torch.isfinite(gradient(loss, logits)).all()


@pytest.mark.parametrize("name", LOSSES)
def test_members_of_an_ensemble_ride_along(name, rng):
    student, teacher, draws = (torch.from_numpy(rng.random((3, 8, 4))) for _ in range(3))
    labels = torch.from_numpy(rng.integers(0, 4, (3, 8)))

    def loss(s, t, y, d):
        return beta_smoothing_loss(s, y, t, d) if name == "beta" else LOSSES[name](s, t, y)

    batches = (student, teacher, labels, draws[..., 0])
    members = torch.stack([loss(*member) for member in zip(*batches, strict=True)])
    torch.testing.assert_close(loss(*batches), members.mean())


@pytest.mark.parametrize("name", LOSSES)
def test_bad_batches_are_refused_and_empty_ones_are_zero(name):
    loss = LOSSES[name]
    good, labels = torch.zeros(2, 3), torch.tensor([0, 1])
    with pytest.raises(InputError, match="NaN"):
        loss(torch.full((2, 3), torch.nan), good, labels)
    assert loss(torch.zeros(0, 3), torch.zeros(0, 3), torch.zeros(0, dtype=torch.long)) == 0
    if name not in ("soft", "partial"):
        with pytest.raises(InputError, match="labels"):
            loss(good, good, torch.tensor([0, 3]))


@pytest.mark.parametrize(
    ("call", "words"),
    [
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
        (lambda z, y: label_smoothing_loss(z, y, 0.1, reduction="sum"), "reduction"),
        (lambda z, y: label_smoothing_loss(z[:, :1], y, 0.1), "two classes"),
    ],
)
def test_bad_settings_are_named(call, words):
    with pytest.raises(InputError, match=words):
        call(torch.zeros(2, 3), torch.tensor([0, 1]))


def test_no_gradient_reaches_the_teacher(batch):
    student, teacher, labels = batch
    teacher.requires_grad_()
    for name in ("distillation", "weighted", "beta"):
        LOSSES[name](student, teacher, labels).backward()
    assert teacher.grad is None
