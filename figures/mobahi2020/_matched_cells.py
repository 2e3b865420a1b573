"""The networks that several figures share: which data, training errors, widths and depths, and how they are scored."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import xarray as xr

from ...empirical.experiments.matched import MatchedConfig, measure_matched
from ..scale import Scale

# Data and the share of flipped labels: chosen for unlike spectra and targets, so that the number of rounds
# differs between them at the same ε (on seeds from 900 on, which no claim uses).
PROBLEMS = (
    ("digits-0-1", 0.0),
    ("digits-3-8", 0.1),
    ("digits-4-9", 0.3),
    ("breast_cancer", 0.1),
    ("diabetes", 0.0),
)
EPSILONS = (0.3, 0.15, 0.08, 0.04, 0.02, 0.01, 0.002)
FINE = (*EPSILONS, 0.005, 0.003, 0.001)
MIDDLE = 0.01
WIDE = (32, 128, 512, 2048)
Values = npt.NDArray[np.float64]


def configurations(scale: Scale) -> list[MatchedConfig]:
    """Every problem and draw: all ε at the smallest width, and wider, shallower or nearly ReLU networks at one ε.

    At full scale, every ε at every width and depth.
    """
    problems = scale.choose(smoke=PROBLEMS[1:3], quick=PROBLEMS, full=PROBLEMS)
    draws = scale.choose(smoke=2, quick=2, thorough=6, full=20)
    every = scale.choose(smoke=EPSILONS[1:3], quick=EPSILONS, full=FINE)
    widths = scale.choose(smoke=(32, 64), quick=(32, 128, 512), full=WIDE)
    if scale.name != "full":
        middle = (every[-1] if scale.name == "smoke" else MIDDLE,)
        sizes = [(widths[0], 2, every), *((width, 2, middle) for width in widths[1:]), (widths[1], 1, middle)]
    else:
        sizes = [(width, depth, every) for width in widths for depth in (1, 2)]
    return [
        MatchedConfig(data, epsilon, width, 1000 * scale.seed + draw, depth=depth, label_noise=noise)
        for width, depth, epsilons in sizes
        for epsilon in epsilons
        for data, noise in problems
        for draw in range(draws)
    ] + [
        MatchedConfig(
            data, middle, widths[1], 1000 * scale.seed + draw, label_noise=noise, activation="sharp gelu"
        )
        for middle in (every[-1] if scale.name == "smoke" else MIDDLE,)
        for data, noise in problems
        for draw in range(draws if scale.name == "full" else draws // 2)
    ]


def measure_networks(scale: Scale) -> xr.Dataset:
    """Measure every configuration and stack them along `cell`; `draw` names the independent samples of data."""
    configs = configurations(scale)
    data = xr.concat(scale.map(measure_matched, configs), dim="cell", join="outer")
    for name in ("data", "epsilon", "width", "depth", "activation", "seed"):
        data[name] = "cell", [getattr(config, name) for config in configs]
    return data.assign(draw=("cell", [f"{config.data}, draw {config.seed}" for config in configs]))


def settled(data: xr.Dataset) -> xr.Dataset:
    """Keep the cells whose network was certified optimal in every round and ran to its collapse."""
    return data.isel(cell=np.flatnonzero((data["converged"] == 1) & (data["limit_reached"] == 0)))


def left_out(data: xr.Dataset) -> str:
    """Say how many cells `settled` leaves out, and why."""
    unsettled, cut = int((data["converged"] == 0).sum()), int((data["limit_reached"] == 1).sum())
    return (
        f"{unsettled} of {data.sizes['cell']} cells with a fit that did not meet the optimality tolerance and "
        f"{cut} cut short by the limit of rounds are left out."
    )


def by_draw(data: xr.Dataset, values: npt.ArrayLike) -> Values:
    """Average values of cells (cells, ...) over the cells of each draw of data: (draws, ...)."""
    names, rows = data["draw"].values, np.asarray(values, float)
    return np.stack([np.nanmean(rows[names == name], axis=0) for name in dict.fromkeys(names)])


def predicted_rounds(data: xr.Dataset) -> dict[str, Values]:
    """Number of rounds that each rule predicts in every cell, theory first.

    "Best constant per ε" and "other draws" are told what networks did: the median of all cells of the same ε,
    and of the other draws of the same data and ε at the same size.
    """
    measured = data["rounds"].sel(source="network").values
    epsilon = data["epsilon"].values
    parts = [data[name].values.astype(str) for name in ("width", "depth", "activation")]
    size = np.array([" ".join(part) for part in zip(*parts, strict=True)])
    alike = (epsilon[:, None] == epsilon) & (data["data"].values[:, None] == data["data"].values)
    others = alike & (size[:, None] == size) & ~np.eye(len(epsilon), dtype=bool)
    rounds = {name: data["rounds"].sel(source=name).values for name in data["source"].values}
    return {
        "its own tangent kernel": rounds["theory"],
        "infinite-width ReLU kernel": rounds["infinite width"],
        "RBF kernel, median bandwidth": rounds["rbf"],
        "best constant per ε, in hindsight": np.array([np.median(measured[epsilon == e]) for e in epsilon]),
        "other draws of the same data": np.array(
            [np.median(measured[row]) if row.any() else np.nan for row in others]
        ),
        "lower bound ⌈r₀ − 1⌉": np.ceil(data["lower_bound"].values - 1e-9),
        "upper bound": data["upper_bound"].values.astype(float),
    }
