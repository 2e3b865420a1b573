"""Accuracy over rounds on real digits: predicted, exact softmax and trained probes, for several noise rates.

Linear probes on hidden-layer features of digits with symmetric label noise, every round trained on the previous
round's outputs. Lines: predicted from the gram alone by ridge regression (softmax linearised). Dashes: the exact
softmax regression. Markers with 95 % intervals over seeds: probes trained with minibatch SGD and weight decay. Left
against the true labels of the training points, right on test points.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from ...empirical.experiments.label_rounds import LabelRounds, label_rounds
from ..claim import Claim
from ..intervals import t_half_width
from ..scale import Scale
from ..style import COLOURS, new_figure, possible, rounds_axis

RATES = (0.2, 0.5, 0.7)
RIDGE = 3e-4
ALLOWED = 0.05


def measure(scale: Scale) -> xr.Dataset:
    """Measure all seeds and stack them."""
    seeds = range(scale.choose(smoke=2, quick=4, full=10))
    units = scale.map(
        label_rounds,
        [
            LabelRounds(
                "clean network",
                tuple(("symmetric", rate) for rate in RATES),
                RIDGE,
                rounds=scale.choose(smoke=2, quick=6, full=10),
                n_train=scale.choose(smoke=200, quick=600, full=900),
                n_test=scale.choose(smoke=100, quick=397, full=397),
                epochs=scale.choose(smoke=5, quick=15, full=60),
                seed=scale.seed * 100 + seed,
                device=scale.device,
                students=(),
            )
            for seed in seeds
        ],
    )
    return xr.concat(units, "seed")


def claims(data: xr.Dataset) -> list[Claim]:
    """J12: the error of both predictions."""
    test = data["accuracy"].sel(part="test").transpose("seed", "source", "cell", "round")
    network = test.sel(source="network").values
    error = {
        source: np.abs(test.sel(source=source).values - network).mean(axis=(1, 2))
        for source in ("predicted", "exact")
    }
    return [
        Claim.from_samples(
            "J12",
            "The linearised prediction from the real gram is within five points of the probes' test accuracy, "
            "on average over rounds and noise rates.",
            error["predicted"],
            relation="≤",
            predicted=ALLOWED,
            source="selfdistill.theory.distill_linearised",
            note="Mean absolute difference of accuracies, one sample a seed.",
        ),
        Claim.from_samples(
            "J12b",
            "The exact softmax is within two points of the probes' test accuracy.",
            error["exact"],
            relation="≤",
            predicted=0.02,
            source="selfdistill.theory.SoftmaxRegression",
            note="What remains is the training: minibatches and a finite number of epochs.",
        ),
    ]


def draw(data: xr.Dataset) -> Figure:
    """Draw accuracy over rounds on training and test points."""
    figure, (panels,) = new_figure(2, width=4.8, height=3.8)
    titles = {"train": "True labels of the training points", "test": "Test points"}
    for panel, part in zip(panels, titles, strict=True):
        for i, rate in enumerate(data["rate"].values):
            accuracy = 100 * data["accuracy"].sel(part=part).isel(cell=i)
            name = f"noise rate {rate:g}"
            measured = accuracy.sel(source="network").transpose("seed", "round").values
            panel.plot(
                data["round"], accuracy.sel(source="predicted").mean("seed"), color=COLOURS[i], label=name
            )
            panel.plot(data["round"], accuracy.sel(source="exact").mean("seed"), "--", color=COLOURS[i])
            panel.errorbar(
                data["round"],
                measured.mean(axis=0),
                t_half_width(measured),
                fmt="o",
                ms=4,
                capsize=2,
                color=COLOURS[i],
            )
        rounds_axis(panel)
        panel.set_title(titles[part])
        possible(panel, 0.0, 100.0)
    panels[0].set_ylabel("accuracy (%)")
    panels[1].plot([], [], color="0.3", label="predicted (linearised)")
    panels[1].plot([], [], "--", color="0.3", label="exact softmax")
    panels[1].errorbar([], [], [], fmt="o", ms=4, color="0.3", capsize=2, label="SGD probes")
    figure.legend(*panels[1].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure
