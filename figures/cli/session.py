"""What `reproduce` and `verify` do once their options are read."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import cast, get_args

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

from ...empirical.data.own import OwnData
from ...empirical.data.own_files import read_file
from ...empirical.jobs.runner import affordable_processes
from ...theory import InputError
from ..artefact import Artefact, select_artefacts, select_for_data, write_text
from ..outcomes import Outcome, with_kept
from ..presets import ScaleName
from ..remarks import duration
from ..report.page import render_report
from ..results.thorough import ThoroughVerdicts, thorough_run
from ..run import (
    Watcher,
    check_device,
    find_obstacles,
    prepare_folder,
    run_artefacts,
    save_claims,
)
from ..scale import Scale
from .costs import expected_seconds, read_costs
from .printing import claims_table, outcome_line, run_json, sample_line, summary

console = Console()
errors = Console(stderr=True)


def reproduce(
    names: list[str],
    out: Path,
    *,
    scale: str,
    data: Path | None,
    device: str,
    seed: int,
    jobs: int,
    quiet: bool,
    as_json: bool,
) -> None:
    """Run artefacts and leave pictures, data, claims and report in a folder."""
    chosen = select(names, data)
    run = make_scale(scale, seed=seed, device=device, jobs=jobs, cache=out / ".cache", data=data)
    chosen = without_unfit(chosen, names, run)
    folder = prepare_folder(out)
    foretell(chosen, run, quiet=quiet)
    outcomes = watched(chosen, run, folder, quiet=quiet or as_json)
    reported = with_kept(outcomes, folder)
    save_claims([claim for outcome in reported for claim in outcome.claims], folder)
    write_text(folder / "report.html", render_report(reported, run))
    show(outcomes, run, quiet=quiet, as_json=as_json)
    if not quiet and not as_json:
        earlier = len(reported) - len(outcomes)
        if earlier:
            console.print(f"{earlier} more from earlier runs into this folder are in the report too.")
        console.print("Report:", str(folder / "report.html"), soft_wrap=True, markup=False, highlight=False)
    kept = f"What is finished is kept in {folder}. To go on, run the same command again:"
    finish(chosen, outcomes, kept, quiet=quiet or as_json)


def verify(
    names: list[str],
    *,
    scale: str,
    data: Path | None,
    device: str,
    seed: int,
    jobs: int,
    quiet: bool,
    as_json: bool,
) -> None:
    """Run artefacts and print the table of their claims."""
    chosen = select(names, data)
    run = make_scale(scale, seed=seed, device=device, jobs=jobs, cache=None, data=data)
    chosen = without_unfit(chosen, names, run)
    outcomes = watched(chosen, run, None, quiet=quiet or as_json)
    if not quiet and not as_json:
        console.print(claims_table([claim for outcome in outcomes for claim in outcome.claims]))
    show(outcomes, run, quiet=quiet, as_json=as_json)
    kept = "Nothing was written, and nothing is kept. To start again:"
    finish(chosen, outcomes, kept, quiet=quiet or as_json)


def select(names: list[str], data: Path | None) -> list[Artefact]:
    """Artefacts to run: those named, or all; with the reader's own data only such as take them."""
    return select_artefacts(names) if data is None else select_for_data(names)


def without_unfit(chosen: list[Artefact], names: list[str], run: Scale) -> list[Artefact]:
    """Leave out, and say so, what the reader's own data do not suffice for and was not named itself."""
    unfit: dict[Artefact, str] = {}
    for artefact in chosen if run.data else ():
        try:
            artefact.check_data(run)
        except InputError as error:
            if {artefact.key, artefact.name} & set(names):
                raise
            unfit[artefact] = str(error)
    if unfit and len(unfit) == len(chosen):
        raise InputError(" ".join(dict.fromkeys(unfit.values())))
    for reason in dict.fromkeys(unfit.values()):
        which = ", ".join(artefact.key for artefact, why in unfit.items() if why == reason)
        errors.print(
            f"left out: {which}: {reason}", markup=False, emoji=False, highlight=False, soft_wrap=True
        )
    return [artefact for artefact in chosen if artefact not in unfit]


