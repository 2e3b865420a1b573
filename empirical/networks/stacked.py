"""Multilayer perceptrons of an ensemble as one batched product a layer, without `vmap`'s cost a call."""

from __future__ import annotations

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
