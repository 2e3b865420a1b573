"""Estimated corruption: the matrix behind wrong labels, found without knowing any true one.

Digits whose labels are wrong in three ways: any other class alike, the next class twice as often as others, and
always the next class. Each point is one entry of the corruption matrix: its true value (frequencies in this draw)
and its estimate from the labels alone, by counting samples whose left-out outputs are sure of a class (the confident
joint). On the line the estimate is exact. Right, the mean error of a row, with its 95 % interval over draws, beside
two dull rules: that nothing is wrong, and noise of the right amount spread evenly over the other classes. The second
knows what nobody does, the true amount, and nothing else; where the noise is even it cannot be beaten by much.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

from ...theory import corrupt_labels, corruption_matrix, estimate_corruption, find_label_errors
from ...theory.base.validation import Array
from ..claim import Claim
from ..conditions import DullRule
from ..intervals import t_half_width
from ..scale import Scale
from ..style import BOUND, COLOURS, new_figure

KINDS = {"symmetric": 0.4, "asymmetric": 0.4, "next class": 0.3}


@dataclass(frozen=True)
class Draw:
    """One draw of digits and of wrong labels."""

    n_samples: int
    kind: str
    seed: int
    stream: int


def measure(scale: Scale) -> xr.Dataset:
    """True and estimated corruption of every draw."""
    size = scale.choose(smoke=200, quick=600, full=1797)
    seeds = scale.choose(smoke=2, quick=8, thorough=20, full=20)
    draws = [Draw(size, kind, scale.seed, s) for kind in KINDS for s in range(seeds)]
    parts = scale.map(estimate, draws)
    kinds = [xr.concat(parts[i * seeds : (i + 1) * seeds], "seed") for i in range(len(KINDS))]
    return xr.concat(kinds, "kind").assign_coords(kind=list(KINDS))


def noise(kind: str) -> Array:
    """Corruption matrix of a kind of noise."""
    if kind == "next class":
        return (1 - KINDS[kind]) * np.eye(10) + KINDS[kind] * np.roll(np.eye(10), 1, axis=1)
    return corruption_matrix(kind, 10, KINDS[kind])  # type: ignore[arg-type]


def estimate(draw: Draw) -> xr.Dataset:
    """Corruption of one draw, true and estimated from the labels alone."""
    rng = np.random.default_rng([draw.seed, 15, list(KINDS).index(draw.kind), draw.stream])
    images, labels = load_digits(return_X_y=True)
    chosen = rng.permutation(len(labels))[: draw.n_samples]
    given = corrupt_labels(labels[chosen], noise(draw.kind), rng)
    found = find_label_errors(images[chosen], given)
    return xr.Dataset(
        {
            "true": (("class", "label"), estimate_corruption(labels[chosen], given, 10)),
            "estimated": (("class", "label"), found.corruption),
            "rate": float(np.mean(given != labels[chosen])),
            "estimated_rate": found.noise_rate,
        }
    )


def row_errors(data: xr.Dataset) -> dict[str, Array]:
    """Mean absolute error of a row, summed over labels, of each rule: (kind, seed)."""
    true = data["true"].transpose("kind", "seed", "class", "label").values
    found = data["estimated"].transpose("kind", "seed", "class", "label").values
    rate = data["rate"].transpose("kind", "seed").values[..., None, None]
    even = (1 - rate) * np.eye(10) + rate / 9 * (1 - np.eye(10))
    rules = {
        "estimated": found,
        "nothing is wrong": np.broadcast_to(np.eye(10), true.shape),
        "evenly wrong": even,
    }
    return {name: np.abs(rule - true).sum(axis=-1).mean(axis=-1) for name, rule in rules.items()}


def claims(data: xr.Dataset) -> list[Claim]:
    """The estimate against the dull rules, and the estimated share of wrong labels."""
    errors = row_errors(data)
    at = list(KINDS).index("next class")
    lead = errors["evenly wrong"][at] - errors["estimated"][at]
    off = np.abs((data["estimated_rate"] - data["rate"]).transpose("kind", "seed").values).mean(axis=0)
    return [
        Claim.from_samples(
            "E2",
            "Where labels are wrong to the next class, the estimated corruption is nearer to the truth than even noise "
            "of the true amount.",
            lead,
            relation="≥",
            source="selfdistill.theory.find_label_errors",
            dull_rule=DullRule.of(
                "evenly wrong", errors["estimated"][at], errors["evenly wrong"][at], better="lower"
            ),
        ),
        Claim.from_samples(
            "E3",
            "The estimated share of wrong labels is within 0.1 of the true one, in the mean over kinds of noise.",
            off,
            relation="≤",
            predicted=0.1,
            source="selfdistill.theory.LabelErrors.noise_rate",
        ),
    ]


def draw(data: xr.Dataset) -> Figure:
    """Draw entries against their truth, and the errors of the rules."""
    figure, ((left, right),) = new_figure(2, width=4.8, height=4.0)
    for number, kind in enumerate(KINDS):
        part = data.sel(kind=kind)
        left.plot(part["true"].values.ravel(), part["estimated"].values.ravel(), ".", markersize=4, alpha=0.5,
                  color=COLOURS[number], label=kind)  # fmt: skip
    left.plot([0, 1], [0, 1], color="black", linewidth=0.8)
    left.set(xlabel="true probability of a given label", ylabel="estimated", title="Entries of the matrix")
    left.legend(loc="upper left")
    errors = row_errors(data)
    places = np.arange(len(KINDS))
    shades = {"estimated": COLOURS[0], "evenly wrong": BOUND, "nothing is wrong": "0.8"}
    for shift, (name, colour) in enumerate(shades.items()):
        half = t_half_width(errors[name].T)
        right.bar(
            places + 0.27 * (shift - 1), errors[name].mean(axis=1), 0.25, yerr=half, color=colour, label=name
        )
    right.set_xticks(places, [f"{kind}\n{100 * rate:.0f} %" for kind, rate in KINDS.items()])
    right.set(ylabel="mean error of a row", title="Error of the matrix", ylim=(0, None))
    right.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=3)
    return figure
