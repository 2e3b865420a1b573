"""Faults at random: kill `selfdistill reproduce` again and again, damage what it keeps, and compare its claims.

Run it for as long as wanted (it prints what it did, and exits with 1 if anything was wrong)::

    python -m tests.faults 100
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

ARTEFACTS = ["ground_truth", "near_interpolation", "mobahi2020.real_data", "jeong2025.minimum_rounds"]
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)


def start(folder: Path) -> subprocess.Popen[str]:
    """Start a run with two worker processes, in a process group of its own."""
    arguments = ["reproduce", *ARTEFACTS, "--scale", "smoke", "--jobs", "2", "--out", str(folder), "--quiet"]
    return subprocess.Popen(
        [sys.executable, "-m", "selfdistill.figures", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def claims(folder: Path) -> list[dict[str, object]]:
    """What the run left."""
    return json.loads((folder / "claims.json").read_text(encoding="utf-8"))


def damage(folder: Path, rng: random.Random) -> str:
    """Flip a byte of a file that is kept, whatever its kind; return the kind."""
    files = [p for p in folder.rglob("*") if p.is_file() and p.stat().st_size]
    if not files:
        return "nothing to damage yet"
    path = rng.choice(files)
    content = bytearray(path.read_bytes())
    content[rng.randrange(len(content))] ^= 1 + rng.randrange(255)
    path.write_bytes(bytes(content))
    return f"damaged {path.suffix or path.name}"


def kill(run: subprocess.Popen[str], after: float, number: signal.Signals, group: bool) -> tuple[int, str]:
    """Send a signal to a run, or to all its processes at once; return its exit code and what it said."""
    try:
        said, _ = run.communicate(timeout=after)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            (os.killpg if group else os.kill)(run.pid, number)
        try:
            said, _ = run.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(run.pid, signal.SIGKILL)
            return -999, "did not end within a minute"
    return run.returncode, said


def main(times: int, seed: int) -> int:
    """Kill a run so many times, and compare what the last one leaves with an undisturbed one."""
    rng, did, wrong = random.Random(seed), Counter[str](), []
    with tempfile.TemporaryDirectory() as name:
        calm, folder = Path(name) / "calm", Path(name) / "disturbed"
        begun = time.monotonic()
        start(calm).communicate()
        seconds = time.monotonic() - begun
        expected = claims(calm)
        for _ in range(times):
            number, group = rng.choice(SIGNALS), rng.random() < 0.5
            code, said = kill(start(folder), rng.uniform(0, 1.1) * seconds, number, group)
            allowed = (0, 130, -number) if number != signal.SIGINT else (0, 130, -signal.SIGINT)
            did[f"{number.name}{' to all its processes' if group else ''}, exit code {code}"] += 1
            if code not in allowed or (number != signal.SIGKILL and "Traceback" in said):
                wrong.append(f"{number.name}: exit code {code}: {said[-2000:]}")
            if rng.random() < 0.2:
                did[damage(folder, rng) if folder.exists() else "nothing to damage yet"] += 1
            if code == 0:  # it had finished: begin again, so that the next one meets work that goes on
                shutil.rmtree(folder)
        run = start(folder)
        said, _ = run.communicate()
        if run.returncode != 0:
            wrong.append(f"the last run ended with {run.returncode}: {said[-2000:]}")
        elif claims(folder) != expected:
            wrong.append("the claims are not those of an undisturbed run")
    for what, count in sorted(did.items()):
        print(f"{count:5d} {what}")
    print("\n".join(wrong) if wrong else f"{times} kills, the same claims afterwards, nothing wrong.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 20, int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    )
