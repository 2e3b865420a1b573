"""Losses of soft-label training, as functions of logits. `modules` holds them with their state.

Logits are ``(..., N, K)`` and labels ``(..., N)``: leading axes (members of an ensemble) ride along. The
default is the mean over everything; ``reduction="none"`` keeps one value a sample. Half-precision logits are
read as float32, and everything goes through log-softmax, so that logits of ±1e4 give finite losses and
gradients. Teachers and past outputs are constants: no gradient flows into them. An empty batch has mean 0.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from ...theory import InputError, beta_targets, label_smoothing, mixed_targets, soft_label_weights
from ...theory.base.probabilities import check_probabilities, one_hot
from ...theory.base.validation import check_fraction, check_positive
from ...theory.labels.soft_targets import AUTHORS_LEAST_LOSS, Convention

Reduction = Literal["mean", "none"]


def _reduce(values: Tensor, reduction: Reduction) -> Tensor:
    if reduction == "none":
        return values
    if reduction == "mean":
        return values.sum() / max(values.numel(), 1)  # an empty batch has nothing to learn from
    raise InputError(f'reduction must be "mean" or "none"; got {reduction!r}.')


def check_logits(logits: Tensor, name: str = "logits") -> None:
    """Raise `InputError` unless logits are finite real numbers, (..., N, K) with at least two classes."""
    if not isinstance(logits, Tensor):
        raise InputError(
            f"{name} must be a torch tensor; got {type(logits).__name__}. torch.as_tensor makes one."
        )
    if logits.ndim < 2 or logits.shape[-1] < 2 or not logits.is_floating_point():
        raise InputError(
            f"{name} must be floating-point, (..., N, K) with at least two classes; got "
            f"{tuple(logits.shape)} of {logits.dtype}."
        )
    if not bool(torch.isfinite(logits).all()):
        raise InputError(f"{name} hold NaN or infinite values: the network has diverged. Lower its step.")


def log_probabilities(logits: Tensor, temperature: float = 1.0, *, check: bool = True) -> Tensor:
    """Log-softmax over the last axis at a temperature, in float32 at least."""
    if check:
        check_logits(logits)
        temperature = check_positive(temperature, "temperature")
    wide = logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits
    return F.log_softmax(wide / temperature, dim=-1)


def _cross_entropy(targets: Tensor, logs: Tensor) -> Tensor:
    return -(targets.to(logs.dtype) * logs).sum(dim=-1)


def soft_cross_entropy(
    logits: Tensor,
    targets: Tensor,
    *,
    temperature: float = 1.0,
    reduction: Reduction = "mean",
    check: bool = True,
) -> Tensor:
    """Cross-entropy of the outputs at a temperature against target distributions (not scaled by τ²).

    Parameters
    ----------
    logits, targets : Tensor (..., N, K)
    temperature : float
        Above 0.
    reduction : {"mean", "none"}
    check : bool
        Whether to look at values; without, nothing stops a compiler or waits for a GPU.

    Raises
    ------
    InputError
        If shapes disagree, logits are not finite or targets are no distributions.
    """
    if logits.shape != targets.shape:
        raise InputError(
            f"targets must have the logits' shape {tuple(logits.shape)}; got {tuple(targets.shape)}."
        )
    if check:
        check_probabilities(targets.detach(), "targets")
    return _reduce(_cross_entropy(targets, log_probabilities(logits, temperature, check=check)), reduction)


def _label_loss(logs: Tensor, labels: Tensor, *, check: bool) -> Tensor:
    if labels.shape != logs.shape[:-1]:
        raise InputError(
            f"labels must have one entry a sample, {tuple(logs.shape[:-1])}; got {tuple(labels.shape)}."
        )
    return _cross_entropy(one_hot(labels, logs.shape[-1], like=logs, check=check), logs)


def label_smoothing_loss(
    logits: Tensor,
    labels: Tensor,
    epsilon: float,
    convention: Convention = "szegedy",
    *,
    reduction: Reduction = "mean",
    check: bool = True,
) -> Tensor:
    """Cross-entropy against smoothed labels; "szegedy" is torch's convention, "zhang" leaves 1 − ε."""
    logs = log_probabilities(logits, check=check)
    targets = label_smoothing(labels, epsilon, logs.shape[-1], convention, like=logs, check=check)
    return _reduce(_cross_entropy(targets, logs), reduction)


