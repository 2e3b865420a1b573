"""Tables: a user's CSV, TSV, Parquet or NPZ file as features and target. Nothing is ever unpickled."""

from __future__ import annotations

import re
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ...theory import InputError

SUFFIXES = (".csv", ".tsv", ".parquet", ".npz")
_SEPARATORS = {".csv": ",", ".tsv": "\t"}
_SEPARATOR_NAMES = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars"}
# What reading a zip archive raises that is cut short, overwritten, encrypted or packed in a foreign way.
_BROKEN_ARCHIVE = (zipfile.BadZipFile, zlib.error, RuntimeError)


@dataclass(frozen=True, eq=False)
class Table:
    """Features and target of a file, checked to be finite numbers.

    Attributes
    ----------
    features : ndarray (n, p)
        Every column but the target, in the file's order; for NPZ, the array ``X`` or, for a precomputed kernel,
        ``gram`` (or the only one besides the target), and no other.
    target : ndarray (n,) or (n, k)
    feature_names : tuple of str
    target_name : str
    """

    features: npt.NDArray[np.float64]
    target: npt.NDArray[np.float64]
    feature_names: tuple[str, ...]
    target_name: str


def read_table(path: Path, target: str, *, precomputed: bool = False) -> Table:
    """Read a file of samples.

    Parameters
    ----------
    path : Path
        ``.csv``, ``.tsv`` or ``.parquet`` with one row a sample and a header, or ``.npz`` with one array
        for the target and one for the features, samples first.
    target : str
        Name of the target's column, or array.
    precomputed : bool
        Whether the features are a gram: then those of an NPZ file are its array ``gram``, and else ``X``.

    Raises
    ------
    InputError
        If the file is missing or damaged, the target is not in it, columns have no names or the same, it is open
        which array holds the features, or a value is not a finite number.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"cannot tell the format of {path.name!r}: name it one of {', '.join(SUFFIXES)}.")
    if not path.is_file():
        raise InputError(f"there is no file {str(path)!r}.")
    try:
        read = _read_npz(path, target, precomputed) if suffix == ".npz" else _read_frame(path, suffix)
    except InputError:
        raise
    except PermissionError:
        raise InputError(f"{path.name!r} cannot be read: permission denied.") from None
    except ImportError:
        raise InputError("Parquet files need pyarrow: pip install 'selfdistill[parquet]'.") from None
    # Damaged files surface as whatever the parser of each format happens to raise.
    except (OSError, ValueError, EOFError, KeyError, *_BROKEN_ARCHIVE, pd.errors.ParserWarning) as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise InputError(f"{path.name!r} cannot be read as {suffix[1:].upper()}: {reason[0]}") from None
    _check_target(path, read, target)
    return _assemble(path, read, target)


def listed(names: Sequence[str], most: int = 20) -> str:
    """Names in a sentence: the first, and how many more there are."""
    more = f", … ({len(names) - most} more)" if len(names) > most else ""
    return (", ".join(names[:most]) + more) or "none"


def _check_target(path: Path, names: Iterable[str], target: str) -> None:
    if target not in names:
        raise InputError(f"{path.name!r} has no column {target!r}. It has: {listed(list(names))}.")


def _read_frame(path: Path, suffix: str) -> dict[str, npt.NDArray[Any]]:
    if suffix == ".parquet":
        frame = pd.read_parquet(path, engine="pyarrow")
        _check_names(path, [str(name) for name in frame.columns])
    else:
        _check_names(path, _header(path, suffix))
        with warnings.catch_warnings():
            # Rows longer than the header would otherwise lose values, or shift all columns by one.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(
                path, sep=_SEPARATORS[suffix], index_col=False, skipinitialspace=True, low_memory=False
            )
    if len(frame) == 0:
        raise InputError(f"{path.name!r} has no rows: at least two samples are needed.")
    return {str(name): _numbers(frame[name], path) for name in frame.columns}


def _header(path: Path, suffix: str) -> list[str]:
    """Column names as the file has them: pandas renames empty and repeated ones."""
    separator = _SEPARATORS[suffix]
    first = pd.read_csv(
        path, sep=separator, header=None, nrows=1, dtype=str, keep_default_na=False, skipinitialspace=True
    )
    names = [str(name) for name in first.iloc[0]]
    other = next((s for s in _SEPARATOR_NAMES if s in names[0]), None)
    if len(names) == 1 and other is not None:
        wanted, found = _SEPARATOR_NAMES[separator], _SEPARATOR_NAMES[other]
        as_tsv = " (or end its name in .tsv)" if other == "\t" else ""
        raise InputError(
            f"{path.name!r} must be separated by {wanted}, and its header, {names[0]!r:.80}, by {found}. "
            f"Write it anew with {wanted}{as_tsv}."
        )
    return names


def _check_names(path: Path, names: list[str]) -> None:
    for number, name in enumerate(names, start=1):
        if re.fullmatch(r"\s*|Unnamed: \d+", name):
            raise InputError(
                f"column {number} of {path.name!r} has no name{f' but {name!r}' if name.strip() else ''}: it may be "
                "an index, which is no feature. If so, write the file without it (in pandas to_csv(…, index=False)); "
                "else name it."
            )
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise InputError(
            f"{path.name!r} must have columns of different names; {listed([repr(name) for name in repeated])} comes "
            "more than once. Rename or drop the others."
        )


def _numbers(column: pd.Series[Any], path: Path) -> npt.NDArray[np.float64]:
    """One column as finite float64, or an error that names the column, the row and the value."""
    name = str(column.name)
    is_number = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_complex_dtype(column)
    numbers = column if is_number else pd.to_numeric(column.astype("string"), errors="coerce")
    text = column.notna() & numbers.isna()
    if text.any():
        row = int(np.flatnonzero(text)[0])
        raise InputError(
            f"column {name!r} of {path.name!r} must be numeric; row {row + 1} holds {str(column.iloc[row])!r}. "
            "Encode text and dates as numbers first, or leave the column out."
        )
    values = np.asarray(numbers.astype("float64"))
    if not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values))[0])
        what = "an infinite value" if np.isinf(values[row]) else "no value (or NaN)"
        raise InputError(
            f"column {name!r} of {path.name!r} has {what} in row {row + 1}. Remove or impute it first."
        )
    return values


def _read_npz(path: Path, target: str, precomputed: bool) -> dict[str, npt.NDArray[Any]]:
    if not zipfile.is_zipfile(path):
        raise InputError(
            f"{path.name!r} cannot be read as NPZ: it is no such archive, or damaged. numpy.savez writes one."
        )
    with np.load(path, allow_pickle=False) as archive:
        _check_target(path, archive.files, target)
        names = [target, *_feature_array(path, [n for n in archive.files if n != target], precomputed)]
        return {name: _array(archive, name, path) for name in names}


def _feature_array(path: Path, others: list[str], precomputed: bool) -> list[str]:
    """Which of the arrays besides the target holds the features."""
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
            f"{wanted!r}; besides the target it has {listed(others)}{among}. Rename the one that is meant."
        )
    return others


def _array(archive: Any, name: str, path: Path) -> npt.NDArray[np.float64]:
    """One array as finite float64, or an error that names it."""
    try:
        array = np.asarray(archive[name])
    except ValueError as error:
        if "Object arrays" not in str(error):
            raise InputError(f"array {name!r} of {path.name!r} cannot be read: it is damaged.") from None
        raise InputError(
            f"array {name!r} of {path.name!r} holds Python objects, which are never unpickled. "
            "Save it as an array of numbers."
        ) from None
    if array.dtype.kind not in "fiub":
        raise InputError(
            f"array {name!r} of {path.name!r} must hold real numbers; it has type {array.dtype}."
        )
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        first = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise InputError(
            f"array {name!r} of {path.name!r} has a NaN or infinite value at index {first}. "
            "Remove or impute it first."
        )
    return array


def _assemble(path: Path, columns: dict[str, npt.NDArray[Any]], target: str) -> Table:
    y = columns[target]
    if y.ndim not in (1, 2) or 0 in y.shape:
        raise InputError(
            f"the target {target!r} must have shape (n,) or (n, outputs) with n ≥ 2; got {y.shape}."
        )
    features, names = [], []
    for name, values in columns.items():
        if name == target:
            continue
        if values.ndim not in (1, 2) or len(values) != len(y):
            raise InputError(
                f"{name!r} of {path.name!r} must have one row for each of the {len(y)} samples of "
                f"{target!r}; it has shape {values.shape}."
            )
        matrix = values.reshape(len(values), -1)
        features.append(matrix)
        names += [name] if values.ndim == 1 else [f"{name}[{j}]" for j in range(matrix.shape[1])]
    if not names:
        raise InputError(f"{path.name!r} has no column besides the target {target!r}.")
    if len(y) < 2:
        raise InputError(f"{path.name!r} has one sample: at least two are needed.")
    if np.ptp(y, axis=0).max() == 0:
        raise InputError(
            f"the target {target!r} is constant ({y.flat[0]:g}): there is nothing to learn. "
            "Name another column with --target."
        )
    return Table(np.column_stack(features), y, tuple(names), target)
