"""Units of work that are kept when finished, never computed twice, and fanned out over joblib."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable, Hashable, Sequence
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

import xarray as xr
from joblib import Parallel, delayed

from .store import open_memory

Argument = TypeVar("Argument")


@lru_cache
def code_fingerprint() -> str:
    """Hash of the theory and empirical sources and of the libraries that decide their numbers.

    Part of every key, so that a changed program never serves a stale result.
    """
    digest = hashlib.sha256()
    floor = Path(__file__).parents[1]
    for folder in (floor.parent / "theory", floor):
        for path in sorted(folder.rglob("*.py")):
            digest.update(path.name.encode() + path.read_bytes())
    for package in ("numpy", "scipy", "scikit-learn", "torch"):
        digest.update(f"{package}={version(package)};".encode())
    digest.update(platform.machine().encode())
    return digest.hexdigest()[:16]


def _unit(
    function: Callable[[Argument], xr.Dataset], key: Hashable, fingerprint: str, argument: Argument
) -> xr.Dataset:
    return function(argument)


def run_unit(
    function: Callable[[Argument], xr.Dataset],
    argument: Argument,
    *,
    cache: Path | None,
    key: Hashable | None = None,
    fingerprint: str = "",
) -> xr.Dataset:
    """Call ``function(argument)``, or read its kept result.

    Parameters
    ----------
    function : callable
        Pure, importable by name, returning a dataset that NetCDF can hold.
    argument : object
        Usually a frozen dataclass.
    cache : Path or None
        Folder of kept results; None computes always.
    key : hashable, optional
        What identifies the result, if not the whole argument.
    fingerprint : str
        Of code besides the theory and empirical floors that the result depends on.
    """
    if cache is None:
        return function(argument)
    memory = open_memory(cache)
    kept = memory.cache(_unit, ignore=["argument"])
    result: xr.Dataset = kept(
        function, argument if key is None else key, code_fingerprint() + fingerprint, argument
    )
    return result


def run_units(
    function: Callable[[Argument], xr.Dataset],
    arguments: Sequence[Argument],
    *,
    cache: Path | None = None,
    jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> list[xr.Dataset]:
    """Run a function over many configurations, in order, each kept as soon as it is finished.

    Work goes through `joblib.Parallel`, so ``joblib.parallel_config(backend="dask")`` sends it to a cluster.

    Parameters
    ----------
    function : callable
        Pure, importable by name.
    arguments : sequence
        One frozen configuration a unit.
    cache : Path, optional
        Folder of kept results.
    jobs : int
        Processes at once.
    progress : callable, optional
        Called with (finished, total) after every unit.
    """
    results: list[xr.Dataset] = []
    work = (delayed(run_unit)(function, argument, cache=cache) for argument in arguments)
    for result in Parallel(n_jobs=jobs, return_as="generator")(work):
        results.append(result)
        if progress:
            progress(len(results), len(arguments))
    return results
