"""Ways to train on the same labels, in one table: by the papers' settings, and tuned.

Plain cross-entropy, label smoothing, the entropy penalty, Beta smoothing, self-distillation (only the teacher is
tempered), Hinton's distillation (both are), progressive self-distillation and weighted soft labels, on the same
splits, networks and epochs: means with 95 % intervals over seeds, each of which redraws split and initialisation.
First by the papers' settings at one weight decay, then with weight decay and settings found by one search on other
seeds; besides, what cross-entropy reaches by early stopping, and with three times the loss. The last column is the
calibration error after temperature scaling. The best mean of every column is bold.

Data: overconfident digits have noisy pixels: small networks fit them and are too sure, as the papers' networks are. A
hundred classes are pairs of digits side by side, ten images each. On clean digits and on labels of which 40 % were
moved cross-entropy is not overconfident: what the papers claim is not about these.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from ..claim import Claim
from ..intervals import t_half_width
from ..scale import Scale
from ..soft_label_claims import CE, effect, explained
from ..soft_label_scale import data_sets as data_sets
from ..soft_label_scale import plan_compared, tables
from ..soft_label_studies import compared

OWN_DATA = "classes"
plan = plan_compared
# Column: metric, factor, decimals, whether more is better (None: neither).
COLUMNS: dict[str, tuple[str, float, int, bool | None]] = {
    "accuracy, %": ("accuracy", 100, 1, True),
    "top-5, %": ("top5", 100, 1, True),
    "NLL, nats": ("nll", 1, 3, False),
    "Brier": ("brier", 1, 3, False),
    "ECE, %": ("ece", 100, 1, False),
    "AURC × 1000": ("aurc", 1000, 1, False),
    "uncertainty, nats": ("uncertainty", 1, 2, None),
    "ECE scaled, %": ("scaled_ece", 100, 1, False),
}
METHODS = ("label smoothing", "Beta smoothing", "self-distillation")


def measure(scale: Scale) -> xr.Dataset:
    """Every metric of every student in every setting."""
    return compared(scale)


def claims(data: xr.Dataset) -> list[Claim]:
    """Zhang & Sabuncu's table (docs: claim Z7): accuracy and NLL, by published settings and tuned."""
    found = []
    for where, table in tables(data):
        names = set(table["student"].values)
        found += [
            explained(
                effect("Z7", table, metric, method, CE, where),
                holds="softer targets hold back a network that fits its labels, as a larger weight decay does",
                otherwise="the published strength was found on other data: here it softens past the mark",
            )
            for method in METHODS
            for metric in ("accuracy", "nll")
            if method in names
        ]
        found += [
            explained(
                effect("Z7", table, "nll", f"{method}, tuned", f"{CE}, tuned", where, rules={}),
                holds="its targets know which classes look alike, which weight decay does not",
                otherwise="a tuned weight decay already took what softer targets give",
            )
            for method in METHODS
            if f"{method}, tuned" in names
        ]
    return found


def draw(data: xr.Dataset) -> Figure:
    """One block of rows a setting; placed by hand, since a layout engine measures every cell, again and again."""
    blocks = list(tables(data))
    lines = sum(table.sizes["student"] + 2.5 for _, table in blocks)
    figure, top = Figure(figsize=(12.4, 0.235 * lines)), 1.0
    for where, table in blocks:
        height = table.sizes["student"] / lines
        top -= 2 / lines
        panel = figure.add_axes((0.01, top - height, 0.98, height))
        top -= height + 0.5 / lines
        _table(panel, table)
        panel.set_title(f"{where}, {table.sizes['seed']} seeds", loc="left")
    return figure


def _table(axes: Axes, data: xr.Dataset) -> None:
    axes.set_axis_off()
    students = [str(name) for name in data["student"].values if name != "teacher"]
    data = data.sel(student=students)
    cells, best = [[""] * len(COLUMNS) for _ in students], {}
    for column, (metric, factor, decimals, more) in enumerate(COLUMNS.values()):
        measured = factor * np.asarray(data[metric].transpose("seed", "student"), float)
        means, halves = measured.mean(axis=0), t_half_width(measured)
        for row, (mean, half) in enumerate(zip(means, halves, strict=True)):
            cells[row][column] = f"{mean:.{decimals}f} ± {half:.{decimals}f}"
        if more is not None and np.isfinite(means).any():
            best[column] = int(np.nanargmax(means if more else -means))
    height = 1.0 / (len(students) + 1)
    table = axes.table(
        cells, rowLabels=students, colLabels=list(COLUMNS), bbox=Bbox.from_bounds(0.17, 0, 0.83, 1), cellLoc="center",
        edges="horizontal",
    )  # fmt: skip
    table.auto_set_font_size(False)
    table.set_fontsize(8.5)
    for cell in table.get_celld().values():
        cell.set_height(height)
    for column, row in best.items():
        table[row + 1, column].get_text().set_fontweight("bold")
