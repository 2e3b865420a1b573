"""Bias and variance of soft labels, epoch by epoch, over independently drawn training sets.

The expected cross-entropy splits exactly into noise, bias (distance of the average classifier from the labels)
and variance (spread of classifiers around their average). Every curve averages replicates, each of which trains
one network on each of several independently drawn training sets (with its own initialisation) by plain
cross-entropy, by distillation from a network trained on the same draw, and by weighted soft labels. Test labels
are clean, so the noise is zero. Bands are 95 % intervals over replicates.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from ...empirical.experiments.bias_variance import BiasVariance, measure_bias_variance
from ...empirical.experiments.comparison import Comparison
from ..claim import Claim
from ..scale import Scale
from ..soft_label_scale import Setting, over_settings, tables
from ..soft_label_scale import data_sets as data_sets
from ..style import COLOURS, band, new_figure


def measure(scale: Scale) -> xr.Dataset:
    """Noise, bias, variance and loss over (setting, method, epoch, seed)."""
    draws = scale.choose(smoke=3, quick=8, full=20)

    def build(setting: Setting, unit: Comparison) -> BiasVariance:
        return BiasVariance(unit, 6 if setting.deep else draws, n_draw=unit.problems.n_train // 2)

    return over_settings(scale, measure_bias_variance, build)


def claims(data: xr.Dataset) -> list[Claim]:
    """W1, W2."""
    excess = [
        table["noise_part"] + table["bias"] + table["variance"] - table["loss"] for _, table in tables(data)
    ]
    found = [
        Claim.theorem("W1", "Noise, bias and variance sum to the mean cross-entropy of the ensemble.",
                      0.0, np.concatenate([e.values.ravel() for e in excess]), tolerance=1e-10,
                      source="selfdistill.theory.labels.bias_variance"),
    ]  # fmt: skip
    for where, table in tables(data):
        last = table.isel(epoch=-1)
        plain = last.isel(method=0)
        for i in (1, 2):
            name = str(data["method"].values[i]).capitalize()
            soft = last.isel(method=i)
            found += [
                Claim.from_samples("W2", f"{name}: the variance ends below cross-entropy's ({where}).",
                                   soft["variance"] - plain["variance"], relation="≤"),
                Claim.from_samples("W2", f"{name}: the bias ends above cross-entropy's ({where}).",
                                   soft["bias"] - plain["bias"], relation="≥"),
            ]  # fmt: skip
    return found


def draw(data: xr.Dataset) -> Figure:
    """Bias and variance over epochs, one row a setting."""
    figure, axes = new_figure(2, data.sizes["setting"], height=3.0)
    for row, (where, table) in zip(axes, tables(data), strict=True):
        for panel, part in zip(row, ("bias", "variance"), strict=True):
            for i, method in enumerate(data["method"].values):
                values = table[part].isel(method=i).transpose("seed", "epoch")
                band(panel, table["epoch"], values, color=COLOURS[i], label=str(method))
            panel.set(xlabel="epoch", ylabel=f"{part}, nats", title=f"{part.capitalize()}, {where}")
            if part == "bias":
                panel.set_yscale("log")
                panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
                panel.yaxis.set_major_formatter("{x:g}")
                panel.yaxis.set_minor_formatter(NullFormatter())
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure
