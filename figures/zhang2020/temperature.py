"""Temperature: what softening a teacher does to its uncertainty, to its diversity and to its students.

Outputs of the teachers on their own training samples, softened by a temperature. Left, their mean entropy, which
must rise with it. Middle, confidence diversity, the spread of the labels' probabilities over samples, which sets a
teacher apart from label smoothing. It must fall in the end, as all outputs turn uniform. Whether it rises before,
and so has a best temperature above 1, depends on how sure the teachers are: that is measured, and claimed for
each setting by itself. Right, test accuracy of the students. Means with 95 % intervals over seeds.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from ...empirical.experiments.soft_label_experiments import TemperatureSweep, measure_temperatures
from ..claim import Claim
from ..scale import Scale
from ..soft_label_scale import data_sets as data_sets
from ..soft_label_scale import over_settings, tables
from ..style import COLOURS, band, new_figure, possible


def sweep(scale: Scale) -> xr.Dataset:
    """Return the sweep over (setting, temperature, seed) that this and Zhou et al.'s artefacts share."""
    temperatures = scale.choose(
        smoke=(1.0, 3.0, 10.0), quick=TemperatureSweep().temperatures, full=TemperatureSweep().temperatures
    )
    return over_settings(scale, measure_temperatures, lambda _, unit: TemperatureSweep(unit, temperatures))


def measure(scale: Scale) -> xr.Dataset:
    """Teachers' uncertainty and diversity and students' metrics over temperature."""
    return sweep(scale)


def claims(data: xr.Dataset) -> list[Claim]:
    """Z8."""
    found = [
        Claim.theorem("Z8", "A softened teacher's entropy rises with the temperature.", 0.0,
                      np.concatenate([t["teacher_uncertainty"].diff("temperature").values.ravel()
                                      for _, t in tables(data)]), relation="≥",
                      source="selfdistill.theory.softmax"),
    ]  # fmt: skip
    for where, table in tables(data):
        diversity = table["teacher_diversity"]
        largest = diversity.max("temperature")
        rise, fall = largest - diversity.isel(temperature=0), diversity.isel(temperature=-1) - largest
        student = table["accuracy"].isel(variant=0)
        found += [
            Claim.from_samples("Z8", f"The teacher's largest diversity is above that at temperature 1 by at least "
                               f"0.1 nat ({where}).", rise, relation="≥", predicted=0.1),
            Claim.from_samples("Z8", f"The teacher's diversity at the highest temperature is below its "
                               f"largest by at least 0.1 nat ({where}).", fall, relation="≤", predicted=-0.1),
            Claim.from_samples("Z8", f"Students of the highest temperature are less accurate than those of "
                               f"temperature 1 ({where}).",
                               student.isel(temperature=-1) - student.isel(temperature=0), relation="≤"),
        ]  # fmt: skip
    return found


def draw(data: xr.Dataset) -> Figure:
    """Teachers' uncertainty and diversity, students' accuracy."""
    figure, axes = new_figure(3, width=3.9)
    panels = (
        ("teacher_uncertainty", "teacher's uncertainty, nats"),
        ("teacher_diversity", "teacher's confidence diversity, nats"),
        ("accuracy", "student's test accuracy"),
    )
    for panel, (metric, label) in zip(axes[0], panels, strict=True):
        for i, (where, table) in enumerate(tables(data)):
            values = table.isel(variant=0)[metric].transpose("seed", "temperature")
            band(panel, data["temperature"], values, color=COLOURS[i], marker="o", markersize=3, label=where)
        panel.set(xlabel="temperature τ", ylabel=label, xscale="log")
        panel.set_xticks([1, 2, 4, 10], ["1", "2", "4", "10"])
        panel.minorticks_off()
    possible(axes[0, 2])
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure
