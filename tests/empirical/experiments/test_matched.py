"""The optimum that Gauss-Newton finds is the optimum, and networks made linear follow the theory exactly."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.optimize
import torch
from torch import nn
from torch.func import functional_call

from selfdistill.empirical.experiments.matched import (
    KERNELS,
    MatchedConfig,
    distill_network,
    matched_data,
    matched_network,
    measure_matched,
)
from selfdistill.empirical.networks.perceptrons import ACTIVATIONS, convnet, mlp
from selfdistill.empirical.networks.stacked import is_perceptron
from selfdistill.empirical.tangent.gauss_newton import CentredNetwork
from selfdistill.theory import InputError, Spectrum, distill_to_tolerance


def small(seed=0):
    torch.manual_seed(seed)
    network = mlp(3, 1, (40,), parametrisation="ntk", activation="gelu").double()
    x = torch.randn(12, 3, dtype=torch.float64)
    y = x[:, 0].numpy() + 0.3 * torch.randn(12).numpy()
    return network, x, y


def objective(network, x, y, penalty):
    """The penalised problem as one function of a flat displacement, with its gradient, by autograd alone."""
    names = [n for n, _ in network.named_parameters()]
    start = [p.detach() for p in network.parameters()]
    offset = network(x)[:, 0].detach()

    def value(flat):
        parts = torch.split(flat, [p.numel() for p in start])
        moved = {n: p + d.reshape(p.shape) for n, p, d in zip(names, start, parts, strict=True)}
        h = functional_call(network, moved, (x,))[:, 0] - offset
        return ((h - torch.from_numpy(y)) ** 2).mean() + penalty * (flat**2).sum(), h

    def with_gradient(flat):
        t = torch.tensor(flat, requires_grad=True)
        result, _ = value(t)
        result.backward()
        return result.item(), t.grad.numpy()

    size = sum(p.numel() for p in start)
    found = scipy.optimize.minimize(
        with_gradient, np.zeros(size), jac=True, method="L-BFGS-B",
        options={"maxiter": 5000, "ftol": 1e-15, "gtol": 1e-10, "maxfun": 10_000},
    )  # fmt: skip
    return value(torch.from_numpy(found.x))[1].detach().numpy()


def test_fit_is_what_lbfgs_finds_at_its_penalty_and_has_the_error_asked_for():
    network, x, y = small()
    fit = CentredNetwork(network, x).fit_to_error(y, 0.1, tolerance=1e-5)
    assert fit.converged
    assert fit.error == pytest.approx(0.1, rel=1e-4)
    np.testing.assert_allclose(fit.fitted, objective(network, x, y, fit.penalty), atol=2e-4)


def test_a_linear_network_follows_the_theory_exactly(rng):
    """Without hidden layers the tangent kernel is constant: every round must equal the closed form."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(20, 1)).double()
    x, y = rng.normal(size=(12, 20)), 2 * rng.normal(size=12)
    centred = CentredNetwork(network, x)
    spectrum = Spectrum.from_gram(centred.gram, y)
    theory = distill_to_tolerance(spectrum, 0.05)
    fits = distill_network(centred, y, 0.05, max_rounds=100)
    assert len(fits) == theory.rounds > 1
    np.testing.assert_allclose([f.penalty for f in fits], theory.multipliers, rtol=1e-6)
    np.testing.assert_allclose(fits[-1].fitted, theory.fitted(theory.rounds), atol=1e-8)


def test_prediction_is_centred(rng):
    network, x, y = small()
    centred = CentredNetwork(network, x)
    fit = centred.fit_to_error(y, 0.2)
    np.testing.assert_allclose(centred.predict(fit, x.numpy()), fit.fitted, atol=1e-12)


def test_unsuitable_networks_and_targets_are_refused():
    network, x, y = small()
    with pytest.raises(InputError, match="within epsilon of zero"):
        CentredNetwork(network, x).fit_to_error(0.01 * y, 1.0)
    with pytest.raises(InputError, match="linear layers only"):
        CentredNetwork(convnet(1, 1, 8), np.zeros((2, 1, 4, 4)))


def test_the_sample_of_a_cell_is_the_same_at_every_width_and_epsilon():
    a = matched_data(MatchedConfig("digits-3-8", 0.1, 32, seed=1))
    b = matched_data(MatchedConfig("digits-3-8", 0.3, 64, seed=1))
    assert np.array_equal(a.inputs, b.inputs)
    assert np.array_equal(a.targets, b.targets)
    assert 0 < (a.targets != a.clean_targets).mean() < 0.3


def test_a_network_reports_every_round_at_its_error_and_every_kernel_beside_it():
    config = MatchedConfig("digits-3-8", 0.1, 24, seed=0, n_train=20)
    unit = measure_matched(config)
    network = int(unit["rounds"].sel(source="network"))
    assert network >= unit["lower_bound"]
    errors = unit["training_error"].values
    np.testing.assert_allclose(errors[:network], 0.1, rtol=1e-3)
    assert np.isnan(errors[network:]).all()
    assert unit["ratio"].sel(source="network", round=network) <= 1
    assert not unit["limit_reached"]
    assert unit["rounds"].sel(source="theory") <= unit["upper_bound"]
    # Independently: the theory's first round is ridge regression in the network's kernel at its penalty.
    data = matched_data(config)
    centred = matched_network(config, data)
    penalty = float(unit["multiplier"].sel(source="theory", fit=1))
    dual = np.linalg.solve(centred.gram + 20 * penalty * np.eye(20), data.signed.astype(float))
    np.testing.assert_allclose(np.mean((centred.gram @ dual - data.signed) ** 2), 0.1, rtol=1e-6)
    predicted = centred.cross_gram(data.test_inputs) @ dual
    error = np.mean((predicted - (2.0 * data.test_targets - 1)) ** 2)
    np.testing.assert_allclose(unit["test_error"].sel(source="theory", fit=1), error, rtol=1e-6)
    fit = centred.fit_to_error(data.signed, 0.1)
    z = np.linalg.norm(fit.fitted - centred.gram @ dual) / np.linalg.norm(centred.gram @ dual)
    np.testing.assert_allclose(unit["z_error"].sel(kernel="theory", fit=1), z, rtol=1e-6)
    for kernel in KERNELS:
        length = int(unit["rounds"].sel(source=kernel))
        assert np.isfinite(unit["test_error"].sel(source=kernel)).sum() == length


def test_a_network_that_the_limit_cuts_short_says_so():
    config = MatchedConfig("digits-3-8", 0.02, 24, seed=0, n_train=20)
    cut = measure_matched(replace(config, max_rounds=2))
    assert cut["limit_reached"] == 1
    assert cut["rounds"].sel(source="network") == 2
    assert cut["rounds"].sel(source="theory") > 2
    assert np.isfinite(cut["z_error"].sel(kernel="theory")).sum() == 2


def test_a_fit_that_runs_out_of_steps_says_so():
    network, x, y = small()
    fit = CentredNetwork(network, x).fit_to_error(y, 0.001, max_steps=2)
    assert not fit.converged
    assert fit.steps == 2


def test_the_sharp_activation_is_smooth_and_nearly_relu():
    x = torch.linspace(-3, 3, 10_001, dtype=torch.float64, requires_grad=True)
    y = ACTIVATIONS["sharp gelu"]()(x)
    assert (y - x.relu()).abs().max() < 0.011
    (slope,) = torch.autograd.grad(y.sum(), x)
    assert slope.diff().abs().max() < 0.02  # no kink
    network = mlp(3, 1, (8,), activation="sharp gelu")
    assert is_perceptron(network)
