"""The gram ordered by class: blocks of the model and of real features, and the superclasses that they form.

Above, the clustered model (1 on the diagonal, c inside classes, d across), a draw of noisy features whose expected gram
is that model, hidden-layer features of real digits, whose mean correlations set c and d, and their eigenvalues: the
model has three distinct ones (line), which alone decide how self-distillation averages labels. Below, the mean
correlation of every pair of classes, on features of a network that learned true and one that learned noisy labels; the
tree of classes by complete linkage, cut (dashes) at 0.8 of its height into the superclasses of superclass noise; and c,
d and their spread over pairs of classes for four kinds of features.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from ...empirical.experiments.learned_features import FeatureKind, ProbeData, digits_features
from ...theory import ClusteredFeatures
from ...theory.labels.noise import LINKAGE_CUT
from ..claim import Claim
from ..reference import Array
from ..scale import Scale
from ..style import COLOURS, THEORY, new_figure

RIDGE = 1e-3  # has no part in the gram
KINDS: dict[FeatureKind, str] = {
    "clean network": "network, true labels",
    "noisy network": "network, noisy labels",
    "random relu": "random ReLU layer",
    "pixels": "pixels",
}
ALLOWED = 0.25


def class_correlations(data: ProbeData) -> Array:
    """Mean correlation of the samples of every two classes, of different samples on the diagonal: (K, K)."""
    k = data.n_classes
    indicator = (data.labels[:, None] == np.arange(k)).astype(float)
    sums = indicator.T @ data.features
    counts = indicator.sum(axis=0)
    pairs = np.outer(counts, counts) - np.diag(counts)
    return np.asarray((sums @ sums.T - np.diag(counts)) / pairs)  # rows of features have length 1


def class_tree(correlations: Array, sizes: Array) -> Array:
    """Complete linkage of ``1 − mean cosine similarity`` of classes, as superclasses are found by."""
    own = (
        np.diag(correlations) * (sizes - 1) + 1
    ) / sizes  # a class's mean over all its pairs has the diagonal too
    similarity = correlations - np.diag(np.diag(correlations)) + np.diag(own)
    distance = 1 - similarity
    return np.asarray(
        hierarchy.linkage(squareform(distance - np.diag(np.diag(distance)), checks=False), "complete")
    )


def measure(scale: Scale) -> xr.Dataset:
    """Grams and eigenvalues, draws of noisy clusters, and correlations of classes on four kinds of features."""
    per_class = scale.choose(smoke=10, quick=30, full=60)
    every = {kind: digits_features(kind, 1000, 100, scale.seed, scale.device) for kind in KINDS}
    data = every["clean network"]
    correlations = np.stack([class_correlations(kind) for kind in every.values()])
    tree = class_tree(correlations[0], np.bincount(data.labels))
    order = hierarchy.leaves_list(tree)
    chosen = np.concatenate([np.flatnonzero(data.labels == k)[:per_class] for k in order])
    x = data.features[chosen]
    diagonal = np.eye(data.n_classes, dtype=bool)
    within, across = correlations[0][diagonal].mean(), correlations[0][~diagonal].mean()
    model = ClusteredFeatures(data.n_classes, per_class, float(within), float(across), RIDGE)
    draws = [
        model.draw_features(x.shape[1], scale.rng(1, draw))
        for draw in range(scale.choose(smoke=3, quick=12, full=40))
    ]
    grams = np.stack([model.gram(), draws[0] @ draws[0].T, x @ x.T])
    predicted = np.sort(np.repeat(model.gram_eigenvalues(), model.multiplicities()))[::-1]
    leading = np.stack([np.linalg.eigvalsh(draw @ draw.T)[::-1][: data.n_classes] for draw in draws])
    return xr.Dataset(
        {
            "gram": (("features", "row", "column"), grams),
            "eigenvalue": (("features", "rank"), np.linalg.eigvalsh(grams)[:, ::-1]),
            "predicted_eigenvalue": ("rank", predicted),
            "leading_deviation": (("draw", "leading"), leading / predicted[: data.n_classes] - 1),
            "correlation": (("kind", "class", "other_class"), correlations),
            "tree": (("merge", "column_of_tree"), tree),
            "tree_order": ("class", order),
        },
        coords={"features": ["model", "noisy clusters", "digits"], "kind": list(KINDS)},
        attrs={"per_class": per_class},
    )


def claims(data: xr.Dataset) -> list[Claim]:
    """The model's eigenvalues, and those of draws around it."""
    predicted = data["predicted_eigenvalue"].values
    draws = data["leading_deviation"]
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
            "The K leading eigenvalues of features drawn from the model are the model's to 25 % on average.",
            abs(draws).mean("leading").values,
            relation="≤",
            predicted=ALLOWED,
            source="selfdistill.theory.ClusteredFeatures.draw_features",
            note=f"Mean absolute deviation over the K, one sample a draw; with sign {float(draws.mean()):+.3f}: noise "
            "spreads eigenvalues apart.",
        ),
    ]


