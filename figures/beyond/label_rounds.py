"""Rounds that wrong labels need: predicted from estimates, and counted until all are corrected.

The theory of label averaging says how many rounds correct every training label, from the corruption matrix and from
how alike samples are inside classes and across. On the model's own gram, with the true classes, the prediction must
be the count (left; each dot is one random problem, its area how many coincide; those at the edge are never corrected).
Nobody knows the true classes: right, features are drawn around the model, and classes, corruption and likeness are all
estimated from features and labels. The count is of training outputs, so one unlike sample can delay it, or keep it
from ever being reached.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...theory import (
    ClusteredFeatures,
    Spectrum,
    corrupt_labels,
    corruption_matrix,
    estimate_corruption,
    find_label_errors,
)
from ...theory.base.validation import Array
from ...theory.estimators.label_errors import predicted_rounds
from ..claim import Claim
from ..conditions import DullRule
from ..scale import Scale
from ..style import MEASURED, THEORY, new_figure

MOST = 12


@dataclass(frozen=True)
class Setting:
    """A clustered problem."""

    n_classes: int
    n_per_class: int
    within: float
    across: float
    ridge: float
    rate: float
    seed: int


def measure(scale: Scale) -> xr.Dataset:
    """Predicted and counted rounds of random problems."""
    rng = scale.rng(16)
    settings = []
    for _ in range(scale.choose(smoke=12, quick=80, full=400)):
        across = float(rng.uniform(0, 0.2))
        settings.append(
            Setting(
                int(rng.integers(2, 6)), int(rng.integers(15, 40)), across + float(rng.uniform(0.15, 0.5)), across,
                float(10 ** rng.uniform(-3.5, -1.5)), float(rng.uniform(0.05, 0.6)), int(rng.integers(2**31)),
            )
        )  # fmt: skip
    return xr.concat(scale.map(solve, settings), "setting")


def solve(setting: Setting) -> xr.Dataset:
    """One problem: on the model's gram with the truth, and on drawn features with estimates."""
    k = setting.n_classes
    model = ClusteredFeatures(k, setting.n_per_class, setting.within, setting.across, setting.ridge)
    rng = np.random.default_rng(setting.seed)
    true = model.labels()
    given = corrupt_labels(true, corruption_matrix("symmetric", k, setting.rate), rng, exact=True)
    realised = estimate_corruption(true, given, k)
    ridge = k * setting.ridge
    features = model.draw_features(8 * model.n_samples, rng)
    drawn = features @ features.T
    found = find_label_errors(drawn, given, kernel="precomputed", ridge=ridge)
    spectrum = Spectrum.from_gram(model.gram(), np.eye(k)[given])
    return xr.Dataset(
        {
            "predicted": predicted_rounds(spectrum, true, realised, ridge),
            "counted": counted_rounds(model.gram(), given, true, ridge),
            "estimated": found.minimum_rounds,
            "drawn": counted_rounds(drawn, given, true, ridge),
        }
    )


def counted_rounds(gram: Array, given: Array, true: Array, ridge: float) -> float:
    """Rounds until every training output is largest at the true class, by solving; inf if not within `MOST`."""
    n, k = len(gram), int(true.max()) + 1
    smoother = np.linalg.solve(gram + n * ridge * np.eye(n), gram)
    outputs = np.eye(k)[given] - 1 / k
    rivals = np.eye(k)[true] == 0
    for t in range(1, MOST + 1):
        outputs = smoother @ outputs
        margin = outputs[~rivals] - np.where(rivals, outputs, -np.inf).max(axis=1)
        if margin.min() > 1e-9 * np.abs(outputs).max():
            return float(t)
    return np.inf


def claims(data: xr.Dataset) -> list[Claim]:
    """The prediction from the truth as a theorem, and from estimates as measured."""
    predicted = data["predicted"].where(data["predicted"] <= MOST, np.inf)
    estimated, found = data["estimated"].values, data["drawn"].values
    both = np.isfinite(estimated) & np.isfinite(found)
    off = np.abs(estimated - found)[both]
    constant = np.abs(np.median(found[both]) - found[both]) if both.any() else off
    return [
        Claim.theorem(
            "J5",
            "On the model's gram the prediction is the count, never included.",
            predicted,
            data["counted"],
            source="selfdistill.theory.ClusteredFeatures.minimum_rounds",
            note=f"{data.sizes['setting']} random problems; above {MOST} rounds counts as never.",
        ),
        Claim.from_samples(
            "E4",
            "From estimates alone, on drawn features, the prediction is off by at most one round in the mean.",
            off,
            relation="≤",
            predicted=1.0,
            source="selfdistill.theory.find_label_errors",
            note=f"{int(both.sum())} of {data.sizes['setting']} problems where both are finite.",
            dull_rule=DullRule.of("the median count, always", off, constant, better="lower"),
        ),
    ]


def draw(data: xr.Dataset) -> Figure:
    """Draw counted against predicted rounds, with the truth and with estimates."""
    figure, ((left, right),) = new_figure(2, width=4.6, height=4.2)
    scatter(left, data["predicted"].values, data["counted"].values, THEORY)
    left.set(xlabel="predicted", ylabel="counted until all are corrected", title="Model's gram, true classes")
    scatter(right, data["estimated"].values, data["drawn"].values, MEASURED)
    right.set(xlabel="predicted from estimates", ylabel="counted", title="Drawn features, all estimated")
    return figure


def scatter(panel: Axes, x: Array, y: Array, colour: str) -> None:
    """Whole numbers against each other, the area telling how many; never at the edge."""
    edge = MOST + 2.0
    pairs = np.stack([np.where(v <= MOST, v, edge) for v in (x, y)], axis=1)
    places, counts = np.unique(pairs, axis=0, return_counts=True)
    panel.plot([0.5, MOST], [0.5, MOST], color="black", linewidth=0.8)
    panel.scatter(places[:, 0], places[:, 1], s=14 * counts, color=colour, alpha=0.7, linewidth=0, zorder=3)
    ticks = [1, 2, 4, 6, 8, 10, 12, edge]
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_ticks(ticks, labels=[*map(str, ticks[:-1]), "never"])
    panel.set(xlim=(0, edge + 1), ylim=(0, edge + 1))
