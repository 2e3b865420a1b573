"""Networks by name: the one place to add an architecture that experiments can choose."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Literal, get_args

from torch import nn

from ...theory.base.validation import InputError, check_choice, check_count, check_each
from ..networks.densenet import densenet
from ..networks.perceptrons import convnet, mlp, strided_convnet
from ..networks.residual import resnet, vgg
from .ensemble import Ensemble

Network = Literal[
    "mlp",
    "convnet",
    "strided convnet",
    "resnet10",
    "resnet18",
    "resnet34",
    "resnet50",
    "vgg",
    "densenet10",
    "densenet40",
    "densenet100",
]

# Networks that run together; the others fill a machine one by one.
SMALL: frozenset[Network] = frozenset({"mlp", "convnet", "strided convnet"})


def check_widths(name: str, hidden: tuple[int, ...]) -> None:
    """Raise unless the architecture is known and the widths are positive whole numbers, one at least."""
    check_choice(name, "network", get_args(Network))
    check_each(hidden, "hidden", check_count)


def build_network(
    name: Network, shape: tuple[int, ...], n_classes: int, hidden: tuple[int, ...]
) -> nn.Module:
    """Network for inputs of a shape: images (channels, height, width), or rows, square ones being images too.

    Parameters
    ----------
    name : str
        One of the names in `Network`.
    shape : tuple of int
        Shape of one input.
    n_classes : int
        Outputs.
    hidden : tuple of int
        Widths of the MLP's hidden layers; of the others, the channels of their first stage (64 in the papers'
        ResNets and VGG), and of a DenseNet its growth (12 in the paper).

    Raises
    ------
    InputError
        If the architecture is unknown, or needs images and the inputs are none.
    """
    check_widths(name, hidden)
    if name == "mlp":
        return mlp(math.prod(shape), n_classes, hidden)
    side = math.isqrt(shape[0]) if len(shape) == 1 else 0
    if len(shape) == 1 and side**2 == shape[0]:
        image = (1, side, side)
        return nn.Sequential(nn.Unflatten(1, image), build_network(name, image, n_classes, hidden))
    if len(shape) != 3:
        raise InputError(f"a {name} needs images (channels, height, width); the inputs have shape {shape}.")
    if min(shape[1:]) < 4:
        raise InputError(
            f"a {name} halves its images twice at least: they must be 4×4 or larger; got {shape}."
        )
    channels, width = shape[0], hidden[0]
    family, depth = re.fullmatch(r"(\D+)(\d*)", name).groups()  # type: ignore[union-attr]
    match family:
        case "convnet":
            return convnet(channels, n_classes, width)
        case "strided convnet":
            return strided_convnet(channels, n_classes, (shape[1], shape[2]), width)
        case "vgg":
            return vgg(n_classes, channels=channels, width=width)
        case "resnet":
            return resnet(int(depth), n_classes, channels=channels, width=width)
    return densenet(int(depth), n_classes, channels=channels, growth=width)


def initialise(
    name: Network,
    shape: tuple[int, ...],
    n_classes: int,
    hidden: tuple[int, ...],
    seeds: Sequence[int],
    device: str,
) -> Ensemble:
    """Ensemble of freshly initialised networks, one a seed.

    Small networks run together. Deep convolutional ones fill a machine one by one, and together their
    convolutions become grouped ones, which are slower (1.6 times for a ResNet-18 on a CPU): they take turns.
    """
    return Ensemble.initialise(
        lambda: build_network(name, shape, n_classes, hidden),
        seeds,
        device=device,
        at_once=None if name in SMALL else 1,
    )
