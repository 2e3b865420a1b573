"""Bias and variance of soft labels, epoch by epoch, with a teacher that is given.

The expected cross-entropy splits exactly into noise, bias (distance of the average classifier from the labels) and
variance (spread of classifiers around their average). Overconfident digits: every curve averages replicates, each of
which trains one network on each of several independently drawn training sets, by plain cross-entropy, by distillation
and by weighted soft labels. The teacher was trained on a sample of its own and is the same for all draws: the
expectation is over the student's data. Dashed: distillation from a network trained on the same draw, whose errors the
student shares. Dotted: cross-entropy times three, which is about as large a loss as weighted soft labels have and
nothing else. Test labels are clean, so the noise is zero. Bands are 95 % intervals over replicates.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from ...empirical.experiments.bias_variance import BiasVariance, Learner, measure_bias_variance
from ...empirical.methods.catalogue import CROSS_ENTROPY, DISTILLATION, WEIGHTED_SOFT_LABELS
from ...theory.base.validation import Array
from ..claim import Claim
from ..conditions import DullRule, Precondition
from ..negligible import NATS
from ..scale import Scale
from ..soft_label_claims import Better, explained
from ..soft_label_scale import overconfident
from ..soft_label_settings import TRIPLED
from ..style import COLOURS, band, new_figure

CE, KD, WSL, SAME, THREE = (
    "cross-entropy", "distillation", "weighted soft labels", "distillation from the same draw", "cross-entropy × 3"
)  # fmt: skip
_KD, _WSL = (("alpha", 0.9), ("temperature", 4.0)), (("alpha", 2.25), ("temperature", 4.0))
LEARNERS = (
    Learner(CE, CROSS_ENTROPY), Learner(KD, DISTILLATION, _KD, "given"),
    Learner(WSL, WEIGHTED_SOFT_LABELS, _WSL, "given"), Learner(SAME, DISTILLATION, _KD, "own draw"),
    Learner(THREE, TRIPLED),
)  # fmt: skip
LINES = dict(zip((CE, KD, WSL, SAME, THREE), ("-", "-", "-", "--", ":"), strict=True))
HUES = dict(zip((CE, KD, WSL, SAME, THREE), (*COLOURS[:3], COLOURS[1], COLOURS[0]), strict=True))


def measure(scale: Scale) -> xr.Dataset:
    """Noise, bias, variance and loss over (method, epoch, seed)."""
    setting = overconfident(scale, quick=3, thorough=12)
    size = scale.choose(smoke=60, quick=300, full=300)
    configs = []
    for part in setting.comparison.in_parts(2):
        problems = replace(part.problems, n_train=4 * size, n_validation=50, n_test=scale.choose(
            smoke=100, quick=500, full=500))  # fmt: skip
        own = replace(part, problems=problems, learning_rate=0.02)
        draws = scale.choose(smoke=2, quick=4, thorough=8, full=20)
        configs.append(BiasVariance(own, LEARNERS, draws, n_draw=size, n_teacher=size))
    return xr.concat(scale.map(measure_bias_variance, configs), dim="seed", data_vars="minimal")


def claims(data: xr.Dataset) -> list[Claim]:
    """The decomposition (claim W1), and Zhou et al. on where soft labels stand in it (claim W2)."""
    excess = data["noise_part"] + data["bias"] + data["variance"] - data["loss"]
    found = [
        Claim.theorem("W1", "Noise, bias and variance sum to the mean cross-entropy of the ensemble.",
                      0.0, excess.values.ravel(), tolerance=1e-10,
                      source="selfdistill.theory.labels.bias_variance"),
    ]  # fmt: skip
    last = data.isel(epoch=-1)
    fits = Precondition.of("cross-entropy fits its training labels: training accuracy",
                           last["training_accuracy"].sel({"method": CE}), "≥", 0.95)  # fmt: skip

    def part(name: str, of: str) -> Array:
        return np.asarray(last[of].sel({"method": name}), float)

    def ask(statement: str, of: str, name: str, rival: str, lower: bool, rule: str = "") -> Claim:
        better: Better = "lower" if lower else "higher"
        dull = DullRule.of(rule, part(name, of), part(rule, of), better=better) if rule else None
        return Claim.from_samples(
            "W2", f"{statement} (a given teacher).", part(name, of) - part(rival, of),
            relation="≤" if lower else "≥", negligible=NATS, precondition=fits, dull_rule=dull,
            family="bias and variance", note="paired over replicates, last epoch",
        )  # fmt: skip

    soft = "its targets are the same function of the input in every draw, which pulls the students together"
    wrong = "and away from the labels, which the teacher does not know"
    pairs = [
        (ask("Distillation has less variance than cross-entropy", "variance", KD, CE, True), soft),
        (ask("Distillation has more bias than cross-entropy", "bias", KD, CE, False), wrong),
        (ask("Weighted soft labels have less variance than cross-entropy", "variance", WSL, CE, True, THREE), soft),
        (ask("Weighted soft labels have less bias than distillation", "bias", WSL, KD, True, THREE),
         "they trust the teacher less where the student knows better"),
        (ask("Weighted soft labels have more bias than cross-entropy", "bias", WSL, CE, False, THREE),
         "what they take from the teacher is not in the labels"),
        (ask("Weighted soft labels have more variance than distillation", "variance", WSL, KD, False, THREE),
         "they listen to the label more than distillation does"),
        (ask("Distillation from a network of the same draw has more variance than from a given teacher",
               "variance", SAME, KD, False), "a teacher of the same draw passes its own errors on"),
    ]  # fmt: skip
    return found + [
        explained(c, holds=why, otherwise="in this regime the teacher's share is too small")
        for c, why in pairs
    ]


def draw(data: xr.Dataset) -> Figure:
    """Bias and variance over epochs, and where each method ends between the two."""
    figure, axes = new_figure(3, width=4.3, height=3.6)
    for panel, part in zip(axes[0, :2], ("bias", "variance"), strict=True):
        for method in data["method"].values:
            values = data[part].sel({"method": method}).transpose("seed", "epoch")
            band(panel, data["epoch"], values, color=HUES[method], linestyle=LINES[method], label=str(method))
        panel.set(xlabel="epoch", ylabel=f"{part}, nats", title=part.capitalize(), yscale="log")
        panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        panel.yaxis.set_major_formatter("{x:g}")
        panel.yaxis.set_minor_formatter(NullFormatter())
    ends, last = axes[0, 2], data.isel(epoch=-1).mean("seed")
    for method in data["method"].values:
        own = last.sel({"method": method})
        ends.plot(own["bias"], own["variance"], "o", color=HUES[method],
                  markerfacecolor="white" if LINES[method] != "-" else HUES[method])  # fmt: skip
        ends.annotate(str(method), (float(own["bias"]), float(own["variance"])), textcoords="offset points",
                      xytext=(6, -11 if method == CE else 5), fontsize=7)  # fmt: skip
    ends.set(xlabel="bias, nats", ylabel="variance, nats", title="After the last epoch")
    ends.margins(0.3, 0.15)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5)
    return figure
