"""Jobs survive a kill, run on a Dask cluster as they are, and ensembles split to fit memory."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import joblib
import numpy as np
import pytest
import torch
from torch.nn import functional as F

from selfdistill.empirical.experiments.matched import MatchedConfig, measure_matched
from selfdistill.empirical.jobs.runner import run_jobs
from selfdistill.empirical.jobs.threads import one_thread
from selfdistill.empirical.networks.perceptrons import convnet, mlp
from selfdistill.empirical.training.devices import own_device, worker_number
from selfdistill.empirical.training.ensemble import Ensemble
from selfdistill.empirical.training.members import TrainingConfig, train
from selfdistill.empirical.training.memory import bytes_per_member, train_within
from selfdistill.theory import InputError

CONFIGS = [MatchedConfig("digits-3-8", 0.3, 32, seed, n_train=24) for seed in range(6)]


def test_a_dask_cluster_gives_the_same_numbers():
    distributed = pytest.importorskip("distributed")
    here = run_jobs(measure_matched, CONFIGS[:2])
    cluster = distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None, protocol="tcp"
    )
    with cluster, distributed.Client(cluster), joblib.parallel_config(backend="dask"):
        there = run_jobs(measure_matched, CONFIGS[:2], jobs=2)
    for a, b in zip(here, there, strict=True):
        np.testing.assert_allclose(a["ratio"], b["ratio"], rtol=1e-6)


def test_a_killed_run_keeps_its_jobs_and_ends_with_the_same_numbers(tmp_path):
    script = textwrap.dedent(
        f"""
        from pathlib import Path
        from selfdistill.empirical.experiments.matched import MatchedConfig, measure_matched
        from selfdistill.empirical.jobs.runner import run_jobs
        configs = [MatchedConfig("digits-3-8", 0.3, 32, seed, n_train=24) for seed in range(6)]
        run_jobs(measure_matched, configs, cache=Path({str(tmp_path)!r}))
        """
    )
    process = subprocess.Popen([sys.executable, "-c", script])
    try:
        limit = time.monotonic() + 120
        while not list(tmp_path.rglob("[!.]*.nc")) and process.poll() is None and time.monotonic() < limit:
            time.sleep(0.01)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("[!.]*.nc")}
    assert kept
    resumed = run_jobs(measure_matched, CONFIGS, cache=tmp_path)
    assert all(path.stat().st_mtime_ns == when for path, when in kept.items())  # not computed again
    for a, b in zip(resumed, run_jobs(measure_matched, CONFIGS), strict=True):
        np.testing.assert_allclose(a["ratio"], b["ratio"], rtol=1e-12)


def test_training_in_groups_changes_no_number():
    x = torch.randn(40, 6, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(40) % 3
    ensemble = Ensemble.initialise(lambda: mlp(6, 3, (16,)), range(5))
    config = TrainingConfig(epochs=2, batch_size=8, learning_rate=[0.01, 0.02, 0.03, 0.04, 0.05])
    whole = train(ensemble, x, ensemble.share(labels), F.cross_entropy, config)
    budget = 2.5 * bytes_per_member(ensemble, x, config)
    groups = train_within(budget, ensemble, x, ensemble.share(labels), F.cross_entropy, config)
    np.testing.assert_allclose(groups.losses, whole.losses, rtol=1e-5)
    assert groups.ensemble.seeds == ensemble.seeds
    with pytest.raises(InputError, match="training one member needs about"):
        train_within(1000, ensemble, x, ensemble.share(labels), F.cross_entropy, config)


def test_the_estimate_counts_activations():
    """A convolution keeps its input and output: twice the batch must add at least those bytes."""
    ensemble = Ensemble.initialise(lambda: convnet(1, 2, 8), (0,))
    x = torch.zeros(64, 1, 16, 16)
    small, large = (bytes_per_member(ensemble, x, TrainingConfig(1, batch_size=b)) for b in (16, 32))
    activations = 4 * (8 * 16 * 16 + 16 * 8 * 8)  # outputs of the two convolutions
    assert large - small >= 16 * activations


def test_a_worker_takes_its_own_device():
    assert own_device("cpu") == torch.device("cpu")
    assert [worker_number(n) for n in ("MainProcess", "LokyProcess-1", "LokyProcess-3", "SpawnPoolWorker-2")] == [
        0, 0, 2, 1,
    ]  # fmt: skip
    for wrong in ("abacus", "meta", "mps", "cpu:7", "cuda:", "cuda:-1", "CPU", "cuda:99999", None):
        with pytest.raises(InputError, match="device must be"):
            own_device(wrong)
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="needs a CUDA GPU"):
            own_device("cuda")


def test_a_gpu_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert own_device("cuda") == torch.device("cuda", 0)
    assert own_device("cuda:1") == torch.device("cuda", 1)
    with pytest.raises(InputError, match=r"'cuda:2' is not there: .* the last is cuda:1"):
        own_device("cuda:2")


def test_one_thread_is_given_back():
    before = torch.get_num_threads()
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_trains_as_cpu_does():
    x = torch.randn(40, 6, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(40) % 3
    losses = []
    for device in ("cpu", "cuda"):
        ensemble = Ensemble.initialise(lambda: mlp(6, 3, (16,)), range(3), device=device)
        targets = ensemble.share(labels.to(device))
        losses.append(train(ensemble, x, targets, F.cross_entropy, TrainingConfig(2, batch_size=8)).losses)
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-3)
