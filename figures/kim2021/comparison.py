"""Progressive self-distillation against the other methods, on the paper's four measures.

Error, negative log-likelihood, calibration error and area under the risk-coverage curve of the tuned networks of
the comparison table: means with 95 % intervals over seeds. Grey diamonds are what the paper reports for a
PreAct ResNet-18 on CIFAR-100, a harder problem than digits: the ranking of methods, not the level, is to be
compared.
"""

from __future__ import annotations

import xarray as xr
from matplotlib.figure import Figure

from ..claim import Claim
from ..reference import read
from ..scale import Scale
from ..soft_label_scale import compared, dots, paired, tables
from ..soft_label_scale import data_sets as data_sets
from ..style import BOUND, new_figure

# Metric: axis label, factor, name in the reported table, words of the claim.
PANELS = {
    "error": ("test error, %", 100, "top1_error_percent", "test error"),
    "nll": ("negative log-likelihood, nats", 1, "nll", "NLL"),
    "ece": ("expected calibration error, %", 100, "ece_percent", "calibration error"),
    "aurc": ("AURC × 1000", 1000, "aurc_x1000", "AURC"),
}
REPORTED = {
    "cross-entropy": "cross_entropy",
    "label smoothing": "label_smoothing",
    "progressive": "progressive",
}


def measure(scale: Scale) -> xr.Dataset:
    """Every method of the comparison table."""
    data = compared(scale)
    return data.assign(error=1 - data["accuracy"])


def claims(data: xr.Dataset) -> list[Claim]:
    """K6."""
    return [
        Claim.from_samples("K6", f"Progressive self-distillation has a lower {words} than {rival} ({where}).",
                           paired(table, metric, "progressive", rival), relation="≤",
                           note="paired difference over seeds")
        for where, table in tables(data)
        for metric, (_, _, _, words) in PANELS.items()
        for rival in ("cross-entropy", "label smoothing")
    ]  # fmt: skip


def draw(data: xr.Dataset) -> Figure:
    """One panel a measure."""
    figure, axes = new_figure(2, 2, width=5.2, height=2.7)
    reported = read("reported.json")["kim2021"]
    methods = [str(m) for m in data["method"].values]
    for panel, (metric, (label, factor, column, _)) in zip(axes.flat, PANELS.items(), strict=True):
        dots(panel, data, metric, scale=factor)
        index = reported["columns"].index(column)
        panel.plot(
            [reported[key][index] for key in REPORTED.values()], [methods.index(m) for m in REPORTED], "D",
            color=BOUND, markerfacecolor="none", label="reported by the paper, CIFAR-100",
        )  # fmt: skip
        panel.set_xlabel(label)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure
