"""A run of `selfdistill reproduce` that can be asked what it is doing, and killed."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil

ARTEFACTS = ["ground_truth", "mobahi2020.real_data"]
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
TARGETS = ("the run", "all its processes", "a worker")
# A run that does not end so many seconds after a signal hangs; so does a process that outlives its run as long.
PATIENCE = 180.0

# Python itself writes the functions that a process is in when it is asked by SIGUSR1: nothing of the run is changed.
START = """
import faulthandler, os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
place = sys.argv.pop(1)
stream = open(place + ".part", "wb")
faulthandler.register(signal.SIGUSR1, stream, all_threads=False)
from selfdistill.figures.cli.entry import main
{clock}
os.rename(place + ".part", place)
main()
"""
# Every look at the clock finds it elsewhere within four years.
JUMPING = """
import random, time
clock = time.time
time.time = lambda: clock() + random.uniform(-6e7, 6e7)
time.time_ns = lambda: int(1e9 * time.time())
"""
STARTING, ENDING = "Python starts", "starts or ends"
# What a run is doing, by the innermost of these functions: a part of its file's path, and its name.
PHASES = {
    ("joblib/parallel.py", ""): "waits for workers",
    ("jobs/closure.py", "fingerprint"): "looks up what is kept",
    ("jobs/store.py", ""): "keeps or recalls a result",
    ("figures/artefact.py", "measure"): "measures",
    ("figures/artefact.py", "claims"): "judges",
    ("figures/artefact.py", "draw"): "draws",
    ("figures/run.py", "save"): "writes pictures and data",
    ("figures/outcomes.py", "keep_outcome"): "writes pictures and data",
    ("figures/outcomes.py", "with_kept"): "makes the report",
    ("report/page.py", ""): "makes the report",
    ("figures/run.py", "save_claims"): "makes the report",
    ("cli/session.py", "foretell"): "looks for obstacles",
    ("figures/run.py", "find_obstacles"): "looks for obstacles",
    ("cli/app.py", "<module>"): "imports",
    ("cli/session.py", "<module>"): "imports",
}


class Run:
    """A run with two worker processes, in a process group of its own."""

    def __init__(self, folder: Path, clock_jumps: bool = False) -> None:
        self.folder = folder
        self.begun = time.monotonic()
        self.place = folder.with_name(f"functions-{time.monotonic_ns()}")
        self.kept = self._outcomes()
        arguments = ["reproduce", *ARTEFACTS, "--scale", "smoke", "--jobs", "2", "--out", str(folder)]
        start = START.format(clock=JUMPING if clock_jumps else "")
        self.process = subprocess.Popen(
            [sys.executable, "-c", start, str(self.place), *arguments, "--quiet"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip

    def _outcomes(self) -> dict[str, int]:
        return {p.name: p.stat().st_mtime_ns for p in self.folder.glob(".cache/outcomes/[!.]*.json")}

    def finished(self) -> int:
        """Number of artefacts that it has finished."""
        return len(self._outcomes().items() - self.kept.items())

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until it ends, at most so long; return whether it did."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)
        return self.process.poll() is not None

    def phase(self) -> str:
        """Ask it what it is doing."""
        if not self.place.exists():
            return STARTING
        before = len(self.place.read_text(encoding="utf-8"))
        self.process.send_signal(signal.SIGUSR1)
        said, until = "", time.monotonic() + 0.5
        while time.monotonic() < until and not said.endswith(("in <module>\n", "  ...\n")):
            time.sleep(0.002)
            said = self.place.read_text(encoding="utf-8")[before:]
        for path, function in re.findall(r'File "(.*)", line \d+ in (.+)', said):
            for (part, name), phase in PHASES.items():
                if path.endswith(part) and (name == function or (not name and function != "<module>")):
                    return phase
        return ENDING

    def strike(self, number: signal.Signals, target: str, rng: random.Random) -> str:
        """Send a signal to the run, to all its processes or to one of its workers; return whom it met."""
        with suppress(ProcessLookupError, psutil.NoSuchProcess):
            if target == "all its processes":
                os.killpg(self.process.pid, number)
                return target
            if target == "a worker":
                family = psutil.Process(self.process.pid).children(recursive=True)
                workers = [child for child in family if "popen_loky_posix" in " ".join(child.cmdline())]
                if workers:
                    rng.choice(workers).send_signal(number)
                    return target
            self.process.send_signal(number)
        return TARGETS[0]

    def end(self) -> tuple[int, str]:
        """Wait for it and all its processes; return its exit code and what it said, or that it hangs."""
        hangs = "" if self.wait(PATIENCE) else f"did not end within {PATIENCE:g} s while it {self.phase()}. "
        if hangs:
            os.killpg(self.process.pid, signal.SIGKILL)
        until = time.monotonic() + PATIENCE
        while (orphans := self._alive()) and time.monotonic() < until:
            time.sleep(0.02)
        if orphans:
            hangs += f"processes outlive it: {orphans}. "
            os.killpg(self.process.pid, signal.SIGKILL)
        said, _ = self.process.communicate()
        for place in (self.place, self.place.with_name(f"{self.place.name}.part")):
            place.unlink(missing_ok=True)
        return self.process.returncode, hangs + said

    def _alive(self) -> list[str]:
        """Other processes of its group that still do something."""
        alive = []
        for process in psutil.process_iter():
            with suppress(ProcessLookupError, psutil.Error):
                beside = process.pid != self.process.pid and os.getpgid(process.pid) == self.process.pid
                if beside and process.status() != psutil.STATUS_ZOMBIE:
                    alive.append(" ".join(process.cmdline())[-200:])
        return alive
