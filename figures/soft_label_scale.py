"""The soft-label experiments at each scale: where methods are compared, which students, how many seeds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import xarray as xr
from matplotlib.axes import Axes

from ..empirical.data.own import OwnData
from ..empirical.data.problems import Problems
from ..empirical.experiments.soft_labels.setup import Comparison
from ..empirical.experiments.soft_labels.students import Student, Study, measure_students
from ..empirical.methods.catalogue import CROSS_ENTROPY
from ..empirical.methods.method import Method
from ..empirical.training.architectures import SMALL
from .intervals import t_half_width
from .scale import Scale
from .soft_label_settings import (
    CONVOLUTIONAL,
    DECAY,
    HUNDRED_CLASSES,
    OVERCONFIDENT,
    PUBLISHED,
    published,
    settled,
)
from .soft_label_settings import UNSEEN as UNSEEN
from .style import COLOURS

SEEDS_TOGETHER = 8


@dataclass(frozen=True)
class Setting:
    """Where students are compared: its name in legends, and what is trained."""

    name: str
    comparison: Comparison

    def parts(self) -> list[Comparison]:
        """Return what is trained and kept together: some seeds, or one of networks that fill a machine alone."""
        alone = self.comparison.network not in SMALL
        return self.comparison.in_parts(1 if alone else SEEDS_TOGETHER)


def overconfident(scale: Scale, *, quick: int = 6, thorough: int = 60) -> Setting:
    """Digits with noisy pixels, which small networks fit and are too sure of: the papers' starting point."""
    return Setting("overconfident digits", sized(scale, OVERCONFIDENT, quick, thorough))


def hundred_classes(scale: Scale, *, quick: int = 3, thorough: int = 40) -> Setting:
    """A hundred classes that share digits: soft labels carry structure."""
    return Setting("a hundred classes", sized(scale, HUNDRED_CLASSES, quick, thorough))


def convolutional(scale: Scale, *, quick: int = 2, thorough: int = 60) -> Setting:
    """The hundred classes again, learned by a small convolutional network."""
    return Setting("a hundred classes, convolutional", sized(scale, CONVOLUTIONAL, quick, thorough))


