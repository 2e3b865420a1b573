"""Losses with a second network that answers and never learns: a moving average, or the generation before.

Its state is in ``state_dict``, and it stays in evaluation mode whatever mode the loss is put into. Where several
processes train one network by `DistributedDataParallel`, that may be given as it is: all processes have the same
parameters after each step, hence the same average and the same teacher.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Self, Unpack

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from ...theory import InputError, ema_decay
from ...theory.base.validation import check_fraction, check_positive
from . import rules
from .batches import Options
from .draws import check_generator
from .functional import Tempered, beta_smoothing_loss
from .processes import inner
from .stateless import DistillationLoss, SoftLabelLoss

Ask = Callable[[nn.Module, Any], Tensor]
"""How a network is asked: from it and the inputs of a batch to its logits."""


def call(network: nn.Module, inputs: Any) -> Tensor:
    """Ask a network that takes one argument and returns its logits."""
    logits: Tensor = network(inputs)
    return logits


class BetaSmoothingLoss(SoftLabelLoss):
    """`beta_smoothing_loss` with its EMA teacher, a `torch.optim.swa_utils.AveragedModel`.

    Call ``update(model)`` after every optimiser step. The average starts as a copy of the model and its
    decay after step s is ``min(1 − 1/(s + 1), decay)``; its buffers (batch statistics) follow the model's.

    Parameters
    ----------
    model : nn.Module
        Copied; not registered as a child.
    alpha, shape : float
        Weight of the Beta targets, and a of Beta(a, 1).
    decay : float
        Largest decay of the average.
    generator : torch.Generator, optional
        Source of the draws; its state is kept with the module's. Without it, torch's own.
    ask : callable, optional
        ``ask(network, inputs)`` gives its logits; ``network(inputs)`` if not given. For a network that takes
        and returns dictionaries: ``lambda network, inputs: network(**inputs)["logits"]``.
    **options
        See `batches.Options`.
    """

    def __init__(
        self,
        model: nn.Module,
        alpha: float = 0.6,
        shape: float = 3.0,
        decay: float = 0.999,
        generator: torch.Generator | None = None,
        ask: Ask = call,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(options, alpha=check_fraction(alpha, "alpha"), shape=check_positive(shape, "shape"))
        check_generator(generator)
        self.generator = generator
        self.ask = ask
        move = partial(_towards, decay=check_fraction(decay, "decay"))
        self.average = AveragedModel(inner(model), multi_avg_fn=move).requires_grad_(False).eval()
        self.average.update_parameters(inner(model))  # the first call copies

    @property
    def step(self) -> int:
        """How often the average was updated."""
        return int(self.average.n_averaged) - 1

    def forward(self, logits: Tensor, labels: Tensor, inputs: Any, **more: Any) -> Tensor:
        """Loss of a batch; `inputs` are what the average is asked about."""
        with torch.no_grad():
            averages = self.ask(self.average, inputs)
        return beta_smoothing_loss(logits, labels, averages, generator=self.generator, **self.given(more))

    def train(self, mode: bool = True) -> Self:
        """Set the mode of the loss; the average stays in evaluation mode."""
        super().train(mode)
        self.average.eval()
        return self

    def get_extra_state(self) -> Tensor:
        """State of the generator; empty without one."""
        return torch.empty(0) if self.generator is None else self.generator.get_state()

    def set_extra_state(self, state: Tensor) -> None:
        """Put the generator where it was."""
        if self.generator is not None and state.numel():
            self.generator.set_state(state.cpu())

    def update(self, model: nn.Module) -> None:
        """Move the average towards the model."""
        self.average.update_parameters(inner(model))


@torch.no_grad()
def _towards(averages: Any, parameters: Any, updates: Any, *, decay: float) -> None:
    """Move averages towards parameters in place, `updates` of them made already."""
    # AveragedModel hands over lists of one device and type.
    torch._foreach_lerp_(list(averages), list(parameters), 1 - ema_decay(int(updates), decay))


class BornAgainLoss(nn.Module):
    """Born-again generations: plain cross-entropy first, then distillation from the generation before.

    Call ``next_generation(student)`` when a generation is trained, and start a fresh student.

    Parameters
    ----------
    temperature, alpha, tempered
        Of `distillation_loss`.
    network : nn.Module, optional
        Any network of the students' architecture. With it a checkpoint of any generation can be loaded;
        without it, only those of the first.
    ask : callable, optional
        As in `BetaSmoothingLoss`.
    **options
        See `batches.Options`.

    References
    ----------
    Furlanello et al. 2018; Zhang & Sabuncu 2020, section 3.
    """

    finished: Tensor

    def __init__(
        self,
        temperature: float = 1.0,
        alpha: float = 1.0,
        tempered: Tempered = "both",
        network: nn.Module | None = None,
        ask: Ask = call,
        **options: Unpack[Options],
    ) -> None:
        super().__init__()
        self.loss = DistillationLoss(temperature, alpha, tempered, **options)
        self.ask = ask
        self.teacher = None if network is None else _frozen(network)
        self.register_buffer("finished", torch.zeros((), dtype=torch.long))

    @property
    def generation(self) -> int:
        """How many generations are trained."""
        return int(self.finished)

    def next_generation(self, student: nn.Module) -> None:
        """Make a frozen copy of the student the teacher."""
        self.teacher = _frozen(student)
        self.finished += 1

    def train(self, mode: bool = True) -> Self:
        """Set the mode of the loss; the teacher stays in evaluation mode."""
        super().train(mode)
        if self.teacher is not None:
            self.teacher.eval()
        return self

    def _load_from_state_dict(self, state: Mapping[str, Any], prefix: str, *args: Any) -> None:
        holds = any(name.startswith(f"{prefix}teacher.") for name in state)
        if holds and self.teacher is None:
            raise InputError(
                "the checkpoint holds a teacher and this loss has no network to load it into: make the loss with "
                "network=, any network of the students' architecture."
            )
        if not holds:
            self.teacher = None  # of the first generation
        super()._load_from_state_dict(state, prefix, *args)

    def forward(self, logits: Tensor, labels: Tensor, inputs: Any, **more: Any) -> Tensor:
        """Loss of a batch; `inputs` are what the teacher is asked about."""
        if self.teacher is None or not self.finished:
            batch = self.loss.batch(logits, more)
            return batch.loss(rules.cross_entropy, batch.labels(labels))
        with torch.no_grad():
            teacher_logits = self.ask(self.teacher, inputs)
        loss: Tensor = self.loss(logits, teacher_logits, labels, **more)
        return loss


def _frozen(network: nn.Module) -> nn.Module:
    """Copy that answers and never learns."""
    return copy.deepcopy(inner(network)).requires_grad_(False).eval()
