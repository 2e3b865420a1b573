"""The contract of every soft-label loss: a sum of terms ``weight · CE_τ(target, outputs)``.

A rule is a function from `Samples` (and its settings, as keywords) to a list of `Term`; `rules` holds one for
each loss, and nothing else states its formula. The function of a loss, its module and the method that trains
an ensemble by it all evaluate that list with `term_values`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from ...theory.base.validation import InputError, check_positive
from .top_targets import TopTargets

Setting = Tensor | float
"""A setting of a rule: one number, or one a sample (...)."""

Target = Tensor | TopTargets
"""Whole numbers (...) are labels; floating-point numbers (..., K) and `TopTargets` are distributions."""

# Classes up to which another axis is the faster one (measured: four times at 10, none at 32).
_SHORT = 16


@dataclass(frozen=True, eq=False)
class Samples:
    """A batch as a rule sees it. No gradient flows into any of it.

    Attributes
    ----------
    labels : Tensor
        Whole numbers (...), or distributions (..., K).
    logits : Tensor (..., K)
        The network's outputs now.
    carried : mapping of str to Tensor
        What else is known of the samples; each entry has a property of its name.
    kept : Tensor of booleans (...), optional
        False where a sample's label says that it is to be ignored.
    """

    labels: Target
    logits: Tensor
    carried: Mapping[str, Target] = field(default_factory=dict)
    kept: Tensor | None = None

    @property
    def n_classes(self) -> int:
        """K."""
        return int(self.logits.shape[-1])

    @property
    def teacher(self) -> Target:
        """Logits (..., K) of a trained teacher, or targets that were stored of it."""
        return self._carried("teacher")

    @property
    def past(self) -> Target:
        """The network's own probabilities (..., K) of the epoch before; the labels in the first one."""
        return self._carried("past")

    @property
    def average(self) -> Tensor:
        """Logits (..., K) of the network's exponential moving average."""
        return self._tensor("average")

    @property
    def uniform(self) -> Tensor:
        """Random numbers (...) in [0, 1)."""
        return self._tensor("uniform")

    @property
    def progress(self) -> Tensor:
        """Share of the epochs done at the end of this one, t/T in (0, 1]; the same for all samples."""
        return self._tensor("progress")

    def _tensor(self, name: str) -> Tensor:
        value = self._carried(name)
        assert isinstance(value, Tensor)
        return value

    def _carried(self, name: str) -> Target:
        if name not in self.carried:
            raise InputError(
                f"these samples carry no {name}: a method that uses it names it in its needs, as in "
                f'needs=frozenset({{"{name}"}}).'
            )
        return self.carried[name]


@dataclass(frozen=True, eq=False)
class Term:
    """``weight · CE_τ(target, outputs)`` of each sample.

    Attributes
    ----------
    target : Target or None
        Labels or distributions. None stands for the outputs' own distribution, whose cross-entropy to the
        outputs is their entropy: the one target through which a gradient flows.
    weight : Tensor (...) or float
        A constant. Where a loss is scaled by τ², that factor is part of it.
    temperature : Tensor (...) or float
        τ, by which the outputs are divided. The target is used as it is.
    q : float
        Above 0, ``(1 − p^q)/q`` stands in the place of ``−log p``, which is its limit at 0.
    focus : float
        γ; above 0, the loss of each class is multiplied by ``(1 − p)^γ``, through which the gradient flows too.
    """

    target: Target | None
    weight: Setting = 1.0
    temperature: Setting = 1.0
    q: float = 0.0
    focus: float = 0.0


Rule = Callable[..., Sequence[Term]]
"""From `Samples`, with settings as keyword-only arguments, to the terms of a loss."""


def term_values(terms: Sequence[Term], logits: Tensor, class_weights: Tensor | None = None) -> Tensor:
    """Sum of the terms, one value a sample (...).

    Parameters
    ----------
    terms : sequence of Term
    logits : Tensor (..., K)
        The outputs, through which the gradient flows; half precision is read as float32.
    class_weights : Tensor (K,), optional
        Multiplies each class's part in every cross-entropy to a target (an entropy has none).
    """
    wide = widened(logits)
    plain: Tensor | None = None  # at temperature 1, which most terms share
    total = wide.new_zeros(wide.shape[:-1])
    for term in terms:
        if not isinstance(term.weight, Tensor) and term.weight == 0:
            continue  # 0 times an infinite loss is nothing
        if isinstance(term.temperature, Tensor) or term.temperature != 1:
            logs = log_softmax(wide / per_class(term.temperature))
        else:
            plain = logs = log_softmax(wide) if plain is None else plain
        weight = term.weight.detach() if isinstance(term.weight, Tensor) else term.weight
        total = total + weight * _cross_entropy(term, logs, class_weights)
    return total


