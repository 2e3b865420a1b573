"""Weighted soft labels against plain distillation, here and as the paper reports them.

Left, accuracy and, middle, NLL of networks by the papers' settings, with teachers of the student's own kind, and by
settings that one search settled on other seeds ("tuned"): differences from cross-entropy on the same split, means
with 95 % intervals over seeds; the axis of the NLL is linear up to 0.1 and logarithmic beyond. Weighted soft labels
are about three times as large a loss as cross-entropy; what that alone does, the row with three times the
cross-entropy shows. Right, the accuracies that the paper reports, for
large networks on CIFAR-100 and ImageNet and larger teachers; this project has not measured those.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from ..claim import Claim
from ..reference import read
from ..scale import Scale
from ..soft_label_claims import CE, effect, explained
from ..soft_label_scale import data_sets as data_sets
from ..soft_label_scale import dots, tables
from ..soft_label_settings import LOUDER
from ..soft_label_studies import compared
from ..style import BOUND, COLOURS, legend_below, linear_near_zero, new_figure

WSL, KD, THREE = "weighted soft labels", "distillation", "cross-entropy × 3"
STUDENTS = [CE, THREE, KD, "self-distillation", WSL]
LOUD = f"{LOUDER.name}, tuned"
TUNED = [f"{CE}, tuned", LOUD, f"{KD}, tuned", f"{WSL}, tuned"]
REPORTED_NAMES = {"student_alone": "student alone", "kd": "distillation", "crd": "contrastive (CRD)",
                  "wsl": "weighted soft labels"}  # fmt: skip


def measure(scale: Scale) -> xr.Dataset:
    """Five students of the comparison table, where all of them are, and those that were tuned."""
    data = compared(scale)
    tuned = [name for name in TUNED if name in data["student"].values]
    everywhere = [name for name, table in tables(data) if set(STUDENTS) <= set(table["student"].values)]
    return data.sel(setting=everywhere, student=[*STUDENTS, *tuned])


def claims(data: xr.Dataset) -> list[Claim]:
    """Zhou et al. on weighted soft labels (claim W8), teacher and student of one kind."""
    said = {"accuracy": "a higher accuracy", "nll": "a lower NLL"}
    found = [
        explained(
            effect(
                "W8", table, metric, WSL, rival, where, rules={"three times the loss": (THREE, metric)},
                statement=f"Weighted soft labels have {said[metric]} than {rival}",
                note="teacher and student of one kind; paired over seeds",
            ),
            holds="they listen to the teacher where it knows more",
            otherwise="a teacher of the student's own kind seldom knows more",
        )
        for where, table in tables(data)
        for metric in said
        for rival in (KD, CE)
    ]  # fmt: skip
    return found + [
        _tuned(table, rival, where)
        for where, table in tables(data)
        for rival in (KD, CE)
        if {f"{WSL}, tuned", f"{rival}, tuned"} <= set(table["student"].values)
    ]


def _tuned(table: xr.Dataset, rival: str, where: str) -> Claim:
    """Both by settings of one search. A larger loss steps further and decays less: tuned, that is the rule to beat."""
    claim = effect(
        "W8", table, "nll", f"{WSL}, tuned", f"{rival}, tuned", where,
        rules={"cross-entropy times a tuned factor": (LOUD, "nll")} if LOUD in table["student"].values else {},
        statement=f"Tuned, weighted soft labels have a lower NLL than {rival}",
        note="settings by one search on other seeds; paired over seeds",
    )  # fmt: skip
    theirs = claim.dull_rule is not None and claim.dull_rule.beaten
    return explained(
        claim,
        holds="tuned, they leave each sample to whoever knows it better, which one weight for all cannot" if theirs
        else "the search found a large loss with much decay, which cross-entropy times a factor has too",
        otherwise="a tuned weight and temperature for all samples already take what its teacher gives",
    )  # fmt: skip


def draw(data: xr.Dataset) -> Figure:
    """Ours, and the paper's."""
    figure, axes = new_figure(3, width=4.5, height=3.3)
    for panel, metric, factor, label in zip(
        axes[0, :2], ("accuracy", "nll"), (100, 1),
        ("accuracy − cross-entropy's, points", "NLL − cross-entropy's, nats"), strict=True,
    ):  # fmt: skip
        dots(panel, data, metric, scale=factor, against=CE)
        panel.axvline(0, color=BOUND, linestyle=":")
        panel.set(xlabel=label, title="Measured here")
        if metric == "nll":
            linear_near_zero(panel, "x", 0.1)
        legend_below(panel, 1)
    theirs = axes[0, 2]
    names = list(REPORTED_NAMES.values())
    for i, (setting, values) in enumerate(read("reported.json")["zhou2021"]["top1_percent"].items()):
        rows = np.array([names.index(REPORTED_NAMES[key]) for key in values])
        theirs.plot(
            list(values.values()), rows + 0.12 * (i - 1), "D", color=COLOURS[2 + i], label=_spelled(setting)
        )
    theirs.set_yticks(range(len(names)), names)
    theirs.set_ylim(len(names) - 0.5, -0.5)
    theirs.set(xlabel="top-1 accuracy, %", title="Reported by the paper")
    theirs.grid(axis="x", alpha=0.3)
    legend_below(theirs, 1)
    return figure


def _spelled(setting: str) -> str:
    """``cifar100 resnet32x4 to resnet8x4`` as the papers write it."""
    names = {
        "cifar100": "CIFAR-100:",
        "imagenet": "ImageNet:",
        "resnet": "ResNet-",
        "mobilenet-v1": "MobileNet-v1",
    }
    for plain, name in names.items():
        setting = setting.replace(plain, name)
    return setting
