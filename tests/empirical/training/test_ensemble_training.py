"""An ensemble trains exactly as its members would alone."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from selfdistill.empirical.networks.perceptrons import convnet, mlp
from selfdistill.empirical.training.ensemble import Ensemble
from selfdistill.empirical.training.members import (
    MinibatchOrder,
    Optimiser,
    TrainingConfig,
    cross_entropy,
    squared_error,
    train,
)
from selfdistill.theory import InputError

SEEDS = (3, 7, 11)


def members(seeds=SEEDS):
    return Ensemble.initialise(lambda: mlp(5, 4, (16,)), seeds)


def problem():
    g = torch.Generator().manual_seed(0)
    return torch.randn(50, 5, generator=g), torch.randint(4, (3, 50), generator=g)


def plain_loop(ensemble, x, labels, config, rates, decays, schedule=lambda step, total: 1.0):
    """The same training with `torch.optim`, member after member."""
    losses, states = [], []
    for i, model in enumerate(ensemble.modules()):
        if config.optimiser == "sgd":
            optimiser = torch.optim.SGD(
                model.parameters(), lr=rates[i], momentum=config.momentum, weight_decay=decays[i]
            )
        else:
            optimiser = torch.optim.AdamW(model.parameters(), lr=rates[i], weight_decay=decays[i])
        order = MinibatchOrder([ensemble.seeds[i]], len(x), config.batch_size)
        step, total, history = 0, config.epochs * order.steps, []
        for _ in range(config.epochs):
            value = 0.0
            for index in order.epoch():
                for group in optimiser.param_groups:
                    group["lr"] = rates[i] * schedule(step, total)
                loss = F.cross_entropy(model(x[index[0]]), labels[i, index[0]])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                value += loss.item() * index.shape[1] / len(x)
                step += 1
            history.append(value)
        losses.append(history)
        states.append({n: p.detach() for n, p in model.named_parameters()})
    return np.array(losses).T, states


@pytest.mark.parametrize(
    ("optimiser", "schedule"),
    [("sgd", "constant"), ("sgd", "cosine"), ("adam", "constant"), ("adam", "cosine")],
)
@pytest.mark.parametrize(
    ("rates", "decays"),
    [([0.1, 0.05, 0.01], [0.0, 0.01, 0.1]), ([0.02] * 3, [0.1] * 3), ([0.02] * 3, [0.1, 0.0, 0.1])],
    ids=["own", "common", "own decay"],
)
def test_training_equals_a_plain_loop_over_members(optimiser, schedule, rates, decays):
    x, labels = problem()
    config = TrainingConfig(
        epochs=3, batch_size=16, optimiser=optimiser, learning_rate=rates, weight_decay=decays,
        schedule=schedule,
    )  # fmt: skip
    start = members()
    run = train(start, x, labels, F.cross_entropy, config)
    cosine = lambda step, total: (1 + np.cos(np.pi * step / total)) / 2  # noqa: E731
    factor = cosine if schedule == "cosine" else (lambda step, total: 1.0)
    losses, states = plain_loop(start, x, labels, config, rates, decays, factor)
    np.testing.assert_allclose(run.losses, losses, rtol=2e-5)
    for i, state in enumerate(states):
        for name, value in state.items():
            torch.testing.assert_close(run.ensemble.parameters[name][i], value, rtol=2e-4, atol=2e-5)


def test_convolutions_train_as_alone_whatever_the_layout_of_their_gradients():
    """The fused update reads memory as it lies: gradients that lie otherwise than parameters must not reach it."""
    start = Ensemble.initialise(lambda: convnet(2, 3, width=8), SEEDS)
    x = torch.randn(20, 8, 8, 2, generator=torch.Generator().manual_seed(0)).permute(
        0, 3, 1, 2
    )  # channels last
    labels = start.share(torch.arange(20) % 3)
    config = TrainingConfig(epochs=2, batch_size=10)
    losses, _ = plain_loop(start, x, labels, config, [0.1] * 3, [0.0] * 3)
    np.testing.assert_allclose(train(start, x, labels, cross_entropy, config).losses, losses, rtol=2e-5)


def test_the_fused_update_does_not_mind_how_gradients_lie():
    start = members()
    name, p = next(iter(start.parameters.items()))
    config = TrainingConfig(epochs=1, learning_rate=0.5)
    gradient = torch.randn(p.shape)
    for given in (gradient, gradient.transpose(1, 2).contiguous().transpose(1, 2)):
        values = {name: p.clone()}
        Optimiser(config, start.with_parameters({name: p})).step(values, [given], 1.0)
        torch.testing.assert_close(values[name], p - 0.5 * gradient)


@pytest.mark.parametrize("shape", [(), (4,)], ids=["labels", "distributions"])
def test_targets_are_drawn_alike_however_they_lie(shape):
    """Shared by all members, their own, or a view of something larger."""
    x, _ = problem()
    e = members()
    own = torch.rand(50, *shape) if shape else torch.randint(4, (50,))
    shared = e.share(own)
    layouts = (shared, shared.contiguous(), torch.stack([shared, shared], dim=2)[:, :, 0])
    config = TrainingConfig(epochs=2, batch_size=16)
    seen = [train(e, x, targets, F.cross_entropy, config).losses for targets in layouts]
    assert (seen[0] == seen[1]).all()
    assert (seen[0] == seen[2]).all()


def test_a_member_does_not_depend_on_its_company():
    x, labels = problem()
    config = TrainingConfig(epochs=2, batch_size=16)
    together = train(members(), x, labels, F.cross_entropy, config)
    alone = train(members(SEEDS[1:2]), x, labels[1:2], F.cross_entropy, config)
    np.testing.assert_allclose(together.losses[:, 1], alone.losses[:, 0], rtol=1e-5)


def test_start_is_left_as_it_was():
    x, labels = problem()
    start = members()
    before = start.predict(x)
    train(start, x, labels, F.cross_entropy, TrainingConfig(epochs=1))
    assert torch.equal(start.predict(x), before)


def test_a_diverging_member_is_reported_and_spoils_nobody():
    x, _ = problem()
    y = torch.randn(3, 50, 4)
    config = TrainingConfig(epochs=5, batch_size=16, learning_rate=[0.01, 1e6, 0.01])
    run = train(members(), x, y, squared_error, config)
    assert run.diverged.tolist() == [False, True, False]
    assert run.diverged_at[1] >= 0
    alone = train(
        members(SEEDS[2:]), x, y[2:], squared_error, TrainingConfig(5, batch_size=16, learning_rate=0.01)
    )
    np.testing.assert_allclose(run.losses[:, 2], alone.losses[:, 0], rtol=1e-5)


def test_cross_entropy_is_torchs():
    outputs, labels = torch.randn(6, 4, requires_grad=True), torch.arange(6) % 4
    ours, theirs = cross_entropy(outputs, labels), F.cross_entropy(outputs, labels)
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(*(torch.autograd.grad(loss, outputs)[0] for loss in (ours, theirs)))


def test_select_and_concatenate_are_inverse():
    e = members()
    x, _ = problem()
    joined = Ensemble.concatenate([e.select([0]), e.select(slice(1, None))])
    assert joined.seeds == SEEDS
    assert torch.equal(joined.predict(x), e.predict(x))


def test_modules_are_the_members():
    e = members()
    x, _ = problem()
    for model, outputs in zip(e.modules(), e.predict(x), strict=True):
        torch.testing.assert_close(model(x), outputs)


def test_targets_may_change_each_epoch_and_batches_may_be_prepared():
    x, _ = problem()
    e = members()
    seen = []

    def prepare(batch):
        seen.append((batch.epoch, batch.step, tuple(batch.inputs.shape)))
        batch.inputs = batch.inputs * 1.0
        return batch

    def each_epoch(epoch, ensemble):
        return ensemble.predict(x)  # its own outputs: the loss of epoch 2 starts from zero

    run = train(
        e, x, e.share(torch.ones(50, 4)), squared_error,
        TrainingConfig(epochs=2, batch_size=50, learning_rate=0.01), prepare=prepare, each_epoch=each_epoch,
    )  # fmt: skip
    assert seen == [(0, 0, (3, 50, 5)), (1, 1, (3, 50, 5))]
    assert run.losses[0].min() > 0.1
    assert run.losses[1].max() < 1e-10


def test_convolutions_with_normalisation_train_under_vmap():
    e = Ensemble.initialise(lambda: convnet(1, 2, width=8), (0, 1))
    x = torch.randn(32, 1, 8, 8)
    y = (x.mean(dim=(1, 2, 3)) > 0).long()
    config = TrainingConfig(epochs=15, optimiser="adam", learning_rate=0.01)
    run = train(e, x, e.share(y), F.cross_entropy, config)
    assert (run.losses[-1] < run.losses[0]).all()


def test_wrong_shapes_are_refused_in_words():
    x, labels = problem()
    with pytest.raises(InputError, match=r"\(3, 50, …\).*share"):
        train(members(), x, labels[0], F.cross_entropy, TrainingConfig(epochs=1))
    with pytest.raises(InputError, match="learning_rate"):
        train(members(), x, labels, F.cross_entropy, TrainingConfig(epochs=1, learning_rate=[0.1, 0.2]))
    with pytest.raises(InputError, match="optimiser"):
        TrainingConfig(epochs=1, optimiser="lion")


def test_no_epochs_leave_the_start_as_it_is():
    ensemble = Ensemble.initialise(lambda: mlp(3, 2, (4,)), (0, 1))
    x = torch.randn(6, 3)
    run = train(ensemble, x, ensemble.share(torch.arange(6) % 2), F.cross_entropy, TrainingConfig(epochs=0))
    assert torch.equal(run.ensemble.predict(x), ensemble.predict(x))
    assert run.diverged_at.tolist() == [-1, -1]


def test_dropout_is_off_where_members_are_asked_and_on_where_they_learn():
    network = Ensemble.initialise(lambda: torch.nn.Sequential(mlp(3, 8, ()), torch.nn.Dropout(0.5)), (0, 1))
    x = torch.randn(6, 3)
    assert torch.equal(network.predict(x), network.predict(x))
    assert not torch.equal(network.forward(network.share(x)), network.forward(network.share(x)))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Ensemble.initialise(lambda: torch.nn.BatchNorm1d(3), (0,)), "GroupNorm"),
        (lambda: Ensemble.initialise(torch.nn.ReLU, (0,)), "no parameters"),
        (lambda: Ensemble.initialise(lambda: mlp(3, 2), (1.5,)), "each seed"),
        (lambda: Ensemble.initialise(lambda: mlp(3, 2), (0,), at_once=0), "at_once"),
        (lambda: run_once(loss=lambda outputs, _: outputs.square().mean(dim=0)), "one number"),
        (lambda: run_once(n=0), "no sample"),
    ],
)
def test_what_cannot_be_trained_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()


def run_once(loss=F.cross_entropy, n=6):
    e = Ensemble.initialise(lambda: mlp(3, 2, (4,)), (0, 1))
    targets = e.share(torch.zeros(n, dtype=torch.long))
    return train(e, torch.zeros(n, 3), targets, loss, TrainingConfig(epochs=1))


class Spy(torch.nn.Module):
    """Passes its input on and notes its type."""

    seen: list[torch.dtype] = []  # noqa: RUF012 - copies of the module share it

    def forward(self, x):
        self.seen.append(x.dtype)
        return x


@pytest.mark.parametrize(
    "build", [lambda: mlp(48, 3, (16,)), lambda: convnet(3, 3, 4)], ids=["mlp", "convnet"]
)
def test_mixed_precision_computes_in_bfloat16_and_keeps_parameters_and_loss_in_float32(build):
    Spy.seen.clear()
    e = Ensemble.initialise(lambda: torch.nn.Sequential(Spy(), build(), Spy()), (0, 1))
    x = torch.randn(8, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    seen_by_loss = []

    def loss(outputs, targets):
        seen_by_loss.append(outputs.dtype)
        return F.cross_entropy(outputs, targets)

    labels = e.share(torch.arange(8) % 3)
    mixed = train(
        e, x, labels, loss, TrainingConfig(3, batch_size=8, learning_rate=0.05, mixed_precision=True)
    )
    assert set(Spy.seen) == {torch.bfloat16}
    assert set(seen_by_loss) == {torch.float32}
    plain = train(e, x, labels, F.cross_entropy, TrainingConfig(3, batch_size=8, learning_rate=0.05))
    for name, p in mixed.ensemble.parameters.items():
        assert p.dtype == torch.float32
        change, expected = p - e.parameters[name], plain.ensemble.parameters[name] - e.parameters[name]
        assert (change - expected).norm() < 0.05 * expected.norm()
