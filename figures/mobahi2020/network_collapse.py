"""Rounds to collapse of networks, beside those that theory names.

Small networks, centred at their start and trained to an exact error ε with a penalty on the distance they
move, distilled round after round until nothing is left. Beside each: the theory of its own tangent kernel,
computed before any training. Every cell is one data set, one ε and one seed, at the largest width. The count
matrix holds all cells; those off its diagonal are listed under the claim. Matched experiment 1, claim M17.
"""

from __future__ import annotations

import numpy as np
import scipy.stats
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ...empirical.experiments.matched import MatchedConfig, measure_matched
from ..claim import Claim
from ..scale import Scale
from ..style import COLOURS, MEASURED, THEORY, new_figure, rounds_axis

SETS = ("digits-3-8", "digits-4-9", "diabetes", "sinusoid")
EPSILONS = (0.08, 0.15, 0.3)


def cells(scale: Scale) -> list[MatchedConfig]:
    """All cells at the largest width."""
    seeds = scale.choose(smoke=2, quick=4, full=20)
    width = scale.choose(smoke=128, quick=512, full=2048)
    sets = scale.choose(smoke=SETS[:1], quick=SETS, full=SETS)
    return [
        MatchedConfig(data, epsilon, width, 1000 * scale.seed + seed)
        for data in sets
        for epsilon in scale.choose(smoke=EPSILONS[1:2], quick=EPSILONS, full=EPSILONS)
        for seed in range(seeds)
    ]


def measure(scale: Scale) -> xr.Dataset:
    """Network and theory in every cell."""
    configs = cells(scale)
    data = xr.concat(scale.map(measure_matched, configs), dim="cell")
    data["data"] = "cell", [c.data for c in configs]
    data["epsilon"] = "cell", [c.epsilon for c in configs]
    data["seed"] = "cell", [c.seed for c in configs]
    data.attrs["width"] = configs[0].width
    return data


def _misses(data: xr.Dataset) -> str:
    rounds = data["rounds"].values
    lines = [
        f"{data['data'].values[i]}, ε={data['epsilon'].values[i]:g}, seed {data['seed'].values[i]}: "
        f"predicted {predicted}, measured {measured}"
        for i, (predicted, measured) in enumerate(rounds)
        if predicted != measured
    ]
    hits = int(np.sum(rounds[:, 0] == rounds[:, 1]))
    low, high = scipy.stats.binomtest(hits, len(rounds)).proportion_ci()
    return (
        f"{hits} of {len(rounds)} cells (exact 95 % interval {low:.3f} to {high:.3f}); "
        f"misses: {'; '.join(lines) if lines else 'none'}."
    )


def claims(data: xr.Dataset) -> list[Claim]:
    """Collapse rounds, z in round 1, and that every network really reached its optimum."""
    predicted, measured = data["rounds"].values.T
    seeds = data["seed"].values
    first = data["z_error"].sel(fit=1).values
    medians = [np.median(first[seeds == s]) for s in np.unique(seeds)]
    unsettled = int((data["converged"] == 0).sum())
    width = data.attrs["width"]
    return [
        Claim.from_proportion(
            "M17",
            f"a network of width {width} collapses in the round its tangent kernel predicts, in at least 90 % "
            "of cells",
            int((predicted == measured).sum()),
            len(measured),
            relation="≥",
            predicted=0.9,
            source="selfdistill.theory.distill_to_tolerance",
            note=_misses(data),
        ),
        Claim.from_samples(
            "M17",
            "the median relative error of z in round 1 is at most 5 %",
            medians,
            relation="≤",
            predicted=0.05,
            source="selfdistill.theory.Trajectory",
            note=f"median over all cells {np.median(first):.4f}; {unsettled} of {len(first)} cells with a "
            "fit that did not meet the optimality tolerance.",
        ),
        Claim.theorem(
            "M7",
            "no network collapses before r_0 − 1 rounds: at a fixed error the triangle inequality binds "
            "networks too",
            data["lower_bound"].values,
            measured,
            relation="≥",
            tolerance=1e-6,
            source="selfdistill.theory.collapse_bounds",
        ),
    ]


