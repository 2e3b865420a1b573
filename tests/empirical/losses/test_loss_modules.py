"""Modules in a plain PyTorch loop: the same numbers as the functions, and exact resumption."""

import copy
import io

import numpy as np
import pytest
import torch
from torch import nn

from selfdistill.empirical.losses import functional as losses
from selfdistill.empirical.losses import modules as loss_modules
from selfdistill.theory import InputError, ema_decay, mixed_targets


@pytest.fixture
def data(rng):
    x = torch.from_numpy(rng.normal(size=(12, 5))).float()
    return x, torch.from_numpy(rng.integers(0, 3, 12))


def run_progressive(model, loss, optimiser, data, epochs):
    """Minibatches of 4 in a fixed order; returns the losses."""
    x, y = data
    seen = []
    for epoch in epochs:
        for index in torch.arange(12).split(4):
            optimiser.zero_grad()
            value = loss(model(x[index]), y[index], index, epoch)
            value.backward()
            optimiser.step()
            seen.append(value.item())
    return seen


def test_progressive_memory_is_the_outputs_of_the_epoch_before(data):
    x, y = data
    model = nn.Linear(5, 3)
    loss = loss_modules.ProgressiveLoss(12, 3, epochs=4, final=0.8)
    torch.testing.assert_close(
        loss(model(x), y, torch.arange(12), 0), nn.functional.cross_entropy(model(x), y)
    )
    past = model(x).softmax(-1).detach()
    with torch.no_grad():
        model.weight.add_(1.0)
    logits = model(x)
    expected = losses.soft_cross_entropy(logits, mixed_targets(y, past, 0.8 * 2 / 4))
    torch.testing.assert_close(loss(logits, y, torch.arange(12), 1), expected)


def test_progressive_training_resumes_exactly_from_a_checkpoint(data):
    torch.manual_seed(0)
    model, loss = nn.Linear(5, 3), loss_modules.ProgressiveLoss(12, 3, epochs=4)
    optimiser = torch.optim.SGD(model.parameters(), 0.5, momentum=0.9)
    run_progressive(model, loss, optimiser, data, range(2))
    kept = io.BytesIO()
    torch.save([m.state_dict() for m in (model, loss, optimiser)], kept)
    whole = run_progressive(model, loss, optimiser, data, range(2, 4))
    model2, loss2 = nn.Linear(5, 3), loss_modules.ProgressiveLoss(12, 3, epochs=4)
    optimiser2 = torch.optim.SGD(model2.parameters(), 0.5, momentum=0.9)
    kept.seek(0)
    for module, state in zip((model2, loss2, optimiser2), torch.load(kept), strict=True):
        module.load_state_dict(state)
    assert run_progressive(model2, loss2, optimiser2, data, range(2, 4)) == whole


def test_a_memory_of_another_size_is_refused(data):
    x, y = data
    other = loss_modules.ProgressiveLoss(10, 3, epochs=2)
    with pytest.raises(InputError, match="another training set"):
        loss_modules.ProgressiveLoss(12, 3, epochs=2).load_state_dict(other.state_dict())
    with pytest.raises(InputError, match="10 samples"):
        other(nn.Linear(5, 3)(x), y, torch.arange(12), 0)
    with pytest.raises(InputError, match="3 classes"):
        other(nn.Linear(5, 4)(x), y, torch.arange(12), 0)
    with pytest.raises(InputError, match="epoch"):
        other(nn.Linear(5, 3)(x[:2]), y[:2], torch.arange(2), 2)


