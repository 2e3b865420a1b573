"""Width: how close networks come to the theory of their kernel as they grow.

The cells of matched experiment 1 at one ε, over widths: the relative error of z in round 1 and in the last round
before collapse, and the slope of its logarithm in that of the width, fitted for every seed by itself. First-order
perturbation theory of the tangent kernel lets one expect a slope between −1/2 and −1. Claim M18.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import xarray as xr
from matplotlib.figure import Figure

from ...empirical.experiments.matched import measure_matched
from ..claim import Claim
from ..scale import Scale
from ..style import COLOURS, THEORY, new_figure
from .network_collapse import EPSILONS, cells


def measure(scale: Scale) -> xr.Dataset:
    """Errors of z in every cell of the middle ε, at every width."""
    widest = [cell for cell in cells(scale) if cell.epsilon == EPSILONS[1]]
    widths = scale.choose(smoke=(32, 128), quick=(32, 128, 512), full=(64, 128, 256, 512, 1024, 2048))
    configs = [replace(cell, width=width) for width in widths for cell in widest]
    units = scale.map(measure_matched, configs)
    first, last, rounds = [], [], []
    for unit in units:
        errors = unit["z_error"].values
        first.append(errors[0])
        last.append(errors[np.isfinite(errors)][-1])
        rounds.append(unit["rounds"].values)
    shape = (len(widths), len(widest))
    return xr.Dataset(
        {
            "first_error": (("width", "cell"), np.reshape(first, shape)),
            "last_error": (("width", "cell"), np.reshape(last, shape)),
            "rounds": (("width", "cell", "source"), np.reshape(rounds, (*shape, 2))),
            "data": ("cell", [c.data for c in widest]),
            "seed": ("cell", [c.seed for c in widest]),
        },
        coords={"width": list(widths), "source": ["theory", "network"]},
        attrs={"epsilon": EPSILONS[1]},
    )


def _slopes(data: xr.Dataset) -> npt.NDArray[np.float64]:
    """Slope of log error in log width, one a seed: errors are averaged over data sets first."""
    seeds = data["seed"].values
    logs = np.log(data["first_error"].values)
    by_seed = np.stack([logs[:, seeds == s].mean(axis=1) for s in np.unique(seeds)], axis=1)
    return np.asarray(np.polyfit(np.log(data["width"].values), by_seed, 1)[0])


def claims(data: xr.Dataset) -> list[Claim]:
    """The error falls with width; its slope is at least that of a kernel's fluctuations."""
    slopes = _slopes(data)
    hits = (data["rounds"].sel(source="theory") == data["rounds"].sel(source="network")).mean("cell").values
    shares = ", ".join(
        f"{w}: {100 * share:.0f} %" for w, share in zip(data["width"].values, hits, strict=True)
    )
    return [
        Claim.from_samples(
            "M18",
            "the error of z in round 1 falls with width (slope in log-log below 0)",
            slopes,
            relation="≤",
            predicted=0.0,
            source="selfdistill.theory.Trajectory",
            note=f"slopes by seed {np.round(slopes, 2).tolist()}; cells whose collapse round agrees, by width: "
            f"{shares}.",
        ),
        Claim.from_samples(
            "M18",
            "it falls at least like 1/√width",
            slopes,
            relation="≤",
            predicted=-0.5,
            source="selfdistill.theory.Trajectory",
        ),
    ]


def draw(data: xr.Dataset) -> Figure:
    """Error against width, by data set; and in the last round."""
    figure, axes = new_figure(2, 1, width=4.8, height=3.6)
    widths = data["width"].values
    for panel, name, title in zip(
        axes[0], ("first_error", "last_error"), ("Round 1", "Last round before collapse"), strict=True
    ):
        for i, label in enumerate(dict.fromkeys(data["data"].values)):
            part = data[name].isel(cell=(data["data"] == label).values).values
            panel.plot(widths, part, "o", ms=3, color=COLOURS[i], mfc="none", alpha=0.6)
            panel.plot(widths, np.exp(np.log(part).mean(axis=1)), color=COLOURS[i], lw=1.2, label=str(label))
        anchor = np.exp(np.log(data[name].values).mean(axis=1))[0]
        for power, style in ((-0.5, ":"), (-1.0, "--")):
            panel.plot(
                widths, anchor * (widths / widths[0]) ** power, style, color="0.4", lw=1,
                label=f"slope {power:g}",
            )  # fmt: skip
        panel.set(
            xscale="log",
            yscale="log",
            xlabel="width of both hidden layers",
            ylabel="‖z − predicted‖ / ‖predicted‖",
            title=title,
        )
        panel.set_xticks(widths, [str(w) for w in widths])
        panel.minorticks_off()
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=6)
    slopes = _slopes(data)
    axes[0, 0].text(
        0.03,
        0.04,
        f"mean slope {slopes.mean():.2f}",
        transform=axes[0, 0].transAxes,
        color=THEORY,
        fontsize=9,
    )
    return figure
