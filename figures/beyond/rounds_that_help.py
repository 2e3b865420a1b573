"""Rounds that help: a promise made before any network or fit is run.

At a fixed training error ε, a round brings the fitted values nearer to the truth by at least ε in mean square as long
as the fit's norm in the kernel's space is at least that of the truth. Left, one noisy problem: the distance to the
truth falls at least as fast as the dotted line through all counted rounds (shaded), and on for a while. Middle,
random problems: the best round is never before the counted ones. Right, data whose truth is unknown: the count from
an estimated norm of the truth, beside the round that was best on test points.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics.pairwise import laplacian_kernel

from ...empirical.data.datasets import load
from ...theory import (
    InputError,
    Spectrum,
    distill_to_tolerance,
    estimated_truth_norm,
    most_rounds_that_help,
    rounds_that_help,
)
from ...theory.distillation.leave_one_out import leave_one_out_errors
from ..claim import Claim
from ..reference import Array
from ..scale import Scale
from ..style import BOUND, COLOURS, THEORY, new_figure, rounds_axis

N, NOISE, EPSILON = 100, 0.6, 0.02
DATA = ("diabetes", "sinusoid")
SOURCE = "selfdistill.theory.rounds_that_help"


def measure(scale: Scale) -> xr.Dataset:
    """One run in full, many runs by their best round, and runs on data."""
    problems = scale.choose(smoke=20, quick=100, full=1000)
    seeds = scale.choose(smoke=3, quick=12, thorough=60, full=50)
    x = np.linspace(0, 1, N)
    gram = laplacian_kernel(x[:, None], gamma=4.0)
    factorised = Spectrum.from_gram(gram, np.zeros(N))
    shown = _run(factorised, gram, np.eye(N)[[20, 50, 80]].sum(axis=0), EPSILON, scale.rng(71))
    counts, bests, worst = [], [], []
    for i in range(problems):
        rng = scale.rng(72, i)
        dual = np.zeros(N)
        dual[rng.integers(N, size=4)] = rng.normal(size=4)
        run = _run(factorised, gram, dual, float(10 ** rng.uniform(-2.5, -1)), rng)
        counts.append(run["count"])
        bests.append(int(np.argmin(run["distance"])))
        gains = -np.diff(run["distance"])[: run["count"]]
        worst.append(gains.min() / run["epsilon"] if len(gains) else 1.0)
    units = scale.map(_on_data, [(name, scale.seed + s) for name in DATA for s in range(seeds)])
    data = xr.concat(units, dim="unit")
    rounds = np.arange(len(shown["distance"]))
    return xr.Dataset(
        {
            "distance": ("round", shown["distance"]),
            "count": shown["count"],
            "most": shown["most"],
            "problem_count": ("problem", counts),
            "problem_best": ("problem", bests),
            "least_gain": ("problem", worst),
            "data_count": (("data", "seed"), data["count"].values.reshape(len(DATA), seeds)),
            "data_best": (("data", "seed"), data["best"].values.reshape(len(DATA), seeds)),
        },
        coords={"round": rounds, "data": list(DATA)},
    )


def _run(
    spectrum: Spectrum, gram: Array, dual: Array, epsilon: float, rng: np.random.Generator
) -> dict[str, Any]:
    """Distances of every fit to the truth, and the count made from norms alone."""
    truth = gram @ dual
    noisy = spectrum.with_targets(truth + NOISE * rng.normal(size=len(truth)))
    run = distill_to_tolerance(noisy, epsilon)
    distance = [np.mean((run.fitted(t) - truth) ** 2) for t in range(run.rounds + 1)]
    return {
        "distance": np.array(distance),
        "count": rounds_that_help(noisy, epsilon, float(np.sqrt(dual @ truth))),
        "most": most_rounds_that_help(float(distance[0]), epsilon),
        "epsilon": epsilon,
    }


def _on_data(setting: tuple[str, int]) -> xr.Dataset:
    """Count from estimates, and the best round on test points, for one split."""
    name, seed = setting
    rng = np.random.default_rng([seed, 73])
    data = load(name, 150, 200, rng)
    y = data.clean_targets.astype(float)
    if name == "sinusoid":
        y = y + NOISE * rng.normal(size=len(y))
    gamma = 0.03 if name == "diabetes" else 1.0
    spectrum = Spectrum.from_gram(laplacian_kernel(data.inputs, gamma=gamma).astype(float), y)
    # The noise: the left-out error of the best ridge, which is the noise and what ridge misses of the truth.
    variance = float(leave_one_out_errors(spectrum, np.geomspace(1e-4, 1, 17), 1).min())
    epsilon = 0.05 * variance
    run = distill_to_tolerance(spectrum, epsilon)
    cross = laplacian_kernel(data.test_inputs, data.inputs, gamma=gamma)
    errors = [np.mean((run.predict(cross, t) - data.test_targets) ** 2) for t in range(1, run.rounds + 1)]
    try:
        count = rounds_that_help(spectrum, epsilon, estimated_truth_norm(spectrum, variance))
    except InputError:  # nothing stands above the noise
        count = 0
    return xr.Dataset({"count": count, "best": int(np.argmin(errors)) + 1})


def claims(data: xr.Dataset) -> list[Claim]:
    """D1 as a theorem, and its use with an estimated norm as a measurement."""
    gap = (data["data_best"] - data["data_count"]).values
    return [
        Claim.theorem("D1", "Every counted round brings the fit nearer to the truth by at least ε (gain over ε).",
                      1.0, data["least_gain"], relation="≥", tolerance=1e-9, source=SOURCE),
        Claim.theorem("D1", "The best round is not before the last counted one.", data["problem_count"],
                      data["problem_best"], relation="≥", source=SOURCE),
        Claim.theorem("D1", "The noise bounds the count: at most its mean square over ε.", data["most"],
                      data["count"], relation="≤", source="selfdistill.theory.most_rounds_that_help"),
        *(
            Claim.from_samples("D1", f"{name}: with an estimated norm the best round on test points is not before "
                               "the last counted one.", gap[i], relation="≥",
                               source="selfdistill.theory.estimated_truth_norm",
                               note="the estimate sees only what stands above the noise")
            for i, name in enumerate(DATA)
        ),
    ]  # fmt: skip


def draw(data: xr.Dataset) -> Figure:
    """Distance by round, and counts against best rounds."""
    figure, axes = new_figure(3, width=4.0, height=3.6)
    panel, count = axes[0, 0], int(data["count"])
    panel.axvspan(0, count, color=BOUND, alpha=0.15, linewidth=0, label=f"counted: {count} rounds")
    panel.plot(
        data["round"], data["distance"], "o-", color=THEORY, markersize=3, label="distance to the truth"
    )
    panel.plot([0, count], float(data["distance"][0]) - EPSILON * np.array([0, count]), ":", color="black",
               label="ε a round")  # fmt: skip
    panel.set(ylabel="mean squared distance", title="One noisy problem")
    panel.set_ylim(bottom=0)
    rounds_axis(panel)
    panel.legend()
    panel = axes[0, 1]
    _crowd(panel, data["problem_count"], data["problem_best"], color=THEORY)
    _diagonal(panel, float(data["problem_best"].max()), "Random problems")
    panel = axes[0, 2]
    for i, name in enumerate(data["data"].values):
        _crowd(
            panel, data["data_count"][i] + 0.16 * i - 0.08, data["data_best"][i], color=COLOURS[i], label=name
        )
    _diagonal(panel, float(max(data["data_best"].max(), data["data_count"].max())), "Data, estimated norm")
    panel.legend(loc="lower right")
    return figure


def _crowd(panel: Axes, x: xr.DataArray, y: xr.DataArray, **style: Any) -> None:
    """Points whose area says how many lie there."""
    places, members = np.unique(np.stack([x, y]), axis=1, return_counts=True)
    panel.scatter(places[0], places[1], 12.0 * members, alpha=0.7, **style)


def _diagonal(panel: Axes, most: float, title: str) -> None:
    panel.plot([0, most], [0, most], color="black", linestyle="--", linewidth=1)
    panel.set(xlabel="counted rounds", ylabel="best round", title=title)