def make_scale(
    name: str, *, seed: int, device: str, jobs: int, cache: Path | None, data: Path | None = None
) -> Scale:
    """Build the run's scale, with its input checked."""
    if name not in get_args(ScaleName):
        raise InputError(f"--scale must be one of {', '.join(get_args(ScaleName))}; got {name!r}.")
    own = None if data is None else OwnData.of(*read_file(data))
    processes = affordable_processes(jobs)
    if processes < jobs:
        errors.print(
            f"--jobs {jobs}: this machine has cores and free memory for {processes}, so {processes} are used.",
            highlight=False,
            soft_wrap=True,
        )
    return Scale(cast(ScaleName, name), seed, check_device(device), processes, cache, data=own)


def foretell(artefacts: list[Artefact], scale: Scale, *, quiet: bool) -> None:
    """Say how long a run takes, where that is more than a minute."""
    seconds, untimed = expected_seconds([artefact.key for artefact in artefacts], scale.name, read_costs())
    if quiet or (seconds < 60 and not untimed):
        return
    count = "1 artefact" if len(artefacts) == 1 else f"{len(artefacts)} artefacts"
    took = f"about {duration(seconds)}" if not untimed else f"{duration(seconds)} or more"
    never = f" ({untimed} never timed at this scale)" if untimed else ""
    errors.print(
        f"{count} at scale {scale.name}: {took} in one process{never}, less what is kept in the folder.",
        highlight=False,
        soft_wrap=True,
    )


def watched(artefacts: list[Artefact], scale: Scale, folder: Path | None, *, quiet: bool) -> list[Outcome]:
    """Run artefacts under a progress display; what cannot be run here is said first."""
    obstacles = find_obstacles(artefacts, scale)
    for obstacle in obstacles.values():
        errors.print(f"not run: {obstacle}", style="yellow", markup=False, highlight=False, soft_wrap=True)
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

        return run_artefacts(artefacts, scale, folder, Watcher(started, job, finished), obstacles)


def show(outcomes: list[Outcome], scale: Scale, *, quiet: bool, as_json: bool) -> None:
    """Print the verdicts, or the whole run as JSON."""
    if as_json:
        typer.echo(json.dumps(run_json(outcomes, scale), indent=1, ensure_ascii=False, allow_nan=False))
    else:
        claims = [claim for outcome in outcomes for claim in outcome.claims]
        console.print(summary(claims))
        is_sample = scale.name != "thorough" and scale.data is None
        if is_sample and not quiet and (line := sample_line(claims, ThoroughVerdicts(thorough_run()))):
            console.print(line, highlight=False, soft_wrap=True)


def finish(chosen: list[Artefact], outcomes: list[Outcome], kept: str, *, quiet: bool) -> None:
    """Exit with the code that the outcomes call for; say what is kept of an interrupted run."""
    if len(outcomes) < len(chosen):
        errors.print(
            f"[yellow]interrupted[/] after {len(outcomes)} of {len(chosen)} artefacts. {escape(kept)}\n"
            f"  selfdistill {escape(shlex.join(sys.argv[1:]))}",
            soft_wrap=True,
        )
        raise typer.Exit(130)
    failed = [c for o in outcomes for c in o.claims if c.kind == "theorem" and c.verdict == "fails"]
    for outcome in outcomes:
        if outcome.error and quiet:  # else it was said as soon as it happened
            errors.print(outcome_line(outcome), highlight=False)
    for claim in failed:
        errors.print(f"[red]theorem {claim.id} {claim.verdict}[/] in {claim.artefact}: {claim.statement}")
    if failed or any(outcome.error for outcome in outcomes):
        raise typer.Exit(1)
