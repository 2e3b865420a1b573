"""The gram ordered by class: blocks of the model, of noisy clusters, and of real features.

Left to right: the clustered model (1 on the diagonal, c inside classes, d across), a draw of noisy features whose
expected gram is that model, and hidden-layer features of real digits, whose mean correlations inside and across
classes set c and d. Last: their eigenvalues. The model has three distinct ones (lines), which alone decide how
self-distillation averages labels; the spectrum of real features is drawn beside them.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from ...empirical.experiments.learned_features import digits_features
from ...theory import ClusteredFeatures
from ..claim import Claim
from ..scale import Scale
from ..style import COLOURS, THEORY, new_figure

RIDGE = 1e-3  # has no part in the gram


def measure(scale: Scale) -> xr.Dataset:
    """Measure the three grams and their eigenvalues."""
    per_class = scale.choose(smoke=10, quick=30, full=60)
    data = digits_features("clean network", 1000, 100, scale.seed, scale.device)
    chosen = np.concatenate([np.flatnonzero(data.labels == k)[:per_class] for k in range(data.n_classes)])
    x, labels = data.features[chosen], data.labels[chosen]
    real = x @ x.T
    same = labels[:, None] == labels
    within, across = real[same & ~np.eye(len(x), dtype=bool)].mean(), real[~same].mean()
    model = ClusteredFeatures(data.n_classes, per_class, float(within), float(across), RIDGE)
    noisy = model.draw_features(x.shape[1], scale.rng(1))
    grams = np.stack([model.gram(), noisy @ noisy.T, real])
    return xr.Dataset(
        {
            "gram": (("features", "row", "column"), grams),
            "eigenvalue": (("features", "rank"), np.linalg.eigvalsh(grams)[:, ::-1]),
            "predicted_eigenvalue": (
                "rank",
                np.sort(np.repeat(model.gram_eigenvalues(), model.multiplicities()))[::-1],
            ),
        },
        coords={"features": ["model", "noisy clusters", "digits"]},
        attrs={"within": float(within), "across": float(across), "per_class": per_class},
    )


def claims(data: xr.Dataset) -> list[Claim]:
    """J3 on the model's gram; J14 on noisy clusters and digits."""
    predicted = data["predicted_eigenvalue"].values
    noisy = data["eigenvalue"].sel(features="noisy clusters").values
    k = len(predicted) // data.attrs["per_class"]
    return [
        Claim.theorem(
            "J3",
            "The gram of clustered features has the three predicted eigenvalues, as often as predicted.",
            predicted,
            data["eigenvalue"].sel(features="model").values,
            tolerance=1e-9 * predicted[0],
            source="selfdistill.theory.ClusteredFeatures.gram_eigenvalues",
        ),
        Claim.from_samples(
            "J14",
            "Features drawn so that their expected gram is the model's have its K leading eigenvalues to 25 %.",
            noisy[:k] / predicted[:k] - 1,
            relation="=",
            tolerance=0.25,
            source="selfdistill.theory.ClusteredFeatures.draw_features",
            note="One draw; the samples are the K leading eigenvalues. Noise on entries would give no gram.",
        ),
    ]


def draw(data: xr.Dataset) -> Figure:
    """Draw the three grams and the spectra."""
    figure, axes = new_figure(4, width=3.6, height=3.4)
    titles = ["Clustered model", "Noisy clusters", "Digits, hidden layer"]
    panels = axes[0, :3]
    for panel, gram, title in zip(panels, data["gram"].values, titles, strict=True):
        image = panel.imshow(gram, cmap="viridis", vmin=min(0, data["gram"].min()), vmax=1)
        ticks = (np.arange(10) + 0.5) * data.attrs["per_class"]
        panel.set(title=title, xlabel="sample, by class", xticks=ticks, yticks=ticks)
        panel.set_xticklabels(range(10))
        panel.set_yticklabels(range(10))
    panels[0].set_ylabel("sample, by class")
    figure.colorbar(image, ax=list(panels), label="k(x, x′)", shrink=0.75)
    right = axes[0, 3]
    rank = np.arange(1, data.sizes["rank"] + 1)
    right.plot(rank, data["predicted_eigenvalue"], color=THEORY, label="model, predicted")
    for name, colour in zip(["noisy clusters", "digits"], COLOURS[1:3], strict=True):
        values = data["eigenvalue"].sel(features=name).values
        right.plot(rank, np.maximum(values, 1e-3), ".", ms=3, color=colour, label=name)
    right.set(xscale="log", yscale="log", xlabel="rank", ylabel="eigenvalue of the gram", title="Spectra")
    right.set_ylim(bottom=1e-2)
    right.legend()
    return figure
