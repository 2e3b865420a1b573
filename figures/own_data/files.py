"""Files of samples: CSV, TSV, Parquet, NPZ and NPY as named columns. Nothing is ever unpickled."""

from __future__ import annotations

import csv
import gzip
import re
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ...theory import InputError

SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet", ".npz", ".npy")
_SEPARATORS = {".csv": ",", ".tsv": "\t"}
_SEPARATOR_NAMES = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars", " ": "blanks"}
_SEPARATOR_WORDS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "space": " ", "blank": " "}
# What reading a zip archive raises that is cut short, overwritten, encrypted or packed in a foreign way.
_BROKEN_ARCHIVE = (zipfile.BadZipFile, zlib.error, RuntimeError)


@dataclass(frozen=True)
class TextFormat:
    """How a text file is written, where it is not as its name says.

    Attributes
    ----------
    separator : str or None
        One character between values, or its name (``tab``); by the file's name if None.
    decimal : str
        What separates whole from decimal digits: a point or a comma.
    encoding : str
        As Python names it: ``utf-8``, ``latin-1``, ``utf-16`` …
    """

    separator: str | None = None
    decimal: str = "."
    encoding: str = "utf-8"

    def __post_init__(self) -> None:
        given = self.separator
        if given is not None and len(_SEPARATOR_WORDS.get(given, given)) != 1:
            raise InputError(f"--separator must be one character, or the word tab; got {given!r}.")
        if self.decimal not in (".", ","):
            raise InputError(f"--decimal must be a point or a comma; got {self.decimal!r}.")
        try:
            "".encode(self.encoding)
        except LookupError:
            raise InputError(
                f"--encoding must be one that Python knows, such as utf-8, latin-1 or utf-16; got {self.encoding!r}."
            ) from None

    def separator_of(self, suffix: str) -> str:
        """Return the character between the values of a file."""
        given = self.separator
        separator = _SEPARATORS[suffix] if given is None else _SEPARATOR_WORDS.get(given, given)
        if separator == self.decimal:
            raise InputError(
                f"a {'comma' if separator == ',' else 'point'} cannot separate values and decimals at once: name "
                "the other with --separator or --decimal."
            )
        return separator


@dataclass(frozen=True)
class Source:
    """A file whose columns have been named, and are read when they are asked for.

    Attributes
    ----------
    path : Path
    names : tuple of str
        In the file's order.
    read : callable
        ``name -> values``, (n,) or (n, k): a Series of a table, else an array.
    word : str
        What it calls its parts: ``column`` or ``array``.
    """

    path: Path
    names: tuple[str, ...]
    read: Callable[[str], Any]
    word: str

    def numbers(self, name: str) -> npt.NDArray[np.float64]:
        """One column as finite float64, or an error that names the column, the row and the value."""
        values = self.read(name)
        if isinstance(values, pd.Series):
            return _series_numbers(values, self.path)
        return _array_numbers(values, name, self)


def open_file(path: Path, text: TextFormat | None = None) -> Source:
    """Find the columns of a file.

    Raises
    ------
    InputError
        If the file is missing or damaged, or its columns have no names or the same.
    """
    suffix = _suffix(path)
    if not path.is_file():
        raise InputError(f"there is no file {str(path)!r}.")
    if text is not None and text != TextFormat() and suffix not in _SEPARATORS:
        raise InputError(
            f"--separator, --decimal and --encoding are for CSV and TSV files; got {path.name!r}."
        )
    text = text or TextFormat()
    try:
        if suffix == ".npz":
            return _open_npz(path)
        frame = _read_npy(path) if suffix == ".npy" else _read_frame(path, suffix, text)
    except InputError:
        raise
    except PermissionError:
        raise InputError(f"{path.name!r} cannot be read: permission denied.") from None
    except ImportError:
        raise InputError("Parquet files need pyarrow: pip install 'selfdistill[parquet]'.") from None
    except UnicodeError:
        raise InputError(
            f"{path.name!r} cannot be read as {suffix[1:].upper()} in {text.encoding}: name the encoding that it was "
            "written in with --encoding (latin-1, utf-16 …)."
        ) from None
    # Damaged files surface as whatever the parser of each format happens to raise.
    except (OSError, ValueError, EOFError, KeyError, *_BROKEN_ARCHIVE, pd.errors.ParserWarning) as error:
        reason = (
            _unequal_row(path, suffix, text) or (str(error).strip().splitlines() or [type(error).__name__])[0]
        )
        raise InputError(f"{path.name!r} cannot be read as {suffix[1:].upper()}: {reason}") from None
    if len(frame) == 0:
        raise InputError(f"{path.name!r} has no rows: at least two samples are needed.")
    return Source(path, tuple(map(str, frame.columns)), lambda name: frame[name], "column")


