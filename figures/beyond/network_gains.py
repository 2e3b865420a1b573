"""What a round earns a network: rounds that must help, counted before it is trained.

A network is distilled at the same training error in every round, on two digits whose labels −1 and 1 carry Gaussian
noise. Its tangent kernel at its start and the norm of the clean labels say how many rounds must bring its outputs
nearer to the clean labels, by the training error or more. Left, one network: circles are the network, the line is its
kernel, the counted rounds are shaded. Middle, what every round of every network earns, over the training error: the
promise is that filled circles, the counted rounds, lie above 1. Right, the best round of every network beside its
count: with the norm of the clean labels, which nobody has, and with a norm estimated from the noisy labels.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from ...empirical.experiments.helpful_rounds import HelpfulRounds, measure_helpful_rounds
from ...empirical.experiments.matched import MatchedConfig
from ..claim import Claim
from ..conditions import DullRule, Precondition
from ..reference import Array
from ..scale import Scale
from ..style import BOUND, COLOURS, MEASURED, THEORY, new_figure, rounds_axis

# Set on seeds from 1000 on, which no claim uses.
NOISE, EPSILON = 1.0, 0.05
SOURCE = "selfdistill.empirical.experiments.helpful_rounds.measure_helpful_rounds"


def measure(scale: Scale) -> xr.Dataset:
    """One network a seed."""
    width, n = scale.choose(smoke=(64, 20), quick=(512, 40), full=(2048, 100))
    seeds = scale.choose(smoke=2, quick=6, thorough=20, full=30)
    configs = [
        HelpfulRounds(
            MatchedConfig("digits-3-8", EPSILON * NOISE**2, width, scale.seed + s, n_train=n, label_noise=0.0), NOISE
        )
        for s in range(seeds)
    ]  # fmt: skip
    return xr.concat(scale.map(measure_helpful_rounds, configs), dim="seed", join="outer")


def gains(data: xr.Dataset) -> Array:
    """What every round of the network earns, over the training error, (seeds, T); NaN past collapse."""
    distance = data["distance"].sel(source="network").transpose("seed", "round").values
    return np.asarray(-np.diff(distance, axis=1) / (EPSILON * NOISE**2))


def _least(earned: Array, counts: Array) -> Array:
    """Least gain over the first rounds, as many as counted (and made) of each; NaN where none is."""
    rounds = np.arange(1, earned.shape[1] + 1)
    counted = np.where(rounds <= counts[:, None], earned, np.nan)
    least = np.min(np.where(np.isnan(counted), np.inf, counted), axis=1)
    return np.asarray(np.where(np.isinf(least), np.nan, least))


def claims(data: xr.Dataset) -> list[Claim]:
    """The promise, asked of networks, and its use as a rule for when to stop."""
    kept = data.isel(seed=np.flatnonzero(data["converged"].values == 1))
    distance = kept["distance"].sel(source="network").transpose("seed", "round").values
    count, guess = kept["count"].values, kept["estimated_count"].values
    best = np.nanargmin(distance[:, 1:], axis=1) + 1.0 if len(distance) else np.empty(0)
    counted = Precondition.of("rounds counted before training", count, "≥", 1)
    earned, allowed = gains(kept), kept["most"].values
    rows, last = np.arange(len(distance)), np.isfinite(distance).sum(axis=1) - 1

    def share_gained(rounds: Array) -> Array:
        """Share of the first round's distance that stopping after so many rounds saves."""
        at = np.clip(rounds.astype(int), 1, last)
        return np.asarray(1 - distance[rows, at] / distance[rows, 1])

    constant = np.full(len(best), np.round(np.median(best))) if len(best) else best
    left_out = f"{data.sizes['seed'] - kept.sizes['seed']} networks without a certified optimum are left out"
    return [
        Claim.from_samples(
            "D1", "Networks: every counted round brings the outputs nearer to the clean labels by at least ε (least "
            "gain over ε).", _least(earned, count), relation="≥", predicted=1.0, source=SOURCE, precondition=counted,
            dull_rule=DullRule.of("every round that the noise allows, s²/ε", _least(earned, count),
                                  _least(earned, allowed), better="higher"),
            note=left_out,
        ),
        Claim.from_samples(
            "D1", "Networks: the best round is not before the last counted one (rounds between them).", best - count,
            relation="≥", source=SOURCE, precondition=counted,
            dull_rule=DullRule.of("every round that the noise allows, s²/ε", best - count, best - allowed,
                                  better="higher"),
        ),
        Claim.from_samples(
            "D1", "Networks: with an estimated norm the best round is not before the last counted one.",
            best - guess, relation="≥", source="selfdistill.theory.estimated_truth_norm",
            note="the estimate sees only what stands above the noise",
        ),
        Claim.from_samples(
            "D1", "Networks: stopping at the count from an estimated norm is nearer to the clean labels than one round "
            "(share of its distance).", share_gained(guess), relation="≥", source=SOURCE,
            dull_rule=DullRule.of("the best constant number of rounds, in hindsight", share_gained(guess),
                                  share_gained(constant), better="higher"),
            note=f"the best constant is {constant[0]:.0f} rounds" if len(constant) else "",
        ),
    ]  # fmt: skip


