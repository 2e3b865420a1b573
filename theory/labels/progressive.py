"""Progressive self-distillation: growing trust in one's own past (Kim et al. 2021)."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from ..base.validation import InputError, as_real_array, check_choice, check_count, check_fraction

Schedule = Literal["linear", "constant", "quadratic"]


def progressive_weight(epoch: int, epochs: int, final: float = 0.8, schedule: Schedule = "linear") -> float:
    """Weight α_t of the network's own past in epoch t of T: ``α_T · t/T``.

    Parameters
    ----------
    epoch : int
        t in 1 … T (0 gives 0, except for the constant schedule).
    epochs : int
        T.
    final : float
        α_T in [0, 1]; the paper's is 0.8.
    schedule : {"linear", "constant", "quadratic"}
        ``t/T`` (the paper's), 1, or ``(t/T)²``.

    Raises
    ------
    InputError
        If t is not in 0 … T, α_T leaves [0, 1] or the schedule is unknown.

    References
    ----------
    Kim et al. 2021, equation 5.

    Examples
    --------
    >>> from selfdistill.theory import progressive_weight
    >>> progressive_weight(5, 10, final=0.8)
    0.4
    """
    epochs = check_count(epochs, "epochs")
    epoch = check_count(epoch, "epoch", least=0)
    if epoch > epochs:
        raise InputError(f"epoch must lie in 0 … {epochs}; got {epoch}.")
    final = check_fraction(final, "final")
    shapes = {"linear": epoch / epochs, "constant": 1.0, "quadratic": (epoch / epochs) ** 2}
    check_choice(schedule, "schedule", tuple(shapes))
    return final * shapes[schedule]


def gradient_rescaling(past: Any, present: Any, weight: Any) -> Any:
    """Factor on plain cross-entropy's gradient at the label: ``1 − α (1 − p_{t−1})/(1 − p_t)``.

    Below 0 where the network has become surer of the label than it was by more than 1/α allows: there the
    progressive target pulls back. Where ``present`` is 1, cross-entropy's gradient vanishes and the factor
    is −∞ (or 1 if the past was 1 too: both gradients are 0).

    Parameters
    ----------
    past, present : array (N,)
        Probability of the label at epochs t − 1 and t.
    weight : float or array (N,)
        α_t.

    References
    ----------
    Kim et al. 2021, section 3.2.
    """
    p_past, p_now = as_real_array(past, "past"), as_real_array(present, "present")
    alpha = as_real_array(weight, "weight")
    for values, name in ((p_past, "past"), (p_now, "present"), (alpha, "weight")):
        if values.size and not (values.min() >= 0 and values.max() <= 1):
            raise InputError(f"every {name} must lie in [0, 1]; got {values.min():g} … {values.max():g}.")
    if p_past.shape != p_now.shape or alpha.shape not in ((), p_now.shape):
        raise InputError(
            f"past and present must have one entry a sample, and weight one or as many; got shapes {p_past.shape}, "
            f"{p_now.shape} and {alpha.shape}."
        )
    pull = alpha * (1 - p_past)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(pull == 0, 1.0, 1 - pull / (1 - p_now))
