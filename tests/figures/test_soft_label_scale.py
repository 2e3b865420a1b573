"""What the soft-label figures share: paired differences, and one measurement for all of them."""

import numpy as np
import pytest
import xarray as xr

from selfdistill.empirical.data.problems import Problems
from selfdistill.empirical.experiments import comparison
from selfdistill.empirical.experiments.comparison import Comparison
from selfdistill.figures import soft_label_scale
from selfdistill.figures.artefact import find_artefacts, select_artefacts
from selfdistill.figures.run import find_obstacles
from selfdistill.figures.scale import Scale
from selfdistill.figures.soft_label_scale import (
    Setting,
    compared,
    data_sets,
    over_settings,
    paired,
    settings,
    tables,
)
from selfdistill.theory import InputError

from ..made_cifar import write_cifar100

SHARED = [a for a in find_artefacts() if "soft_label_scale" in a.source.read_text(encoding="utf-8")]


def test_paired_differences_are_seed_by_seed():
    values = np.arange(6.0).reshape(2, 3) ** 2
    table = xr.Dataset({"nll": (("method", "seed"), values)}, coords={"method": ["ours", "theirs"]})
    np.testing.assert_array_equal(paired(table, "nll", "ours", "theirs"), values[0] - values[1])


def test_full_scale_adds_cifar_with_a_resnet_and_a_densenet():
    quick, full = settings(Scale("quick")), settings(Scale("full", seed=1))
    assert [s.name for s in full[:2]] == [s.name for s in quick]
    assert [s.comparison.network for s in full[2:]] == ["resnet18", "densenet100"]
    assert data_sets(Scale("quick")) == set()
    assert data_sets(Scale("full")) == {"cifar100"}
    # A deep network's seed is a unit of its own, so that a kill costs no more than one.
    assert [u.problems.seeds for u in full[2].units()] == [(1010,), (1011,), (1012,)]
    assert len(full[0].units()) == 1


def test_settings_of_different_sizes_stand_side_by_side(monkeypatch):
    def measure(config):
        name, seeds = config
        epochs = 3 if name == "mlp" else 2
        return xr.Dataset(
            {"loss": (("epoch", "seed"), np.full((epochs, len(seeds)), float(seeds[0]))),
             "weight": ("epoch", np.arange(1.0, epochs + 1))},
            coords={"seed": list(seeds), "epoch": np.arange(epochs)},
        )  # fmt: skip

    data = over_settings(Scale("full"), measure, lambda _, unit: (unit.network, unit.problems.seeds))
    sizes = {name: dict(table.sizes) for name, table in tables(data)}
    assert list(sizes)[2:] == ["CIFAR-100, ResNet-18", "CIFAR-100, DenseNet-100"]
    assert sizes["clean digits"] == {"epoch": 3, "seed": 20}
    assert sizes["CIFAR-100, ResNet-18"] == {"epoch": 2, "seed": 3}
    for _, table in tables(data):
        assert np.isfinite(table["loss"]).all()
        np.testing.assert_array_equal(table["weight"], np.arange(1.0, table.sizes["epoch"] + 1))


def test_figures_share_one_measurement(tmp_path, monkeypatch):
    scale = Scale("smoke", cache=tmp_path)
    first = compared(scale)

    def fail(*_args, **_kwargs):
        raise AssertionError("measured twice")

    monkeypatch.setattr(comparison, "train_candidates", fail)
    xr.testing.assert_equal(compared(Scale("smoke", cache=tmp_path)), first)


@pytest.fixture(scope="module")
def cifar(tmp_path_factory):
    """One folder for all, so that artefacts that share a measurement make it once."""
    return write_cifar100(tmp_path_factory.mktemp("cifar"))


@pytest.mark.parametrize("artefact", SHARED, ids=lambda a: a.key)
def test_artefacts_show_settings_of_different_sizes(artefact, cifar, monkeypatch):
    """What `full` does, on made images and toy networks: judged, drawn, and no panel empty."""
    monkeypatch.setenv("SELFDISTILL_CIFAR", str(cifar))

    def toy_settings(scale):
        digits, *_ = settings(scale)
        problems = Problems("cifar100", 16, 10, 20, seeds=(0, 1, 2))
        toy = Comparison(problems, network="densenet10", hidden=(2,), epochs=2, batch_size=8)
        return [digits, Setting("images", toy)]

    monkeypatch.setattr(soft_label_scale, "settings", toy_settings)
    data = artefact.measure(Scale("smoke", cache=cifar / "cache"))
    assert dict(tables(data))["images"].sizes["seed"] == 3
    claims = artefact.claims(data)
    assert [c for c in claims if c.kind == "theorem" and c.verdict != "holds"] == []
    assert any("(images)" in c.statement for c in claims)
    for axes in artefact.draw(data).axes:
        assert axes.has_data() or axes.tables


def test_data_that_cannot_be_had_are_named_before_any_work_and_the_others_run(tmp_path, monkeypatch):
    monkeypatch.setenv("SELFDISTILL_CIFAR", str(tmp_path))
    shared, alone = select_artefacts(["teachers"]), select_artefacts(["sinusoid"])
    obstacles = find_obstacles(shared + alone, Scale("full"))
    assert list(obstacles) == shared
    assert "holds neither" in obstacles[shared[0]]
    with pytest.raises(InputError, match=r"holds neither.*cifar-100"):
        find_obstacles(shared, Scale("full"))
    assert find_obstacles(shared + alone, Scale("quick")) == {}
