"""Finished jobs are kept, never computed twice, and survive damage to their files."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path

import joblib
import numpy as np
import psutil
import pytest
import xarray as xr

from selfdistill.empirical.jobs import runner
from selfdistill.empirical.jobs.runner import LostProcessError, run_job, run_jobs
from selfdistill.empirical.jobs.store import read_dataset, write_dataset


@dataclass(frozen=True)
class Config:
    value: int
    log: str


def square(config: Config) -> xr.Dataset:
    with Path(config.log).open("a") as log:
        log.write(f"{config.value}\n")
    return xr.Dataset({"square": ("x", np.arange(config.value) ** 2)})


def lose_the_process(config: Config) -> xr.Dataset:
    os.kill(os.getpid(), signal.SIGKILL)
    return xr.Dataset()


def calls(config: Config) -> int:
    return Path(config.log).read_text().split().count(str(config.value))


def test_a_finished_unit_is_not_computed_again(tmp_path):
    config = Config(4, str(tmp_path / "log"))
    first = run_job(square, config, cache=tmp_path / "cache")
    second = run_job(square, config, cache=tmp_path / "cache")
    xr.testing.assert_equal(first, second)
    assert calls(config) == 1
    run_job(square, Config(5, config.log), cache=tmp_path / "cache")
    assert calls(Config(5, config.log)) == 1


@pytest.mark.parametrize("damage", [b"", b"not netcdf at all", b"CDF\x01half"])
def test_a_damaged_entry_is_computed_again(tmp_path, damage):
    config = Config(4, str(tmp_path / "log"))
    run_job(square, config, cache=tmp_path / "cache")
    (entry,) = (tmp_path / "cache").rglob("*.nc")
    entry.write_bytes(damage)
    result = run_job(square, config, cache=tmp_path / "cache")
    assert result["square"].values.tolist() == [0, 1, 4, 9]
    assert calls(config) == 2
    run_job(square, config, cache=tmp_path / "cache")
    assert calls(config) == 2


def test_the_former_names_still_import():
    from selfdistill.empirical import kernel_rounds, units
    from selfdistill.empirical.experiments.kernel_rounds import measure_kernel_rounds

    assert (units.run_unit, units.run_units) == (run_job, run_jobs)
    assert kernel_rounds.measure_kernel_rounds is measure_kernel_rounds


def test_no_more_processes_than_the_machine_has_room_for(monkeypatch):
    monkeypatch.setattr(joblib, "cpu_count", lambda: 4)
    memory = psutil.virtual_memory()._replace(available=10 * runner.BYTES_PER_PROCESS)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    assert [runner.affordable_processes(n) for n in (1, 3, 64)] == [1, 3, 4]
    memory = memory._replace(available=2 * runner.BYTES_PER_PROCESS)
    assert runner.affordable_processes(64) == 2
    memory = memory._replace(available=0)
    assert runner.affordable_processes(64) == 1


def test_nothing_is_pickled(tmp_path):
    run_job(square, Config(3, str(tmp_path / "log")), cache=tmp_path / "cache")
    assert not list((tmp_path / "cache").rglob("*.pkl"))


def test_jobs_change_no_number_and_order_is_kept(tmp_path):
    configs = [Config(v, str(tmp_path / "log")) for v in (3, 1, 2)]
    seen = []
    serial = run_jobs(square, configs, progress=lambda done, total: seen.append((done, total)))
    parallel = run_jobs(square, configs, jobs=2, cache=tmp_path / "cache")
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
        results = run_jobs(square, configs, cache=tmp_path / "cache", jobs=2)
    for config, result in zip(configs, results, strict=True):
        np.testing.assert_array_equal(result["square"], np.arange(config.value) ** 2)
        assert calls(config) == 1


def test_a_process_that_is_ended_from_outside_is_said_in_a_sentence(tmp_path):
    configs = [Config(value, str(tmp_path / "log")) for value in range(3)]
    with pytest.raises(LostProcessError, match=r"ran out of memory\. What was finished is kept: run again"):
        run_jobs(lose_the_process, configs, jobs=2)
    assert [d["square"].size for d in run_jobs(square, configs, jobs=2)] == [0, 1, 2]  # and others run


def test_workers_end_with_a_run_that_is_killed(tmp_path):
    """Also those that had no work yet: a run that is killed cannot tell them."""
    script = textwrap.dedent(
        """
        import os, time
        import joblib, psutil
        from selfdistill.empirical.jobs.orphans import end_with
        work = (joblib.delayed(time.sleep)(s) for s in (0, 60))
        pool = joblib.Parallel(n_jobs=2, return_as="generator", initializer=end_with, initargs=(os.getpid(),))
        next(iter(pool(work)))
        family = psutil.Process().children(recursive=True)
        print(*(child.pid for child in family), flush=True)
        time.sleep(60)
        """
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as run:
        family = [int(number) for number in run.stdout.readline().split()]
        assert len(family) >= 2
        run.kill()
    until = time.monotonic() + 20
    while any(map(psutil.pid_exists, family)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not [number for number in family if psutil.pid_exists(number)]
