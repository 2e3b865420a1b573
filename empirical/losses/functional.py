"""Losses of soft-label training, as functions of logits. `modules` holds them with their state.

Logits are ``(..., K)`` and labels ``(...)``, as many axes of samples as there are (members of an ensemble,
tokens of a sentence); `class_dim` names another axis of classes. Labels are whole numbers or, everywhere,
distributions of the logits' shape (mixed samples). All losses take the options of `batches.Options` as
keywords: ``reduction``, ``class_dim``, ``ignore_index``, ``weight``, ``sample_weight``, ``check``. Settings
such as α are one number, or one a sample.

Half-precision logits are read as float32, and everything goes through log-softmax, so that logits of ±1e4
give finite losses and gradients; a logit of −inf rules its class out. Teachers and past outputs are constants:
no gradient flows into them. What each loss is stands in `rules`.
"""

from __future__ import annotations

from typing import Literal, Unpack

import torch
from torch import Tensor

from ...theory.base.validation import (
    check_choice,
    check_fraction,
)
from ...theory.labels.soft_targets import Convention
from . import rules
from .batches import Batch, Labels, Options, Reduction, as_tensor
from .candidates import candidate_labels
from .draws import draw_beta
from .terms import Rule, Setting, Target, check_logits, log_probabilities, widened

Tempered = Literal["both", "teacher"]

__all__ = [
    "Options",
    "Reduction",
    "beta_smoothing_loss",
    "check_logits",
    "distillation_loss",
    "draw_beta",
    "entropy_penalty_loss",
    "label_smoothing_loss",
    "log_probabilities",
    "partial_label_loss",
    "progressive_loss",
    "soft_cross_entropy",
    "weighted_soft_label_loss",
]


def soft_cross_entropy(
    logits: Tensor, targets: Target, *, temperature: Setting = 1.0, **options: Unpack[Options]
) -> Tensor:
    """Cross-entropy of the outputs at a temperature against target distributions (not scaled by τ²).

    Parameters
    ----------
    logits, targets : Tensor (..., K)
    temperature : float or Tensor (...)
        Above 0.
    **options
        See `batches.Options`.

    Raises
    ------
    InputError
        If shapes disagree, logits are not finite or targets are no distributions.
    """
    batch = Batch.read(logits, options)
    tau = batch.setting(temperature, "temperature", within="(0, ∞)")
    return batch.loss(
        rules.soft_targets, Labels(batch.soft_targets(targets, "targets"), None), temperature=tau
    )


LABEL_SMOOTHING: dict[Convention, Rule] = {
    "szegedy": rules.label_smoothing,
    "zhang": rules.label_smoothing_of_others,
}


def label_smoothing_loss(
    logits: Tensor,
    labels: Tensor,
    epsilon: Setting,
    convention: Convention = "szegedy",
    **options: Unpack[Options],
) -> Tensor:
    """Cross-entropy against smoothed labels; "szegedy" is torch's convention, "zhang" leaves 1 − ε.

    Parameters
    ----------
    logits : Tensor (..., K)
    labels : Tensor
        Whole numbers (...) or distributions (..., K).
    epsilon : float or Tensor (...)
        Mass that is spread out, in [0, 1].
    convention : {"szegedy", "zhang"}
        Over all classes, or over all but the label's.
    **options
        See `batches.Options`.
    """
    batch = Batch.read(logits, options)
    epsilon = batch.setting(epsilon, "epsilon", within="[0, 1]")
    check_choice(convention, "convention", tuple(LABEL_SMOOTHING))
    return batch.loss(LABEL_SMOOTHING[convention], batch.labels(labels), epsilon=epsilon)


def entropy_penalty_loss(
    logits: Tensor, labels: Tensor, beta: Setting = 0.1, **options: Unpack[Options]
) -> Tensor:
    """``CE(label) − β·H(outputs)``: cross-entropy that pays for every nat of entropy.

    Parameters
    ----------
    logits : Tensor (..., K)
    labels : Tensor
        Whole numbers (...) or distributions (..., K).
    beta : float or Tensor (...)
        At least 0; 0 is cross-entropy. Its optimum for a label of probability 1 is no longer at infinite logits.
    **options
        See `batches.Options`.

    References
    ----------
    Pereyra et al. 2017; a baseline of Zhang & Sabuncu 2020, section 7.
    """
    batch = Batch.read(logits, options)
    beta = batch.setting(beta, "beta", within="[0, ∞)")
    return batch.loss(rules.entropy_penalty, batch.labels(labels), beta=beta)


