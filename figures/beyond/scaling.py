"""Scaling: what all rounds to collapse cost as the number of samples grows, on every path.

The problem is the same at every size: points from a normal distribution in two dimensions, an RBF kernel, noisy
targets, a training error above the noise. Left, processor time against n on logarithmic axes; the legend gives the
slope over each path's three largest sizes. Factorising the gram takes n³ operations, multiplying with it n² each
time, and random features in chunks n; the slopes come near 3, 2 and 1 where that work outweighs what every run
pays. Timings are of the machine at hand: they are shown, and nothing is claimed of them.

Right, why: the number of products of the gram with a vector that serve all rounds. It should settle as n grows,
because the spectrum of gram/n converges to that of the kernel. A factorisation answers for n directions instead. The
dashed line is what a spectrum without decay would need at most. What the Krylov path says of its own error is
checked against the factorisation at every size that is factorised.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from sklearn.metrics.pairwise import rbf_kernel

from ...theory import (
    InputError,
    Spectrum,
    Trajectory,
    distill_to_tolerance,
    expected_products,
    fourier_features,
)
from ..claim import Claim
from ..scale import Scale
from ..style import ACCENT, BOUND, COLOURS, MEASURED, THEORY, new_figure

GAMMA, NOISE, EPSILON, TOLERANCE = 0.5, 0.3, 0.2, 1e-8
CHUNK, IN_MEMORY = 500, 200_000
OF_A_GRAM = ("products", "products_without_decay", "estimated_error", "error", "chunked_error")
PATHS = ("factorised gram", "products with the gram", "kernel never stored", "random features in chunks")


@dataclass(frozen=True)
class Config:
    """One problem: every path that is tried at its size solves it."""

    n_samples: int
    seed: int
    stream: int
    factorised: bool
    multiplied: bool
    features: int


def measure(scale: Scale) -> xr.Dataset:
    """Time, products and errors of every path at every size."""
    sizes = scale.choose(
        smoke=(60, 120, 240, 1000),
        quick=(200, 400, 800, 1600, 3200, 20_000, 100_000),
        full=(500, 1000, 2000, 4000, 8000, 16_000, 100_000, 1_000_000, 10_000_000),
    )
    factorised = scale.choose(smoke=240, quick=1600, full=8000)
    multiplied = scale.choose(smoke=240, quick=3200, full=16_000)
    features = scale.choose(smoke=100, quick=100, full=512)
    seeds = scale.choose(smoke=2, quick=3, full=5)
    configs = [
        Config(n, scale.seed, s, n <= factorised, n <= multiplied, features)
        for n in sizes
        for s in range(seeds)
    ]
    solve_all(configs[0])  # warms up what the first call pays for
    parts = scale.map(solve_all, configs)
    columns = [
        xr.concat(parts[i * seeds : (i + 1) * seeds], dim="seed", join="override") for i in range(len(sizes))
    ]
    return xr.concat(columns, dim="n_samples", join="override").assign_coords(
        n_samples=np.array(sizes, float), path=list(PATHS)
    )


def solve_all(config: Config) -> xr.Dataset:
    """All rounds to collapse on each path, with processor seconds, products and errors."""
    rng = np.random.default_rng([config.seed, config.stream, config.n_samples])
    x = rng.standard_normal((config.n_samples, 2))
    y = np.sin(2 * x[:, 0]) + x[:, 1] + NOISE * rng.standard_normal(config.n_samples)
    transform = fourier_features(2, config.features, GAMMA, rng)
    chunking, chunked = timed(lambda: Spectrum.from_chunks(in_chunks(transform, x), y))
    found = dict.fromkeys(OF_A_GRAM, np.nan)
    seconds = [np.nan, np.nan, np.nan, chunking]
    if config.multiplied:
        whole = distill_to_tolerance(Spectrum.from_features(transform(x), y), EPSILON)
        found["chunked_error"] = difference(chunked, whole)
        of_products, seconds[:3] = solve_with_gram(config, x, y)
        found |= of_products
    return xr.Dataset({"seconds": ("path", np.array(seconds)), "rounds": float(chunked.rounds), **found})


def in_chunks(transform: Callable[[Any], Any], x: Any) -> Any:
    """Random features, of many samples made when they are read: only a few chunks of them exist at a time."""
    if len(x) <= IN_MEMORY:
        return [transform(x[at : at + CHUNK]) for at in range(0, len(x), CHUNK)]
    try:
        from dask.array import from_array
    except ImportError as error:
        raise InputError("more than 200,000 samples need dask: pip install 'selfdistill[dask]'.") from error
    lazy: Any = from_array
    return transform(lazy(x, chunks=(20 * CHUNK, -1)))


def solve_with_gram(config: Config, x: Any, y: Any) -> tuple[dict[str, float], list[float]]:
    """Products, errors, and the seconds of the three paths on which every two samples meet."""
    gram = rbf_kernel(x, gamma=GAMMA)

    def kernel(a: Any, b: Any) -> Any:
        return rbf_kernel(a, b, gamma=GAMMA)

    multiplying, krylov = timed(lambda: Spectrum.krylov(gram, y, tolerance=TOLERANCE))
    evaluating, streamed = timed(lambda: Spectrum.krylov(kernel, y, points=x, tolerance=TOLERANCE))
    factorising, exact = timed(lambda: Spectrum.from_gram(gram, y)) if config.factorised else (np.nan, None)
    space: Any = krylov.spectrum
    found = {
        "products": float(space.products),
        "products_without_decay": float(
            expected_products(space.largest_eigenvalue, float(krylov.multipliers.min()), TOLERANCE)
        ),
        "estimated_error": space.error.largest,
        "error": np.nan if exact is None else max(difference(krylov, exact), difference(streamed, exact)),
    }
    return found, [factorising, multiplying, evaluating]


def timed(make: Callable[[], Spectrum]) -> tuple[float, Trajectory]:
    """Processor seconds from the data to the last round, and the run."""
    start = time.process_time()
    run = distill_to_tolerance(make(), EPSILON)
    return time.process_time() - start, run


def difference(run: Trajectory, exact: Trajectory) -> float:
    """Largest error of multipliers and norms (relative) and of fitted values (relative to ‖y‖)."""
    if run.rounds != exact.rounds:
        return np.inf
    size = float(np.linalg.norm(exact.fitted(0)))
    fitted = [
        np.linalg.norm(np.asarray(run.fitted(t) - exact.fitted(t))) / size for t in range(1, run.rounds + 1)
    ]
    return float(
        max(
            np.abs(run.multipliers / exact.multipliers - 1).max(),
            np.abs(run.target_norms / exact.target_norms - 1).max(),
            max(fitted),
        )
    )


def slopes(n: Any, values: Any) -> Any:
    """Least-squares slope on logarithmic axes along the first axis."""
    return np.polyfit(np.log(n), np.log(values), 1)[0]


def claims(data: xr.Dataset) -> list[Claim]:
    """Honest errors, products that stop growing, chunks that change nothing."""
    products = data["products"].dropna("n_samples").transpose("n_samples", "seed")
    compared = data["error"].stack(run=("n_samples", "seed")).dropna("run")
    estimated = data["estimated_error"].stack(run=("n_samples", "seed")).sel(run=compared.run)
    return [
        Claim.theorem(
            "F1", "The Krylov path's estimate of its error is never below the error, at any size or seed.",
            estimated.values, compared.values, relation="≤", tolerance=1e-11,
            source="selfdistill.theory.Spectrum.krylov", note="tolerance: rounding of the factorisation",
        ),
        Claim.theorem(
            "F1", "It stops with that estimate below the tolerance it was given.",
            TOLERANCE, data["estimated_error"].dropna("n_samples"), relation="≤",
            source="selfdistill.theory.Spectrum.krylov",
        ),
        Claim.from_samples(
            "F2", "The products that serve all rounds grow more slowly than n to the power 1/4.",
            slopes(products["n_samples"].values, products.values), relation="≤", predicted=0.25,
            source="selfdistill.theory.Spectrum.krylov", note="slopes over the sizes, one a seed",
        ),
        Claim.theorem(
            "F3", "Features reduced in chunks give the rounds of the same features in memory.",
            0.0, data["chunked_error"].dropna("n_samples"), tolerance=1e-8,
            source="selfdistill.theory.Spectrum.from_chunks",
        ),
    ]  # fmt: skip


def draw(data: xr.Dataset) -> Figure:
    """Processor time with slopes, and products."""
    figure, axes = new_figure(2, width=5.2, height=4.4)
    n = data["n_samples"].values
    left, right = axes[0]
    for path, colour, marker in zip(PATHS, COLOURS[:4], "osD^", strict=True):
        seconds = data["seconds"].sel(path=path).median("seed").values
        run = np.isfinite(seconds)
        label = f"{path}: slope {slopes(n[run][-3:], seconds[run][-3:]):.1f}"
        left.plot(n, seconds, marker + "-", color=colour, label=label, markersize=5)
    left.set(
        xscale="log", yscale="log", xlabel="samples $n$", ylabel="processor time [s]",
        title="Time for all rounds to collapse",
    )  # fmt: skip
    made = data.dropna("n_samples", subset=["products"])
    some = made["n_samples"].values
    right.plot(some, some, "-", color=THEORY, label="$n$, directions of a factorisation")
    right.plot(
        some,
        made["products_without_decay"].mean("seed"),
        "--",
        color=BOUND,
        label="enough without any decay",
    )
    for i, column in enumerate(made["products"].transpose("seed", "n_samples").values):
        right.plot(
            some, column, "o", color=MEASURED, alpha=0.6, label=None if i else "products used, a seed each"
        )
    right.plot(some, made["rounds"].mean("seed"), ":", color=ACCENT, label="rounds to collapse")
    right.set(
        xscale="log", yscale="log", xlabel="samples $n$", ylabel="products of the gram with a vector",
        title="Products that serve all rounds",
    )  # fmt: skip
    right.set_xticks(some, labels=[f"{value:.0f}" for value in some], minor=False)
    right.set_xticks([], minor=True)
    for panel in (left, right):
        panel.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18))
    return figure
