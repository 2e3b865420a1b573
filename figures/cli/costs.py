"""Seconds that every artefact takes, as `selfdistill list` shows them.

They are kept with the package. To measure them anew, into an empty folder so that nothing is resumed::

    selfdistill reproduce --scale quick --out EMPTY_FOLDER --json > run.json
    python -m selfdistill.figures.cli.costs run.json
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from ..reference import read

KEPT = Path(__file__).parents[1] / "data" / "costs.json"


def read_costs() -> dict[str, dict[str, float]]:
    """Seconds by artefact and scale."""
    costs: dict[str, dict[str, float]] = read("costs.json")["seconds"]
    return costs


def merge_costs(kept: dict[str, Any], run: dict[str, Any]) -> dict[str, Any]:
    """Put the seconds of a run, as ``reproduce --json`` prints it, in place of those kept; broken ones are not."""
    seconds = {key: dict(scales) for key, scales in kept["seconds"].items()}
    for entry in run["artefacts"]:
        if not entry["error"]:
            seconds.setdefault(entry["artefact"], {})[run["scale"]] = round(entry["seconds"], 1)
    return {"cores": os.cpu_count(), "seconds": dict(sorted(seconds.items()))}


def main() -> None:
    """Take up the runs whose JSON files are named."""
    kept = json.loads(KEPT.read_text(encoding="utf-8"))
    for name in sys.argv[1:]:
        kept = merge_costs(kept, json.loads(Path(name).read_text(encoding="utf-8")))
    KEPT.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
