"""Millions of samples with 512 features, in chunks: made on the way, read from a file, and over Dask's workers."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import numpy as np
import scipy.linalg

from selfdistill.theory import Spectrum, distill_to_tolerance, relu_features

from .measure import OwnMemory, alone, problem, timed

FEATURES, ROWS, EPSILON = 512, 10_000, 0.3


def chunked(n: int) -> dict[str, Any]:
    """Body: features made and reduced chunk by chunk, then all rounds to collapse."""
    x, y = problem(n)
    transform = relu_features(x.shape[1], FEATURES, np.random.default_rng(1))
    lazy = transform(da.from_array(x, chunks=(ROWS, -1)))
    seconds, run = timed(lambda: distill_to_tolerance(Spectrum.from_chunks(lazy, y), EPSILON))
    return {
        "seconds": seconds,
        "multipliers": run.multipliers,
        "norms": run.target_norms,
        "rounds": run.rounds,
    }


def in_memory(n: int) -> dict[str, Any]:
    """Body: the same through the singular value decomposition of the whole."""
    x, y = problem(n)
    features = relu_features(x.shape[1], FEATURES, np.random.default_rng(1))(x)
    seconds, run = timed(lambda: distill_to_tolerance(Spectrum.from_features(features, y), EPSILON))
    return {
        "seconds": seconds,
        "multipliers": run.multipliers,
        "norms": run.target_norms,
        "rounds": run.rounds,
    }


def from_file(n: int) -> dict[str, Any]:
    """Body: features in a float32 file; all rounds, reading the file alone, and the matrix products of chunks alone."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "features.npy"
        file = np.lib.format.open_memmap(path, "w+", np.float32, (n, FEATURES))
        x, y = problem(n)
        transform = relu_features(x.shape[1], FEATURES, np.random.default_rng(1))
        for at in range(0, n, ROWS):
            file[at : at + ROWS] = transform(x[at : at + ROWS])
        file.flush()
        del file, x
        features = np.load(path, mmap_mode="r")
        with OwnMemory() as own:
            seconds, run = timed(lambda: distill_to_tolerance(Spectrum.from_chunks(features, y), EPSILON))
        reading, _ = timed(
            lambda: [float(features[at : at + ROWS].sum(dtype=np.float32)) for at in range(0, n, ROWS)]
        )
        chunk, square = np.asarray(features[:ROWS], dtype=np.float64), np.eye(FEATURES)
        # Read twice: inner products, the change to better coordinates, and inner products again.
        inner = min(timed(lambda: scipy.linalg.blas.dsyrk(1.0, chunk.T, lower=1))[0] for _ in range(5))
        change = min(timed(lambda: chunk @ square)[0] for _ in range(5))
    return {
        "seconds": seconds, "rounds": run.rounds, "reading": reading, "products": (2 * inner + change) * n / ROWS,
        "bytes": 4 * n * FEATURES, "own_mib": own.mib,
    }  # fmt: skip


def over_workers(n: int, workers: int) -> dict[str, Any]:
    """Body: the same features over Dask's processes, one BLAS thread each."""
    x, y = problem(n)
    transform = relu_features(x.shape[1], FEATURES, np.random.default_rng(1))
    lazy = transform(da.from_array(x, chunks=(ROWS, -1)))
    with dask.config.set(scheduler="processes", num_workers=workers):
        warm = da.ones(workers, chunks=1).sum()
        warm.compute()
        seconds, run = timed(lambda: distill_to_tolerance(Spectrum.from_chunks(lazy, y), EPSILON))
    return {"seconds": seconds, "rounds": run.rounds}


def on_disk_and_workers() -> list[dict[str, Any]]:
    """A file that is larger than most memories, and two workers against one."""
    file, _ = alone(from_file, 10_000_000)
    (one, _), (two, _) = alone(over_workers, 300_000, 1), alone(over_workers, 300_000, 2)
    return [
        {
            "work": f"n=10,000,000 x {FEATURES} in a float32 file of {file['bytes'] / 1e9:.1f} GB",
            "rival": "the matrix products of its chunks alone", "ours_seconds": file["seconds"],
            "rival_seconds": file["products"], "ratio": file["products"] / file["seconds"], "at_least": 0.7,
            "peak_mib": file["own_mib"], "note": f"reading the file alone takes {file['reading']:.2g} s",
        },
        {
            "work": f"n=300,000 x {FEATURES} over two Dask processes", "rival": "one Dask process",
            "ours_seconds": two["seconds"], "rival_seconds": one["seconds"],
            "ratio": one["seconds"] / two["seconds"], "at_least": 1.5,
            "note": "two cores; starting the processes included",
        },
    ]  # fmt: skip


def run() -> list[dict[str, Any]]:
    """Rows of the table."""
    large, peak = alone(chunked, 1_000_000)
    largest, largest_peak = alone(chunked, 10_000_000)
    small, small_peak = alone(chunked, 20_000)
    whole, whole_peak = alone(in_memory, 20_000)
    assert small["rounds"] == whole["rounds"]
    error = max(float(np.abs(small[name] / whole[name] - 1).max()) for name in ("multipliers", "norms"))
    return [
        {
            "work": f"all {large['rounds']} rounds, n=1,000,000 x {FEATURES} random ReLU features in chunks",
            "rival": "90 s", "ours_seconds": large["seconds"], "rival_seconds": 90.0,
            "ratio": 90 / large["seconds"], "at_least": 1.0, "peak_mib": peak,
            "note": "features made inside the pass, which writes nothing",
        },
        {
            "work": "the same: memory", "rival": "3 GiB", "ratio": 3 * 1024 / peak, "at_least": 1.0,
            "peak_mib": peak, "note": f"the features whole would be {8 * FEATURES * 1e6 / 2**20:.0f} MiB",
        },
        {
            "work": f"all {largest['rounds']} rounds, n=10,000,000 x {FEATURES} in chunks: memory",
            "rival": "4 GiB", "ours_seconds": largest["seconds"], "ratio": 4 * 1024 / largest_peak,
            "at_least": 1.0, "peak_mib": largest_peak,
            "note": f"{largest['seconds'] / large['seconds']:.1f} times the seconds of a tenth of it; "
            f"the features whole would be {8 * FEATURES * 1e7 / 2**30:.0f} GiB",
        },
        {
            "work": f"chunks at n=20,000 x {FEATURES}", "rival": "SVD in memory",
            "ours_seconds": small["seconds"], "rival_seconds": whole["seconds"],
            "ratio": whole["seconds"] / small["seconds"], "at_least": 1.0, "peak_mib": small_peak,
            "note": f"multipliers and norms equal to {error:.0e}; in memory the peak is {whole_peak:.0f} MiB",
        },
        {
            "work": "the same: agreement", "rival": "1e-8", "ratio": 1e-8 / max(error, 1e-16), "at_least": 1.0,
            "note": f"largest relative difference {error:.1e}",
        },
        *on_disk_and_workers(),
    ]  # fmt: skip
