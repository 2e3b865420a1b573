"""What the command line prints: a line an artefact, the table of claims, the count of verdicts, or JSON."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.markup import escape
from rich.table import Table

from ..claim import VERDICTS, Claim
from ..outcomes import Outcome
from ..remarks import remarks
from ..results.thorough import ThoroughVerdicts
from ..scale import Scale

VERDICT_STYLE = dict(zip(VERDICTS, ("green", "red", "blue", "yellow", "cyan"), strict=True))
# Counted where there are some; the others always.
SELDOM = ("no difference", "not this regime")


def outcome_line(outcome: Outcome) -> str:
    """One line about a finished artefact."""
    if outcome.error:
        return f"[red]{outcome.artefact.key} broke[/]\n{escape(outcome.error)}"
    counts = {v: sum(c.verdict == v for c in outcome.claims) for v in VERDICT_STYLE}
    verdicts = ", ".join(f"[{VERDICT_STYLE[v]}]{n} {v}[/]" for v, n in counts.items() if n)
    return f"{outcome.artefact.key}  {outcome.seconds:.1f} s  {verdicts}"


def claims_table(claims: list[Claim]) -> Table:
    """Claims as a table."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("claim", no_wrap=True)
    table.add_column("statement")  # gives way where the window is narrow
    table.add_column("measured, claimed", justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    artefact = ""
    for c in claims:
        if c.artefact != artefact:
            artefact = c.artefact
            table.add_section()
            table.add_row("", f"[bold]{artefact}[/]")
        table.add_row(
            c.id,
            escape("\n".join([c.statement, *remarks(c)])),
            f"{c.measured:.4g} {c.relation} {c.predicted:.4g}",
            f"[{VERDICT_STYLE[c.verdict]}]{c.verdict}[/]\n[dim]{c.kind}[/]",
        )
    return table


def summary(claims: list[Claim]) -> str:
    """Count verdicts by kind."""
    lines = []
    for kind in ("theorem", "measured"):
        of_kind = [c for c in claims if c.kind == kind]
        counts = ", ".join(
            f"[{style}]{n} {verdict}[/]"
            for verdict, style in VERDICT_STYLE.items()
            if (n := sum(c.verdict == verdict for c in of_kind)) or verdict not in SELDOM
        )
        lines.append(f"{len(of_kind)} {kind} claims: {counts}")
    return "\n".join(lines)


def sample_line(claims: list[Claim], thorough: ThoroughVerdicts) -> str:
    """Say that these verdicts are a sample of the thorough run's, and on how many it found otherwise; or nothing."""
    judged = sum(thorough.find(claim) is not None for claim in claims)
    if not judged:
        return ""
    differing = len(thorough.differing(claims))
    commits = ", ".join(thorough.commits(claims))
    return (
        f"A sample: the thorough run (commit {commits}) has verdicts on {judged} of these claims, other ones on "
        f"{differing}; the report shows them, and so does docs/results.md."
    )


def run_json(outcomes: list[Outcome], scale: Scale) -> dict[str, Any]:
    """Whole run for a program to read: seconds and files of every artefact, and the fields of every claim."""
    return {
        "scale": scale.name,
        "seed": scale.seed,
        "device": scale.device,
        "data": {"name": scale.data.name, "hash": scale.data.digest} if scale.data else None,
        "artefacts": [
            {
                "artefact": outcome.artefact.key,
                "seconds": round(outcome.seconds, 3),
                "picture": str(outcome.picture) if outcome.picture else None,
                "error": outcome.error or None,
            }
            for outcome in outcomes
        ],
        "claims": [claim.to_json() for outcome in outcomes for claim in outcome.claims],
    }
