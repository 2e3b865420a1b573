"""Settings of the soft-label experiments at each scale, and what their figures share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import xarray as xr
from matplotlib.axes import Axes

from ..empirical.data.problems import Problems
from ..empirical.experiments.comparison import Comparison, compare
from .intervals import t_half_width
from .scale import Scale
from .style import COLOURS

Config = TypeVar("Config")


@dataclass(frozen=True)
class Setting:
    """Where methods are compared: its name in legends, and what is trained."""

    name: str
    comparison: Comparison

    @property
    def deep(self) -> bool:
        """Whether a network fills a machine by itself: then every seed is a unit of its own."""
        return self.comparison.network != "mlp"

    def units(self) -> list[Comparison]:
        """Return what is trained together and kept together."""
        return self.comparison.each_seed() if self.deep else [self.comparison]


def settings(scale: Scale) -> list[Setting]:
    """Digits with and without noise; at full scale also CIFAR-100 with a ResNet and a DenseNet."""
    small = [
        Setting("clean digits", digits(scale, 0.0)),
        Setting("digits, 40 % of labels moved", digits(scale, 0.4)),
    ]
    return small + scale.choose(smoke=[], quick=[], full=images(scale))


def digits(scale: Scale, noise: float) -> Comparison:
    """Small networks on digits, with one problem a seed."""
    n_train, n_validation, n_test = scale.choose(
        smoke=(120, 100, 200), quick=(500, 400, 800), full=(500, 400, 800)
    )
    seeds = _seeds(scale, scale.choose(smoke=2, quick=12, full=20))
    return Comparison(
        Problems("digits", n_train, n_validation, n_test, noise, seeds),
        hidden=scale.choose(smoke=(16,), quick=(64, 64), full=(256, 256)),
        epochs=scale.choose(smoke=4, quick=40, full=150),
        device=scale.device,
    )


def images(scale: Scale) -> list[Setting]:
    """CIFAR-100 at the papers' sizes: all training images, half the test images to tune on, half to test."""
    problems = Problems("cifar100", 50_000, 5_000, 5_000, noise=0.0, seeds=_seeds(scale, 3))
    resnet = Comparison(
        problems, network="resnet18", hidden=(64,), epochs=60, batch_size=128, learning_rate=0.1,
        decay_scale=0.05, device=scale.device,
    )  # fmt: skip
    densenet = replace(resnet, network="densenet100", hidden=(12,))
    return [Setting("CIFAR-100, ResNet-18", resnet), Setting("CIFAR-100, DenseNet-100", densenet)]


# Learning rate, widths and grids were settled on seeds 0 to 4; claims are judged on others.
UNSEEN = 10


def _seeds(scale: Scale, n: int) -> tuple[int, ...]:
    first = 1000 * scale.seed + UNSEEN
    return tuple(range(first, first + n))


def data_sets(scale: Scale) -> set[str]:
    """Names of the data that must be there besides the bundled sets."""
    return {s.comparison.problems.data for s in settings(scale)} - {"digits"}


def over_settings(
    scale: Scale, measure: Callable[[Config], xr.Dataset], build: Callable[[Setting, Comparison], Config]
) -> xr.Dataset:
    """Measure something in every setting.

    Parameters
    ----------
    scale : Scale
    measure : callable
        Pure, from a configuration to a dataset with the dimension ``seed``.
    build : callable
        Makes the configuration of a setting's unit.

    Returns
    -------
    xarray.Dataset
        With the dimension ``setting``; NaN where a setting has fewer seeds, epochs or other entries.
    """
    chosen = settings(scale)
    units = [(setting, unit) for setting in chosen for unit in setting.units()]
    results = scale.map(measure, [build(setting, unit) for setting, unit in units])
    joined = []
    for setting in chosen:
        parts = [r for (owner, _), r in zip(units, results, strict=True) if owner is setting]
        joined.append(xr.concat(parts, dim="seed", data_vars="minimal", coords="minimal"))
    names = [setting.name for setting in chosen]
    return xr.concat(joined, dim="setting", join="outer").assign_coords(setting=names)


def compared(scale: Scale) -> xr.Dataset:
    """Return the comparison table over (setting, method, seed): one measurement for all artefacts that show it."""
    return over_settings(scale, compare, lambda _, unit: unit)


def tables(data: xr.Dataset) -> Iterator[tuple[str, xr.Dataset]]:
    """Name and data of every setting, without entries that only other settings have."""
    for i, name in enumerate(data["setting"].values):
        table = data.isel(setting=i)
        for dim in ("seed", "epoch", "factor"):
            if dim in table.dims:
                table = table.dropna(dim, how="all")
        yield str(name), table


def paired(table: xr.Dataset, metric: str, method: str, rival: str) -> npt.NDArray[np.float64]:
    """Difference of a metric between two methods, seed by seed (both learn the same problems)."""
    values = table[metric]
    # As a mapping: xarray has an option of its own called `method`.
    return np.asarray(values.sel({"method": method}) - values.sel({"method": rival}), float)


def dots(axes: Axes, data: xr.Dataset, metric: str, *, scale: float = 1.0) -> None:
    """Mean and 95 % interval of each method (rows), in each setting (colours)."""
    rows = np.arange(data.sizes["method"])
    n = data.sizes["setting"]
    for i, (name, table) in enumerate(tables(data)):
        values = np.asarray(table[metric].transpose("seed", "method"), float) * scale
        axes.errorbar(
            values.mean(axis=0), rows + 0.6 / n * (i - (n - 1) / 2), xerr=t_half_width(values), fmt="o",
            markersize=4, capsize=2, color=COLOURS[i], label=name,
        )  # fmt: skip
    axes.set_yticks(rows, list(data["method"].values))
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(axis="x", alpha=0.3)