def test_beta_smoothing_keeps_the_authors_average(data):
    """The average after s steps, against the recursion written out; and the loss against the function."""
    x, y = data
    model = nn.Sequential(nn.Linear(5, 3), nn.BatchNorm1d(3))
    loss = loss_modules.BetaSmoothingLoss(model, decay=0.7, generator=torch.Generator().manual_seed(1))
    expected = model[0].weight.detach().clone()
    for step in range(1, 6):
        with torch.no_grad():
            model[0].weight.add_(torch.randn(3, 5))
            model(x)  # moves the batch statistics
        loss.update(model)
        decay = min(1 - 1 / (step + 1), 0.7)
        assert decay == ema_decay(step, 0.7)
        expected = decay * expected + (1 - decay) * model[0].weight.detach()
    torch.testing.assert_close(loss.average.module[0].weight, expected)
    torch.testing.assert_close(loss.average.module[1].running_mean, model[1].running_mean)
    average = copy.deepcopy(loss.average)
    ours = loss(model(x), y, x)
    draws = losses.draw_beta(3.0, (12,), like=x, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(
        ours, losses.beta_smoothing_loss(model(x), y, average(x), draws), atol=1e-5, rtol=0
    )
    assert copy.deepcopy(loss).step == 5
    assert not any(p.requires_grad for p in loss.parameters())


def test_born_again_generations_learn_from_the_one_before(data):
    x, y = data
    loss = loss_modules.BornAgainLoss(temperature=1.0, alpha=1.0)
    first = nn.Linear(5, 3)
    torch.testing.assert_close(loss(first(x), y, x), nn.functional.cross_entropy(first(x), y))
    loss.next_generation(first)
    second = nn.Linear(5, 3)
    expected = -(first(x).softmax(-1) * second(x).log_softmax(-1)).sum(-1).mean()
    torch.testing.assert_close(loss(second(x), y, x), expected)
    before = loss.teacher.weight.clone()
    with torch.no_grad():
        first.weight.zero_()
    np.testing.assert_array_equal(loss.teacher.weight, before)
    assert loss.generation == 1


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: loss_modules.DistillationLoss(0.0), "temperature"),
        (lambda: loss_modules.DistillationLoss(1.0, 2.0), "alpha"),
        (lambda: loss_modules.ProgressiveLoss(0, 3, 4), "n_samples"),
        (lambda: loss_modules.ProgressiveLoss(5, 1, 4), "n_classes"),
        (lambda: loss_modules.ProgressiveLoss(5, 3, 4, final=1.2), "final"),
        (lambda: loss_modules.ProgressiveLoss(5, 3, 4, schedule="cubic"), "schedule"),
        (lambda: loss_modules.BetaSmoothingLoss(nn.Linear(1, 2), shape=-1.0), "shape"),
    ],
)
def test_bad_settings_are_named(call, words):
    with pytest.raises(InputError, match=words):
        call()


def test_beta_smoothing_resumes_with_its_random_numbers(data):
    x, y = data
    model = nn.Linear(5, 3)
    loss, resumed = (
        loss_modules.BetaSmoothingLoss(model, generator=torch.Generator().manual_seed(s)) for s in (1, 2)
    )
    loss(model(x), y, x)
    loss.update(model)
    kept = io.BytesIO()
    torch.save(loss.state_dict(), kept)
    kept.seek(0)
    resumed.load_state_dict(torch.load(kept))
    assert torch.equal(loss(model(x), y, x), resumed(model(x), y, x))


def test_born_again_training_resumes_with_its_teacher(data):
    x, y = data
    teacher, student = nn.Linear(5, 3), nn.Linear(5, 3)
    loss = loss_modules.BornAgainLoss(2.0, 0.5)
    loss.next_generation(nn.Linear(5, 3))
    loss.next_generation(teacher)
    with pytest.raises(InputError, match="make the loss with network="):
        loss_modules.BornAgainLoss(2.0, 0.5).load_state_dict(loss.state_dict())
    resumed = loss_modules.BornAgainLoss(2.0, 0.5, network=nn.Linear(5, 3))
    assert resumed.generation == 0
    torch.testing.assert_close(resumed(student(x), y, x), nn.functional.cross_entropy(student(x), y))
    resumed.load_state_dict(loss.state_dict())
    assert resumed.generation == 2
    assert torch.equal(loss(student(x), y, x), resumed(student(x), y, x))
    resumed.load_state_dict(loss_modules.BornAgainLoss().state_dict())  # of the first generation
    assert resumed.generation == 0


