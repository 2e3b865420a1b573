"""Progressive self-distillation against the other methods, on the paper's five measures.

Error, top-5 error, negative log-likelihood, calibration error (10 bins, as the paper has it) and area under the
risk-coverage curve, by the papers' settings, all less cross-entropy's on the same split, whose own mean stands under
each panel: means with 95 % intervals over seeds. Open circles are the NLL and the calibration error after temperature
scaling. Grey diamonds are what the paper reports for a PreAct ResNet-18 on CIFAR-100, less its cross-entropy. All axes
but the calibration error's are linear up to a difference (3 points of error, 1 of top-5 error, 0.1 nats, 20 of the
AURC) and logarithmic beyond.

Data: overconfident digits, made to resemble the paper's cross-entropy, and a hundred classes of digit pairs.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..claim import Claim
from ..intervals import t_half_width
from ..reference import read
from ..scale import Scale
from ..soft_label_claims import CE, effect, explained
from ..soft_label_scale import data_sets as data_sets
from ..soft_label_scale import plan_compared, tables, values
from ..soft_label_studies import COMPARED, compared
from ..style import BOUND, COLOURS, linear_near_zero, new_figure

OWN_DATA = "classes"
plan = plan_compared
# Metric: axis label, factor, name in the reported table, whether 100 less it is shown.
PANELS = {
    "accuracy": ("error, %", 100, "top1_error_percent", True),
    "top5": ("top-5 error, %", 100, "top5_error_percent", True),
    "nll": ("NLL, nats", 1, "nll", False),
    "ece_10": ("ECE, %", 100, "ece_percent", False),
    "aurc": ("AURC × 1000", 1000, "aurc_x1000", False),
}
# Axes on which one method's large difference would hide the small ones: linear up to here, logarithmic beyond.
CLOSE = {"accuracy": 3.0, "top5": 1.0, "nll": 0.1, "aurc": 20.0}
REPORTED = {CE: "cross_entropy", "label smoothing": "label_smoothing", "progressive": "progressive"}
WHY = {
    "accuracy": (
        "its past outputs know which classes are alike",
        "its past outputs name the same class as the labels do",
    ),
    "top5": (
        "its past outputs know which classes are alike",
        "its past outputs name the same classes as it does",
    ),
    "nll": ("it is less sure where it was unsure before", "it is as sure as before where it is wrong"),
    "ece_10": (
        "it is less sure where it was unsure before",
        "its targets leave the certainty nearly as it was",
    ),
    "aurc": ("samples that were learned late stay less sure", "the order of certainty stays as it was"),
}


def measure(scale: Scale) -> xr.Dataset:
    """The comparison table."""
    return compared(scale)


def claims(data: xr.Dataset) -> list[Claim]:
    """Kim et al. on their measures (claim K6)."""
    found = []
    for where, table in tables(data):
        names = set(table["student"].values)
        for metric in PANELS:
            if metric == "top5" and where != "a hundred classes":
                continue  # of ten classes the five largest say little
            for rival in (CE, "label smoothing"):
                claim = effect("K6", table, metric, "progressive", rival, where)
                found.append(explained(claim, holds=WHY[metric][0], otherwise=WHY[metric][1]))
        found.append(
            explained(
                effect("K6", table, "scaled_ece_10", "progressive", CE, where, rules={}),
                holds="its certainty is off by less than one temperature for all samples mends",
                otherwise="one temperature for all samples, fitted after training, mends both alike",
            )
        )
        found += [
            explained(
                effect("K6", table, metric, "progressive, tuned", f"{CE}, tuned", where, rules={}),
                holds="its past outputs know which classes are alike, which weight decay does not",
                otherwise="a tuned weight decay already took what its softer targets give",
            )
            for metric in ("nll", "ece_10")
            if {"progressive, tuned", f"{CE}, tuned"} <= names
        ]
    return found


def draw(data: xr.Dataset) -> Figure:
    """One panel a measure and setting."""
    shown = [(name, t) for name, t in tables(data) if len(t["student"]) > 6]
    figure, axes = new_figure(len(PANELS), len(shown), width=2.9, height=2.6)
    reported = read("reported.json")["kim2021"]
    for row, (where, table) in zip(axes, shown, strict=True):
        for panel, (metric, (label, factor, column, error)) in zip(row, PANELS.items(), strict=True):
            methods = [m.name for m in COMPARED if m.name in table["student"].values]
            level = _dots(panel, table, metric, factor, methods, error)
            index = reported["columns"].index(column)
            if where == shown[0][0] and metric != "top5":
                theirs = np.array([reported[key][index] for key in REPORTED.values()])
                panel.plot(
                    theirs - reported[REPORTED[CE]][index], [methods.index(m) + 0.3 for m in REPORTED],
                    "D", color=BOUND, markersize=4, markerfacecolor="none", label="reported by the paper, CIFAR-100",
                )  # fmt: skip
            panel.axvline(0, color=BOUND, linestyle=":", linewidth=1)
            if metric in CLOSE:
                linear_near_zero(panel, "x", CLOSE[metric])
            panel.set_xlabel(f"{label} (cross-entropy: {level:.3g})")
            panel.set_yticks(range(len(methods)), methods if panel is row[0] else [])
        row[0].set_title(where, loc="left")
    handles, labels = axes[0, 2].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure


def _dots(
    axes: Axes, table: xr.Dataset, metric: str, factor: float, methods: list[str], error: bool
) -> float:
    """Differences from cross-entropy in rows; returns its own mean."""
    sign, rows = (-factor if error else factor), np.arange(len(methods))
    alone = values(table, metric, CE)
    for name, fill, offset in ((metric, COLOURS[0], 0.0), (f"scaled_{metric}", "white", 0.18)):
        if name not in table:
            continue
        measured = np.asarray(table[name].sel(student=methods).transpose("seed", "student"), float)
        changes = sign * (measured - alone[:, None])
        axes.errorbar(
            changes.mean(axis=0), rows + offset, xerr=t_half_width(changes), fmt="o", markersize=4, capsize=2,
            color=COLOURS[0], markerfacecolor=fill, label="as trained" if not offset else "after temperature scaling",
        )  # fmt: skip
    axes.set_ylim(len(methods) - 0.5, -0.5)
    axes.grid(axis="x", alpha=0.3)
    return float(factor * (1 - alone if error else alone).mean())
