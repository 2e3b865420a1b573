"""The focal loss, which detectors train their classes by."""

from __future__ import annotations

from typing import Unpack

from torch import Tensor

from ...theory.base.validation import check_nonnegative
from . import rules
from .batches import Batch, Options


def focal_loss(logits: Tensor, labels: Tensor, gamma: float = 2.0, **options: Unpack[Options]) -> Tensor:
    """``−(1 − p)^γ log p`` of the label, which makes little of samples that are known already.

    Parameters
    ----------
    logits : Tensor (..., K)
    labels : Tensor
        Whole numbers (...) or distributions (..., K), under which the loss of each class is averaged.
    gamma : float
        γ ≥ 0; 0 is cross-entropy, the paper's is 2. Its balance between classes is `weight`.
    **options
        See `batches.Options`.

    References
    ----------
    Lin et al. 2017, equation 4, with a softmax in the place of sigmoids.
    """
    batch = Batch.read(logits, options)
    if batch.check:
        gamma = check_nonnegative(gamma, "gamma")
    return batch.loss(rules.focal, batch.labels(labels), gamma=gamma)
