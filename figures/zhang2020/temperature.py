"""Temperature: what softening a teacher does to its uncertainty, to its diversity and to its students.

A hundred classes. Left, the mean entropy of teachers' outputs on their own training samples, softened by a
temperature, which must rise with it. Middle, confidence diversity, the spread of the labels' probabilities over
samples, which sets a teacher apart from label smoothing; it must fall in the end, as all outputs turn uniform.
Right, accuracy and NLL of students above those of cross-entropy on the same split: by self-distillation, where only
the teacher is tempered, and by Hinton's loss, where the student is tempered too and learns no softer outputs. The
axis of the NLL is linear up to 0.1 and logarithmic beyond. Means with 95 % intervals over seeds.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import xarray as xr
from matplotlib.figure import Figure

from ..claim import Claim
from ..conditions import DullRule
from ..scale import Scale
from ..soft_label_claims import CE, METRICS, explained, fits, regime
from ..soft_label_scale import values
from ..soft_label_studies import temperatures
from ..style import BOUND, COLOURS, band, linear_near_zero, new_figure

WHERE = "a hundred classes"
METHODS = ("self-distillation", "distillation")


def measure(scale: Scale) -> xr.Dataset:
    """Teachers' uncertainty and diversity and students' metrics over temperature."""
    return temperatures(scale)


def by_temperature(
    data: xr.Dataset, method: str, metric: str
) -> tuple[npt.NDArray[np.float64], xr.DataArray]:
    """Temperatures, and a metric of a method's students over (seed, temperature)."""
    prefix = f"{method}, τ = "
    names = [str(s) for s in data["student"].values if str(s).startswith(prefix)]
    taus = np.array([float(name.removeprefix(prefix)) for name in names])
    return taus, data[metric].sel(student=names).transpose("seed", "student")


def best_of_others(table: xr.DataArray, *, better: str) -> npt.NDArray[np.float64]:
    """For each seed, its value at the temperature that is best for the OTHER seeds: a choice without a look at it."""
    measured = np.asarray(table, float) * (1 if better == "higher" else -1)
    chosen = [int(np.delete(measured, s, axis=0).mean(axis=0).argmax()) for s in range(len(measured))]
    return np.array([np.asarray(table, float)[s, c] for s, c in enumerate(chosen)])


def claims(data: xr.Dataset) -> list[Claim]:
    """Zhang & Sabuncu on temperature (docs: claim Z8)."""
    taus, uncertainty = by_temperature(data, METHODS[0], "taught_uncertainty")
    _, diversity = by_temperature(data, METHODS[0], "taught_diversity")
    spread = np.asarray(diversity, float)
    found = [
        Claim.theorem("Z8", "A softened teacher's entropy rises with the temperature.", 0.0,
                      np.diff(uncertainty, axis=1), relation="≥", source="selfdistill.theory.softmax"),
        explained(
            Claim.from_samples("Z8", f"The teacher's largest diversity is above that at temperature 1 ({WHERE}).",
                               best_of_others(diversity, better="higher") - spread[:, 0], relation="≥",
                               precondition=fits(data), family=WHERE,
                               note="for each seed, at the temperature that is best for the others"),
            holds="at temperature 1 it is sure of all its training samples alike",
            otherwise="it is unsure of some training samples even at temperature 1",
        ),
        explained(
            Claim.from_samples("Z8", f"At τ = {taus[-1]:g} the teacher's diversity is below its largest ({WHERE}).",
                               spread[:, -1] - best_of_others(diversity, better="higher"), relation="≤",
                               precondition=fits(data), family=WHERE),
            holds="softened so far, all its outputs are nearly uniform, and so all alike",
            otherwise="even at this temperature its outputs differ from sample to sample",
        ),
    ]  # fmt: skip
    for metric, better in (("accuracy", "higher"), ("nll", "lower")):
        _, students = by_temperature(data, METHODS[0], metric)
        # Among temperatures above 1: if 1 could be chosen, a claim that is false would only ever tie.
        best, at_one = best_of_others(students[:, 1:], better=better), np.asarray(students, float)[:, 0]
        words = "accuracy" if metric == "accuracy" else "NLL"
        rule = ("cross-entropy", metric) if metric == "accuracy" else ("cross-entropy", "scaled_nll")
        named = "no teacher" if metric == "accuracy" else "temperature scaling"
        found.append(
            explained(
                Claim.from_samples("Z8", f"Students of the best temperature above 1 have a {better} {words} than "
                                   f"those of temperature 1 ({WHERE}).", best - at_one,
                                   relation="≥" if better == "higher" else "≤",
                                   negligible=METRICS[metric][2],
                                   precondition=regime(data, metric),
                                   dull_rule=DullRule.of(named, best, values(data, rule[1], rule[0]),
                                                         better="higher" if better == "higher" else "lower"),
                                   family=WHERE,
                                   note="for each seed, at the temperature above 1 that is best for the others"),
                holds="at temperature 1 a teacher that fits its labels says little but the labels",
                otherwise="a softer teacher spread more over wrong classes than the student could use",
            )
        )  # fmt: skip
    return found


def draw(data: xr.Dataset) -> Figure:
    """Teachers' uncertainty and diversity, students' accuracy and NLL."""
    figure, axes = new_figure(4, width=3.5)
    for panel, metric, label in zip(
        axes[0], ("taught_uncertainty", "taught_diversity", "accuracy", "nll"),
        ("teacher's uncertainty, nats", "teacher's confidence diversity, nats",
         "accuracy − cross-entropy's, points", "NLL − cross-entropy's, nats"), strict=True,
    ):  # fmt: skip
        for i, method in enumerate(METHODS):
            if i and metric.startswith("taught"):
                continue  # the same teachers
            taus, table = by_temperature(data, method, metric)
            if metric.startswith("taught"):
                band(panel, taus, table, color="black", marker="o", markersize=3)
                continue
            gains = (100 if metric == "accuracy" else 1) * (
                np.asarray(table) - values(data, metric, CE)[:, None]
            )
            band(panel, taus, gains, color=COLOURS[i], marker="o", markersize=3, label=method)
        if not metric.startswith("taught"):
            panel.axhline(0, color=BOUND, linestyle="--", label=CE)
        if metric == "nll":
            linear_near_zero(panel, "y", 0.1)
        panel.set(xlabel="temperature τ", ylabel=label, xscale="log")
        panel.set_xticks(taus, [f"{tau:g}" for tau in taus])
        panel.minorticks_off()
    handles, labels = axes[0, 2].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure
