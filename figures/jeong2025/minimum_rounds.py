"""How many rounds until every noisy label is corrected: predicted, and found with the exact softmax.

Left: colour is the number of rounds that label averaging predicts for each noise rate and ridge penalty
(symmetric noise; grey: never, since wrong labels are the most frequent). A number is written where the exact softmax
needs another number of rounds, a dash where it needs more than 40.
Right: rounds that the exact softmax needs against the predicted ones, over the same cells. The prediction
itself holds for the softmax linearised at the uniform output: it is checked cell by cell against rounds
counted on gram matrices, over many random settings with all three noise models.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.colors import BoundaryNorm
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from ...theory import (
    ClusteredFeatures,
    corrupt_labels,
    corruption_gap,
    corruption_matrix,
    estimate_corruption,
    exact_minimum_rounds,
    one_hot,
)
from ..claim import Claim
from ..scale import Scale
from ..style import MEASURED, THEORY, new_figure

CLASSES, PER_CLASS, WITHIN, ACROSS = 4, 100, 0.4, 0.1
COUNTED = 40


@dataclass(frozen=True)
class Setting:
    """A clustered problem with exact label counts, small enough for its gram to be solved."""

    n_classes: int
    n_per_class: int
    within: float
    across: float
    ridge: float
    kind: str
    rate: float
    seed: int


@dataclass(frozen=True)
class Column:
    """One noise rate of the map."""

    rate: float
    ridges: tuple[float, ...]


def count_rounds(setting: Setting) -> xr.Dataset:
    """Count the rounds of one setting by solving the linearised problem on its gram."""
    model = ClusteredFeatures(
        setting.n_classes, setting.n_per_class, setting.within, setting.across, setting.ridge
    )
    k, true = setting.n_classes, model.labels()
    groups = np.arange(k) // 2 if k % 2 == 0 else np.minimum(np.arange(k) // 2, k // 2 - 1)
    noise = corruption_matrix(setting.kind, k, setting.rate, groups)  # type: ignore[arg-type]
    given = corrupt_labels(true, noise, np.random.default_rng(setting.seed), exact=True)
    gram = model.gram()
    smoother = np.linalg.solve(gram + k * setting.ridge * len(true) * np.eye(len(true)), gram)
    centred = one_hot(given, k) - 1 / k
    others = one_hot(true, k) == 0
    counted = np.inf
    for t in range(1, COUNTED + 1):
        centred = smoother @ centred
        margin = centred[~others] - np.where(others, centred, -np.inf).max(axis=1)
        if margin.min() > 1e-9 * np.abs(centred).max():
            counted = float(t)
            break
    corruption = estimate_corruption(true, given, k)
    predicted = model.minimum_rounds(corruption)
    return xr.Dataset(
        {
            "predicted": predicted if predicted <= COUNTED else np.inf,
            "counted": counted,
            "gap": corruption_gap(corruption),
        }
    )


def solve_column(column: Column) -> xr.Dataset:
    """Predicted and exact minimum rounds at one noise rate, over ridge penalties."""
    noise = corruption_matrix("symmetric", CLASSES, column.rate)
    models = [ClusteredFeatures(CLASSES, PER_CLASS, WITHIN, ACROSS, ridge) for ridge in column.ridges]
    return xr.Dataset(
        {
            "predicted_map": ("ridge", [model.minimum_rounds(noise) for model in models]),
            "exact_map": ("ridge", [exact_minimum_rounds(model, noise, COUNTED) for model in models]),
        },
        coords={"ridge": list(column.ridges), "rate": column.rate},
    )


def random_settings(scale: Scale, count: int) -> list[Setting]:
    """Draw settings over all noise models; correlations and penalties over their useful range."""
    rng = scale.rng(3, 5)
    settings = []
    for number in range(count):
        k = int(rng.integers(2, 9))
        across = float(rng.uniform(0, 0.3))
        settings.append(
            Setting(
                k, int(rng.integers(10, 25)), float(rng.uniform(across + 0.05, 0.9)), across,
                float(10 ** rng.uniform(-4, -1)), ["symmetric", "asymmetric", "superclass"][number % 3],
                float(rng.uniform(0, 0.85)), int(rng.integers(2**31)),
            )
        )  # fmt: skip
    return settings


def measure(scale: Scale) -> xr.Dataset:
    """Measure the map and the check of the prediction."""
    size = scale.choose(smoke=5, quick=16, full=40)
    rates = np.linspace(0.08, 0.8, size)
    ridges = tuple(float(r) for r in np.logspace(-4.5, -1.5, size))
    columns = scale.map(solve_column, [Column(float(rate), ridges) for rate in rates])
    settings = random_settings(scale, scale.choose(smoke=30, quick=300, full=2000))
    checks = scale.map(count_rounds, settings)
    return xr.merge([xr.concat(columns, "rate"), xr.concat(checks, "setting")])


def claims(data: xr.Dataset) -> list[Claim]:
    """Theorems about the linearised softmax; what the exact one needs is measured."""
    predicted, counted = data["predicted"].values, data["counted"].values
    never = data["gap"].values <= 0
    exact, linear = data["exact_map"].values, data["predicted_map"].values
    both = np.isfinite(exact) & np.isfinite(linear)
    difference = exact[both] - linear[both]
    agreeing = float(np.mean(difference == 0))
    result = [
        Claim.theorem(
            "J5",
            "The predicted least number of rounds is the one counted by solving the linearised problem.",
            predicted,
            counted,
            source="selfdistill.theory.ClusteredFeatures.minimum_rounds",
            note=f"{len(predicted)} random settings (K, n, λ, c, d, noise model, rate), {int(never.sum())} "
            f"of them never; rounds above {COUNTED} count as never.",
        ),
        Claim.from_samples(
            "J6",
            "The exact softmax needs no fewer rounds than predicted.",
            difference,
            relation="≥",
            predicted=0.0,
            source="selfdistill.theory.exact_minimum_rounds",
            note=f"Same number in {100 * agreeing:.0f} % of {len(difference)} cells, at most "
            f"{int(difference.max())} more and {int(max(-difference.min(), 0))} fewer.",
        ),
    ]
    if never.any():
        result.append(
            Claim.theorem(
                "J7",
                "Without a positive gap no number of rounds corrects every label.",
                np.inf,
                counted[never],
                source="selfdistill.theory.corruption_gap",
            )
        )
    return result


def draw(data: xr.Dataset) -> Figure:
    """Draw the map of predicted rounds with the cells that differ, and their differences."""
    figure, ((left, right),) = new_figure(2, width=5.2, height=4.2)
    predicted = data["predicted_map"].transpose("ridge", "rate").values
    exact = data["exact_map"].transpose("ridge", "rate").values
    bounds = np.array([1, 2, 3, 4, 5, 7, 10, 20, 41]) - 0.5
    names = ["1", "2", "3", "4", "5–6", "7–9", "10–19", "≥ 20"]
    shown = np.ma.masked_invalid(predicted)
    colours = left.pcolormesh(
        data["rate"],
        data["ridge"],
        shown,
        cmap="viridis_r",
        norm=BoundaryNorm(bounds, 256),
        shading="nearest",
    )
    left.set_facecolor("0.8")
    left.set_yscale("log")
    for i, j in zip(*np.nonzero(exact != predicted), strict=True):
        if np.isfinite(predicted[i, j]):
            text = f"{exact[i, j]:.0f}" if np.isfinite(exact[i, j]) else "–"
            left.text(
                data["rate"][j], data["ridge"][i], text, ha="center", va="center", fontsize=6,
                color="white" if predicted[i, j] > 4 else "black",
            )  # fmt: skip
    left.set(xlabel="noise rate η", ylabel="ridge penalty λ")
    left.set_title("Rounds predicted; exact where different\n(–: more than 40; grey: never)")
    bar = figure.colorbar(colours, ax=left, label="predicted least rounds")
    bar.set_ticks(((bounds[:-1] + bounds[1:]) / 2).tolist(), labels=names)
    both = np.isfinite(predicted) & np.isfinite(exact)
    pairs, counts = np.unique(np.stack([predicted[both], exact[both]], axis=1), axis=0, return_counts=True)
    top = pairs.max() + 1
    right.plot([1, top], [1, top], color=THEORY, label="exact = predicted")
    cells = {"color": MEASURED, "alpha": 0.7, "linewidth": 0, "zorder": 3}
    right.scatter(pairs[:, 0], pairs[:, 1], s=3 * counts, **cells)
    right.scatter([], [], s=30, label="cells of the map (area: how many)", **cells)
    right.set(
        xlabel="predicted least rounds", ylabel="least rounds of the exact softmax",
        title="Exact softmax against prediction", xscale="log", yscale="log",
    )  # fmt: skip
    ticks = [t for t in (1, 2, 3, 5, 10, 20, 40) if t <= top]
    for axis in (right.xaxis, right.yaxis):
        axis.set_ticks(ticks, labels=[str(t) for t in ticks])
        axis.set_minor_locator(NullLocator())
    right.legend(loc="upper left")
    return figure
