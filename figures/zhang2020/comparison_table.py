"""Eight ways to train on the same labels, in one table.

Plain cross-entropy, label smoothing, the entropy penalty, Beta smoothing, self-distillation (only the teacher is
tempered), distillation (Hinton's loss: both are), progressive self-distillation and weighted soft labels, on the same
splits, networks and epochs, each tuned over six settings on noisy validation labels and tested once a seed: means with
95 % intervals over seeds. Teachers are the tuned cross-entropy networks. The best mean of every column is bold. AURC is
the area under the risk-coverage curve.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..claim import Claim, Relation
from ..intervals import t_half_width
from ..scale import Scale
from ..soft_label_scale import compared, paired, tables
from ..soft_label_scale import data_sets as data_sets
from ..style import new_figure

# Column: metric, factor, decimals, whether more is better (None: neither).
COLUMNS: dict[str, tuple[str, float, int, bool | None]] = {
    "accuracy, %": ("accuracy", 100, 1, True),
    "NLL, nats": ("nll", 1, 3, False),
    "Brier": ("brier", 1, 3, False),
    "ECE, %": ("ece", 100, 1, False),
    "AURC × 1000": ("aurc", 1000, 1, False),
    "uncertainty, nats": ("uncertainty", 1, 2, None),
}
# Metric, words of the claim, direction.
CLAIMED: tuple[tuple[str, str, Relation], ...] = (
    ("accuracy", "is more accurate than cross-entropy", "≥"),
    ("nll", "has a lower NLL than cross-entropy", "≤"),
)


def measure(scale: Scale) -> xr.Dataset:
    """Every metric of every method, tuned and tested per seed, in every setting."""
    return compared(scale)


def claims(data: xr.Dataset) -> list[Claim]:
    """Z7."""
    found = []
    for where, table in tables(data):
        for method in ("label smoothing", "entropy penalty", "Beta smoothing", "self-distillation"):
            for metric, words, relation in CLAIMED:
                found.append(
                    Claim.from_samples("Z7", f"{method.capitalize()} {words} ({where}).",
                                       paired(table, metric, method, "cross-entropy"),
                                       relation=relation, note="paired difference over seeds")
                )  # fmt: skip
    return found


def draw(data: xr.Dataset) -> Figure:
    """One block of rows a setting."""
    figure, axes = new_figure(1, data.sizes["setting"], width=10.2, height=2.5)
    for panel, (where, table) in zip(axes[:, 0], tables(data), strict=True):
        _table(panel, table)
        panel.set_title(f"{where}, {table.sizes['seed']} seeds", loc="left")
    return figure


def _table(axes: Axes, data: xr.Dataset) -> None:
    axes.set_axis_off()
    methods = [str(m) for m in data["method"].values]
    cells, best = [[""] * len(COLUMNS) for _ in methods], {}
    for column, (metric, factor, decimals, more) in enumerate(COLUMNS.values()):
        values = factor * np.asarray(data[metric].transpose("seed", "method"), float)
        means, halves = values.mean(axis=0), t_half_width(values)
        for row, (mean, half) in enumerate(zip(means, halves, strict=True)):
            cells[row][column] = f"{mean:.{decimals}f} ± {half:.{decimals}f}"
        if more is not None and np.isfinite(means).any():
            best[column] = int(np.nanargmax(means if more else -means))
    table = axes.table(
        cells, rowLabels=methods, colLabels=list(COLUMNS), loc="center", cellLoc="center", edges="horizontal"
    )
    table.auto_set_font_size(False)
    table.set_fontsize(8.5)
    table.scale(1, 1.35)
    for column, row in best.items():
        table[row + 1, column].get_text().set_fontweight("bold")
