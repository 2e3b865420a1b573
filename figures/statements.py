"""What every claim says: one catalogue, from which the documentation's page "claims" and the report are made."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

_FILE = Path(__file__).parent / "data" / "claims.toml"
_SECTIONS = ("notation", "papers", "glossary")


@dataclass(frozen=True)
class Statement:
    """What an id such as M7 stands for.

    Attributes
    ----------
    id : str
    paper : str
        Key in `papers`.
    kind : {"theorem", "measured"}
    text : str
        The claim in a sentence.
    formula : str
        The claim as a formula, in the notation of `notation`.
    """

    id: str
    paper: str
    kind: str
    text: str
    formula: str


@lru_cache
def _read() -> dict[str, Any]:
    return tomllib.loads(_FILE.read_text(encoding="utf-8"))


def statements() -> dict[str, Statement]:
    """Every claim by its id, in the order of the catalogue."""
    return {id: Statement(id, **entry) for id, entry in _read().items() if id not in _SECTIONS}


def owner(id: str, paper: str) -> str:
    """Return the paper that a claim of a figure belongs to: Borup & Andersen's stand in a folder of Mobahi et al."""
    known = statements().get(id)
    return known.paper if known and known.paper == "borup2021" else paper


def papers() -> dict[str, str]:
    """Full titles of the papers that claims belong to."""
    titles: dict[str, str] = _read()["papers"]
    return titles


def notation() -> str:
    """What the letters in the formulas stand for."""
    text: str = _read()["notation"]["text"]
    return text.strip()


def glossary() -> dict[str, str]:
    """Words that figures and the report use, and what they mean."""
    words: dict[str, str] = _read()["glossary"]
    return words
