"""Teachers smaller than, equal to and larger than their student.

One student network learns from the labels and from teachers of several widths, each trained on the same labels by
plain cross-entropy. Test accuracy of teachers and students against the teacher's width as a multiple of the
student's, and of the student trained alone (grey): means with 95 % intervals over seeds. At 1 the teacher
is a network of the student's own kind.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from ...empirical.experiments.comparison import Comparison
from ...empirical.experiments.soft_label_experiments import Teachers, measure_teachers
from ..claim import Claim
from ..intervals import t_half_width
from ..scale import Scale
from ..soft_label_scale import Setting, over_settings, tables
from ..soft_label_scale import data_sets as data_sets
from ..style import BOUND, COLOURS, band, new_figure, possible


def measure(scale: Scale) -> xr.Dataset:
    """Metrics of teachers and students over (setting, factor, seed), the factor being of widths."""
    factors = scale.choose(smoke=(0.5, 1.0, 2.0), quick=(0.25, 1.0, 4.0), full=(0.0625, 0.25, 1.0, 4.0))

    def build(setting: Setting, unit: Comparison) -> Teachers:
        return Teachers(unit, (0.25, 1.0, 2.0) if setting.deep else factors)

    return over_settings(scale, measure_teachers, build)


def claims(data: xr.Dataset) -> list[Claim]:
    """W8, its part on teachers."""
    found = []
    for where, table in tables(data):
        student = table["student_accuracy"]
        own = student.sel(factor=1)
        found += [
            Claim.from_samples("W8", "A student of the widest teacher is more accurate than one of a teacher "
                               f"of its own width ({where}).", student.isel(factor=-1) - own,
                               relation="≥"),
            Claim.from_samples("W8", "A student of a teacher of its own width is more accurate than one alone "
                               f"({where}).", own - table["alone_accuracy"],
                               relation="≥", note="weight 0.8, τ = 2, same weight decay; not tuned"),
        ]  # fmt: skip
    return found


def draw(data: xr.Dataset) -> Figure:
    """Accuracies against the teacher's width."""
    figure, axes = new_figure(data.sizes["setting"], height=3.6)
    for panel, (where, table) in zip(axes[0], tables(data), strict=True):
        for i, role in enumerate(("teacher", "student")):
            values = np.asarray(table[f"{role}_accuracy"].transpose("seed", "factor"), float)
            panel.errorbar(
                table["factor"] * (1.03 if i else 0.97), values.mean(axis=0), yerr=t_half_width(values), fmt="o-",
                markersize=4, capsize=3, color=COLOURS[i], label=role,
            )  # fmt: skip
        alone = np.broadcast_to(np.asarray(table["alone_accuracy"])[:, None], (table.sizes["seed"], 2))
        ends = [float(table["factor"][0]), float(table["factor"][-1])]
        band(panel, ends, alone, color=BOUND, linestyle="--", label="student alone")
        panel.set(
            xlabel="teacher's width / student's width", ylabel="test accuracy", xscale="log", title=where
        )
        panel.set_xticks(table["factor"].values, [f"{f:g}" for f in table["factor"].values])
        panel.minorticks_off()
        possible(panel)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure
