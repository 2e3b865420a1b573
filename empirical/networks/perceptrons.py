"""Multilayer perceptrons in standard and NTK parametrisation, and two small convolutional networks."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...theory.base.validation import InputError, check_count

Parametrisation = Literal["standard", "ntk"]
SHARPNESS = 16.0


class SharpGELU(nn.Module):
    """``x Φ(16 x)`` with Φ the normal distribution function: smooth, and within 0.011 of ReLU everywhere."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply to every entry."""
        return F.gelu(SHARPNESS * x) / SHARPNESS


ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "sharp gelu": SharpGELU,
    "tanh": nn.Tanh,
}


class NTKLinear(nn.Module):
    """Linear layer whose weights are standard normal and whose output is scaled by ``1/√fan_in``.

    ``weight_std · W x / √fan_in + bias_std · b``: at any width a gradient step changes the function by as
    much, so that wide networks follow their tangent kernel (Jacot, Gabriel & Hongler 2018).
    """

    def __init__(self, fan_in: int, fan_out: int, *, weight_std: float, bias_std: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(fan_out, fan_in))
        self.bias = nn.Parameter(torch.randn(fan_out)) if bias_std > 0 else None
        self.weight_scale = weight_std / fan_in**0.5
        self.bias_std = bias_std

    def forward(self, x: Tensor) -> Tensor:
        """(…, fan_in) to (…, fan_out)."""
        bias = None if self.bias is None else self.bias_std * self.bias
        return F.linear(x * self.weight_scale, self.weight, bias)


def mlp(
    n_inputs: int,
    n_outputs: int,
    hidden: Sequence[int] = (64, 64),
    *,
    parametrisation: Parametrisation = "standard",
    weight_std: float = 2**0.5,
    bias_std: float = 0.1,
    activation: str = "relu",
) -> nn.Sequential:
    """Fully connected network with any number of hidden layers.

    Parameters
    ----------
    n_inputs, n_outputs : int
        Inputs of more than one axis are flattened.
    hidden : sequence of int
        Widths of the hidden layers.
    parametrisation : {"standard", "ntk"}
        PyTorch's own initialisation, or standard normal parameters with pre-activations scaled by
        ``1/√fan_in``, whose infinite-width kernel is `selfdistill.theory.relu_tangent_kernel`.
    weight_std, bias_std : float
        For "ntk"; ``bias_std=0`` leaves the biases out.
    activation : {"relu", "gelu", "sharp gelu", "tanh"}
        "sharp gelu" is a smooth stand-in for ReLU, see `SharpGELU`.

    Raises
    ------
    InputError
        If a size is not a positive whole number, or the parametrisation or activation is unknown.
    """
    sizes = [check_count(n, "layer size") for n in (n_inputs, *hidden, n_outputs)]
    if parametrisation not in ("standard", "ntk"):
        raise InputError(f"parametrisation must be 'standard' or 'ntk'; got {parametrisation!r}.")
    if activation not in ACTIVATIONS:
        raise InputError(f"activation must be one of {', '.join(ACTIVATIONS)}; got {activation!r}.")
    layers: list[nn.Module] = [nn.Flatten()]
    for fan_in, fan_out in pairwise(sizes):
        if parametrisation == "ntk":
            layers.append(NTKLinear(fan_in, fan_out, weight_std=weight_std, bias_std=bias_std))
        else:
            layers.append(nn.Linear(fan_in, fan_out))
        layers.append(ACTIVATIONS[activation]())
    return nn.Sequential(*layers[:-1])


def convnet(n_channels: int, n_outputs: int, width: int = 16) -> nn.Sequential:
    """Two 3×3 convolutions with group normalisation and pooling: small images, a few thousand parameters.

    Parameters
    ----------
    n_channels : int
        Channels of the input images (n, n_channels, height, width).
    n_outputs : int
    width : int
        Channels of the first convolution; the second has twice as many.
    """
    layers: list[nn.Module] = []
    fan_in, width = check_count(n_channels, "n_channels"), check_count(width, "width")
    n_outputs = check_count(n_outputs, "n_outputs")
    for fan_out in (width, 2 * width):
        layers += [
            nn.Conv2d(fan_in, fan_out, 3, padding=1, bias=False),
            group_norm(fan_out),
            nn.ReLU(),
            nn.AvgPool2d(2),
        ]
        fan_in = fan_out
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(fan_in, n_outputs))


def strided_convnet(n_channels: int, n_outputs: int, size: tuple[int, int], width: int = 16) -> nn.Sequential:
    """Two 3×3 convolutions with stride 2 and a linear layer on all places: the outputs know left from right.

    Where the class depends on where something stands, as for digits side by side, pooling over places would
    forget it. Nothing is normalised and nothing pooled: on a CPU it trains twice as fast as `convnet`.

    Parameters
    ----------
    n_channels : int
        Channels of the input images (n, n_channels, height, width).
    n_outputs : int
    size : tuple of int
        Height and width of the images.
    width : int
        Channels of the first convolution; the second has twice as many.
    """
    fan_in, width = check_count(n_channels, "n_channels"), check_count(width, "width")
    n_outputs = check_count(n_outputs, "n_outputs")
    height, breadth = (check_count(side, "side of the images") for side in size)
    layers: list[nn.Module] = []
    for fan_out in (width, 2 * width):
        layers += [nn.Conv2d(fan_in, fan_out, 3, stride=2, padding=1), nn.ReLU()]
        fan_in, height, breadth = fan_out, -(-height // 2), -(-breadth // 2)
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(fan_in * height * breadth, n_outputs))


def group_norm(channels: int) -> nn.GroupNorm:
    """Group normalisation with about 8 channels a group: as many groups as divide the channels, up to an eighth.

    More than 8 where the channels have no such divisor: 12 in one group, 36 in four of 9.

    Batch normalisation couples the samples of a batch and keeps running state, which `torch.func.vmap`
    cannot update; groups need neither and a network's tangent kernel stays a kernel of single points.
    """
    groups = next(g for g in range(max(1, channels // 8), 0, -1) if channels % g == 0)
    return nn.GroupNorm(groups, channels)