DISTILLATION: dict[Tempered, Rule] = {"both": rules.distillation, "teacher": rules.self_distillation}


def distillation_loss(
    student_logits: Tensor,
    teacher_logits: Target,
    labels: Tensor,
    temperature: Setting = 1.0,
    alpha: Setting = 0.5,
    *,
    tempered: Tempered = "both",
    **options: Unpack[Options],
) -> Tensor:
    """Cross-entropy to the label and to a teacher, ``1 − α`` of the one and α of the other.

    With ``tempered="both"`` (Hinton et al.) the soft part is ``τ²·CE(teacher_τ, student_τ)``, with
    ``tempered="teacher"`` (Zhang & Sabuncu's self-distillation) it is ``CE(teacher_τ, student)``: only that
    one makes a student less sure than its teacher. At temperature 1 both have the gradient of cross-entropy to
    `mixed_targets`; with α = 1 the first is the pure soft loss ``L_kd`` of Zhou et al.

    Parameters
    ----------
    student_logits : Tensor (..., K)
    teacher_logits : Tensor (..., K) or TopTargets
        What `stored.StoredTeacher` gives stands for logits, at the temperature at which it was stored.
    labels : Tensor
        Whole numbers (...) or distributions (..., K).
    temperature : float or Tensor (...)
        τ > 0.
    alpha : float or Tensor (...)
        Weight of the teacher, in [0, 1].
    tempered : {"both", "teacher"}
        Whose logits are divided by τ.
    **options
        See `batches.Options`.

    Raises
    ------
    InputError
        For τ ≤ 0, α outside [0, 1], labels out of range, logits that are not finite, shapes that disagree.

    References
    ----------
    Hinton et al. 2015; Zhang & Sabuncu 2020, section 3 and their code; Kim et al. 2021, equation 1.
    """
    batch = Batch.read(student_logits, options)
    check_choice(tempered, "tempered", tuple(DISTILLATION))
    tau = batch.setting(temperature, "temperature", within="(0, ∞)")
    alpha = batch.setting(alpha, "alpha", within="[0, 1]")
    carried = {"teacher": batch.other_logits(teacher_logits, "teacher_logits")}
    return batch.loss(DISTILLATION[tempered], batch.labels(labels), carried, temperature=tau, alpha=alpha)


def weighted_soft_label_loss(
    student_logits: Tensor,
    teacher_logits: Tensor,
    labels: Tensor,
    temperature: Setting = 4.0,
    alpha: Setting = 2.25,
    **options: Unpack[Options],
) -> Tensor:
    """``CE(label) + α·w·τ²·CE(teacher_τ, student_τ)`` with Zhou et al.'s weight w of each sample.

    ``w = 1 − exp(−CE_student/CE_teacher)`` at temperature 1, detached. The authors use τ = 2, α = 2.5 on
    ImageNet and τ = 4, α = 2.25 on CIFAR.

    Parameters
    ----------
    student_logits, teacher_logits : Tensor (..., K)
    labels : Tensor
        Whole numbers (...) or distributions (..., K).
    temperature : float or Tensor (...)
        τ > 0.
    alpha : float or Tensor (...)
        Weight of the soft part, any finite number ≥ 0.
    **options
        See `batches.Options`.

    Raises
    ------
    InputError
        As `distillation_loss`; for α below 0.

    References
    ----------
    Zhou et al. 2021, equations 5 and 6, and their code.
    """
    batch = Batch.read(student_logits, options)
    tau = batch.setting(temperature, "temperature", within="(0, ∞)")
    alpha = batch.setting(alpha, "alpha", within="[0, ∞)")
    carried = {"teacher": batch.other_logits(teacher_logits, "teacher_logits")}
    return batch.loss(rules.weighted_soft_labels, batch.labels(labels), carried, temperature=tau, alpha=alpha)


