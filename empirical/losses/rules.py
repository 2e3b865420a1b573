"""Every soft-label loss as a sum of terms, written here and nowhere else.

A rule is pure, looks at no values and can be traced, so that it runs under `torch.func.vmap` (one member of an
ensemble) and `torch.compile`. Add one and it can be trained as a `methods.method.Method`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...theory import InputError, regularization_samples, soft_label_weights
from ...theory.labels.soft_targets import AUTHORS_LEAST_LOSS, dealt_by_rank
from .terms import Samples, Setting, Target, Term, expected, log_softmax, per_class, widened
from .top_targets import TopTargets

# These speak to any array library, which a compiler cannot follow: it takes each as one step of its graph.
_one_step: Any = torch.compiler.allow_in_graph
_deal = _one_step(dealt_by_rank)
_weigh = _one_step(soft_label_weights)


def _softmax(logits: Tensor, temperature: Setting = 1.0) -> Tensor:
    return torch.softmax(widened(logits) / per_class(temperature), dim=-1)


def _answers(teacher: Target, temperature: Setting) -> Target:
    """A teacher's distributions at a temperature."""
    if isinstance(teacher, TopTargets):
        return teacher.at(temperature)
    return _softmax(teacher, temperature)


def _uniform(s: Samples) -> Tensor:
    return widened(s.logits).new_full((), 1 / s.n_classes).expand_as(s.logits)


def _logits(teacher: Target) -> Tensor:
    if isinstance(teacher, TopTargets):
        raise InputError(
            "this loss weighs samples by the teacher's logits, which stored targets do not hold."
        )
    return teacher


def _label_loss(logits: Tensor, labels: Target) -> Tensor:
    return -expected(log_softmax(widened(logits)), labels)


def cross_entropy(s: Samples) -> list[Term]:
    """Plain cross-entropy."""
    return [Term(s.labels)]


def soft_targets(s: Samples, *, temperature: Setting) -> list[Term]:
    """Cross-entropy at a temperature."""
    return [Term(s.labels, 1.0, temperature)]


def label_smoothing(s: Samples, *, epsilon: Setting) -> list[Term]:
    """Label smoothing as torch and Szegedy et al. have it: ε is spread over all classes, the label's too."""
    return [Term(s.labels, 1 - epsilon), Term(_uniform(s), epsilon)]


def label_smoothing_of_others(s: Samples, *, epsilon: Setting) -> list[Term]:
    """Label smoothing as Zhang & Sabuncu have it: ε is spread over the other classes, the label keeps 1 − ε."""
    return label_smoothing(s, epsilon=epsilon * (s.n_classes / (s.n_classes - 1)))


def entropy_penalty(s: Samples, *, beta: Setting) -> list[Term]:
    """``CE(label) − β·H(outputs)``: sure outputs cost (Pereyra et al. 2017)."""
    return [Term(s.labels), Term(None, -beta)]


def distillation(s: Samples, *, temperature: Setting, alpha: Setting) -> list[Term]:
    """``(1 − α)·CE(label) + α·τ²·CE_τ(teacher_τ)``, both tempered: Hinton et al. 2015."""
    soft = _answers(s.teacher, temperature)
    return [Term(s.labels, 1 - alpha), Term(soft, alpha * temperature**2, temperature)]


def self_distillation(s: Samples, *, temperature: Setting, alpha: Setting) -> list[Term]:
    """``(1 − α)·CE(label) + α·CE(teacher_τ)``, only the teacher tempered: Zhang & Sabuncu 2020."""
    return [Term(s.labels, 1 - alpha), Term(_answers(s.teacher, temperature), alpha)]


def weighted_soft_labels(s: Samples, *, temperature: Setting, alpha: Setting) -> list[Term]:
    """``CE(label) + α·w·τ²·CE_τ(teacher_τ)``, w small where the student knows the label better: Zhou et al. 2021."""
    teacher_logits = _logits(s.teacher)
    student, teacher = (_label_loss(z, s.labels) for z in (s.logits, teacher_logits))
    weights = _weigh(student, teacher, added=AUTHORS_LEAST_LOSS, check=False)
    soft = _softmax(teacher_logits, temperature)
    return [Term(s.labels), Term(soft, alpha * weights * temperature**2, temperature)]


def without_regularization_samples(s: Samples, *, temperature: Setting, alpha: Setting) -> list[Term]:
    """`distillation`, but plain cross-entropy where that would push the label down (whole labels only)."""
    pushed: Any = regularization_samples(
        s.logits, _logits(s.teacher), s.labels, per_class(temperature), check=False
    )
    return distillation(s, temperature=temperature, alpha=alpha * ~pushed)


def progressive(s: Samples, *, alpha: Setting) -> list[Term]:
    """Progressive self-distillation after Kim et al. 2021: ``α_t = α·t/T`` on the network's past outputs."""
    return past_outputs(s, alpha=alpha * s.progress)


def past_outputs(s: Samples, *, alpha: Setting) -> list[Term]:
    """``(1 − α)·CE(label) + α·CE(past outputs)``."""
    return [Term(s.labels, 1 - alpha), Term(s.past, alpha)]


def beta_smoothing(s: Samples, *, alpha: Setting, shape: Setting) -> list[Term]:
    """``(1 − α)·CE(label) + α·CE(Beta target)``, Zhang & Sabuncu 2020.

    The Beta target leaves a random mass on the label, from Beta(shape, 1), and spreads the rest over the other
    classes; masses are dealt along the last axis of labels in the order of the moving average's confidences.
    """
    confidence = expected(_softmax(s.average), s.labels)
    draws = s.uniform.to(confidence) ** (1 / shape)
    if s.kept is not None:  # ignored samples come last in the order and take none of the draws of the others
        confidence = torch.where(s.kept, confidence, 2.0)
        draws = torch.where(s.kept, draws, 1.0)
    mass = _deal(confidence, draws)
    spread = (1 - mass) * (s.n_classes / (s.n_classes - 1))  # over all classes, as label smoothing spreads it
    return [Term(s.labels, 1 - alpha * spread), Term(_uniform(s), alpha * spread)]


def focal(s: Samples, *, gamma: float) -> list[Term]:
    """``−(1 − p)^γ log p`` of the label: samples that are known already count less (Lin et al. 2017)."""
    return [Term(s.labels, focus=gamma)]


def partial_labels(s: Samples, *, q: float) -> list[Term]:
    """``(1 − p^q)/q`` averaged over candidates, whose shares stand in the labels' place: Jeong & Chung 2025."""
    return [Term(s.labels, q=q)]
