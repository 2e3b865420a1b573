"""``selfdistill rounds``: how many rounds of self-distillation a user's own data stands, and what each keeps."""

from __future__ import annotations

import json
import math
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table as RichTable

from ..artefact import write_atomically, write_text
from ..style import house_style
from .analysis import OwnRounds, distill_table
from .attended import attended
from .files import TextFormat, listed
from .kernels import KERNELS, Kernel
from .options import Categorical, DataFile, Decimal, Drop, Encoding, Features, Separator, Targets
from .outputs import PAGES, Page, check_output
from .paths import Path as CostlyPath
from .picture import draw_rounds
from .round_page import render_rounds
from .tables import read_table

# A terminal shows so many rounds at either end of a long run.
SHOWN = 12
# And where all look alike to the digits printed, so many.
SHOWN_ALIKE = 2
SHOWN_NAMES = 8
# Expected seconds from which on the cost is announced.
LONG = 5.0


def rounds(
    data: DataFile,
    target: Targets,
    epsilon: Annotated[
        float | None,
        typer.Option(
            "--epsilon",
            help="Mean squared training error of every round; the noise, by leave-one-out, if not given.",
        ),
    ] = None,
    kernel: Annotated[
        str, typer.Option("--kernel", help=f"One of {', '.join(KERNELS)}; precomputed takes the gram.")
    ] = "rbf",
    gamma: Annotated[float | None, typer.Option("--gamma", help="Kernel coefficient.")] = None,
    degree: Annotated[float | None, typer.Option("--degree", help="Degree of a polynomial kernel.")] = None,
    coef0: Annotated[
        float | None, typer.Option("--coef0", help="Constant of a polynomial or sigmoid kernel.")
    ] = None,
    max_rounds: Annotated[
        int | None, typer.Option("--max-rounds", min=0, help="Stop here even if not collapsed.")
    ] = None,
    standardize: Annotated[
        bool, typer.Option("--standardize", help="Scale every feature to mean 0 and variance 1 first.")
    ] = False,
    center: Annotated[bool, typer.Option("--center", help="Take the mean off the target first.")] = False,
    features: Features = None,
    drop: Drop = None,
    categorical: Categorical = False,
    separator: Separator = None,
    decimal: Decimal = ".",
    encoding: Encoding = "utf-8",
    as_json: Annotated[
        bool, typer.Option("--json", help='Print JSON, with every round; infinity is "inf", unknown null.')
    ] = False,
    plot: Annotated[Path | None, typer.Option("--plot", help="Write a picture (PNG, PDF, SVG …).")] = None,
    html: Page = None,
) -> None:
    """Distil your own data to a training error, round by round until collapse, and bound the rounds.

    Every column but the target is a feature, unless --features or --drop says otherwise. An NPZ file holds arrays
    with samples first: the target, and features X, or with --kernel precomputed the gram (or whatever the only
    other array is called). The columns of an NPY file are called 0, 1, ….
    """
    check_output(plot, "--plot", picture_endings())
    check_output(html, "--html", PAGES)
    given = {"gamma": gamma, "degree": degree, "coef0": coef0}
    chosen = Kernel(kernel, {name: value for name, value in given.items() if value is not None})
    text = TextFormat(separator, decimal, encoding)
    doing = [f"reading {data.name}"]

    def work() -> OwnRounds:
        table = read_table(
            data, target, features=features or (), drop=drop or (), categorical=categorical,
            precomputed=kernel == "precomputed", text=text,
        )  # fmt: skip
        doing[0] = "distilling"
        return distill_table(
            table, chosen, epsilon, max_rounds=max_rounds, standardize=standardize, center=center,
            announce=announce,
        )  # fmt: skip

    def announce(path: CostlyPath) -> None:
        doing[0] = f"distilling by {path.kind}"
        if path.seconds > LONG:
            Console(stderr=True).print(f"Expecting {path.announcement}", markup=False, highlight=False)

    result = attended(work, lambda: doing[0])
    console = Console()
    if as_json:
        typer.echo(json.dumps(result.to_json(), indent=1, ensure_ascii=False, allow_nan=False))
    else:
        print_rounds(console, data, result)
    for path, write in ((plot, save_picture), (html, partial(save_page, name=data.name))):
        if path is not None:
            write(path, result)
            if not as_json:
                console.print(f"Written: {path}", markup=False, highlight=False, soft_wrap=True)


