"""Ground truth filters: what a weight on the labels makes of every direction.

The paper's eleven points under its radial kernel. Above, the fits of six rounds without ground truth and with weight
0.35. Below left, the diagonals of B: without ground truth (dashed) every direction is lost in the end, with it they
settle at those of ridge with penalty c/α (dotted). Below right, the ratio of two directions over the rounds: without
ground truth it grows for ever. With it, it tends to a finite limit, as the paper says, but not from below alone: it
first passes the limit and then comes back, here and in nearly all random cases, so that a reading of the paper's
statement as steady growth up to the limit is refuted.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from sklearn.metrics.pairwise import rbf_kernel

from ...theory import FixedRidge, Spectrum, distill, ground_truth_limit
from ..claim import Claim
from ..reference import Array, toy_sinusoid
from ..scale import Scale
from ..style import BOUND, COLOURS, new_figure, rounds_axis

WEIGHTS, ROUNDS, PAIR = (0.0, 0.35), 12, (0.8238, 0.8624)
PAIR_WEIGHT, PAIR_ROUNDS = 0.2898, 40
APART = (0.4, 0.8)  # shares so far apart that one rate alone is soon left
SOURCE = "selfdistill.theory.FixedRidge"


def ratios(kept: Array, weight: float | Array, rounds: int) -> Array:
    """Ratio of the second filter to the first by the plain recursion on given shares, (rounds, ...)."""
    values, filters = [], np.ones_like(kept)
    for _ in range(rounds):
        filters = kept * (weight + (1 - weight) * filters)
        values.append(filters[1] / filters[0])
    return np.array(values)


def measure(scale: Scale) -> xr.Dataset:
    """Fits and filters of the toy, the ratio of one pair, and the overshoot of random pairs."""
    toy = toy_sinusoid()
    x, line = toy.x[:, None], np.linspace(0, 1, 101)[:, None]
    spectrum = Spectrum.from_gram(rbf_kernel(x, gamma=80.0), toy.y)
    ridge = 0.2 / len(toy.x)
    cross = rbf_kernel(line, x, gamma=80.0)
    runs = [distill(spectrum, FixedRidge(ridge, ROUNDS, w)) for w in WEIGHTS]
    shares, apart = np.array(PAIR), np.array(APART)
    rng = scale.rng(107)
    cases = scale.choose(smoke=200, quick=2000, full=20_000)
    kept = np.sort(rng.uniform(0.02, 0.98, (2, cases)), axis=0)
    weights = rng.uniform(0.02, 0.98, cases)
    filters = kept / (1 - (1 - weights) * kept)
    limits = filters[1] / filters[0]
    past = ratios(kept, weights, 400)
    return xr.Dataset(
        {
            "fit": (("weight", "round", "line"), [[r.predict(cross, t) for t in range(1, 7)] for r in runs]),
            "filter": (("weight", "step", "direction"), [r.filters for r in runs]),
            "limit": ("direction", ground_truth_limit(spectrum, ridge, WEIGHTS[1]).filters[0]),
            "pair": ("pair_round", _pair(shares)),
            "apart": ("pair_round", _pair(apart)),
            "by_recursion": ("pair_round", ratios(shares, PAIR_WEIGHT, PAIR_ROUNDS)),
            "pure": ("pair_round", (shares[1] / shares[0]) ** np.arange(1, PAIR_ROUNDS + 1)),
            "pair_limit": _limit(shares),
            "apart_limit": _limit(apart),
            "overshoots": float((past.max(axis=0) > limits * (1 + 1e-9)).mean()),
            "far": ("case", past[-1] / limits),
            "targets": ("x", toy.y),
        },
        coords={"weight": list(WEIGHTS), "line": line[:, 0], "x": toy.x},
    )


def _pair(shares: Array) -> Array:
    """Ratio of two filters by the package: eigenvalues of which a unit ridge keeps the given shares."""
    spectrum = Spectrum.from_eigenvalues(shares / (1 - shares), [1.0, 1.0])
    filters = distill(spectrum, FixedRidge(1.0, PAIR_ROUNDS, PAIR_WEIGHT)).filters
    return np.asarray(filters[:, 1] / filters[:, 0])


def _limit(shares: Array) -> float:
    low, high = shares / (1 - (1 - PAIR_WEIGHT) * shares)
    return float(high / low)


def claims(data: xr.Dataset) -> list[Claim]:
    """B1 and B4: the limit of the filters and of their ratios, and how it is reached."""
    error = np.abs(data["apart"].values - float(data["apart_limit"]))[19:30]
    rate = (1 - PAIR_WEIGHT) * max(APART)
    return [
        Claim.theorem("B1", "With ground truth the diagonals of B tend to those of ridge with penalty c/α.",
                      data["limit"], data["filter"][1, -1], tolerance=float((1 - WEIGHTS[1]) ** ROUNDS),
                      source="selfdistill.theory.ground_truth_limit"),
        Claim.theorem("B4", "The ratio of the pair is that of the plain recursion.", data["by_recursion"],
                      data["pair"], tolerance=1e-12, source=SOURCE),
        Claim.theorem("B4", "All ratios tend to the closed-form limit (ratio over limit after 400 rounds).", 1.0,
                      data["far"], tolerance=1e-3, source=SOURCE),
        Claim.theorem("B4", "The error shrinks at the rate (1 − α)·max a.", rate, error[1:] / error[:-1],
                      tolerance=1e-4, source=SOURCE),
        Claim.theorem("B4", "The ratio is NOT steady growth up to the limit: it passes it (largest over limit).",
                      1.0005, float(data["pair"].max() / data["pair_limit"]), relation="≥", source=SOURCE),
        Claim.theorem("B4", "So do at least nine in ten pairs drawn at random (share).", 0.9, data["overshoots"],
                      relation="≥", source=SOURCE),
    ]  # fmt: skip


def draw(data: xr.Dataset) -> Figure:
    """Fits of both weights, filters, and the ratio."""
    figure, axes = new_figure(2, 2, width=4.6, height=3.2)
    for panel, fits, weight in zip(axes[0], data["fit"], data["weight"].values, strict=True):
        for t, fit in enumerate(fits):
            panel.plot(data["line"], fit, color=COLOURS[t], label=f"round {t + 1}")
        panel.plot(data["x"], data["targets"], "o", color="black", markersize=3.5)
        panel.set(xlabel="x", ylabel="fit", title=f"Weight on the labels: {weight:g}", ylim=(-1.25, 1.65))
    axes[0, 0].legend(ncols=2, loc="upper right")
    panel, steps = axes[1, 0], np.arange(1, ROUNDS + 1)
    for i, k in enumerate(range(0, data.sizes["direction"], 3)):
        for filters, style in zip(data["filter"], ("--", "-"), strict=True):
            panel.plot(steps, filters[:, k], style, color=COLOURS[i])
        panel.axhline(float(data["limit"][k]), color=COLOURS[i], linestyle=":", linewidth=1)
    panel.plot([], [], "--", color=BOUND, label="weight 0")
    panel.plot([], [], "-", color=BOUND, label="weight 0.35")
    panel.plot([], [], ":", color=BOUND, label="its limit")
    panel.set(ylabel="diagonal of B", title="Four directions")
    rounds_axis(panel)
    panel.legend(loc="upper right", ncols=3)
    panel.set_ylim(0, 1.15)
    panel, steps = axes[1, 1], np.arange(1, PAIR_ROUNDS + 1)
    panel.plot(steps, data["pair"], "o-", markersize=3, color=COLOURS[0], label=f"weight {PAIR_WEIGHT:g}")
    panel.plot(steps[:4], data["pure"][:4], "--", color=COLOURS[1], label="weight 0")
    panel.axhline(float(data["pair_limit"]), color=BOUND, linestyle=":", label="limit")
    panel.set(ylabel="ratio of two filters", title="The ratio passes its limit")
    panel.set(xlim=(0.5, 16), ylim=(1.04, 1.13))
    rounds_axis(panel)
    panel.legend()
    return figure
