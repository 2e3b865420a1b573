"""What the report says in words: why a verdict reads as it does, what a paper's claims come to, how numbers look."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from ..claim import VERDICTS, Claim, is_within

_RELATIONS = {"=": "equal to", "≤": "at most", "≥": "at least"}
_SUFFIX = re.compile(r"^(?P<rest>.*\S) \((?P<setting>[^()]+)\)\.?$")
_PREFIX = re.compile(r"^(?P<setting>[^:]{3,60}): (?P<rest>.+)$")
PLAIN = "verdict"
DECIDED = ("holds", "fails", "no difference")


def why(claim: Claim) -> str:
    """Say in a sentence why a verdict reads as it does."""
    asked = f"{_RELATIONS[claim.relation]} {format_number(claim.predicted)}"
    if claim.verdict == "not this regime":
        return "Its precondition is not met, so that nothing is decided."
    within = f", to within {format_number(claim.tolerance)}" if claim.tolerance else ""
    if claim.kind == "theorem":
        stands = "is" if claim.verdict == "holds" else "is not"
        return f"At the worst of all values it {stands} {asked}{within}."
    if claim.interval is None or claim.p_value is None:
        return "There are too few different samples for an interval."
    said = {
        "holds": f"The whole interval is {asked}{within}.",
        "fails": f"None of the interval is {asked}{within}.",
        "no difference": f"The whole interval is within {format_number(claim.negligible)} of "
        f"{format_number(claim.predicted)}: whichever its sign, it would not matter.",
        "undecided": "The interval reaches to both sides"
        + (f"; about {claim.samples_needed:,} samples would decide." if claim.samples_needed else "."),
    }
    return said[claim.verdict] + _too_small(claim)


def _too_small(claim: Claim) -> str:
    """Say of an effect whose sign is decided that it is too small to matter, where it is."""
    if claim.verdict == "no difference" or not is_within(claim.interval, claim.predicted, claim.negligible):
        return ""
    return f" It is too small to matter: within {format_number(claim.negligible)}."


@dataclass(frozen=True)
class Row:
    """A statement in a matrix of verdicts: its id, its text, and its claims by setting."""

    id: str
    text: str
    claims: dict[str, tuple[Claim, str]]


@dataclass(frozen=True)
class Matrix:
    """Verdicts of measured claims: statements by settings."""

    settings: list[str]
    rows: list[Row]


def _partings(statement: str) -> list[tuple[str, str]]:
    """Ways to part a statement into what is claimed and where: "digits: …" or "… (clean digits)."."""
    found = (pattern.match(statement) for pattern in (_PREFIX, _SUFFIX))
    return [(parts["rest"].rstrip("."), parts["setting"]) for parts in found if parts]


def verdict_matrices(claims: Sequence[tuple[Claim, str]]) -> list[Matrix]:
    """Arrange measured claims, given with their anchors, as statements by settings.

    Words in front of a colon or in brackets at the end are a setting if the same is claimed in another setting too.
    Statements that are asked in the same settings share a matrix.
    """
    measured = [(claim, anchor) for claim, anchor in claims if claim.kind == "measured"]
    asked_in: dict[tuple[str, str], set[str]] = {}
    for claim, _ in measured:
        for rest, setting in _partings(claim.statement):
            asked_in.setdefault((claim.id, rest), set()).add(setting)
    rows: dict[tuple[str, str], Row] = {}
    for claim, anchor in measured:
        partings = [p for p in _partings(claim.statement) if len(asked_in[claim.id, p[0]]) > 1]
        text, setting = partings[0] if partings else (claim.statement.rstrip("."), PLAIN)
        rows.setdefault((claim.id, text), Row(claim.id, text, {})).claims[setting] = (claim, anchor)
    matrices: dict[tuple[str, ...], Matrix] = {}
    for row in rows.values():
        settings = tuple(row.claims)
        matrices.setdefault(settings, Matrix(list(settings), [])).rows.append(row)
    return list(matrices.values())


def found(claims: Sequence[Claim]) -> str:
    """Say in a sentence or two what the claims of a paper come to here."""
    theorems = [claim for claim in claims if claim.kind == "theorem"]
    measured = [claim for claim in claims if claim.kind == "measured"]
    said = []
    if theorems:
        failing = sum(claim.verdict == "fails" for claim in theorems)
        what = "the theorem holds" if len(theorems) == 1 else f"all {len(theorems)} checks of theorems hold"
        said.append(f"{failing} of {len(theorems)} checks of theorems fail" if failing else what)
    if measured:
        counts = [(sum(c.verdict == v for c in measured), v) for v in VERDICTS]
        words = {
            "holds": ("holds", "hold"),
            "fails": ("does not hold", "do not hold"),
            "no difference": (
                "is of no difference that would matter",
                "are of no difference that would matter",
            ),
            "undecided": ("cannot be told at this scale",) * 2,
            "not this regime": ("is asked outside its regime", "are asked outside their regime"),
        }
        parts = ", ".join(f"{n} {words[v][n > 1]}" for n, v in counts if n)
        plural = "claims" if len(measured) > 1 else "claim"
        said.append(f"of {len(measured)} measured {plural} {parts}")
        decided = [c for c in measured if c.verdict in DECIDED and c.corrected_verdict]
        if decided:
            stay = sum(c.corrected_verdict != "undecided" for c in decided)
            said.append(f"{stay} of the {len(decided)} decided stay so when corrected for their number")
    text = "; ".join(said)
    return f"{text[:1].upper()}{text[1:]}." if text else "Nothing was measured."


def prose(text: str) -> Markup:
    """Text of a docstring as HTML: ``code`` in double or single backticks, everything else escaped."""
    return Markup(re.sub(r"(`{1,2})(.+?)\1", r"<code>\2</code>", str(escape(text))))


def format_number(value: float | None) -> str:
    """Short, readable digits."""
    return "" if value is None else f"{value:.4g}"


def format_difference(value: float) -> str:
    """Signed, two digits; a difference of infinities or unknowns is none."""
    if value == 0:
        return "0"
    return f"{value:+.2g}" if math.isfinite(value) else ""