def draw(data: xr.Dataset) -> Figure:
    """Grams and spectra above; correlations of classes, their tree and a table below."""
    figure, axes = new_figure(4, 2, width=3.5, height=3.2)
    order = data["tree_order"].values
    titles = ["Clustered model", "Noisy clusters", "Digits, hidden layer"]
    for panel, gram, title in zip(axes[0], data["gram"].values, titles, strict=False):
        image = panel.imshow(gram, cmap="viridis", vmin=min(0, data["gram"].min()), vmax=1)
        ticks = (np.arange(len(order)) + 0.5) * data.attrs["per_class"]
        named = title.startswith("Digits")
        panel.set(
            title=title,
            xlabel="sample, by class",
            xticks=ticks if named else [],
            yticks=ticks if named else [],
        )
        if named:
            panel.set_xticklabels(order)
            panel.set_yticklabels(order)
    figure.colorbar(image, ax=list(axes[0, :3]), label="k(x, x′)", shrink=0.8)
    _draw_spectra(axes[0, 3], data)
    for panel, kind in zip(axes[1, 1:], ("clean network", "noisy network"), strict=False):
        values = data["correlation"].sel(kind=kind).values[np.ix_(order, order)]
        image = panel.imshow(values, cmap="viridis", vmin=0, vmax=float(data["correlation"][:2].max()))
        panel.set(title=f"Classes: {KINDS[kind]}", xticks=range(len(order)), yticks=range(len(order)))  # type: ignore[index]
        panel.set_xticklabels(order)
        panel.set_yticklabels(order)
    figure.colorbar(image, ax=list(axes[1, 1:3]), label="mean correlation", shrink=0.8)
    _draw_tree(axes[1, 0], data)
    _draw_table(axes[1, 3], data)
    return figure


def _draw_spectra(axes: Axes, data: xr.Dataset) -> None:
    rank = np.arange(1, data.sizes["rank"] + 1)
    axes.plot(rank, data["predicted_eigenvalue"], color=THEORY, label="model, predicted")
    for name, colour in zip(["noisy clusters", "digits"], COLOURS[1:3], strict=True):
        values = data["eigenvalue"].sel(features=name).values
        axes.plot(rank, np.maximum(values, 1e-3), ".", ms=3, color=colour, label=name)
    axes.set(xscale="log", yscale="log", xlabel="rank", ylabel="eigenvalue of the gram", title="Spectra")
    axes.set_ylim(bottom=1e-2)
    axes.legend()


def _draw_tree(axes: Axes, data: xr.Dataset) -> None:
    tree = data["tree"].values
    cut = LINKAGE_CUT * tree[:, 2].max()
    hierarchy.dendrogram(tree, ax=axes, color_threshold=cut, above_threshold_color="0.5", leaf_font_size=8)
    axes.axhline(cut, color="0.5", ls="--", lw=1)
    axes.set(title="Tree of classes, true labels", xlabel="digit", ylabel="1 − mean similarity")


def _draw_table(axes: Axes, data: xr.Dataset) -> None:
    k = data.sizes["class"]
    diagonal = np.eye(k, dtype=bool)
    rows = []
    for values in data["correlation"].values:
        within, across = values[diagonal], values[~diagonal]
        rows.append([f"{part.mean():.2f} ± {part.std():.2f}" for part in (within, across)])
    axes.axis("off")
    table = axes.table(rows, rowLabels=list(KINDS.values()), colLabels=["c", "d"], loc="center right", cellLoc="center",
                       colWidths=[0.3, 0.3])  # fmt: skip
    table.auto_set_font_size(False)
    table.set_fontsize(8)
    table.scale(1, 1.5)
    axes.set_title("Mean ± spread over classes")
