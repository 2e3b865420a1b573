"""Progressive targets in translation: numbers from English words to French ones.

A small Transformer learns to translate numbers below a thousand from 60 examples, by cross-entropy, with label
smoothing and with progressive targets on every word (the paper's ε = 0.1 and α_T = 0.8). Left to right: numbers that
are translated without a mistake, negative log-likelihood and calibration error of the next word given the right ones
before, and how much surer the network is than right; all on numbers that were not seen, means with 95 % intervals over
seeds, each with a split of its own. The rescaled row is the dull rule: cross-entropy, its logits divided after
training by the temperature that is best on validation words. With sacrebleu installed BLEU is measured too. German,
which would double the time, joins at the larger scales.
"""

from __future__ import annotations

import xarray as xr
from matplotlib.figure import Figure

from ...empirical.data.number_words import Language
from ...empirical.experiments.domains.translation import (
    METHODS,
    RESCALED,
    Translation,
    has_bleu,
    measure_translation,
)
from ..claim import Claim, Relation
from ..conditions import DullRule, Precondition
from ..negligible import NATS, SHARE
from ..scale import Scale
from ..soft_label_claims import explained
from ..soft_label_scale import UNSEEN, dots, paired, tables
from ..style import BOUND, new_figure

# Packages that are made use of where they are installed.
OPTIONAL = ("sacrebleu",)
# Metric, words of the claim, direction.
CLAIMED: tuple[tuple[str, str, Relation], ...] = (
    ("exact_match", "translate more numbers without a mistake than", "≥"),
    ("bleu", "have a higher BLEU than", "≥"),
    ("nll", "have a lower NLL than", "≤"),
    ("ece", "have a lower calibration error than", "≤"),
)
PANELS = {
    "exact_match": ("translated without a mistake, %", 100),
    "bleu": ("BLEU, %", 100),
    "nll": ("negative log-likelihood, nats", 1),
    "ece": ("expected calibration error, %", 100),
    "overconfidence": ("confidence − accuracy, %", 100),
}

# Why a claim on a metric holds, and why it does not.
WHY = {
    "better answers": (
        "past outputs keep apart what is alike, and the network names the right one more often",
        "past outputs soften how sure the network is; which answer comes first they leave, or blur",
    ),
    "nll": (
        "it is less sure where it was unsure before, and that is where it is wrong",
        "it pays for being less sure where it is right as much as it saves where it is wrong, or more",
    ),
    "ece": (
        "targets that hold past outputs cost the network certainty of which it had too much",
        "its targets take less certainty, or take more, than the network had too much",
    ),
}


def measure(scale: Scale) -> xr.Dataset:
    """Every metric over (setting, method, seed); a setting is a language."""
    targets: tuple[Language, ...] = scale.choose(
        smoke=("french",), quick=("french",), thorough=("french", "german"), full=("french", "german")
    )
    n_seeds = scale.choose(smoke=2, quick=4, thorough=60, full=60)
    first = 1000 * scale.seed + UNSEEN
    fewer = {"n_train": 20, "n_validation": 20, "n_test": 40, "epochs": 3}
    sizes = scale.choose(smoke=fewer, quick={}, full={})
    jobs = [
        Translation(first + i, target, bleu=has_bleu(), **sizes) for target in targets for i in range(n_seeds)
    ]
    results = scale.map(measure_translation, jobs)
    joined = [xr.concat(results[i * n_seeds : (i + 1) * n_seeds], dim="seed") for i in range(len(targets))]
    names = [f"English to {target.capitalize()}" for target in targets]
    data = xr.concat(joined, dim="setting").assign_coords(setting=names)
    return data.assign(overconfidence=data["confidence"] - data["accuracy"])


def claims(data: xr.Dataset) -> list[Claim]:
    """What the paper says of machine translation (docs: claim K6)."""
    return claims_on_new_domain(data, CLAIMED, "on words", "new words")


def claims_on_new_domain(
    data: xr.Dataset, claimed: tuple[tuple[str, str, Relation], ...], part: str, new: str
) -> list[Claim]:
    """Progressive targets against every other loss, beside cross-entropy rescaled after training."""
    found = []
    rivals = [str(name) for name in data["method"].values if name not in (RESCALED, "progressive")]
    for where, table in tables(data):
        plain, rescaled, ours = (
            table.sel({"method": name}) for name in (METHODS[0], RESCALED, "progressive")
        )
        sure = Precondition.of(
            f"cross-entropy is overconfident on {new}: confidence − accuracy",
            plain["overconfidence"],
            "≥",
            0.01,
        )
        for metric, words, relation in claimed:
            if metric not in table:
                continue
            dull = DullRule.of(
                "cross-entropy with its temperature rescaled after training", ours[metric], rescaled[metric],
                better="higher" if relation == "≥" else "lower",
            )  # fmt: skip
            holds, otherwise = WHY.get(metric, WHY["better answers"])
            found += [
                explained(
                    Claim.from_samples("K6", f"Progressive targets {part} {words} {rival} ({where}).",
                                       paired(table, metric, "progressive", rival), relation=relation,
                                       negligible=NATS if metric == "nll" else SHARE,
                                       note="paired difference over seeds", precondition=sure, dull_rule=dull),
                    holds=holds, otherwise=otherwise,
                )
                for rival in rivals
            ]  # fmt: skip
    return found


def draw(data: xr.Dataset) -> Figure:
    """One panel a metric."""
    return draw_metrics(data, PANELS)


def draw_metrics(data: xr.Dataset, panels: dict[str, tuple[str, int]]) -> Figure:
    """Methods in rows, one panel for each metric that was measured."""
    shown = {metric: how for metric, how in panels.items() if metric in data}
    figure, axes = new_figure(-(-len(shown) // 2), 2, width=5.2, height=2.3)
    for panel in axes.flat[len(shown) :]:
        figure.delaxes(panel)
    for panel, (metric, (label, factor)) in zip(axes.flat, shown.items(), strict=False):
        dots(panel, data, metric, scale=factor)
        panel.set_xlabel(label)
        if metric == "overconfidence":
            panel.axvline(0, color=BOUND, linestyle=":")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure
