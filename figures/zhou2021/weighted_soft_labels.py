"""Weighted soft labels against plain distillation, here and as the paper reports them.

Left, our tuned networks of the comparison table: accuracy with 95 % intervals over seeds, from teachers of the
student's own kind. Right, the accuracies that the paper reports, for large networks on CIFAR-100 and ImageNet and
larger teachers; this project has not measured those.
"""

from __future__ import annotations

import xarray as xr
from matplotlib.figure import Figure

from ..claim import Claim, Relation
from ..reference import read
from ..scale import Scale
from ..soft_label_scale import compared, dots, paired, tables
from ..soft_label_scale import data_sets as data_sets
from ..style import COLOURS, legend_below, new_figure

METHODS = ["cross-entropy", "distillation", "weighted soft labels"]
REPORTED_NAMES = {"student_alone": "student alone", "kd": "distillation", "crd": "contrastive (CRD)",
                  "wsl": "weighted soft labels"}  # fmt: skip
# Metric, words of the claim, direction.
CLAIMED: tuple[tuple[str, str, Relation], ...] = (
    ("accuracy", "are more accurate than", "≥"),
    ("nll", "have a lower NLL than", "≤"),
)


def measure(scale: Scale) -> xr.Dataset:
    """Three of the comparison table's methods."""
    return compared(scale).sel({"method": METHODS})


def claims(data: xr.Dataset) -> list[Claim]:
    """W8."""
    return [
        Claim.from_samples("W8", f"Weighted soft labels {words} plain distillation ({where}).",
                           paired(table, metric, "weighted soft labels", "distillation"),
                           relation=relation, note="teacher and student of one kind; paired over seeds")
        for where, table in tables(data)
        for metric, words, relation in CLAIMED
    ]  # fmt: skip


def draw(data: xr.Dataset) -> Figure:
    """Ours, and the paper's."""
    figure, axes = new_figure(2, width=5.4, height=3.2)
    ours, theirs = axes[0]
    dots(ours, data, "accuracy", scale=100)
    ours.set(xlabel="test accuracy, %", title="Measured here")
    legend_below(ours, 2)
    names = list(REPORTED_NAMES.values())
    for i, (setting, values) in enumerate(read("reported.json")["zhou2021"]["top1_percent"].items()):
        rows = [names.index(REPORTED_NAMES[key]) for key in values]
        theirs.plot(list(values.values()), rows, "D", color=COLOURS[2 + i], label=_spelled(setting))
    theirs.set_yticks(range(len(names)), names)
    theirs.set_ylim(len(names) - 0.5, -0.5)
    theirs.set(xlabel="top-1 accuracy, %", title="Reported by the paper")
    theirs.grid(axis="x", alpha=0.3)
    legend_below(theirs, 1)
    return figure


def _spelled(setting: str) -> str:
    """``cifar100 wrn-40-2 to wrn-16-2`` as the papers write it."""
    names = {"cifar100": "CIFAR-100:", "imagenet": "ImageNet:", "wrn": "WRN", "resnet": "ResNet-",
             "mobilenet-v1": "MobileNet-v1"}  # fmt: skip
    for plain, name in names.items():
        setting = setting.replace(plain, name)
    return setting
