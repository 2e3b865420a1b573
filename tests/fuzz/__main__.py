"""Try inputs for so long, print what was tried and what was found::

python -m tests.fuzz [MINUTES] [SEED]
python -m tests.fuzz --again CASE NUMBER     # the input that a fault names
"""

from __future__ import annotations

import os
import sys
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

from .runner import ALL, Tally, run_case, run_for

# Seconds between two lines of progress.
EVERY = 60


def told(tally: Tally) -> str:
    """The whole in a line."""
    return (
        f"{tally.total()} inputs: {tally.total('right')} answered rightly, {tally.total('refused')} refused in one "
        f"sentence, {tally.total('wrong')} faults of {len(tally.faults)} kinds"
    )


def show(tally: Tally) -> None:
    """A line in all and one a case, then the faults."""
    print(told(tally))
    for name in ALL:
        counts = {verdict: tally.counts[name, verdict] for verdict in ("right", "refused", "wrong")}
        columns = "".join(f"{n:>8} {verdict}" for verdict, n in counts.items())
        print(
            f"  {name:<24}{columns}{1000 * tally.seconds[name] / max(1, sum(counts.values())):>8.1f} ms each"
        )
    for fault in tally.faults.values():
        print(f"  fault: {fault[:3000]}")


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["--again"]:
        tally = Tally()
        run_case(arguments[1], int(arguments[2]), 1, tally)
        show(tally)
        return 1 if tally.faults else 0
    minutes = float(arguments[0]) if arguments else 1.0
    seed = int(arguments[1]) if len(arguments) > 1 else int(time.time()) % 100_000
    print(f"fuzzing for {minutes:g} minutes from seed {seed}", flush=True)
    last, known = [time.monotonic()], set()

    def progress(tally: Tally) -> None:
        for key in tally.faults.keys() - known:
            print(f"  fault: {tally.faults[key][:3000]}", flush=True)
        known.update(tally.faults)
        if time.monotonic() - last[0] > EVERY:
            last[0] = time.monotonic()
            print(f"  … {told(tally)}", flush=True)

    tally = run_for(60 * minutes, seed, progress)
    show(tally)
    return 1 if tally.faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
