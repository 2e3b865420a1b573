"""What a soft-label method is: one function from a batch to targets and weights, and the settings it is tuned over."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...theory.base.validation import InputError, check_positive
from ..losses.functional import soft_cross_entropy


@dataclass(frozen=True, eq=False)
class Samples:
    """A minibatch of one network, as a method sees it. Fields the method does not need are None.

    Attributes
    ----------
    labels : Tensor (b,)
        Given labels, noise included.
    progress : Tensor (b,)
        Share of the epochs done at the end of this one, t/T in (0, 1]; the same for all samples.
    settings : mapping of str to Tensor (b,)
        The method's settings, those of its grid; the same for all samples.
    logits : Tensor (b, K)
        The network's own outputs now, detached.
    teacher : Tensor (b, K)
        Logits of a trained teacher.
    past : Tensor (b, K)
        The network's own probabilities at the end of the epoch before (the labels in the first one).
    average : Tensor (b, K)
        Logits of the network's exponential moving average.
    uniform : Tensor (b,)
        Random numbers in [0, 1).
    """

    labels: Tensor
    progress: Tensor
    settings: Mapping[str, Tensor]
    logits: Tensor
    teacher: Tensor | None = None
    past: Tensor | None = None
    average: Tensor | None = None
    uniform: Tensor | None = None

    @property
    def n_classes(self) -> int:
        """K."""
        return int(self.logits.shape[-1])


@dataclass(frozen=True, eq=False)
class Term:
    """``weight · CE_τ(target, outputs)`` of each sample.

    Attributes
    ----------
    target : Tensor (b, K)
    weight : Tensor (b,) or float
        Where distillation is scaled by τ², that factor is part of it.
    temperature : Tensor (b,) or float
    """

    target: Tensor
    weight: Tensor | float = 1.0
    temperature: Tensor | float = 1.0


Guide = Callable[[Samples], Sequence[Term]]


@dataclass(frozen=True)
class Method:
    """A soft-label method: where its targets come from, and the settings it is tuned over.

    Attributes
    ----------
    name : str
        As it stands in tables.
    guide : callable
        From `Samples` to the terms of the loss. Pure, importable by name, without a look at values (it runs
        under `torch.func.vmap`).
    grid : tuple of tuple of (str, float)
        Settings to tune over, one tuple of (name, value) pairs a candidate. ``weight_decay`` is the
        optimiser's, the rest is handed to the guide.
    needs : frozenset of str
        Which of "teacher", "past", "average" and "uniform" the guide uses.
    """

    name: str
    guide: Guide
    grid: tuple[tuple[tuple[str, float], ...], ...] = ((),)
    needs: frozenset[str] = field(default_factory=frozenset)

    def __post_init__(self) -> None:
        if not callable(self.guide):
            raise InputError(f"the guide of {self.name} must be a function of Samples; got {self.guide!r}.")
        needs: object = self.needs
        if isinstance(needs, str):  # its letters would pass for names
            raise InputError(f"needs must be a set of names, such as frozenset({{{self.needs!r}}}).")
        unknown = set(self.needs) - {"teacher", "past", "average", "uniform"}
        if unknown:
            raise InputError(
                f"{self.name} needs {', '.join(sorted(unknown))}, which is unknown. Known: teacher, past, "
                "average, uniform."
            )
        if not isinstance(self.grid, tuple) or not self.grid:
            raise InputError(f"the grid of {self.name} must be a tuple of at least one candidate.")
        for candidate in self.grid:
            _check_candidate(candidate, f"a candidate of {self.name}")
        names = {frozenset(name for name, _ in candidate) for candidate in self.grid}
        if len(names) != 1:
            raise InputError(f"every candidate of {self.name}'s grid must set the same names.")


def _check_candidate(candidate: Any, name: str) -> None:
    """Raise unless a candidate is made of (name, finite number) pairs that no loss would refuse."""
    if not isinstance(candidate, tuple) or not all(isinstance(p, tuple) and len(p) == 2 for p in candidate):
        raise InputError(f"{name} must be a tuple of (name, value) pairs; got {candidate!r}.")
    for setting, value in candidate:
        if isinstance(value, str) or not np.isfinite(value):
            raise InputError(f"{setting} in {name} must be a finite number; got {value!r}.")
        if setting == "temperature":
            check_positive(value, f"temperature in {name}")


class _Recorded(dict[str, Tensor]):
    """Settings that note which of them are read."""

    def __init__(self, values: Mapping[str, Tensor], read: set[str]) -> None:
        super().__init__(values)
        self.read = read

    def __getitem__(self, name: str) -> Tensor:
        self.read.add(name)
        return super().__getitem__(name)


def guided_loss(guide: Guide, read: set[str] | None = None) -> Callable[[Tensor, dict[str, Any]], Tensor]:
    """Turn a guide into the loss of one member's batch that `train` takes; note in `read` which settings it reads."""

    def loss(outputs: Tensor, given: dict[str, Any]) -> Tensor:
        if read is not None:
            given = given | {"settings": _Recorded(given["settings"], read)}
        terms = guide(Samples(logits=outputs.detach(), **given))
        total = torch.zeros(outputs.shape[0], device=outputs.device)
        for term in terms:
            tau = term.temperature
            scaled = outputs / (tau.unsqueeze(-1) if isinstance(tau, Tensor) else tau)
            total = total + term.weight * soft_cross_entropy(
                scaled, term.target, reduction="none", check=False
            )
        return total.mean()

    return loss


def check_guide(method: Method, outputs: Tensor, given: dict[str, Any]) -> None:
    """Run a guide on a small batch, as training will, before any training.

    Parameters
    ----------
    method : Method
    outputs : Tensor (M, b, K)
    given : dict
        What the samples of the batch carry, (M, b, …) each.

    Raises
    ------
    InputError
        If the guide breaks, returns no terms, or leaves a setting unread, which would then be tuned in vain.
    """
    read: set[str] = set()
    try:
        torch.func.vmap(guided_loss(method.guide, read))(outputs, given)
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"the guide of {method.name} cannot be used ({type(error).__name__}: {error}). It takes Samples and "
            f"returns a list of Terms without looking at values; of teacher, past, average and uniform it has "
            f"{', '.join(sorted(method.needs)) or 'none'}, as its method's needs say, and the settings are "
            f"{', '.join(sorted(given['settings'])) or 'none'}."
        ) from error
    unread = sorted(set(given["settings"]) - read)
    if unread:
        raise InputError(
            f"the guide of {method.name} never reads {', '.join(unread)}: is a name in its grid misspelt? "
            f"It reads {', '.join(sorted(read)) or 'no setting'}; weight_decay is the optimiser's."
        )
