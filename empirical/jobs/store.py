"""A joblib store that keeps results as NetCDF: no pickle is ever read back from a folder a user names."""

from __future__ import annotations

import hashlib
import uuid
from pathlib import Path
from typing import Any

import xarray as xr
from joblib import Memory, register_store_backend
from joblib._store_backends import FileSystemStoreBackend

_ITEM = "output.nc"
_DIGEST = "output.sha256"


def write_dataset(data: xr.Dataset, path: Path) -> None:
    """Write a dataset under a temporary name, then rename: a killed run leaves no half-written file."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        data.to_netcdf(temporary, engine="scipy")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read_dataset(path: Path) -> xr.Dataset:
    """Read a whole dataset into memory and close its file."""
    with xr.open_dataset(path, engine="scipy", mmap=False) as data:
        # The file's own types would be forced on what is made of the data: NaN beside whole numbers.
        return data.load().drop_encoding()


class NetCDFStore(FileSystemStoreBackend):  # type: ignore[misc]
    """joblib's file store with `xarray.Dataset` results written as NetCDF."""

    def _path(self, call_id: list[str]) -> Path:
        return Path(self.location, *call_id, _ITEM)

    def contains_item(self, call_id: list[str]) -> bool:
        """Tell whether a finished result is there."""
        path = self._path(call_id)
        return path.exists() and path.with_name(_DIGEST).exists()

    def load_item(self, call_id: list[str], *_args: Any, **_kwargs: Any) -> xr.Dataset:
        """Read a result; a damaged one raises, and joblib computes it again."""
        path = self._path(call_id)
        if _digest(path) != path.with_name(_DIGEST).read_text(encoding="ascii"):
            raise OSError(f"{path} is not what was written")
        return read_dataset(path)

    def dump_item(self, call_id: list[str], item: xr.Dataset, *_args: Any, **_kwargs: Any) -> None:
        """Keep a result, with the digest that proves it whole."""
        path = self._path(call_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_dataset(item, path)
        temporary = path.with_name(f".{_DIGEST}.{uuid.uuid4().hex}")
        temporary.write_text(_digest(path), encoding="ascii")
        temporary.replace(path.with_name(_DIGEST))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


register_store_backend("selfdistill-netcdf", NetCDFStore)


def open_memory(folder: Path) -> Memory:
    """Open joblib's Memory on a folder, with NetCDF results."""
    return Memory(str(folder), backend="selfdistill-netcdf", verbose=0)
