"""Small students of teachers of their own size, and of large ones.

A hundred classes. One small student network (two hidden layers of 48) learns from the labels alone, and from
teachers of its own width and of eight times its width, by distillation and by weighted soft labels. All less the
student alone on the same split (dashed). Dotted: alone with three times the loss, which is about what weighted soft
labels add to it in size. Means with 95 % intervals over seeds.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from ..claim import Claim
from ..conditions import Precondition
from ..intervals import t_half_width
from ..scale import Scale
from ..soft_label_claims import all_of, effect, explained, room
from ..soft_label_scale import above, paired
from ..soft_label_studies import teachers
from ..style import BOUND, COLOURS, band, new_figure

WHERE = "a hundred classes"
SIZES = ("own size", "large")
KINDS = ("teacher", "distillation", "weighted soft labels")


def measure(scale: Scale) -> xr.Dataset:
    """Metrics of students and teachers over (student, seed)."""
    return teachers(scale)


def claims(data: xr.Dataset) -> list[Claim]:
    """Zhou et al. on teachers larger than their students (claim W8)."""
    ahead = Precondition.of("the large teacher is more accurate than the student alone, by",
                            paired(data, "accuracy", "teacher, large", "alone"), "≥", 0.01)  # fmt: skip
    precondition = all_of(ahead, room(data, "alone"))
    three = {metric: {"three times the loss": ("alone × 3", metric)} for metric in ("accuracy", "nll")}

    def ask(metric: str, name: str, rival: str, statement: str) -> Claim:
        return effect("W8", data, metric, name, rival, WHERE, statement=statement, precondition=precondition,
                      rules=three[metric])  # fmt: skip

    found = []
    for metric, words in (("accuracy", "more accurate"), ("nll", "of lower NLL")):
        found += [
            explained(
                ask(metric, "distillation, large", "alone", f"Students of a large teacher are {words} than alone"),
                holds="the teacher found what the small student cannot find from the labels",
                otherwise="what the teacher knows does not fit into the student",
            ),
            explained(
                ask(metric, "distillation, large", "distillation, own size",
                    f"Students of a large teacher are {words} than those of a teacher of their own size"),
                holds="a larger teacher knows more",
                otherwise="at this size a larger teacher is surer, not wiser",
            ),
            explained(
                ask(metric, "weighted soft labels, large", "alone",
                    f"Students by weighted soft labels of a large teacher are {words} than alone"),
                holds="the teacher found what the small student cannot find from the labels",
                otherwise="what the teacher knows does not fit into the student",
            ),
            explained(
                ask(metric, "weighted soft labels, large", "distillation, large",
                    f"Under a large teacher, students by weighted soft labels are {words} than by distillation"),
                holds="samples on which distillation only regularises count less",
                otherwise="here those samples are worth their full weight, or the labels are worth less",
            ),
        ]  # fmt: skip
    return found


def draw(data: xr.Dataset) -> Figure:
    """Accuracy and NLL by the teacher's size."""
    figure, axes = new_figure(2, height=3.6)
    for panel, metric, label in zip(
        axes[0], ("accuracy", "nll"),
        ("accuracy − the student's alone, points", "NLL − the student's alone, nats"), strict=True,
    ):  # fmt: skip
        gains = (100 if metric == "accuracy" else 1) * above(data, metric, "alone")
        for i, kind in enumerate(KINDS):
            names = [f"{kind}, {size}" for size in SIZES]
            table = np.asarray(gains.sel(student=names).transpose("seed", "student"), float)
            panel.errorbar(
                np.arange(2) + 0.06 * (i - 1), table.mean(axis=0), yerr=t_half_width(table), fmt="o", markersize=5,
                capsize=3, color=COLOURS[i], label=kind if i == 0 else f"student, {kind}",
            )  # fmt: skip
        panel.axhline(0, color=BOUND, linestyle="--", label="student alone")
        louder = np.repeat(np.asarray(gains.sel(student="alone × 3"))[:, None], 2, axis=1)
        band(panel, [-0.3, 1.3], louder, color=BOUND, linestyle=":", label="student alone × 3")
        panel.set_xticks([0, 1], ["of the student's size", "of eight times its width"])
        panel.set(xlabel="teacher", ylabel=label)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure
