from dataclasses import replace

import numpy as np
import pytest
import scipy.optimize
import torch
import xarray as xr
from sklearn.kernel_ridge import KernelRidge

from selfdistill.empirical.experiments.matched import MatchedConfig
from selfdistill.empirical.experiments.round_kernels import RoundKernel
from selfdistill.empirical.experiments.rounds import RoundsConfig, measure_rounds
from selfdistill.empirical.experiments.stopping import (
    StoppingConfig,
    flow_filter,
    gradient_flow,
    measure_stopping,
    sparsity_exponent,
)
from selfdistill.empirical.tangent.gauss_newton import CentredNetwork
from selfdistill.figures.mobahi2020.network_rounds import chosen_on_validation, paper_run
from selfdistill.theory import InputError, Spectrum, distill_to_tolerance

from ...made_cifar import write_cifar10, write_cifar100

SMALL = RoundsConfig(
    "squared", seeds=(0, 1), rounds=2, n_train=80, n_validation=60, n_test=100, epochs=15, decays=(0.02, 0.5)
)


@pytest.mark.parametrize("loss", ["squared", "cross_entropy"])
def test_rounds_are_measured_for_every_seed_and_reproducible(loss):
    config = replace(SMALL, loss=loss)
    both, again = measure_rounds(config), measure_rounds(config)
    assert both.equals(again)
    assert both["test_accuracy"].shape == (2, 2)
    assert both["test_accuracy"].min() > 0.3  # chance is 0.1
    alone = [
        measure_rounds(one) for one in config.each_seed()
    ]  # every seed has its own split, noise and start
    for name in ("given_accuracy", "tuned_decay_accuracy", "stopped_epoch", "predicted_accuracy"):
        together = both[name].transpose("seed", ...).values
        np.testing.assert_allclose(
            [a[name].transpose("seed", ...).values[0] for a in alone], together, atol=0.03
        )


def test_controls_are_rounds_of_one_fit_and_chosen_on_validation_labels():
    data = measure_rounds(SMALL)
    first = data["test_accuracy"].sel(round=1)
    untuned = measure_rounds(replace(SMALL, decays=()))
    np.testing.assert_allclose(untuned["tuned_decay_accuracy"], first)
    assert set(data["tuned_decay"].values) <= {SMALL.weight_decay, *SMALL.decays}
    assert (data["tuned_decay"] < 0.5).all()  # so strong a decay learns nothing
    assert (data["stopped_epoch"] >= 1).all()
    assert (data["stopped_epoch"] <= SMALL.epochs).all()


def linear_kernel(rng, columns, error):
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(columns, 3))
    x, given = torch.randn(40, columns), np.eye(3)[rng.integers(0, 3, 40)]
    return RoundKernel(network, x, given, error), x.double().numpy(), given


def test_the_predicted_curve_is_that_of_kernel_ridge_refits_at_the_error_of_the_first_fit(rng):
    kernel, x, given = linear_kernel(rng, 60, error=0.3)
    test, labels = torch.randn(200, 60), rng.integers(0, 3, 200)
    gram, cross = x @ x.T + 1, test.double().numpy() @ x.T + 1
    targets = given - 1 / 3

    def refit(alpha, y):
        return KernelRidge(kernel="precomputed", alpha=alpha).fit(gram, y)

    alpha = scipy.optimize.brentq(
        lambda a: np.mean(np.sum((refit(a, targets).predict(gram) - targets) ** 2, axis=1)) - 0.3, 1e-6, 1e6
    )
    expected, y = [], targets
    for _ in range(3):
        model = refit(alpha, y)
        y = model.predict(gram)
        expected.append(np.mean(model.predict(cross).argmax(axis=1) == labels))
    np.testing.assert_allclose(kernel.predicted_accuracy(test, labels, 3), expected, atol=0.011)
    hopeless, _, _ = linear_kernel(rng, 8, error=0.0001)
    assert np.isnan(hopeless.predicted_accuracy(test[:, :8], labels, 3)).all()


def test_filters_of_ridge_have_the_order_of_the_eigenvalues_and_fewer_pass_later(rng):
    torch.manual_seed(0)
    x, given = torch.randn(60, 80), np.eye(3)[rng.integers(0, 3, 60)]
    kernel = RoundKernel(torch.nn.Sequential(torch.nn.Linear(80, 3)), x, given, 0.5)
    gram = x.double().numpy() @ x.double().numpy().T + 1
    smooth = np.linalg.solve(gram + 60 * np.eye(60), gram)
    rough = np.eye(60) - smooth
    targets = given - 1 / 3
    assert kernel.filter_order(smooth @ targets + 1 / 3) == pytest.approx(1)
    assert kernel.filter_order(rough @ targets + 1 / 3) == pytest.approx(-1)
    assert kernel.basis_size(given) == 6
    sizes = [kernel.basis_size(np.linalg.matrix_power(smooth, t) @ targets + 1 / 3) for t in (1, 2, 4, 8)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] < 6
    assert np.isnan(kernel.filter_order(np.full((60, 3), np.nan)))


def test_the_number_of_rounds_is_chosen_on_validation_labels_alone():
    part = xr.Dataset(
        {
            "validation_accuracy": (("seed", "round"), [[0.3, 0.8, 0.8], [0.5, 0.2, 0.1]]),
            "test_accuracy": (("seed", "round"), [[0.1, 0.2, 0.9], [0.4, 0.5, 0.6]]),
        }
    )
    accuracy, rounds = chosen_on_validation(part)
    assert rounds.tolist() == [2, 1]
    assert accuracy.tolist() == [0.2, 0.4]


