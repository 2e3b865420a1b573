"""The losses that networks are most often trained by, and their gradients for all members at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ..losses.terms import log_softmax

Gradient = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def squared_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """``Σ‖f(x_i) − y_i‖² / n``: summed over outputs, averaged over samples, as in the theory."""
    return (outputs - targets.reshape(outputs.shape)).square().sum() / len(outputs)


def cross_entropy(outputs: Tensor, labels: Tensor) -> Tensor:
    """`torch.nn.functional.cross_entropy` with labels (n,), in functions that `vmap` need not take apart."""
    return -log_softmax(outputs).gather(-1, labels.unsqueeze(-1)).mean()


def gradient_of(loss: Callable[[Tensor, Any], Tensor], targets: Any) -> Gradient | None:
    """Return what takes outputs and targets of all members to losses (M,) and their gradients (M, n, k).

    Parameters
    ----------
    loss : callable
        Of one member.
    targets : nested Tensor (M, n, ...)

    Returns
    -------
    callable or None
        None if only `vmap` and autograd know the gradient of this loss to such targets. What is known here is the
        same to rounding, at a third to a sixth of the time where outputs are small.
    """
    if not isinstance(targets, Tensor):
        return None
    if loss is squared_error:
        return _squared_error
    if loss is cross_entropy and targets.ndim == 2:
        return _cross_entropy
    if loss is F.cross_entropy and targets.ndim == (3 if targets.is_floating_point() else 2):
        return _torch_cross_entropy
    return None


def _squared_error(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    difference = outputs - targets.reshape(outputs.shape)
    n = outputs.shape[1]
    return difference.square().sum(dim=(1, 2)) / n, (difference * (2 / n)).to(outputs.dtype)


def _cross_entropy(outputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """The gradient in the outputs is (softmax − one-hot) / n."""
    chosen, n = labels.unsqueeze(-1), outputs.shape[1]
    logs = log_softmax(outputs)
    values = -logs.gather(-1, chosen).mean(dim=(1, 2))
    gradients = logs.exp_().div_(n)
    return values, gradients.scatter_add_(-1, chosen, gradients.new_full((), -1 / n).expand(chosen.shape))


@torch.enable_grad()
def _torch_cross_entropy(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Labels, of which −100 do not count, or distributions, for all members in one call of torch's function."""
    given, soft = outputs.detach().requires_grad_(True), targets.is_floating_point()
    values = F.cross_entropy(
        given.transpose(1, 2), targets.transpose(1, 2) if soft else targets, reduction="none"
    ).sum(dim=1) / (targets.shape[1] if soft else (targets != -100).sum(dim=1))
    return values.detach(), torch.autograd.grad(values, given, torch.ones_like(values))[0]
