"""Phase diagram: rounds to collapse over (r_0, κ), exact against bounds.

Fifty eigenvalues spread geometrically from 1/κ to 1, equal weights; every cell is a whole run of distillation.
First the exact number of rounds: it follows r_0, and κ matters little. Then the paper's guarantee as a share of
it, on a logarithmic scale: it fades as 1/κ, to nothing for the condition numbers of real kernels. Below, the
lower bound r_0 − 1 as a share, which is small only near r_0 = 1, where less than one round is promised and one
is run; and the upper bound as a multiple: it is tight where κ is small, and grows like r_0 where κ is large.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure

from ...theory.distillation.collapse import ratio_upper_bounds
from ...theory.distillation.grid import collapse_rounds_grid
from ..claim import Claim
from ..scale import Scale
from ..style import new_figure

DIRECTIONS = 50


def measure(scale: Scale) -> xr.Dataset:
    """Exact rounds and bounds in every cell."""
    side = scale.choose(smoke=12, quick=60, full=100)
    ratios = np.geomspace(1.05, 40, side)
    kappas = np.geomspace(1, 1e8, side)
    r, kappa = np.meshgrid(ratios, kappas, indexing="ij")
    eigenvalues = kappa.ravel()[:, None] ** np.linspace(-1, 0, DIRECTIONS)
    exact = collapse_rounds_grid(eigenvalues, np.ones_like(eigenvalues), r.ravel()).reshape(r.shape)
    upper = np.array([[len(ratio_upper_bounds(a, k)) - 1 for k in kappas] for a in ratios])
    return xr.Dataset(
        {
            "exact": (("initial_ratio", "condition_number"), exact),
            "paper_lower": (("initial_ratio", "condition_number"), (r - 1) / kappa),
            "lower": (("initial_ratio", "condition_number"), r - 1),
            "upper": (("initial_ratio", "condition_number"), upper),
        },
        coords={"initial_ratio": ratios, "condition_number": kappas},
    )


def claims(data: xr.Dataset) -> list[Claim]:
    """The bounds hold in every cell."""
    source = "selfdistill.theory.collapse_bounds"
    exact = data["exact"]
    return [
        Claim.theorem("M6", "In every cell the paper's guarantee is below the exact number of rounds.",
                      data["paper_lower"], exact, relation="≥", tolerance=1e-9, source=source),
        Claim.theorem("M7", "In every cell r_0 − 1 is below the exact number, and above the paper's guarantee.",
                      np.maximum(data["lower"], data["paper_lower"]), exact, relation="≥", tolerance=1e-9,
                      source=source),
        Claim.theorem("M8", "In every cell the upper bound is above the exact number.", data["upper"], exact,
                      relation="≤", source=source),
        Claim.theorem("M8", "No cell exceeds ⌈r_0² − 1⌉.",
                      np.ceil(data["initial_ratio"] ** 2 - 1 - 1e-9), exact.max("condition_number"),
                      relation="≤", source=source),
    ]  # fmt: skip


def draw(data: xr.Dataset) -> Figure:
    """Exact rounds, and the bounds as shares and multiples of them."""
    figure, axes = new_figure(2, 2, width=4.8, height=3.5)
    exact = data["exact"].values
    pictures = (
        ("Exact rounds to collapse", exact, "viridis", "rounds", LogNorm(1, exact.max())),
        ("The paper's guarantee, a share of them", data["paper_lower"].values / exact, "magma", "share",
         LogNorm(1e-8, 1)),
        ("Lower bound $r_0 - 1$, a share of them", data["lower"].values / exact, "magma", "share", Normalize(0, 1)),
        ("Upper bound, a multiple of them", data["upper"].values / exact, "viridis", "multiple",
         LogNorm(1, (data["upper"].values / exact).max())),
    )  # fmt: skip
    for panel, (title, values, colours, label, norm) in zip(axes.flat, pictures, strict=True):
        mesh = panel.pcolormesh(
            data["initial_ratio"],
            data["condition_number"],
            values.T,
            cmap=colours,
            norm=norm,
            shading="nearest",
        )
        panel.set(xscale="log", yscale="log", xlabel="$r_0$", ylabel="condition number κ", title=title)
        panel.set_xticks([1, 2, 5, 10, 20, 40], labels=["1", "2", "5", "10", "20", "40"], minor=False)
        panel.set_xticks([], minor=True)
        bar = figure.colorbar(mesh, ax=panel, label=label)
        if label in ("rounds", "multiple"):
            ticks = [tick for tick in (1, 2, 5, 10, 20, 50, 100) if tick <= (mesh.norm.vmax or 0)]
            bar.set_ticks(ticks, labels=[str(tick) for tick in ticks])
            bar.minorticks_off()
    return figure
