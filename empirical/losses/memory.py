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
from .batches import Batch, Options, as_tensor
from .functional import log_probabilities, progressive_loss
from .processes import rows_of_all
from .stateless import SoftLabelLoss
from .terms import Target
from .top_targets import TopTargets


class ProgressiveLoss(SoftLabelLoss):
    """`progressive_loss` with a memory of every sample's outputs of the epoch before.

    A sample that was never seen is its own label. A batch reads its samples' past outputs, then leaves its
    present ones, so each sample may come once an epoch, as a `DataLoader` brings it. Where several processes
    train one network, each is told what all have left, and the memory is the same in all.

    Parameters
    ----------
    n_samples, n_classes : int
        Of the training set. In sequences and images each labelled place is a sample.
    epochs : int
        T.
    final : float
        α_T; the paper's is 0.8.
    schedule : {"linear", "constant", "quadratic"}
    top : int, optional
        Keep only so many of the largest probabilities of each sample, as `TopTargets`: for many classes.
    **options
        See `batches.Options`.
    """

    past: Tensor
    classes: Tensor | None
    seen: Tensor

    def __init__(
        self,
        n_samples: int,
        n_classes: int,
        epochs: int,
        final: float = 0.8,
        schedule: Schedule = "linear",
        top: int | None = None,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(options)
        check_count(n_samples, "n_samples")
        check_count(n_classes, "n_classes", least=2)
        progressive_weight(0, epochs, final, schedule)  # checks all three
        self.epochs, self.final, self.schedule = epochs, final, schedule
        self.n_classes = n_classes
        width = n_classes if top is None else check_count(top, "top")
        if width > n_classes:
            raise InputError(f"top must be at most the number of classes, {n_classes}; got {top}.")
        self.register_buffer("past", torch.zeros(n_samples, width))
        # Which classes those are; without top all, in their order.
        self.register_buffer(
            "classes", None if top is None else torch.zeros(n_samples, width, dtype=torch.int32)
        )
        self.register_buffer("seen", torch.zeros(n_samples, dtype=torch.bool))

    def forward(self, logits: Tensor, labels: Tensor, index: Tensor, epoch: int, **more: Any) -> Tensor:
        """Loss of a batch.

        Parameters
        ----------
        logits : Tensor (..., K)
        labels : Tensor
            Whole numbers (...) or distributions (..., K).
        index : Tensor of integers (...)
            Which training samples these are, 0 … n_samples − 1; one each, none twice. Token p of sentence i
            of at most P tokens is ``i * P + p``. Where a label is to be ignored it may be any.
        epoch : int
            From 0, as loops count; the weight is that of t = epoch + 1.
        """
        batch = self.batch(logits, more)
        target, kept = batch.labels(labels)
        assert isinstance(target, Tensor)
        index = self._index(index, batch, kept)
        epoch = check_count(epoch, "epoch", least=0)
        weight = progressive_weight(epoch + 1, self.epochs, self.final, self.schedule)
        loss = progressive_loss(logits, labels, self._past(target, index, batch), weight, **self.given(more))
        self._remember(batch.logits.detach(), index, kept)
        return loss

    def _past(self, labels: Tensor, index: Tensor, batch: Batch) -> Target:
        """Targets of the epoch before, or the labels where there are none."""
        seen = self.seen[index].unsqueeze(-1)
        if self.classes is None:
            if not labels.is_floating_point():
                labels = one_hot(labels, self.n_classes, like=self.past, check=False)
            past = torch.where(seen, self.past[index], labels.to(self.past))
            return past.movedim(-1, batch.options.get("class_dim", -1))
        first = torch.zeros_like(self.past[index]), torch.zeros_like(self.classes[index])
        if labels.is_floating_point():
            known = TopTargets.of(labels, self.past.shape[1], check=False)
            first = known.masses.to(first[0]), known.classes.to(first[1])
        else:
            first[0][..., 0] = 1
            first[1][..., 0] = labels
        masses = torch.where(seen, self.past[index], first[0])
        return TopTargets(torch.where(seen, self.classes[index], first[1]), masses, self.n_classes)

    def _index(self, index: Any, batch: Batch, kept: Tensor | None) -> Tensor:
        n_samples, n_classes = len(self.past), self.n_classes
        index = as_tensor(index, "index", self.past)
        samples = batch.logits.shape[:-1]
        if batch.logits.shape[-1] != n_classes or index.shape != samples or index.is_floating_point():
            raise InputError(
                f"the memory holds {n_classes} classes and wants one whole number a label as index; got "
                f"{batch.logits.shape[-1]} classes, labels {tuple(samples)} and index {tuple(index.shape)} of "
                f"{index.dtype}."
            )
        if kept is not None:
            index = index.where(kept.to(index.device), 0)
        if batch.check and index.numel() and not 0 <= int(index.min()) <= int(index.max()) < n_samples:
            raise InputError(
                f"the memory holds {n_samples} samples; got indices {int(index.min())} … {int(index.max())}. "
                "Give the size of the training set as n_samples."
            )
        return index.long()

    def _remember(self, logits: Tensor, index: Tensor, kept: Tensor | None) -> None:
        """Leave the present outputs of all samples that count, those of other processes too."""
        outputs = log_probabilities(logits, check=False).exp().to(self.past).flatten(0, -2)
        index = index.flatten()
        if kept is not None:
            index, outputs = index[kept.flatten()], outputs[kept.flatten()]
        index = rows_of_all(index)
        if self.classes is not None:
            largest = TopTargets.of(outputs, self.past.shape[1], check=False)
            outputs = largest.masses
            self.classes[index] = rows_of_all(largest.classes.to(self.classes))
        self.past[index] = rows_of_all(outputs)
        self.seen[index] = True

    def _load_from_state_dict(self, state: Mapping[str, Any], prefix: str, *args: Any) -> None:
        kept = state.get(f"{prefix}past")
        if kept is not None and kept.shape != self.past.shape:
            raise InputError(
                f"the checkpoint's memory is {tuple(kept.shape)} but this training set needs "
                f"{tuple(self.past.shape)} (samples, classes kept): it belongs to another training set."
            )
        super()._load_from_state_dict(state, prefix, *args)