def draw(data: xr.Dataset) -> Figure:
    """One network, all gains, and counts against best rounds."""
    figure, axes = new_figure(3, width=4.0, height=3.6)
    panel, count = axes[0, 0], int(data["count"][0])
    panel.axvspan(0, count, color=BOUND, alpha=0.15, linewidth=0, label=f"counted: {count} rounds")
    first = data["distance"].isel(seed=0)
    panel.plot(data["round"], first.sel(source="kernel"), color=THEORY, label="its tangent kernel")
    panel.plot(data["round"], first.sel(source="network"), "o", color=MEASURED, markersize=4, label="network")
    start = float(first.sel(source="network")[0])
    panel.plot(
        [0, count], start - EPSILON * NOISE**2 * np.array([0, count]), ":", color="black", label="ε a round"
    )
    panel.set(ylabel="distance to the clean labels", title="One network")
    panel.set_ylim(bottom=0)
    rounds_axis(panel)
    panel.legend()
    panel, earned = axes[0, 1], gains(data)
    rounds = np.arange(1, earned.shape[1] + 1)
    for row, counted in zip(earned, data["count"].values, strict=True):
        for mask, face in ((rounds <= counted, MEASURED), (rounds > counted, "white")):
            panel.plot(rounds[mask], row[mask], "o", color=MEASURED, markerfacecolor=face, markersize=4)
    panel.plot([], [], "o", color=MEASURED, markersize=4, label="counted")
    panel.plot([], [], "o", color=MEASURED, markerfacecolor="white", markersize=4, label="not counted")
    panel.axhline(1, color="black", linestyle=":", label="ε")
    panel.axhline(0, color="black", linewidth=1)
    panel.set(ylabel="gain over ε", title="What a round earns")
    rounds_axis(panel)
    panel.legend()
    panel = axes[0, 2]
    distance = data["distance"].sel(source="network").transpose("seed", "round").values
    best = np.nanargmin(distance[:, 1:], axis=1) + 1
    for i, (name, label) in enumerate(
        (("count", "norm of the clean labels"), ("estimated_count", "estimated norm"))
    ):
        places, members = np.unique(np.stack([data[name].values, best]), axis=1, return_counts=True)
        panel.scatter(places[0], places[1], 25.0 * members, color=COLOURS[i], alpha=0.7, label=label)
    most = float(max(best.max(), data["estimated_count"].max(), data["count"].max())) + 1
    panel.plot([0, most], [0, most], color="black", linestyle="--", linewidth=1)
    panel.set(xlabel="counted rounds", ylabel="best round", title="Count and best round", xlim=(-0.3, most),
              ylim=(-0.3, most))  # fmt: skip
    panel.legend(loc="lower right")
    return figure
