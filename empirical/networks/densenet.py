"""DenseNets in their CIFAR form, with group normalisation so that ensembles run under `vmap`."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...theory.base.validation import InputError, check_count
from .perceptrons import group_norm

_BLOCKS = 3
_BOTTLENECK = 4  # channels between the two convolutions of a layer, in units of the growth
_COMPRESSION = 2


class DenseLayer(nn.Module):
    """A 1×1 and a 3×3 convolution whose `growth` new channels join the inputs (Huang et al. 2017)."""

    def __init__(self, fan_in: int, growth: int) -> None:
        super().__init__()
        inner = _BOTTLENECK * growth
        self.first_norm = group_norm(fan_in)
        self.first = nn.Conv2d(fan_in, inner, 1, bias=False)
        self.second_norm = group_norm(inner)
        self.second = nn.Conv2d(inner, growth, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(n, fan_in, h, w) to (n, fan_in + growth, h, w)."""
        inner = self.first(F.relu(self.first_norm(x)))
        return torch.cat([x, self.second(F.relu(self.second_norm(inner)))], dim=1)


def densenet(depth: int, n_outputs: int, *, channels: int = 3, growth: int = 12) -> nn.Sequential:
    """DenseNet-BC for 32×32 images: three dense blocks, bottlenecks, and half the channels between blocks.

    Parameters
    ----------
    depth : int
        6·k + 4 for k layers a block: 100 is the papers' (0.77 million parameters at growth 12), 10 the least.
    n_outputs : int
    channels : int
        Channels of the input images.
    growth : int
        How many channels every layer adds.

    Raises
    ------
    InputError
        If the depth is not of this form, or a size is not a positive whole number.

    References
    ----------
    Huang et al. 2017 (arXiv 1608.06993); group normalisation: Wu & He 2018.

    Examples
    --------
    >>> import torch
    >>> from selfdistill.empirical.networks.densenet import densenet
    >>> densenet(10, 5, growth=4)(torch.zeros(2, 3, 16, 16)).shape
    torch.Size([2, 5])
    """
    depth, n_outputs = check_count(depth, "depth"), check_count(n_outputs, "n_outputs")
    channels = check_count(channels, "channels")
    if depth < 10 or (depth - 4) % (2 * _BLOCKS):
        raise InputError(
            f"a DenseNet's depth must be 6k + 4: 10, 16, …, 40, …, 100; got {depth}. Each of its three blocks "
            "has k layers of two convolutions."
        )
    growth = check_count(growth, "growth")
    fan_in = 2 * growth
    layers: list[nn.Module] = [nn.Conv2d(channels, fan_in, 3, padding=1, bias=False)]
    for block in range(_BLOCKS):
        if block:
            layers += _transition(fan_in)
            fan_in //= _COMPRESSION
        for _ in range((depth - 4) // (2 * _BLOCKS)):
            layers.append(DenseLayer(fan_in, growth))
            fan_in += growth
    top = [group_norm(fan_in), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(fan_in, n_outputs)]
    return nn.Sequential(*layers, *top)


def _transition(fan_in: int) -> list[nn.Module]:
    """Half the channels, a quarter of the pixels."""
    return [
        group_norm(fan_in),
        nn.ReLU(),
        nn.Conv2d(fan_in, fan_in // _COMPRESSION, 1, bias=False),
        nn.AvgPool2d(2),
    ]
