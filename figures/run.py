"""Run artefacts one after another: measure, judge, draw, write; what is finished is kept whatever happens."""

from __future__ import annotations

import json
import time
import traceback
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import xarray as xr
from matplotlib.figure import Figure

from ..empirical.jobs.runner import LostProcessError
from ..empirical.jobs.store import write_dataset
from ..theory import InputError
from .artefact import Artefact, write_atomically, write_text
from .claim import Claim
from .machine import commit
from .outcomes import Outcome, keep_outcome
from .scale import Scale


@dataclass
class Watcher:
    """Told of progress; the command line draws it."""

    started: Callable[[Artefact], None] = field(default=lambda artefact: None)
    job: Callable[[int, int], None] = field(default=lambda done, total: None)
    finished: Callable[[Outcome], None] = field(default=lambda outcome: None)


def prepare_folder(folder: Path, option: str = "--out") -> Path:
    """Create an output folder and prove that it can be written, before any work.

    Raises
    ------
    InputError
        If it is a file, cannot be made, or cannot be written.
    """
    probe = folder / f".write-{uuid.uuid4().hex}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"\0" * 4096)
    except OSError as error:
        raise InputError(
            f"cannot write to the output folder {folder} ({error.strerror or error}). "
            f"Choose another with {option}, or mend its permissions or free space."
        ) from None
    finally:
        with suppress(OSError):
            probe.unlink()
    return folder


def check_device(device: str) -> str:
    """Return the device if torch can compute on it.

    Raises
    ------
    InputError
        If it cannot.
    """
    if device == "cpu":
        return device  # without the second that importing torch takes
    import torch

    from ..empirical.training.devices import own_device

    try:
        torch.zeros(1, device=own_device(device))
    except (RuntimeError, AssertionError) as error:
        raise InputError(
            f"device {device!r} cannot be used here ({str(error).splitlines()[0]}). Use --device cpu, or a "
            "build of torch that supports it."
        ) from None
    return device


def find_obstacles(artefacts: Sequence[Artefact], scale: Scale) -> dict[Artefact, str]:
    """Find, before any work, which artefacts cannot be run here and why; data that they need are downloaded.

    Raises
    ------
    InputError
        If none of them can be run.
    """
    said: dict[str, str] = {}
    obstacles: dict[Artefact, str] = {}
    for artefact in artefacts:
        if missing := artefact.missing_packages():
            names = " ".join(missing)
            obstacles[artefact] = f"{artefact.key} needs {names}: python -m pip install {names}"
            continue
        for name in sorted(artefact.data_sets(scale)):
            if name not in said:
                said[name] = _why_missing(name)
            if said[name]:
                obstacles[artefact] = f"{artefact.key} needs {name}: {said[name]}"
    if obstacles and len(obstacles) == len(artefacts):
        raise InputError(" ".join(dict.fromkeys(obstacles.values())))
    return obstacles


def _why_missing(data_set: str) -> str:
    """Find or download a data set; return why it cannot be had, or nothing."""
    from ..empirical.data.cifar import locate  # brings torch along, which most runs need anyway, but not all

    try:
        locate(data_set)
    except InputError as error:
        return str(error)
    return ""


def run_artefacts(
    artefacts: Sequence[Artefact],
    scale: Scale,
    folder: Path | None,
    watcher: Watcher | None = None,
    obstacles: Mapping[Artefact, str] | None = None,
) -> list[Outcome]:
    """Run artefacts in order; with a folder, write picture and data of each as soon as it is finished.

    An artefact that breaks, or that has an obstacle, is reported in its outcome and does not spoil the others.
    An interruption (Ctrl-C) ends the run; the outcomes up to then are returned.
    """
    watcher = watcher or Watcher()
    obstacles = obstacles or {}
    outcomes: list[Outcome] = []
    try:
        for artefact in artefacts:
            watcher.started(artefact)
            if artefact in obstacles:
                outcomes.append(Outcome(artefact, [], None, 0.0, obstacles[artefact]))
            else:
                outcomes.append(_run(artefact, replace(scale, progress=watcher.job), folder))
            watcher.finished(outcomes[-1])
    except KeyboardInterrupt:
        pass
    return outcomes


def _run(artefact: Artefact, scale: Scale, folder: Path | None) -> Outcome:
    start = time.perf_counter()
    try:
        data = artefact.measure(scale)
        claims = artefact.claims(data)
        made = data.assign_attrs(artefact=artefact.key, scale=scale.name, seed=scale.seed, commit=commit())
        picture = save(artefact, made, artefact.draw(data), folder) if folder else None
    except (OSError, InputError) as error:
        if isinstance(error, OSError) or scale.data is None:
            raise
        # What is wrong with the reader's own data for one figure may not be for the next.
        return Outcome(artefact, [], None, time.perf_counter() - start, str(error))
    except LostProcessError as error:
        return Outcome(artefact, [], None, time.perf_counter() - start, str(error))
    except Exception:
        return Outcome(artefact, [], None, time.perf_counter() - start, traceback.format_exc())
    own = scale.data.description if scale.data else ""
    outcome = Outcome(artefact, claims, picture, time.perf_counter() - start, own_data=own)
    if folder:
        keep_outcome(outcome, scale, folder)
    return outcome


def save(artefact: Artefact, data: xr.Dataset, figure: Figure, folder: Path) -> Path:
    """Write the data and the picture of an artefact; return the picture's path."""
    write_dataset(data, folder / f"{artefact.key}.nc")
    picture = folder / f"{artefact.key}.png"
    write_atomically(picture, lambda temporary: figure.savefig(temporary, format="png", dpi=150))
    return picture


def save_claims(claims: list[Claim], folder: Path) -> None:
    """Write ``claims.json``, a list of the fields of every claim."""
    write_text(
        folder / "claims.json",
        json.dumps([claim.to_json() for claim in claims], indent=1, ensure_ascii=False),
    )
