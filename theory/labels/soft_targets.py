"""Soft targets: from a label and a past or teacher output to a target or a weight, for NumPy and torch alike.

Every function is pure and takes arrays of any library of the array API standard (NumPy, torch, …), on any
device, with any leading axes; what comes back is of the same library, on the same device. `check=False` skips
the checks on values, for inner loops whose inputs were checked once and for tracing (`vmap`, `compile`),
where no value can be looked at.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from array_api_compat import array_namespace

from ..base.probabilities import (
    as_array,
    as_arrays,
    as_real_floats,
    check_probabilities,
    check_same_samples,
    one_hot,
)
from ..base.validation import InputError, check_choice, check_fraction, check_nonnegative

Convention = Literal["szegedy", "zhang"]
# What the authors of weighted soft labels add to every loss of the teacher, so that none is zero.
AUTHORS_LEAST_LOSS = 1e-7


def _as_weight(weight: Any, name: str, labels: Any, *, check: bool) -> Any:
    """A fraction, or an array of fractions, one a label, with a class axis added."""
    if not isinstance(weight, list | tuple) and getattr(weight, "shape", ()) == ():
        return check_fraction(weight, name) if check else weight
    if check:
        weight = as_real_floats(weight, name)
        as_arrays(**{name: weight, "labels": labels})
    weight = as_array(weight, name, check=check)
    try:
        fits = np.broadcast_shapes(tuple(weight.shape), tuple(labels.shape)) == tuple(labels.shape)
    except ValueError:
        fits = False
    if not fits:
        raise InputError(
            f"{name} must be one number, or one a label, {tuple(labels.shape)}; got shape {tuple(weight.shape)}."
        )
    xp = array_namespace(weight)
    if check and not bool(xp.all((weight >= 0) & (weight <= 1))):
        raise InputError(f"every {name} must lie in [0, 1]; one does not.")
    return weight[..., None]


def label_smoothing(
    labels: Any,
    epsilon: Any,
    n_classes: int,
    convention: Convention = "szegedy",
    *,
    like: Any = None,
    check: bool = True,
) -> Any:
    """Labels with a fraction of their mass spread out.

    Parameters
    ----------
    labels : integer array (..., N)
    epsilon : float or array (..., N)
        In [0, 1], of all samples or of each.
    n_classes : int
    convention : {"szegedy", "zhang"}
        "szegedy" (also torch's) spreads ε over ALL classes: the label keeps ``1 − ε + ε/K``.
        "zhang" spreads ε over the OTHER classes: the label keeps ``1 − ε``. The second with ``ε(K−1)/K``
        is the first with ε.

    Returns
    -------
    array (..., N, n_classes)

    Raises
    ------
    InputError
        For labels out of range, ε outside [0, 1] or not one a label, or an unknown convention.

    References
    ----------
    Zhang & Sabuncu 2020, section 5 and their code; Szegedy et al. 2016, section 7.

    Examples
    --------
    >>> import numpy as np
    >>> from selfdistill.theory import label_smoothing
    >>> label_smoothing(np.array([1]), 0.1, 4)
    array([[0.025, 0.925, 0.025, 0.025]])
    >>> label_smoothing(np.array([1]), 0.3, 4, "zhang")
    array([[0.1, 0.7, 0.1, 0.1]])
    """
    labels = as_array(labels, "labels", check=check)
    epsilon = _as_weight(epsilon, "epsilon", labels, check=check)
    hot = one_hot(labels, n_classes, like=like, check=check)
    check_choice(convention, "convention", get_args(Convention))
    if convention == "szegedy":
        return (1 - epsilon) * hot + epsilon / n_classes
    return (1 - epsilon) * hot + epsilon / (n_classes - 1) * (1 - hot)


def mixed_targets(labels: Any, probabilities: Any, weight: Any, *, check: bool = True) -> Any:
    """``(1 − α)·label + α·past or teacher output``: the target under distillation and progressive training.

    Parameters
    ----------
    labels : integer array (..., N)
    probabilities : array (..., N, K)
        Of the teacher, or of the network's own past.
    weight : float or array (..., N)
        α in [0, 1], of all samples or of each.

    Returns
    -------
    array (..., N, K)

    Raises
    ------
    InputError
        If shapes disagree, α leaves [0, 1], labels are out of range or rows are no distributions.

    References
    ----------
    Zhang & Sabuncu 2020, section 4; Kim et al. 2021, equation 2; claims Z1, Z3, K1 (docs: claims).

    Examples
    --------
    >>> import numpy as np
    >>> from selfdistill.theory import mixed_targets
    >>> mixed_targets(np.array([0]), np.array([[0.5, 0.25, 0.25]]), 0.5)
    array([[0.75 , 0.125, 0.125]])
    """
    labels, probabilities = as_arrays(labels=labels, probabilities=probabilities, check=check)
    check_same_samples(labels, probabilities, "probabilities", classes=True)
    if check:
        probabilities = as_real_floats(probabilities, "probabilities")
        check_probabilities(probabilities, "probabilities")
    alpha = _as_weight(weight, "weight", labels, check=check)
    hot = one_hot(labels, int(probabilities.shape[-1]), like=probabilities, check=check)
    return (1 - alpha) * hot + alpha * probabilities


def beta_targets(labels: Any, confidence: Any, draws: Any, n_classes: int, *, check: bool = True) -> Any:
    """Beta smoothing: random label masses, dealt so that the order of confidences is kept.

    The i-th smallest draw becomes the label's mass of the sample with the i-th smallest confidence; the
    rest is spread over the other classes. Samples of equal confidence are served in their order.

    Parameters
    ----------
    labels : integer array (..., N)
    confidence : array (..., N)
        Probability that the (EMA) model gives to each sample's label; only its order matters.
    draws : array (..., N)
        In [0, 1]; the authors draw from Beta(3, 1). In any order.
    n_classes : int

    Returns
    -------
    array (..., N, n_classes)

    Raises
    ------
    InputError
        If shapes disagree, draws leave [0, 1], confidences are NaN or labels are out of range.

    References
    ----------
    Zhang & Sabuncu 2020, section 6 and their code; claims Z4, Z5 (docs: claims).

    Examples
    --------
    >>> import numpy as np
    >>> from selfdistill.theory import beta_targets
    >>> beta_targets(np.array([0, 1]), np.array([0.9, 0.2]), np.array([0.4, 0.8]), 3)
    array([[0.8, 0.1, 0.1],
           [0.3, 0.4, 0.3]])
    """
    labels, confidence, draws = as_arrays(labels=labels, confidence=confidence, draws=draws, check=check)
    if check:
        confidence, draws = as_real_floats(confidence, "confidence"), as_real_floats(draws, "draws")
    xp = array_namespace(labels, confidence, draws)
    check_same_samples(labels, confidence, "confidence")
    check_same_samples(labels, draws, "draws")
    if check and 0 not in labels.shape:
        if not bool(xp.all((draws >= 0) & (draws <= 1))):
            raise InputError("every draw must lie in [0, 1]; they are masses of a label.")
        if not bool(xp.all(confidence == confidence)):
            raise InputError("confidence holds NaN, which has no place in an order.")
    hot = one_hot(labels, n_classes, like=draws, check=check)
    mass = dealt_by_rank(confidence, draws)[..., None]
    return mass * hot + (1 - mass) / (n_classes - 1) * (1 - hot)


def dealt_by_rank(confidence: Any, draws: Any) -> Any:
    """Draws (..., N) in the order of the confidences (..., N): the smallest goes to the least confident.

    Samples of equal confidence are served in their order.
    """
    xp = array_namespace(confidence, draws)
    rank = xp.argsort(xp.argsort(confidence, axis=-1, stable=True), axis=-1, stable=True)
    return xp.take_along_axis(xp.sort(draws, axis=-1), rank, axis=-1)


def soft_label_weights(
    student_loss: Any, teacher_loss: Any, *, added: float = 0.0, check: bool = True
) -> Any:
    """Weight of each sample's soft label: ``w = 1 − exp(−student loss / teacher loss)``, in [0, 1).

    Large where the student is still wrong (distillation lowers the bias there), near 0 where it already
    does better than its teacher (there distillation would raise the bias).

    Parameters
    ----------
    student_loss, teacher_loss : array (..., N)
        Cross-entropy of each at temperature 1 on the label. A teacher's loss of 0 is read as 1e-7;
        rounding may take w to 1.
    added : float
        Added to every teacher loss before the division: 1e-7 in the authors' code.

    Raises
    ------
    InputError
        If shapes disagree, a loss is negative or NaN, or both losses of a sample are infinite.

    References
    ----------
    Zhou et al. 2021, equation 6 and their code; claim W3 (docs: claims).
    """
    student_loss, teacher_loss = as_arrays(student_loss=student_loss, teacher_loss=teacher_loss, check=check)
    if check:
        added = check_nonnegative(added, "added")
        student_loss = as_real_floats(student_loss, "student_loss")
        teacher_loss = as_real_floats(teacher_loss, "teacher_loss")
    xp = array_namespace(student_loss, teacher_loss)
    check_same_samples(student_loss, teacher_loss, "teacher_loss")
    for name, loss in (("student_loss", student_loss), ("teacher_loss", teacher_loss)):
        if check and not bool(xp.all(loss >= 0)):
            raise InputError(
                f"every {name} must be at least 0, as a cross-entropy is; one is negative or NaN."
            )
    if check and bool(xp.any(xp.isinf(student_loss) & xp.isinf(teacher_loss))):
        raise InputError(
            "of two infinite losses none is larger: a sample's student or teacher_loss must be finite."
        )
    against = teacher_loss + added
    against = xp.where(against == 0, AUTHORS_LEAST_LOSS, against)
    with np.errstate(over="ignore"):  # an infinite ratio is a weight of 1
        return -xp.expm1(-student_loss / against)
