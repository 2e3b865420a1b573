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
FEATURES, CHUNK = 100, 500
PATHS = ("factorised gram", "products with the gram", "kernel never stored", "random features in chunks")


@dataclass(frozen=True)
class Config:
    """One problem: every path solves it."""

    n_samples: int
    seed: int
    stream: int
    factorised: bool


def measure(scale: Scale) -> xr.Dataset:
    """Time, products and errors of every path at every size."""
    sizes = scale.choose(
        smoke=(60, 120, 240), quick=(200, 400, 800, 1600, 3200), full=(500, 1000, 2000, 4000, 8000, 16000)
    )
    largest = scale.choose(smoke=240, quick=1600, full=8000)
    seeds = scale.choose(smoke=2, quick=3, full=5)
    configs = [Config(n, scale.seed, s, n <= largest) for n in sizes for s in range(seeds)]
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
    gram = rbf_kernel(x, gamma=GAMMA)
    transform = fourier_features(2, FEATURES, GAMMA, rng)

    def kernel(a: Any, b: Any) -> Any:
        return rbf_kernel(a, b, gamma=GAMMA)

    def chunks() -> Spectrum:
        return Spectrum.from_chunks([transform(x[a : a + CHUNK]) for a in range(0, len(x), CHUNK)], y)

    spectra: list[Callable[[], Spectrum]] = [
        lambda: Spectrum.krylov(gram, y, tolerance=TOLERANCE),
        lambda: Spectrum.krylov(kernel, y, points=x, tolerance=TOLERANCE),
        chunks,
    ]
    seconds, runs = zip(*(timed(make) for make in spectra), strict=True)
    krylov, streamed, chunked = runs
    factorising, exact = timed(lambda: Spectrum.from_gram(gram, y)) if config.factorised else (np.nan, None)
    error = np.nan if exact is None else max(difference(krylov, exact), difference(streamed, exact))
    whole = distill_to_tolerance(Spectrum.from_features(transform(x), y), EPSILON)
    space: Any = krylov.spectrum
    worst = expected_products(space.largest_eigenvalue, float(krylov.multipliers.min()), TOLERANCE)
    return xr.Dataset(
        {
            "seconds": ("path", np.array([factorising, *seconds])),
            "rounds": float(krylov.rounds),
            "products": float(space.products),
            "products_without_decay": float(worst),
            "estimated_error": space.error.largest,
            "error": error,
            "chunked_error": difference(chunked, whole),
        }
    )


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
    n = data["n_samples"].values
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
            TOLERANCE, data["estimated_error"], relation="≤", source="selfdistill.theory.Spectrum.krylov",
        ),
        Claim.from_samples(
            "F2", "The products that serve all rounds grow more slowly than n to the power 1/4.",
            slopes(n, data["products"].transpose("n_samples", "seed").values), relation="≤", predicted=0.25,
            source="selfdistill.theory.Spectrum.krylov", note="slopes over the sizes, one a seed",
        ),
        Claim.theorem(
            "F3", "Features reduced in chunks give the rounds of the same features in memory.",
            0.0, data["chunked_error"], tolerance=1e-8, source="selfdistill.theory.Spectrum.from_chunks",
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
    products = data["products"].transpose("n_samples", "seed").values
    right.plot(n, n, "-", color=THEORY, label="$n$, directions of a factorisation")
    right.plot(
        n, data["products_without_decay"].mean("seed"), "--", color=BOUND, label="enough without any decay"
    )
    for i, column in enumerate(products.T):
        right.plot(
            n, column, "o", color=MEASURED, alpha=0.6, label=None if i else "products used, a seed each"
        )
    right.plot(n, data["rounds"].mean("seed"), ":", color=ACCENT, label="rounds to collapse")
    right.set(
        xscale="log", yscale="log", xlabel="samples $n$", ylabel="products of the gram with a vector",
        title="Products that serve all rounds",
    )  # fmt: skip
    for panel in (left, right):
        panel.set_xticks(n, labels=[f"{value:.0f}" for value in n], minor=False)
        panel.set_xticks([], minor=True)
        panel.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18))
    return figure
