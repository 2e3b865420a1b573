"""``selfdistill labels``: which labels of a user's own data are wrong, why, and how many rounds correct them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import typer
from rich.console import Console
from rich.table import Table as RichTable

from ...theory import InputError, LabelErrors, find_label_errors
from ...theory.estimators.class_labels import as_classes
from ...theory.estimators.samples import check_complete
from ..artefact import write_atomically, write_text
from .attended import attended
from .files import Source, TextFormat, data_row, listed, open_file
from .kernels import KERNELS
from .label_page import NEIGHBOURS, render_labels
from .options import DataFile, Decimal, Drop, Encoding, Features, Separator
from .outputs import PAGES, Page, check_output
from .tables import check_known, feature_array, split_names

OUTPUTS = (".csv", ".tsv", ".parquet")


@dataclass(frozen=True, eq=False)
class OwnLabels:
    """A file's labels, judged.

    Attributes
    ----------
    name : str
        Of the file.
    target : str
    features : tuple of str
    table : DataFrame or None
        The whole file, if it is a table.
    found : LabelErrors
    top : int
        How many of the most suspicious labels are shown.
    """

    name: str
    target: str
    features: tuple[str, ...]
    table: pd.DataFrame | None
    found: LabelErrors
    top: int

    @property
    def shown(self) -> list[int]:
        """Samples to show: those for which another label is suggested, the worst first, up to `top`."""
        return [int(i) for i in self.found.ranking[: self.top] if self.found.flagged[i]]

    def entry(self, i: int) -> dict[str, Any]:
        """One suspicious label with its reasons, as JSON values; rows count from 1."""
        found, why = self.found, self.found.explain(i, NEIGHBOURS)
        return {
            "row": i + 1,
            "given": str(found.classes[found.given[i]]),
            "suggested": str(found.suggested[i]),
            "score": float(found.scores[i]),
            "confidence": float(found.confidence[i]),
            "weights_by_label": {str(c): float(w) for c, w in zip(found.classes, why.shares, strict=True)},
            "neighbours": [
                {"row": int(j) + 1, "label": str(label), "weight": float(weight)}
                for j, label, weight in zip(why.neighbours, why.labels, why.weights, strict=True)
            ],
        }

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; what is infinite is the text "inf"."""
        found = self.found
        rounds = found.minimum_rounds
        return {
            "target": self.target,
            "n_samples": len(found.given),
            "n_features": len(self.features),
            "feature_names": list(self.features),
            "classes": [str(c) for c in found.classes],
            "flagged": int(found.flagged.sum()),
            "noise_rate": found.noise_rate,
            "gap": found.gap,
            "minimum_rounds": rounds if np.isfinite(rounds) else "inf",
            "rounds": found.rounds,
            "ridge": found.ridge,
            "gamma": found.gamma,
            "corruption": found.corruption.tolist(),
            "joint": found.joint.tolist(),
            "errors": [self.entry(i) for i in self.shown],
            "notes": list(found.notes),
        }


