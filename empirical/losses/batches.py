"""A batch on its way into a loss: where its classes stand, which samples count and how they are averaged.

All losses take the same options, `Options`; what they mean is what it means for
`torch.nn.functional.cross_entropy`, wherever that has the option too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypedDict, get_args

import numpy as np
import torch
from torch import Tensor

from ...theory.base.probabilities import check_probabilities
from ...theory.base.validation import (
    InputError,
    check_choice,
    check_count,
    check_fraction,
    check_nonnegative,
    check_positive,
    refuse_mask,
    shown,
)
from .terms import Rule, Samples, Setting, Target, check_logits, term_values
from .top_targets import TopTargets

Reduction = Literal["mean", "sum", "none"]
Interval = Literal["[0, 1]", "(0, ∞)", "[0, ∞)"]

_CHECKS: dict[Interval, Callable[[Any, str], float]] = {
    "[0, 1]": check_fraction,
    "(0, ∞)": check_positive,
    "[0, ∞)": check_nonnegative,
}
_WITHIN: dict[Interval, Callable[[Tensor], Tensor]] = {
    "[0, 1]": lambda values: (values >= 0) & (values <= 1),
    "(0, ∞)": lambda values: (values > 0) & (values < torch.inf),
    "[0, ∞)": lambda values: (values >= 0) & (values < torch.inf),
}


_LARGEST_SETTING = 1e150


class Options(TypedDict, total=False):
    """Options that every loss takes as keywords.

    Attributes
    ----------
    reduction : {"mean", "sum", "none"}
        The mean divides by the samples that count (by the sum of their weights, where they have some); an
        empty batch has mean 0.
    class_dim : int
        Axis of the classes in logits and in everything that is shaped like them: −1, or 1 for torch's
        (N, K, d₁, …).
    ignore_index : int
        Whole-number label of samples to pass over; −100, as torch has it.
    weight : Tensor (K,), optional
        Weight of each class in every cross-entropy to a target.
    sample_weight : Tensor, optional
        One a sample, of the labels' shape.
    check : bool
        Whether to look at values. Without, nothing stops a compiler or waits for a GPU; `torch.compile` never
        looks.
    """

    reduction: Reduction
    class_dim: int
    ignore_index: int
    weight: Tensor | None
    sample_weight: Tensor | None
    check: bool


class Labels(NamedTuple):
    """What the samples are: whole numbers (...), 0 where ignored, or distributions (..., K); and which count."""

    target: Target
    kept: Tensor | None


@dataclass(frozen=True, eq=False)
class Batch:
    """Outputs of a network with their classes last, and what goes with them, checked on the way in.

    Attributes
    ----------
    logits : Tensor (..., K)
    options : Options
    """

    logits: Tensor
    options: Options

    @classmethod
    def read(cls, logits: Any, options: Options) -> Batch:
        """Check the logits and the options.

        Raises
        ------
        InputError
            If an option is unknown, or logits or class weights are no numbers.
        """
        check_options(options)
        batch = cls(_classes_last(logits, options, "logits"), options)
        weights = options.get("weight")
        if batch.check:
            check_logits(batch.logits)
        if weights is not None:
            _check_class_weights(weights, batch.logits.shape[-1], batch.check)
        return batch

    @property
    def check(self) -> bool:
        """Whether values are looked at: unless the options say no, or a compiler is at work."""
        return self.options.get("check", True) and not torch.compiler.is_compiling()

    def labels(self, labels: Any) -> Labels:
        """Labels as whole numbers, or as distributions such as those of mixed samples.

        Raises
        ------
        InputError
            If shapes disagree (nothing is broadcast) or labels are out of range.
        """
        labels = as_tensor(labels, "labels", self.logits)
        ignored = self.options.get("ignore_index", -100)
        n_classes = self.logits.shape[-1]
        if labels.is_floating_point():
            if ignored != -100:
                raise InputError("ignore_index names a label and these are distributions: use sample_weight.")
            return Labels(self.distributions(labels, "labels"), None)
        if labels.shape != self.logits.shape[:-1] or labels.dtype == torch.bool:
            raise InputError(
                f"labels must be whole numbers with one entry a sample, {tuple(self.logits.shape[:-1])}, or "
                f"distributions of the logits' shape; got {tuple(labels.shape)} of {labels.dtype}."
            )
        labels = labels.long()  # narrow types cannot name every class
        kept = labels != ignored
        labels = labels.where(kept, 0)
        if self.check and labels.numel() and not 0 <= int(labels.min()) <= int(labels.max()) < n_classes:
            raise InputError(
                f"labels must lie in 0 … {n_classes - 1} for {n_classes} classes, or be ignore_index; got "
                f"{int(labels.min())} … {int(labels.max())}."
            )
        return Labels(labels, kept)

    @property
    def given_shape(self) -> torch.Size:
        """Shape in which the logits came."""
        return self.logits.movedim(-1, self.options.get("class_dim", -1)).shape

    def like_logits(self, value: Any, name: str) -> Tensor:
        """A tensor shaped like the logits, with its classes last and cut off from its graph."""
        moved = _classes_last(as_tensor(value, name, self.logits), self.options, name)
        if moved.shape != self.logits.shape:
            raise InputError(
                f"{name} must have the logits' shape: with the classes last, {tuple(self.logits.shape)}; got "
                f"{tuple(moved.shape)}."
            )
        return moved.detach()

    def top_targets(self, value: TopTargets, name: str) -> TopTargets:
        """Targets of which the largest entries are known."""
        if value.shape != self.logits.shape:
            raise InputError(
                f"{name} are of {value.n_classes} classes and samples {tuple(value.shape[:-1])}; the logits are of "
                f"{self.logits.shape[-1]} and {tuple(self.logits.shape[:-1])}."
            )
        return value.to(self.logits.device).detach()

    def other_logits(self, value: Any, name: str) -> Target:
        """Logits of a teacher or an average, or what was stored of them."""
        if isinstance(value, TopTargets):
            return self.top_targets(value, name)
        moved = self.like_logits(value, name)
        if self.check:
            check_logits(moved, name)
        return moved

    def soft_targets(self, value: Any, name: str) -> Target:
        """Distributions, whole or of which the largest entries are known."""
        if isinstance(value, TopTargets):
            return self.top_targets(value, name)
        return self.distributions(value, name)

    def distributions(self, value: Any, name: str) -> Tensor:
        """Probabilities that somebody has made."""
        moved = self.like_logits(value, name)
        if self.check:
            check_probabilities(moved, name)
        return moved

    def each(self, value: Any, name: str) -> Tensor:
        """One number a sample."""
        tensor = as_tensor(value, name, self.logits)
        if tensor.shape != self.logits.shape[:-1]:
            raise InputError(
                f"{name} must have one entry a sample, {tuple(self.logits.shape[:-1])}; got {tuple(tensor.shape)}."
            )
        return tensor

    def setting(self, value: Setting, name: str, *, within: Interval) -> Setting:
        """One number for all samples or one a sample, in an interval."""
        if isinstance(value, Tensor) and value.ndim:
            value = self.each(value, name)
            if self.check and not bool(_WITHIN[within](value).all()):
                raise InputError(f"every {name} must lie in {within}; one does not.")
            return value
        if self.check and isinstance(value, float) and value > _LARGEST_SETTING:
            raise InputError(f"{name} must be at most {_LARGEST_SETTING:g}: it is squared; got {value:g}.")
        return _CHECKS[within](value, name) if self.check else value

    def loss(
        self, rule: Rule, labels: Labels, carried: Mapping[str, Target] | None = None, **settings: Setting
    ) -> Tensor:
        """Evaluate a rule on the batch and reduce its values.

        Raises
        ------
        InputError
            If the loss of a sample is infinite: its target gives mass to a class that its logits rule out.
        """
        samples = Samples(labels.target, self.logits.detach(), carried or {}, labels.kept)
        values = term_values(rule(samples, **settings), self.logits, self.options.get("weight"))
        if labels.kept is not None:
            values = values.where(labels.kept, 0.0)
        if self.check and not bool(torch.isfinite(values).all()):
            raise InputError(
                "the loss of a sample is infinite: its target gives mass to a class whose logit is −inf. Mask "
                "labels and teachers as the outputs are masked, or leave out what spreads mass over all classes."
            )
        return self._reduced(values, labels)

    def _reduced(self, values: Tensor, labels: Labels) -> Tensor:
        sample_weight, class_weights = self.options.get("sample_weight"), self.options.get("weight")
        if sample_weight is not None:
            weighed = self.setting(
                as_tensor(sample_weight, "sample_weight", values), "sample_weight", within="[0, ∞)"
            )
            sample_weight = self.each(weighed, "sample_weight").to(values)
            values = values * sample_weight
        reduction = self.options.get("reduction", "mean")
        if reduction == "none":
            return values
        if reduction == "sum":
            return values.sum()
        counts = torch.ones_like(values) if labels.kept is None else labels.kept.to(values)
        target = labels.target
        if class_weights is not None and isinstance(target, Tensor) and not target.is_floating_point():
            # Of soft labels it counts samples, as torch has it.
            counts = counts * class_weights.to(values)[target]
        if sample_weight is not None:
            counts = counts * sample_weight
        total = counts.sum()
        return values.sum() / torch.where(total == 0, 1.0, total)  # an empty batch has nothing to learn from


def as_tensor(value: Any, name: str, beside: Tensor) -> Tensor:
    """Return an array or list as a tensor on the device of another.

    Raises
    ------
    InputError
        If it is none, or hides entries.
    """
    if isinstance(value, Tensor) and not value.is_complex():
        return value.to(beside.device)
    refuse_mask(value, name)
    try:
        if not isinstance(value, Tensor):
            # A tensor cannot run backwards, nor hold objects or another machine's byte order.
            array = np.asarray(value)
            kind = np.dtype(np.float64) if array.dtype == object else array.dtype.newbyteorder("=")
            value = array.astype(kind, order="C")
        tensor = torch.as_tensor(value, device=beside.device)
        if tensor.is_complex():
            raise TypeError
        return tensor
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise InputError(
            f"{name} must be a torch tensor or an array of numbers; got {shown(value)}."
        ) from None


def check_options(options: Options) -> None:
    """Raise `InputError` for an option that there is not, or a reduction that there is not."""
    unknown = sorted(set(options) - set(Options.__annotations__))
    if unknown:
        raise InputError(
            f"a loss has no option {', '.join(unknown)}; it has {', '.join(Options.__annotations__)}."
        )
    check_choice(options.get("reduction", "mean"), "reduction", get_args(Reduction))
    check_count(options.get("ignore_index", -100), "ignore_index", least=-(2**63), most=2**63 - 1)
    check_count(options.get("class_dim", -1), "class_dim", least=-64, most=64)


def _check_class_weights(weights: Tensor, n_classes: int, check: bool) -> None:
    if weights.shape != (n_classes,):
        raise InputError(f"weight must have one entry a class, ({n_classes},); got {tuple(weights.shape)}.")
    if check and not bool(((weights >= 0) & (weights < torch.inf)).all()):
        raise InputError("every class weight must be a finite number of at least 0; one is not.")


def _classes_last(value: Any, options: Options, name: str) -> Tensor:
    if not isinstance(value, Tensor):
        raise InputError(
            f"{name} must be a torch tensor; got {type(value).__name__}. torch.as_tensor makes one."
        )
    axis = options.get("class_dim", -1)
    if not -value.ndim <= axis < value.ndim or value.ndim < 2:
        raise InputError(
            f"{name} must have an axis of samples and one of classes, class_dim={axis}; got shape {tuple(value.shape)}."
        )
    return value.movedim(axis, -1)
