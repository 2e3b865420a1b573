"""Hyper-parameters of the soft-label experiments: the papers' own, and those that a search settled.

The search ran once, on seeds that no claim uses; what it found ships as ``data/settled.json``. To run it anew, or
for the methods that are named alone (the file's others stay)::

    python -m selfdistill.figures.soft_label_settings settled.json
    python -m selfdistill.figures.soft_label_settings settled.json "weighted soft labels"
"""

from __future__ import annotations

import json
import sys
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..empirical.data.problems import Problems
from ..empirical.experiments.soft_labels.search import Settings, Settled, settle
from ..empirical.experiments.soft_labels.setup import Comparison
from ..empirical.losses import rules
from ..empirical.methods.catalogue import (
    BETA_SMOOTHING,
    CROSS_ENTROPY,
    DISTILLATION,
    ENTROPY_PENALTY,
    LABEL_SMOOTHING,
    PROGRESSIVE,
    SELF_DISTILLATION,
    TEACHER,
    WEIGHT_DECAYS,
    WEIGHTED_SOFT_LABELS,
    budget,
)
from ..empirical.methods.method import Method, Samples, Term
from .reference import read

# Hyper-parameters were settled on these seeds, learning rates and widths on others below 10; claims are judged on
# those from 10 on.
TUNING_SEEDS = (0, 1, 2)
UNSEEN = 10
# Every student's and teacher's where nothing else is said; the papers take 1e-4 to 5e-4.
DECAY = 5e-4

# Overconfident digits: noisy pixels, few samples, networks that fit all labels.
OVERCONFIDENT = Comparison(
    Problems("digits", 300, 400, 1000, seeds=(UNSEEN,), pixel_noise=0.3), hidden=(128, 128), epochs=40, batch_size=50,
    learning_rate=0.05, tuning_seeds=TUNING_SEEDS,
)  # fmt: skip
# A hundred classes that share digits, ten images each.
HUNDRED_CLASSES = Comparison(
    Problems("digit-pairs", 1000, 500, 1000, seeds=(UNSEEN,), pixel_noise=0.15), hidden=(128, 128), epochs=30,
    batch_size=100, learning_rate=0.05, tuning_seeds=TUNING_SEEDS[:2],
)  # fmt: skip
# The same with a small convolutional network, which sees that a digit is one wherever it stands.
CONVOLUTIONAL = replace(HUNDRED_CLASSES, network="strided convnet", hidden=(16,), epochs=20)
# Images moved by up to a pixel take longer to fit: on tuning seeds, as long as this.
SHIFTED = replace(HUNDRED_CLASSES, epochs=60, batch_size=50, augmentation="shift")
REGIMES = {"overconfident digits": OVERCONFIDENT, "a hundred classes": HUNDRED_CLASSES,
           "a hundred classes, convolutional": CONVOLUTIONAL}  # fmt: skip
# A weight that is added to the label's, not taken from it, goes past 1.
LADDERS: dict[str, dict[str, tuple[float, ...]]] = {
    WEIGHTED_SOFT_LABELS.name: {"alpha": (0.25, 0.5, 1.0, 2.25, 4.0, 8.0, 16.0, 32.0, 64.0)},
    "louder cross-entropy": {"factor": (1.0, 3.0, 10.0, 30.0)},
}


def tripled(s: Samples) -> list[Term]:
    """Three times the cross-entropy: what weighted soft labels add to the size of the loss, and nothing else."""
    return [Term(s.labels, 3.0)]


def louder(s: Samples, *, factor: Any) -> list[Term]:
    """Cross-entropy times any factor: under weight decay and momentum, longer steps and a smaller decay."""
    return [Term(s.labels, factor)]


def smoothed_progressive(s: Samples, *, alpha: Any, epsilon: Any) -> list[Term]:
    """Progressive self-distillation whose labels are smoothed."""
    share = 1 - alpha * s.progress
    smooth = [replace(t, weight=t.weight * share) for t in rules.label_smoothing(s, epsilon=epsilon)]
    return [*smooth, Term(s.past, alpha * s.progress)]


def smoothed_distillation(s: Samples, *, alpha: Any, temperature: Any, epsilon: Any) -> list[Term]:
    """Self-distillation whose labels are smoothed."""
    smooth = [replace(t, weight=t.weight * (1 - alpha)) for t in rules.label_smoothing(s, epsilon=epsilon)]
    return [*smooth, rules.self_distillation(s, alpha=alpha, temperature=temperature)[1]]


def scheduled(s: Samples, *, alpha: Any, power: Any) -> list[Term]:
    """Progressive targets with ``α_T·(t/T)^power``: power 1 is linear, 0 constant, 2 quadratic."""
    return rules.past_outputs(s, alpha=alpha * s.progress**power)