def distillation_loss(
    student_logits: Tensor,
    teacher_logits: Tensor,
    labels: Tensor,
    temperature: float = 1.0,
    alpha: float = 0.5,
    *,
    reduction: Reduction = "mean",
    check: bool = True,
) -> Tensor:
    """``(1 − α)·CE(label, student) + α·τ²·CE(teacher_τ, student_τ)``.

    At temperature 1 its gradient is that of cross-entropy to `mixed_targets` (Z3, K1). With α = 1 it is
    the pure soft loss ``L_kd`` of Zhou et al.

    Parameters
    ----------
    student_logits, teacher_logits : Tensor (..., N, K)
    labels : Tensor of integers (..., N)
    temperature : float
        τ > 0.
    alpha : float
        Weight of the teacher, in [0, 1].

    Raises
    ------
    InputError
        For τ ≤ 0, α outside [0, 1], labels out of range, logits that are not finite, shapes that disagree.

    References
    ----------
    Hinton et al. 2015; Kim et al. 2021, equation 1; claims Z3, K1.
    """
    alpha = check_fraction(alpha, "alpha")
    _check_pair(student_logits, teacher_logits)
    hard = _label_loss(log_probabilities(student_logits, check=check), labels, check=check)
    soft = _soft_loss(student_logits, teacher_logits, temperature, check=check)
    return _reduce((1 - alpha) * hard + alpha * soft, reduction)


def _check_pair(student_logits: Tensor, teacher_logits: Tensor) -> None:
    if student_logits.shape != teacher_logits.shape:
        raise InputError(
            f"teacher logits must have the student's shape {tuple(student_logits.shape)}; got "
            f"{tuple(teacher_logits.shape)}."
        )


def _soft_loss(student_logits: Tensor, teacher_logits: Tensor, temperature: float, *, check: bool) -> Tensor:
    """``L_kd = τ² CE(teacher_τ, student_τ)``, per sample."""
    teacher = log_probabilities(teacher_logits.detach(), temperature, check=check).exp()
    student = log_probabilities(student_logits, temperature, check=check)
    return temperature**2 * _cross_entropy(teacher, student)


def weighted_soft_label_loss(
    student_logits: Tensor,
    teacher_logits: Tensor,
    labels: Tensor,
    temperature: float = 4.0,
    alpha: float = 2.25,
    *,
    reduction: Reduction = "mean",
    check: bool = True,
) -> Tensor:
    """``CE(label) + α·w·τ²·CE(teacher_τ, student_τ)`` with Zhou et al.'s weight w of each sample.

    ``w = 1 − exp(−CE_student/CE_teacher)`` at temperature 1, detached. The authors use τ = 2, α = 2.5 on
    ImageNet and τ = 4, α = 2.25 on CIFAR.

    Parameters
    ----------
    student_logits, teacher_logits : Tensor (..., N, K)
    labels : Tensor of integers (..., N)
    temperature : float
        τ > 0.
    alpha : float
        Weight of the soft part, any finite number ≥ 0.

    Raises
    ------
    InputError
        As `distillation_loss`; for α below 0.

    References
    ----------
    Zhou et al. 2021, equations 5 and 6, and their code; claim W3.
    """
    if not 0 <= alpha < float("inf"):
        raise InputError(f"alpha must be a finite number of at least 0; got {alpha!r}.")
    _check_pair(student_logits, teacher_logits)
    hard = _label_loss(log_probabilities(student_logits, check=check), labels, check=check)
    teacher = _label_loss(log_probabilities(teacher_logits.detach(), check=check), labels, check=False)
    weights = soft_label_weights(hard.detach(), teacher, added=AUTHORS_LEAST_LOSS, check=check)
    soft = _soft_loss(student_logits, teacher_logits, temperature, check=check)
    return _reduce(hard + alpha * weights * soft, reduction)


def beta_smoothing_loss(
    logits: Tensor,
    labels: Tensor,
    average_logits: Tensor,
    draws: Tensor | None = None,
    alpha: float = 0.6,
    shape: float = 3.0,
    *,
    generator: torch.Generator | None = None,
    reduction: Reduction = "mean",
    check: bool = True,
) -> Tensor:
    """``(1 − α)·CE(label) + α·CE(Beta target)``, the Beta target dealt by the EMA model's confidences.

    Parameters
    ----------
    logits : Tensor (..., N, K)
    labels : Tensor of integers (..., N)
    average_logits : Tensor (..., N, K)
        Of the exponential moving average of the network, on the same batch.
    draws : Tensor (..., N), optional
        Masses of the label; drawn from Beta(shape, 1) if not given.
    alpha : float
        In [0, 1]; the authors' default is 0.6.
    shape : float
        a > 0; the authors' default is 3, so that the mean mass is 3/4 (Z4).
    generator : torch.Generator, optional
        Source of the draws.

    References
    ----------
    Zhang & Sabuncu 2020, section 6 and their code (which adds 1e-8 to probabilities before the logarithm).
    """
    alpha = check_fraction(alpha, "alpha")
    _check_pair(logits, average_logits)
    logs = log_probabilities(logits, check=check)
    hard = _label_loss(logs, labels, check=check)
    averages = log_probabilities(average_logits.detach(), check=check)
    confidence = averages.gather(-1, labels.long().unsqueeze(-1)).squeeze(-1)
    if draws is None:
        draws = draw_beta(shape, labels.shape, like=logs, generator=generator)
    targets = beta_targets(labels, confidence, draws.to(logs), logs.shape[-1], check=check)
    return _reduce((1 - alpha) * hard + alpha * _cross_entropy(targets, logs), reduction)