def test_teachers_answer_in_evaluation_mode_whatever_the_mode_of_the_loss(data):
    x, y = data
    network = nn.Sequential(nn.Linear(5, 3), nn.BatchNorm1d(3), nn.Dropout(0.5)).train()
    born, beta = loss_modules.BornAgainLoss(), loss_modules.BetaSmoothingLoss(network)
    born.next_generation(network)
    for loss in (born.train(), beta.train()):
        part = loss.teacher if loss is born else loss.average.module
        before = part[1].running_mean.clone()
        logits = nn.Linear(5, 3)(x)
        loss(logits, y, x)
        assert not part.training
        assert torch.equal(part[1].running_mean, before)
    assert torch.equal(born(logits, y, x), born(logits, y, x))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: loss_modules.WeightedSoftLabelLoss(alpha=-1.0), "alpha"),
        (lambda: loss_modules.LabelSmoothingLoss(0.1, "x"), "convention must be one of"),
        (lambda: loss_modules.EntropyPenaltyLoss(-0.1), "beta"),
        (lambda: loss_modules.DistillationLoss(tempered="student"), "tempered must be one of"),
        (lambda: loss_modules.PartialLabelLoss(ingore_index=3), "no option ingore_index"),
        (
            lambda: loss_modules.ProgressiveLoss(4, 3, 2)(
                torch.zeros(2, 3), torch.tensor([0, 5]), torch.tensor([0, 1]), 0
            ),
            "labels",
        ),
        (
            lambda: loss_modules.ProgressiveLoss(4, 3, 2)(
                torch.zeros(2, 3), torch.tensor([0, 1]), torch.tensor([0.0, 1.0]), 0
            ),
            "whole number",
        ),
        (
            lambda: loss_modules.ProgressiveLoss(4, 3, 2)(
                torch.zeros(3, 3), torch.tensor([0, 1]), torch.tensor([0, 1]), 0
            ),
            "one entry a sample",
        ),
    ],
)  # fmt: skip
def test_mistakes_are_named(call, message):
    with pytest.raises(InputError, match=message):
        call()


@pytest.mark.parametrize("shape", [(4, 1), (), (1,), (3,), (1, 4)])
@pytest.mark.parametrize("generation", [0, 1])
def test_modules_never_broadcast_labels(shape, generation):
    """Neither in the first generation, where the loss is cross-entropy alone, nor after it."""
    born = loss_modules.BornAgainLoss()
    for _ in range(generation):
        born.next_generation(nn.Linear(5, 3))
    labels = torch.zeros(shape, dtype=torch.long)
    with pytest.raises(InputError, match="one entry a sample"):
        born(torch.zeros(4, 3), labels, torch.zeros(4, 5))
    with pytest.raises(InputError, match="one entry a sample"):
        loss_modules.LabelSmoothingLoss(0.1)(torch.zeros(4, 3), labels)


@pytest.mark.parametrize("kind", [torch.uint8, torch.bool, torch.int16, "array", "list"])
def test_samples_are_numbered_in_any_type(kind):
    """To torch itself an index of bytes or of truth values is a mask."""
    x, labels = torch.tensor([[1.0, 0, 0], [0, 2.0, 0]]), torch.tensor([0, 1])
    numbers = torch.tensor([1, 0])
    given = {"array": numbers.numpy(), "list": numbers.tolist()}.get(kind)
    given = numbers.to(kind) if given is None else given
    kept = []
    for index in (numbers, given):
        loss = loss_modules.ProgressiveLoss(4, 3, 2)
        loss(x, labels, index, 0)
        kept.append(loss(x.flip(1), labels, index, 1))
    assert kept[0] == kept[1]
