"""How much of its own past, and how soon: final weight and schedule of progressive self-distillation.

Overconfident digits. Error, NLL and calibration error against the final weight α_T of the network's own past, reached
linearly (the paper's way), at once (constant) or late (quadratic); at α_T = 0 all are plain cross-entropy. A constant
weight near 1 can lock in the outputs of the first epochs, when the network knows nothing: this is what the growing
weight is for; it then leaves the panels. Grey: cross-entropy with a tuned weight decay. Means with 95 % intervals
over seeds.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...empirical.methods.catalogue import CROSS_ENTROPY
from ..claim import Claim
from ..negligible import NATS
from ..scale import Scale
from ..soft_label_claims import CE, effect, explained, regime
from ..soft_label_scale import measured, overconfident, student, values, with_settings
from ..soft_label_settings import SCHEDULED
from ..style import BOUND, COLOURS, band, new_figure

WHERE = "overconfident digits"
POWERS = {"linear": 1, "constant": 0, "quadratic": 2}
PANELS = {
    "accuracy": "test accuracy",
    "nll": "negative log-likelihood, nats",
    "ece_10": "calibration error, 10 bins",
}


def measure(scale: Scale) -> xr.Dataset:
    """Every metric over (student, seed)."""
    finals = scale.choose(smoke=(0.8,), quick=(0.4, 0.8, 0.95), thorough=(0.2, 0.4, 0.6, 0.8, 0.9, 0.95),
                          full=(0.2, 0.4, 0.6, 0.7, 0.8, 0.9, 0.95))  # fmt: skip
    rows = [student(CE, CROSS_ENTROPY), *with_settings(WHERE, (CROSS_ENTROPY,), tuned=True)]
    rows += [
        student(f"{name}, {final:g}", SCHEDULED, alpha=final, power=power)
        for name, power in POWERS.items()
        for final in finals
    ]
    return measured(scale, overconfident(scale), rows)


def claims(data: xr.Dataset) -> list[Claim]:
    """Kim et al. on weights and schedules (part of claim K6)."""
    found = []
    for metric in ("accuracy", "nll"):
        words = "more accurate" if metric == "accuracy" else "of lower NLL"
        found += [
            explained(
                effect("K6", data, metric, "linear, 0.8", "constant, 0.8", WHERE, rules={},
                       statement=f"At α_T = 0.8 networks of the linear schedule are {words} than of the constant one"),
                holds="a constant weight keeps the outputs of epochs in which the network knew nothing",
                otherwise="a constant weight keeps the outputs of early epochs, which softens more from the start",
            ),
        ]  # fmt: skip
    weights = sorted(
        {float(str(s).split(", ")[1]) for s in data["student"].values if str(s).startswith("linear")}
    )
    if len(weights) > 1:
        reached = np.stack([values(data, "nll", f"linear, {w:g}") for w in weights])
        found.append(
            explained(
                Claim.from_samples("K6", "At every final weight from 0.4 to 0.95, reached linearly, the NLL is below "
                                   f"cross-entropy's ({WHERE}).",
                                   reached[np.array(weights) >= 0.4].max(axis=0) - values(data, "nll", CE),
                                   relation="≤", negligible=NATS, precondition=regime(data, "nll"), family=WHERE,
                                   note="the worst weight of each seed, against cross-entropy"),
                holds="a wrong choice of the weight costs little",
                otherwise="the weight must be chosen with care",
            )
        )  # fmt: skip
    return found


def draw(data: xr.Dataset) -> Figure:
    """Accuracy, NLL and calibration over the final weight."""
    figure, axes = new_figure(3, width=4.1, height=3.3)
    for panel, (metric, label) in zip(axes[0], PANELS.items(), strict=True):
        for i, name in enumerate(POWERS):
            own = [str(s) for s in data["student"].values if str(s).startswith(f"{name}, ")]
            finals = [0.0, *(float(s.split(", ")[1]) for s in own)]
            table = data[metric].sel(student=[CE, *own]).transpose("seed", "student")
            band(panel, finals, table, color=COLOURS[i], marker="o", markersize=3, label=name)
        panel.axhline(float(data[metric].sel(student=f"{CE}, tuned").mean()), color=BOUND, linestyle="--",
                      label="cross-entropy, tuned weight decay")  # fmt: skip
        panel.set(xlabel=r"final weight $\alpha_T$ of the past", ylabel=label)
        _leave_out_the_peak(panel, data[metric])
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4)
    return figure


def _leave_out_the_peak(axes: Axes, metric: xr.DataArray) -> None:
    """Show twice the range of all that is not constant: a constant weight near 1 would set the axis by itself."""
    others = [str(s) for s in metric["student"].values if not str(s).startswith("constant")]
    means = metric.sel(student=others).mean("seed")
    low, high = float(means.min()), float(means.max())
    reach = max(high - low, 0.02)
    bottom, top = axes.get_ylim()
    axes.set_ylim(max(bottom, low - reach), min(top, high + reach))
