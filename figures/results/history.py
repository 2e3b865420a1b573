"""Verdicts over time: what a run finds is compared with what the committed run of its scale and seed found.

The verdicts of a quick run are kept with the package. To renew them, and to say why a verdict changed::

    selfdistill reproduce --scale quick --out EMPTY_FOLDER --json > run.json
    python -m selfdistill.figures.results.history run.json COMMIT "why verdicts changed, if any did"

Those of the thorough run are kept by `thorough`, with all that belongs to them; changes of both are logged here.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ..claim import Claim
from ..reference import read
from ..scale import Scale

KEPT = Path(__file__).parents[1] / "data" / "history.json"
T = TypeVar("T")
_NUMBER = re.compile(r"\b\d+(\.\d+)?")  # not the digits of a name such as M7


@dataclass(frozen=True)
class Change:
    """A claim whose verdict is not that of the committed run."""

    claim: Claim
    before: str
    commit: str


def verdict_key(artefact: str, id: str, statement: str) -> str:
    """What identifies a claim from commit to commit."""
    return f"{artefact} {id} {statement}"


def same_claim(kept: Mapping[str, T], claim: Claim) -> T | None:
    """Find what is kept of a claim, by its key; a statement may name other sizes at another scale.

    Where the key is unknown, the claim is the only one whose key differs in its numbers alone.
    """
    key = verdict_key(claim.artefact, claim.id, claim.statement)
    if key in kept:
        return kept[key]
    alike = [value for other, value in kept.items() if _NUMBER.sub("#", other) == _NUMBER.sub("#", key)]
    return alike[0] if len(alike) == 1 else None


def changes(claims: Sequence[Claim], scale: Scale) -> tuple[list[Change], str]:
    """Compare claims with the committed run of the same scale and seed.

    Returns
    -------
    changed : list of Change
    commit : str
        Of the committed run; empty if there is none to compare with.
    """
    run = read("history.json")["runs"].get(f"{scale.name}, seed {scale.seed}")
    if run is None:
        return [], ""
    changed = []
    for claim in claims:
        before = same_claim(run["verdicts"], claim)
        if before is not None and before[0] != claim.verdict:
            changed.append(Change(claim, before[0], run["commit"]))
    return changed, run["commit"]


def log_changes(
    before: Mapping[str, str], after: Iterable[tuple[str, str]], commit: str, run: str, why: str
) -> list[dict[str, str]]:
    """Entries of the log for verdicts, by key, that are not what they were."""
    return [
        {"commit": commit, "run": run, "claim": key, "from": before[key], "to": verdict, "why": why}
        for key, verdict in after
        if key in before and before[key] != verdict
    ]


def renew(kept: dict[str, Any], run: dict[str, Any], commit: str, reason: str) -> dict[str, Any]:
    """Put the verdicts of a run, as ``reproduce --json`` prints it, in place of those kept, and log what changed."""
    name = f"{run['scale']}, seed {run['seed']}"
    verdicts = {
        verdict_key(c["artefact"], c["id"], c["statement"]): [c["verdict"], _effect(c["measured"])]
        for c in run["claims"]
    }
    before = kept["runs"].get(name, {"verdicts": {}})["verdicts"]
    log = log_changes(
        {key: verdict for key, (verdict, _) in before.items()},
        ((key, verdict) for key, (verdict, _) in verdicts.items()),
        commit, name, reason,
    )  # fmt: skip
    runs = kept["runs"] | {name: {"commit": commit, "verdicts": dict(sorted(verdicts.items()))}}
    return {"runs": runs, "changes": [*kept["changes"], *log]}


def _effect(measured: float | str) -> float | str:
    return float(f"{measured:.4g}") if isinstance(measured, float) else measured


def main() -> None:
    """Take up a run: its JSON file, the commit that it was made at, and why verdicts changed."""
    file, commit, *reason = sys.argv[1:]
    kept = json.loads(KEPT.read_text(encoding="utf-8"))
    run = json.loads(Path(file).read_text(encoding="utf-8"))
    renewed = renew(kept, run, commit, " ".join(reason))
    KEPT.write_text(json.dumps(renewed, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
