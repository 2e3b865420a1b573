"""Run cases for as long as told, and count what became of them."""

from __future__ import annotations

import signal
import time
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .anything import anything, guises
from .commands import command, command_oracle, names_and_scales
from .draws import Draws
from .oracles import CASES
from .oracles.cases import Case

ALL: dict[str, Case] = {
    **CASES, "anything": anything, "guises": guises, "command": command, "command_oracle": command_oracle,
    "names_and_scales": names_and_scales,
}  # fmt: skip
# Inputs of one turn; of cheap cases there are more, of dear ones fewer.
TURN = 20
SHARES: dict[str, float] = {
    "anything": 30, "guises": 10, "command": 0.5, "command_oracle": 0.5, "names_and_scales": 0.05,
    "softmax_regression": 0.05, "label_errors": 0.1, "rounds_of_clusters": 0.5, "softmax_of_rounds": 0.5,
    "bounds_hold": 0.5, "metrics_of_probabilities": 3, "standardising": 2, "softmax": 3, "targets_of_labels": 3,
    "losses_with_options": 2, "green_kernel": 2, "sparsity": 2, "own_outputs": 2, "gaussian_process": 2,
    "weights_of_soft_labels": 2, "tangent_kernel": 2, "progressive_rounds": 2, "single_precision": 2,
}  # fmt: skip
# An answer that takes more seconds of processor time counts as a hang, and is broken off.
HANG = 30


class HangError(BaseException):
    """An answer took too long; no `except Exception` of the library keeps it."""


def _give_up(*_: Any) -> None:
    raise HangError


@dataclass
class Tally:
    """What became of the inputs of each case, the faults in words, and the seconds that each case took.

    A fault names the case and the number that bring it back: ``python -m tests.fuzz --again CASE NUMBER``.
    """

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    faults: dict[str, str] = field(default_factory=dict)
    seconds: Counter[str] = field(default_factory=Counter)

    def total(self, verdict: str | None = None) -> int:
        """Inputs in all, or of one verdict."""
        return sum(n for (_, v), n in self.counts.items() if verdict in (None, v))

    def add(self, name: str, verdict: str, detail: str, number: int | None = None) -> None:
        """Count an input, and keep a fault of a kind that was not there yet."""
        self.counts[name, verdict] += 1
        if verdict == "wrong":
            self.faults.setdefault(f"{name}: {detail}"[:90], f"{name} {number}: {detail}")


def try_input(name: str, draws: Draws) -> tuple[str, str]:
    """One input of a case, broken off if it hangs."""
    before = signal.signal(signal.SIGPROF, _give_up)
    signal.setitimer(signal.ITIMER_PROF, HANG)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what matters is caught where it is judged
            return ALL[name](draws)
    except HangError:
        return "wrong", f"took more than {HANG} s"
    except Exception as error:  # the library's, or the case's own: both are to be looked at
        if type(error).__module__.startswith("hypothesis"):
            raise
        return "wrong", f"traceback, {type(error).__name__}: {error}"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def run_case(name: str, first: int, inputs: int, tally: Tally) -> None:
    """Try inputs of one case, by their numbers, and add what becomes of them."""
    begun = time.monotonic()
    for number in range(first, first + inputs):
        tally.add(name, *try_input(name, Draws.of_seed(f"{name} {number}")), number)
    tally.seconds[name] += time.monotonic() - begun


def run_for(seconds: float, seed: int, report: Callable[[Tally], None]) -> Tally:
    """Go round all cases with new numbers until the time is up."""
    tally, end, first = Tally(), time.monotonic() + seconds, 1_000_000_000 * seed
    while time.monotonic() < end:
        for name in ALL:
            share = max(1, round(TURN * SHARES.get(name, 1)))
            run_case(name, first, share, tally)
            if time.monotonic() >= end:
                break
        first += TURN * int(max(SHARES.values()))
        report(tally)
    return tally
