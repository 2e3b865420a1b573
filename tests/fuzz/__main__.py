"""``python -m tests.fuzz [MINUTES] [SEED]``: try inputs for so long, print what was tried and what was found."""

from __future__ import annotations

import os
import sys
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

from .runner import ALL, Tally, run_for


def show(tally: Tally) -> None:
    """A line in all and one a case, then the faults."""
    print(f"{tally.total()} inputs: {tally.total('right')} answered rightly, {tally.total('refused')} refused in one "
          f"sentence, {tally.total('wrong')} faults")  # fmt: skip
    for name in ALL:
        counts = {verdict: tally.counts[name, verdict] for verdict in ("right", "refused", "wrong")}
        print(f"  {name:<28}" + "".join(f"{n:>8} {verdict}" for verdict, n in counts.items()))
    for fault in tally.faults.values():
        print(f"  fault: {fault[:1500]}")


def main() -> int:
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else int(time.time())
    print(f"fuzzing for {minutes:g} minutes from seed {seed}", flush=True)
    last = [time.monotonic()]

    def progress(tally: Tally) -> None:
        if time.monotonic() - last[0] > 60:
            last[0] = time.monotonic()
            print(f"  … {tally.total()} inputs, {len(tally.faults)} kinds of faults", flush=True)

    tally = run_for(60 * minutes, seed, progress)
    show(tally)
    return 1 if tally.faults else 0


if __name__ == "__main__":
    sys.exit(main())
