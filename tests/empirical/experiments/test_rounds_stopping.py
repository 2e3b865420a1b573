import numpy as np
import pytest
import torch

from selfdistill.empirical.experiments.matched import MatchedConfig
from selfdistill.empirical.experiments.rounds import (
    RoundsConfig,
    effective_rank,
    filter_order,
    measure_rounds,
)
from selfdistill.empirical.experiments.stopping import (
    StoppingConfig,
    flow_filter,
    gradient_flow,
    measure_stopping,
    sparsity_exponent,
)
from selfdistill.empirical.tangent.gauss_newton import CentredNetwork
from selfdistill.figures.mobahi2020.network_rounds import early_and_late
from selfdistill.theory import InputError, Spectrum, distill_to_tolerance

from ...made_cifar import write_cifar10


@pytest.mark.parametrize("loss", ["squared", "cross_entropy"])
def test_rounds_are_measured_for_every_seed_and_reproducible(loss):
    config = RoundsConfig(loss, seeds=(0, 1), rounds=2, n_train=80, n_test=100, epochs=15)
    first, again = measure_rounds(config), measure_rounds(config)
    assert first.equals(again)
    assert first["test_accuracy"].shape == (2, 2)
    assert first["test_accuracy"].min() > 0.3  # chance is 0.1


def test_effective_rank_counts_equal_directions(rng):
    q, _ = np.linalg.qr(rng.normal(size=(50, 5)) - 0.0)
    q -= q.mean(axis=0)
    q, _ = np.linalg.qr(q)
    assert effective_rank(q[:, :3]) == pytest.approx(3, rel=1e-6)
    assert effective_rank(np.outer(q[:, 0], np.ones(4))) == pytest.approx(1, rel=1e-6)
    assert np.isnan(effective_rank(np.full((3, 2), np.nan)))


def test_filter_order_is_one_for_kernel_ridge_and_minus_one_for_its_opposite(rng):
    vectors, _ = np.linalg.qr(rng.normal(size=(60, 60)))
    # Centring mixes directions unless the constant is one of them: make it the last.
    vectors, _ = np.linalg.qr(np.column_stack([np.ones(60), vectors[:, :-1]]))
    vectors = vectors[:, ::-1]
    d = np.linspace(0.1, 6, 60)
    given = vectors @ rng.normal(size=(60, 3))
    ridge = vectors @ (d[:, None] / (d[:, None] + 1) * (vectors.T @ given))
    inverse = vectors @ (1 / (d[:, None] + 1) * (vectors.T @ given))
    assert filter_order(ridge, given, d, vectors) == pytest.approx(1)
    assert filter_order(inverse, given, d, vectors) == pytest.approx(-1)


def test_the_best_round_is_chosen_on_other_seeds():
    accuracy = np.array([[0.3, 1.0, 0.5], [0.6, 0.4, 0.9]])
    rise, fall, best = early_and_late(accuracy)
    assert best.tolist() == [3, 2]
    np.testing.assert_allclose(rise, [0.2, -0.2])
    np.testing.assert_allclose(fall, [0.2, -0.1 + 0.6])


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


@pytest.mark.parametrize("network", ["resnet10", "vgg"])
def test_rounds_on_cifar_with_deep_networks(network, tmp_path, monkeypatch):
    """What `full` does, on made images and toy widths: every seed alone gives the numbers it has in company."""
    monkeypatch.setenv("SELFDISTILL_CIFAR", str(write_cifar10(tmp_path, n=16)))
    config = RoundsConfig(
        "cross_entropy", data="cifar10", network=network, seeds=(0, 1), rounds=2, n_train=80, n_test=16,
        hidden=(2,), epochs=3, batch_size=20,
    )  # fmt: skip
    both = measure_rounds(config)
    assert both["test_accuracy"].shape == (2, 2)
    assert "filter_order" not in both
    alone = [measure_rounds(c) for c in config.each_seed()]  # all 80 images: the split is the same
    for name in ("effective_rank", "given_accuracy"):
        np.testing.assert_allclose([a[name].values[0] for a in alone], both[name], rtol=0.02, atol=0.02)


def test_networks_for_images_need_images():
    with pytest.raises(InputError, match="needs images"):
        measure_rounds(RoundsConfig("squared", data="wine", network="vgg", rounds=1, n_train=20, n_test=20))


def test_networks_that_diverge_are_nan_and_not_at_chance():
    config = RoundsConfig(
        "squared", seeds=(0, 1), rounds=2, n_train=60, n_test=100, epochs=4, hidden=(8,), learning_rate=1e6
    )
    data = measure_rounds(config)
    assert data["diverged"].values.tolist() == [1, 1]
    for name in ("test_accuracy", "train_accuracy", "given_accuracy", "effective_rank", "filter_order"):
        assert np.isnan(data[name]).all()
