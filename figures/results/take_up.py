"""Take up what a thorough run has finished: verdicts, pictures, and the pages that are made of them.

The run takes hours on two cores; it may be interrupted, gone on with, and taken up as often as one likes. Artefacts
that its folder does not hold stay as they were taken up before::

    selfdistill reproduce --scale thorough --out build/thorough
    python -m selfdistill.figures.results.take_up build/thorough "why verdicts changed, if any did"

With ``--anew`` in front of the folder its measurements are judged and drawn by the code as it is now, which needs no
training; what is kept then names the commits of both.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...empirical.jobs.closure import fingerprint
from ...empirical.jobs.store import read_dataset
from ...theory.base.validation import InputError
from ..artefact import Artefact, find_artefacts, write_text
from ..machine import commit
from ..outcomes import kept_fields
from ..run import save
from .history import log_changes, verdict_key
from .pages import CHECKOUT, GALLERY, KEPT, copy_pictures, write_pages

_MADE = ("commit", "judged", "seed", "device", "hardware", "jobs", "seconds")
# A claim's place says these two.
_SAID_BY_PLACE = ("paper", "artefact")


def finished_in(folder: Path) -> dict[str, dict[str, Any]]:
    """What a folder holds of artefacts that were finished at scale thorough, by key.

    Raises
    ------
    InputError
        If it holds none.
    """
    known = {artefact.key for artefact in find_artefacts()}
    found = {
        fields["artefact"]: fields
        for fields in kept_fields(folder)
        if fields.get("scale") == "thorough" and fields.get("artefact") in known and "commit" in fields
        if not fields.get("own_data")  # a reader's own data say nothing of the bundled ones
    }
    if not found:
        raise InputError(
            f"{folder} holds no artefact that was finished at scale thorough. Run selfdistill reproduce --scale "
            f"thorough --out {folder} first; what it finishes can be taken up while it goes on."
        )
    return found


def entry(fields: dict[str, Any]) -> dict[str, Any]:
    """What is kept of an artefact: where it comes from, and what is known of every claim, to six digits."""
    claims = [
        {name: _short(value) for name, value in claim.items() if name not in _SAID_BY_PLACE and _says(value)}
        for claim in fields["claims"]
    ]
    return {**{name: _short(fields[name]) for name in _MADE if name in fields}, "claims": claims}


def judged_anew(folder: Path, fields: dict[str, Any]) -> dict[str, Any]:
    """Judge and draw a kept measurement by the code as it is now; the commit that judges is named beside its own."""
    (artefact,) = (a for a in find_artefacts() if a.key == fields["artefact"])
    data = read_dataset(folder / f"{artefact.key}.nc")
    save(artefact, data, artefact.draw(data), folder)
    return {**fields, "judged": commit(), "claims": [claim.to_json() for claim in artefact.claims(data)]}


def _says(value: Any) -> bool:
    return value is not None and value != ""


def _short(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, list):
        return [_short(v) for v in value]
    if isinstance(value, dict):
        return {name: _short(v) for name, v in value.items()}
    return value


def merged(kept: dict[str, Any], found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Put artefacts in place of those kept; the others stay, and artefacts that are gone go."""
    known = {artefact.key for artefact in find_artefacts()}
    artefacts = kept["artefacts"] | {key: entry(fields) for key, fields in found.items()}
    return {"artefacts": {key: artefacts[key] for key in sorted(artefacts) if key in known}}


def changed(kept: dict[str, Any], found: dict[str, dict[str, Any]], why: str) -> list[dict[str, str]]:
    """Entries of the log for verdicts that are not what was taken up before."""
    log = []
    for key, fields in found.items():
        before = kept["artefacts"].get(key, {"claims": []})["claims"]
        verdicts = {verdict_key(key, c["id"], c["statement"]): c["verdict"] for c in before}
        after = [(verdict_key(key, c["id"], c["statement"]), c["verdict"]) for c in fields["claims"]]
        judged = fields.get("judged", fields["commit"])
        log += log_changes(verdicts, after, judged, f"thorough, seed {fields['seed']}", why)
    return log


def outdated(artefacts: Sequence[Artefact], found: dict[str, dict[str, Any]]) -> list[str]:
    """Artefacts whose code is no longer what they were run with."""
    return [a.key for a in artefacts if a.key in found and found[a.key]["code"] != fingerprint(a.module_name)]


def take_up(folder: Path, why: str = "", checkout: Path = CHECKOUT, *, anew: bool = False) -> list[str]:
    """Take up the artefacts of a folder into a checkout; return what to tell of it, a line each.

    Parameters
    ----------
    folder : Path
    why : str
        Why verdicts changed, if any did.
    checkout : Path
    anew : bool
        Whether to judge and draw its measurements by the code as it is now.

    Raises
    ------
    InputError
        If the folder holds none, or there is no checkout.
    """
    if not (checkout / GALLERY).is_dir():
        raise InputError(f"results are taken up into a checkout of the project, and {checkout} is none.")
    found = finished_in(folder)
    if anew:
        found = {key: judged_anew(folder, fields) for key, fields in found.items()}
    kept = json.loads((checkout / KEPT).read_text(encoding="utf-8"))
    log, renewed = changed(kept, found, why), merged(kept, found)
    _write(checkout / KEPT, renewed)
    if log:
        history = (checkout / KEPT).with_name("history.json")
        said = json.loads(history.read_text(encoding="utf-8"))
        _write(history, {**said, "changes": [*said["changes"], *log]})
    copy_pictures(folder, checkout, found)
    write_pages(checkout)
    artefacts = find_artefacts()
    missing = [artefact.key for artefact in artefacts if artefact.key not in renewed["artefacts"]]
    lines = [
        f"{len(found)} artefacts taken up; {len(renewed['artefacts'])} of {len(artefacts)} are kept now."
    ]
    lines += [f"{change['claim']}: {change['from']} -> {change['to']}" for change in log]
    named = (("the code has changed since of", outdated(artefacts, found)), ("not run yet:", missing))
    return lines + [f"{what} {' '.join(keys)}" for what, keys in named if keys]


def _write(path: Path, document: dict[str, Any]) -> None:
    write_text(path, json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def main() -> None:
    """Take up the folder that is named, with the reason for changed verdicts."""
    words = sys.argv[1:]
    anew = words[:1] == ["--anew"]
    if not words[anew:]:
        raise SystemExit(__doc__)
    folder, *why = words[anew:]
    try:
        lines = take_up(Path(folder), " ".join(why), anew=anew)
    except InputError as error:
        raise SystemExit(f"error: {error}") from None
    print(*lines, sep="\n")


if __name__ == "__main__":
    main()