@pytest.mark.parametrize("draw", range(20))
def test_one_round_and_flow_stay_within_the_bound_and_distillation_leaves_it(draw):
    rng = np.random.default_rng([draw, 7])
    d = np.exp(rng.uniform(-4, 2, 30))
    z = 10 * rng.normal(size=30)
    spectrum = Spectrum.from_eigenvalues(d, z)
    d, weights = spectrum.eigenvalues, spectrum.weights
    for epsilon in (0.01, 1.0, 20.0, 0.9 * np.mean(z**2)):
        one = distill_to_tolerance(spectrum, epsilon, max_rounds=1).filter(1)
        assert 0 < sparsity_exponent(one, d, weights) <= 1
    for time in (0.01, 1.0, 100.0):
        assert 0 <= sparsity_exponent(1 - np.exp(-2 * d * time), d, weights) <= 1
    many = distill_to_tolerance(spectrum, 1.0)
    assert sparsity_exponent(many.filter(many.rounds), d, weights) > 1


def test_the_exponent_is_that_of_a_power_law_and_counts_filters_below_zero(rng):
    d, weights = np.exp(rng.uniform(-2, 2, 30)), rng.uniform(0.5, 2, 30)
    assert sparsity_exponent(3 * d**1.7, d, weights) == pytest.approx(1.7, abs=1e-6)
    filters = d**1.7 - 0.2
    assert filters.min() < 0
    found = sparsity_exponent(filters, d, weights)

    def misfit(s):
        a = np.linalg.lstsq((np.sqrt(weights) * d**s)[:, None], np.sqrt(weights) * filters, rcond=None)[0]
        return weights @ (filters - a * d**s) ** 2

    assert misfit(found) < min(misfit(found - 0.01), misfit(found + 0.01))


def linear(rng):
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(9, 1, bias=False))
    x, y = rng.normal(size=(6, 9)), rng.normal(size=6)
    d, v = np.linalg.eigh(x @ x.T / 6)
    return CentredNetwork(network, x), y, d, v


def test_gradient_flow_of_a_linear_network_is_the_closed_form_at_the_error_asked_for(rng):
    centred, y, d, v = linear(rng)
    errors = np.mean(y**2) * np.array([0.2, 0.7])
    flow = gradient_flow(centred, y, errors, d[-1] * 100, 100_000)
    for error, h in zip(errors, flow, strict=True):
        assert np.mean((h - y) ** 2) == pytest.approx(error, rel=1e-4)
        np.testing.assert_allclose(h, v @ (flow_filter(d, v.T @ y, 6 * error) * (v.T @ y)), atol=2e-3)
    assert np.isnan(gradient_flow(centred, y, errors[:1], d[-1] * 100, 3)).all()


def test_early_stopping_is_compared_at_the_same_training_error():
    unit = measure_stopping(StoppingConfig(MatchedConfig("digits-3-8", 0.1, 24, 0, n_train=20)))
    theory = unit["exponent"].sel(source="theory")
    assert theory.sel(treatment=["one round", "gradient flow"]).max() <= 1
    for source in ("theory", "network"):
        error = unit["error"].sel(source=source)
        for name in ("one round", "gradient flow"):
            np.testing.assert_allclose(
                error.sel(treatment=name), error.sel(treatment="distillation"), rtol=2e-3
            )
    assert np.isfinite(unit["exponent"].sel(source="network", round=1)).all()


@pytest.mark.parametrize(("data", "network"), [("cifar10", "resnet50"), ("cifar100", "vgg")])
def test_the_runs_of_the_paper_on_cifar(data, network, tmp_path, monkeypatch):
    """What `full` does, on made images and at toy sizes."""
    (write_cifar10 if data == "cifar10" else write_cifar100)(tmp_path, n=100)
    monkeypatch.setenv("SELFDISTILL_CIFAR", str(tmp_path))
    config = replace(
        paper_run(RoundsConfig("cross_entropy", data=data, network=network, seeds=(0,))),
        rounds=2, n_train=16, n_validation=8, n_test=8, hidden=(4,), epochs=1, batch_size=16, decays=(),
    )  # fmt: skip
    run = measure_rounds(config)
    assert run["test_accuracy"].shape == (1, 2)
    assert (run["given_accuracy"] == run["train_accuracy"]).all()  # clean labels
    assert "filter_order" not in run


def test_networks_for_images_need_images():
    with pytest.raises(InputError, match="needs images"):
        measure_rounds(
            RoundsConfig(
                "squared", data="wine", network="vgg", rounds=1, n_train=20, n_validation=5, n_test=20
            )
        )


def test_networks_that_diverge_are_nan_and_not_at_chance():
    config = RoundsConfig(
        "squared", seeds=(0, 1), rounds=2, n_train=60, n_validation=20, n_test=100, epochs=4, hidden=(8,),
        learning_rate=1e6, decays=(),
    )  # fmt: skip
    data = measure_rounds(config)
    assert data["diverged"].values.tolist() == [1, 1]
    for name in (
        "test_accuracy",
        "train_accuracy",
        "given_accuracy",
        "basis_size",
        "filter_order",
        "predicted_accuracy",
    ):
        assert np.isnan(data[name]).all()
