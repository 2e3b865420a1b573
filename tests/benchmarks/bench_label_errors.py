"""Finding wrong labels: nothing tuned by hand, against cleanlab on probabilities of models tuned inside the folds.

What can be chosen of ours (widths, penalties, rounds, two refits, the score) was fixed on seeds from 100 on; the
table uses seeds from 0 on. Every rival is tuned by grid search inside each of five folds, and is given the better of
cleanlab's scores on each problem, which nobody could choose without knowing the truth. cleanlab is needed (extra
``dev``). Seconds are the processor's, of one thread.

Every problem is kept as soon as it is measured, in ``label_errors.json`` beside this file, and is not measured again:

``python -m tests.benchmarks.bench_label_errors [--minutes M] [--seeds N] [--again]`` measures what is missing for at
most so long (``--again`` measures ours anew, after it was changed); ``python -m tests.benchmarks label_errors`` does
so for ten minutes and makes the table of what is there.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score
from sklearn.svm import SVC

from selfdistill.theory import estimate_corruption, find_label_errors

from .label_problems import RIVALS, SETS, Problem, Samples, problems, samples, tuned_probabilities
from .machine import describe
from .measure import worked

KEPT = Path(__file__).with_name("label_errors.json")
MEASURES = ("precision", "corruption", "accuracy", "seconds")
SEEDS, MINUTES = 10, 10.0
# Ours, and the same with a single round: what the rounds earn.
OURS: dict[str, int | None] = {"ours": None, "one round": 1}
Measured = dict[str, list[float | None]]


def after_cleaning(data: Samples, bad: np.ndarray) -> float:
    """Accuracy on clean test samples of a support vector machine that learned without the samples called bad."""
    kept = ~bad if not bad.all() else bad  # nothing can be learned from nothing: then all are kept
    left = np.unique(data.given[kept])
    if len(left) == 1:  # a method that throws all other classes away has learned one answer
        return float(np.mean(data.y_test == left[0]))
    return float(SVC().fit(data.x[kept], data.given[kept]).score(data.x_test, data.y_test))


def measure_ours(data: Samples, rounds: int | None) -> list[float | None]:
    """Average precision, error of the corruption matrix, accuracy after cleaning, seconds."""
    seconds, found = worked(lambda: find_label_errors(data.x, data.given, rounds=rounds, random_state=0))
    precision = float(average_precision_score(data.given != data.true, found.scores))
    return [precision, _off(data, found.corruption), after_cleaning(data, found.flagged), seconds]


def measure_rival(data: Samples, rival: str) -> list[float | None]:
    """The same of cleanlab on a tuned model's probabilities."""
    from cleanlab.count import compute_confident_joint
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    given, wrong = data.given, data.given != data.true
    p, seconds = tuned_probabilities(rival, data.x, given)
    scores = [
        -get_label_quality_scores(given, p, method=method, adjust_pred_probs=adjust)
        for method in ("self_confidence", "normalized_margin")
        for adjust in (False, True)
    ]
    joint = compute_confident_joint(given, p).astype(float)
    return [
        max(float(average_precision_score(wrong, s)) for s in scores),
        _off(data, joint.T / joint.sum(axis=0)[:, None]),
        after_cleaning(data, find_label_issues(given, p)),
        seconds,
    ]


def _off(data: Samples, corruption: np.ndarray) -> float:
    truth = estimate_corruption(data.true, data.given, len(corruption))
    return float(np.abs(corruption - truth).sum(axis=1).mean())


def measure(problem: Problem, known: Measured) -> Measured:
    """What is not known yet of a problem."""
    data = samples(problem)
    measured = dict(known)
    if "given labels" not in known:
        before = after_cleaning(data, np.zeros(len(data.given), bool))
        measured["given labels"] = [None, None, before, None]
    for method, rounds in OURS.items():
        if method not in known:
            measured[method] = measure_ours(data, rounds)
    for rival in RIVALS:
        if rival not in known:
            measured[rival] = measure_rival(data, rival)
    return {
        method: [None if v is None else round(v, 4) for v in values] for method, values in measured.items()
    }