def _cross_entropy(term: Term, logs: Tensor, class_weights: Tensor | None) -> Tensor:
    if term.target is None:
        possible = logs.masked_fill(logs == -torch.inf, 0.0)  # a class that is ruled out has no part in it
        return -(possible.exp() * possible * (logs != -torch.inf)).sum(dim=-1)
    # expm1 of log p: exact for small q, and the gradient p^q stays finite at p = 0.
    losses = -torch.expm1(term.q * logs) / term.q if term.q else -logs
    if term.focus:
        # The limit at p = 0 is 1, and a class that is ruled out has no gradient; at p = 1 the power has none.
        possible = logs.masked_fill(logs == -torch.inf, -1.0)
        missing = (-torch.expm1(possible)).clamp_min(torch.finfo(logs.dtype).tiny)
        losses = losses * torch.where(logs == -torch.inf, 1.0, missing**term.focus)
    if class_weights is not None:
        losses = losses * class_weights.to(losses)
    return expected(losses, term.target.detach())


def expected(values: Tensor, target: Target) -> Tensor:
    """Mean of the values (..., K) under a target; 0 · ∞ is 0."""
    if isinstance(target, TopTargets):
        return target.expected(values)
    if not target.is_floating_point():
        return values.gather(-1, target.long().unsqueeze(-1)).squeeze(-1)
    return torch.where(target == 0, 0.0, target.to(values.dtype) * values).sum(dim=-1)


def widened(logits: Tensor) -> Tensor:
    """Half-precision logits as float32, others as they are."""
    return logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits


def log_softmax(logits: Tensor) -> Tensor:
    """Log-softmax over the last axis.

    On a processor PyTorch is several times slower over a short last axis than over another one.
    """
    if logits.ndim < 2 or logits.shape[-1] > _SHORT:
        return F.log_softmax(logits, dim=-1)
    return F.log_softmax(logits.transpose(-1, -2), dim=-2).transpose(-1, -2)


def per_class(setting: Setting) -> Setting:
    """A setting with a class axis, to go beside logits."""
    return setting.unsqueeze(-1) if isinstance(setting, Tensor) and setting.ndim else setting


def check_logits(logits: Tensor, name: str = "logits") -> None:
    """Raise `InputError` unless logits are real numbers, (..., K) with at least two classes.

    A logit may be −inf, which rules its class out, as long as one class of the sample is left.
    """
    if not isinstance(logits, Tensor):
        raise InputError(
            f"{name} must be a torch tensor; got {type(logits).__name__}. torch.as_tensor makes one."
        )
    if logits.ndim == 0 or logits.shape[-1] < 2 or not logits.is_floating_point():
        raise InputError(
            f"{name} must be floating-point with at least two classes on their axis; got {tuple(logits.shape)} "
            f"of {logits.dtype}, the classes last."
        )
    if not logits.numel() or bool(torch.isfinite(logits).all()):
        return
    if bool((torch.isnan(logits) | (logits == torch.inf)).any()):
        raise InputError(f"{name} hold NaN or +inf: the network has diverged. Lower its step.")
    if bool((logits == -torch.inf).all(dim=-1).any()):
        raise InputError(f"{name} are −inf for every class of a sample: a mask must leave it one.")


def log_probabilities(logits: Tensor, temperature: float = 1.0, *, check: bool = True) -> Tensor:
    """Log-softmax over the last axis at a temperature, in float32 at least.

    Raises
    ------
    InputError
        If logits are none, or the temperature is not above 0 or is next to 0 in their precision.
    """
    if check:
        check_logits(logits)
        temperature = check_positive(temperature, "temperature")
    logits = widened(logits)
    if check:
        least = torch.finfo(logits.dtype).tiny
        if temperature < least:
            raise InputError(
                f"temperature must be at least {least:.3g} for logits of {logits.dtype}; got {temperature:.3g}."
            )
        if temperature < 1:
            # Differences first: what is divided may overflow, and the largest is then no number.
            logits = logits - logits.detach().amax(dim=-1, keepdim=True)
    return log_softmax(logits / temperature)
