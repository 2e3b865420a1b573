"""Artefact: a figure module found by its place, measured with resumption, judged and drawn.

Finding and naming artefacts takes no time; what measuring and drawing need is imported when they are asked for.
"""

from __future__ import annotations

import ast
import difflib
import importlib
import importlib.util
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from .presets import PAPERS

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from .claim import Claim
    from .scale import Scale

# How the paragraph of an explanation begins that says on which bundled data the figure is measured.
BUNDLED = "Data:"
# Artefacts that have moved to another folder keep their old names too.
FORMER_KEYS = {"mobahi2020.scaling": "beyond.scaling"}


@dataclass(frozen=True)
class Artefact:
    """A figure module: `measure`, `claims`, `draw`, and a docstring whose first line is its title."""

    paper: str
    name: str

    @property
    def module(self) -> ModuleType:
        """The figure module; imported only when it is needed, since its networks bring torch along."""
        return importlib.import_module(self.module_name)

    @property
    def module_name(self) -> str:
        """Dotted name of its module."""
        return f"{__package__}.{self.paper}.{self.name}"

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

    def paragraphs(self, own_data: str = "") -> list[str]:
        """Its explanation; what it says of the bundled data gives way to the reader's own, given in words."""
        said = [p for p in self.explanation.split("\n\n") if p.strip()]
        if not own_data:
            return said
        return [p for p in said if not p.startswith(BUNDLED)] + [f"{BUNDLED} {own_data}."]

    def missing_packages(self) -> list[str]:
        """Names of the optional packages that its module lists in ``PACKAGES`` and that are not installed."""
        return [name for name in self._constant("PACKAGES", ()) if importlib.util.find_spec(name) is None]

    @property
    def own_data(self) -> str:
        """What targets it takes of a reader's own data, as its module says in ``OWN_DATA``; empty if it takes none."""
        return str(self._constant("OWN_DATA", ""))

    def _constant(self, name: str, default: Any) -> Any:
        """Value of a constant of its module, read without importing it."""
        for node in ast.parse(self.source.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
                return ast.literal_eval(node.value)
        return default

    def check_data(self, scale: Scale) -> None:
        """Raise, before any work, unless the reader's own data suffice: its jobs are planned with them.

        Raises
        ------
        InputError
            If it takes no data, targets are of another kind, or samples too few.
        """
        if scale.data is None:
            return
        if not self.own_data:
            from ..theory import InputError

            raise InputError(f"{self.key} has no data that others could stand in for.")
        self.module.plan(scale)

    def data_sets(self, scale: Scale) -> set[str]:
        """Names of the data that must be fetched before it can be measured; most need none."""
        if scale.data is not None:
            return set()
        try:
            ask: Callable[[Scale], set[str]] = getattr(self.module, "data_sets", lambda _: set())
        except Exception:  # a module that cannot be imported is reported when it is run
            return set()
        return ask(scale)

    def measure(self, scale: Scale) -> xr.Dataset:
        """Measure, or read the kept measurement of the same code, scale, seed and device."""
        from ..empirical.jobs.runner import run_job

        own = (scale.data.name, scale.data.digest) if scale.data else ()
        there = [name for name in self._constant("OPTIONAL", ()) if importlib.util.find_spec(name)]
        key = (self.key, scale.name, scale.seed, scale.device, *own, *there)
        return run_job(self.module.measure, scale, cache=scale.cache, key=key)

    def claims(self, data: xr.Dataset) -> list[Claim]:
        """Check what must hold of the data."""
        from .claim import correct_for_number
        from .statements import owner

        found = [claim.located(owner(claim.id, self.paper), self.key) for claim in self.module.claims(data)]
        return correct_for_number(found)

    def draw(self, data: xr.Dataset) -> Figure:
        """Draw the picture in the house style."""
        from .style import house_style

        with house_style():
            figure: Figure = self.module.draw(data)
        return figure


def find_artefacts() -> list[Artefact]:
    """Every figure module, paper by paper in the order of its story. Adding a figure is adding a file.

    A paper's package may name its figures in ``ORDER``; those that it does not name follow by name. A module whose
    name begins with an underscore is none: it holds what figures of the paper share.
    """
    return [Artefact(paper, name) for paper in PAPERS for name in _in_order(paper)]


def _in_order(paper: str) -> list[str]:
    folder = Path(__file__).parent / paper
    names = sorted(path.stem for path in folder.glob("[!_.]*.py"))
    if not names:
        return []
    order: tuple[str, ...] = getattr(importlib.import_module(f"{__package__}.{paper}"), "ORDER", ())
    return sorted(names, key=lambda name: order.index(name) if name in order else len(order))


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
        meant = FORMER_KEYS.get(name, name)
        matching = [a for a in artefacts if meant in (a.key, a.name, a.paper)]
        if not matching:
            from ..theory import InputError

            raise InputError(f"no artefact is called {name!r}. {_suggestion(name, artefacts)}")
        chosen += [a for a in matching if a not in chosen]
    return chosen


def select_for_data(names: list[str]) -> list[Artefact]:
    """Artefacts that take the reader's own data, among those named; of papers, and of all, those that do.

    Raises
    ------
    InputError
        If one that takes none is named itself, or none of a paper does.
    """
    chosen = select_artefacts(names)
    taking = [a for a in chosen if a.own_data]
    named = {FORMER_KEYS.get(name, name) for name in names}
    refused = [a.key for a in chosen if not a.own_data and {a.key, a.name} & named]
    if refused or not taking:
        from ..theory import InputError

        known = ", ".join(a.key for a in find_artefacts() if a.own_data)
        who = " and ".join(refused) or " and ".join(names)
        raise InputError(
            f"{who} {'draw' if len(refused) > 1 else 'draws'} on no data that --data could stand in for; those that "
            f"take it are {known}."
        )
    return taking


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
