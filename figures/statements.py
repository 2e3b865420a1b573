"""What every claim says: one catalogue, from which the documentation's page "claims" and the report are made."""

from __future__ import annotations

import re
import sys
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


def glossary_page() -> str:
    """Return the documentation's glossary, in Markdown."""
    entries = "\n\n".join(f"{term}\n: {meaning}" for term, meaning in glossary().items())
    return f"# Glossary\n\n{entries}\n"


def claims_page() -> str:
    """Return the documentation's page of claims, in Markdown."""
    lines = [
        "# Claims",
        "",
        "<!-- Made by `make docs`; edit figures/data/claims.toml instead. -->",
        "",
        "Docstrings, figures and the report name claims by ids such as M7. This page says what each stands for.",
        "A *theorem* is proved, and checked to a tolerance against an independent computation; a *measured* claim is",
        "decided by experiments, with a confidence interval over seeds.",
        "",
        f"Notation: {notation()}",
    ]
    for paper, title in papers().items():
        lines += ["", f"## {title}", ""]
        for statement in statements().values():
            if statement.paper == paper:
                lines += [
                    f"({statement.id.lower()})=",
                    f"**{statement.id}** ({statement.kind}). {statement.text}",
                    f"`{statement.formula}`",
                    "",
                ]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"


if __name__ == "__main__":
    _folder = Path(sys.argv[1])
    for _name, _text in (("claims", claims_page()), ("glossary", glossary_page())):
        (_folder / f"{_name}.md").write_text(_text, encoding="utf-8")
