"""Finished units are kept, never computed twice, and survive damage to their files."""

from dataclasses import dataclass
from pathlib import Path

import joblib
import numpy as np
import pytest
import xarray as xr

from selfdistill.empirical.jobs import runner as units
from selfdistill.empirical.jobs.runner import run_unit, run_units
from selfdistill.empirical.jobs.store import read_dataset, write_dataset


@dataclass(frozen=True)
class Config:
    value: int
    log: str


def square(config: Config) -> xr.Dataset:
    with Path(config.log).open("a") as log:
        log.write(f"{config.value}\n")
    return xr.Dataset({"square": ("x", np.arange(config.value) ** 2)})


def calls(config: Config) -> int:
    return Path(config.log).read_text().split().count(str(config.value))


def test_a_finished_unit_is_not_computed_again(tmp_path):
    config = Config(4, str(tmp_path / "log"))
    first = run_unit(square, config, cache=tmp_path / "cache")
    second = run_unit(square, config, cache=tmp_path / "cache")
    xr.testing.assert_equal(first, second)
    assert calls(config) == 1
    run_unit(square, Config(5, config.log), cache=tmp_path / "cache")
    assert calls(Config(5, config.log)) == 1


def test_changed_code_is_computed_again(tmp_path, monkeypatch):
    config = Config(4, str(tmp_path / "log"))
    run_unit(square, config, cache=tmp_path / "cache")
    monkeypatch.setattr(units, "code_fingerprint", lambda: "changed")
    run_unit(square, config, cache=tmp_path / "cache")
    assert calls(config) == 2


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("damage", [b"", b"not netcdf at all", b"CDF\x01half"])
def test_a_damaged_entry_is_computed_again(tmp_path, damage):
    config = Config(4, str(tmp_path / "log"))
    run_unit(square, config, cache=tmp_path / "cache")
    (entry,) = (tmp_path / "cache").rglob("output.nc")
    entry.write_bytes(damage)
    result = run_unit(square, config, cache=tmp_path / "cache")
    assert result["square"].values.tolist() == [0, 1, 4, 9]
    assert calls(config) == 2


def test_nothing_is_pickled(tmp_path):
    run_unit(square, Config(3, str(tmp_path / "log")), cache=tmp_path / "cache")
    assert not list((tmp_path / "cache").rglob("*.pkl"))


def test_jobs_change_no_number_and_order_is_kept(tmp_path):
    configs = [Config(v, str(tmp_path / "log")) for v in (3, 1, 2)]
    seen = []
    serial = run_units(square, configs, progress=lambda done, total: seen.append((done, total)))
    parallel = run_units(square, configs, jobs=2, cache=tmp_path / "cache")
    assert seen == [(1, 3), (2, 3), (3, 3)]
    for a, b in zip(serial, parallel, strict=True):
        xr.testing.assert_equal(a, b)


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    path = tmp_path / "data.nc"
    write_dataset(xr.Dataset({"a": 1.0}), path)

    def fail(self, target, **_):
        Path(target).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(xr.Dataset, "to_netcdf", fail)
    with pytest.raises(OSError, match="No space"):
        write_dataset(xr.Dataset({"a": 2.0}), path)
    assert [p.name for p in tmp_path.iterdir()] == ["data.nc"]
    assert float(read_dataset(path)["a"]) == 1.0


def test_units_run_on_a_dask_cluster(tmp_path):
    distributed = pytest.importorskip("distributed")
    configs = [Config(n, str(tmp_path / "log")) for n in range(1, 5)]
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster),
        joblib.parallel_config(backend="dask"),
    ):
        results = run_units(square, configs, cache=tmp_path / "cache", jobs=2)
    for config, result in zip(configs, results, strict=True):
        np.testing.assert_array_equal(result["square"], np.arange(config.value) ** 2)
        assert calls(config) == 1
