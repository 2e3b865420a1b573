"""Digits of several sizes scattered on a canvas with clutter, and where they are: a detection task that is made.

The canvas is a grid of cells of eight pixels; no two digits have their centre in one cell. Images of digits are
split between training and test before any scene is composed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from sklearn.datasets import load_digits
from torch import Tensor
from torch.nn import functional as F

from ...theory.base.validation import check_count, check_positive

CELL, GRID = 8, 4
CANVAS = CELL * GRID
SIZES = (8, 11, 14)
NOTHING = -100


@dataclass(frozen=True, eq=False)
class Scenes:
    """Scenes, and for every cell what has its centre there.

    Attributes
    ----------
    images : Tensor (n, 1, 32, 32)
    kinds : Tensor of integers (n, 4, 4)
        Digit with its centre in the cell, −100 where there is none.
    places : Tensor (n, 4, 4, 3)
        Of the digit: its centre in the cell, row and column in [0, 1), and its size over a cell's.
    """

    images: Tensor
    kinds: Tensor
    places: Tensor


def draw_scenes(
    n_train: int, n_test: int, rng: np.random.Generator, most: int = 4, noise: float = 0.1
) -> tuple[Scenes, Scenes]:
    """Compose training and test scenes of one to `most` digits each, from different images of digits."""
    check_count(n_train, "n_train")
    check_count(n_test, "n_test")
    check_count(most, "most")
    check_positive(noise, "noise")
    data = load_digits()
    order = rng.permutation(len(data.images))
    half = len(order) // 2
    parts = []
    for n, rows in ((n_train, order[:half]), (n_test, order[half:])):
        images = torch.from_numpy(data.images[rows]).float() / 16
        parts.append(_compose(n, images, data.target[rows], rng, most, noise))
    return parts[0], parts[1]


def _compose(
    n: int, digits: Tensor, labels: npt.NDArray[np.int64], rng: np.random.Generator, most: int, noise: float
) -> Scenes:
    images = torch.zeros(n, 1, CANVAS, CANVAS)
    kinds = torch.full((n, GRID, GRID), NOTHING)
    places = torch.zeros(n, GRID, GRID, 3)
    for i in range(n):
        _clutter(images[i, 0], rng)
        for cell in rng.choice(GRID**2, rng.integers(1, most + 1), replace=False):
            row, column = divmod(int(cell), GRID)
            which, size = int(rng.integers(len(digits))), int(rng.choice(SIZES))
            low, high = size / 2, CANVAS - size / 2  # whole digits
            centre = [float(np.clip(CELL * (at + rng.uniform(0.2, 0.8)), low, high)) for at in (row, column)]
            top, left = (round(c - size / 2) for c in centre)
            centre = [top + size / 2, left + size / 2]
            row, column = (min(GRID - 1, int(c // CELL)) for c in centre)
            if kinds[i, row, column] != NOTHING:
                continue
            shown = F.interpolate(digits[which][None, None], (size, size), mode="bilinear")[0, 0]
            patch = images[i, 0, top : top + size, left : left + size]
            torch.maximum(patch, shown, out=patch)
            kinds[i, row, column] = int(labels[which])
            places[i, row, column] = torch.tensor(
                [centre[0] / CELL - row, centre[1] / CELL - column, size / CELL]
            )
    images += noise * torch.from_numpy(rng.normal(size=images.shape)).float()
    return Scenes(images, kinds, places)


def _clutter(image: Tensor, rng: np.random.Generator) -> None:
    """Short bars that are no digits."""
    for _ in range(4):
        row, column, length = (int(v) for v in rng.integers(0, (CANVAS, CANVAS, 6)))
        strength = float(rng.uniform(0.3, 0.9))
        if rng.random() < 0.5:
            image[row, column : column + length] = strength
        else:
            image[row : row + length, column] = strength


def boxes(places: Tensor) -> Tensor:
    """Boxes (..., 4, 4, 4) as top, left, bottom, right in pixels, of places in cells (..., 4, 4, 3)."""
    at = torch.arange(GRID, dtype=places.dtype)
    rows = (places[..., 0] + at[:, None]) * CELL
    columns = (places[..., 1] + at) * CELL
    half = places[..., 2] * CELL / 2
    return torch.stack([rows - half, columns - half, rows + half, columns + half], dim=-1)
