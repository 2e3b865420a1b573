"""How large an artefact is measured: seconds for tests, minutes by default, hours, or the papers' own sizes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
import xarray as xr

from ..empirical.data.own import OwnData
from ..empirical.jobs.runner import Argument, run_jobs
from ..theory.base.validation import InputError, check_count
from .presets import LARGEST_SEED, ScaleName

T = TypeVar("T")


@dataclass(frozen=True)
class Scale:
    """Size, seed and place of a measurement.

    Attributes
    ----------
    name : {"smoke", "quick", "thorough", "full"}
        Seconds, minutes on two cores, hours on two cores, or a GPU and the papers' sizes.
    seed : int
        Root of every random stream, 0 … 1,000,000.
    device : str
        Where networks train: "cpu", "cuda", "cuda:1", …
    jobs : int
        Processes at once; changes no number.
    cache : Path or None
        Where finished jobs are kept.
    progress : callable or None
        Told (finished, total) jobs.
    data : OwnData or None
        The reader's own data, for the figures that take them in the place of bundled ones.
    """

    name: ScaleName = "quick"
    seed: int = 0
    device: str = "cpu"
    jobs: int = field(default=1, compare=False)
    cache: Path | None = field(default=None, compare=False)
    progress: Callable[[int, int], None] | None = field(default=None, compare=False, repr=False)
    data: OwnData | None = None

    def __post_init__(self) -> None:
        if check_count(self.seed, "seed", least=0) > LARGEST_SEED:
            raise InputError(f"seed must be at most {LARGEST_SEED}; got {self.seed}.")

    def choose(self, *, smoke: T, quick: T, full: T, thorough: T | None = None) -> T:
        """Pick the value of this scale; where `thorough` has none of its own it is that of `quick`."""
        longer = quick if thorough is None else thorough
        return {"smoke": smoke, "quick": quick, "thorough": longer, "full": full}[self.name]

    def rng(self, *stream: int) -> np.random.Generator:
        """Open an independent random stream, the same for the same seed and numbers."""
        return np.random.default_rng([self.seed, *stream])

    def map(
        self, function: Callable[[Argument], xr.Dataset], arguments: Sequence[Argument]
    ) -> list[xr.Dataset]:
        """Run a pure function over frozen configurations; finished jobs survive a kill."""
        return run_jobs(function, arguments, cache=self.cache, jobs=self.jobs, progress=self.progress)
