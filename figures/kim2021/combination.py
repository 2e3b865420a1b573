"""Progressive self-distillation together with label smoothing and with augmentation.

The paper's targets can be built on smoothed labels, and trained on augmented images. Left block, overconfident
digits with label smoothing (0.1) added to progressive self-distillation and to self-distillation; right block, a
hundred classes with images shifted by up to one pixel, where past outputs are those of the shifted images, trained
until the images as they are are fitted. Means with 95 % intervals over seeds.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from ...empirical.methods.catalogue import CROSS_ENTROPY, LABEL_SMOOTHING, PROGRESSIVE, SELF_DISTILLATION
from ..claim import Claim
from ..intervals import t_half_width
from ..scale import Scale
from ..soft_label_claims import CE, effect, explained
from ..soft_label_scale import (
    Setting,
    measured,
    overconfident,
    side_by_side,
    sized,
    student,
    tables,
    teacher,
    with_settings,
)
from ..soft_label_settings import SHIFTED, SMOOTHED_DISTILLATION, SMOOTHED_PROGRESSIVE
from ..style import COLOURS, new_figure

PANELS = {
    "accuracy": ("test error, %", 100),
    "nll": ("NLL, nats", 1),
    "ece_10": ("calibration error, %", 100),
}
WHERE = "a hundred classes, shifted images"


def measure(scale: Scale) -> xr.Dataset:
    """Students with and without label smoothing, and two on shifted images, in their settings."""
    smoothed = [
        teacher(), *with_settings("", (CROSS_ENTROPY, LABEL_SMOOTHING, PROGRESSIVE, SELF_DISTILLATION), tuned=False),
        student("progressive and smoothing", SMOOTHED_PROGRESSIVE, alpha=0.8, epsilon=0.1),
        student("self-distillation and smoothing", SMOOTHED_DISTILLATION, "teacher", alpha=0.4, temperature=4.0,
                epsilon=0.1),
    ]  # fmt: skip
    both = [student(CE, CROSS_ENTROPY), student("progressive", PROGRESSIVE)]
    shifted = Setting(WHERE, sized(scale, SHIFTED, 3, 24))
    settings = ((overconfident(scale), smoothed), (shifted, both))
    return side_by_side({setting.name: measured(scale, setting, rows) for setting, rows in settings})


def claims(data: xr.Dataset) -> list[Claim]:
    """Kim et al. on combinations (part of claim K6)."""
    digits, pairs = (table for _, table in tables(data))
    found = []
    for metric in ("nll", "accuracy"):
        for name, rival in (
            ("progressive and smoothing", "progressive"), ("progressive and smoothing", "label smoothing"),
            ("self-distillation and smoothing", "self-distillation"),
        ):  # fmt: skip
            found.append(
                explained(
                    effect("K6", digits, metric, name, rival, "overconfident digits"),
                    holds="the two soften for different reasons, and neither alone softens enough",
                    otherwise="one of the two already softens as much as there was to soften",
                )
            )
        found.append(
            explained(
                effect("K6", pairs, metric, "progressive", CE, WHERE),
                holds="what its past outputs know is not what shifted images teach",
                otherwise="shifted images already teach what its past outputs know",
            )
        )
    return found


def draw(data: xr.Dataset) -> Figure:
    """Three measures a setting."""
    figure, axes = new_figure(len(PANELS), 2, width=3.6, height=2.5)
    for row, (where, table) in zip(axes, tables(data), strict=True):
        names = [str(s) for s in table["student"].values if s != "teacher"]
        for panel, (metric, (label, factor)) in zip(row, PANELS.items(), strict=True):
            values = np.asarray(table[metric].sel(student=names).transpose("seed", "student"), float)
            values = factor * (1 - values if metric == "accuracy" else values)
            panel.errorbar(values.mean(axis=0), range(len(names)), xerr=t_half_width(values), fmt="o", markersize=5,
                           capsize=2, color=COLOURS[0])  # fmt: skip
            panel.set_yticks(range(len(names)), names if panel is row[0] else [])
            panel.set_ylim(len(names) - 0.5, -0.5)
            panel.grid(axis="x", alpha=0.3)
            panel.set_xlabel(label)
        row[0].set_title(where, loc="left")
    return figure
