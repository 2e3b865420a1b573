"""Where distillation pushes a label's logit down: gradients at the label, and regularization samples."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from array_api_compat import array_namespace

from ..base.probabilities import (
    as_arrays,
    as_real_floats,
    check_logits,
    check_same_samples,
    one_hot,
    softmax,
)
from ..base.validation import InputError, check_choice, check_positive

Reading = Literal["push", "magnitude"]


class LabelGradients(NamedTuple):
    """Derivatives at the label's logit: of cross-entropy, and of what distillation adds."""

    label: Any
    """``a = ∂L_ce/∂z_label = p_s(label) − 1``."""
    distillation: Any
    """``∂L_kd/∂z_label = τ (p_s^τ(label) − p_t^τ(label))``; ``b`` is this less ``a``."""


def label_gradients(
    student_logits: Any, teacher_logits: Any, labels: Any, temperature: Any, *, check: bool = True
) -> LabelGradients:
    """Gradients at the label's logit of the two losses, for arrays of any library.

    ``L_kd = τ² CE(teacher_τ, student_τ)``.

    Parameters
    ----------
    student_logits, teacher_logits : array (..., N, K)
    labels : integer array (..., N)
    temperature : float
        τ > 0. With ``check=False``, which looks at no values, also an array (..., N, 1).

    References
    ----------
    Zhou et al. 2021, section 3.2; section 3.3.
    """
    student, teacher, labels, tau = _checked(student_logits, teacher_logits, labels, temperature, check)
    xp = array_namespace(student)
    hot = one_hot(labels, int(student.shape[-1]), like=student, check=check)
    # What the label lacks of 1 is the mass of the others: no digits cancel.
    label = -xp.sum((1 - hot) * softmax(student, check=False), axis=-1)
    difference = softmax(student, tau, check=check) - softmax(teacher, tau, check=check)
    return LabelGradients(label, xp.sum(hot * tau * difference, axis=-1))


def regularization_samples(
    student_logits: Any,
    teacher_logits: Any,
    labels: Any,
    temperature: Any,
    reading: Reading = "push",
    *,
    check: bool = True,
) -> Any:
    """Samples on which distillation regularises instead of teaching: boolean (..., N).

    Parameters
    ----------
    student_logits, teacher_logits : array (..., N, K)
    labels : integer array (..., N)
    temperature : float
    reading : {"push", "magnitude"}
        "push": ``∂L_kd/∂z_label > 0``, distillation pushes the label's logit down (the student is surer of
        the label than its teacher). "magnitude": ``|b| > |a|``, what distillation adds outweighs the
        label's own gradient. Since a ≤ 0, the second holds every sample of the first, and those that
        distillation pulls up by more than twice ``|a|``.

    References
    ----------
    Zhou et al. 2021, section 3.3.
    """
    check_choice(reading, "reading", get_args(Reading))
    student, teacher, labels, tau = _checked(student_logits, teacher_logits, labels, temperature, check)
    xp = array_namespace(student)
    # Near a tie the sign is decided in double precision, by how much mass the other classes have.
    student, teacher = xp.astype(student, xp.float64), xp.astype(teacher, xp.float64)
    hot = one_hot(labels, int(student.shape[-1]), like=student, check=check) == 1
    others, others_of_teacher = _leads(student, hot), _leads(teacher, hot)
    largest = xp.maximum(
        xp.max(others, axis=-1, keepdims=True), xp.max(others_of_teacher, axis=-1, keepdims=True)
    )
    mass, mass_of_teacher = _mass(others, largest, tau), _mass(others_of_teacher, largest, tau)
    pushed = mass < mass_of_teacher
    if reading == "push":
        return pushed
    gradients = label_gradients(student, teacher, labels, tau, check=False)
    # As a ≤ 0, |b| > |a| says that the gradient of distillation is above 0 or below 2a.
    return pushed | (gradients.distillation < 2 * gradients.label)


def _checked(
    student: Any, teacher: Any, labels: Any, temperature: Any, check: bool
) -> tuple[Any, Any, Any, Any]:
    student, teacher, labels = as_arrays(
        student_logits=student, teacher_logits=teacher, labels=labels, check=check
    )
    if check:
        student, teacher = (
            as_real_floats(student, "student_logits"),
            as_real_floats(teacher, "teacher_logits"),
        )
        check_logits(student)
        check_logits(teacher)
        temperature = check_positive(temperature, "temperature")
    if student.shape != teacher.shape:
        raise InputError(
            f"student and teacher must have logits of one shape; got {tuple(student.shape)} and "
            f"{tuple(teacher.shape)}."
        )
    check_same_samples(labels, student, "logits", classes=True)
    return student, teacher, labels, temperature


def _leads(logits: Any, hot: Any) -> Any:
    """Half of what logits of the other classes are above the label's; −inf for the label itself.

    The difference of two numbers may be none, that of their halves is one.
    """
    xp = array_namespace(logits)
    label = xp.sum(xp.where(hot, logits, xp.zeros_like(logits)), axis=-1, keepdims=True)
    return xp.where(hot, -xp.inf * xp.ones_like(logits), logits / 2 - label / 2)


def _mass(leads: Any, largest: Any, temperature: Any) -> Any:
    """Sum of exponentials beside the largest, the same for every order of the classes.

    The largest is taken away before the temperature divides: infinity less infinity would be no number.
    """
    xp = array_namespace(leads)
    with np.errstate(over="ignore"):
        above = (leads - largest) / temperature * 2
    return xp.sum(xp.exp(xp.sort(above, axis=-1)), axis=-1)