def draw(data: xr.Dataset) -> Figure:
    """Norms over rounds, collapse rounds, multipliers and filters: predicted against measured."""
    figure, axes = new_figure(2, 2, width=4.9, height=3.7)
    _draw_ratios(axes[0, 0], data)
    _draw_counts(axes[0, 1], data)
    _draw_multipliers(axes[1, 0], data)
    _draw_filters(axes[1, 1], data)
    return figure


def _draw_ratios(axes: Axes, data: xr.Dataset) -> None:
    kept = data.isel(cell=(data["epsilon"] == data["epsilon"].min()).values)
    for i, name in enumerate(dict.fromkeys(kept["data"].values)):
        part = kept.isel(cell=(kept["data"] == name).values)
        for j, (predicted, measured) in enumerate(part["ratio"].values):
            axes.plot(data["round"], predicted, color=COLOURS[i], lw=0.8, alpha=0.7)
            axes.plot(
                data["round"],
                measured,
                "o",
                ms=3.5,
                color=COLOURS[i],
                mfc="none",
                label=str(name) if j == 0 else None,
            )
    axes.axhline(1, color="0.5", ls="--", lw=1)
    longest = int(data["rounds"].max())
    axes.set(
        xlim=(-0.2, longest + 0.3),
        ylabel="r$_t$ = ‖y$_t$‖ / √(nε)",
        title=f"Norms, ε = {float(kept['epsilon'].min()):g}: lines theory, circles networks",
    )
    axes.legend(loc="upper right")
    rounds_axis(axes)


def _draw_counts(axes: Axes, data: xr.Dataset) -> None:
    predicted, measured = data["rounds"].values.astype(int).T
    top = max(predicted.max(), measured.max()) + 1
    counts = np.zeros((top, top))
    np.add.at(counts, (measured, predicted), 1)
    axes.plot([0.5, top - 0.5], [0.5, top - 0.5], color=THEORY, lw=1)
    for m, p in zip(*np.nonzero(counts), strict=True):
        hit = m == p
        axes.scatter(p, m, s=60 + 12 * counts[m, p], color=THEORY if hit else MEASURED, zorder=2)
        axes.annotate(f"{counts[m, p]:.0f}", (p, m), ha="center", va="center", color="white", fontsize=8)
    axes.set(
        xlim=(0.4, top - 0.4),
        ylim=(0.4, top - 0.4),
        ylabel="measured rounds",
        title=f"Rounds to collapse: {int(np.sum(predicted == measured))} of {len(predicted)} cells agree",
    )
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    rounds_axis(axes, "predicted rounds")


def _draw_multipliers(axes: Axes, data: xr.Dataset) -> None:
    shown = int(data["rounds"].max())
    for fit in range(1, shown + 1):
        predicted, measured = data["multiplier"].sel(fit=fit).values.T
        axes.plot(
            predicted, measured, "o", ms=4, mfc="none", color=COLOURS[(fit - 1) % 7], label=f"round {fit}"
        )
    low, high = np.nanmin(data["multiplier"]), np.nanmax(data["multiplier"])
    axes.plot([low, high], [low, high], color=THEORY, lw=1)
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="predicted c$_t$",
        ylabel="measured c$_t$",
        title="Penalty of each round",
    )
    axes.legend(loc="upper left")


def _draw_filters(axes: Axes, data: xr.Dataset) -> None:
    chosen = int(np.argmax(data["rounds"].values[:, 0] * (data["data"].values == data["data"].values[0])))
    cell = data.isel(cell=chosen)
    # A filter is measured as a quotient by z_0: only directions with weight can tell it.
    heavy = np.argsort(cell["weight"].values)[::-1][:25]
    heavy = heavy[np.argsort(cell["eigenvalue"].values[heavy])]
    for fit in range(1, int(cell["rounds"].min()) + 1):
        predicted, measured = cell["filter"].sel(fit=fit).values
        x = cell["eigenvalue"].values[heavy]
        axes.plot(x, predicted[heavy], color=COLOURS[fit - 1], lw=1)
        axes.plot(x, measured[heavy], "o", ms=3.5, mfc="none", color=COLOURS[fit - 1], label=f"round {fit}")
    axes.set(
        xscale="log",
        xlabel="eigenvalue d$_k$ of the tangent kernel / n",
        ylabel="filter B$_t$[k]",
        title=f"Filters: {cell['data'].values}, ε = {float(cell['epsilon']):g}, seed {int(cell['seed'])}",
    )
    axes.legend(loc="upper left")