def listed(names: Sequence[str], most: int = 20) -> str:
    """Names in a sentence: the first, and how many more there are."""
    more = f", … ({len(names) - most} more)" if len(names) > most else ""
    return (", ".join(names[:most]) + more) or "none"


def data_row(i: int) -> str:
    """Name a row, given its number from 0, as messages do: data rows count from 1, below the header."""
    return f"data row {i + 1}"


def _suffix(path: Path) -> str:
    """The ending that tells the format, without the .gz of a packed text file."""
    name = path.name.lower()
    for known in SUFFIXES:
        if name.endswith(known) and not (known in _SEPARATORS and name.endswith(".gz")):
            return known.removesuffix(".gz")
    raise InputError(f"cannot tell the format of {path.name!r}: name it one of {', '.join(SUFFIXES)}.")


def _read_frame(path: Path, suffix: str, text: TextFormat) -> pd.DataFrame:
    if suffix == ".parquet":
        frame = pd.read_parquet(path, engine="pyarrow")
        _check_names(path, [str(name) for name in frame.columns])
        return frame.set_axis([str(name) for name in frame.columns], axis="columns")
    separator = text.separator_of(suffix)
    _check_names(path, _header(path, separator, text))
    with warnings.catch_warnings():
        # Rows longer than the header would otherwise lose values, or shift all columns by one.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        return pd.read_csv(
            path, sep=separator, decimal=text.decimal, encoding=text.encoding, index_col=False,
            skipinitialspace=True, low_memory=False,
        )  # fmt: skip


def _header(path: Path, separator: str, text: TextFormat) -> list[str]:
    """Column names as the file has them: pandas renames empty and repeated ones."""
    first = pd.read_csv(
        path, sep=separator, encoding=text.encoding, header=None, nrows=1, dtype=str, keep_default_na=False,
        skipinitialspace=True,
    )  # fmt: skip
    names = [str(name) for name in first.iloc[0]]
    other = next((s for s in _SEPARATOR_NAMES if s in names[0] and s != separator), None)
    if len(names) == 1 and other is not None:
        wanted = _SEPARATOR_NAMES.get(separator, repr(separator))
        raise InputError(
            f"{path.name!r} is read as separated by {wanted}, and its header, {names[0]!r:.80}, is by "
            f"{_SEPARATOR_NAMES[other]}. Add --separator {'tab' if other == chr(9) else repr(other)}"
            f"{' (and --decimal , if decimals have commas)' if other == ';' else ''}."
        )
    return names


def _unequal_row(path: Path, suffix: str, text: TextFormat) -> str:
    """Say which row of a text file has more or fewer values than the header has names; empty if none."""
    if suffix not in _SEPARATORS:
        return ""
    opened = gzip.open if path.name.lower().endswith(".gz") else open
    try:
        with opened(path, "rt", encoding=text.encoding, newline="") as lines:
            rows = csv.reader(lines, delimiter=text.separator_of(suffix), skipinitialspace=True)
            width = len(next(rows))
            for number, row in enumerate((row for row in rows if row), start=1):
                if len(row) != width:
                    values = f"{len(row)} value{'' if len(row) == 1 else 's'}"
                    return f"data row {number} has {values}, and the header {width} names."
    except (OSError, ValueError, EOFError, StopIteration, csv.Error, zlib.error):
        pass  # what was raised first is said
    return ""


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


