"""Accuracy over rounds on real data: predicted from the gram, and converged probes, on three kinds of features.

Linear probes with symmetric label noise, every round trained to convergence on the previous round's outputs; round 1
is the first fit. Features are the hidden layer of a network trained on other samples with true labels, on others with
half of the labels wrong, or on half of the classes for a probe on the rest. Lines: predicted from the gram by ridge
regression (softmax linearised). Markers with 95 % intervals over seeds: the probes. Above, test accuracy at one weight
decay and several noise rates; below, the change since round 1 at the highest rate, for three weight decays.

Data: the bundled digits; features from other classes are those of 0-4, for a probe on 5-9.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...empirical.experiments.label_rounds import LabelRounds, label_rounds
from ...empirical.experiments.learned_features import FeatureKind
from ..claim import Claim
from ..conditions import DullRule, Precondition
from ..intervals import t_half_width
from ..scale import Scale
from ..style import COLOURS, new_figure, possible, rounds_axis
from ._probe_sizes import probe_sizes

FEATURES: dict[FeatureKind, str] = {
    "clean network": "features from true labels",
    "noisy network": "features from noisy labels",
    "other classes": "features from other classes",
}
PLAIN: FeatureKind = "pixels"
NAMES = FEATURES | {PLAIN: "inputs as they are"}
OWN_DATA = "classes"
RIDGE = 3e-4
RIDGES = (RIDGE / 2.5, RIDGE, 2 * RIDGE)  # the authors' three weight decays, relative to the middle one
SOURCE = "selfdistill.theory.distill_linearised"
Values = npt.NDArray[np.float64]


def kinds(scale: Scale) -> list[FeatureKind]:
    """Kinds of features; a reader's own data of two or three classes have no other classes to learn from."""
    few = scale.data is not None and scale.data.n_classes < 4
    return [*list(FEATURES)[:2], PLAIN] if few else list(FEATURES)


def plan(scale: Scale) -> list[LabelRounds]:
    """Every kind of features and seed."""
    rates = scale.choose(
        smoke=(0.4, 0.7), quick=(0.2, 0.7), thorough=(0.1, 0.3, 0.5, 0.7, 0.9), full=(0.1, 0.3, 0.5, 0.7, 0.9)
    )
    rounds = scale.choose(smoke=2, quick=6, full=10)
    sizes = probe_sizes(scale, scale.choose(smoke=150, quick=400, full=800))
    return [
        LabelRounds(
            features, tuple(("symmetric", rate) for rate in rates), RIDGES, rounds,
            seed=scale.seed * 100 + seed, students=(), device=scale.device, **sizes,
        )
        for features in kinds(scale)
        for seed in range(seeds(scale))
    ]  # fmt: skip


def seeds(scale: Scale) -> int:
    """Number of splits for every kind of features."""
    return scale.choose(smoke=2, quick=4, thorough=20, full=20)


def measure(scale: Scale) -> xr.Dataset:
    """Every kind of features, weight decay and seed."""
    n = seeds(scale)
    results = scale.map(label_rounds, plan(scale))
    stacked = [xr.concat(results[i : i + n], "seed") for i in range(0, len(results), n)]
    return xr.concat(stacked, "features").assign_coords(features=kinds(scale), seed=list(range(n)))


def errors(data: xr.Dataset, *, change: bool) -> tuple[Values, Values]:
    """Mean absolute error of the predicted test accuracy, and of the prediction that nothing changes; one a seed.

    Of the level, or of the change since round 1, over rounds, noise rates and weight decays. That nothing changes is
    for the level the predicted accuracy of round 1 in every round, for the change zero.
    """
    test = data["accuracy"].sel(part="test")
    predicted, probe = test.sel(source="predicted"), test.sel(source="probe")
    dull = predicted.sel(round=1)
    if change:
        predicted, probe, dull = predicted - predicted.sel(round=1), probe - probe.sel(round=1), 0 * dull
        later = slice(1, None)
        predicted, probe = predicted.isel(round=later), probe.isel(round=later)
    over = ["round", "cell", "ridge"]
    return tuple(np.asarray(abs(p - probe).mean(over).values) for p in (predicted, dull))  # type: ignore[return-value]


def claims(data: xr.Dataset) -> list[Claim]:
    """How well the gram alone predicts the accuracy of every round, and its change, on each kind of features."""
    worst = float(data["stationarity"].max())
    converged = Precondition(f"every probe has converged: stationarity ≤ {0.05:g}", worst, worst <= 0.05)
    found = []
    for kind in data["features"].values:
        name = NAMES[kind]
        part = data.sel(features=kind)
        for change, text, allowed in (
            (False, "the gram predicts test accuracy to 5 points", 0.05),
            (True, "the gram predicts the change of test accuracy since round 1 to 3 points", 0.03),
        ):
            error, dull = errors(part, change=change)
            found.append(
                Claim.from_samples(
                    "J12", f"{name}: {text}, on average over rounds, rates and decays", error, relation="≤",
                    predicted=allowed, source=SOURCE, precondition=converged,
                    dull_rule=DullRule.of("nothing changes after round 1", error, dull, better="lower"),
                    note=f"mean absolute error {100 * error.mean():.1f} points; if nothing changed "
                    f"{100 * dull.mean():.1f}.",
                )
            )  # fmt: skip
    return found


def draw(data: xr.Dataset) -> Figure:
    """Test accuracy over rounds, and its change for three weight decays; one column a kind of features."""
    figure, axes = new_figure(data.sizes["features"], 2, width=4.2, height=3.2)
    for column, kind in enumerate(data["features"].values):
        test = 100 * data["accuracy"].sel(features=kind, part="test")
        top, bottom = axes[0, column], axes[1, column]
        for i, rate in enumerate(data["rate"].values):
            one = test.isel(cell=i).sel(ridge=RIDGE, method="nearest")
            _draw_pair(top, one, COLOURS[i], f"noise rate {rate:g}")
        highest = test.isel(cell=-1)
        for i, ridge in enumerate(data["ridge"].values):
            one = highest.sel(ridge=ridge)
            _draw_pair(
                bottom, one - one.sel(round=1), COLOURS[3 + i], f"weight decay {ridge:.2g}", 0.1 * (i - 1)
            )
        bottom.axhline(0, color="0.7", lw=0.8, zorder=0)
        possible(top, 0.0, 100.0)
        top.set_title(NAMES[kind])
        bottom.set_title(f"change at noise rate {data['rate'].values[-1]:g}")
    axes[0, 0].set_ylabel("test accuracy (%)")
    axes[1, 0].set_ylabel("change since round 1 (points)")
    axes[1, 0].plot([], [], color="0.3", lw=1.2, label="predicted")
    handles = [axes[row, 0].get_legend_handles_labels() for row in (0, 1)]
    figure.legend(
        handles[0][0] + handles[1][0], handles[0][1] + handles[1][1], loc="outside lower center", ncols=5
    )
    return figure


def _draw_pair(axes: Axes, values: xr.DataArray, colour: str, label: str, aside: float = 0.0) -> None:
    """Predicted as a line, probes as markers with their interval."""
    rounds = values["round"].values
    axes.plot(rounds, values.sel(source="predicted").mean("seed"), color=colour, lw=1.2)
    probe = values.sel(source="probe").transpose("seed", "round").values
    axes.errorbar(
        rounds + aside,
        probe.mean(axis=0),
        t_half_width(probe),
        fmt="o",
        ms=4,
        capsize=2,
        color=colour,
        label=label,
    )
    rounds_axis(axes)
