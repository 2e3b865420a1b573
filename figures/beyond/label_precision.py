"""Wrong labels found: how many rounds give them away, and left-out outputs against those of the fit.

Left, the share of wrong labels for which the outputs of the fit name another class, over the rounds. Label averaging
says when (line): in clustered features every sample of one class and one given label has the same outputs, so the
share rises in steps, the last of them at the predicted least number of rounds. The same run solved on the model's own
gram must agree (crosses); features drawn around the model (dots, with 95 % intervals over draws) go over the steps
gradually, since every draw has samples of its own.

Right, handwritten digits of which a part has the next class's label: how well the wrong ones are ranked (average
precision) by outputs that never saw a sample's label, and by the outputs of the fit that did. Width and penalty are
those of the least left-out error. The dotted line is the dull rule, one fit to the labels, not left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from sklearn.metrics import average_precision_score

from ...theory import (
    ClusteredFeatures,
    Spectrum,
    corrupt_labels,
    corruption_matrix,
    distill_with_ridge,
    estimate_corruption,
    find_label_errors,
    leave_one_out,
)
from ...theory.base.arrays import to_host
from ...theory.base.validation import Array
from ..claim import Claim
from ..conditions import DullRule
from ..scale import Scale
from ..style import ACCENT, BOUND, MEASURED, THEORY, band, legend_below, new_figure, possible, rounds_axis

# The ridge shrinks as samples grow, which keeps the pace of averaging: two steps, some rounds apart.
CLASSES, WITHIN, ACROSS, RATE, RIDGE_OF_ALL = 4, 0.4, 0.1, 0.55, 0.03
NEXT_CLASS, ROUNDS = 0.3, 8


@dataclass(frozen=True)
class Digits:
    """Digits with wrong labels, drawn from a seed."""

    n_samples: int
    seed: int
    stream: int


def measure(scale: Scale) -> xr.Dataset:
    """Staircase, drawn features, and digits."""
    per_class = scale.choose(smoke=40, quick=100, full=200)
    draws = scale.choose(smoke=3, quick=10, full=30)
    model = ClusteredFeatures(CLASSES, per_class, WITHIN, ACROSS, RIDGE_OF_ALL / per_class)
    noise = corruption_matrix("asymmetric", CLASSES, RATE)
    given = corrupt_labels(model.labels(), noise, scale.rng(14, 1), exact=True)
    realised = estimate_corruption(model.labels(), given, CLASSES)
    ridge = CLASSES * model.ridge  # the linearised softmax is kernel ridge with this penalty
    drawn = []
    for draw in range(draws):
        features = model.draw_features(4 * model.n_samples, scale.rng(14, 2, draw))
        drawn.append(found_shares(features @ features.T, given, model.labels(), ridge))
    sizes = scale.choose(smoke=120, quick=400, full=1000)
    seeds = scale.choose(smoke=3, quick=12, full=30)
    digits = scale.map(rank_digits, [Digits(sizes, scale.seed, s) for s in range(seeds)])
    return xr.merge(
        [
            xr.Dataset(
                {
                    "theory": ("round", [predicted_share(model, realised, t) for t in range(1, ROUNDS + 1)]),
                    "solved": ("round", found_shares(model.gram(), given, model.labels(), ridge)),
                    "drawn": (("draw", "round"), np.array(drawn)),
                    "least_rounds": model.minimum_rounds(realised),
                },
                coords={"round": np.arange(1, ROUNDS + 1)},
            ),
            xr.concat(digits, "seed"),
        ]
    )


def predicted_share(model: ClusteredFeatures, corruption: Array, rounds: int) -> float:
    """Share of the wrong labels whose samples' outputs are largest at another class (label averaging)."""
    outputs = model.outputs(corruption, rounds)
    k = len(corruption)
    wrong = corruption * ~np.eye(k, dtype=bool)
    named = outputs.argmax(axis=2) != np.arange(k)
    return float((wrong * named).sum() / wrong.sum())


def found_shares(gram: Array, given: Array, true: Array, ridge: float) -> Array:
    """The same, counted on a gram by solving one system a round."""
    n, k = len(gram), int(true.max()) + 1
    fitted = np.eye(k)[given] - 1 / k
    wrong = given != true
    shares = []
    for _ in range(ROUNDS):
        fitted = gram @ np.linalg.solve(gram + n * ridge * np.eye(n), fitted)
        shares.append(float(np.mean(fitted.argmax(axis=1)[wrong] != given[wrong])))
    return np.array(shares)


