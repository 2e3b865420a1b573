"""How much of its own past, and how soon: final weight and schedule of progressive self-distillation.

Test accuracy and negative log-likelihood against the final weight α_T of the network's own past, reached linearly
(the paper's way), at once (constant) or late (quadratic); at α_T = 0 all are plain cross-entropy. A constant weight
near 1 can lock in the outputs of the first epochs, when the network knows nothing: this is what the growing weight
is for. Means with 95 % intervals over seeds.
"""

from __future__ import annotations

import xarray as xr
from matplotlib.figure import Figure

from ...empirical.experiments.soft_label_experiments import Schedules, measure_schedules
from ..claim import Claim
from ..scale import Scale
from ..soft_label_scale import data_sets as data_sets
from ..soft_label_scale import over_settings, tables
from ..style import COLOURS, band, new_figure, possible


def measure(scale: Scale) -> xr.Dataset:
    """Every metric over (setting, schedule, final weight, seed)."""
    finals = scale.choose(
        smoke=(0.0, 0.8), quick=Schedules().finals, full=(0.0, 0.2, 0.4, 0.6, 0.7, 0.8, 0.9)
    )
    return over_settings(scale, measure_schedules, lambda _, unit: Schedules(unit, finals))


def claims(data: xr.Dataset) -> list[Claim]:
    """K6, its part on weights and schedules."""
    found = []
    for where, table in tables(data):
        accuracy = table["accuracy"].sel(final=0.8)
        plain = table["accuracy"].isel(final=0).sel(schedule="linear")
        linear = accuracy.sel(schedule="linear")
        found += [
            Claim.from_samples("K6", f"At α_T = 0.8, reached linearly, accuracy is above that of α_T = 0 ({where}).",
                               linear - plain, relation="≥", note="same weight decay, not tuned"),
            Claim.from_samples("K6", f"At α_T = 0.8 the linear schedule is more accurate than the constant one "
                               f"({where}).", linear - accuracy.sel(schedule="constant"), relation="≥"),
        ]  # fmt: skip
    return found


def draw(data: xr.Dataset) -> Figure:
    """Accuracy and NLL over the final weight, one row a setting."""
    figure, axes = new_figure(2, data.sizes["setting"], height=2.9)
    for row, (where, table) in zip(axes, tables(data), strict=True):
        for panel, (metric, label) in zip(
            row,
            (("accuracy", "test accuracy"), ("nll", "negative log-likelihood, nats")),
            strict=True,
        ):
            for i, name in enumerate(data["schedule"].values):
                values = table[metric].isel(schedule=i).transpose("seed", "final")
                band(
                    panel, data["final"], values, color=COLOURS[i], marker="o", markersize=3, label=str(name)
                )
            panel.set(xlabel="final weight α_T of the past", ylabel=label, title=where)
            if metric == "accuracy":
                possible(panel)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure
