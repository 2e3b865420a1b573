"""The command line: reproduce, verify, list, rounds; its exit codes are in the help."""

from __future__ import annotations

import errno
import json
import shlex
import signal
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, cast, get_args

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from ...theory import InputError
from ..artefact import PAPERS, Artefact, save_claims, select_artefacts, write_text
from ..own_data.command import rounds
from ..report.page import render_report
from ..run import Outcome, Watcher, check_device, fetch_data, prepare_folder, run_artefacts
from ..scale import LARGEST_SEED, Scale, ScaleName
from .costs import read_costs
from .printing import claims_table, outcome_line, run_json, summary

app = typer.Typer(
    name="selfdistill",
    epilog="Exit codes: 0 done; 1 a theorem failed or an artefact broke; 2 the input cannot be used, or a file "
    "cannot be written; 130 interrupted.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
console = Console()
errors = Console(stderr=True)


def artefact_names(incomplete: str) -> list[str]:
    """Complete the name of an artefact or a paper."""
    folder = Path(__file__).parents[1]
    files = [f"{paper}.{p.stem}" for paper in PAPERS for p in (folder / paper).glob("[!_]*.py")]
    return [name for name in (*PAPERS, *sorted(files)) if name.startswith(incomplete)]


def scale_names(incomplete: str) -> list[str]:
    """Complete the name of a scale."""
    return [name for name in get_args(ScaleName) if name.startswith(incomplete)]


Names = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[ARTEFACT]...",
        help="Artefacts or papers; all if none are given.",
        autocompletion=artefact_names,
    ),
]
ScaleOption = Annotated[
    str,
    typer.Option(
        "--scale",
        help="smoke (seconds), quick (minutes), thorough (hours) or full (a GPU).",
        autocompletion=scale_names,
    ),
]
SeedOption = Annotated[
    int, typer.Option("--seed", min=0, help=f"Root of every random stream, 0 … {LARGEST_SEED}.")
]
DeviceOption = Annotated[str, typer.Option("--device", help="Where networks train: cpu, cuda, cuda:1 …")]
JobsOption = Annotated[int, typer.Option("--jobs", min=1, help="Processes at once; changes no number.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors and the verdicts only.")]
QuietNames = Annotated[bool, typer.Option("--quiet", "-q", help="Print the names only.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]


def show_version(asked: bool) -> None:
    """Print the installed version and stop."""
    if asked:
        typer.echo(f"selfdistill {version('selfdistill')}")
        raise typer.Exit


@app.callback()
def common(
    _version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Theory of self-distillation, networks that test it, and the figures of five papers."""


def examples(*commands: str) -> str:
    """Epilogue of a command's help."""
    return "\n\n".join(["Examples:", *(f"  {command}" for command in commands)])


@app.command(
    epilog=examples(
        "selfdistill reproduce --jobs 2",
        "selfdistill reproduce mobahi2020 --out results",
        "selfdistill reproduce sinusoid --scale smoke --out try",
    )
)
def reproduce(
    artefacts: Names = None,
    scale: ScaleOption = "quick",
    out: Annotated[Path, typer.Option("--out", help="Folder for pictures, data, claims and report.")] = Path(
        "out"
    ),
    device: DeviceOption = "cpu",
    seed: SeedOption = 0,
    jobs: JobsOption = 1,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Regenerate figures: picture and data of each, claims.json and report.html.

    Finished work is kept in the output folder: after an interruption the same command goes on from there.
    """
    chosen = select_artefacts(artefacts or [])
    run = make_scale(scale, seed=seed, device=device, jobs=jobs, cache=out / ".cache")
    folder = prepare_folder(out)
    fetch_data(chosen, run)
    outcomes = watched(chosen, run, folder, quiet=quiet or as_json)
    save_claims([claim for outcome in outcomes for claim in outcome.claims], folder)
    write_text(folder / "report.html", render_report(outcomes, run))
    show(outcomes, run, as_json=as_json)
    if not quiet and not as_json:
        console.print(f"Report: {folder / 'report.html'}", soft_wrap=True)
    finish(chosen, outcomes, f"What is finished is kept in {folder}. To go on, run the same command again:")


@app.command(epilog=examples("selfdistill verify", "selfdistill verify jeong2025 --scale quick --json"))
def verify(
    artefacts: Names = None,
    scale: ScaleOption = "smoke",
    device: DeviceOption = "cpu",
    seed: SeedOption = 0,
    jobs: JobsOption = 1,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Check every claim and print the table; exit with 1 if a theorem fails. Writes nothing."""
    chosen = select_artefacts(artefacts or [])
    run = make_scale(scale, seed=seed, device=device, jobs=jobs, cache=None)
    fetch_data(chosen, run)
    outcomes = watched(chosen, run, None, quiet=quiet or as_json)
    if not quiet and not as_json:
        console.print(claims_table([claim for outcome in outcomes for claim in outcome.claims]))
    show(outcomes, run, as_json=as_json)
    finish(chosen, outcomes, "Nothing was written, and nothing is kept. To start again:")


@app.command(name="list", epilog=examples("selfdistill list", "selfdistill list jeong2025 --json"))
def list_artefacts(artefacts: Names = None, quiet: QuietNames = False, as_json: JsonOption = False) -> None:
    """List the artefacts, one line each, with the seconds that each takes at smoke and quick scale."""
    chosen, costs = select_artefacts(artefacts or []), read_costs()
    if as_json:
        rows = [
            {"artefact": a.key, "paper": PAPERS[a.paper], "title": a.title, "seconds": costs.get(a.key, {})}
            for a in chosen
        ]
        typer.echo(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    width = max(len(a.key) for a in chosen)
    for a in chosen:
        seconds = costs.get(a.key, {})
        cost = ", ".join(f"{scale} {seconds[scale]:g} s" for scale in ("smoke", "quick") if scale in seconds)
        line = a.key if quiet else f"{a.key:<{width}}  {cost:<24}  {a.title}"
        console.print(line, highlight=False, soft_wrap=True, markup=False)


app.command(
    epilog=examples(
        "selfdistill rounds data.csv --target price --epsilon 0.1 --standardize --center",
        "selfdistill rounds data.csv --target price --kernel rbf --gamma 0.5 --epsilon 0.1 --plot rounds.png",
        "selfdistill rounds grams.npz --target y --kernel precomputed --epsilon 0.1 --json",
    )
)(rounds)


def make_scale(name: str, *, seed: int, device: str, jobs: int, cache: Path | None) -> Scale:
    """Build the run's scale, with its input checked."""
    if name not in get_args(ScaleName):
        raise InputError(f"--scale must be one of {', '.join(get_args(ScaleName))}; got {name!r}.")
    return Scale(cast(ScaleName, name), seed, check_device(device), jobs, cache)


def watched(artefacts: list[Artefact], scale: Scale, folder: Path | None, *, quiet: bool) -> list[Outcome]:
    """Run artefacts under a progress display."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=errors, disable=quiet, transient=True) as progress:
        whole = progress.add_task("artefacts", total=len(artefacts))
        part = progress.add_task("", total=None)

        def started(artefact: Artefact) -> None:
            progress.reset(part, description=artefact.key, total=None)

        def job(done: int, total: int) -> None:
            progress.update(part, completed=done, total=total)

        def finished(outcome: Outcome) -> None:
            progress.advance(whole)
            if not quiet:
                progress.console.print(outcome_line(outcome), highlight=False)

        return run_artefacts(artefacts, scale, folder, Watcher(started, job, finished))


def show(outcomes: list[Outcome], scale: Scale, *, as_json: bool) -> None:
    """Print the verdicts, or the whole run as JSON."""
    if as_json:
        typer.echo(json.dumps(run_json(outcomes, scale), indent=1, ensure_ascii=False, allow_nan=False))
    else:
        console.print(summary([claim for outcome in outcomes for claim in outcome.claims]))


def finish(chosen: list[Artefact], outcomes: list[Outcome], kept: str) -> None:
    """Exit with the code that the outcomes call for; say what is kept of an interrupted run."""
    if len(outcomes) < len(chosen):
        errors.print(
            f"[yellow]interrupted[/] after {len(outcomes)} of {len(chosen)} artefacts. {escape(kept)}\n"
            f"  selfdistill {escape(shlex.join(sys.argv[1:]))}",
            soft_wrap=True,
        )
        raise typer.Exit(130)
    failed = [c for o in outcomes for c in o.claims if c.kind == "theorem" and c.verdict == "fails"]
    for claim in failed:
        errors.print(f"[red]theorem {claim.id} {claim.verdict}[/] in {claim.artefact}: {claim.statement}")
    if failed or any(outcome.error for outcome in outcomes):
        raise typer.Exit(1)


def main() -> None:
    """Entry point: a user's mistake ends in one message and a non-zero exit, never a traceback."""
    interruptions: list[int] = []

    def interrupt(number: int, _frame: object) -> None:
        interruptions.append(number)
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    try:
        app()
    except SystemExit as stop:
        sys.exit(130 if interruptions else stop.code)
    except InputError as error:
        errors.print(f"[red]error:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(2)
    except OSError as error:
        full = " The disk is full: free some space and run again." if error.errno == errno.ENOSPC else ""
        message = escape(f"{error}.{full} What was finished is kept.")
        errors.print(f"[red]error:[/] {message}", highlight=False, soft_wrap=True)
        sys.exit(2)
