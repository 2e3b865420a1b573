"""Faults at random: kill `selfdistill reproduce` again and again, damage what it keeps, and compare what it leaves.

Run it for as long as wanted (it prints what it did, after Ctrl-C too, and exits with 1 if anything was wrong)::

    python -m tests.faults 100
"""

from __future__ import annotations

import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter, defaultdict
from contextlib import suppress
from pathlib import Path

from .kept import KINDS, damage, differences, move_dates
from .runs import SIGNALS, STARTING, TARGETS, Run


class Faults:
    """Runs that are disturbed, and what came of it.

    Attributes
    ----------
    lengths : dict
        Seconds that a run takes in an empty folder, and in one in which everything is kept: a signal is sent at a
        random moment of these, so that it meets work of every kind.
    did : dict of Counter
        What was done, by heading.
    wrong : list of str
    """

    def __init__(self, place: Path, rng: random.Random) -> None:
        self.calm, self.folder, self.rng = place / "calm", place / "disturbed", rng
        self.did: dict[str, Counter[str]] = defaultdict(Counter)
        self.wrong: list[str] = []
        self.lengths = {kept: self._undisturbed() for kept in (False, True)}

    def _undisturbed(self) -> float:
        run = Run(self.calm)
        code, said = run.end()
        if code != 0:
            raise SystemExit(f"a run that nothing disturbs ends with {code}: {said}")
        return time.monotonic() - run.begun

    def kill_one(self) -> bool:
        """Start a run, from nothing or from what is there, and send it a signal; return whether it was met."""
        if self.rng.random() < 0.6:
            shutil.rmtree(self.folder, ignore_errors=True)
        kept = self.folder.exists()
        if kept:
            self.damage([self.rng.choice(list(KINDS))])
            if self.rng.random() < 0.3:
                self.move_dates()
        run = self.start()
        if run.wait(self.rng.random() * self.lengths[kept]):
            self.did["runs"]["had ended before their signal"] += 1
            self.lengths[kept] = time.monotonic() - run.begun
            self.compare(run)
            return False
        self.strike(run)
        return True

    def start(self) -> Run:
        """Start a run; the clock of one in four jumps at every look."""
        jumps = self.rng.random() < 0.25
        self.did["runs"]["whose clock jumps at every look" if jumps else "started"] += 1
        return Run(self.folder, clock_jumps=jumps)

    def strike(self, run: Run) -> None:
        """Send a signal to a run that goes on, and judge how it ends."""
        finished, phase = run.finished(), run.phase()
        number, target = self.rng.choice(SIGNALS), self.rng.choice(TARGETS)
        met = run.strike(number, target, self.rng)
        code, said = run.end()
        self.did["kills by what the run was doing"][phase] += 1
        self.did["kills by artefacts finished in the run"][str(finished)] += 1
        self.did["kills by signal"][f"{number.name} to {met}, exit code {code}"] += 1
        if met == "a worker":
            allowed = (0, 1, 130)  # it went on without, said what broke, or was interrupted as its worker was
        elif number == signal.SIGKILL:
            allowed = (-number,)
        else:
            allowed = (0, 130, -number)  # it ended at that moment, was interrupted, or had not begun
        in_words = phase == STARTING or "Traceback" not in said
        if code not in allowed or not in_words or "did not end" in said or "outlive" in said:
            self.fault(f"{number.name} to {met} while it {phase}: exit code {code}: {said[-2000:]}")

    def finish(self) -> None:
        """Damage a file of every kind and move all dates; then one run must end as if nothing had been."""
        self.damage(list(KINDS))
        self.move_dates()
        self.compare(self.start())

    def compare(self, run: Run) -> None:
        """Wait for a run that must leave what an undisturbed one does."""
        code, said = run.end()
        wrong = [f"exit code {code}: {said[-2000:]}"] if code else differences(self.folder, self.calm)
        self.did["runs"]["compared with an undisturbed one"] += 1
        if wrong:
            self.fault(f"a run from what was kept: {', '.join(wrong)}")

    def together(self, number: int) -> None:
        """Start several runs in one folder and kill one of two, two of four; the others must end as if alone."""
        shutil.rmtree(self.folder, ignore_errors=True)
        runs = [self.start() for _ in range(number)]
        struck = self.rng.sample(runs, number // 2)
        for run in struck:
            if not run.wait(self.rng.random() * self.lengths[False]):
                self.strike(run)
        ends = [run.end() for run in runs if run not in struck]
        self.did["runs"][f"{number} at the same time in one folder, {number // 2} of them killed"] += 1
        wrong = [f"exit code {code}: {said[-2000:]}" for code, said in ends if code]
        wrong = wrong or differences(self.folder, self.calm)
        if wrong:
            self.fault(f"{number} runs in one folder: {', '.join(wrong)}")
        self.finish()

    def damage(self, kinds: list[str]) -> None:
        """Change a byte in a file of each kind that is there."""
        for kind in kinds:
            if damage(self.folder, kind, self.rng):
                self.did["bytes changed by kind of file"][kind] += 1

    def move_dates(self) -> None:
        """Move the dates of all files by up to twenty years."""
        move_dates(self.folder, self.rng)
        self.did["runs"]["from files whose dates had moved by up to 20 years"] += 1

    def fault(self, words: str) -> None:
        """Note what was wrong, and say it at once."""
        self.wrong.append(words)
        print("FAULT:", words, flush=True)

    def say(self) -> None:
        """Print what was done."""
        for heading, counts in self.did.items():
            print(f"\n{heading}:")
            for what, count in sorted(counts.items()):
                print(f"{count:6d} {what}")


def main(times: int, seed: int) -> int:
    """Kill runs so many times while they work, some of them beside others; compare what is left again and again."""
    begun, killed = time.monotonic(), 0
    with tempfile.TemporaryDirectory() as name:
        faults = Faults(Path(name), random.Random(seed))
        print(f"A run takes {faults.lengths[False]:.1f} s, from what is kept {faults.lengths[True]:.1f} s.")
        # A process that is started in the background passes over Ctrl-C, unless told otherwise.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with suppress(KeyboardInterrupt):
            while killed < times:
                if not faults.kill_one():
                    continue
                killed += 1
                if killed % 10 == 0:
                    faults.finish()
                    print(
                        f"{killed} kills, {time.monotonic() - begun:.0f} s, {len(faults.wrong)} faults",
                        flush=True,
                    )
                if killed % 20 == 0 or killed == times:
                    faults.together(4 if killed % 40 == 0 else 2)
        faults.say()
    print(f"\n{len(faults.wrong)} faults, {time.monotonic() - begun:.0f} s.")
    return 1 if faults.wrong else 0


if __name__ == "__main__":
    sys.exit(
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 20, int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    )
