"""Networks as batched products, and gradients layer by layer: those of the modules and of autograd."""

import copy
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from selfdistill.empirical.networks.perceptrons import convnet, mlp
from selfdistill.empirical.networks.stacked import has_plain_gradients, is_perceptron
from selfdistill.empirical.training.ensemble import Ensemble
from selfdistill.empirical.training.members import (
    cross_entropy,
    squared_error,
)
from selfdistill.empirical.training.objectives import gradient_of

SEEDS = (3, 7, 11)


@pytest.mark.parametrize(
    "build",
    [
        lambda: mlp(6, 3, (5, 4)),
        lambda: mlp(6, 3, ()),
        lambda: mlp(6, 3, (5,), activation="gelu"),
        lambda: mlp(6, 3, (5, 4), parametrisation="ntk", activation="tanh"),
        lambda: mlp(6, 3, (5,), parametrisation="ntk", bias_std=0.0),
        lambda: torch.nn.Sequential(torch.nn.Linear(6, 3, bias=False)),
    ],
)
def test_perceptrons_as_batched_products_are_the_modules_and_what_vmap_makes_of_them(build):
    e = Ensemble.initialise(build, SEEDS, dtype=torch.float64)
    assert is_perceptron(e.skeleton)
    shape = (len(SEEDS), 7, 2, 3) if isinstance(e.skeleton[0], torch.nn.Flatten) else (len(SEEDS), 7, 6)
    x = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for outputs, model, own in zip(e.forward(x), e.modules(), x, strict=True):
        torch.testing.assert_close(outputs, model(own))
    labels = e.share(torch.arange(7) % 3)
    gradients = []
    for ensemble in (e, replace(e, at_once=2)):  # the second through vmap
        parameters = {name: p.clone().requires_grad_() for name, p in e.parameters.items()}
        losses = ensemble.with_parameters(parameters).losses(cross_entropy, x, labels)
        gradients.append(torch.autograd.grad(losses.sum(), list(parameters.values())))
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_other_networks_are_no_perceptrons():
    for network in (
        convnet(1, 3),
        torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.LayerNorm(3)),
        torch.nn.Linear(3, 3),
    ):
        assert not is_perceptron(network)


def test_layers_that_come_twice():
    """An activation may; a linear layer makes the network one for vmap, since its weights are one parameter."""
    relu, linear = torch.nn.ReLU(), torch.nn.Linear(3, 3)
    shared = torch.nn.Sequential(
        torch.nn.Linear(3, 3), relu, torch.nn.Linear(3, 3), relu, torch.nn.Linear(3, 2)
    )
    tied = torch.nn.Sequential(linear, torch.nn.Tanh(), linear)
    x = torch.randn(5, 3)
    for network, plain in ((shared, True), (tied, False)):
        e = Ensemble.initialise(lambda n=network: copy.deepcopy(n), (0, 1))
        assert is_perceptron(e.skeleton) == plain
        torch.testing.assert_close(e.predict(x)[1], network(x).detach())


@pytest.mark.parametrize(
    "build",
    [
        lambda: mlp(6, 3, (5, 4)),
        lambda: torch.nn.Sequential(torch.nn.ReLU(), torch.nn.ReLU(), torch.nn.Linear(6, 3, bias=False)),
        lambda: torch.nn.Sequential(
            torch.nn.Linear(6, 4, bias=False), torch.nn.Flatten(), torch.nn.ReLU(), torch.nn.Linear(4, 3)
        ),
        lambda: torch.nn.Sequential(torch.nn.Linear(6, 3), torch.nn.ReLU()),
    ],
)
@pytest.mark.parametrize(
    ("loss_of", "targets"),
    [
        (squared_error, torch.randn(3, 7, 3)),
        (squared_error, torch.randn(3, 7, 3).double()),
        (cross_entropy, torch.arange(21).reshape(3, 7) % 3),
        (F.cross_entropy, torch.arange(21).reshape(3, 7) % 3),
        (F.cross_entropy, torch.tensor([[-100] * 7, [0, 1, -100, 2, 1, -100, 0], [0, 1, 2, 0, 1, 2, 0]])),
        (F.cross_entropy, torch.rand(3, 7, 3)),
        (lambda outputs, targets: outputs.sum() + targets.sum(), torch.zeros(3, 7)),
    ],
    ids=[
        "squared error",
        "targets in float64",
        "cross-entropy",
        "torch's",
        "labels that do not count",
        "distributions",
        "of autograd, the gradient one number",
    ],
)
def test_gradients_layer_by_layer_are_those_of_autograd(build, loss_of, targets):
    members = Ensemble.initialise(build, range(3))
    assert has_plain_gradients(members.skeleton)
    inputs = torch.randn(3, 7, 6)
    given = inputs.clone()
    values, gradients = members.gradients(loss_of, inputs, targets)
    for i, module in enumerate(members.modules()):
        loss = loss_of(module(given[i]), targets[i])
        torch.testing.assert_close(values[i], loss, equal_nan=True)  # of no labels that count
        for mine, theirs in zip(gradients, torch.autograd.grad(loss, list(module.parameters())), strict=True):
            torch.testing.assert_close(mine[i], theirs)
    assert torch.equal(inputs, given)  # ReLU works in place, but on nothing that was handed in


def test_other_activations_and_parametrisations_go_through_autograd():
    for network in (mlp(6, 3, (4,), activation="gelu"), mlp(6, 3, (4,), parametrisation="ntk")):
        assert not has_plain_gradients(network)


def test_losses_that_are_known_for_all_members_at_once():
    labels, soft = torch.zeros(3, 7, dtype=torch.long), torch.rand(3, 7, 2)
    known = [
        (squared_error, soft),
        (cross_entropy, labels),
        (F.cross_entropy, labels),
        (F.cross_entropy, soft),
    ]
    assert all(gradient_of(loss, targets) is not None for loss, targets in known)
    others = [
        (F.mse_loss, soft),
        (cross_entropy, soft),
        (F.cross_entropy, soft[..., 0]),
        (squared_error, {"y": soft}),
    ]
    assert all(gradient_of(loss, targets) is None for loss, targets in others)
