"""What several processes that train one network must tell each other, and nothing where there is one."""

from __future__ import annotations

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel


def inner(model: nn.Module) -> nn.Module:
    """Return the network within `DistributedDataParallel`, or the network itself."""
    return model.module if isinstance(model, DistributedDataParallel) else model


def rows_of_all(rows: Tensor) -> Tensor:
    """Rows (b, ...) of this process and of all others, in the order of ranks; each may have its own number.

    Every process must call it equally often, as `DistributedDataParallel` asks of ``backward`` too.
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        return rows
    world = distributed.get_world_size()
    if world == 1:
        return rows
    count = torch.tensor([len(rows)], device=rows.device)
    counts = [torch.empty_like(count) for _ in range(world)]
    distributed.all_gather(counts, count)
    sizes = [int(c) for c in counts]
    padded = rows.new_zeros(max(sizes), *rows.shape[1:])
    padded[: len(rows)] = rows
    parts = [torch.empty_like(padded) for _ in range(world)]
    distributed.all_gather(parts, padded)
    return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])
