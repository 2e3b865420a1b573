"""Settle hyper-parameters: the same search for every method, on problems that no result is taken from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from ....theory.base.validation import Array, InputError
from ... import metrics
from ...data.problems import Split, draw_problems
from ...methods.catalogue import CROSS_ENTROPY
from ...methods.method import Method
from .setup import Comparison, Trained, train_members

# Values of every setting, in order: a search begins with those of the method's grid and goes on to either side.
LADDERS: dict[str, tuple[float, ...]] = {
    "weight_decay": (0.0, 1e-4, 5e-4, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.2, 0.5, 1.0),
    "epsilon": (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5),
    "beta": (0.0125, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8),
    "alpha": (0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 1.0),
    "temperature": (0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 10.0),
}
Settings = tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Settled:
    """Outcome of a search.

    Attributes
    ----------
    settings : tuple of (str, float)
        The best candidate.
    loss : float
        Its mean validation NLL over the tuning problems.
    candidates : dict
        Every candidate that was trained, and its mean validation NLL.
    at_an_end : tuple of str
        Settings whose best value is the last of its ladder.
    """

    settings: Settings
    loss: float
    candidates: dict[Settings, float]
    at_an_end: tuple[str, ...]


def settle(
    comparison: Comparison,
    method: Method,
    *,
    ladders: Mapping[str, Sequence[float]] | None = None,
    teacher: Settings = (("weight_decay", 5e-4),),
) -> Settled:
    """Search a method's settings by validation NLL, averaged over the comparison's tuning seeds.

    The search begins with the method's grid. While the best value of a setting is the least or the largest that
    was tried, the next one of its ladder is tried too, with all values of the other settings. A setting that has
    one value in the grid is fixed.

    Parameters
    ----------
    comparison : Comparison
        Its `tuning_seeds` are the problems.
    method : Method
    ladders : mapping of str to sequence of float, optional
        In place of `LADDERS`, for some settings; a setting without a ladder keeps to the grid.
    teacher : tuple of (str, float)
        Settings of the cross-entropy network that teaches, if the method learns from one.

    Raises
    ------
    InputError
        If the method has no grid, or there are no tuning seeds.
    """
    if not method.grid[0]:
        raise InputError(f"{method.name} has no grid to begin a search with.")
    if not comparison.tuning_seeds:
        raise InputError("the comparison has no tuning seeds to settle settings on.")
    tuning = comparison.for_tuning()
    split = draw_problems(tuning.problems)
    taught = None
    if "teacher" in method.needs:
        taught = _train(tuning, split, CROSS_ENTROPY, [teacher], start=1)
    names = [name for name, _ in method.grid[0]]
    windows = {name: tuple(sorted({dict(c)[name] for c in method.grid})) for name in names}
    steps = {name: _ladder(name, window, ladders or {}) for name, window in windows.items()}
    tried: dict[Settings, float] = {}
    while True:
        new = [c for c in _candidates(windows) if c not in tried]
        losses = _validation(_train(tuning, split, method, new, teacher=taught), split, len(new))
        tried |= dict(zip(new, losses, strict=True))
        best = min(tried, key=lambda c: tried[c])
        wider = {name: _widened(windows[name], dict(best)[name], steps[name]) for name in names}
        if wider == windows:
            ends = (n for n in names if len(steps[n]) > 1 and dict(best)[n] in (steps[n][0], steps[n][-1]))
            return Settled(best, tried[best], tried, tuple(ends))
        windows = wider


def _ladder(
    name: str, window: tuple[float, ...], ladders: Mapping[str, Sequence[float]]
) -> tuple[float, ...]:
    """Values that a setting may take: its ladder's and its grid's; only the grid's if it has one value there."""
    if len(window) == 1:
        return window
    return tuple(sorted({*window, *ladders.get(name, LADDERS.get(name, ()))}))


def _candidates(windows: Mapping[str, Sequence[float]]) -> list[Settings]:
    return [tuple(zip(windows, values, strict=True)) for values in product(*windows.values())]


def _widened(window: tuple[float, ...], best: float, ladder: tuple[float, ...]) -> tuple[float, ...]:
    """The window with the ladder's next value where its best is at an edge."""
    place = ladder.index(best)
    before = ladder[place - 1 : place] if best == window[0] and place else ()
    after = ladder[place + 1 : place + 2] if best == window[-1] else ()
    return (*before, *window, *after)


def _train(
    tuning: Comparison,
    split: Split,
    method: Method,
    candidates: Sequence[Settings],
    *,
    teacher: Trained | None = None,
    start: int = 0,
) -> Trained:
    """Every candidate on every tuning problem, candidate by candidate, as one ensemble."""
    n_problems = len(tuning.problems.seeds)
    settings = {name: np.repeat([dict(c)[name] for c in candidates], n_problems) for name, _ in candidates[0]}
    problem = np.tile(np.arange(n_problems), len(candidates))
    own = None if teacher is None else teacher.chosen(problem).ensemble
    return train_members(tuning, split, method, settings, problem, teacher=own, start=start)


def _validation(trained: Trained, split: Split, n_candidates: int) -> list[float]:
    """Mean validation NLL of each candidate; infinite if one of its networks diverged."""
    outputs = trained.probabilities(split.validation_inputs)
    labels = split.validation_labels[trained.problem].numpy()
    losses: Array = np.array(
        [
            metrics.negative_log_likelihood(p, y) if np.isfinite(p).all() else np.inf
            for p, y in zip(outputs, labels, strict=True)
        ]
    )
    return [float(loss) for loss in losses.reshape(n_candidates, -1).mean(axis=1)]
