"""Regularization samples: how many there are at each temperature, and what they are worth.

A regularization sample is a training sample on which distillation pushes the label's logit down, because the student
is surer of the label than its teacher (first reading), or on which what distillation adds to the gradient outweighs
the label's own part (second reading). Left, their share among the training samples at the end of training; middle,
test accuracy against that share, one point a temperature; right, test accuracy with all samples and with plain
cross-entropy on the regularization samples. Means with 95 % intervals over seeds.
"""

from __future__ import annotations

import numpy as np
import scipy.stats
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..claim import Claim
from ..scale import Scale
from ..soft_label_scale import data_sets as data_sets
from ..soft_label_scale import tables
from ..style import COLOURS, band, new_figure, possible
from ..zhang2020.temperature import sweep

READINGS = {"push": "pushes the label down", "magnitude": "outweighs the label"}


def measure(scale: Scale) -> xr.Dataset:
    """Counts, and accuracies with and without regularization samples, over (setting, temperature, seed)."""
    return sweep(scale)


def claims(data: xr.Dataset) -> list[Claim]:
    """W6, W7."""
    found = []
    for where, table in tables(data):
        for reading, words in READINGS.items():
            correlations = [
                _correlation(
                    table[f"share_{reading}"].isel(seed=s), table["accuracy"].isel(variant=0, seed=s)
                )
                for s in range(table.sizes["seed"])
            ]
            found.append(
                Claim.from_samples("W6", "Over temperatures, accuracy falls with the share of samples on which "
                                   f"distillation {words} ({where}).", correlations, relation="≤",
                                   note="Spearman correlation over temperatures, one a seed")
            )  # fmt: skip
        without = table["accuracy"].isel(variant=1) - table["accuracy"].isel(variant=0)
        found.append(
            Claim.from_samples("W7", "Leaving regularization samples to plain cross-entropy costs accuracy "
                               f"({where}).", without.mean("temperature"), relation="≤",
                               note="mean over temperatures, paired over seeds")
        )  # fmt: skip
    return found


def _correlation(share: xr.DataArray, accuracy: xr.DataArray) -> float:
    if np.ptp(share.values) == 0 or np.ptp(accuracy.values) == 0:
        return float("nan")  # no order to correlate
    return float(scipy.stats.spearmanr(share, accuracy).statistic)


def draw(data: xr.Dataset) -> Figure:
    """Shares, accuracy against share, and accuracy without the samples."""
    figure, axes = new_figure(3, width=4.0, height=3.8)
    shares, against, dropped = axes[0]
    tau = data["temperature"]
    for i, (where, table) in enumerate(tables(data)):
        accuracy = table["accuracy"].transpose("variant", "seed", "temperature")
        for reading, line in (("push", "-"), ("magnitude", "--")):
            values = table[f"share_{reading}"].transpose("seed", "temperature")
            band(
                shares,
                tau,
                values,
                color=COLOURS[i],
                linestyle=line,
                label=f"{READINGS[reading]}, {where}",
            )
        against.plot(
            table["share_push"].mean("seed"),
            accuracy[0].mean("seed"),
            "o-",
            markersize=4,
            color=COLOURS[i],
        )
        for point, offset in ((0, (4, 5)), (-1, (8, -10))):
            against.annotate(
                f"τ = {float(tau[point]):g}", (float(table["share_push"].mean("seed")[point]),
                float(accuracy[0].mean("seed")[point])), textcoords="offset points", xytext=offset, fontsize=7,
            )  # fmt: skip
        for variant, line in ((0, "-"), (1, ":")):
            name = str(data["variant"].values[variant])
            band(
                dropped,
                tau,
                accuracy[variant],
                color=COLOURS[i],
                linestyle=line,
                label=f"{name}, {where}",
            )
    shares.set(ylabel="share of training samples", title="How many")
    against.set(xlabel="share pushed down", ylabel="test accuracy", title="Accuracy against share")
    against.margins(0.15)
    dropped.set(ylabel="test accuracy", title="Without them")
    for panel in axes[0]:
        possible(panel)
    for panel in (shares, dropped):
        _log_temperature(panel)
        panel.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=1)
    return figure


def _log_temperature(axes: Axes) -> None:
    axes.set(xlabel="temperature τ", xscale="log")
    axes.set_xticks([1, 2, 4, 10], ["1", "2", "4", "10"])
    axes.minorticks_off()
