"""Artefact: a figure module found by its place, measured with resumption, judged, drawn and written."""

from __future__ import annotations

import ast
import difflib
import importlib
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType

import xarray as xr
from matplotlib.figure import Figure

from ..empirical.jobs.runner import run_job
from ..empirical.jobs.store import write_dataset
from ..theory import InputError
from .claim import Claim, correct_for_number
from .scale import Scale
from .style import house_style

PAPERS = {
    "mobahi2020": "Mobahi, Farajtabar & Bartlett 2020",
    "jeong2025": "Jeong & Chung 2025",
    "zhang2020": "Zhang & Sabuncu 2020",
    "zhou2021": "Zhou et al. 2021",
    "kim2021": "Kim et al. 2021",
}


@dataclass(frozen=True)
class Artefact:
    """A figure module: `measure`, `claims`, `draw`, and a docstring whose first line is its title."""

    paper: str
    name: str

    @property
    def module(self) -> ModuleType:
        """The figure module; imported only when it is needed, since its networks bring torch along."""
        return importlib.import_module(f"{__package__}.{self.paper}.{self.name}")

    @property
    def source(self) -> Path:
        """The module's file."""
        return Path(__file__).parent / self.paper / f"{self.name}.py"

    @cached_property
    def docstring(self) -> str:
        """The module's docstring, read without importing it."""
        return (ast.get_docstring(ast.parse(self.source.read_text(encoding="utf-8"))) or self.name).strip()

    @property
    def key(self) -> str:
        """``paper.name``, as the command line takes it."""
        return f"{self.paper}.{self.name}"

    @property
    def title(self) -> str:
        """First line of the module's docstring."""
        return self.docstring.splitlines()[0]

    @property
    def explanation(self) -> str:
        """The rest of the docstring: what the figure shows."""
        return "\n".join(self.docstring.splitlines()[1:]).strip()

    def data_sets(self, scale: Scale) -> set[str]:
        """Names of the data that must be fetched before it can be measured; most need none."""
        try:
            ask: Callable[[Scale], set[str]] = getattr(self.module, "data_sets", lambda _: set())
        except Exception:  # a module that cannot be imported is reported when it is run
            return set()
        return ask(scale)

    def measure(self, scale: Scale) -> xr.Dataset:
        """Measure, or read the kept measurement of the same code, scale, seed and device."""
        key = (self.key, scale.name, scale.seed, scale.device)
        return run_job(self.module.measure, scale, cache=scale.cache, key=key)

    def claims(self, data: xr.Dataset) -> list[Claim]:
        """Check what must hold of the data."""
        found = [claim.located(self.paper, self.key) for claim in self.module.claims(data)]
        return correct_for_number(found)

    def draw(self, data: xr.Dataset) -> Figure:
        """Draw the picture in the house style."""
        with house_style():
            figure: Figure = self.module.draw(data)
        return figure


def find_artefacts() -> list[Artefact]:
    """Every figure module, in the order of papers and names. Adding a figure is adding a file.

    A module whose name begins with an underscore is none: it holds what figures of the paper share.
    """
    return [
        Artefact(paper, path.stem)
        for paper in PAPERS
        for path in sorted((Path(__file__).parent / paper).glob("[!_.]*.py"))
    ]


def select_artefacts(names: list[str]) -> list[Artefact]:
    """Artefacts by full name, short name or paper; all of them for no names.

    Raises
    ------
    InputError
        If a name matches nothing.
    """
    artefacts = find_artefacts()
    if not names:
        return artefacts
    chosen: list[Artefact] = []
    for name in names:
        matching = [a for a in artefacts if name in (a.key, a.name, a.paper)]
        if not matching:
            raise InputError(f"no artefact is called {name!r}. {_suggestion(name, artefacts)}")
        chosen += [a for a in matching if a not in chosen]
    return chosen


def _suggestion(name: str, artefacts: list[Artefact]) -> str:
    """Nearest names, or where to find all."""
    known = {paper: paper for paper in PAPERS} | {a.name: a.key for a in artefacts}
    known |= {a.key: a.key for a in artefacts}
    near = dict.fromkeys(known[match] for match in difflib.get_close_matches(name.lower(), known, n=3))
    meant = f"Did you mean {' or '.join(near)}? " if near else ""
    return f"{meant}The papers are {', '.join(PAPERS)}; selfdistill list prints every artefact."


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file under a temporary name in its folder, then rename it into place."""
    temporary = path.with_name(f".{uuid.uuid4().hex}.{path.name}")
    try:
        write(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write text atomically."""
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def save(artefact: Artefact, data: xr.Dataset, figure: Figure, folder: Path) -> Path:
    """Write the data and the picture of an artefact; return the picture's path."""
    write_dataset(data, folder / f"{artefact.key}.nc")
    picture = folder / f"{artefact.key}.png"
    write_atomically(picture, lambda temporary: figure.savefig(temporary, format="png", dpi=150))
    return picture


def save_claims(claims: list[Claim], folder: Path) -> None:
    """Write ``claims.json``, a list of the fields of every claim."""
    write_text(
        folder / "claims.json",
        json.dumps([claim.to_json() for claim in claims], indent=1, ensure_ascii=False),
    )
