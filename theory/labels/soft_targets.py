"""Soft targets: from a label and a past or teacher output to a target or a weight, for NumPy and torch alike.

Every function is pure and takes arrays of any library of the array API standard (NumPy, torch, …), on any
device, with any leading axes; what comes back is of the same library, on the same device. `check=False` skips
the checks on values, for inner loops whose inputs were checked once and for tracing (`vmap`, `compile`),
where no value can be looked at.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from array_api_compat import array_namespace, device

from ..base.validation import InputError, check_count, check_fraction, check_positive, refuse_mask

Convention = Literal["szegedy", "zhang"]


def one_hot(labels: Any, n_classes: int, *, like: Any = None, check: bool = True) -> Any:
    """Labels as distributions.

    Parameters
    ----------
    labels : integer array (..., N)
    n_classes : int
        At least 2.
    like : array, optional
        Whose floating-point type the result takes; without it the library's default.

    Returns
    -------
    array (..., N, n_classes)

    Raises
    ------
    InputError
        If labels are not whole numbers in ``0 … n_classes − 1``, or there are fewer than two classes.
    """
    (labels,) = _arrays(labels)
    xp = array_namespace(labels)
    n_classes = check_count(
        n_classes, "n_classes", least=2
    )  # one class leaves nowhere for the rest of a target
    if not xp.isdtype(labels.dtype, "integral"):
        raise InputError(f"labels must be whole numbers, one a sample; got an array of {labels.dtype}.")
    if check and 0 not in labels.shape and not bool(xp.all((labels >= 0) & (labels < n_classes))):
        raise InputError(
            f"labels must lie in 0 … {n_classes - 1} for {n_classes} classes; got "
            f"{int(xp.min(labels))} … {int(xp.max(labels))}."
        )
    classes = xp.arange(n_classes, dtype=labels.dtype, device=device(labels))
    kind = like.dtype if like is not None else xp.asarray(0.5).dtype
    return xp.astype(labels[..., None] == classes, kind)


def _arrays(*values: Any) -> tuple[Any, ...]:
    """Arrays as they are; lists and numbers as NumPy arrays."""
    for value in values:
        refuse_mask(value, "an array")
    return tuple(value if hasattr(value, "shape") else np.asarray(value) for value in values)


def check_probabilities(probabilities: Any, name: str) -> None:
    """Raise `InputError` unless the last axis holds distributions, up to the rounding of their type."""
    xp = array_namespace(probabilities)
    if probabilities.ndim < 1 or not xp.isdtype(probabilities.dtype, "real floating"):
        raise InputError(
            f"{name} must hold one distribution a sample, (..., N, K) floating-point numbers; got shape "
            f"{tuple(probabilities.shape)} of {probabilities.dtype}."
        )
    if 0 in probabilities.shape:
        return
    total = xp.sum(probabilities, axis=-1)
    slack = max(1e-4, 2 * float(xp.finfo(probabilities.dtype).eps))
    worst = float(xp.max(xp.abs(total - 1)))
    least = float(xp.min(probabilities))
    if not (worst <= slack and least >= -slack):
        raise InputError(
            f"{name} must be probabilities: at least 0, with a sum of 1 over the last axis; the least is "
            f"{least:.4g} and a sum is off by {worst:.4g}. Apply a softmax to logits first."
        )


def _check_same_samples(labels: Any, other: Any, name: str, *, classes: bool) -> None:
    shape = tuple(other.shape[:-1]) if classes else tuple(other.shape)
    if tuple(labels.shape) != shape:
        raise InputError(
            f"{name} must have one entry a label, {tuple(labels.shape)}; got shape {tuple(other.shape)}."
        )


def _as_weight(weight: Any, name: str, labels: Any, *, check: bool) -> Any:
    """A fraction, or an array of fractions, one a label, with a class axis added."""
    if not hasattr(weight, "shape") or weight.shape == ():
        return check_fraction(weight, name) if check else weight
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
    (labels,) = _arrays(labels)
    epsilon = _as_weight(epsilon, "epsilon", labels, check=check)
    hot = one_hot(labels, n_classes, like=like, check=check)
    if convention == "szegedy":
        return (1 - epsilon) * hot + epsilon / n_classes
    if convention == "zhang":
        return (1 - epsilon) * hot + epsilon / (n_classes - 1) * (1 - hot)
    raise InputError(f'convention must be "szegedy" or "zhang"; got {convention!r}.')


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
    Zhang & Sabuncu 2020, section 4; Kim et al. 2021, equation 2; claims Z1, Z3, K1.

    Examples
    --------
    >>> import numpy as np
    >>> from selfdistill.theory import mixed_targets
    >>> mixed_targets(np.array([0]), np.array([[0.5, 0.25, 0.25]]), 0.5)
    array([[0.75 , 0.125, 0.125]])
    """
    labels, probabilities = _arrays(labels, probabilities)
    _check_same_samples(labels, probabilities, "probabilities", classes=True)
    if check:
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
    Zhang & Sabuncu 2020, section 6 and their code; claims Z4, Z5.

    Examples
    --------
    >>> import numpy as np
    >>> from selfdistill.theory import beta_targets
    >>> beta_targets(np.array([0, 1]), np.array([0.9, 0.2]), np.array([0.4, 0.8]), 3)
    array([[0.8, 0.1, 0.1],
           [0.3, 0.4, 0.3]])
    """
    labels, confidence, draws = _arrays(labels, confidence, draws)
    xp = array_namespace(labels, confidence, draws)
    _check_same_samples(labels, confidence, "confidence", classes=False)
    _check_same_samples(labels, draws, "draws", classes=False)
    if check and 0 not in labels.shape:
        if not bool(xp.all((draws >= 0) & (draws <= 1))):
            raise InputError("every draw must lie in [0, 1]; they are masses of a label.")
        if not bool(xp.all(confidence == confidence)):
            raise InputError("confidence holds NaN, which has no place in an order.")
    hot = one_hot(labels, n_classes, like=draws, check=check)
    rank = xp.argsort(xp.argsort(confidence, axis=-1, stable=True), axis=-1, stable=True)
    mass = xp.take_along_axis(xp.sort(draws, axis=-1), rank, axis=-1)[..., None]
    return mass * hot + (1 - mass) / (n_classes - 1) * (1 - hot)


def soft_label_weights(student_loss: Any, teacher_loss: Any, *, check: bool = True) -> Any:
    """Weight of each sample's soft label: ``w = 1 − exp(−student loss / teacher loss)``, in [0, 1).

    Large where the student is still wrong (distillation lowers the bias there), near 0 where it already
    does better than its teacher (there distillation would raise the bias).

    Parameters
    ----------
    student_loss, teacher_loss : array (..., N)
        Cross-entropy of each at temperature 1 on the label. A teacher loss of 0 is read as 1e-7, as the
        authors do; rounding may take w to 1.

    Raises
    ------
    InputError
        If shapes disagree, or a loss is negative.

    References
    ----------
    Zhou et al. 2021, equation 6 and their code; claim W3.
    """
    student_loss, teacher_loss = _arrays(student_loss, teacher_loss)
    xp = array_namespace(student_loss, teacher_loss)
    _check_same_samples(student_loss, teacher_loss, "teacher_loss", classes=False)
    for name, loss in (("student_loss", student_loss), ("teacher_loss", teacher_loss)):
        if check and bool(xp.any(loss < 0)):
            raise InputError(f"every {name} must be at least 0, as a cross-entropy is; one is negative.")
    return -xp.expm1(-student_loss / (teacher_loss + 1e-7))


def softmax(logits: Any, temperature: Any = 1.0, *, check: bool = True) -> Any:
    """Distributions from logits over the last axis, safe at any magnitude.

    Parameters
    ----------
    logits : array (..., K)
    temperature : float
        Above 0. With ``check=False`` also an array that broadcasts against the logits.

    Raises
    ------
    InputError
        If the temperature is not a finite number above 0.
    """
    (logits,) = _arrays(logits)
    xp = array_namespace(logits)
    scaled = logits / (check_positive(temperature, "temperature") if check else temperature)
    exponentials = xp.exp(scaled - xp.max(scaled, axis=-1, keepdims=True))
    return exponentials / xp.sum(exponentials, axis=-1, keepdims=True)
