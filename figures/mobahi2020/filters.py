"""Filters: diag(B_t) over the rounds.

Noisy points of a sinusoid (sixty at quick scale) under an RBF kernel, distilled at a fixed training error. Each
line is one round's filter: what is left of each eigenvector of the kernel, largest eigenvalue first. Rounds cut
the small ones first and faster, so the solution lives on fewer and fewer basis functions; the count of those
above a thousandth never grows.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from sklearn.metrics.pairwise import rbf_kernel

from ...theory import Spectrum, adjacent_ratios, distill_to_tolerance, effective_basis_size, sparsity_index
from ..claim import Claim
from ..scale import Scale
from ..style import ACCENT, THEORY, new_figure, rounds_axis

THRESHOLD = 1e-3
EPSILON = 0.02


def measure(scale: Scale) -> xr.Dataset:
    """Filters of every round until collapse."""
    n = scale.choose(smoke=20, quick=60, full=200)
    x = np.linspace(0, 1, n)
    y = np.sin(2 * np.pi * x) + 0.3 * scale.rng(1).normal(size=n)
    # As narrow for any n: neighbours as alike, so that the kernel reaches the noise of all points.
    spectrum = Spectrum.from_gram(rbf_kernel(x[:, None], gamma=200.0 * (n / 60) ** 2), y)
    run = distill_to_tolerance(spectrum, EPSILON)
    ratios = adjacent_ratios(run.filters, spectrum.eigenvalues)
    return xr.Dataset(
        {
            "filter": (("round", "direction"), run.filters[:, ::-1]),
            "eigenvalue": ("direction", spectrum.eigenvalues[::-1]),
            "adjacent_ratio": (("round", "pair"), ratios),
            "basis_size": ("round", effective_basis_size(run.filters, THRESHOLD)),
            "sparsity_index": ("round", sparsity_index(run.filters, spectrum.eigenvalues)),
        },
        coords={"round": np.arange(1, run.rounds + 1), "direction": np.arange(1, n + 1)},
    )


def claims(data: xr.Dataset) -> list[Claim]:
    """Ratios grow, and the basis shrinks."""
    growth = np.diff(data["adjacent_ratio"].values, axis=0) / data["adjacent_ratio"].values[:-1]
    return [
        Claim.theorem("M10", "Every adjacent ratio B_t[k+1]/B_t[k] grows strictly with t (relative growth).",
                      0.0, growth.min() if (growth > 0).all() else np.nan, relation="≥",
                      source="selfdistill.theory.adjacent_ratios"),
        Claim.theorem("M16", "The number of basis functions with B_t above a thousandth never grows.",
                      0.0, np.diff(data["basis_size"].values), relation="≤",
                      source="selfdistill.theory.effective_basis_size"),
    ]  # fmt: skip


def draw(data: xr.Dataset) -> Figure:
    """Filters, and how many eigenvectors they keep."""
    figure, axes = new_figure(2)
    spectrum, counts = axes[0]
    rounds = data["round"].values
    colours = ScalarMappable(Normalize(1, len(rounds)), "viridis_r")
    for t, values in zip(rounds, data["filter"].values, strict=True):
        spectrum.plot(data["direction"], np.where(values > 1e-12, values, np.nan), color=colours.to_rgba(t))
    spectrum.axhline(THRESHOLD, color="black", linestyle=":", linewidth=1)
    spectrum.set_yscale("log")
    spectrum.set(xlabel="eigenvector, largest eigenvalue first", ylabel="filter $B_t[k]$", ylim=(1e-9, 2))
    spectrum.set_title("What each round leaves of the basis")
    figure.colorbar(colours, ax=spectrum, label="round")
    counts.step(rounds, data["basis_size"], where="mid", color=THEORY)
    counts.set_ylabel("eigenvectors with $B_t$ > 0.001", color=THEORY)
    counts.set(ylim=(0, None), title="Effective basis size and sparsity index")
    index = counts.twinx()
    index.plot(rounds, data["sparsity_index"], color=ACCENT)
    index.set_ylabel("sparsity index (least adjacent ratio)", color=ACCENT)
    index.spines["right"].set_visible(True)
    rounds_axis(counts)
    return figure
