"""Random masses of labels, from a generator whose state can be kept."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from ...theory.base.validation import InputError, check_count, check_each, check_kind, check_positive, shown


def check_generator(generator: Any) -> None:
    """Raise unless it is torch's, or None for torch's own: a seed would draw the same for every batch."""
    if generator is not None:
        check_kind(generator, "generator", torch.Generator, "torch.Generator().manual_seed(seed)")


def draw_beta(
    shape: float,
    size: tuple[int, ...] | torch.Size,
    *,
    like: Tensor,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Draw from Beta(shape, 1), whose distribution function is ``x^shape``: a power of a uniform number."""
    shape = check_positive(shape, "shape")
    check_generator(generator)
    if not isinstance(like, torch.Tensor) or not like.is_floating_point():
        raise InputError(f"like must be a floating-point tensor; got {shown(like)}.")
    check_each(tuple(size) if isinstance(size, torch.Size) else size, "size", partial(check_count, least=0))
    return torch.rand(size, dtype=like.dtype, device=like.device, generator=generator).pow(1 / shape)