def fill(
    minutes: float = MINUTES, seeds: int = SEEDS, *, again: bool = False, path: Path = KEPT
) -> dict[str, Measured]:
    """Measure what is missing, the first seeds of all sets first, and keep each problem as it is done."""
    warnings.filterwarnings("ignore")
    machine = describe()
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"machine": machine, "runs": {}}
    if kept["machine"]["processor"] != machine["processor"]:
        raise SystemExit(
            f"{path.name} was measured on another processor ({kept['machine']['processor']}): move it away to "
            "measure anew, since seconds of two machines cannot be compared."
        )
    runs: dict[str, Measured] = kept["runs"]
    if again:
        runs.update({key: {m: v for m, v in run.items() if m not in OURS} for key, run in runs.items()})
    end = time.monotonic() + 60 * minutes
    for seed in range(seeds):
        for problem in problems(seed):
            key = "|".join(str(part) for part in problem)
            known = runs.get(key, {})
            if {*OURS, *RIVALS} <= set(known) or (again and not known):
                continue
            if time.monotonic() > end:
                return runs
            runs[key] = measure(problem, known)
            _keep(kept, path)
    return runs


def _keep(kept: dict[str, Any], path: Path) -> None:
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(run)}" for key, run in kept["runs"].items())
    head = f'"machine": {json.dumps(kept["machine"])},\n"measures": {json.dumps(MEASURES)}'
    part = path.with_suffix(".part")
    part.write_text(f'{{{head},\n"runs": {{\n{lines}\n}}}}\n', encoding="utf-8")
    part.replace(path)


def run() -> list[dict[str, object]]:
    """One row a problem: means over its seeds, ours against the best rival on it; before them the means over sets."""
    return rows(fill())


def rows(runs: dict[str, Measured]) -> list[dict[str, object]]:
    """The table of what was measured whole."""
    cells: dict[str, list[dict[str, dict[str, float]]]] = {}
    for key, measured in runs.items():
        if {*OURS, *RIVALS} <= set(measured):
            name, kind, rate, seed = key.split("|")
            cells.setdefault(Problem(name, kind, float(rate), int(seed)).cell, []).append(named(measured))
    order = [p.cell for p in problems(0)]
    means = {cell: mean(cells[cell]) for cell in order if cell in cells}
    of_sets = {
        name: mean(of_set)
        for name in SETS
        if (of_set := [m for cell, m in means.items() if cell.startswith(name)])
    }
    overall = mean(list(of_sets.values()))
    counts = {cell: len(found) for cell, found in cells.items()}
    return [
        row("mean over sets", overall, sum(counts.values())),
        *(
            row(f"{name}: mean", m, sum(c for cell, c in counts.items() if cell.startswith(name)))
            for name, m in of_sets.items()
        ),
        *(row(cell, m, counts[cell]) for cell, m in means.items()),
    ]


def named(run: Measured) -> dict[str, dict[str, float]]:
    """One problem's numbers by method and measure; NaN where a measure has no meaning."""
    return {
        method: {key: np.nan if v is None else v for key, v in zip(MEASURES, values, strict=True)}
        for method, values in run.items()
    }


def mean(results: list[dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    """Mean of every measure of every method."""
    return {
        method: {key: float(np.mean([r[method][key] for r in results])) for key in MEASURES}
        for method in results[0]
    }


def row(work: str, means: dict[str, dict[str, float]], draws: int) -> dict[str, object]:
    """A row of the table: against the rival of the best average precision."""
    best = max(RIVALS, key=lambda name: means[name]["precision"])
    ours, rival = means["ours"], means[best]
    return {
        "work": f"wrong labels: {work}",
        "rival": f"cleanlab on {best}",
        "ours_seconds": ours["seconds"],
        "rival_seconds": rival["seconds"],
        "ratio": rival["seconds"] / ours["seconds"],
        "note": f"average precision {ours['precision']:.3f} against {rival['precision']:.3f} "
        f"({means['one round']['precision']:.3f} with one round); corruption off by "
        f"{ours['corruption']:.2f} and {rival['corruption']:.2f}; test accuracy after cleaning "
        f"{ours['accuracy']:.3f} and {rival['accuracy']:.3f} ({means['given labels']['accuracy']:.3f} before); "
        f"{draws} draw{'s' if draws > 1 else ''}",
        "draws": draws,
        "methods": {
            method: {key: round(v, 4) for key, v in values.items() if v == v}
            for method, values in means.items()
        },
    }


def main() -> None:
    """Measure what is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=MINUTES)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument(
        "--again", action="store_true", help="measure ours anew on all problems that are kept"
    )
    parser.add_argument("--json", type=Path, default=KEPT, help="where the problems are kept")
    options = parser.parse_args()
    for line in rows(fill(options.minutes, options.seeds, again=options.again, path=options.json)):
        print(line["work"], line["rival"], f"{line['ratio']:.1f}×", line["note"], sep=" · ")


if __name__ == "__main__":
    main()
