"""Seconds that every artefact takes, as `selfdistill list` shows them and a run foretells its own.

Those of scale thorough are kept with its verdicts. To measure the others anew, into an empty folder so that nothing
is resumed::

    selfdistill reproduce --scale quick --out EMPTY_FOLDER --json > run.json
    python -m selfdistill.figures.cli.costs run.json
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args

from ..presets import ScaleName

KEPT = Path(__file__).parents[1] / "data" / "costs.json"
THOROUGH = KEPT.with_name("thorough.json")
_TABLE, _CELLS = "zhang2020.comparison_table", "mobahi2020.network_fall_and_rise"
# Artefacts whose networks an earlier one of a whole run has trained already, which is how they were timed.
TRAINED_BY: dict[str, tuple[str, ...]] = {
    "mobahi2020.network_collapse": (_CELLS,),
    "mobahi2020.network_width": (_CELLS,),
    "zhang2020.calibration": (_TABLE,),
    "zhang2020.diverse_teachers": ("zhang2020.generations", "zhang2020.temperature"),
    "zhou2021.regularization_samples": ("zhang2020.temperature",),
    "zhou2021.weighted_soft_labels": (_TABLE,),
    "kim2021.comparison": (_TABLE,),
}


def read_costs() -> dict[str, dict[str, float]]:
    """Seconds by artefact and scale."""
    costs: dict[str, dict[str, float]] = json.loads(KEPT.read_text(encoding="utf-8"))["seconds"]
    for key, finished in json.loads(THOROUGH.read_text(encoding="utf-8"))["artefacts"].items():
        costs[key] = costs.get(key, {}) | {"thorough": round(finished["seconds"], 1)}
    return costs


def expected_seconds(
    keys: Iterable[str], scale: str, costs: dict[str, dict[str, float]]
) -> tuple[float, int]:
    """Sum up what artefacts take at a scale, in one process, with what others would have trained for them.

    Returns
    -------
    seconds : float
        For an artefact that was never timed at the scale, its time at the nearest smaller one: too little.
    untimed : int
        How many those are.
    """
    smaller = get_args(ScaleName)[: get_args(ScaleName).index(scale) + 1]
    seconds, untimed = 0.0, 0
    own = list(keys)
    others = [other for artefact in own for other in TRAINED_BY.get(artefact, ())]
    for key in dict.fromkeys([*own, *others]):
        known = [costs[key][name] for name in smaller if name in costs.get(key, {})]
        seconds += known[-1] if known else 0.0
        untimed += key in own and scale not in costs.get(key, {})
    return seconds, untimed


def alone(key: str, costs: dict[str, dict[str, float]]) -> dict[str, float]:
    """Seconds that an artefact takes by itself, by scale."""
    return {scale: round(expected_seconds([key], scale, costs)[0], 1) for scale in costs.get(key, {})}


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
