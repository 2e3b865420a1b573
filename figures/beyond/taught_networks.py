"""Taught networks: whether perceptrons do as the closed forms say.

Perceptrons with squared error on one-hot digits, whose training targets carry noise; every seed redraws the split.
Left, generations on their own outputs: distance to the clean labels of the training points. Right, students of every
weight on the labels: measured error on test points, and the error that the first fit and the pure student alone
predict, whose mixtures stand for all students if networks are linear in their targets.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from ...empirical.experiments.taught_networks import TaughtNetworks, measure_taught_networks
from ..claim import Claim
from ..negligible import RATIO
from ..scale import Scale
from ..style import BOUND, COLOURS, MEASURED, THEORY, band, legend_below, new_figure, rounds_axis


def measure(scale: Scale) -> xr.Dataset:
    """One unit a split."""
    config = scale.choose(
        smoke=TaughtNetworks(n_train=60, n_test=100, generations=2, epochs=4, device=scale.device),
        quick=TaughtNetworks(n_test=400, epochs=20, device=scale.device),
        full=TaughtNetworks(n_train=800, width=512, generations=12, epochs=100, device=scale.device),
    )
    seeds = scale.choose(smoke=2, quick=6, thorough=100, full=20)
    units = scale.map(measure_taught_networks, [replace(config, seed=scale.seed + s) for s in range(seeds)])
    return xr.concat(units, dim="seed")


def claims(data: xr.Dataset) -> list[Claim]:
    """C1 and B3, asked of networks."""
    source = "selfdistill.empirical.experiments.taught_networks.measure_taught_networks"
    last = data["distance"].isel(generation=-1)
    growth = last.sel(pipeline="replaced") - data["distance"].isel(generation=0).sel(pipeline="replaced")
    errors = data["student_error"].transpose("seed", "weight").values
    chosen = np.array(
        [np.interp(w, data["weight"], row) for w, row in zip(data["best_weight"].values, errors, strict=True)]
    )
    best = data["student_error"].min("weight").values
    ends = data["student_error"].sel(weight=[0.0, 1.0]).min("weight").values
    middle = data["student_error"].sel(weight=0.5)
    return [
        Claim.from_samples("C1", "Networks on their own outputs with fresh noise move away from the clean labels.",
                           growth, relation="≥", source=source, family="generations"),
        Claim.from_samples("C1", "Keeping all data sets leaves them nearer than replacing (difference of distance).",
                           last.sel(pipeline="replaced") - last.sel(pipeline="accumulated"), relation="≥",
                           source=source, family="generations"),
        Claim.from_samples("C1", "So does half real labels.",
                           last.sel(pipeline="replaced") - last.sel(pipeline="half real"), relation="≥",
                           source=source, family="generations"),
        Claim.from_samples("B3", "Two networks predict the error of the student of weight ½ to a tenth (measured over "
                           "predicted).", middle / data["predicted_error"].sel(weight=0.5), relation="=",
                           predicted=1.0, tolerance=0.1, source=source, family="weights"),
        Claim.from_samples("B3", "The student of the estimated weight is at least as good as the better of the first "
                           "fit's and the pure student's weight (error over theirs).", chosen / ends, relation="≤",
                           predicted=1.0, negligible=RATIO, source=source, family="weights",
                           note=f"over the best of the grid it is {float(np.mean(chosen / best)):.3f}"),
    ]  # fmt: skip


def draw(data: xr.Dataset) -> Figure:
    """Generations and weights."""
    figure, axes = new_figure(2, width=4.4, height=3.6)
    panel = axes[0, 0]
    for i, name in enumerate(data["pipeline"].values):
        band(panel, data["generation"], data["distance"].sel(pipeline=name).transpose("seed", ...), marker="o",
             markersize=3, color=COLOURS[i], label=name)  # fmt: skip
    panel.set(ylabel="distance to the clean labels", title="On their own outputs")
    rounds_axis(panel, "generation")
    panel.legend()
    panel = axes[0, 1]
    for name, colour, label in (
        ("predicted_error", THEORY, "predicted from two networks"), ("student_error", MEASURED, "measured"),
    ):  # fmt: skip
        band(
            panel,
            data["weight"],
            data[name].transpose("seed", ...),
            marker="o",
            markersize=3,
            color=colour,
            label=label,
        )
    for weight in data["best_weight"].values:
        panel.axvline(weight, color=BOUND, linewidth=0.7, alpha=0.35)
    panel.plot([], [], color=BOUND, linewidth=0.7, label="estimated best, each seed")
    panel.set(xlabel="weight of the labels", ylabel="error on test points", title="Students of every weight")
    legend_below(panel, 2)
    return figure
