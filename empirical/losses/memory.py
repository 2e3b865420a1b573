"""Progressive targets in a loop: a memory of what the network said of every sample an epoch ago."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

import torch
from torch import Tensor

from ...theory import InputError, progressive_weight
from ...theory.base.probabilities import one_hot
from ...theory.base.validation import check_count
from ...theory.labels.progressive import Schedule
from .batches import Options
from .functional import log_probabilities, progressive_loss
from .stateless import SoftLabelLoss


class ProgressiveLoss(SoftLabelLoss):
    """`progressive_loss` with a memory of every sample's outputs of the epoch before.

    A sample that was never seen is its own label. A batch reads its samples' past outputs, then leaves its
    present ones, so each sample may come once an epoch, as a `DataLoader` brings it.

    Parameters
    ----------
    n_samples, n_classes : int
        Of the training set.
    epochs : int
        T.
    final : float
        α_T; the paper's is 0.8.
    schedule : {"linear", "constant", "quadratic"}
    **options
        See `batches.Options`.
    """

    past: Tensor
    seen: Tensor

    def __init__(
        self,
        n_samples: int,
        n_classes: int,
        epochs: int,
        final: float = 0.8,
        schedule: Schedule = "linear",
        **options: Unpack[Options],
    ) -> None:
        super().__init__(options)
        check_count(n_samples, "n_samples")
        check_count(n_classes, "n_classes", least=2)
        progressive_weight(0, epochs, final, schedule)  # checks all three
        self.epochs, self.final, self.schedule = epochs, final, schedule
        self.register_buffer("past", torch.zeros(n_samples, n_classes))
        self.register_buffer("seen", torch.zeros(n_samples, dtype=torch.bool))

    def forward(self, logits: Tensor, labels: Tensor, index: Tensor, epoch: int, **more: Any) -> Tensor:
        """Loss of a batch.

        Parameters
        ----------
        logits : Tensor (b, K)
        labels : Tensor (b,)
        index : Tensor (b,)
            Which training samples these are, 0 … n_samples − 1.
        epoch : int
            From 0, as loops count; the weight is that of t = epoch + 1.
        """
        n_samples, n_classes = self.past.shape
        index = torch.as_tensor(index, device=self.past.device)
        if (
            logits.shape != (*labels.shape, n_classes)
            or index.shape != labels.shape
            or index.dtype.is_floating_point
        ):
            raise InputError(
                f"the memory holds {n_classes} classes and wants one whole number a label as index; got logits "
                f"{tuple(logits.shape)}, labels {tuple(labels.shape)} and index {tuple(index.shape)} of {index.dtype}."
            )
        if index.numel() and not 0 <= int(index.min()) <= int(index.max()) < n_samples:
            raise InputError(
                f"the memory holds {n_samples} samples; got indices {int(index.min())} … {int(index.max())}. "
                "Give the size of the training set as n_samples."
            )
        weight = progressive_weight(epoch + 1, self.epochs, self.final, self.schedule)
        hot = one_hot(labels, n_classes, like=self.past)
        past = torch.where(self.seen[index, None], self.past[index], hot)
        loss = progressive_loss(logits, labels, past, weight, **self.given(more))
        self.past[index] = log_probabilities(logits.detach(), check=False).exp().to(self.past)
        self.seen[index] = True
        return loss

    def _load_from_state_dict(self, state: Mapping[str, Any], prefix: str, *args: Any) -> None:
        kept = state.get(f"{prefix}past")
        if kept is not None and kept.shape != self.past.shape:
            raise InputError(
                f"the checkpoint's memory is {tuple(kept.shape)} but this training set needs "
                f"{tuple(self.past.shape)} (samples, classes): it belongs to another training set."
            )
        super()._load_from_state_dict(state, prefix, *args)
