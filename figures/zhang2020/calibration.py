"""Calibration: how sure the networks of each method are, against how often they are right.

Top, reliability diagrams by the papers' settings, all seeds together, in ten bins over the largest probability;
bins of fewer than 20 test samples are left out. On the diagonal a network knows what it knows; below it, it is
surer than it may be. Bottom, the calibration error of each (20 bins, as the paper has it): as trained (filled) and
after its logits were divided by one temperature, fitted on validation samples (open): the cheap rule that every
method must beat.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..claim import Claim
from ..intervals import t_half_width
from ..scale import Scale
from ..soft_label_claims import CE, effect, explained
from ..soft_label_scale import data_sets as data_sets
from ..soft_label_scale import plan_compared, tables
from ..soft_label_studies import COMPARED, compared
from ..style import BOUND, COLOURS, new_figure

OWN_DATA = "classes"
plan = plan_compared
PAIRS = (
    ("label smoothing", CE), ("entropy penalty", CE), ("self-distillation", CE), ("Beta smoothing", CE),
    ("Beta smoothing", "label smoothing"),
)  # fmt: skip


def measure(scale: Scale) -> xr.Dataset:
    """Take the comparison table's networks."""
    return compared(scale)


def claims(data: xr.Dataset) -> list[Claim]:
    """Zhang & Sabuncu's table (docs: claim Z7), its part on calibration."""
    return [
        explained(
            effect("Z7", table, "ece_20", method, rival, where, note="20 bins, as the paper has it"),
            holds="its targets cost the network the certainty that it had too much of",
            otherwise="its targets cost the network more certainty than it had too much of: now it is underconfident",
        )
        for where, table in tables(data)
        for method, rival in PAIRS
        if {method, rival} <= set(table["student"].values)
    ]


def pooled(table: xr.Dataset) -> tuple[npt.NDArray[np.float64], ...]:
    """Count, mean confidence and accuracy of each bin (bins,), all seeds together; NaN in empty bins."""
    count = np.asarray(table["bin_count"].transpose("seed", "bin"), float)
    sums = [
        np.nansum(count * table[name].transpose("seed", "bin"), axis=0)
        for name in ("bin_confidence", "bin_accuracy")
    ]
    total = count.sum(axis=0)
    with np.errstate(invalid="ignore"):
        return total, sums[0] / total, sums[1] / total


def draw(data: xr.Dataset) -> Figure:
    """One diagram and one row of calibration errors a setting."""
    figure, axes = new_figure(data.sizes["setting"], 2, width=3.9, height=3.6)
    methods = [m.name for m in COMPARED]
    for (diagram, errors), (where, table) in zip(axes.T, tables(data), strict=True):
        diagram.plot([0, 1], [0, 1], color=BOUND, linestyle=":", label="calibrated")
        shown = [m for m in methods if m in table["student"].values]
        for method in shown:
            count, confidence, accuracy = pooled(table.sel(student=method))
            kept = count >= 20
            diagram.plot(
                confidence[kept], accuracy[kept], "o-", markersize=3, color=_colour(method), label=method
            )
        diagram.set(xlabel="confidence (largest probability)", ylabel="accuracy", title=where)
        diagram.set(xlim=(0, 1.02), ylim=(0, 1.02))
        _errors(errors, table, shown)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5)
    return figure


def _colour(method: str) -> str:
    return [*COLOURS, "#A0522D"][[m.name for m in COMPARED].index(method)]


def _errors(axes: Axes, table: xr.Dataset, methods: list[str]) -> None:
    rows = np.arange(len(methods))
    for metric, fill, offset in (("ece_20", True, -0.13), ("scaled_ece_20", False, 0.13)):
        values = 100 * np.asarray(table[metric].sel(student=methods).transpose("seed", "student"), float)
        means, halves = values.mean(axis=0), t_half_width(values)
        for row, method in enumerate(methods):
            axes.errorbar(
                means[row], row + offset, xerr=halves[row], fmt="o", markersize=5, capsize=2,
                color=_colour(method), markerfacecolor=_colour(method) if fill else "white",
            )  # fmt: skip
    axes.set_yticks(rows, methods)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(left=0)
    axes.grid(axis="x", alpha=0.3)
    axes.set_xlabel("calibration error, % (open: scaled)")
