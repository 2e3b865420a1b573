"""Jobs: calls of pure functions that are kept when finished, never computed twice, and fanned out over joblib."""

from __future__ import annotations

import importlib
import os
import sys
import warnings
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import TypeVar

import joblib
import psutil
import xarray as xr
from joblib import Parallel, delayed

from .closure import fingerprint
from .keys import key_of
from .orphans import end_with
from .store import keep, recall

# A process whose memory has grown is replaced by another, which does its jobs: no result is lost.
warnings.filterwarnings("ignore", message="A worker stopped while some jobs were given")

Argument = TypeVar("Argument")
# What a process with torch and the arrays of a small experiment takes, in bytes.
BYTES_PER_PROCESS = 700 * 2**20


class LostProcessError(RuntimeError):
    """A worker process was ended from outside before it had done its job."""


def affordable_processes(jobs: int) -> int:
    """Return `jobs`, or as many processes as this machine has cores and free memory for if that is less."""
    memory = int(psutil.virtual_memory().available // BYTES_PER_PROCESS)
    return max(1, min(jobs, joblib.cpu_count(), memory))


def run_job(
    function: Callable[[Argument], xr.Dataset],
    argument: Argument,
    *,
    cache: Path | None,
    key: Hashable | None = None,
    decided_by: str | None = None,
) -> xr.Dataset:
    """Call ``function(argument)``, or read its kept result.

    A kept result is used only if the argument is the same and so is everything else that decides it: the sources
    in the import closure of the function's module, the data files that these read, and the libraries.

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
    decided_by : str, optional
        Fingerprint of the code, where it is known already.
    """
    if cache is None:
        return function(argument)
    decided_by = _fingerprint(function, [argument]) if decided_by is None else decided_by
    name = f"{function.__module__}.{function.__qualname__}"
    folder = cache / name / key_of((argument if key is None else key, decided_by))
    result = recall(folder)
    if result is None:
        result = function(argument)
        keep(result, folder)
    return result


def run_jobs(
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
        One frozen configuration a job.
    cache : Path, optional
        Folder of kept results.
    jobs : int
        Processes at once.
    progress : callable, optional
        Called with (finished, total) after every job.

    Raises
    ------
    LostProcessError
        If something else ends one of the processes; usually a machine that runs out of memory.
    """
    decided_by = _fingerprint(function, arguments) if cache is not None else ""
    results: list[xr.Dataset] = []
    work = (
        delayed(run_job)(function, argument, cache=cache, decided_by=decided_by) for argument in arguments
    )
    try:
        # A cluster's workers end with their cluster: its backend passes over how processes begin.
        pool = Parallel(
            n_jobs=jobs,
            return_as="generator",
            initializer=_begin,
            initargs=(os.getpid(), "torch" in sys.modules),
        )
        for result in pool(work):
            results.append(result)
            if progress:
                progress(len(results), len(arguments))
    except BrokenProcessPool:
        raise LostProcessError(
            "something else ended a worker process: a user, or a machine that ran out of memory. "
            "What was finished is kept: run again, with fewer jobs at once if memory is short."
        ) from None
    return results


def _begin(parent: int, with_torch: bool) -> None:
    """Prepare a worker: with torch from the start where it is used, since memory that grows later passes for a leak."""
    end_with(parent)
    if with_torch:
        importlib.import_module("torch")


def _fingerprint(function: Callable[[Argument], xr.Dataset], arguments: Sequence[Argument]) -> str:
    """Hash what decides the results: the code behind the function and behind the classes of its arguments."""
    return fingerprint(*sorted({function.__module__, *(type(argument).__module__ for argument in arguments)}))
