"""Ensembles larger than memory: what a member needs, estimated without running it, and training in groups."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import psutil
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from ...theory.base.validation import InputError
from .ensemble import Ensemble, Loss, as_inputs
from .members import Batch, Training, TrainingConfig, train


def bytes_per_member(ensemble: Ensemble, inputs: Tensor, config: TrainingConfig) -> int:
    """Bytes that training one more member takes: parameters, gradients, moments and activations.

    Activations are counted on PyTorch's "meta" device, which computes shapes only.

    Parameters
    ----------
    ensemble : Ensemble
    inputs : Tensor (n, ...)
    config : TrainingConfig
    """
    sizes = [p[0].numel() * p.element_size() for p in ensemble.parameters.values()]
    # The start, the trained copy, gradients, and one or two moments with their temporaries.
    state = sum(sizes) * (5 if config.optimiser == "sgd" else 8)
    batch = min(config.batch_size, len(inputs))
    sample = torch.empty((batch, *inputs.shape[1:]), dtype=inputs.dtype, device="meta")
    saved: dict[int, int] = {}
    owned = {id(p) for p in ensemble.skeleton.parameters()}

    def pack(tensor: Tensor) -> Tensor:
        if id(tensor) not in owned:
            saved[id(tensor)] = tensor.numel() * tensor.element_size()
        return tensor

    skeleton: nn.Module = ensemble.skeleton
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        outputs = skeleton(sample)
        kept = outputs.sum()  # holds the graph, so that no address is used twice
    del kept
    # Gradients of activations live while those are still there.
    return state + 2 * sum(saved.values()) + 4 * sample.numel() * sample.element_size()


def available_bytes(device: torch.device) -> int:
    """Free memory of a device."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)


def member_groups(
    ensemble: Ensemble, inputs: Tensor, config: TrainingConfig, memory: float | None = None
) -> list[range]:
    """Split the members into as few groups as fit in memory, none larger than the ensemble runs at once.

    Parameters
    ----------
    ensemble : Ensemble
    inputs : Tensor (n, ...)
        Training inputs of one member.
    config : TrainingConfig
    memory : float, optional
        Bytes; 80 % of what the device has free if not given.

    Raises
    ------
    InputError
        If not even one member fits.
    """
    budget = 0.8 * available_bytes(ensemble.device) if memory is None else memory
    each = bytes_per_member(ensemble, inputs, config)
    if each > budget:
        raise InputError(
            f"training one member needs about {each / 2**20:.0f} MiB; {budget / 2**20:.0f} MiB are allowed. "
            "Choose a smaller batch_size or network, or raise memory."
        )
    size = min(int(budget // each), ensemble.at_once or len(ensemble))
    return [range(i, min(i + size, len(ensemble))) for i in range(0, len(ensemble), size)]


def for_members(config: TrainingConfig, members: range) -> TrainingConfig:
    """Return the configuration with the members' own learning rates and weight decays."""

    def part(value: Any) -> Any:
        return value if np.ndim(value) == 0 else list(value)[members.start : members.stop]

    return replace(config, learning_rate=part(config.learning_rate), weight_decay=part(config.weight_decay))


def join(parts: Sequence[Training]) -> Training:
    """Put groups of members that were trained one after another together again."""
    if len(parts) == 1:
        return parts[0]
    return Training(
        Ensemble.concatenate([part.ensemble for part in parts]),
        np.concatenate([part.losses for part in parts], axis=1),
        np.concatenate([part.diverged_at for part in parts]),
    )


def train_within(
    memory: float | None,
    ensemble: Ensemble,
    inputs: Any,
    targets: Any,
    loss: Loss,
    config: TrainingConfig,
    *,
    prepare: Callable[[Batch], Batch] | None = None,
    each_epoch: Callable[[int, range, Ensemble], None] | None = None,
) -> Training:
    """Train as `training.train`, in as few groups of members as fit in `memory` bytes.

    A member's numbers do not depend on its company, so that groups change nothing but time.

    Parameters
    ----------
    memory : float or None
        Bytes; None takes 80 % of what the device has free.
    ensemble, inputs, targets, loss, config, prepare
        As `training.train`.
    each_epoch : callable, optional
        Told (epoch, members, ensemble) after every epoch: `members` is the range of those in the group.

    Raises
    ------
    InputError
        If not even one member fits.
    """
    x = as_inputs(inputs, ensemble)

    def tell(members: range) -> Callable[[int, Ensemble], None] | None:
        return None if each_epoch is None else lambda epoch, current: each_epoch(epoch, members, current)

    return join(
        [
            train(
                ensemble.select(members),
                x,
                tree_map(lambda t, m=members: t[m.start : m.stop], targets),
                loss,
                for_members(config, members),
                prepare=prepare,
                each_epoch=tell(members),
            )
            for members in member_groups(ensemble, x, config, memory)
        ]
    )
