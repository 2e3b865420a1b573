"""What became of artefacts, kept in the output folder, so that the reports of several runs add up."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..empirical.jobs.closure import fingerprint
from .artefact import FORMER_KEYS, Artefact, find_artefacts, write_text
from .claim import Claim
from .machine import commit, hardware
from .scale import Scale


@dataclass(frozen=True)
class Outcome:
    """What became of one artefact.

    Attributes
    ----------
    artefact : Artefact
    claims : list of Claim
    picture : Path or None
    seconds : float
    error : str
        Why there are no claims; empty where all went well.
    scale : Scale or None
        What it was measured at, if not what the report says for all.
    outdated : bool
        Whether its code has changed since.
    own_data : str
        The reader's own data that it was measured on, in words; empty for bundled ones.
    """

    artefact: Artefact
    claims: list[Claim]
    picture: Path | None
    seconds: float
    error: str = ""
    scale: Scale | None = None
    outdated: bool = False
    own_data: str = ""


def _place(folder: Path) -> Path:
    return folder / ".cache" / "outcomes"


def keep_outcome(outcome: Outcome, scale: Scale, folder: Path) -> None:
    """Write down what became of an artefact, for later reports of the folder."""
    path = _place(folder) / f"{outcome.artefact.key}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    decides = {
        "artefact": outcome.artefact.key,
        "scale": scale.name,
        "seed": scale.seed,
        "device": scale.device,
        "own_data": outcome.own_data,
        "code": fingerprint(outcome.artefact.module_name),
    }
    made = {
        "seconds": outcome.seconds, "hardware": hardware(scale.device), "jobs": scale.jobs, "commit": commit(),
    }  # fmt: skip
    with suppress(Exception):  # a file that is missing or damaged says nothing of an earlier run
        earlier = _read(path)
        if decides.items() <= earlier.items() and earlier["seconds"] > outcome.seconds:
            # The same was measured before, and most of it was only read now.
            made = {name: earlier[name] for name in made}
    claims = [claim.to_json() for claim in outcome.claims]
    fields = {**decides, **made, "claims": claims}
    write_text(path, json.dumps({**fields, "digest": _digest(fields)}, ensure_ascii=False))


def _digest(fields: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


def _read(path: Path) -> dict[str, Any]:
    """Read what was written down; raise ValueError if it is no longer that, were it by one digit of a number."""
    fields = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(fields, dict):
        raise ValueError(f"{path} does not hold an outcome")
    digest = fields.pop("digest", None)
    if digest is not None and digest != _digest(fields):  # none: written before there were digests
        raise ValueError(f"{path} is not what was written")
    return fields


def kept_fields(folder: Path) -> Iterator[dict[str, Any]]:
    """What was written down of every artefact that was finished in a folder; damaged files are left out."""
    for path in sorted(_place(folder).glob("*.json")):
        with suppress(OSError, ValueError):
            yield _read(path)


def with_kept(outcomes: Sequence[Outcome], folder: Path) -> list[Outcome]:
    """Return the outcomes of a run and those of earlier runs into the same folder, in the order of the stories.

    What the run itself did comes first: an earlier outcome stands for an artefact only if the run has none of it,
    or could not run it. Files that are damaged, or of artefacts that are gone, are left out.
    """
    now = {outcome.artefact: outcome for outcome in outcomes}
    earlier = {o.artefact: o for fields in kept_fields(folder) if (o := _recall(fields, folder))}
    merged = earlier | {a: o for a, o in now.items() if not (o.error and o.seconds == 0 and a in earlier)}
    return [merged[artefact] for artefact in find_artefacts() if artefact in merged]


def _recall(fields: dict[str, Any], folder: Path) -> Outcome | None:
    # Whatever is wrong with a file, its artefact is as if it had not been run.
    with suppress(Exception):
        key = FORMER_KEYS.get(fields["artefact"], fields["artefact"])
        (artefact,) = (a for a in find_artefacts() if a.key == key)
        picture = folder / f"{fields['artefact']}.png"
        return Outcome(
            artefact,
            [replace(Claim.from_json(claim), artefact=key) for claim in fields["claims"]],
            picture if picture.is_file() else None,
            float(fields["seconds"]),
            scale=Scale(fields["scale"], fields["seed"], fields["device"]),
            outdated=fields["code"] != fingerprint(artefact.module_name),
            own_data=fields.get("own_data", ""),
        )
    return None
