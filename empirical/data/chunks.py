"""Features and targets in files larger than memory, opened as Dask arrays: Parquet, NPY, Zarr."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from ...theory import InputError

_CHUNK_BYTES = 32 * 2**20


def open_features(
    path: str | Path, columns: Sequence[str] | None = None, *, chunk_rows: int | None = None
) -> Any:
    """Open a matrix of features as a Dask array (n, p); nothing is read but its shape.

    Parameters
    ----------
    path : path
        ``.parquet`` file or folder of them, ``.npy`` file (memory-mapped), folder of ``.npy`` files (parts
        in the order of their names), or ``.zarr`` store.
    columns : sequence of str, optional
        Of a Parquet table; all if not given.
    chunk_rows : int, optional
        Rows of a chunk; about 32 MiB if not given. Parquet keeps its own row groups.

    Raises
    ------
    InputError
        If there is no such file, or of another kind.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from selfdistill.empirical.data.chunks import open_features
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/x.npy", np.ones((10, 3)))
    ...     open_features(f"{folder}/x.npy", chunk_rows=4).chunks
    ((4, 4, 2), (3,))
    """
    place = Path(path)
    if not place.exists():
        raise InputError(f"there is no file or folder {place}.")
    if place.suffix == ".zarr":
        return _by_rows(import_module("dask.array").from_zarr(str(place)), chunk_rows)
    if place.suffix == ".npy":
        return _from_npy(place, chunk_rows)
    parts = sorted(place.glob("*.npy")) if place.is_dir() else []
    if parts:
        arrays = [_from_npy(part, chunk_rows) for part in parts]
        return import_module("dask.array").concatenate(arrays)
    tables = sorted(place.glob("*.parquet")) if place.is_dir() else [place]
    if tables and all(table.suffix in (".parquet", ".pq") for table in tables):
        return _from_parquet(tables, columns)
    raise InputError(f"{place} must be .parquet, .npy, .zarr, or a folder of .parquet or .npy files.")


def _by_rows(array: Any, chunk_rows: int | None) -> Any:
    if array.ndim == 1:
        array = array[:, None]
    row = array.dtype.itemsize * int(np.prod(array.shape[1:]))
    return array.rechunk({0: chunk_rows or max(1, _CHUNK_BYTES // row), 1: -1})


def _from_npy(path: Path, chunk_rows: int | None) -> Any:
    mapped = np.load(path, mmap_mode="r", allow_pickle=False)
    columns = mapped.reshape(len(mapped), -1)
    rows = chunk_rows or max(1, _CHUNK_BYTES // max(1, columns[:1].nbytes))
    chunks = [min(rows, len(columns) - at) for at in range(0, len(columns), rows)]
    read: Any = import_module("dask").delayed(_read_npy)
    from_delayed, concatenate = (
        getattr(import_module("dask.array"), name) for name in ("from_delayed", "concatenate")
    )
    parts = [
        from_delayed(read(str(path), at * rows, size), (size, columns.shape[1]), dtype=mapped.dtype)
        for at, size in enumerate(chunks)
    ]
    return concatenate(parts)


def _read_npy(path: str, start: int, size: int) -> Any:
    mapped = np.load(path, mmap_mode="r", allow_pickle=False)
    return np.array(mapped[start : start + size]).reshape(size, -1)


def _from_parquet(tables: list[Path], columns: Sequence[str] | None) -> Any:
    """One chunk a row group; its size is in the file's footer, so no row is read to know the shape."""
    parquet: Any = import_module("pyarrow.parquet")
    names = list(columns) if columns is not None else parquet.read_schema(tables[0]).names
    known = parquet.read_schema(tables[0]).names
    missing = [name for name in names if name not in known]
    if missing:
        raise InputError(f"there is no column {', '.join(missing)}; the table has {', '.join(known)}.")
    read: Any = import_module("dask").delayed(_read_group)
    from_delayed, concatenate = (
        getattr(import_module("dask.array"), name) for name in ("from_delayed", "concatenate")
    )
    parts = []
    for table in tables:
        footer = parquet.read_metadata(table)
        for group in range(footer.num_row_groups):
            size = footer.row_group(group).num_rows
            parts.append(from_delayed(read(str(table), group, names), (size, len(names)), dtype=np.float64))
    return concatenate(parts)


def _read_group(path: str, group: int, names: list[str]) -> Any:
    parquet: Any = import_module("pyarrow.parquet")
    table = parquet.ParquetFile(path).read_row_group(group, columns=names)
    return np.stack([table[name].to_numpy().astype(np.float64) for name in names], axis=1)
