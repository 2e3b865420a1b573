"""Generations of self-distillation: what each network keeps of the one before.

A hundred classes. Every generation starts afresh and learns from the labels (weight 0.1) and from the generation
before it (weight 0.9, temperature 1); the first learns from the labels alone. Accuracy, NLL and calibration error
on test samples; entropy of the outputs (uncertainty) and differential entropy of the label's probability over
samples (confidence diversity) on the training samples, where a network teaches. All less the first generation's on
the same split, whose own mean each title names. Grey: the first generation, stopped early by validation NLL, and with a
tuned weight decay. Means with 95 % intervals over seeds.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from ..claim import Claim
from ..scale import Scale
from ..soft_label_claims import effect, explained, fits, regime
from ..soft_label_scale import above
from ..soft_label_studies import generations
from ..style import BOUND, COLOURS, band, new_figure, rounds_axis

PANELS = {
    "accuracy": "test accuracy",
    "nll": "NLL, nats",
    "ece_20": "calibration error, 20 bins",
    "aurc": "AURC (ranking of mistakes)",
    "training_uncertainty": "uncertainty (training), nats",
    "training_diversity": "diversity (training), nats",
}
FIRST, RULES = "generation 1", {"stopped early": "--", "cross-entropy, tuned": ":"}
WHERE = "a hundred classes"


def measure(scale: Scale) -> xr.Dataset:
    """Every metric over (student, seed), students being generations."""
    return generations(scale)


def chain(data: xr.Dataset) -> list[str]:
    """Names of the generations, in order."""
    return [str(s) for s in data["student"].values if str(s).startswith("generation")]


def claims(data: xr.Dataset) -> list[Claim]:
    """Zhang & Sabuncu on generations (docs: claim Z6): accuracy, calibration, and what a network is as a teacher."""
    last = chain(data)[-1]
    words = {"accuracy": "more accurate", "nll": "of lower NLL", "ece_20": "better calibrated"}
    found = [
        explained(
            effect(
                "Z6", data, metric, name, FIRST, WHERE, precondition=regime(data, metric, FIRST), baseline=FIRST,
                statement=f"{name.capitalize()} is {words[metric]} than the first",
            ),
            holds="each generation's labels are softer, and the network fits them less surely",
            otherwise="softer labels changed how sure the network is, not which class it names",
        )
        for metric in words
        for name in dict.fromkeys((chain(data)[1], last))
    ]  # fmt: skip
    for metric, named in (
        ("training_uncertainty", "uncertainty"),
        ("training_diversity", "confidence diversity"),
    ):
        change = data[metric].sel(student=last) - data[metric].sel(student=FIRST)
        found.append(
            explained(
                Claim.from_samples("Z6", f"As a teacher, {last} has more {named} than the first ({WHERE}).", change,
                                   relation="≥", precondition=fits(data, FIRST), family=WHERE,
                                   note="on the training samples"),
                holds="soft targets keep a network from fitting all its labels surely, some samples more than others",
                otherwise="with a tenth of its weight on the labels a generation still fits them as surely",
            )
        )  # fmt: skip
    return found


def draw(data: xr.Dataset) -> Figure:
    """Six metrics over generations."""
    figure, axes = new_figure(3, 2, width=4.2, height=3.0)
    names = chain(data)
    steps = np.arange(1, len(names) + 1)
    for panel, (metric, label) in zip(axes.flat, PANELS.items(), strict=True):
        changes = above(data, metric, FIRST)
        shown = changes.sel(student=names).transpose("seed", "student")
        band(panel, steps, shown, color=COLOURS[0], marker="o", markersize=3, label="generations")
        for rule, line in RULES.items():
            panel.axhline(
                float(changes.sel(student=rule).mean()), color=BOUND, linestyle=line, linewidth=1.2,
                label=f"{'cross-entropy ' if rule == 'stopped early' else ''}{rule}",
            )  # fmt: skip
        rounds_axis(panel, "generation")
        panel.set_title(f"{label}; first: {float(data[metric].sel(student=FIRST).mean()):.3g}")
        panel.set_ylabel("less the first's")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure
