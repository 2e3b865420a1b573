"""The command line: its commands and options; what they do is imported when one is given."""

from __future__ import annotations

import ast
import codecs
import errno
import importlib
import io
import json
import signal
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, get_args

import typer
from rich.console import Console
from rich.markup import escape
from typer.core import TyperGroup

from ..artefact import find_artefacts, select_artefacts
from ..presets import LARGEST_SEED, PAPERS, ScaleName
from .costs import alone, read_costs

# Commands on a user's own data, each a function of its own name in a module that is imported when it is given.
OWN_DATA = {
    "labels": (
        "labels",
        "selfdistill labels data.csv --target species",
        "selfdistill labels data.csv --target species --top 50 --html labels.html --output cleaned.csv",
        "selfdistill labels features.npz --target y --json",
    ),
    "rounds": (
        "command",
        "selfdistill rounds data.csv --target price --epsilon 0.1 --standardize --center",
        "selfdistill rounds data.csv --target price --kernel rbf --gamma 0.5 --epsilon 0.1 --html rounds.html",
        "selfdistill rounds grams.npz --target y --kernel precomputed --epsilon 0.1 --json",
    ),
}


class LateGroup(TyperGroup):
    """Shows a line about every command, and builds one of `OWN_DATA` only when it is given."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Put the real command in place of its line in the help."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, own_data_command(name) if name in OWN_DATA else command, rest


def own_data_command(name: str) -> Any:
    """Build a command on a user's own data from the function that does the work."""
    module, *lines = OWN_DATA[name]
    late = typer.Typer(context_settings=HELP)
    function = getattr(importlib.import_module(f"selfdistill.figures.own_data.{module}"), name)
    late.command(name=name, epilog=examples(*lines))(function)
    return typer.main.get_command(late)


HELP = {"help_option_names": ["-h", "--help"]}
app = typer.Typer(
    name="selfdistill",
    epilog="Exit codes: 0 done; 1 a theorem failed or an artefact broke; 2 the input cannot be used, or a file "
    "cannot be written; 130 interrupted.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings=HELP,
    cls=LateGroup,
)
console = Console()
errors = Console(stderr=True)


def artefact_names(incomplete: str) -> list[str]:
    """Complete the name of an artefact or a paper."""
    names = (*PAPERS, *sorted(artefact.key for artefact in find_artefacts()))
    return [name for name in names if name.startswith(incomplete)]


def scale_names(incomplete: str) -> list[str]:
    """Complete the name of a scale."""
    return [name for name in get_args(ScaleName) if name.startswith(incomplete)]


Names = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[ARTEFACT]...",
        help="Artefacts or papers, in the order in which to run them; all if none are given.",
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
DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help="Your own data in the place of bundled ones: an NPZ file with arrays X and y, or a folder with one folder "
        "of images for each class. Without names, every artefact that takes them.",
        show_default=False,
    ),
]
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
        "selfdistill reproduce network_rounds comparison_table --data mine.npz --out mine",
    )
)
def reproduce(
    artefacts: Names = None,
    scale: ScaleOption = "quick",
    out: Annotated[Path, typer.Option("--out", help="Folder for pictures, data, claims and report.")] = Path(
        "out"
    ),
    data: DataOption = None,
    device: DeviceOption = "cpu",
    seed: SeedOption = 0,
    jobs: JobsOption = 1,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Regenerate figures: picture and data of each, claims.json and report.html.

    Artefacts are run in the order in which they are named. Finished work is kept in the output folder: after an
    interruption the same command goes on from there.
    """
    from . import session

    session.reproduce(
        artefacts or [],
        out,
        scale=scale,
        data=data,
        device=device,
        seed=seed,
        jobs=jobs,
        quiet=quiet,
        as_json=as_json,
    )


@app.command(epilog=examples("selfdistill verify", "selfdistill verify jeong2025 --scale quick --json"))
def verify(
    artefacts: Names = None,
    scale: ScaleOption = "smoke",
    data: DataOption = None,
    device: DeviceOption = "cpu",
    seed: SeedOption = 0,
    jobs: JobsOption = 1,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Check every claim and print the table; exit with 1 if a theorem fails. Writes nothing."""
    from . import session

    session.verify(
        artefacts or [],
        scale=scale,
        data=data,
        device=device,
        seed=seed,
        jobs=jobs,
        quiet=quiet,
        as_json=as_json,
    )


@app.command(name="list", epilog=examples("selfdistill list", "selfdistill list jeong2025 --json"))
def list_artefacts(artefacts: Names = None, quiet: QuietNames = False, as_json: JsonOption = False) -> None:
    """List the artefacts, one line each, with the seconds that each takes at every scale at which it was timed."""
    chosen = select_artefacts(artefacts or [])
    costs = read_costs()
    if as_json:
        rows = [
            {
                "artefact": a.key,
                "paper": PAPERS[a.paper],
                "title": a.title,
                "own_data": a.own_data or None,
                "seconds": alone(a.key, costs),
            }
            for a in chosen
        ]
        typer.echo(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    width = max(len(a.key) for a in chosen)
    for a in chosen:
        seconds = alone(a.key, costs)
        cost = ", ".join(f"{scale} {seconds[scale]:g} s" for scale in get_args(ScaleName) if scale in seconds)
        line = a.key if quiet else f"{a.key:<{width}}  {cost:<42}  {a.title}"
        console.print(line, highlight=False, soft_wrap=True, markup=False)


def first_line(module: str, function: str) -> str:
    """First line of a function's docstring, read without importing its module."""
    source = Path(__file__).parents[1] / "own_data" / f"{module}.py"
    tree = ast.parse(source.read_text(encoding="utf-8"))
    (found,) = (n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == function)
    return (ast.get_docstring(found) or "").splitlines()[0]


for _name, (_module, *_) in OWN_DATA.items():
    app.command(name=_name, help=first_line(_module, _name))(
        lambda: None
    )  # LateGroup puts the real one in its place


def main() -> None:
    """Entry point: a user's mistake ends in one message and a non-zero exit, never a traceback."""
    interruptions: list[int] = []

    def interrupt(number: int, _frame: object) -> None:
        interruptions.append(number)
        orphans = sys.modules.get("selfdistill.empirical.jobs.orphans")
        if orphans is not None:  # else no worker was started
            orphans.end_workers()
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    codecs.register_error("selfdistill", write_what_the_stream_lacks)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="selfdistill")
    try:
        app()
    except SystemExit as stop:
        sys.exit(130 if interruptions else stop.code)
    except KeyboardInterrupt:
        sys.exit(130)
    except (ValueError, OSError) as error:
        errors.print(f"[red]error:[/] {escape(explain(error))}", highlight=False, soft_wrap=True)
        sys.exit(2)


def explain(error: ValueError | OSError) -> str:
    """Return what to tell a user of what went wrong; what is nobody's input and no file's fault is raised."""
    if isinstance(error, OSError):
        full = " The disk is full: free some space and run again." if error.errno == errno.ENOSPC else ""
        return f"{error}.{full} What was finished is kept."
    from ...theory.base.validation import InputError

    if not isinstance(error, InputError):
        raise error
    return str(error)


def write_what_the_stream_lacks(error: UnicodeError) -> tuple[str, int]:
    r"""Stand in for characters that an output's encoding lacks: ``\uXXXX``, as JSON writes them too."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end
