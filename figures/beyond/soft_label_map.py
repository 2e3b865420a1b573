"""When is which soft label worth it? The border between help and harm.

Digits over sample size, share of moved labels, pixel noise and width of the network: in every cell cross-entropy,
label smoothing (0.1), self-distillation (weight 0.6, only the teacher tempered, τ = 2) and progressive self-
distillation (0.8) train on the same draws for as many steps at one weight decay. Top, the change that each makes to
calibration error, NLL, accuracy and variance, against how overconfident cross-entropy is in that cell (confidence
less accuracy): one point a cell; below the line is help (for accuracy, above it). Shaded: half of the certainty
that label smoothing takes, the border that a one-line theory predicts for its calibration: taking Δ of the
certainty from a network that is g too sure leaves it off by g − Δ, so that it helps where Δ < 2g. Below, what self-
distillation changes, over sample size and moved labels, and over width and pixel noise, on the mean of the other
two: blue is help, red harm; a number in bold has an interval over replicates that excludes 0.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import numpy.typing as npt
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...empirical.data.problems import Problems
from ...empirical.experiments.soft_labels.border import Cell, measure_cell
from ...empirical.methods.catalogue import CROSS_ENTROPY, LABEL_SMOOTHING, PROGRESSIVE, SELF_DISTILLATION
from ..claim import Claim
from ..conditions import DullRule
from ..intervals import t_half_width
from ..scale import Scale
from ..soft_label_claims import correlation
from ..soft_label_scale import seeds
from ..soft_label_settings import DECAY, OVERCONFIDENT
from ..style import BOUND, COLOURS, new_figure

_DECAY = (("weight_decay", DECAY),)
METHODS = (
    (CROSS_ENTROPY, _DECAY),
    (LABEL_SMOOTHING, (*_DECAY, ("epsilon", 0.1))),
    (SELF_DISTILLATION, (*_DECAY, ("alpha", 0.6), ("temperature", 2.0))),
    (PROGRESSIVE, (*_DECAY, ("alpha", 0.8))),
)
CE, LS, SD, PS = (method.name for method, _ in METHODS)
# Effect: words, factor, whether more is better.
EFFECTS = {
    "ece": ("calibration error, %", 100, False), "nll": ("NLL, nats", 1, False), "accuracy": ("accuracy, %", 100, True),
    "variance": ("variance, nats", 1, False),
}  # fmt: skip
AXES = ("n_train", "label_noise", "width", "pixel_noise")


def measure(scale: Scale) -> xr.Dataset:
    """Metrics, bias and variance over (cell, method, seed), a cell being one of each axis."""
    some = ((100, 400), (0.0, 0.4), (16, 64), (0.0, 0.3))
    all_axes = scale.choose(
        smoke=((60,), (0.0, 0.4), (8,), (0.0, 0.3)), quick=some,
        thorough=((100, 200, 400), (0.0, 0.2, 0.4), (16, 64, 256), (0.0, 0.3)),
        full=((100, 200, 400), (0.0, 0.1, 0.2, 0.4), (16, 64, 256), (0.0, 0.15, 0.3, 0.45)),
    )  # fmt: skip
    own = seeds(scale, scale.choose(smoke=2, quick=3, thorough=8, full=12))
    draws = scale.choose(smoke=2, quick=2, full=6)
    steps = scale.choose(smoke=4, quick=120, thorough=160, full=320)  # in every cell, whatever its size
    places = list(product(*all_axes))
    cells = []
    for n, noise, width, pixels in places:
        problems = Problems("digits", n, 50, 600, noise=noise, seeds=own, pixel_noise=pixels)
        epochs = -(-steps // -(-n // OVERCONFIDENT.batch_size))
        comparison = replace(
            OVERCONFIDENT, problems=problems, hidden=(width, width), epochs=epochs, device=scale.device
        )
        cells.append(Cell(comparison, METHODS, draws))
    data = xr.concat(scale.map(measure_cell, cells), dim="cell")
    return data.assign_coords(
        {name: ("cell", list(v)) for name, v in zip(AXES, zip(*places, strict=True), strict=True)}
    )


def change(data: xr.Dataset, metric: str, method: str) -> npt.NDArray[np.float64]:
    """What a method changes of cross-entropy's metric, (cell, seed)."""
    values = data[metric].transpose("method", "cell", "seed")
    return np.asarray(values.sel({"method": method}) - values.sel({"method": CE}), float)


def overconfidence(data: xr.Dataset) -> npt.NDArray[np.float64]:
    """Confidence less accuracy of cross-entropy, (cell, seed)."""
    plain = data.sel({"method": CE}).transpose("cell", "seed")
    return np.asarray(plain["confidence"] - plain["accuracy"], float)


