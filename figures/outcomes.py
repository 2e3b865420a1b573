"""What became of artefacts, kept in the output folder, so that the reports of several runs add up."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from ..empirical.jobs.closure import fingerprint
from .artefact import FORMER_KEYS, Artefact, find_artefacts, write_text
from .claim import Claim
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
    """

    artefact: Artefact
    claims: list[Claim]
    picture: Path | None
    seconds: float
    error: str = ""
    scale: Scale | None = None
    outdated: bool = False


def _place(folder: Path) -> Path:
    return folder / ".cache" / "outcomes"


def keep_outcome(outcome: Outcome, scale: Scale, folder: Path) -> None:
    """Write down what became of an artefact, for later reports of the folder."""
    place = _place(folder)
    place.mkdir(parents=True, exist_ok=True)
    fields = {
        "artefact": outcome.artefact.key,
        "claims": [claim.to_json() for claim in outcome.claims],
        "seconds": outcome.seconds,
        "scale": scale.name,
        "seed": scale.seed,
        "device": scale.device,
        "code": fingerprint(outcome.artefact.module_name),
    }
    write_text(place / f"{outcome.artefact.key}.json", json.dumps(fields, ensure_ascii=False))


def with_kept(outcomes: Sequence[Outcome], folder: Path) -> list[Outcome]:
    """Return the outcomes of a run and those of earlier runs into the same folder, in the order of the stories.

    What the run itself did comes first: an earlier outcome stands for an artefact only if the run has none of it,
    or could not run it. Files that are damaged, or of artefacts that are gone, are left out.
    """
    now = {outcome.artefact: outcome for outcome in outcomes}
    earlier = {
        o.artefact: o for path in sorted(_place(folder).glob("*.json")) if (o := _recall(path, folder))
    }
    merged = earlier | {a: o for a, o in now.items() if not (o.error and o.seconds == 0 and a in earlier)}
    return [merged[artefact] for artefact in find_artefacts() if artefact in merged]


def _recall(path: Path, folder: Path) -> Outcome | None:
    # Whatever is wrong with a file, its artefact is as if it had not been run.
    with suppress(Exception):
        fields = json.loads(path.read_text(encoding="utf-8"))
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
        )
    return None
