"""Multilayer perceptrons of an ensemble as one batched product a layer, without `vmap`'s cost a call."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from .perceptrons import NTKLinear, SharpGELU

_ELEMENTWISE = (nn.ReLU, nn.GELU, SharpGELU, nn.Tanh, nn.Identity)


def is_perceptron(network: nn.Module) -> bool:
    """Whether a network is a plain sequence of linear layers, each with weights of its own, and activations."""
    if type(network) is not nn.Sequential:
        return False
    weights = [id(layer.weight) for layer in network if hasattr(layer, "weight")]
    return len(set(weights)) == len(weights) and all(
        type(layer) in (nn.Linear, NTKLinear, *_ELEMENTWISE)
        or (type(layer) is nn.Flatten and (layer.start_dim, layer.end_dim) == (1, -1))
        for layer in network
    )


def perceptron_outputs(network: nn.Module, parameters: dict[str, Tensor], inputs: Tensor) -> Tensor:
    """Outputs (M, n, k) of M perceptrons on their own inputs (M, n, ...).

    Parameters
    ----------
    network : nn.Sequential
        The architecture, which `is_perceptron` accepts.
    parameters : dict of Tensor (M, ...)
    inputs : Tensor (M, n, ...)
    """
    x = inputs
    for name, layer in network._modules.items():  # named_children leaves out what comes a second time
        assert layer is not None
        if isinstance(layer, nn.Flatten):
            x = x.flatten(2)
        elif isinstance(layer, _ELEMENTWISE):
            x = layer(x)
        else:
            weight, bias = parameters[f"{name}.weight"].transpose(1, 2), parameters.get(f"{name}.bias")
            scale, bias_std = (
                (layer.weight_scale, layer.bias_std) if isinstance(layer, NTKLinear) else (1.0, 1.0)
            )
            x = x if scale == 1.0 else x * scale
            x = (
                torch.bmm(x, weight)
                if bias is None
                else torch.baddbmm(bias.unsqueeze(1), x, weight, beta=bias_std)
            )
    return x


def has_plain_gradients(network: nn.Module) -> bool:
    """Whether all layers of a perceptron are PyTorch's own linear ones and ReLU."""
    return all(type(layer) in (nn.Flatten, nn.Linear, nn.ReLU) for layer in network.children())


@torch.no_grad()
def perceptron_gradients(
    network: nn.Module,
    parameters: dict[str, Tensor],
    inputs: Tensor,
    of_outputs: Callable[[Tensor], tuple[Tensor, Tensor]],
) -> tuple[Tensor, list[Tensor]]:
    """Losses of M perceptrons, and the gradient of their sum in every parameter: the same numbers as autograd's.

    Layers are taken back one by one, ReLU works in place, and nothing is recorded.

    Parameters
    ----------
    network : nn.Sequential
        The architecture, which `is_perceptron` and `has_plain_gradients` accept.
    parameters : dict of Tensor (M, ...)
    inputs : Tensor (M, n, ...)
    of_outputs : callable
        Takes outputs (M, n, k) to losses (M,), and the gradient of their sum in the outputs.
    """
    passed: list[tuple[str | None, Tensor]] = []  # a linear layer's name and inputs, or what a ReLU made
    x, own = inputs, False
    for name, layer in network._modules.items():
        if isinstance(layer, nn.Flatten):
            x = x.flatten(2)
        elif isinstance(layer, nn.ReLU):
            x = x.clamp_min_(0) if own else x.clamp_min(0)
            passed.append((None, x))
        else:
            passed.append((name, x))
            weight, bias = parameters[f"{name}.weight"].transpose(1, 2), parameters.get(f"{name}.bias")
            x = torch.bmm(x, weight) if bias is None else torch.baddbmm(bias.unsqueeze(1), x, weight)
            own = True
    values, delta = of_outputs(x)
    own = False  # autograd's gradient may be one number seen many times
    gradients: dict[str, Tensor] = {}
    while passed:
        linear, kept = passed.pop()
        if linear is None:
            into = delta if own else torch.empty_like(kept)
            delta = torch.ops.aten.threshold_backward.grad_input(delta, kept, 0, grad_input=into)
            continue
        gradients[f"{linear}.weight"] = torch.bmm(delta.transpose(1, 2), kept)
        if f"{linear}.bias" in parameters:
            gradients[f"{linear}.bias"] = delta.sum(dim=1)
        if passed:
            delta, own = torch.bmm(delta, parameters[f"{linear}.weight"]), True
    return values, [gradients[name] for name in parameters]