def draw_beta(
    shape: float,
    size: tuple[int, ...] | torch.Size,
    *,
    like: Tensor,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Draw from Beta(shape, 1), whose distribution function is ``x^shape``: a power of a uniform number."""
    power = 1 / check_positive(shape, "shape")
    uniform = torch.rand(size, dtype=like.dtype, device=like.device, generator=generator)
    return uniform.pow(power)


def progressive_loss(
    logits: Tensor,
    labels: Tensor,
    past: Tensor,
    weight: float,
    *,
    reduction: Reduction = "mean",
    check: bool = True,
) -> Tensor:
    """Cross-entropy to ``(1 − α)·label + α·past``, the network's own probabilities of an epoch ago.

    References
    ----------
    Kim et al. 2021, equation 2.
    """
    logs = log_probabilities(logits, check=check)
    targets = mixed_targets(labels, past.detach(), weight, check=check)
    return _reduce(_cross_entropy(targets, logs), reduction)


def partial_label_loss(
    logits: Tensor,
    candidates: Tensor,
    q: float = 0.7,
    *,
    reduction: Reduction = "mean",
    check: bool = True,
) -> Tensor:
    """``(1 − p^q)/q``, averaged over each sample's candidate labels.

    Parameters
    ----------
    logits : Tensor (..., N, K)
    candidates : Tensor
        Integers (..., N, m): m different labels a sample, as ``topk`` gives them. Or (..., N, K): a boolean
        mask, or target distributions such as `top_two_targets`, which weigh the labels (whole numbers 0
        and 1 are read as a mask where K ≥ 3).
    q : float
        In [0, 1]; the authors use 0.7. 1 is the absolute error, 0 the limit ``−log p``.

    Raises
    ------
    InputError
        If q leaves [0, 1], shapes disagree, or a sample has no candidate, one out of range or one twice.

    References
    ----------
    Jeong & Chung 2025, section 5 and their code; claim J8.
    """
    q = check_fraction(q, "q")
    logs = log_probabilities(logits, check=check)
    # expm1 of log p: exact for small q, and the gradient p^q stays finite at p = 0.
    losses = -torch.expm1(q * logs) / q if q > 0 else -logs
    weights = _candidate_weights(candidates, logs, check=check)
    return _reduce((weights * losses).sum(dim=-1), reduction)


def _candidate_weights(candidates: Tensor, logs: Tensor, *, check: bool) -> Tensor:
    """Candidates in any form as weights (..., N, K) that sum to 1."""
    n_classes = logs.shape[-1]
    if candidates.shape[:-1] != logs.shape[:-1] or candidates.shape[-1] > n_classes:
        raise InputError(
            f"candidates must have one row a sample, {tuple(logs.shape[:-1])} + (m,), with m ≤ {n_classes}; "
            f"got {tuple(candidates.shape)}."
        )
    whole = not candidates.is_floating_point() and candidates.dtype != torch.bool
    # A row of K ≥ 3 zeros and ones would repeat a label, so it can only be a mask.
    if whole and not (candidates.shape == logs.shape and n_classes > 2 and bool((candidates <= 1).all())):
        marks = one_hot(candidates, n_classes, like=logs, check=check).sum(dim=-2)
    elif candidates.shape == logs.shape:
        marks = candidates.to(logs)
    else:
        raise InputError("a mask or weights of candidates must have one column a class.")
    if check and not bool((marks >= 0).all() & (marks <= 1).all() & (marks.sum(dim=-1) > 0).all()):
        raise InputError(
            "every sample needs at least one candidate, none twice, and weights in [0, 1]; one breaks that."
        )
    return marks / marks.sum(dim=-1, keepdim=True)
