"""The comparison: methods equal their losses, ensembles equal plain loops, budgets are equal, yours can join."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from selfdistill.empirical.data import problems
from selfdistill.empirical.data.datasets import load
from selfdistill.empirical.data.problems import Problems, draw_problems
from selfdistill.empirical.experiments.comparison import Comparison, compare, measure_outputs, train_members
from selfdistill.empirical.losses.rules import cross_entropy
from selfdistill.empirical.methods import catalogue as methods
from selfdistill.empirical.methods.catalogue import budget
from selfdistill.empirical.methods.method import Method, Samples, Term
from selfdistill.empirical.training.architectures import build_network
from selfdistill.theory import InputError, mixed_targets

from ...made_cifar import write_cifar100

TINY = Comparison(
    Problems(n_train=60, n_validation=50, n_test=80, noise=0.2, seeds=(3, 4)),
    hidden=(8,),
    epochs=2,
    tuning_seeds=(7,),
)


def test_a_method_of_your_own_joins_by_one_function():
    def hedged(s: Samples, *, alpha) -> list[Term]:
        return [Term(mixed_targets(s.labels, s.teacher.softmax(-1), alpha, check=False))]

    mine = Method("hedged", hedged, budget("alpha", 0.1, 0.2), frozenset({"teacher"}))
    table = compare(replace(TINY, methods=(mine,)))
    assert list(table["method"].values) == ["cross-entropy", "hedged"]
    assert table["accuracy"].sizes == {"method": 2, "seed": 2}
    assert np.isfinite(table["nll"]).all()
    assert 0 < float(table["setting_alpha"].sel({"method": "hedged"})) < 1


def test_the_table_is_reproducible_and_members_keep_to_themselves():
    """The same table twice; and the same seed's numbers in other company."""
    config = replace(TINY, methods=methods.METHODS[:3])
    first, second = compare(config), compare(config)
    np.testing.assert_array_equal(first["nll"], second["nll"])
    alone = compare(replace(config, problems=replace(config.problems, seeds=(4,))))
    np.testing.assert_allclose(alone["nll"][:, 0], first["nll"][:, 1], rtol=1e-4)


def test_convolutional_networks_are_compared_too():
    config = replace(TINY, network="convnet", hidden=(4,), epochs=1, methods=(methods.PROGRESSIVE,))
    assert np.isfinite(compare(config)["nll"]).all()
    for shape in ((3, 8, 8), (64,)):
        for name in ("convnet", "resnet18"):
            assert build_network(name, shape, 10, (4,))(torch.zeros(2, *shape)).shape == (2, 10)


@pytest.mark.parametrize("network", ["resnet10", "densenet10"])
def test_cifar_with_deep_networks_end_to_end(network, tmp_path, monkeypatch):
    """What `full` does, on made images and toy widths; and a seed alone gives the numbers it has in company."""
    monkeypatch.setenv("SELFDISTILL_CIFAR", str(write_cifar100(tmp_path)))
    alone = (methods.CROSS_ENTROPY, methods.PROGRESSIVE, methods.WEIGHTED_SOFT_LABELS)
    config = Comparison(
        Problems("cifar100", 24, 10, 20, seeds=(0, 1)), methods=tuple(replace(m, grid=m.grid[:1]) for m in alone),
        network=network,
        hidden=(2,), epochs=1, batch_size=12, decay_scale=0.05, tuning_seeds=(7,), augmentation="crop and flip",
    )  # fmt: skip
    table = compare(config)
    assert list(table["method"].values) == ["cross-entropy", "progressive", "weighted soft labels"]
    assert np.isfinite(table["nll"]).all()
    alone = compare(config.each_seed()[1])
    np.testing.assert_allclose(alone["nll"][:, 0], table["nll"][:, 1], rtol=1e-3)


def test_a_weight_decay_is_scaled_for_all():
    split = draw_problems(TINY.problems)
    members = np.arange(2)
    half = train_members(
        replace(TINY, decay_scale=0.5),
        split,
        methods.CROSS_ENTROPY,
        {"weight_decay": np.full(2, 0.2)},
        members,
    )
    plain = train_members(TINY, split, methods.CROSS_ENTROPY, {"weight_decay": np.full(2, 0.1)}, members)
    assert torch.equal(half.logits(split.inputs), plain.logits(split.inputs))


def test_cifar_comes_from_its_own_loader(monkeypatch):
    asked = []

    def stand_in(name, n_train, n_test, rng):
        asked.append((name, n_train, n_test))
        return load("digits", n_train, n_test, rng)

    monkeypatch.setattr(problems, "load_cifar", stand_in)
    draw_problems(Problems("cifar100", 60, 20, 30, seeds=(0,)))
    assert asked == [("cifar100", 60, 50)]


def test_diverged_members_are_nan_and_spoil_nothing(rng):
    p, y = rng.dirichlet(np.ones(3), (2, 30)), rng.integers(0, 3, (2, 30))
    broken = p.copy()
    broken[0, 4] = np.nan
    results = measure_outputs(broken, y)
    whole = measure_outputs(p, y)
    for name, values in results.items():
        assert np.isnan(values[0])
        assert values[1] == whole[name][1]


def test_validation_is_noisy_and_test_is_clean():
    noisy, clean = (draw_problems(replace(TINY.problems, noise=rate)) for rate in (0.5, 0.0))
    torch.testing.assert_close(noisy.test_labels, clean.test_labels)
    torch.testing.assert_close(noisy.inputs, clean.inputs)
    for part in ("labels", "validation_labels"):
        moved = (getattr(noisy, part) != getattr(clean, part)).double().mean()
        assert 0.3 < moved < 0.7


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Method("m", cross_entropy, needs=frozenset({"oracle"})), "oracle"),
        (lambda: Method("m", cross_entropy, ((("a", 1.0),), (("b", 1.0),))), "same names"),
        (lambda: build_network("convnet", (7,), 3, (4,)), "images"),
        (lambda: build_network("transformer", (7,), 3, (4,)), "mlp"),
        (lambda: draw_problems(Problems("diabetes", 50, 20, 20)), "classes"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(InputError, match=words):
        call()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("network", ["resnet10", "densenet10"])
def test_deep_networks_in_mixed_precision_on_a_gpu(network, tmp_path, monkeypatch):
    """As on the CPU, up to bfloat16: the same draws, so the same table to two per cent."""
    monkeypatch.setenv("SELFDISTILL_CIFAR", str(write_cifar100(tmp_path)))
    config = Comparison(
        Problems("cifar100", 24, 10, 20, seeds=(0, 1)), network=network,
        methods=tuple(replace(m, grid=m.grid[:1]) for m in (methods.CROSS_ENTROPY, *methods.METHODS[3:7])),
        hidden=(4,), epochs=2, batch_size=12, learning_rate=0.01,
    )  # fmt: skip
    cpu, gpu = compare(config), compare(replace(config, device="cuda"))
    np.testing.assert_allclose(cpu["nll"], gpu["nll"], rtol=2e-2)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_gpu_gives_the_cpus_table():
    config = replace(TINY, epochs=1)
    cpu, gpu = compare(config), compare(replace(config, device="cuda"))
    np.testing.assert_allclose(cpu["nll"], gpu["nll"], rtol=1e-2)  # bfloat16
