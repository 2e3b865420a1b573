"""Regularization samples: how many there are, and what they are worth.

A regularization sample is a training sample on which distillation pushes the label's logit down, because the
student is surer of the label than its teacher (first reading), or on which what distillation adds to the gradient
outweighs the label's own part (second reading). A hundred classes, Hinton's distillation with weight 0.9. Left, at
one temperature (4), students of teachers that were trained with label smoothing of several strengths: accuracy
against the share of regularization samples at the end of training, one point a strength. Middle, that share over
temperatures. Right, with all samples, and with plain cross-entropy on those. Accuracies are those above cross-entropy's
on the same split. Means with 95 % intervals over seeds.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from ..claim import Claim
from ..conditions import DullRule
from ..intervals import t_half_width
from ..negligible import SHARE
from ..scale import Scale
from ..soft_label_claims import CE, all_of, correlation, explained, fits, room
from ..soft_label_scale import values
from ..soft_label_studies import smoothed_teachers, temperatures
from ..style import BOUND, COLOURS, band, new_figure, possible
from ..zhang2020.temperature import by_temperature

WHERE = "a hundred classes"
READINGS = {"push": "pushes the label down", "magnitude": "outweighs the label"}
WITHOUT = "without regularization samples"


def measure(scale: Scale) -> xr.Dataset:
    """Students of smoothed teachers, and of one teacher over temperatures, with and without such samples."""
    sweep = temperatures(scale)
    kept = [s for s in sweep["student"].values if str(s).startswith(("distillation", WITHOUT, CE))]
    return xr.concat([smoothed_teachers(scale), sweep.sel(student=kept)], dim="student", join="inner")


def of_smoothed(data: xr.Dataset, metric: str, role: str = "student") -> xr.DataArray:
    """A metric of the students of smoothed teachers (or of those) over (seed, student)."""
    names = [s for s in data["student"].values if str(s).startswith(f"{role} ")]
    return data[metric].sel(student=names).transpose("seed", "student")


def claims(data: xr.Dataset) -> list[Claim]:
    """Zhou et al. on regularization samples (claims W6 and W7)."""
    precondition = all_of(fits(data), room(data))
    accuracy = np.asarray(of_smoothed(data, "accuracy"), float)
    by_teacher = [correlation(t, a) for t, a in zip(
        np.asarray(of_smoothed(data, "accuracy", "teacher"), float), accuracy, strict=True)]  # fmt: skip
    found = []
    for reading, words in READINGS.items():
        shares = np.asarray(of_smoothed(data, f"share_{reading}"), float)
        falls = [-correlation(share, a) for share, a in zip(shares, accuracy, strict=True)]
        found.append(
            explained(
                Claim.from_samples("W6", "At one temperature, over teachers trained with more or less smoothing, "
                                   f"accuracy falls with the share of samples on which distillation {words} ({WHERE}).",
                                   falls, relation="≥", precondition=precondition, family=WHERE,
                                   dull_rule=DullRule.of("the teacher's own accuracy", falls, by_teacher,
                                                         better="higher"),
                                   note="minus Spearman's correlation over five teachers, one a seed"),
                holds="smoothed teachers lose the resemblance of classes, and leave more samples to regularise",
                otherwise="the share follows how soft the teacher is, and a softer teacher is not a worse one here",
            )
        )  # fmt: skip
    for tau in (2.0, 4.0):
        names = [f"{kind}, τ = {tau:g}" for kind in (WITHOUT, "distillation")]
        if names[0] not in data["student"].values:
            continue
        dropped, all_samples = (values(data, "accuracy", name) for name in names)
        found.append(
            explained(
                Claim.from_samples("W7", "Leaving regularization samples to plain cross-entropy costs accuracy, at "
                                   f"τ = {tau:g} ({WHERE}).", dropped - all_samples, relation="≤", negligible=SHARE,
                                   precondition=precondition, family=WHERE, note="paired over seeds",
                                   dull_rule=DullRule.of("no teacher at all", all_samples,
                                                         values(data, "accuracy", CE), better="higher")),
                holds="on these samples too the teacher's outputs say which classes are alike",
                otherwise="cross-entropy on these samples is worth as much",
            )
        )  # fmt: skip
    return found


def draw(data: xr.Dataset) -> Figure:
    """Accuracy against the share, the share over temperatures, and accuracy without the samples."""
    figure, axes = new_figure(3, width=4.2, height=3.7)
    against, shares, dropped = axes[0]
    accuracy = 100 * (of_smoothed(data, "accuracy") - data["accuracy"].sel(student=CE, drop=True))
    for i, (reading, words) in enumerate(READINGS.items()):
        share = of_smoothed(data, f"share_{reading}")
        x, y = np.asarray(share.mean("seed")), np.asarray(accuracy.mean("seed"))
        against.errorbar(x, y, yerr=t_half_width(np.asarray(accuracy)), xerr=t_half_width(np.asarray(share)),
                         fmt="o-", markersize=4, capsize=2, color=COLOURS[i], linewidth=1, label=words)  # fmt: skip
        for name, *place in zip(share["student"].values, x, y, strict=True) if i else ():
            against.annotate(str(name).removeprefix("student "), place, textcoords="offset points", xytext=(4, -10),
                             fontsize=7)  # fmt: skip
        taus, table = by_temperature(data, "distillation", f"share_{reading}")
        band(shares, taus, table, color=COLOURS[i], marker="o", markersize=3, label=words)
    for i, (method, words) in enumerate((("distillation", "all samples"), (WITHOUT, WITHOUT))):
        taus, table = by_temperature(data, method, "accuracy")
        gains = 100 * (np.asarray(table, float) - values(data, "accuracy", CE)[:, None])
        band(
            dropped,
            taus * (0.98 + 0.04 * i),
            gains,
            color=COLOURS[2 + i],
            marker="o",
            markersize=3,
            label=words,
        )
    dropped.axhline(0, color=BOUND, linestyle="--", label=CE)
    against.set(
        xlabel="share of regularization samples",
        ylabel="accuracy − cross-entropy's, points",
        title="Teachers smoothed by 0 … 0.3, τ = 4",
        xscale="log",
    )
    against.set_xticks([0.02, 0.05, 0.1, 0.2, 0.5], ["0.02", "0.05", "0.1", "0.2", "0.5"])
    against.minorticks_off()
    against.axhline(0, color=BOUND, linestyle="--", label=CE)
    shares.set(ylabel="share of training samples", title="Over temperatures")
    dropped.set(ylabel="accuracy − cross-entropy's, points", title="Without them")
    possible(shares)
    for panel in (shares, dropped):
        panel.set(xlabel="temperature τ", xscale="log")
        panel.set_xticks(taus, [f"{tau:g}" for tau in taus])
        panel.minorticks_off()
    for panel in axes[0]:
        panel.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=1)
    return figure