TRIPLED = Method("cross-entropy × 3", tripled)
LOUDER = Method("louder cross-entropy", louder, budget("factor", 3.0, 10.0))
SMOOTHED_PROGRESSIVE = Method("progressive and smoothing", smoothed_progressive, needs=PROGRESSIVE.needs)
SMOOTHED_DISTILLATION = Method("self-distillation and smoothing", smoothed_distillation, needs=TEACHER)
SCHEDULED = Method("scheduled", scheduled, needs=PROGRESSIVE.needs)

# The papers' settings: Kim et al. smooth by 0.1 and end at 0.8, Zhang & Sabuncu mix by 0.4 at τ = 4 and deal Beta
# masses by 0.6 and 3, Zhou et al. weigh by 2.25 at τ = 4, Pereyra et al. penalise by 0.1; Hinton et al. mix by 0.9.
PUBLISHED: dict[Method, dict[str, float]] = {
    CROSS_ENTROPY: {},
    LABEL_SMOOTHING: {"epsilon": 0.1},
    ENTROPY_PENALTY: {"beta": 0.1},
    BETA_SMOOTHING: {"alpha": 0.6, "shape": 3.0},
    SELF_DISTILLATION: {"alpha": 0.4, "temperature": 4.0},
    DISTILLATION: {"alpha": 0.9, "temperature": 4.0},
    PROGRESSIVE: {"alpha": 0.8},
    WEIGHTED_SOFT_LABELS: {"alpha": 2.25, "temperature": 4.0},
}


def published(method: Method) -> Settings:
    """Settings of a method as its paper has them, with the weight decay of all."""
    return (("weight_decay", DECAY), *PUBLISHED[method].items())


def settled(regime: str, method: Method) -> Settings:
    """Settings of a method as the search settled them in a regime."""
    found = read("settled.json")["regimes"][regime]["methods"][method.name]["settings"]
    return tuple(found.items())


def is_settled(regime: str, method: Method) -> bool:
    """Whether the search settled a method in a regime."""
    found = read("settled.json")["regimes"].get(regime, {"methods": {}})
    return method.name in found["methods"]


def searched_methods() -> tuple[Method, ...]:
    """The methods with the grids from which their search begins: around what their papers take."""
    begin = {SELF_DISTILLATION: ((0.4, 0.6), (2.0, 3.0)), DISTILLATION: ((0.4, 0.9), (2.0, 4.0)),
             WEIGHTED_SOFT_LABELS: ((1.0, 2.25), (2.0, 4.0))}  # fmt: skip
    taught = [
        replace(method, grid=tuple(
            (*candidate, ("temperature", tau)) for candidate in budget("alpha", *weights) for tau in taus
        ))
        for method, (weights, taus) in begin.items()
    ]  # fmt: skip
    return CROSS_ENTROPY, LABEL_SMOOTHING, ENTROPY_PENALTY, BETA_SMOOTHING, PROGRESSIVE, *taught, LOUDER


def search(regime: str, names: Collection[str] = ()) -> dict[str, Any]:
    """Settle every method, or those that are named, in a regime, as JSON values."""
    comparison = REGIMES[regime]
    methods = {}
    for method in (m for m in searched_methods() if not names or m.name in names):
        found = settle(comparison, method, ladders=LADDERS.get(method.name))
        methods[method.name] = _plain(found)
        print(regime, method.name, methods[method.name], file=sys.stderr, flush=True)
    return {
        "seeds": list(comparison.tuning_seeds),
        "comparison": describe(REGIMES[regime]),
        "methods": methods,
    }


def _plain(found: Settled) -> dict[str, Any]:
    return {
        "settings": dict(found.settings),
        "validation_nll": round(found.loss, 4),
        "candidates": len(found.candidates),
        "at_the_end_of_its_ladder": list(found.at_an_end),
    }


def describe(comparison: Comparison) -> str:
    """Everything that decides a regime's results but its seeds: settled settings belong to this and no other."""
    p = comparison.problems
    return (
        f"{p.data}, {p.n_train} training samples, pixel noise {p.pixel_noise:g}, label noise {p.noise:g}; "
        f"{comparison.network} {'-'.join(map(str, comparison.hidden))}, {comparison.epochs} epochs, batches of "
        f"{comparison.batch_size}, learning rate {comparison.learning_rate:g}, {comparison.augmentation} augmentation"
    )


def main(path: Path, *names: str) -> None:
    """Run the search, of all methods or of those that are named, and write what it settled."""
    kept = json.loads(path.read_text(encoding="utf-8"))["regimes"] if names else {}
    regimes = {regime: search(regime, names) for regime in REGIMES}
    for regime, new in regimes.items():
        new["methods"] = kept.get(regime, {"methods": {}})["methods"] | new["methods"]
    found = {
        "note": "settled by validation NLL on seeds that no claim uses; weight decays were searched from "
        f"{', '.join(f'{d:g}' for d in WEIGHT_DECAYS)} outwards",
        "regimes": regimes,
    }
    path.write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
