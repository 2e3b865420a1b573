"""A soft-label method: a rule for its targets, and the settings that it is tuned over."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor

from ...theory.base.validation import InputError, check_positive
from ..losses.terms import Rule, Samples, Term, term_values

__all__ = ["Method", "Samples", "Term", "rule_loss"]

SOURCES = ("teacher", "past", "average", "uniform")


@dataclass(frozen=True)
class Method:
    """A soft-label method: where its targets come from, and the settings it is tuned over.

    Attributes
    ----------
    name : str
        As it stands in tables.
    rule : callable
        ``rule(samples, *, setting, …)`` from `Samples` to the `Term` list of the loss. Its keyword-only
        arguments are its settings. Pure, importable by name, without a look at values (it runs under
        `torch.func.vmap`).
    grid : tuple of tuple of (str, float)
        Settings to tune over, one tuple of (name, value) pairs a candidate. ``weight_decay`` is the
        optimiser's, the rest is handed to the rule.
    needs : frozenset of str
        Which of "teacher", "past", "average" and "uniform" the rule uses.

    Raises
    ------
    InputError
        If the grid sets what the rule does not take or leaves out what it does, or something is unknown.
    """

    name: str
    rule: Rule
    grid: tuple[tuple[tuple[str, float], ...], ...] = ((),)
    needs: frozenset[str] = field(default_factory=frozenset)

    def __post_init__(self) -> None:
        if not callable(self.rule):
            raise InputError(f"the rule of {self.name} must be a function of Samples; got {self.rule!r}.")
        needs: object = self.needs
        if isinstance(needs, str):  # its letters would pass for names
            raise InputError(f"needs must be a set of names, such as frozenset({{{self.needs!r}}}).")
        unknown = set(self.needs) - set(SOURCES)
        if unknown:
            raise InputError(
                f"{self.name} needs {', '.join(sorted(unknown))}, which is unknown. Known: {', '.join(SOURCES)}."
            )
        if not isinstance(self.grid, tuple) or not self.grid:
            raise InputError(f"the grid of {self.name} must be a tuple of at least one candidate.")
        for candidate in self.grid:
            _check_candidate(candidate, f"a candidate of {self.name}")
        names = {frozenset(name for name, _ in candidate) for candidate in self.grid}
        if len(names) != 1:
            raise InputError(f"every candidate of {self.name}'s grid must set the same names.")
        if self.grid != ((),):  # an empty grid leaves the settings to whoever trains by the method
            self.check_settings(names.pop() - {"weight_decay"})

    @property
    def settings(self) -> frozenset[str]:
        """Names of the settings that the rule takes."""
        parameters = inspect.signature(self.rule).parameters.values()
        return frozenset(p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY)

    def check_settings(self, given: frozenset[str]) -> None:
        """Raise `InputError` unless exactly the settings of the rule are given."""
        if given != self.settings:
            raise InputError(
                f"the rule of {self.name} takes the settings {_listed(self.settings)}; it was given "
                f"{_listed(given)}. They are its keyword-only arguments; weight_decay is the optimiser's."
            )


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def _check_candidate(candidate: Any, name: str) -> None:
    """Raise unless a candidate is made of (name, finite number) pairs that no loss would refuse."""
    if not isinstance(candidate, tuple) or not all(isinstance(p, tuple) and len(p) == 2 for p in candidate):
        raise InputError(f"{name} must be a tuple of (name, value) pairs; got {candidate!r}.")
    for setting, value in candidate:
        if isinstance(value, str) or not np.isfinite(value):
            raise InputError(f"{setting} in {name} must be a finite number; got {value!r}.")
        if setting == "temperature":
            check_positive(value, f"temperature in {name}")


def rule_loss(rule: Rule) -> Callable[[Tensor, Mapping[str, Any]], Tensor]:
    """Turn a rule into the loss of one member's batch that `training.members.train` takes."""

    def loss(outputs: Tensor, given: Mapping[str, Any]) -> Tensor:
        carried = {name: value for name, value in given.items() if name not in ("labels", "settings")}
        samples = Samples(given["labels"], outputs.detach(), carried)
        return term_values(rule(samples, **given["settings"]), outputs).mean()

    return loss
