"""Candidate labels in any form, as the distributions that a loss takes in the labels' place."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...theory.base.validation import InputError
from .batches import Batch, Labels, as_tensor


def candidate_labels(batch: Batch, candidates: Any) -> Labels:
    """Candidates as weights (..., K) that sum to 1, and which samples have some.

    Parameters
    ----------
    batch : Batch
    candidates : Tensor
        As `functional.partial_label_loss` takes them.

    Raises
    ------
    InputError
        If shapes disagree, or a sample has no candidate, one out of range or one twice.
    """
    candidates = as_tensor(candidates, "candidates", batch.logits)
    samples, n_classes = batch.logits.shape[:-1], batch.logits.shape[-1]
    if _is_mask(batch, candidates):
        return Labels(_shares(batch, batch.like_logits(candidates, "candidates").to(batch.logits)), None)
    if candidates.shape[:-1] != samples or candidates.shape[-1] > n_classes:
        raise InputError(
            f"candidates must have one row a sample, {tuple(samples)} + (m,), with m ≤ {n_classes}, or be a mask or "
            f"weights of the logits' shape; got {tuple(candidates.shape)}."
        )
    given = candidates != batch.options.get("ignore_index", -100)
    whole = candidates.long().where(given, 0)
    if batch.check and bool(((whole < 0) | (whole >= n_classes)).any()):
        raise InputError(
            f"candidate labels must lie in 0 … {n_classes - 1}, or be ignore_index; one does not."
        )
    kept = given.any(dim=-1)
    counts = torch.zeros_like(batch.logits).scatter_add(-1, whole, given.to(batch.logits))
    counts = torch.where(kept.unsqueeze(-1), counts, 1.0)  # of samples that are passed over, any distribution
    return Labels(_shares(batch, counts), kept)


def _is_mask(batch: Batch, candidates: Tensor) -> bool:
    if candidates.is_floating_point() or candidates.dtype == torch.bool:
        return True
    # A row of K ≥ 3 zeros and ones would repeat a label, so it can only be a mask.
    shaped = candidates.shape == batch.given_shape and batch.logits.shape[-1] > 2
    return shaped and (not batch.check or bool(((candidates == 0) | (candidates == 1)).all()))


def _shares(batch: Batch, marks: Tensor) -> Tensor:
    total = marks.sum(dim=-1, keepdim=True)
    if batch.check and not bool((marks >= 0).all() & (marks <= 1).all() & (total > 0).all()):
        raise InputError(
            "every sample needs at least one candidate, none twice, and weights in [0, 1]; one breaks that."
        )
    return marks / total