def print_rounds(console: Console, data: Path, result: OwnRounds) -> None:
    """Print the summary, a row a round (the middle of a long run left out) and the notes."""
    for label, value in summary(result):
        console.print(f"{label:<42}{value}", markup=False, highlight=False, soft_wrap=True)
    if result.trajectory.rounds:
        console.print(rounds_table(result))
    for note in result.notes:
        console.print(note, markup=False, highlight=False)


def summary(result: OwnRounds) -> list[tuple[str, str]]:
    """What the whole run comes to, as label and value."""
    spectrum, run = result.spectrum, result.trajectory
    outputs = f", {spectrum.n_outputs} outputs" if spectrum.n_outputs > 1 else ""
    parameters = "".join(f", {name} = {value:g}" for name, value in result.kernel.parameters.items())
    names = result.table.feature_names
    return [
        ("samples", f"{spectrum.n_samples}{outputs}"),
        ("columns of the gram" if result.kernel.name == "precomputed" else "features",
         f"{len(names)}: {listed(names, SHOWN_NAMES)}"),
        ("kernel", result.kernel.name + parameters),
        ("training error of every round, ε", f"{result.epsilon:.6g}"),
        *([("round that predicts left-out samples best", str(result.best_round))] if result.best_round else []),
        ("target norm in units of √(nε), r_0", f"{spectrum.initial_ratio(result.epsilon):.6g}"),
        ("condition number, κ", bounded_text(spectrum.condition_number_bounds)),
        ("rounds to collapse, exactly", str(run.rounds) if run.collapsed else f"more than {run.rounds}"),
        ("  at least (paper), (r_0 − 1)/κ",
         f"{result.paper_lower:.6g}" if math.isfinite(result.paper_lower) else "not known, as κ is not"),
        ("  at least, r_0 − 1", f"{result.lower:.6g}"),
        ("  at most", str(result.upper)),
    ]  # fmt: skip


def bounded_text(bounds: tuple[float, float]) -> str:
    """Say a number whose bounds agree, or what is known of it."""
    return f"{bounds[0]:.6g}" if bounds[0] == bounds[1] else f"not known; at least {bounds[0]:.6g}"


def rounds_table(result: OwnRounds) -> RichTable:
    """One row a round; of a long run the first and the last, and how many were left out."""
    run = result.trajectory
    table = RichTable()
    for heading in ("round", "multiplier c", "norm ‖y_t‖", "r_t", "basis size", "sparsity index"):
        table.add_column(heading, justify="right")
    ends = (0, run.rounds // 2, run.rounds - 1)
    alike = len({rounds_row(result, t) for t in ends}) == 1
    shown = SHOWN_ALIKE if alike else SHOWN
    left_out = range(shown, run.rounds - shown) if run.rounds > 2 * shown + 1 else range(0)
    for t in range(run.rounds):
        if t not in left_out:
            table.add_row(str(t + 1), *rounds_row(result, t))
        elif t == left_out.start:
            table.add_row("…", *[""] * 5)
    if left_out:
        same = "to these digits all rounds are the same; " if alike else ""
        table.caption = f"{same}{len(left_out)} rounds in the middle are left out; --json prints all."
    return table


def rounds_row(result: OwnRounds, t: int) -> tuple[str, ...]:
    """What is printed of fit t + 1, without its number."""
    run = result.trajectory
    return (
        f"{run.multipliers[t]:.6g}", f"{run.target_norms[t + 1]:.6g}", f"{run.ratios[t + 1]:.6g}",
        str(result.basis_sizes[t]), known(result.sparsity_indices[t]),
    )  # fmt: skip


def known(value: float) -> str:
    """Format a number that may be unknown."""
    return "" if value != value else f"{value:.9g}"


def picture_endings() -> list[str]:
    """Endings of pictures that can be written."""
    formats: dict[str, Any] = Figure().canvas.get_supported_filetypes()
    return sorted(f".{name}" for name in formats)


def save_picture(path: Path, result: OwnRounds) -> None:
    """Draw the rounds and write them under a temporary name first."""
    with house_style():
        figure = draw_rounds(result)
        write_atomically(
            path, lambda temporary: figure.savefig(temporary, format=path.suffix[1:].lower(), dpi=150)
        )


def save_page(path: Path, result: OwnRounds, name: str) -> None:
    """Write the page in which other settings can be tried."""
    write_text(path, render_rounds(result, summary(result), name))
