"""Shared by the benchmarks: fresh processes with their peak memory, medians, and the model problem."""

from __future__ import annotations

import multiprocessing
import resource
import statistics
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

DIMENSIONS, GAMMA, NOISE = 8, 1 / 16, 0.3


def timed(function: Callable[[], Any]) -> tuple[float, Any]:
    """Wall seconds of one call, and what it returned."""
    start = time.perf_counter()
    value = function()
    return time.perf_counter() - start, value


def worked(function: Callable[[], Any]) -> tuple[float, Any]:
    """Processor's seconds of one call, of all its threads, and what it returned: a busy machine hardly changes them."""
    start = time.process_time()
    value = function()
    return time.process_time() - start, value


def interleaved(functions: list[Callable[[], Any]], repeats: int) -> list[float]:
    """Median seconds of each function, called in turn so that a busy spell meets all of them."""
    seconds: list[list[float]] = [[] for _ in functions]
    for _ in range(repeats):
        for kept, function in zip(seconds, functions, strict=True):
            kept.append(timed(function)[0])
    return [statistics.median(kept) for kept in seconds]


def peak_mib() -> float:
    """Largest resident memory of this process so far.

    Linux hands ru_maxrss down to a child, which would then show its parent's peak; VmHWM starts afresh.
    """
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text(encoding="utf-8").splitlines()
        return float(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


class OwnMemory:
    """Largest memory of this process while it is entered, in MiB, without pages of files that it has mapped.

    Such pages are the system's cache, which it takes back when memory is short; `peak_mib` counts them. Looked at
    every hundredth of a second (Linux).
    """

    def __init__(self) -> None:
        self.mib = 0.0
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> OwnMemory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._left.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._left.wait(0.01):
            text = Path("/proc/self/status").read_text(encoding="utf-8")
            line = next(line for line in text.splitlines() if line.startswith("RssAnon"))
            self.mib = max(self.mib, float(line.split()[1]) / 2**10)


def alone(function: Callable[..., Any], *arguments: Any) -> tuple[Any, float]:
    """Call a function in a fresh process: its result, and the process's peak memory in MiB."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_body, args=(sender, function, arguments))
    process.start()
    sender.close()
    try:
        result, peak = receiver.recv()
    except EOFError:
        raise RuntimeError(f"{function.__name__} died (exit {process.exitcode})") from None
    finally:
        process.join()
    return result, peak


def _body(sender: Any, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    result = function(*arguments)
    sender.send((result, peak_mib()))
    sender.close()


def problem(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Points (n, 8) and noisy targets (n,)."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, DIMENSIONS))
    return x, np.sin(x[:, 0]) + x[:, 1] * x[:, 2] + NOISE * rng.standard_normal(n)


def rbf_gram(x: np.ndarray) -> np.ndarray:
    """Gram of the RBF kernel, filled in place row block by row block."""
    from sklearn.metrics.pairwise import rbf_kernel

    gram = np.empty((len(x), len(x)))
    for start in range(0, len(x), 500):
        gram[start : start + 500] = rbf_kernel(x[start : start + 500], x, gamma=GAMMA)
    return gram
