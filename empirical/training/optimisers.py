"""SGD with momentum and Adam on the stacked parameters of an ensemble, with one learning rate a member."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.optim.adamw import adamw
from torch.optim.sgd import sgd

from ...theory.base.validation import InputError
from .ensemble import Ensemble, Parameters
from .settings import PerMember, TrainingConfig

BETAS, EPSILON = (0.9, 0.999), 1e-8  # of Adam


class Optimiser:
    """SGD with momentum, or Adam with decoupled weight decay, on stacked parameters.

    Where all members have one learning rate and weight decay, each parameter is updated by `torch.optim`'s fused
    kernel, which passes over the memory once; else by some more operations, with one rate and decay a member.
    """

    def __init__(self, config: TrainingConfig, ensemble: Ensemble) -> None:
        self.config = config
        self.rate = self._per_member(config.learning_rate, "learning_rate", ensemble)
        self.decay = self._per_member(config.weight_decay, "weight_decay", ensemble)
        self.decays = bool((self.decay != 0).any())
        same = bool((self.rate == self.rate[0]).all() and (self.decay == self.decay[0]).all())
        self.common = (float(self.rate[0]), float(self.decay[0])) if same else None
        parameters = list(ensemble.parameters.values())
        self.first = [torch.zeros_like(p, memory_format=torch.contiguous_format) for p in parameters]
        self.second = [torch.zeros_like(m) for m in self.first] if config.optimiser == "adam" else []
        self.steps = 0
        self.counts = [
            torch.zeros((), device=ensemble.device) for _ in parameters
        ]  # the same, for Adam's kernel

    @staticmethod
    def _per_member(value: PerMember, name: str, ensemble: Ensemble) -> Tensor:
        values = torch.as_tensor(value, dtype=torch.float32, device=ensemble.device)
        if values.ndim and values.shape != (len(ensemble),):
            raise InputError(
                f"{name} must be one number, or one for each of the {len(ensemble)} members; "
                f"got shape {tuple(values.shape)}."
            )
        return values.expand(len(ensemble))

    @torch.no_grad()
    def step(self, parameters: Parameters, gradients: Sequence[Tensor], schedule: float) -> None:
        """Update the parameters (M, ...), which are contiguous, in place."""
        self.steps += 1
        values, grads = list(parameters.values()), [g.contiguous() for g in gradients]
        adam = self.config.optimiser == "adam"
        if self.common is None:
            (self._adam if adam else self._sgd)(values, grads, schedule)
        else:
            rate, decay = self.common
            (self._fused_adam if adam else self._fused_sgd)(values, grads, rate * schedule, decay)

    def _fused_sgd(self, values: list[Tensor], grads: list[Tensor], rate: float, decay: float) -> None:
        sgd(
            values, grads, list[Tensor | None](self.first), fused=True, lr=rate,
            momentum=self.config.momentum, weight_decay=decay, dampening=0.0, nesterov=False,
            maximize=False,
        )  # fmt: skip

    def _fused_adam(self, values: list[Tensor], grads: list[Tensor], rate: float, decay: float) -> None:
        adamw(
            values, grads, self.first, self.second, [], self.counts, fused=True,
            lr=rate, beta1=BETAS[0], beta2=BETAS[1], eps=EPSILON,
            weight_decay=decay, amsgrad=False, maximize=False,
        )  # fmt: skip

    def _sgd(self, values: list[Tensor], grads: list[Tensor], schedule: float) -> None:
        torch._foreach_mul_(self.first, self.config.momentum)
        torch._foreach_add_(self.first, grads)
        if self.decays:  # in place: a copy of all parameters would cost as much as the step
            for velocity, p in zip(self.first, values, strict=True):
                velocity.addcmul_(p, _over(self.decay, p))
        rates = [_over(self.rate * schedule, p) for p in values]
        torch._foreach_sub_(values, torch._foreach_mul(self.first, rates))

    def _adam(self, values: list[Tensor], grads: list[Tensor], schedule: float) -> None:
        rates = [_over(self.rate * schedule, p) for p in values]
        if self.decays:
            for p, rate in zip(values, rates, strict=True):
                p.mul_(1 - rate * _over(self.decay, p))
        torch._foreach_lerp_(self.first, grads, 1 - BETAS[0])
        torch._foreach_mul_(self.second, BETAS[1])
        torch._foreach_addcmul_(self.second, grads, grads, 1 - BETAS[1])
        root = torch._foreach_div(torch._foreach_sqrt(self.second), math.sqrt(1 - BETAS[1] ** self.steps))
        torch._foreach_add_(root, EPSILON)
        update = torch._foreach_div(self.first, root)
        torch._foreach_div_(update, 1 - BETAS[0] ** self.steps)
        torch._foreach_sub_(values, torch._foreach_mul(update, rates))


def _over(per_member: Tensor, parameter: Tensor) -> Tensor:
    """Shape (M,) as (M, 1, …), to multiply a stacked parameter."""
    return per_member.reshape(-1, *[1] * (parameter.ndim - 1)).to(parameter.dtype)
