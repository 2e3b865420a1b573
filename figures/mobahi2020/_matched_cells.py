"""The networks that several figures share: which data, training errors, widths and depths, and how they are scored."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt
import xarray as xr

from ...empirical.data.own import DataSource, OwnData
from ...empirical.experiments.matched import MatchedConfig, measure_matched
from ...theory import InputError
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


def bundled(scale: Scale) -> tuple[tuple[str, float], ...]:
    """Bundled data and the share of flipped labels."""
    return scale.choose(smoke=PROBLEMS[1:3], quick=PROBLEMS, full=PROBLEMS)


def problems(scale: Scale) -> tuple[tuple[DataSource, float], ...]:
    """Data and share of flipped labels; of a reader's own classes the two commonest, as they are and with noise."""
    if scale.data is None:
        return bundled(scale)
    own = scale.data.two_commonest()
    return tuple((own, noise) for noise in ((0.0, 0.1, 0.3) if own.classes else (0.0,)))


def plan(scale: Scale) -> list[MatchedConfig]:
    """Every problem and draw: all ε at the smallest width, and wider, shallower or nearly ReLU networks at one ε.

    At full scale, every ε at every width and depth.
    """
    every = scale.choose(smoke=EPSILONS[1:3], quick=EPSILONS, full=FINE)
    widths = scale.choose(smoke=(32, 64), quick=(32, 128, 512), full=WIDE)
    middle = every[-1] if scale.name == "smoke" else MIDDLE
    if scale.name != "full":
        networks = [
            (widths[0], 2, every), *((width, 2, (middle,)) for width in widths[1:]), (widths[1], 1, (middle,))
        ]  # fmt: skip
    else:
        networks = [(width, depth, every) for width in widths for depth in (1, 2)]
    samples = draws(scale, scale.choose(smoke=2, quick=2, thorough=6, full=20))
    nearly = draws(scale, scale.choose(smoke=1, quick=1, thorough=3, full=20))
    return [
        sample(epsilon, width, depth=depth)
        for width, depth, epsilons in networks
        for epsilon in epsilons
        for sample in samples
    ] + [sample(middle, widths[1], activation="sharp gelu") for sample in nearly]


def draws(scale: Scale, n: int) -> list[Callable[..., MatchedConfig]]:
    """Configurations of `n` draws of every problem, which lack ε and width.

    Draws of a reader's own data are as many in all, and each is another sample, whatever the labels flipped in it.
    """
    n_train, n_test = drawn(scale, 30)
    each = problems(scale)
    if scale.data is not None:
        n = max(1, n * len(bundled(scale)) // len(each))
    found: list[Callable[..., MatchedConfig]] = []
    for i, (data, noise) in enumerate(each):
        first = 1000 * scale.seed + (100 * i if scale.data else 0)
        found += [
            partial(MatchedConfig, data, seed=first + draw, label_noise=noise, n_train=n_train, n_test=n_test)
            for draw in range(n)
        ]
    return found


def drawn(scale: Scale, n_train: int) -> tuple[int, ...]:
    """Numbers of training and test points of every draw; fewer where the reader's own data have not so many."""
    return (n_train, 100) if scale.data is None else scale.data.two_commonest().sizes(n_train, 100, least=12)


def measure_networks(scale: Scale) -> xr.Dataset:
    """Measure every configuration and stack them along `cell`; `draw` names the independent samples of data."""
    configs = plan(scale)
    data = xr.concat(scale.map(measure_matched, configs), dim="cell", join="outer")
    for name in ("epsilon", "width", "depth", "activation", "seed"):
        data[name] = "cell", [getattr(config, name) for config in configs]
    named = [_named(config) for config in configs]
    draw = [f"{name}, draw {config.seed}" for name, config in zip(named, configs, strict=True)]
    return data.assign(data=("cell", named), draw=("cell", draw))


def _named(config: MatchedConfig) -> str:
    """What a cell's data are called: one's own come with several shares of flipped labels."""
    flipped = config.label_noise if isinstance(config.data, OwnData) else 0
    return f"{config.data}, {100 * flipped:.0f} % flipped" if flipped else str(config.data)


def settled(data: xr.Dataset) -> xr.Dataset:
    """Keep the cells whose network was certified optimal in every round and ran to its collapse.

    Raises
    ------
    InputError
        If there is none, as on data in which samples contradict one another.
    """
    kept = data.isel(cell=np.flatnonzero((data["converged"] == 1) & (data["limit_reached"] == 0)))
    if not kept.sizes["cell"]:
        raise InputError(
            f"no network reached its training error and collapsed on {', '.join(dict.fromkeys(data['data'].values))}: "
            "there is nothing to compare. Do samples contradict one another?"
        )
    return kept


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
    means = [known_mean(rows[names == name]) for name in dict.fromkeys(names)]
    return np.stack(means) if means else np.empty((0, *rows.shape[1:]))


def known_mean(values: npt.ArrayLike, axis: int = 0) -> Values:
    """Mean over an axis of what is not NaN; NaN where all is."""
    rows = np.asarray(values, float)
    known = np.isfinite(rows).sum(axis=axis)
    return np.where(known > 0, np.nansum(rows, axis=axis) / np.maximum(known, 1), np.nan)


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
