"""Calibration: how sure the networks of each method are, against how often they are right.

Reliability diagrams of the tuned networks of the comparison table, all seeds together, in ten bins over the
largest probability; bins of fewer than 20 test samples are left out. On the diagonal a network knows what it
knows; below it, it is surer than it may be, and above it, it is right more often than it says.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import xarray as xr
from matplotlib.figure import Figure

from ..claim import Claim
from ..scale import Scale
from ..soft_label_scale import compared, paired, tables
from ..soft_label_scale import data_sets as data_sets
from ..style import BOUND, COLOURS, new_figure


def measure(scale: Scale) -> xr.Dataset:
    """Take the comparison table's networks."""
    return compared(scale)


def claims(data: xr.Dataset) -> list[Claim]:
    """Z7, its part on calibration."""
    return [
        Claim.from_samples("Z7", f"{name} has a lower calibration error than {rival} ({where}).",
                           paired(table, "ece", method, rival), relation="≤",
                           note="15 bins; paired difference over seeds")
        for where, table in tables(data)
        for name, method, rival in (
            ("Label smoothing", "label smoothing", "cross-entropy"),
            ("Self-distillation", "self-distillation", "cross-entropy"),
            ("Beta smoothing", "Beta smoothing", "label smoothing"),
        )
    ]  # fmt: skip


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
    """One diagram a setting."""
    figure, axes = new_figure(data.sizes["setting"], height=4.1)
    for panel, (where, table) in zip(axes[0], tables(data), strict=True):
        panel.plot([0, 1], [0, 1], color=BOUND, linestyle=":", label="calibrated")
        for i, method in enumerate(data["method"].values):
            count, confidence, accuracy = pooled(table.isel(method=i))
            kept = count >= 20
            panel.plot(
                confidence[kept], accuracy[kept], "o-", markersize=3, color=COLOURS[i], label=str(method)
            )
        panel.set(xlabel="confidence (largest probability)", ylabel="accuracy", title=where)
        panel.set(xlim=(0, 1.02), ylim=(0, 1.02))
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4)
    return figure
