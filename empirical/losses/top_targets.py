"""Distributions of which only the largest entries are known: what a vocabulary of 50,000 words leaves room for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor

from ...theory.base.probabilities import check_probabilities
from ...theory.base.validation import InputError, check_count, check_positive, shown


@dataclass(frozen=True, eq=False)
class TopTargets:
    """The largest entries of distributions; what is left of the mass is spread evenly over the other classes.

    No entry is off by more than the mass that was left out, and a distribution by no more than twice that in
    all: so is the gradient of a cross-entropy at temperature 1 to it, which is outputs less target.

    Attributes
    ----------
    classes : Tensor of integers (..., N)
        Which, none twice unless its mass is 0.
    masses : Tensor (..., N)
    n_classes : int
        K.
    temperature : float
        By which the logits were divided that the distribution is of.
    """

    classes: Tensor
    masses: Tensor
    n_classes: int
    temperature: float = 1.0

    @classmethod
    def of(cls, probabilities: Tensor, top: int, temperature: float = 1.0, *, check: bool = True) -> Self:
        """Largest entries of distributions (..., K).

        Raises
        ------
        InputError
            If `top` is not in 1 … K, or (unless ``check=False``) these are no distributions.
        """
        if check:
            if not isinstance(probabilities, Tensor):
                raise InputError(f"probabilities must be a torch tensor; got {shown(probabilities)}.")
            check_probabilities(probabilities, "probabilities")
            temperature = check_positive(temperature, "temperature")
        n_classes = probabilities.shape[-1]
        if check_count(top, "top") > n_classes:
            raise InputError(f"top must be at most the number of classes, {n_classes}; got {top}.")
        masses, classes = probabilities.topk(top, dim=-1)
        return cls(classes, masses, n_classes, temperature)

    @property
    def shape(self) -> torch.Size:
        """Shape of the distributions, (..., K)."""
        return torch.Size((*self.classes.shape[:-1], self.n_classes))

    @property
    def rest(self) -> Tensor:
        """Mass (...) that the known entries leave; 0 where all are known."""
        if self.classes.shape[-1] == self.n_classes:
            return torch.zeros_like(self.masses[..., 0])
        return (1 - self.masses.sum(dim=-1)).clamp_min(0)

    def expected(self, values: Tensor) -> Tensor:
        """Mean (...) of values (..., K)."""
        masses = self.masses.to(values.dtype)
        others = max(1, self.n_classes - self.classes.shape[-1])
        each = (self.rest.to(values.dtype) / others).unsqueeze(-1)
        known = values.gather(-1, self.classes.long())
        # A class that is ruled out has an infinite value; with no mass on it, that is not counted.
        most = torch.where(masses == each, 0.0, (masses - each) * known).sum(dim=-1)
        return most + torch.where(each == 0, 0.0, each * values).sum(dim=-1)

    def dense(self) -> Tensor:
        """Distributions (..., K), the rest spread out."""
        others = max(1, self.n_classes - self.classes.shape[-1])
        each = (self.rest / others).unsqueeze(-1)
        return each.expand(self.shape).scatter_add(-1, self.classes.long(), self.masses - each)

    def at(self, temperature: Any) -> Self:
        """Return itself if it was made at that temperature, and raise `InputError` if not."""
        if isinstance(temperature, Tensor) or temperature != self.temperature:
            raise InputError(
                f"these targets are a teacher's at temperature {self.temperature:g}, of which the logits are not "
                f"known; got temperature={temperature}. Store the teacher anew at the temperature that is wanted."
            )
        return self

    def detach(self) -> Self:
        """Cut off from their graph."""
        return replace(self, masses=self.masses.detach())

    def to(self, device: Any) -> Self:
        """On another device."""
        return replace(self, classes=self.classes.to(device), masses=self.masses.to(device))
