"""Tables: which columns of a user's file are features and which the target, checked to be numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...theory import InputError
from ...theory.base.probabilities import one_hot
from .files import Source, TextFormat, data_row, listed, open_file


@dataclass(frozen=True, eq=False)
class Table:
    """Features and target of a file, checked to be finite numbers.

    Attributes
    ----------
    features : ndarray (n, p)
        The columns that were named, or every column but the target, in the file's order; for NPZ, the array ``X``
        or, for a precomputed kernel, ``gram`` (or the only one besides the target), and no other.
    target : ndarray (n,) or (n, k)
        Several targets side by side; a class a column, 1 where a sample is of it, where the target is categorical.
    feature_names : tuple of str
    target_name : str
        Several names have commas between them.
    labels : ndarray of int (n,) or None
        Class of each sample, where the target is categorical.
    classes : tuple of str
        What the file calls the classes, in order.
    """

    features: npt.NDArray[np.float64]
    target: npt.NDArray[np.float64]
    feature_names: tuple[str, ...]
    target_name: str
    labels: npt.NDArray[np.int64] | None = None
    classes: tuple[str, ...] = ()


def read_table(
    path: Path,
    target: str | Sequence[str],
    *,
    features: Sequence[str] = (),
    drop: Sequence[str] = (),
    categorical: bool = False,
    precomputed: bool = False,
    text: TextFormat | None = None,
) -> Table:
    """Read a file of samples.

    Parameters
    ----------
    path : Path
        ``.csv``, ``.tsv`` (also ``.gz``) or ``.parquet`` with one row a sample and a header; ``.npz`` with one array
        for the target and one for the features, samples first; ``.npy`` with a matrix, whose columns are called
        0, 1, ….
    target : str or sequence of str
        Name of the target's column, or array, or of several; also with commas between them.
    features, drop : sequence of str
        The columns that are features, or those that are not; all but the targets if neither is given.
    categorical : bool
        Take the target's values as classes, be they text or numbers.
    precomputed : bool
        Whether the features are a gram: then those of an NPZ file are its array ``gram``, and else ``X``.
    text : TextFormat, optional
        How a text file is written.

    Raises
    ------
    InputError
        If the file is missing or damaged, a name is not in it, columns have no names or the same, it is open which
        array holds the features, or a value is not a finite number.
    """
    source = open_file(path, text)
    targets = split_names([target] if isinstance(target, str) else target, source)
    if not targets:
        raise InputError("--target must name a column.")
    check_known(source, targets, "--target")
    named, dropped = split_names(features, source), split_names(drop, source)
    check_known(source, named, "--features")
    check_known(source, dropped, "--drop")
    if named and dropped:
        raise InputError(
            "--features names all features there are: --drop has nothing to leave out. Give one of them."
        )
    both = [name for name in targets if name in named]
    if both:
        raise InputError(f"{both[0]!r} cannot be target and feature at once.")
    if not named:
        others = [name for name in source.names if name not in targets and name not in dropped]
        named = others if source.word == "column" else feature_array(source, others, precomputed)
    if categorical:
        labels, classes = _classes(source, targets)
        y = one_hot(labels, len(classes))
        return _assemble(source, named, targets, y, labels, classes)
    return _assemble(source, named, targets, _columns(source, targets), None, ())


def split_names(names: Sequence[str], source: Source) -> list[str]:
    """Names as they were given; one that is no column may be several with commas between them."""
    parts = []
    for name in names:
        parts += [name] if name in source.names else [part.strip() for part in name.split(",")]
    return parts


def check_known(source: Source, names: Sequence[str], option: str) -> None:
    """Raise unless every name is in the file, once."""
    for i, name in enumerate(names):
        if name not in source.names:
            raise InputError(
                f"{source.path.name!r} has no {source.word} {name!r}. It has: {listed(source.names)}."
            )
        if name in names[:i]:
            raise InputError(f"{option} names {name!r} twice.")


def feature_array(source: Source, others: list[str], precomputed: bool) -> list[str]:
    """Which of the arrays besides the target holds the features."""
    path = source.path
    wanted, rival = ("gram", "X") if precomputed else ("X", "gram")
    if wanted in others:
        return [wanted]
    if others == ["gram"]:
        raise InputError(
            f"{path.name!r} has an array 'gram' and no features 'X': add --kernel precomputed, or rename it."
        )
    if len(others) > 1:
        among = f" (its array {rival!r} is for another kernel)" if rival in others else ""
        raise InputError(
            f"{path.name!r} must have its {'kernel matrix' if precomputed else 'features'} in one array called "
            f"{wanted!r}; besides the target it has {listed(others)}{among}. Name the one that is meant with "
            "--features."
        )
    return others


def _columns(source: Source, names: Sequence[str]) -> npt.NDArray[np.float64]:
    """Targets (n,) or side by side (n, k)."""
    columns = [source.numbers(name) for name in names]
    for name, column in zip(names, columns, strict=True):
        if column.ndim not in (1, 2) or 0 in column.shape or len(column) != len(columns[0]):
            raise InputError(
                f"the target {name!r} must have shape (n,) or (n, outputs) with n ≥ 2; got {column.shape}."
            )
    return columns[0] if len(columns) == 1 else np.column_stack(columns)


def _classes(source: Source, names: Sequence[str]) -> tuple[npt.NDArray[np.int64], tuple[str, ...]]:
    """Class of each sample as a number, and the classes' names."""
    if len(names) > 1:
        raise InputError(f"--categorical takes one target; got {listed(names)}.")
    values: Any = source.read(names[0])
    if values.ndim != 1 or len(values) == 0:
        raise InputError(f"a categorical target must have one value a sample; got shape {values.shape}.")
    if hasattr(values, "isna"):
        gaps = np.flatnonzero(values.isna())
        if len(gaps):
            raise InputError(
                f"column {names[0]!r} of {source.path.name!r} has no value in {data_row(int(gaps[0]))}. "
                "Leave those samples out first."
            )
        values = values.to_numpy()
    if values.dtype.kind in "fiub":
        values = source.numbers(names[0])
        found, labels = np.unique(values, return_inverse=True)
        words = tuple(f"{value:g}" for value in found)
    else:
        found, labels = np.unique(values.astype(str), return_inverse=True)
        words = tuple(map(str, found))
    if len(words) > max(2, len(labels) // 2):
        raise InputError(
            f"the target {names[0]!r} has {len(words)} different values in {len(labels)} rows, too many for classes: "
            "leave --categorical out, or name another column."
        )
    if len(words) < 2:
        raise InputError(f"the target {names[0]!r} is constant ({words[0]}): there is nothing to learn.")
    return labels.astype(np.int64), words


def _assemble(
    source: Source,
    features: Sequence[str],
    targets: Sequence[str],
    y: npt.NDArray[np.float64],
    labels: npt.NDArray[np.int64] | None,
    classes: tuple[str, ...],
) -> Table:
    path, target = source.path, ", ".join(targets)
    parts, names = [], []
    for name in features:
        values = source.numbers(name)
        if values.ndim not in (1, 2) or len(values) != len(y):
            raise InputError(
                f"{name!r} of {path.name!r} must have one row for each of the {len(y)} samples of "
                f"{target!r}; it has shape {values.shape}."
            )
        matrix = values.reshape(len(values), -1)
        parts.append(matrix)
        names += [name] if values.ndim == 1 else [f"{name}[{j}]" for j in range(matrix.shape[1])]
    if not names:
        raise InputError(
            f"{path.name!r} has no {source.word} besides the target {target!r} that may be a feature."
        )
    if len(y) < 2:
        raise InputError(f"{path.name!r} has one sample: at least two are needed.")
    flat = np.flatnonzero(np.ptp(y, axis=0).reshape(-1) == 0)
    if len(flat) and (y.ndim == 1 or len(targets) > 1 or len(flat) == y.shape[1]):
        columns, first = y.reshape(len(y), -1), int(flat[0])
        which = targets[first] if len(targets) == columns.shape[1] else target
        raise InputError(
            f"the target {which!r} is constant ({columns[0, first]:g}): there is nothing to learn. "
            "Name another column with --target."
        )
    return Table(np.column_stack(parts), y, tuple(names), target, labels, classes)
