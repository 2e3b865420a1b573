"""How to train: epochs, batches, the optimiser and its steps, one for all members or one each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ...theory.base.validation import (
    check_choice,
    check_count,
    check_each,
    check_fraction,
    check_nonnegative,
    check_positive,
)

PerMember = float | Sequence[float]


@dataclass(frozen=True)
class TrainingConfig:
    """How to train.

    Attributes
    ----------
    epochs : int
        Passes over the data.
    batch_size : int
        Samples a step; the last batch of an epoch may be smaller.
    optimiser : {"sgd", "adam"}
    learning_rate : float or sequence of float
        One for all members, or one each.
    momentum : float
        Of SGD; for Adam, β₁ is 0.9 and β₂ 0.999.
    weight_decay : float or sequence of float
        One for all members, or one each. Added to the gradient by SGD, decoupled in Adam (AdamW).
    schedule : {"constant", "cosine"}
        Cosine falls to zero over all steps.
    mixed_precision : bool
        Networks compute in bfloat16; parameters, the loss and the update stay in float32.
    """

    epochs: int
    batch_size: int = 128
    optimiser: Literal["sgd", "adam"] = "sgd"
    learning_rate: PerMember = 0.1
    momentum: float = 0.9
    weight_decay: PerMember = 0.0
    schedule: Literal["constant", "cosine"] = "constant"
    mixed_precision: bool = False

    def __post_init__(self) -> None:
        check_count(self.epochs, "epochs", least=0)
        check_count(self.batch_size, "batch_size")
        check_choice(self.optimiser, "optimiser", ("sgd", "adam"))
        check_choice(self.schedule, "schedule", ("constant", "cosine"))
        check_fraction(self.momentum, "momentum", below_one=True)
        for name, check in (("learning_rate", check_positive), ("weight_decay", check_nonnegative)):
            value = getattr(self, name)
            if np.ndim(value) == 0:
                check(value, name)
            else:
                check_each(list(value), name, check)
