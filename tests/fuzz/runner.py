"""Run cases of Hypothesis for as long as told, and count what became of them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from .anything import anything, command
from .oracles import CASES

ALL = {**CASES, "anything": anything, "command": command}
# Of all examples, these have so many times the share of the others.
SHARES = {"anything": 12, "command": 2}
# An answer that takes longer counts as a hang.
HANG = 30.0


@dataclass
class Tally:
    """What became of the examples of each case, the faults in words, and the slowest."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    faults: dict[str, str] = field(default_factory=dict)

    def total(self, verdict: str | None = None) -> int:
        """Examples in all, or of one verdict."""
        return sum(n for (_, v), n in self.counts.items() if verdict in (None, v))


def run_case(name: str, examples: int, start: int, tally: Tally) -> None:
    """Draw examples of one case from a seed and add what becomes of them."""
    function: Callable[[st.DrawFn], tuple[str, str]] = ALL[name]

    @seed(start)
    @settings(
        max_examples=examples, deadline=None, database=None, phases=[Phase.generate], print_blob=False,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.data())
    def once(data: st.DataObject) -> None:
        began = time.monotonic()
        try:
            verdict, detail = function(data.draw)
        except Exception as error:  # the library's, or the case's own: both are to be looked at
            if type(error).__module__.startswith("hypothesis"):
                raise
            verdict, detail = "wrong", f"traceback, {type(error).__name__}: {error}"
        if time.monotonic() - began > HANG:
            verdict, detail = "wrong", f"took {time.monotonic() - began:.0f} s; {detail}"
        tally.counts[name, verdict] += 1
        if verdict == "wrong":
            key = f"{name}: {detail}"
            tally.faults.setdefault(key[:90], key)

    once()


def run_for(seconds: float, first_seed: int, report: Callable[[Tally], None]) -> Tally:
    """Go round all cases with new seeds until the time is up."""
    tally, end, start = Tally(), time.monotonic() + seconds, first_seed
    while time.monotonic() < end:
        for name in ALL:
            run_case(name, 25 * SHARES.get(name, 1), start, tally)
            if time.monotonic() >= end:
                break
        start += 1
        report(tally)
    return tally