def rank_digits(config: Digits) -> xr.Dataset:
    """Average precision of every round, left out and not."""
    rng = np.random.default_rng([config.seed, 14, 3, config.stream])
    images, labels = load_digits(return_X_y=True)
    chosen = rng.permutation(len(labels))[: config.n_samples]
    true = labels[chosen]
    given = corrupt_labels(true, (1 - NEXT_CLASS) * np.eye(10) + NEXT_CLASS * np.roll(np.eye(10), 1, 1), rng)
    found = find_label_errors(images[chosen], given, consensus=0)
    spectrum: Spectrum = found.fit.whole
    out = to_host(leave_one_out(spectrum, found.ridge, ROUNDS))
    run = distill_with_ridge(spectrum, found.ridge, ROUNDS)
    seen = [to_host(run.fitted(t)) for t in range(1, ROUNDS + 1)]
    return xr.Dataset(
        {
            "left_out": ("round", [average_precision_score(given != true, suspicion(p, given)) for p in out]),
            "seen": ("round", [average_precision_score(given != true, suspicion(p, given)) for p in seen]),
            "chosen": found.rounds,
        },
        coords={"round": np.arange(1, ROUNDS + 1)},
    )


def suspicion(outputs: Array, given: Array) -> Array:
    """Lead of the largest other output over that of the given label."""
    everyone = np.arange(len(given))
    others = outputs.copy()
    others[everyone, given] = -np.inf
    return np.asarray(others.max(axis=1) - outputs[everyone, given])


def claims(data: xr.Dataset) -> list[Claim]:
    """The staircase as a theorem; left-out outputs against the fit's, measured."""
    at_chosen = data["left_out"].sel(round=data["chosen"]).values
    seen_once = data["seen"].sel(round=1).values
    return [
        Claim.theorem(
            "J4",
            "The share of wrong labels that the outputs name is that of label averaging, in every round.",
            data["theory"],
            data["solved"],
            tolerance=1e-12,
            source="selfdistill.theory.ClusteredFeatures.outputs",
        ),
        Claim.theorem(
            "J5",
            "From the predicted number of rounds on, every wrong label is named.",
            1.0,
            data["solved"].where(data["round"] >= data["least_rounds"], drop=True),
            source="selfdistill.theory.ClusteredFeatures.minimum_rounds",
        ),
        Claim.from_samples(
            "E1",
            "At the chosen round, outputs that never saw a label rank the wrong ones better than the outputs of the "
            "fit that did.",
            at_chosen - data["seen"].sel(round=data["chosen"]).values,
            relation="≥",
            source="selfdistill.theory.leave_one_out",
            dull_rule=DullRule.of("one fit to the labels", at_chosen, seen_once, better="higher"),
        ),
    ]


def draw(data: xr.Dataset) -> Figure:
    """Draw the staircase and the digits."""
    figure, ((left, right),) = new_figure(2, width=5.0, height=3.8)
    rounds = data["round"].values
    left.step(rounds, data["theory"], where="mid", color=THEORY, label="label averaging")
    band(left, rounds, data["drawn"], color=MEASURED, marker="o", linestyle="", label="drawn features")
    left.plot(rounds, data["solved"], "x", color="black", zorder=4, label="solved on the model's gram")
    left.axvline(
        float(data["least_rounds"]), color=BOUND, linestyle="--", linewidth=1, label="predicted least rounds"
    )
    left.set(ylabel="share of wrong labels named", title="Outputs of the fit, clustered features")
    possible(left)
    left.legend(loc="lower right")
    band(right, rounds, data["left_out"], color=THEORY, marker="o", label="left out")
    band(right, rounds, data["seen"], color=ACCENT, marker="s", label="outputs of the fit")
    right.axhline(float(data["seen"].sel(round=1).mean()), color=BOUND, linestyle=":", label="one fit")
    counts = np.bincount(data["chosen"].values.astype(int), minlength=ROUNDS + 1)[1:]
    low = right.get_ylim()[0]
    for t in np.flatnonzero(counts):
        right.annotate(f"{counts[t]}×", (t + 1, low), ha="center", va="bottom", fontsize=8, color=THEORY)
    right.set(ylabel="average precision", title="Digits, 30 % next class (n×: how often chosen)")
    for panel in (left, right):
        rounds_axis(panel)
    legend_below(right)
    return figure