def claims(data: xr.Dataset) -> list[Claim]:
    """The border of calibration, and what gains go with (claims H1 to H3, of this project)."""
    gap = overconfidence(data)
    moved = np.broadcast_to(data["label_noise"].values[:, None], gap.shape)
    found = [_border(data, gap, name) for name in (LS, SD, PS)]
    found += [
        _goes_with(gap, -change(data, "nll", name), "H2",
                   f"{name.capitalize()} gains more NLL where cross-entropy is more overconfident.")
        for name in (LS, SD, PS)
    ]  # fmt: skip
    return found + [
        _goes_with(moved, change(data, "accuracy", name), "H3",
                   f"{name.capitalize()} gains more accuracy where more labels were moved.",
                   "in kernel ridge the best weight of the teacher grows with the noise")
        for name in (SD, PS)
    ]  # fmt: skip


def _border(data: xr.Dataset, gap: npt.NDArray[np.float64], name: str) -> Claim:
    taken = -change(data, "confidence", name)
    helps = change(data, "ece", name) < 0
    right = ((np.abs(gap - taken) < np.abs(gap)) == helps).mean(axis=0)
    always = np.maximum(helps.mean(axis=0), 1 - helps.mean(axis=0))
    return Claim.from_samples(
        "H1", f"{name.capitalize()} helps calibration where it takes less than twice the certainty that cross-entropy "
        "has too much: right in at least 80 % of the cells.", right, relation="≥", predicted=0.8, family="border",
        dull_rule=DullRule.of("the more frequent answer in all cells", right, always, better="higher"),
        note="share of cells, one value a replicate; certainty taken and overconfidence are measured",
    )  # fmt: skip


def _goes_with(
    cause: npt.NDArray[np.float64], gains: npt.NDArray[np.float64], id: str, statement: str, note: str = ""
) -> Claim:
    own = "Spearman correlation over cells, one a replicate"
    by_replicate = [correlation(cause[:, s], gains[:, s]) for s in range(gains.shape[1])]
    return Claim.from_samples(
        id, statement, by_replicate, relation="≥", family="gains", note=f"{own}; {note}" if note else own
    )


def draw(data: xr.Dataset) -> Figure:
    """Changes against overconfidence, and two maps an effect."""
    figure, axes = new_figure(len(EFFECTS), 3, width=3.6, height=2.9)
    gap = 100 * overconfidence(data).mean(axis=1)
    for column, (metric, (words, factor, more)) in zip(axes.T, EFFECTS.items(), strict=True):
        scatter, first, second = column
        for i, name in enumerate((LS, SD, PS)):
            scatter.plot(gap, factor * change(data, metric, name).mean(axis=1), "o", markersize=4, color=COLOURS[i],
                         alpha=0.75, label=name)  # fmt: skip
        scatter.axhline(0, color=BOUND, linewidth=1)
        if metric == "ece":
            half = -50 * change(data, "confidence", LS).mean(axis=1)
            scatter.axvspan(half.min(), half.max(), color=COLOURS[0], alpha=0.12, linewidth=0)
        scatter.set(
            xlabel="overconfidence of cross-entropy, points", ylabel="change by soft labels", title=words
        )
        for panel, sides in ((first, ("label_noise", "n_train")), (second, ("pixel_noise", "width"))):
            _map(panel, data, metric, factor, more, sides)
            panel.set_title(f"{SD}: {words.split(',')[0]}")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure


LABELS = {
    "n_train": "training samples",
    "label_noise": "labels moved",
    "width": "width",
    "pixel_noise": "pixel noise",
}


def _map(
    axes: Axes, data: xr.Dataset, metric: str, factor: float, more: bool, sides: tuple[str, str]
) -> None:
    """Self-distillation's change over two axes, on the mean of the others; numbers in each cell."""
    values = factor * change(data, metric, SD)
    x, y = (np.unique(data[side].values) for side in sides)
    means, halves = np.empty((2, len(y), len(x)))
    for i, j in product(range(len(y)), range(len(x))):
        of = values[(data[sides[1]].values == y[i]) & (data[sides[0]].values == x[j])].mean(axis=0)
        means[i, j], halves[i, j] = of.mean(), t_half_width(of)
    largest = np.abs(means).max() or 1.0
    axes.imshow(
        means if more else -means,
        cmap="RdBu",
        vmin=-1.6 * largest,
        vmax=1.6 * largest,
        aspect="auto",
        origin="lower",
    )
    for i, j in product(range(len(y)), range(len(x))):
        sure = abs(means[i, j]) > halves[i, j]
        axes.annotate(f"{means[i, j]:+.2g}", (j, i), ha="center", va="center", fontsize=8,
                      fontweight="bold" if sure else "normal")  # fmt: skip
    axes.set_xticks(range(len(x)), [f"{v:g}" for v in x])
    axes.set_yticks(range(len(y)), [f"{v:g}" for v in y])
    axes.set(xlabel=LABELS[sides[0]], ylabel=LABELS[sides[1]])