def labels(
    data: DataFile,
    target: Annotated[str, typer.Option("--target", help="Column (NPZ: array) that holds the labels.")],
    top: Annotated[int, typer.Option("--top", min=1, help="Suspicious labels to show at most.")] = 20,
    kernel: Annotated[
        str, typer.Option("--kernel", help=f"One of {', '.join(KERNELS)}; precomputed takes the gram.")
    ] = "rbf",
    gamma: Annotated[
        float | None,
        typer.Option("--gamma", help="Kernel coefficient; chosen by leave-one-out if not given."),
    ] = None,
    groups: Annotated[
        str | None,
        typer.Option(
            "--groups", help="Column whose equal values may not vouch for each other (one patient)."
        ),
    ] = None,
    features: Features = None,
    drop: Drop = None,
    separator: Separator = None,
    decimal: Decimal = ".",
    encoding: Encoding = "utf-8",
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="Of the landmarks that stand for more than 5,000 samples.")
    ] = 0,
    as_json: Annotated[
        bool, typer.Option("--json", help='Print JSON; infinity is "inf", score the suspicion.')
    ] = False,
    html: Page = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            help="Write the table (CSV, TSV or Parquet) with the suggested labels in the target's column, the given "
            "ones in 'given <target>', and 'suspicion', which is the score printed here.",
        ),
    ] = None,
) -> None:
    """Find wrong labels: what the samples that look alike say of each, left out in turn.

    Every column but the target is a feature, of numbers or of text, unless --features or --drop says otherwise.
    Nothing has to be tuned: kernel width, penalty and rounds are chosen by leave-one-out on the labels themselves.
    """
    check_output(html, "--html", PAGES)
    check_output(output, "--output", OUTPUTS, data)
    text = TextFormat(separator, decimal, encoding)

    def work() -> OwnLabels:
        source = open_file(data, text)
        names = _feature_names(source, target, groups, features or (), drop or (), kernel == "precomputed")
        values = _values(source, names, groups)
        as_classes(source.read(target), len(values), f"the target {target!r}", data_row)
        if output is not None:
            _check_writable(source, target)
        table = (
            pd.DataFrame({name: source.read(name) for name in source.names})
            if source.word == "column"
            else None
        )
        found = find_label_errors(
            values, source.read(target), kernel=kernel, gamma=gamma,
            groups=None if groups is None else source.read(groups), random_state=seed,
        )  # fmt: skip
        return OwnLabels(data.name, target, tuple(names), table, found, top)

    result = attended(work, lambda: f"looking for wrong labels in {data.name}")
    console = Console()
    if as_json:
        typer.echo(json.dumps(result.to_json(), indent=1, ensure_ascii=False, allow_nan=False))
    else:
        print_labels(console, result)
    for path, write in ((html, _write_page), (output, _write_table)):
        if path is not None:
            write(path, result)
            if not as_json:
                console.print(f"Written: {path}", markup=False, highlight=False, soft_wrap=True)


def _feature_names(
    source: Source, target: str, groups: str | None, features: Any, drop: Any, precomputed: bool
) -> list[str]:
    apart = [target, *([] if groups is None else [groups])]
    check_known(source, [target], "--target")
    check_known(source, apart[1:], "--groups")
    named, dropped = split_names(features, source), split_names(drop, source)
    check_known(source, named, "--features")
    check_known(source, dropped, "--drop")
    if target in named:
        raise InputError(f"{target!r} cannot be target and feature at once.")
    if not named:
        others = [name for name in source.names if name not in apart and name not in dropped]
        named = others if source.word == "column" else feature_array(source, others, precomputed)
    if not named:
        raise InputError(
            f"{source.path.name!r} has no {source.word} besides the target {target!r} that may be a feature."
        )
    _refuse_answers(source, target, named)
    return named


def _added(target: str) -> list[str]:
    """Columns that --output adds to a table."""
    return [f"given {target}", "suspicion", "confidence"]


def _refuse_answers(source: Source, target: str, features: list[str]) -> None:
    """Raise if features were written by an earlier run, from the labels of which they would now be judges."""
    for original in (target, target.removeprefix("given ")):
        written = [original, *_added(original)]
        answers = [name for name in features if name in written]
        if answers and all(name in source.names for name in written):
            raise InputError(
                f"{source.path.name!r} was written by --output of an earlier run: its columns {listed(answers)} were "
                f"made from the labels and are no features. Leave them out with --drop {','.join(answers)!r}, or give "
                "the original file."
            )


def _check_writable(source: Source, target: str) -> None:
    """Raise unless --output can write the file's table anew."""
    if source.word != "column":
        raise InputError(f"--output writes a table anew, and {source.path.name!r} holds arrays. Take --json.")
    taken = [name for name in _added(target) if name in source.names]
    if taken:
        raise InputError(
            f"--output adds the columns {listed(_added(target))}, and {source.path.name!r} has {listed(taken)} "
            "already. Rename them, or give the original file."
        )


def _values(source: Source, names: list[str], groups: str | None) -> Any:
    """Features as a table without gaps, or as the numbers of arrays side by side."""
    if source.word == "column":
        read = [*names, *([] if groups is None else [groups])]
        table = pd.DataFrame({name: source.read(name) for name in read})
        check_complete(table, repr(source.path.name), data_row)
        return table[names]
    arrays = [source.numbers(name) for name in names]
    return np.column_stack([a.reshape(len(a), -1) for a in arrays])


