"""Bundled data sets, split, standardised and ready for networks and kernels alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from sklearn import datasets as bundled
from sklearn.model_selection import train_test_split

from ...theory.base.probabilities import one_hot
from ...theory.base.validation import Array, InputError, as_generator, check_count, check_nonnegative
from .digit_pairs import N_CLASSES, digit_pairs
from .own import DataSource, OwnData, as_data


@dataclass(frozen=True, eq=False)
class Data:
    """Training and test points of one problem.

    Attributes
    ----------
    name : str
    inputs, test_inputs : ndarray (n, ...)
        Standardised with the training points' statistics; float32.
    targets : ndarray (n,)
        What a learner is given: class labels (int64), or values (float32) if `n_classes` is 0.
    clean_targets : ndarray (n,)
        The targets before label noise.
    test_targets : ndarray (q,)
        Always clean.
    n_classes : int
        0 for regression.
    """

    name: str
    inputs: Array
    targets: Array
    clean_targets: Array
    test_inputs: Array
    test_targets: Array
    n_classes: int

    def corrupted(self, corrupt: Callable[[Array], Array]) -> Data:
        """Return the same data with ``corrupt(clean targets)`` as the given training targets.

        `corrupt` is any function of targets: ``lambda labels: corrupt_labels(labels, matrix, rng)`` for
        label noise, ``lambda values: values + noise`` for regression.
        """
        targets = np.asarray(corrupt(self.clean_targets))
        if targets.shape != self.clean_targets.shape:
            raise InputError(
                f"corrupt must keep the shape {self.clean_targets.shape} of the targets; got {targets.shape}."
            )
        return replace(self, targets=targets.astype(self.clean_targets.dtype))

    @property
    def one_hot(self) -> Array:
        """Given targets as an indicator matrix (n, n_classes), float32."""
        return one_hot(self.targets, self.n_classes, like=self.inputs)

    @property
    def signed(self) -> Array:
        """Given targets of a two-class problem as −1 and +1 (float32); regression targets as they are."""
        if self.n_classes == 0:
            return self.targets
        if self.n_classes != 2:
            raise InputError(f"signed targets need two classes; {self.name} has {self.n_classes}.")
        return np.where(self.targets == 1, 1.0, -1.0).astype(np.float32)


def _two_moons(n: int, rng: np.random.Generator) -> tuple[Array, Array]:
    return bundled.make_moons(n, noise=0.15, random_state=int(rng.integers(2**31)))


def _circles(n: int, rng: np.random.Generator) -> tuple[Array, Array]:
    return bundled.make_circles(n, noise=0.1, factor=0.5, random_state=int(rng.integers(2**31)))


def _sinusoid(n: int, rng: np.random.Generator) -> tuple[Array, Array]:
    x = rng.uniform(0, 1, n)
    return x[:, None], np.sin(2 * np.pi * x)


@lru_cache(1)
def _digits() -> tuple[Array, Array]:
    """Read the digits once: experiments draw from them a thousand times."""
    return bundled.load_digits(return_X_y=True)


# A hundred classes: images of two digits side by side.
PAIRS = "digit-pairs"
GREY_LEVELS = 16.0

_SOURCES: dict[str, tuple[Callable[[int, np.random.Generator], tuple[Array, Array]], int]] = {
    "digits": (lambda _n, _rng: _digits(), 10),
    "breast_cancer": (lambda _n, _rng: bundled.load_breast_cancer(return_X_y=True), 2),
    "wine": (lambda _n, _rng: bundled.load_wine(return_X_y=True), 3),
    "two_moons": (_two_moons, 2),
    "circles": (_circles, 2),
    "diabetes": (lambda _n, _rng: bundled.load_diabetes(return_X_y=True), 0),
    "sinusoid": (_sinusoid, 0),
}


def available() -> list[str]:
    """Names that `load` takes, besides two digits to tell apart, ``digits-A-B``."""
    return [*_SOURCES, PAIRS]


def load(
    name: DataSource,
    n_train: int,
    n_test: int | Sequence[int],
    rng: np.random.Generator | int,
    *,
    pixel_noise: float = 0.0,
) -> Data:
    """Draw a training and a test set.

    Parameters
    ----------
    name : str or OwnData
        One of `available()`, or ``digits-3-8`` for two digits to tell apart (class 1 is the second).
        ``digit-pairs`` has a hundred classes, see `digit_pairs.digit_pairs`. Or one's own, as `own.as_data` takes it.
    n_train, n_test : int
        Sizes; classes keep their proportions. Several numbers for `n_test`: the test points come in so many
        parts, one after the other (parts of digit-pairs share no source image).
    rng : numpy.random.Generator or int
        Decides the split, and the points of the synthetic sets; a seed opens a generator.
    pixel_noise : float
        Standard deviation, as a share of the grey scale, of normal noise added once to every pixel of digits,
        training and test alike.

    Returns
    -------
    Data
        Inputs are standardised (images by one mean and scale, tables column by column), regression targets
        to mean 0 and variance 1.

    Raises
    ------
    InputError
        If the name is unknown, more points are asked for than there are, or fewer than classes, or noise is
        asked for pixels where there are none.

    Examples
    --------
    >>> import numpy as np
    >>> from selfdistill.empirical.data.datasets import load
    >>> data = load("digits-3-8", n_train=60, n_test=100, rng=np.random.default_rng(0))
    >>> data.inputs.shape, data.n_classes
    ((60, 64), 2)
    """
    n_train = check_count(n_train, "n_train")
    tests = [check_count(n, "n_test") for n in np.atleast_1d(np.asarray(n_test, object))]
    rng = as_generator(rng)
    data = as_data(name)
    name = str(data)
    images = isinstance(data, str) and name.startswith("digit")
    if check_nonnegative(pixel_noise, "pixel_noise") and not images:
        raise InputError(f"pixel_noise needs pixels, which {name} has not; digits and digit-pairs have.")
    axis: int | tuple[int, ...] | None = None if images else 0
    if isinstance(data, OwnData):
        x, x_test, y, y_test = _draw_own(data, n_train, tests, rng)
        n_classes, axis = data.n_classes, 0 if x.ndim == 2 else (0, 2, 3)
    elif name == PAIRS:
        (x, y), *parts = digit_pairs((n_train, *tests), rng)
        x_test, y_test = (np.concatenate(column) for column in zip(*parts, strict=True))
        n_classes = N_CLASSES
    else:
        x, x_test, y, y_test, n_classes = _split(name, n_train, sum(tests), rng)
    if pixel_noise:
        x, x_test = (v + pixel_noise * GREY_LEVELS * rng.normal(size=v.shape) for v in (x, x_test))
    return standardise(name, x, y, x_test, y_test, n_classes, axis=axis)


def _draw_own(data: OwnData, n_train: int, tests: list[int], rng: np.random.Generator) -> tuple[Array, ...]:
    """Training and test inputs and their targets; classes keep their proportions."""
    data.check_sizes(n_train, *tests)
    return _part(data.inputs, data.targets, n_train, sum(tests), rng, bool(data.classes))


def _part(
    x: Array, y: Array, n_train: int, n_test: int, rng: np.random.Generator, stratified: bool
) -> tuple[Array, ...]:
    parts = train_test_split(
        x, y, train_size=n_train, test_size=n_test, random_state=int(rng.integers(2**31)),
        stratify=y if stratified else None,
    )  # fmt: skip
    return tuple(parts)


def _split(name: str, n_train: int, n_test: int, rng: np.random.Generator) -> tuple[Any, ...]:
    """Training and test inputs, their targets, and the number of classes."""
    base, pair = _parse(name)
    source, n_classes = _SOURCES[base]
    x, y = source(n_train + n_test, rng)
    if pair:
        kept = np.isin(y, pair)
        x, y, n_classes = x[kept], (y[kept] == pair[1]).astype(np.int64), 2
    if n_train + n_test > len(x):
        raise InputError(
            f"{name} has {len(x)} points; n_train={n_train} and n_test={n_test} ask for {n_train + n_test}."
        )
    if n_classes > min(n_train, n_test):
        raise InputError(
            f"{name} has {n_classes} classes, which keep their proportions; n_train={n_train} and n_test={n_test} "
            "must not be fewer."
        )
    return *_part(x, y, n_train, n_test, rng, n_classes > 0), n_classes


def _parse(name: str) -> tuple[str, tuple[int, int] | None]:
    base, *digits = name.split("-")
    if base in _SOURCES and not digits:
        return base, None
    if (
        base == "digits"
        and len(digits) == 2
        and digits[0] != digits[1]
        and all(d.isdecimal() and len(d) == 1 for d in digits)
    ):
        return base, (int(digits[0]), int(digits[1]))
    raise InputError(
        f"no data set is called {name!r}. Known: {', '.join(available())}, and pairs such as digits-3-8. One's own "
        "come as a path: 'mine.npz', or './photos' with a folder for each class."
    )


def standardise(
    name: str,
    x: Array,
    y: Array,
    x_test: Array,
    y_test: Array,
    n_classes: int,
    *,
    axis: int | tuple[int, ...] | None,
) -> Data:
    """Scale inputs over `axis`, and regression targets, by the training points' mean and deviation."""
    centre, scale = x.mean(axis=axis, keepdims=True), x.std(axis=axis, keepdims=True)
    scale = np.where(scale > 0, scale, 1.0)
    x, x_test = (np.asarray((v - centre) / scale, np.float32) for v in (x, x_test))
    if n_classes == 0:
        centre, scale = y.mean(), y.std() or 1.0
        y, y_test = (np.asarray((v - centre) / scale, np.float32) for v in (y, y_test))
    else:
        y, y_test = y.astype(np.int64), y_test.astype(np.int64)
    return Data(name, x, y, y, x_test, y_test, n_classes)
