"""How far the true class leads its rivals, from averages of labels alone: K² numbers, whatever the samples are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..base.validation import Array
from .margins import least_rows

# Label frequencies that agree to so many digits are the same.
_DIGITS = 12
# Leads that cancel to this share of their parts are ties.
_EQUAL = 1e-12


@dataclass(frozen=True, eq=False)
class LabelLeads:
    """Leads in label averages, level by level.

    Attributes
    ----------
    corruption : ndarray (K, K)
    levels : list of ndarray (K, K)
        For averages over the class, (its superclass,) all samples: ``[k, l]`` is the frequency of label k
        less that of label l, as class k sees them.
    """

    corruption: Array
    levels: list[Array]

    @classmethod
    def of(cls, corruption: Array, means: Sequence[Array]) -> LabelLeads:
        """Take the label averages of each level, broadcastable to (class, label)."""
        levels = []
        for mean in means:
            table = np.broadcast_to(mean, corruption.shape)
            levels.append(np.round(np.diag(table)[:, None] - table, _DIGITS))
        return cls(corruption, levels)

    def accuracy(self, weights: Array) -> float:
        """Part of the samples whose true class leads all others; one that ties with m others counts 1/(1 + m).

        `weights` are those of the sample's own label and of the levels, up to a common factor.
        """
        base, size = self._base(weights)
        own = weights[0]
        slack = _EQUAL * (size + abs(own))
        rivals = ~np.eye(len(base), dtype=bool)

        def counted(values: Array) -> tuple[Array, Array]:
            return (values < -slack) & rivals, (np.abs(values) <= slack) & rivals

        behind, level = counted(base)
        # A wrong label adds to one rival, the right label to the true class.
        behind_given, level_given = counted(base - own)
        losses = behind.sum(axis=1, keepdims=True) - behind + behind_given
        ties = level.sum(axis=1, keepdims=True) - level + level_given
        kept = np.arange(len(base))
        behind_kept, level_kept = counted(base + own)
        losses[kept, kept], ties[kept, kept] = behind_kept.sum(axis=1), level_kept.sum(axis=1)
        right = np.where(losses == 0, 1 / (1 + ties), 0.0)
        return float(np.sum(self.corruption * right) / np.sum(self.corruption))

    def margins(self, weights: Array) -> Array:
        """Least lead over a rival, (class, given label); NaN for labels not given."""
        base, _ = self._base(weights)
        k = len(base)
        np.fill_diagonal(base, np.inf)
        least = np.partition(base, 1, axis=1)[:, :2]
        without = np.where(base == least[:, :1], least[:, 1:], least[:, :1])  # the given label left out
        margin = np.minimum(base - weights[0], without)
        margin[np.arange(k), np.arange(k)] = least[:, 0] + weights[0]
        return np.where(self.corruption > 0, margin, np.nan)

    def binding(self, *, ordered: bool) -> Array:
        """Rows (own label, levels …) of leads that decide whether all samples are right.

        `ordered` says that all weights are at least 0, so that rows that exceed another cannot decide.
        """
        k = len(self.corruption)
        rival = ~np.eye(k, dtype=bool)
        occurs = self.corruption > 0
        # A sample's own label is its true class, the rival, or neither: that is all it matters for.
        wrong = occurs & rival
        neither = rival & (wrong.sum(axis=1, keepdims=True) - wrong > 0)
        cases = {1.0: rival & np.diag(occurs)[:, None], -1.0: wrong, 0.0: neither}
        tables = []
        for own, found in cases.items():
            leads = np.column_stack([level[found] for level in self.levels])
            kept = least_rows(leads, dominated=ordered)
            tables.append(np.column_stack([np.full(len(kept), own), kept]))
        return np.concatenate(tables)

    def _base(self, weights: Array) -> tuple[Array, Array]:
        parts = [weight * level for weight, level in zip(weights[1:], self.levels, strict=True)]
        return np.sum(parts, axis=0), np.sum(np.abs(parts), axis=0)
