"""Outputs of single samples over rounds: label averaging corrects a wrong label.

A sample of class 0 with its right label, one with the wrong label 1, and a mislabelled digit on hidden-layer
features. Lines: predicted (for clusters in closed form, a weighted mean of the sample's own label, its class's,
all labels and the uniform output; for the digit by ridge regression on its gram). Markers: the exact softmax.
The wrong label is overtaken in the round where the lines cross. Of the ten classes of the digit, the eight that are
neither true nor given are one range. Predicted outputs sum to one but are no probabilities: they may lie below zero.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from ...empirical.experiments.learned_features import digits_features
from ...theory import (
    ClusteredFeatures,
    SoftmaxRegression,
    Spectrum,
    corrupt_labels,
    corruption_matrix,
    distill_linearised,
    estimate_corruption,
    fit_softmax_regression,
    one_hot,
)
from ..claim import Claim
from ..reference import Array
from ..scale import Scale
from ..style import COLOURS, new_figure, rounds_axis

CLASSES, WITHIN, ACROSS, RIDGE, GAP = 4, 0.4, 0.1, 1e-3, 0.2
DIGITS_RIDGE, DIGITS_RATE = 3e-4, 0.5
SAMPLES = ("right label", "wrong label", "mislabelled digit")
# More classes than this, besides the true and the given one, are drawn as a range.
MOST_CURVES = 4


def measure(scale: Scale) -> xr.Dataset:
    """Measure predicted and exact outputs."""
    rounds = scale.choose(smoke=3, quick=6, full=10)
    model = ClusteredFeatures(CLASSES, scale.choose(smoke=20, quick=100, full=100), WITHIN, ACROSS, RIDGE)
    true = model.labels()
    noise = corruption_matrix("symmetric", CLASSES, 0.75 * (1 - GAP))
    given = corrupt_labels(true, noise, scale.rng(1), exact=True)
    corruption = estimate_corruption(true, given, CLASSES)
    gram, targets = model.gram(), one_hot(given, CLASSES)
    exact = SoftmaxRegression.from_gram(gram, RIDGE).distill(targets, rounds)
    averaged = np.stack([model.outputs(corruption, t)[true, given] for t in range(rounds + 1)])
    solved = [targets]
    for _ in range(rounds):
        solved.append(fit_softmax_regression(gram, solved[-1], RIDGE, linearised=True).outputs)
    stacked = np.stack([targets, *(fit.outputs for fit in exact)])
    right, wrong = (int(np.flatnonzero((true == 0) & (given == j))[0]) for j in (0, 1))
    digit = _digit(scale, rounds)
    outputs = np.full((2, 3, rounds + 1, 10), np.nan)
    for i, row in enumerate((right, wrong)):
        outputs[0, i, :, :CLASSES], outputs[1, i, :, :CLASSES] = averaged[:, row], stacked[:, row]
    outputs[:, 2] = digit["outputs"]
    return xr.Dataset(
        {
            "outputs": (("source", "sample", "round", "class"), outputs),
            "averaging_error": ("round", np.abs(averaged - np.stack(solved)).max(axis=(1, 2))),
            "smoother_error": digit["smoother_error"],
            "linearisation_order": digit["linearisation_order"],
            "stationarity": ("fit", [fit.stationarity for fit in exact] + digit["stationarity"]),
        },
        coords={"source": ["predicted", "exact"], "sample": list(SAMPLES), "round": np.arange(rounds + 1)},
        attrs={"digit_true": digit["true"], "digit_given": digit["given"]},
    )


def _digit(scale: Scale, rounds: int) -> dict:  # type: ignore[type-arg]
    n = scale.choose(smoke=200, quick=800, full=800)
    data = digits_features("clean network", n, 100, scale.seed, scale.device)
    noise = corruption_matrix("symmetric", 10, DIGITS_RATE)
    given = corrupt_labels(data.labels, noise, scale.rng(2))
    targets = one_hot(given, 10)
    exact = SoftmaxRegression.from_features(data.features, DIGITS_RIDGE).distill(targets, rounds)
    run = distill_linearised(Spectrum.from_features(data.features, targets - 0.1), DIGITS_RIDGE, rounds)
    fitted = np.stack([0.1 + run.fitted(t) for t in range(rounds + 1)])
    row = int(np.flatnonzero(given != data.labels)[0])
    return {
        "smoother_error": np.abs(fitted - smoothed(data.features, targets, rounds)).max(),
        "linearisation_order": linearisation_order(data.features, targets),
        "outputs": np.stack([fitted[:, row], np.stack([targets[row], *(fit.outputs[row] for fit in exact)])]),
        "stationarity": [fit.stationarity for fit in exact],
        "true": int(data.labels[row]),
        "given": int(given[row]),
    }


def smoothed(features: Array, targets: Array, rounds: int) -> Array:
    """Targets under ``gram (gram + KλN I)⁻¹`` round by round, by elimination and without a spectrum."""
    gram, (n, k) = features @ features.T, targets.shape
    fits = [targets]
    for _ in range(rounds):
        dual = np.linalg.solve(gram + k * DIGITS_RIDGE * n * np.eye(n), fits[-1] - 1 / k)
        fits.append(1 / k + gram @ dual)
    return np.stack(fits)


def linearisation_order(features: Array, targets: Array) -> float:
    """Power of 1/λ at which the exact softmax leaves its linearisation, between two large penalties."""
    largest = float(np.linalg.eigvalsh(features.T @ features / len(features))[-1])
    ridges = [largest, 4 * largest]
    gaps = [
        np.abs(
            SoftmaxRegression.from_features(features, ridge).fit(targets).outputs
            - fit_softmax_regression(features=features, targets=targets, ridge=ridge, linearised=True).outputs
        ).max()
        for ridge in ridges
    ]
    return float(np.log(gaps[0] / gaps[1]) / np.log(ridges[1] / ridges[0]))


def claims(data: xr.Dataset) -> list[Claim]:
    """The exact rounds are stationary, and the linearised ones a smoother and an average of labels."""
    return [
        Claim.theorem(
            "J1",
            "Each exact round solves Y = softmax(gram (T − Y)/(λN)) to 1e-8, on clusters and on digits.",
            0.0,
            data["stationarity"].values,
            tolerance=1e-8,
            source="selfdistill.theory.fit_softmax_regression",
        ),
        Claim.theorem(
            "J2",
            "On a real gram, linearised self-distillation is the smoother gram (gram + KλN I)⁻¹, round by round.",
            0.0,
            data["smoother_error"].values,
            tolerance=1e-8,
            source="selfdistill.theory.distill_linearised",
        ),
        Claim.theorem(
            "J2",
            "The exact softmax leaves this linearisation at second order in 1/λ (order measured).",
            2.0,
            data["linearisation_order"].values,
            tolerance=0.2,
            source="selfdistill.theory.distill_linearised",
        ),
        Claim.theorem(
            "J4",
            "Label averaging equals solving the linearised problem on the gram round by round.",
            0.0,
            data["averaging_error"].values,
            tolerance=1e-10,
            source="selfdistill.theory.ClusteredFeatures.outputs",
        ),
    ]


def draw(data: xr.Dataset) -> Figure:
    """Draw one panel a sample."""
    figure, (panels,) = new_figure(3, width=3.9, height=3.6)
    true = [0, 0, data.attrs["digit_true"]]
    given = [0, 1, data.attrs["digit_given"]]
    titles = ["Clusters, right label", "Clusters, wrong label", "Digit, wrong label"]
    for i, panel in enumerate(panels):
        outputs = data["outputs"].isel(sample=i)
        classes = np.flatnonzero(np.isfinite(outputs.isel(source=0, round=0)))
        others = [k for k in classes if k not in (true[i], given[i])]
        if len(others) > MOST_CURVES:
            spread = outputs.sel(source="predicted")[:, others]
            panel.fill_between(data["round"], spread.min("class"), spread.max("class"), color="0.85", lw=0)
            panel.plot([], [], color="0.85", lw=6, label="range of the others, predicted")
            classes = np.array([true[i], given[i]])
        for k in classes:
            colour = COLOURS[0] if k == true[i] else COLOURS[1] if k == given[i] else "0.6"
            label = {COLOURS[0]: "true class", COLOURS[1]: "given label"}.get(colour, "other classes")
            shown = label not in panel.get_legend_handles_labels()[1]
            predicted, exact = outputs.sel(source="predicted")[:, k], outputs.sel(source="exact")[:, k]
            panel.plot(data["round"], predicted, color=colour, label=label if shown else None)
            panel.plot(data["round"], exact, "o", ms=4, color=colour, alpha=0.8)
        panel.plot([], [], "o", ms=4, color="0.3", label="exact softmax")
        panel.plot([], [], color="0.3", label="predicted")
        rounds_axis(panel)
        panel.set(title=titles[i], ylim=(-0.03, 1.03))
        panel.axhline(1 / (len(others) + len({true[i], given[i]})), color="0.8", lw=0.8, zorder=0)
    panels[0].set_ylabel("output")
    named = {
        text: handle
        for panel in panels[1:]
        for handle, text in zip(*panel.get_legend_handles_labels(), strict=True)
    }
    figure.legend(list(named.values()), list(named), loc="outside lower center", ncols=6)
    return figure
