"""Problems that soft-label methods learn: one split of the data a seed, with noisy labels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from ...theory import corrupt_labels, corruption_matrix
from ...theory.base.validation import (
    Array,
    InputError,
    check_count,
    check_fraction,
    check_nonnegative,
    check_seeds,
)
from .cifar import load_cifar
from .datasets import load
from .own import DataSource, OwnData, as_data


@dataclass(frozen=True)
class Problems:
    """Where networks learn: one split of the data a seed, labels noisy by the same model.

    Attributes
    ----------
    data : str or OwnData
        As `selfdistill.empirical.data.datasets.load` takes it, or "cifar10", "cifar100"; or one's own, as an NPZ
        file, a folder of images or a pair of arrays (see `own.as_data`).
    n_train, n_validation, n_test : int
        Validation labels are as noisy as training labels: a tuner sees what a practitioner would.
    noise : float
        Share of training and validation labels moved to another class, uniformly. Test labels are clean.
    seeds : tuple of int
        One problem each.
    pixel_noise : float
        Added once to every pixel of digits, as `load` takes it: networks that fit such images are
        overconfident.
    """

    data: DataSource = "digits"
    n_train: int = 500
    n_validation: int = 400
    n_test: int = 800
    noise: float = 0.0
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    pixel_noise: float = 0.0

    def __post_init__(self) -> None:
        for name in ("n_train", "n_validation", "n_test"):
            check_count(getattr(self, name), name)
        check_fraction(self.noise, "noise", below_one=True)
        check_nonnegative(self.pixel_noise, "pixel_noise")
        check_seeds(self.seeds)
        data = as_data(self.data, classes=True, sizes=(self.n_train, self.n_validation + self.n_test))
        object.__setattr__(self, "data", data)
        if self.pixel_noise and (is_cifar(data) or isinstance(data, OwnData)):
            raise InputError(
                "pixel_noise is for digits; CIFAR's images and one's own data are taken as they are."
            )


@dataclass(frozen=True, eq=False)
class Split:
    """The problems as tensors: inputs (P, n, ...), labels (P, n); `clean_labels` are those before the noise."""

    n_classes: int
    inputs: Tensor
    labels: Tensor
    clean_labels: Tensor
    validation_inputs: Tensor
    validation_labels: Tensor
    test_inputs: Tensor
    test_labels: Tensor


def draw_problems(problems: Problems) -> Split:
    """Split the data anew for every seed, and move labels."""
    parts: list[tuple[Array, ...]] = []
    for seed in problems.seeds:
        rng = np.random.default_rng([seed, 50])
        n = problems.n_validation
        if is_cifar(problems.data):
            data = load_cifar(str(problems.data), problems.n_train, n + problems.n_test, rng)
        else:
            data = load(
                problems.data, problems.n_train, (n, problems.n_test), rng, pixel_noise=problems.pixel_noise
            )
        if data.n_classes < 2:
            raise InputError(f"soft labels need classes; {problems.data} has none.")
        flip = partial(_flip, rate=problems.noise, n_classes=data.n_classes, rng=rng)
        parts.append(
            (
                data.inputs, flip(data.targets), data.targets, data.test_inputs[:n],
                flip(data.test_targets[:n]), data.test_inputs[n:], data.test_targets[n:],
            )
        )  # fmt: skip
    columns = [torch.from_numpy(np.stack(p)) for p in zip(*parts, strict=True)]
    return Split(data.n_classes, *columns)


def is_cifar(data: DataSource) -> bool:
    """Whether data are CIFAR's images, which are read from files of their own."""
    return isinstance(data, str) and data.startswith("cifar")


def _flip(labels: Array, *, rate: float, n_classes: int, rng: np.random.Generator) -> Array:
    return corrupt_labels(labels, corruption_matrix("symmetric", n_classes, rate), rng)
