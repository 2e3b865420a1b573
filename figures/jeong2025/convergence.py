"""Outputs inside a class converge, and the margin fades: why rounds can help first and then harm.

Left: spread of outputs inside classes over spread between class means, relative to that of the labels. On clusters
label averaging makes it (s₁/s₂)^t exactly (line); beside it the exact softmax, and hidden-layer features of digits,
which do not fit the model: real classes keep a spread of their own, some 0.3 of that between them, that no averaging
takes away. Middle: the least margin of the true class on clusters decays like s₂^t, in theory and
solved. Right: noisy clusters, which do not fit the model exactly: as the margin fades, the deviations decide, and
accuracy can fall after it rose (lines: predicted from each draw's gram, mean and 95 % band; squares: exact softmax).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import xarray as xr
from matplotlib.figure import Figure

from ...empirical.experiments.learned_features import digits_features
from ...theory import (
    ClusteredFeatures,
    SoftmaxRegression,
    Spectrum,
    corrupt_labels,
    corruption_matrix,
    distill_clustered_softmax,
    distill_linearised,
    one_hot,
)
from ...theory.clusters.group_outputs import class_margins
from ..claim import Claim
from ..scale import Scale
from ..style import COLOURS, MEASURED, THEORY, band, new_figure, possible, rounds_axis

CLASSES, PER_CLASS, WITHIN, ACROSS, RIDGE, RATE = 4, 45, 0.4, 0.1, 1e-3, 0.4
DIGITS_RIDGE = 1e-3
NOISY_FEATURES, NOISY_RATE, LONG = 64, 0.5, 160


def spread_ratio(outputs: npt.NDArray[np.float64], labels: npt.NDArray[np.int64]) -> float:
    """Root mean square distance to the class mean over that of class means to the overall mean."""
    k = int(labels.max()) + 1
    indicator = one_hot(labels, k)
    means = (indicator / indicator.sum(axis=0)).T @ outputs
    inside = np.sqrt(np.mean(np.sum((outputs - means[labels]) ** 2, axis=1)))
    between = np.sqrt(np.mean(np.sum((means[labels] - outputs.mean(axis=0)) ** 2, axis=1)))
    return float(inside / between)


def measure(scale: Scale) -> xr.Dataset:
    """Measure spreads, margins and the loss of accuracy in half precision."""
    rounds, long = scale.choose(smoke=3, quick=6, full=6), LONG
    model = ClusteredFeatures(CLASSES, PER_CLASS, WITHIN, ACROSS, RIDGE)
    true = model.labels()
    noise = corruption_matrix("symmetric", CLASSES, RATE)
    given = corrupt_labels(true, noise, scale.rng(1), exact=True)
    gram = model.gram()
    smoother = np.linalg.solve(gram + CLASSES * RIDGE * len(gram) * np.eye(len(gram)), gram)
    exact, linear = one_hot(given, CLASSES), one_hot(given, CLASSES)
    others = np.where(one_hot(true, CLASSES) == 1, np.inf, 0)
    solved_margin = []
    solved_spread = [spread_ratio(linear, true)]
    for t in range(long):
        linear = 1 / CLASSES + smoother @ (linear - 1 / CLASSES)
        solved_margin.append(
            float((linear[np.arange(len(true)), true] - (linear - others).max(axis=1)).min())
        )
        if t < rounds:
            solved_spread.append(spread_ratio(linear, true))
    fits = SoftmaxRegression.from_gram(gram, RIDGE).distill(exact, rounds)
    exact_spread = [spread_ratio(exact, true), *(spread_ratio(fit.outputs, true) for fit in fits)]
    exact_margin = [
        float(np.nanmin(class_margins(fit.outputs, noise)))
        for fit in distill_clustered_softmax(model, noise, LONG // 4)
    ]
    digits_spread = _digits(scale, rounds)
    draws = scale.map(
        noisy_clusters, [scale.seed * 100 + i for i in range(scale.choose(smoke=3, quick=10, full=30))]
    )
    spreads = np.array([solved_spread, exact_spread, digits_spread])
    return xr.Dataset(
        {
            "noisy_predicted": (("seed", "noisy_round"), np.stack([d["predicted"] for d in draws])),
            "noisy_exact": (("seed", "exact_round"), np.stack([d["exact"] for d in draws])),
            "spread": (("source", "round"), spreads / spreads[:, :1]),
            "predicted_spread": ("round", [model.spread_ratio(t) for t in range(rounds + 1)]),
            "solved_margin": ("long_round", solved_margin),
            "predicted_margin": (
                "long_round",
                [float(np.nanmin(model.margins(noise, t))) for t in range(1, long + 1)],
            ),
            "exact_margin": ("exact_round", exact_margin),
        },
        coords={
            "source": ["linearised, solved", "exact softmax", "digits, exact softmax"],
            "round": np.arange(rounds + 1),
            "long_round": np.arange(1, long + 1),
            "exact_round": np.arange(1, LONG // 4 + 1),
            "noisy_round": np.arange(1, long + 1),
        },
        attrs={"decay": float(model.smoother_eigenvalues()[1])},
    )


def noisy_clusters(seed: int) -> xr.Dataset:
    """Accuracy over rounds on one draw of noisy clusters: predicted from its gram, and exact."""
    rng = np.random.default_rng([seed, 14])
    model = ClusteredFeatures(CLASSES, PER_CLASS, WITHIN, ACROSS, RIDGE)
    features, true = model.draw_features(NOISY_FEATURES, rng), model.labels()
    noise = corruption_matrix("symmetric", CLASSES, NOISY_RATE)
    targets = one_hot(corrupt_labels(true, noise, rng), CLASSES)
    run = distill_linearised(Spectrum.from_features(features, targets - 1 / CLASSES), RIDGE, LONG)
    fits = SoftmaxRegression.from_features(features, RIDGE).distill(targets, LONG // 4, tolerance=1e-6)
    return xr.Dataset(
        {
            "predicted": ("round", [_accuracy(run.fitted(t + 1), true) for t in range(LONG)]),
            "exact": ("exact_round", [_accuracy(fit.outputs, true) for fit in fits]),
        }
    )


def _accuracy(outputs: npt.NDArray[np.float64], labels: npt.NDArray[np.int64]) -> float:
    return float(np.mean(outputs.argmax(axis=1) == labels))


def _digits(scale: Scale, rounds: int) -> list[float]:
    data = digits_features("clean network", scale.choose(smoke=200, quick=600, full=800), 100, scale.seed)
    noise = corruption_matrix("symmetric", 10, RATE)
    targets = one_hot(corrupt_labels(data.labels, noise, scale.rng(2)), 10)
    fits = SoftmaxRegression.from_features(data.features, DIGITS_RIDGE).distill(targets, rounds)
    return [spread_ratio(targets, data.labels), *(spread_ratio(fit.outputs, data.labels) for fit in fits)]


def claims(data: xr.Dataset) -> list[Claim]:
    """Spreads shrink and margins decay as predicted; on noisy clusters accuracy ends below its best."""
    margin = data["solved_margin"].values
    predicted = data["noisy_predicted"].values
    return [
        Claim.theorem(
            "J10",
            "Label averaging shrinks the spread inside classes against that between them by s₁/s₂ a round.",
            data["predicted_spread"].values,
            data["spread"].sel(source="linearised, solved").values,
            tolerance=1e-9,
            source="selfdistill.theory.ClusteredFeatures.spread_ratio",
        ),
        Claim.theorem(
            "J11",
            "The least margin decays like s₂^t: its ratio from round to round tends to s₂.",
            data.attrs["decay"],
            margin[-1] / margin[-2],
            tolerance=1e-6,
            source="selfdistill.theory.ClusteredFeatures.margins",
        ),
        Claim.from_samples(
            "J11",
            "On noisy clusters accuracy after many rounds ends at least one point below its best round.",
            predicted.max(axis=1) - predicted[:, -1],
            relation="≥",
            predicted=0.01,
            source="selfdistill.theory.distill_linearised",
            note=f"Best after {1 + predicted.mean(axis=0).argmax()} rounds on average; "
            f"{predicted.shape[1]} rounds in all, {len(predicted)} draws.",
        ),
    ]


def draw(data: xr.Dataset) -> Figure:
    """Draw spreads, margins and the loss of accuracy."""
    figure, (panels,) = new_figure(3, width=3.9, height=3.4)
    left, middle, right = panels
    left.plot(data["round"], data["predicted_spread"], color=THEORY, label=r"predicted, $(s_1/s_2)^t$")
    for i, name in enumerate(data["source"].values):
        left.plot(data["round"], data["spread"][i], "osD"[i], color=COLOURS[i + 1], ms=4, label=name)
    left.set(
        yscale="log", ylabel="spread inside / between (labels: 1)", title="Spread of outputs inside classes"
    )
    rounds_axis(left)
    left.legend(loc="lower left")
    rounds = data["long_round"]
    margin = data["predicted_margin"].values
    rising = np.arange(len(margin)) < np.argmax(
        margin
    )  # from no margin at all: on a logarithmic axis, a stroke
    middle.plot(
        rounds,
        np.where(rising & (margin < 0.5 * margin.max()), np.nan, margin),
        color=THEORY,
        label="predicted",
    )
    every = slice(None, None, 8)
    middle.plot(
        rounds[every], data["solved_margin"][every], "o", ms=4, color=MEASURED, label="linearised, solved"
    )
    middle.plot(
        data["exact_round"][::4],
        data["exact_margin"][::4],
        "s",
        ms=4,
        color=COLOURS[2],
        label="exact softmax",
    )
    middle.set(yscale="log", ylabel="least margin of the true class", title="The margin fades")
    rounds_axis(middle)
    middle.legend(loc="upper right")
    band(right, data["noisy_round"], 100 * data["noisy_predicted"], color=THEORY, label="predicted")
    right.plot(
        data["exact_round"][::3], 100 * data["noisy_exact"].mean("seed")[::3], "s", ms=4, color=COLOURS[2],
        label="exact softmax",
    )  # fmt: skip
    right.set(ylabel="accuracy on true labels (%)", title="Noisy clusters", xscale="log")
    right.set_xlabel("round")
    possible(right, 0.0, 100.0)
    right.legend(loc="lower left")
    return figure
