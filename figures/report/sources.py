"""Sources: the text of the functions that compute predictions, for a report that is read without the code."""

from __future__ import annotations

import importlib
import inspect
import textwrap
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Source:
    """A function or class: its dotted name, the first line of its docstring, and its text."""

    name: str
    summary: str
    text: str


def find_source(name: str) -> Source | None:
    """Look a dotted name up; None if there is no such function.

    Parameters
    ----------
    name : str
        Such as ``selfdistill.theory.collapse_bounds`` or ``selfdistill.theory.Spectrum.from_gram``.
    """
    found: Any = _resolve(name)
    found = getattr(found, "fget", getattr(found, "func", found))  # what a property computes
    try:
        text = textwrap.dedent(inspect.getsource(found))
    except (TypeError, OSError):
        return None
    return Source(name, (inspect.getdoc(found) or "").split("\n")[0], text)


def _resolve(name: str) -> Any:
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:cut]))
        except ImportError:
            continue
        for part in parts[cut:]:
            found = inspect.getattr_static(found, part, None) or getattr(found, part, None)
        return found.__func__ if isinstance(found, classmethod | staticmethod) else found
    return None
