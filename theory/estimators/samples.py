"""Samples of any kind as numbers, and as a gram or as features: arrays, tables with text, tensors, kernels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.kernel_approximation import Nystroem
from sklearn.metrics.pairwise import KERNEL_PARAMS, pairwise_kernels
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from ..base.arrays import as_symmetric, is_foreign, to_host
from ..base.validation import Array, InputError, as_matrix, check_positive, shown
from ..spectra.bases import DenseBasis, FeatureBasis
from ..spectra.spectrum import Spectrum
from .scaling import TRANSLATION_INVARIANT, check_sizes, standardized
from .selection import gammas_around

# Above so many samples the gram gives way to features: its factorisations would take many minutes.
DENSE_UP_TO = 5000
LANDMARKS = 1024
_MOST_WORDS = 2000
# From so many samples a feature on, inner products of features are cheaper than their singular vectors.
_MANY_TIMES = 4


def as_numbers(X: Any, *, standardize: bool = True) -> Array:
    """Samples (n, p) as finite numbers: tables are encoded column by column, tensors fetched from their device.

    Numeric columns and dates are brought to mean 0 and variance 1 (with `standardize`), a column of text with few
    different entries becomes one column an entry, and one with many its words (TF-IDF).

    Raises
    ------
    InputError
        If a value is missing, is neither number nor text, or is too large to be squared.
    """
    if hasattr(X, "iloc") and hasattr(X, "columns"):
        return _encode_table(X, standardize)
    values = to_host(X) if is_foreign(X) else X
    array = as_matrix(values, "X").astype(np.float64, copy=False)
    if not standardize:
        check_sizes(array)
    return standardized(array) if standardize else array


def check_complete(table: Any, name: str, at: Callable[[int], str] = "index {}".format) -> None:
    """Raise if cells of a table are empty or infinite: how many, in how many columns, and which is the first.

    Parameters
    ----------
    table : DataFrame
    name : str
        What the message calls it.
    at : callable
        How it names the place of a row, from its number counted from 0.
    """
    bad, what, mend = table.isna().to_numpy(), "empty", "Fill them in (scikit-learn's SimpleImputer does)"
    if not bad.any():
        bad = np.column_stack([_infinite(column) for _, column in table.items()])
        what, mend = "infinite", "Replace them by numbers"
    if bad.any():
        cells, columns = int(bad.sum()), int(bad.any(axis=0).sum())
        row, column = (int(i) for i in np.argwhere(bad)[0])
        raise InputError(
            f"{name} has {cells} {what} cell{'s' if cells > 1 else ''} in {columns} "
            f"column{'s' if columns > 1 else ''}, the first in column {table.columns[column]!r} at {at(row)}. "
            f"{mend}, or leave those rows or columns out."
        )


def _infinite(column: Any) -> Array:
    """Which entries of a column without gaps are infinite."""
    if column.dtype.kind != "f":
        return np.zeros(len(column), bool)
    return np.isinf(np.asarray(column, np.float64))


def _encode_table(table: Any, standardize: bool) -> Array:
    if 0 in table.shape:
        raise InputError(f"X must be a table with at least one row and column; got shape {table.shape}.")
    check_complete(table, "X")
    names = [f"column {i}" for i in range(table.shape[1])]  # the user's may repeat, or be no text
    table = table.set_axis(names, axis=1)
    kinds = {name: table[name].dtype.kind for name in names}
    dates = {name: table[name].astype("int64") for name in names if kinds[name] in "Mm"}
    texts = {name: table[name].astype(str).str.strip() for name in names if kinds[name] not in "fiubMm"}
    prose = [name for name, column in texts.items() if column.nunique() > len(table) / 2]
    steps: list[tuple[str, Any, Any]] = [
        (
            "numbers",
            FunctionTransformer(_standardized_columns) if standardize else "passthrough",
            [name for name in names if name not in texts],
        ),
        (
            "entries",
            OneHotEncoder(sparse_output=False),
            [name for name in texts if name not in prose],
        ),
    ]
    steps += [
        (f"words of {name}", TfidfVectorizer(max_features=_MOST_WORDS, token_pattern=r"\S+"), name)
        for name in prose
    ]
    encoder = ColumnTransformer(steps, sparse_threshold=0.0)
    return as_matrix(encoder.fit_transform(table.assign(**dates, **texts)), "X").astype(np.float64)


def _standardized_columns(table: Any) -> Array:
    return standardized(table.to_numpy(np.float64))


@dataclass(frozen=True, eq=False)
class Points:
    """Samples under one kernel: the gram (n, n) of all, or features (n, p) whose inner products it is.

    Attributes
    ----------
    values : ndarray
    is_gram : bool
    """

    values: Array
    is_gram: bool

    def spectrum(self, targets: Array, among: Array | None = None) -> Spectrum:
        """Spectrum of all samples, or of some."""
        index = np.arange(len(self.values)) if among is None else among
        if self.is_gram:
            part = self.values if among is None else self.values[np.ix_(index, index)]
            return Spectrum.from_gram(part, targets[index])
        return spectrum_of_features(self.values[index], targets[index])

    def predict(self, at: Array, among: Array, dual: Array) -> Array:
        """Kernel between two parts of the samples, times dual coefficients of the second."""
        if self.is_gram:
            return np.asarray(self.values[np.ix_(at, among)] @ dual)
        return np.asarray(self.values[at] @ (self.values[among].T @ dual))


def spectrum_of_features(features: Array, targets: Array) -> Spectrum:
    """`Spectrum.from_features`, where samples are many from the inner products of columns: a fraction of an SVD's time.

    Those lose small singular values to rounding; `Spectrum.from_chunks` sees that and mends it by a second reading.
    """
    n, p = features.shape
    if n < _MANY_TIMES * p:
        return Spectrum.from_features(features, targets)
    reduced = Spectrum.from_chunks([features], targets)
    assert isinstance(reduced.basis, FeatureBasis)
    return replace(reduced, basis=DenseBasis(features @ reduced.basis.directions))


@dataclass(frozen=True, eq=False)
class KernelSamples:
    """Samples whose kernel may have a coefficient that is still to be chosen.

    Attributes
    ----------
    X : ndarray (n, p)
        Numbers; the gram for a precomputed kernel. For a kernel of differences they are centred, which leaves it
        as it is and keeps the digits that a large mean would cost.
    kernel : str or callable
    random_state : int, Generator-like or None
        Draws the landmarks where there are too many samples for a gram.
    """

    X: Array
    kernel: str | Callable[..., float]
    random_state: Any = None

    def __post_init__(self) -> None:
        known = ("precomputed", *sorted(KERNEL_PARAMS))
        if not callable(self.kernel) and not (isinstance(self.kernel, str) and self.kernel in known):
            raise InputError(
                f"kernel must be a function or one of {', '.join(known)}; got {shown(self.kernel)}."
            )
        if self.kernel == "precomputed":
            as_symmetric(self.X, "X")
        elif isinstance(self.kernel, str):
            check_sizes(self.X)
        if self.kernel in TRANSLATION_INVARIANT:
            object.__setattr__(self, "X", self.X - self.X.mean(axis=0))

    @property
    def has_gamma(self) -> bool:
        """Whether the kernel has a coefficient."""
        return not callable(self.kernel) and "gamma" in KERNEL_PARAMS.get(self.kernel, ())

    @property
    def how(self) -> str:
        """In words, how the kernel is represented."""
        if self.kernel == "linear":
            return "features"
        if self.kernel == "precomputed" or len(self.X) <= DENSE_UP_TO:
            return "gram"
        return f"{LANDMARKS} landmarks (Nyström)"

    def gammas(self, gamma: float | None) -> list[float | None]:
        """Coefficients to compare: the one that is given, those around the data's scale, or none."""
        if gamma is not None:
            check_positive(gamma, "gamma")
            if not self.has_gamma:
                raise InputError(f"the kernel {self.kernel!r} has no gamma.")
            return [float(gamma)]
        return [float(g) for g in gammas_around(self.X)] if self.has_gamma else [None]

    def points(self, gamma: float | None) -> Points:
        """Gram or features at one coefficient."""
        if self.kernel == "linear":
            return Points(self.X, False)
        if self.kernel == "precomputed":
            return Points(self.X, True)
        if len(self.X) <= DENSE_UP_TO:
            known_only = not callable(self.kernel)
            parameters = {} if gamma is None else {"gamma": gamma}
            try:
                gram = pairwise_kernels(self.X, metric=self.kernel, filter_params=known_only, **parameters)
            except ValueError as error:
                raise InputError(f"the kernel {shown(self.kernel)} refuses these samples: {error}") from None
            return Points(gram, True)
        landmarks = Nystroem(self.kernel, gamma=gamma, n_components=LANDMARKS, random_state=self.random_state)
        return Points(landmarks.fit_transform(self.X), False)

    def spectra(self, gamma: float | None, targets: Array) -> Iterator[tuple[float | None, Spectrum]]:
        """Yield the spectrum of each coefficient to compare."""
        for value in self.gammas(gamma):
            yield value, self.points(value).spectrum(targets)
