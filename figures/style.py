"""One look for every figure: colours that survive colour-blindness and grey print, and shared helpers."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .intervals import t_half_width

# Okabe & Ito's palette; theory is drawn as lines, measurement as markers or bands.
THEORY = "#0072B2"
MEASURED = "#D55E00"
BOUND = "#7F7F7F"
ACCENT = "#009E73"
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D31"]

_STYLE: Any = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.labelsize": 9,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
}


def house_style() -> AbstractContextManager[None]:
    """Matplotlib settings under which every artefact is drawn."""
    return mpl.rc_context(_STYLE)


def new_figure(
    columns: int = 1, rows: int = 1, *, width: float = 4.6, height: float = 3.4
) -> tuple[Figure, npt.NDArray[Any]]:
    """Open a figure with a (rows, columns) array of axes; `width` and `height` in inches are of one panel."""
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)


def rounds_axis(axes: Axes, label: str = "round") -> None:
    """Whole-number ticks for an axis that counts rounds."""
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel(label)


def band(axes: Axes, x: npt.ArrayLike, samples: npt.ArrayLike, **style: Any) -> None:
    """Mean over the first axis of `samples` with its 95 % t interval as a band."""
    values = np.asarray(samples, float)
    mean = values.mean(axis=0)
    half = t_half_width(values)
    (line,) = axes.plot(x, mean, **style)
    axes.fill_between(x, mean - half, mean + half, color=line.get_color(), alpha=0.2, linewidth=0)


def possible(axes: Axes, low: float = 0.0, high: float = 1.0) -> None:
    """Cut the y-axis to the values that a quantity can have: with few seeds a band reaches past them.

    The band itself stays as it is. Call it when all is drawn.
    """
    bottom, top = axes.get_ylim()
    margin = 0.02 * (high - low)  # half a marker at the edge
    axes.set_ylim(max(bottom, low - margin), min(top, high + margin))


def linear_near_zero(axes: Axes, side: Literal["x", "y"], threshold: float) -> None:
    """Axis of differences, linear up to a threshold and logarithmic beyond: one large one hides no small ones.

    Call it when all is drawn.
    """
    low, high = axes.get_xlim() if side == "x" else axes.get_ylim()
    set_scale, set_ticks = (
        (axes.set_xscale, axes.set_xticks) if side == "x" else (axes.set_yscale, axes.set_yticks)
    )
    set_scale("symlog", linthresh=threshold)
    steps = threshold * np.array([0.5, 1, 3, 10, 30])
    ticks = [t for t in (*-steps[::-1], 0.0, *steps) if low <= t <= high]
    set_ticks(ticks, [f"{t:g}" for t in ticks])
    (axes.set_xlim if side == "x" else axes.set_ylim)(low, high)
    axes.minorticks_off()


def legend_below(axes: Axes, columns: int = 3) -> None:
    """Legend under the panel, where it hides no data."""
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=columns)
