"""Outputs that all samples of one class and given label share: their margins and accuracy."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..base.validation import Array
from ..labels.noise import as_corruption

# Share of a sample's range of outputs below which two of them tie.
_TIE = 1e-9


def class_margins(outputs: Array, corruption: Array) -> Array:
    """Output of the true class less the largest other, (class, given label); NaN for labels not given."""
    k = len(outputs)
    others = np.where(np.eye(k, dtype=bool)[:, None], -np.inf, outputs)
    margin = outputs[np.arange(k), :, np.arange(k)] - others.max(axis=2)
    return np.where(corruption > 0, margin, np.nan)


def group_accuracy(outputs: Array, corruption: Any) -> float:
    """Accuracy of outputs (class, given label, output) over samples spread as the corruption says.

    Outputs that tie for the largest share the sample.
    """
    matrix = as_corruption(corruption)
    # Where a label is not given there may be no outputs (NaN), and there are no samples to count.
    values = np.where(matrix[:, :, None] > 0, outputs, 0.0)
    largest = values.max(axis=2, keepdims=True)
    winners = values >= largest - _TIE * (largest - values.min(axis=2, keepdims=True))
    k = len(values)
    right = winners[np.arange(k), :, np.arange(k)] / winners.sum(axis=2)
    return float(np.sum(matrix * right) / k)