def own_setting(scale: Scale, data: OwnData, *, quick: int = 8, thorough: int = 40) -> Setting:
    """A reader's own classes, by the networks that learn overconfident digits."""
    n_train = scale.choose(smoke=100, quick=300, full=300)
    sizes = data.sizes(n_train, 2 * n_train // 3, 5 * n_train // 3, least=20)
    named = dict(zip(("n_train", "n_validation", "n_test"), sizes, strict=True))
    problems = Problems(data, **named, seeds=(UNSEEN,))
    return Setting(str(data), sized(scale, replace(OVERCONFIDENT, problems=problems), quick, thorough))


def plan_compared(scale: Scale) -> list[Setting]:
    """Where every method is compared: on two regimes of digits, or on the reader's own data."""
    if scale.data is not None:
        return [own_setting(scale, scale.data)]
    return [overconfident(scale), hundred_classes(scale, thorough=70)]


def contrast(scale: Scale) -> list[Setting]:
    """Digits as they are, and with 40 % of the labels moved: underconfident networks, for contrast."""
    own = replace(OVERCONFIDENT, hidden=(64, 64), epochs=30, batch_size=100)
    problems = Problems("digits", 500, 300, 900, seeds=(UNSEEN,))
    return [
        Setting(name, sized(scale, replace(own, problems=replace(problems, noise=noise)), 4, 12))
        for name, noise in (("clean digits", 0.0), ("digits, 40 % of labels moved", 0.4))
    ]


def images(scale: Scale) -> list[Setting]:
    """CIFAR-100 at the papers' sizes at full scale: all training images, half the test images to tune on."""
    problems = Problems("cifar100", 50_000, 5_000, 5_000, seeds=seeds(scale, 3))
    resnet = Comparison(
        problems, network="resnet34", hidden=(64,), epochs=150, batch_size=128, learning_rate=0.1,
        device=scale.device, augmentation="crop and flip", tuning_seeds=(),
    )  # fmt: skip
    found = [Setting("CIFAR-100, ResNet-34", resnet)]
    return scale.choose(smoke=[], quick=[], full=found)


def sized(scale: Scale, comparison: Comparison, quick: int, thorough: int) -> Comparison:
    """A comparison with the seeds of a scale; at smoke scale also with less of everything."""
    n = scale.choose(smoke=2, quick=quick, thorough=thorough, full=2 * thorough)
    problems = replace(comparison.problems, seeds=seeds(scale, n))
    own = replace(comparison, problems=problems, device=scale.device)
    if scale.name != "smoke":
        return own
    if not isinstance(problems.data, str):  # its sizes are its own
        return replace(own, hidden=(16,), epochs=3)
    fewer = 200 if problems.data == "digit-pairs" else 100
    tiny = replace(problems, n_train=fewer, n_validation=100, n_test=200)
    return replace(own, problems=tiny, hidden=(16,), epochs=3)


def seeds(scale: Scale, n: int) -> tuple[int, ...]:
    """Seeds of a run, none of which hyper-parameters were settled on."""
    first = 1000 * scale.seed + UNSEEN
    return tuple(range(first, first + n))


def data_sets(scale: Scale) -> set[str]:
    """Names of the data that must be there besides the bundled sets."""
    return {str(s.comparison.problems.data) for s in images(scale)}


def student(
    name: str, method: Method, teacher: str | None = None, *, decay: float = DECAY, start: int = 0,
    hidden: tuple[int, ...] | None = None, **settings: float,
) -> Student:  # fmt: skip
    """A student with a method's published settings, some of them changed."""
    values = {"weight_decay": decay} | PUBLISHED.get(method, {}) | settings
    return Student(name, method, tuple(values.items()), teacher, hidden, start=start)


def teacher(name: str = "teacher", start: int = 1, hidden: tuple[int, ...] | None = None) -> Student:
    """A cross-entropy network of another initialisation than the students it teaches."""
    return student(name, CROSS_ENTROPY, start=start, hidden=hidden)


def with_settings(regime: str, methods: Sequence[Method], *, tuned: bool) -> list[Student]:
    """Students by published settings, or by those settled in a regime (called "…, tuned")."""
    students = []
    for method in methods:
        values = settled(regime, method) if tuned else published(method)
        name = f"{method.name}, tuned" if tuned else method.name
        taught = "teacher" if "teacher" in method.needs else None
        students.append(Student(name, method, values, taught))
    return students


def measured(scale: Scale, setting: Setting, students: Sequence[Student]) -> xr.Dataset:
    """Metrics over (student, seed); parts that are finished survive a kill and are shared by all figures."""
    studies = [Study(part, tuple(students)) for part in setting.parts()]
    return xr.concat(scale.map(measure_students, studies), dim="seed")


def side_by_side(tables: dict[str, xr.Dataset], dim: str = "setting") -> xr.Dataset:
    """Tables of several settings as one, NaN where one has fewer seeds or students."""
    joined = [
        table if "seed" in table.coords else table.assign_coords(seed=np.arange(table.sizes["seed"]))
        for table in tables.values()
    ]
    order = dict.fromkeys(
        name for table in joined for name in table["student"].values
    )  # xarray would sort them
    whole = xr.concat(joined, dim=dim, join="outer").sel(student=list(order))
    return whole.assign_coords({dim: list(tables)})


def tables(data: xr.Dataset, dim: str = "setting") -> Iterator[tuple[str, xr.Dataset]]:
    """Name and data of every setting, without seeds and students that only other settings have."""
    for i, name in enumerate(data[dim].values):
        table = data.isel({dim: i})
        for axis in ("seed", "student"):
            if axis in table.dims:
                table = table.dropna(axis, how="all")
        yield str(name), table


def rows_of(data: xr.Dataset) -> str:
    """The dimension along which students, or methods, are compared."""
    return "student" if "student" in data.dims else "method"


def values(table: xr.Dataset, metric: str, name: str) -> npt.NDArray[np.float64]:
    """A student's metric, one value a seed."""
    # As a mapping: xarray has an option of its own called `method`.
    return np.asarray(table[metric].sel({rows_of(table): name}), float)


def paired(table: xr.Dataset, metric: str, name: str, rival: str) -> npt.NDArray[np.float64]:
    """Difference of a metric between two students, seed by seed (both learn the same problems)."""
    return values(table, metric, name) - values(table, metric, rival)


def above(table: xr.Dataset, metric: str, rival: str) -> xr.DataArray:
    """A metric of all students less one student's, seed by seed: what a split does to all of them falls out."""
    values = table[metric]
    return values - values.sel({rows_of(table): rival}, drop=True)


def dots(axes: Axes, data: xr.Dataset, metric: str, *, scale: float = 1.0, against: str = "") -> None:
    """Mean and 95 % interval of each student (rows), in each setting (colours).

    Against a student, the differences from it, seed by seed; its own mean then stands in the legend.
    """
    axis = rows_of(data)
    names = list(data[axis].values)
    n = data.sizes["setting"]
    for i, (name, table) in enumerate(tables(data)):
        level = f" ({against}: {scale * values(table, metric, against).mean():.3g})" if against else ""
        shown = above(table, metric, against) if against else table[metric]
        measured = scale * np.asarray(shown.transpose("seed", axis), float)
        rows = np.array([names.index(row) for row in table[axis].values])  # a setting need not have all
        axes.errorbar(
            measured.mean(axis=0), rows + 0.6 / n * (i - (n - 1) / 2), xerr=t_half_width(measured), fmt="o",
            markersize=4, capsize=2, color=COLOURS[i], label=name + level,
        )  # fmt: skip
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(axis="x", alpha=0.3)
