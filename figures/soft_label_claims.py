"""Preconditions, dull rules and effects of the soft-label claims, in one place and one wording."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import numpy.typing as npt
import xarray as xr

from .claim import Claim
from .conditions import DullRule, Precondition
from .negligible import NATS, SHARE
from .soft_label_scale import paired, values

Better = Literal["higher", "lower"]
CE = "cross-entropy"
# Every metric: in words, the direction that is better, and the difference that would not matter.
METRICS: dict[str, tuple[str, Better, float]] = {
    "accuracy": ("accuracy", "higher", SHARE),
    "top5": ("top-5 accuracy", "higher", SHARE),
    "nll": ("NLL", "lower", NATS),
    "ece": ("calibration error", "lower", SHARE),
    "ece_10": ("calibration error", "lower", SHARE),
    "ece_20": ("calibration error", "lower", SHARE),
    "scaled_ece_10": ("calibration error after temperature scaling", "lower", SHARE),
    "aurc": ("AURC", "lower", SHARE),
}


def fits(table: xr.Dataset, name: str = CE) -> Precondition:
    """Cross-entropy fits its training labels, as the papers' networks do."""
    return Precondition.of(
        "cross-entropy fits its training labels: training accuracy",
        values(table, "training_accuracy", name), "≥", 0.95,
    )  # fmt: skip


def overconfident(table: xr.Dataset, name: str = CE) -> Precondition:
    """Cross-entropy is surer than it is right: where it is not, softer labels have nothing to mend."""
    gap = values(table, "confidence", name) - values(table, "accuracy", name)
    return Precondition.of("cross-entropy is overconfident: confidence − accuracy", gap, "≥", 0.03)


def room(table: xr.Dataset, name: str = CE) -> Precondition:
    """There is accuracy to be gained."""
    return Precondition.of(
        "there is room above the baseline: its error", 1 - values(table, "accuracy", name), "≥", 0.1
    )


def all_of(*conditions: Precondition) -> Precondition:
    """The first condition that is not met; if all are, the first, whose text then names the others."""
    for condition in conditions:
        if not condition.met:
            return condition
    text = "; and ".join([conditions[0].text, *(f"{c.text} ({c.measured:.3g})" for c in conditions[1:])])
    return replace(conditions[0], text=text)


def regime(table: xr.Dataset, metric: str, name: str = CE) -> Precondition:
    """What a claim on a metric presupposes of its baseline."""
    if metric in ("accuracy", "top5", "error"):
        return all_of(fits(table, name), room(table, name))
    return all_of(fits(table, name), overconfident(table, name))


def dull(table: xr.Dataset, metric: str, name: str, rules: dict[str, tuple[str, str]]) -> DullRule:
    """The strongest of some rules, as the table has it, against a student.

    Parameters
    ----------
    rules : dict
        For each rule's name, the student that follows it and the metric that it then has, such as
        ``{"temperature scaling": ("cross-entropy", "scaled_nll")}``.
    """
    better = METRICS[metric][1]
    reached = {rule: values(table, own, of) for rule, (of, own) in rules.items()}
    best = (max if better == "higher" else min)(reached, key=lambda rule: float(np.nanmean(reached[rule])))
    return DullRule.of(best, values(table, metric, name), reached[best], better=better)


def usual_rules(table: xr.Dataset, metric: str) -> dict[str, tuple[str, str]]:
    """Tuned weight decay and early stopping; temperature scaling after training where it can matter."""
    names = set(table["student"].values)
    rules = {
        words: (name, metric)
        for name, words in (
            (f"{CE}, tuned", "tuned weight decay"),
            (f"{CE}, stopped early", "early stopping"),
            ("stopped early", "early stopping"),
        )
        if name in names
    }
    if f"scaled_{metric}" in table:
        rules["temperature scaling"] = (CE if CE in names else "generation 1", f"scaled_{metric}")
    return rules


def effect(
    id: str,
    table: xr.Dataset,
    metric: str,
    name: str,
    rival: str,
    where: str,
    *,
    statement: str = "",
    precondition: Precondition | None = None,
    rules: dict[str, tuple[str, str]] | None = None,
    baseline: str = CE,
    note: str = "",
) -> Claim:
    """Claim that a student is better by a metric than another, seed by seed.

    Parameters
    ----------
    statement : str
        In place of "… has a lower … than …"; the place is said after it.
    precondition : Precondition, optional
        In place of what the metric presupposes of `baseline`.
    rules : dict, optional
        Dull rules, as `dull` takes them; those of `usual_rules` if not given, none if empty.
    """
    words, better, negligible = METRICS[metric]
    rules = usual_rules(table, metric) if rules is None else rules
    said = statement or f"{name[0].upper()}{name[1:]} has a {better} {words} than {rival}"
    return Claim.from_samples(
        id, f"{said} ({where}).", paired(table, metric, name, rival),
        relation="≥" if better == "higher" else "≤", negligible=negligible,
        precondition=regime(table, metric, baseline) if precondition is None else precondition,
        dull_rule=dull(table, metric, name, rules) if rules else None,
        family=where, note=note or "paired difference over seeds that redraw the split",
    )  # fmt: skip


def explained(claim: Claim, *, holds: str, otherwise: str) -> Claim:
    """The claim with one sentence on why it holds or does not, if its interval decides."""
    if claim.verdict not in ("holds", "fails"):
        return claim
    reason = holds if claim.verdict == "holds" else otherwise
    return replace(claim, note="; ".join(part for part in (reason, claim.note) if part))


def correlation(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """Spearman's rank correlation of the finite pairs; NaN if there is no order to correlate."""
    from scipy.stats import spearmanr  # slow to import, and few claims need it

    x, y = np.asarray(first, float).ravel(), np.asarray(second, float).ravel()
    kept = np.isfinite(x) & np.isfinite(y)
    if kept.sum() < 3 or np.ptp(x[kept]) == 0 or np.ptp(y[kept]) == 0:
        return float("nan")
    return float(spearmanr(x[kept], y[kept]).statistic)