def beta_smoothing_loss(
    logits: Tensor,
    labels: Tensor,
    average_logits: Tensor,
    draws: Tensor | None = None,
    alpha: Setting = 0.6,
    shape: float = 3.0,
    *,
    generator: torch.Generator | None = None,
    **options: Unpack[Options],
) -> Tensor:
    """``(1 − α)·CE(label) + α·CE(Beta target)``, the Beta target dealt by the EMA model's confidences.

    Parameters
    ----------
    logits : Tensor (..., K)
    labels : Tensor
        Whole numbers (...) or distributions (..., K). Masses are dealt along their last axis of samples.
    average_logits : Tensor (..., K)
        Of the exponential moving average of the network, on the same batch.
    draws : Tensor (...), optional
        Masses of the label; drawn from Beta(shape, 1) if not given.
    alpha : float or Tensor (...)
        In [0, 1]; the authors' default is 0.6.
    shape : float
        a > 0; the authors' default is 3, so that the mean mass is 3/4.
    generator : torch.Generator, optional
        Source of the draws.
    **options
        See `batches.Options`.

    References
    ----------
    Zhang & Sabuncu 2020, section 6 and their code (which adds 1e-8 to probabilities before the logarithm).
    """
    batch = Batch.read(logits, options)
    alpha = batch.setting(alpha, "alpha", within="[0, 1]")
    if draws is None:
        draws = draw_beta(shape, batch.logits.shape[:-1], like=widened(batch.logits), generator=generator)
    masses = batch.setting(as_tensor(draws, "draws", batch.logits), "draws", within="[0, 1]")
    average = batch.other_logits(average_logits, "average_logits")
    # Masses already: with shape 1 the rule leaves them as they are.
    carried: dict[str, Target] = {"average": average, "uniform": batch.each(masses, "draws")}
    return batch.loss(rules.beta_smoothing, batch.labels(labels), carried, alpha=alpha, shape=1.0)


def progressive_loss(
    logits: Tensor, labels: Tensor, past: Target, alpha: Setting, **options: Unpack[Options]
) -> Tensor:
    """Cross-entropy to ``(1 − α)·label + α·past``, the network's own probabilities of an epoch ago.

    Parameters
    ----------
    logits : Tensor (..., K)
    labels : Tensor
        Whole numbers (...) or distributions (..., K).
    past : Tensor (..., K) or TopTargets
        Probabilities, or the largest of them.
    alpha : float or Tensor (...)
        α in [0, 1]; `progressive_weight` gives the paper's.
    **options
        See `batches.Options`.

    References
    ----------
    Kim et al. 2021, equation 2.
    """
    batch = Batch.read(logits, options)
    alpha = batch.setting(alpha, "alpha", within="[0, 1]")
    carried = {"past": batch.soft_targets(past, "past")}
    return batch.loss(rules.past_outputs, batch.labels(labels), carried, alpha=alpha)


def partial_label_loss(
    logits: Tensor, candidates: Tensor, q: float = 0.7, **options: Unpack[Options]
) -> Tensor:
    """``(1 − p^q)/q``, averaged over each sample's candidate labels.

    Parameters
    ----------
    logits : Tensor (..., K)
    candidates : Tensor
        Integers (..., m): m different labels a sample, as ``topk`` gives them; `ignore_index` fills rows that
        have fewer, and a row of nothing else is passed over. Or, shaped like the logits, a boolean mask or
        target distributions such as `top_two_targets`, which weigh the labels (whole numbers 0 and 1 are read
        as a mask where K ≥ 3).
    q : float
        In [0, 1]; the authors use 0.7. 1 is the absolute error, 0 the limit ``−log p``.
    **options
        See `batches.Options`.

    Raises
    ------
    InputError
        If q leaves [0, 1], shapes disagree, or a sample has no candidate, one out of range or one twice.

    References
    ----------
    Jeong & Chung 2025, section 5 and their code.
    """
    batch = Batch.read(logits, options)
    if batch.check:
        q = check_fraction(q, "q")
    return batch.loss(rules.partial_labels, candidate_labels(batch, candidates), q=q)
