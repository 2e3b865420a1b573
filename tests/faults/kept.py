"""What a run leaves in its folder: files of six kinds, which are compared, damaged by a byte and given other dates."""

from __future__ import annotations

import os
import random
from contextlib import suppress
from pathlib import Path

from selfdistill.empirical.jobs.store import read_dataset

KINDS = {
    "kept result": ".cache/selfdistill.*/*/*.nc",
    "kept outcome": ".cache/outcomes/*.json",
    "data": "*.nc",
    "picture": "*.png",
    "claims": "claims.json",
    "report": "report.html",
}
YEAR = 365 * 24 * 3600.0


def files(folder: Path, kind: str) -> list[Path]:
    """Files of a kind that are whole; the name of one that is being written begins with a dot."""
    return sorted(path for path in folder.glob(KINDS[kind]) if not path.name.startswith("."))


def same(path: Path, other: Path) -> bool:
    """Whether two files hold the same; data may stand in another order."""
    if not path.is_file() or not other.is_file():
        return False
    if path.suffix == ".nc":
        with suppress(Exception):
            return read_dataset(path).identical(read_dataset(other))
        return False
    return path.read_bytes() == other.read_bytes()


def differences(folder: Path, calm: Path) -> list[str]:
    """What is not as an undisturbed run left it, in words; a report says how long its run took, and may differ."""
    names = {
        path.name
        for place in (folder, calm)
        for kind in ("claims", "data", "picture")
        for path in files(place, kind)
    }
    wrong = [name for name in sorted(names) if not same(folder / name, calm / name)]
    wrong += [
        f"a {kind} is missing"
        for kind in ("kept outcome", "kept result")
        if {p.name for p in files(calm, kind)} - {p.name for p in files(folder, kind)}
    ]
    report = folder / "report.html"
    if not report.is_file() or not report.read_text(encoding="utf-8").rstrip().endswith("</html>"):
        wrong.append("report.html is not whole")
    return wrong


def damage(folder: Path, kind: str, rng: random.Random) -> bool:
    """Change one byte of a file of a kind; return whether there was one."""
    there = [path for path in files(folder, kind) if path.stat().st_size]
    if not there:
        return False
    path = rng.choice(there)
    content = bytearray(path.read_bytes())
    content[rng.randrange(len(content))] ^= 1 + rng.randrange(255)
    path.write_bytes(bytes(content))
    return True


def move_dates(folder: Path, rng: random.Random) -> None:
    """Give every file a date within twenty years of its own, before or after, as if the clock had jumped."""
    for path in folder.rglob("*"):
        if path.is_file():
            date = path.stat().st_mtime + rng.uniform(-20, 20) * YEAR
            os.utime(path, (date, date))