def _series_numbers(column: pd.Series[Any], path: Path) -> npt.NDArray[np.float64]:
    name = str(column.name)
    is_number = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_complex_dtype(column)
    numbers = column if is_number else pd.to_numeric(column.astype("string"), errors="coerce")
    text = column.notna() & numbers.isna()
    if text.any():
        row = int(np.flatnonzero(text)[0])
        value = str(column.iloc[row])
        hint = (
            "Decimals have commas: add --decimal ,."
            if re.fullmatch(r"[+-]?\d+,\d+", value)
            else "Encode text and dates as numbers first, leave the column out with --drop, or take it as classes with "
            "--target and --categorical."
        )
        raise InputError(
            f"column {name!r} of {path.name!r} must be numeric; {data_row(row)} holds {value!r}. {hint}"
        )
    if pd.api.types.is_integer_dtype(numbers):
        _check_distinct(numbers.dropna(), f"column {name!r} of {path.name!r}")
    values = np.asarray(numbers.astype("float64"))
    if not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values))[0])
        what = "an infinite value" if np.isinf(values[row]) else "no value (or NaN)"
        raise InputError(
            f"column {name!r} of {path.name!r} has {what} in {data_row(row)}. Remove or impute it first."
        )
    return values


def _open_npz(path: Path) -> Source:
    if not zipfile.is_zipfile(path):
        raise InputError(
            f"{path.name!r} cannot be read as NPZ: it is no such archive, or damaged. numpy.savez writes one."
        )
    with np.load(path, allow_pickle=False) as archive:
        names = tuple(archive.files)
    return Source(path, names, lambda name: _read_array(path, name), "array")


def _read_array(path: Path, name: str) -> npt.NDArray[Any]:
    """One array of an archive, or an error that names it."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            return np.asarray(archive[name])
    except ValueError as error:
        if "Object arrays" not in str(error):
            raise InputError(f"array {name!r} of {path.name!r} cannot be read: it is damaged.") from None
        raise InputError(
            f"array {name!r} of {path.name!r} holds Python objects, which are never unpickled. "
            "Save it as an array of numbers."
        ) from None
    except (OSError, EOFError, KeyError, *_BROKEN_ARCHIVE) as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise InputError(f"{path.name!r} cannot be read as NPZ: {reason[0]}") from None


def _read_npy(path: Path) -> pd.DataFrame:
    """A matrix as columns called 0, 1, …, or a structured array as the columns that it names."""
    array = np.load(path, allow_pickle=False)
    if array.dtype.names and array.ndim == 1:
        return pd.DataFrame({name: array[name] for name in array.dtype.names})
    if array.ndim != 2 or 0 in array.shape:
        raise InputError(
            f"{path.name!r} must hold a matrix, one row a sample, whose columns are called 0, 1, …; got shape "
            f"{array.shape}."
        )
    return pd.DataFrame(array, columns=[str(j) for j in range(array.shape[1])])


def _array_numbers(array: npt.NDArray[Any], name: str, source: Source) -> npt.NDArray[np.float64]:
    if array.dtype.kind not in "fiub":
        raise InputError(
            f"array {name!r} of {source.path.name!r} must hold real numbers; it has type {array.dtype}."
        )
    if array.dtype.kind in "iu":
        _check_distinct(array, f"array {name!r} of {source.path.name!r}")
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        row, *rest = (int(i) for i in np.argwhere(~np.isfinite(array))[0])
        entry = f", entry {', '.join(str(i + 1) for i in rest)}" if rest else ""
        raise InputError(
            f"array {name!r} of {source.path.name!r} has a NaN or infinite value in {data_row(row)}{entry}. "
            "Remove or impute it first."
        )
    return array


def _check_distinct(values: Any, what: str) -> None:
    """Refuse whole numbers so large that floating point does not tell neighbours apart."""
    largest = (
        max((abs(int(value)) for value in (values.min(), values.max())), default=0) if len(values) else 0
    )
    if largest > 2**53:
        raise InputError(
            f"{what} holds whole numbers up to {largest}, beyond 2^53, where floating point does not tell neighbours "
            "apart. If they are identifiers leave them out (--drop), else subtract a constant first."
        )
