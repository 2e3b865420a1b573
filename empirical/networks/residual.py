"""ResNets and a VGG in their CIFAR form, with group normalisation so that ensembles run under `vmap`."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from ...theory.base.validation import InputError, check_count
from .perceptrons import group_norm

_BLOCKS = {10: (1, 1, 1, 1), 18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}
_FIRST_BOTTLENECK = 50  # from this depth on, blocks are bottlenecks
_EXPANSION = 4


class BasicBlock(nn.Module):
    """Two 3×3 convolutions and a shortcut (He et al. 2016)."""

    def __init__(self, fan_in: int, fan_out: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(fan_in, fan_out, 3, stride=stride, padding=1, bias=False)
        self.first_norm = group_norm(fan_out)
        self.second = nn.Conv2d(fan_out, fan_out, 3, padding=1, bias=False)
        self.second_norm = group_norm(fan_out)
        self.shortcut = _shortcut(fan_in, fan_out, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(n, fan_in, h, w) to (n, fan_out, h / stride, w / stride)."""
        inner = F.relu(self.first_norm(self.first(x)))
        return F.relu(self.second_norm(self.second(inner)) + self.shortcut(x))


class BottleneckBlock(nn.Module):
    """A 1×1, a 3×3 and a 1×1 convolution through a quarter of the channels, and a shortcut (He et al. 2016)."""

    def __init__(self, fan_in: int, fan_out: int, stride: int) -> None:
        super().__init__()
        inner = fan_out // _EXPANSION
        self.first = nn.Conv2d(fan_in, inner, 1, bias=False)
        self.first_norm = group_norm(inner)
        self.second = nn.Conv2d(inner, inner, 3, stride=stride, padding=1, bias=False)
        self.second_norm = group_norm(inner)
        self.third = nn.Conv2d(inner, fan_out, 1, bias=False)
        self.third_norm = group_norm(fan_out)
        self.shortcut = _shortcut(fan_in, fan_out, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(n, fan_in, h, w) to (n, fan_out, h / stride, w / stride)."""
        inner = F.relu(self.first_norm(self.first(x)))
        inner = F.relu(self.second_norm(self.second(inner)))
        return F.relu(self.third_norm(self.third(inner)) + self.shortcut(x))


def _shortcut(fan_in: int, fan_out: int, stride: int) -> nn.Module:
    """The input itself, or a 1×1 convolution of it where the shape changes."""
    if stride == 1 and fan_in == fan_out:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(fan_in, fan_out, 1, stride=stride, bias=False), group_norm(fan_out))


def resnet(depth: int, n_outputs: int, *, channels: int = 3, width: int = 64) -> nn.Sequential:
    """ResNet for 32×32 images: a 3×3 stem without pooling and four stages.

    Parameters
    ----------
    depth : {10, 18, 34, 50}
        50 has bottleneck blocks, whose outputs have four times the channels.
    n_outputs : int
    channels : int
        Channels of the input images.
    width : int
        Channels of the first stage; 64 is the paper's, 8 makes a toy.

    References
    ----------
    He et al. 2016 (arXiv 1512.03385); group normalisation: Wu & He 2018.
    """
    if depth not in _BLOCKS:
        raise InputError(f"depth must be one of {', '.join(map(str, _BLOCKS))}; got {depth}.")
    fan_in, n_outputs = check_count(width, "width"), check_count(n_outputs, "n_outputs")
    channels = check_count(channels, "channels")
    layers: list[nn.Module] = [
        nn.Conv2d(channels, fan_in, 3, padding=1, bias=False),
        group_norm(fan_in),
        nn.ReLU(),
    ]
    block_type, expansion = (BottleneckBlock, _EXPANSION) if depth >= _FIRST_BOTTLENECK else (BasicBlock, 1)
    for stage, blocks in enumerate(_BLOCKS[depth]):
        fan_out = width * 2**stage * expansion
        for block in range(blocks):
            layers.append(block_type(fan_in, fan_out, stride=2 if stage and not block else 1))
            fan_in = fan_out
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(fan_in, n_outputs))


def vgg(n_outputs: int, *, channels: int = 3, width: int = 64) -> nn.Sequential:
    """VGG-16's thirteen convolutions for 32×32 images, with one linear layer on top.

    Parameters
    ----------
    n_outputs : int
    channels : int
        Channels of the input images.
    width : int
        Channels of the first stage; 64 is the paper's.

    References
    ----------
    Simonyan & Zisserman 2015 (arXiv 1409.1556), configuration D.
    """
    width, n_outputs = check_count(width, "width"), check_count(n_outputs, "n_outputs")
    layers: list[nn.Module] = []
    fan_in = check_count(channels, "channels")
    for repeats, factor in ((2, 1), (2, 2), (3, 4), (3, 8), (3, 8)):
        for _ in range(repeats):
            fan_out = width * factor
            layers += [nn.Conv2d(fan_in, fan_out, 3, padding=1, bias=False), group_norm(fan_out), nn.ReLU()]
            fan_in = fan_out
        layers.append(nn.MaxPool2d(2, ceil_mode=True))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(fan_in, n_outputs))
