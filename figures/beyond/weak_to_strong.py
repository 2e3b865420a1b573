"""Weak to strong: a narrow network teaches a wide one, and the reverse, predicted by their tangent kernels.

Teacher and student are networks with one hidden layer, of unlike width; the teacher is fitted to two digits' noisy
labels, the student to the teacher's outputs alone, both to the same training error. The chain of kernel ridge fits with
the tangent kernels that the two have before any training predicts how near either comes to the clean labels. Left, the
students: predicted against measured distance, every seed a dot. Right, the student's distance over its teacher's: below
1 the student surpasses its teacher. Dots are networks, bars the predictions' means.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from ...empirical.experiments.weak_to_strong import WeakToStrong, measure_weak_to_strong
from ..claim import Claim
from ..conditions import DullRule
from ..scale import Scale
from ..style import COLOURS, new_figure

SOURCE = "selfdistill.empirical.experiments.weak_to_strong.measure_weak_to_strong"


def measure(scale: Scale) -> xr.Dataset:
    """One pair of networks a seed; settings were set on seeds from 1000 on, which no claim uses."""
    config = scale.choose(
        smoke=WeakToStrong(narrow=8, wide=32, shares=(0.3,), n_train=20),
        quick=WeakToStrong(narrow=8, wide=256, shares=(0.15, 0.3)),
        full=WeakToStrong(narrow=8, wide=2048, shares=(0.05, 0.15, 0.3), n_train=100),
    )
    seeds = scale.choose(smoke=2, quick=8, thorough=80, full=30)
    units = scale.map(measure_weak_to_strong, [replace(config, seed=scale.seed + s) for s in range(seeds)])
    return xr.concat(units, dim="seed")


def claims(data: xr.Dataset) -> list[Claim]:
    """How near the prediction comes, and who surpasses whom."""
    kept = data.isel(seed=np.flatnonzero(data["converged"].values == 1))
    measured, predicted = kept["measured"], kept["predicted"]
    student, teacher = measured.sel(learner="student"), measured.sel(learner="teacher")
    cells = ("direction", "share")
    miss = abs(predicted.sel(learner="student") / student - 1).mean(cells).values
    same = abs(teacher / student - 1).mean(cells).values
    ratio = student / teacher
    expected = predicted.sel(learner="student") / predicted.sel(learner="teacher")
    right = ((ratio < 1) == (expected < 1)).mean(cells).values
    always = (ratio < 1).mean(cells).values
    left_out = f"{data.sizes['seed'] - kept.sizes['seed']} seeds without certified optima are left out"
    found = [
        Claim.from_samples(
            "T1", "Tangent kernels before training predict the students' distance to the clean labels to a tenth (mean "
            "relative error).", miss, relation="≤", predicted=0.1, source=SOURCE, note=left_out,
            dull_rule=DullRule.of("the student is as good as its teacher", miss, same, better="lower"),
        ),
        Claim.from_samples(
            "T1", "They name the better of student and teacher in nine cases of ten (share of cases).", right,
            relation="≥", predicted=0.9, source=SOURCE,
            dull_rule=DullRule.of("the student is always better", right, always, better="higher"),
        ),
    ]  # fmt: skip
    for direction in data["direction"].values:
        for share in data["share"].values:
            here, there = (v.sel(direction=direction, share=share).values for v in (ratio, expected))
            found.append(
                Claim.from_samples(
                    "T1", f"Networks, {direction}, ε = {share:g} s²: the student is nearer to the clean labels than "
                    "its teacher (distance over the teacher's).", here, relation="≤", predicted=1.0, source=SOURCE,
                    family="teaching", note=f"predicted {np.mean(there):.2f}" if len(there) else "",
                )
            )  # fmt: skip
    return found


def draw(data: xr.Dataset) -> Figure:
    """Predicted against measured, and student over teacher."""
    figure, axes = new_figure(2, width=4.8, height=3.9)
    panel = axes[0, 0]
    markers = ("o", "^", "s")
    for i, direction in enumerate(data["direction"].values):
        for j, share in enumerate(data["share"].values):
            here = data.sel(direction=direction, share=share, learner="student")
            panel.plot(here["predicted"], here["measured"], markers[j], color=COLOURS[i], markersize=4, alpha=0.7,
                       label=f"{direction}, ε = {share:g} s²")  # fmt: skip
    students = data[["predicted", "measured"]].sel(learner="student").to_array()
    ends = np.array([float(students.min()), float(students.max())]) * [0.9, 1.1]
    panel.plot(ends, ends, color="black", linewidth=1)
    panel.set(xlabel="predicted distance to the clean labels", ylabel="measured distance", title="Students")
    panel.legend(loc="upper left", fontsize="small")
    panel = axes[0, 1]
    ratio = data.sel(learner="student") / data.sel(learner="teacher")
    labels: list[str] = []
    for i, direction in enumerate(data["direction"].values):
        for j, share in enumerate(data["share"].values):
            at, here = len(labels), ratio.sel(direction=direction, share=share)
            panel.plot(
                np.full(here.sizes["seed"], at), here["measured"], markers[j], color=COLOURS[i], alpha=0.6
            )
            panel.plot([at - 0.25, at + 0.25], [float(here["predicted"].mean())] * 2, color="black")
            labels.append("\n".join([*str(direction).split(" ", 1), f"ε = {share:g} s²"]))
    panel.axhline(1, color="black", linestyle="--", linewidth=1)
    panel.plot([], [], color="black", label="predicted, mean")
    panel.plot([], [], "o", color="grey", label="networks")
    panel.set_xticks(range(len(labels)), labels=labels)
    panel.set(ylabel="student's distance over its teacher's", title="Who surpasses whom")
    panel.legend()
    return figure