def print_labels(console: Console, result: OwnLabels) -> None:
    """Print the summary, the corruption, and a row a suspicious label with the reasons."""
    for label, value in summary(result):
        console.print(f"{label:<46}{value}", markup=False, highlight=False, soft_wrap=True)
    if result.shown:
        console.print(errors_table(result))
    for note in result.found.notes:
        console.print(note, markup=False, highlight=False)


def summary(result: OwnLabels) -> list[tuple[str, str]]:
    """What the whole data set comes to, as label and value."""
    found = result.found
    needed = f"{found.minimum_rounds:.0f}" if np.isfinite(found.minimum_rounds) else "none does"
    width = "" if found.gamma is None else f", gamma {found.gamma:.4g}"
    wrong = int(found.flagged.sum())
    return [
        ("samples", str(len(found.given))),
        ("classes", f"{len(found.classes)}: {listed([str(c) for c in found.classes], 8)}"),
        ("features", f"{len(result.features)}: {listed(result.features, 8)}"),
        ("labels that the other samples contradict", f"{wrong} ({100 * wrong / len(found.given):.1f} %)"),
        ("estimated share of wrong labels", f"{100 * found.noise_rate:.1f} %"),
        ("least lead of a true label over a wrong one", f"{found.gap:.3f}"),
        (
            "rounds that correct all, predicted",
            f"{needed} (for the training labels, in the clustered model of the theory)",
        ),
        (
            "rounds chosen by leave-one-out",
            f"{found.rounds} (ridge {found.ridge:.3g}{width}; scores and suggestions are of this fit)",
        ),
        ("most frequent confusion", confusion(found)),
    ]


def confusion(found: LabelErrors) -> str:
    """The largest entry of the joint distribution off its diagonal, in words."""
    off = found.joint - np.diag(np.diag(found.joint))
    true, given = np.unravel_index(int(off.argmax()), off.shape)
    if off.max() == 0:
        return "none"
    return f"{found.classes[true]} labelled {found.classes[given]}, {100 * off.max():.1f} % of the samples"


def errors_table(result: OwnLabels) -> RichTable:
    """One row a suspicious label."""
    more = int(result.found.flagged.sum()) - len(result.shown)
    left_out = (
        f" {more} more are contradicted: --top shows them, --html and --output hold all." if more else ""
    )
    table = RichTable(
        caption="Rows are data rows, counted from 1. Neighbours: rows whose labels weigh most in the prediction that "
        f"never saw this one's.{left_out}"
    )
    for heading in ("row", "given", "suggested", "score", "confidence", "neighbours (label: rows)"):
        table.add_column(heading, justify="right" if heading in ("row", "score", "confidence") else "left")
    for i in result.shown:
        entry = result.entry(i)
        rows: dict[str, list[str]] = {}
        for neighbour in entry["neighbours"]:
            rows.setdefault(neighbour["label"], []).append(str(neighbour["row"]))
        near = "; ".join(f"{label}: {', '.join(numbers)}" for label, numbers in rows.items())
        table.add_row(
            str(entry["row"]), entry["given"], entry["suggested"], f"{entry['score']:.3f}",
            f"{entry['confidence']:.2f}", near,
        )  # fmt: skip
    return table


def _write_page(path: Path, result: OwnLabels) -> None:
    shown = None if result.table is None else result.table[list(result.features)]
    write_text(path, render_labels(result.to_json(), summary(result), result.found, result.name, shown))


def _write_table(path: Path, result: OwnLabels) -> None:
    """The user's table with suggested labels in place of the given ones, which are kept beside them."""
    assert result.table is not None
    found = result.found
    table = result.table.copy()
    added: tuple[npt.NDArray[Any], ...] = (
        table[result.target].to_numpy(), found.scores, found.confidence,
    )  # fmt: skip
    extra = dict(zip(_added(result.target), added, strict=True))
    table[result.target] = found.suggested
    table = table.assign(**extra)
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        write_atomically(path, lambda temporary: table.to_parquet(temporary, index=False))
    else:
        separator = "\t" if suffix == ".tsv" else ","
        write_atomically(path, lambda temporary: table.to_csv(temporary, index=False, sep=separator))
