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
    gradient_flow,
    measure_stopping,
    sparsity_exponent,
)
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


def test_one_round_and_flow_stay_within_the_bound_and_distillation_leaves_it(rng):
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
    assert sparsity_exponent(d**1.7, d, weights) == pytest.approx(1.7)


def test_gradient_flow_of_a_linear_network_is_the_closed_form(rng):
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(9, 1, bias=False)).double()
    x, y = rng.normal(size=(6, 9)), rng.normal(size=6)
    d, v = np.linalg.eigh(x @ x.T / 6)
    times = (0.1, 1.0)
    for time, h in zip(times, gradient_flow(network, x, y, times, d[-1] * 100), strict=True):
        np.testing.assert_allclose(h, v @ ((1 - np.exp(-2 * d * time)) * (v.T @ y)), atol=2e-3)


def test_a_cell_of_early_stopping_holds_theory_and_network():
    unit = measure_stopping(
        StoppingConfig(
            MatchedConfig("digits-3-8", 0.2, 48, 0, n_train=30), stops=(0.2, 0.5), times=(0.1, 0.5)
        )
    )
    theory = unit["exponent"].sel(source="theory")
    assert theory.sel(treatment=["one round", "gradient flow"]).max() <= 1
    assert np.isfinite(unit["exponent"].sel(source="network").isel(point=0)).all()


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
