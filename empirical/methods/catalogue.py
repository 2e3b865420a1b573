"""The methods of the comparison, each one function; add your own beside them, or anywhere it can be imported.

A method of your own in the table::

    from selfdistill.empirical.experiments.comparison import Comparison, compare
    from selfdistill.empirical.methods.guides import Method, Samples, Term
    from selfdistill.empirical.methods.catalogue import METHODS, budget
    from selfdistill.theory import mixed_targets

    def sharpened(s: Samples) -> list[Term]:
        past = s.past**2 / (s.past**2).sum(-1, keepdim=True)
        return [Term(mixed_targets(s.labels, past, s.settings["alpha"] * s.progress, check=False))]

    MINE = Method("sharpened past", sharpened, budget("alpha", 0.4, 0.8), frozenset({"past"}))
    compare(Comparison(methods=(*METHODS, MINE)))
"""

from __future__ import annotations

from itertools import product

from torch import Tensor
from torch.nn import functional as F

from ...theory import (
    beta_targets,
    label_smoothing,
    mixed_targets,
    regularization_samples,
    soft_label_weights,
)
from ...theory.base.probabilities import one_hot, softmax
from ...theory.labels.soft_targets import AUTHORS_LEAST_LOSS
from .guides import Method, Samples, Term

WEIGHT_DECAYS = (3e-3, 1e-2, 3e-2)


def budget(name: str, *values: float, **fixed: float) -> tuple[tuple[tuple[str, float], ...], ...]:
    """Candidates to tune over: every value of one setting, with every weight decay of the comparison."""
    rest = tuple(fixed.items())
    return tuple(
        (("weight_decay", decay), (name, value), *rest) for decay, value in product(WEIGHT_DECAYS, values)
    )


def _labels(s: Samples) -> Tensor:
    return one_hot(s.labels, s.n_classes, like=s.logits, check=False)


def cross_entropy(s: Samples) -> list[Term]:
    """Plain cross-entropy."""
    return [Term(_labels(s))]


def smoothed_labels(s: Samples) -> list[Term]:
    """Label smoothing, Szegedy's convention."""
    return [Term(label_smoothing(s.labels, s.settings["epsilon"], s.n_classes, like=s.logits, check=False))]


def beta_smoothing(s: Samples) -> list[Term]:
    """Beta smoothing: random masses on the label, dealt in the order of the EMA model's confidences."""
    assert s.average is not None
    assert s.uniform is not None
    alpha, draws = s.settings["alpha"], s.uniform ** (1 / s.settings["shape"])
    confidence = (s.average.softmax(-1) * _labels(s)).sum(-1)
    smooth = beta_targets(s.labels, confidence, draws, s.n_classes, check=False)
    return [Term(_labels(s), 1 - alpha), Term(smooth, alpha)]


def self_distillation(s: Samples) -> list[Term]:
    """``(1 − α) CE(label) + α τ² CE_τ(teacher)``, the teacher being an earlier network of the same kind."""
    alpha, tau = s.settings["alpha"], s.settings["temperature"]
    return [Term(_labels(s), 1 - alpha), Term(_teacher(s, tau), alpha * tau**2, tau)]


def _teacher(s: Samples, tau: Tensor) -> Tensor:
    assert s.teacher is not None
    return softmax(s.teacher, tau.unsqueeze(-1), check=False)


def progressive(s: Samples) -> list[Term]:
    """Progressive self-distillation: ``α_t = α_T·t/T`` on the network's own outputs of the epoch before."""
    assert s.past is not None
    return [Term(mixed_targets(s.labels, s.past, s.settings["alpha"] * s.progress, check=False))]


def weighted_soft_labels(s: Samples) -> list[Term]:
    """Zhou et al.: ``CE(label) + α w τ² CE_τ(teacher)``, w by who is better on the label."""
    assert s.teacher is not None
    alpha, tau = s.settings["alpha"], s.settings["temperature"]
    losses = [-(_labels(s) * F.log_softmax(z, -1)).sum(-1) for z in (s.logits, s.teacher)]
    weight = soft_label_weights(*losses, added=AUTHORS_LEAST_LOSS, check=False)
    return [Term(_labels(s)), Term(_teacher(s, tau), alpha * weight * tau**2, tau)]


def without_regularization_samples(s: Samples) -> list[Term]:
    """Self-distillation, but plain cross-entropy where distillation would push the label down."""
    assert s.teacher is not None
    alpha, tau = s.settings["alpha"], s.settings["temperature"]
    pushed = regularization_samples(s.logits, s.teacher, s.labels, tau.unsqueeze(-1), check=False)
    kept = alpha * ~pushed
    return [Term(_labels(s), 1 - kept), Term(_teacher(s, tau), kept * tau**2, tau)]


TEACHER = frozenset({"teacher"})

CROSS_ENTROPY = Method(
    "cross-entropy",
    cross_entropy,
    tuple((("weight_decay", v),) for v in (0.0, 1e-3, 3e-3, 1e-2, 2e-2, 3e-2)),
)
LABEL_SMOOTHING = Method("label smoothing", smoothed_labels, budget("epsilon", 0.1, 0.4))
BETA_SMOOTHING = Method(
    "Beta smoothing",
    beta_smoothing,
    budget("alpha", 0.4, 0.8, shape=3.0),
    frozenset({"average", "uniform"}),
)
SELF_DISTILLATION = Method(
    "self-distillation", self_distillation, budget("alpha", 0.4, 0.8, temperature=2.0), TEACHER
)
PROGRESSIVE = Method("progressive", progressive, budget("alpha", 0.5, 0.8), frozenset({"past"}))
WEIGHTED_SOFT_LABELS = Method(
    "weighted soft labels", weighted_soft_labels, budget("alpha", 0.5, 2.0, temperature=2.0), TEACHER
)
METHODS = (
    CROSS_ENTROPY,
    LABEL_SMOOTHING,
    BETA_SMOOTHING,
    SELF_DISTILLATION,
    PROGRESSIVE,
    WEIGHTED_SOFT_LABELS,
)
