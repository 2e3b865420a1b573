"""The methods of the comparison; add your own beside them, or anywhere it can be imported.

A method of your own in the table::

    from selfdistill.empirical.experiments.comparison import Comparison, compare
    from selfdistill.empirical.methods.catalogue import METHODS, budget
    from selfdistill.empirical.methods.method import Method, Samples, Term

    def sharpened(s: Samples, *, alpha) -> list[Term]:
        past = s.past**2 / (s.past**2).sum(-1, keepdim=True)
        return [Term(s.labels, 1 - alpha * s.progress), Term(past, alpha * s.progress)]

    MINE = Method("sharpened past", sharpened, budget("alpha", 0.4, 0.8), frozenset({"past"}))
    compare(Comparison(methods=(*METHODS, MINE)))
"""

from __future__ import annotations

from itertools import product

from ..losses import rules
from .method import Method

WEIGHT_DECAYS = (5e-4, 2e-3, 5e-3)


def budget(name: str, *values: float, **fixed: float) -> tuple[tuple[tuple[str, float], ...], ...]:
    """Candidates that a search begins with: every value of one setting, with every weight decay."""
    rest = tuple(fixed.items())
    return tuple(
        (("weight_decay", decay), (name, value), *rest) for decay, value in product(WEIGHT_DECAYS, values)
    )


TEACHER = frozenset({"teacher"})

CROSS_ENTROPY = Method(
    "cross-entropy",
    rules.cross_entropy,
    tuple((("weight_decay", decay),) for decay in WEIGHT_DECAYS),
)
LABEL_SMOOTHING = Method("label smoothing", rules.label_smoothing, budget("epsilon", 0.1, 0.4))
ENTROPY_PENALTY = Method("entropy penalty", rules.entropy_penalty, budget("beta", 0.1, 0.4))
BETA_SMOOTHING = Method(
    "Beta smoothing",
    rules.beta_smoothing,
    budget("alpha", 0.4, 0.8, shape=3.0),
    frozenset({"average", "uniform"}),
)
SELF_DISTILLATION = Method(
    "self-distillation", rules.self_distillation, budget("alpha", 0.4, 0.8, temperature=2.0), TEACHER
)
DISTILLATION = Method("distillation", rules.distillation, budget("alpha", 0.4, 0.8, temperature=2.0), TEACHER)
WITHOUT_REGULARIZATION = Method(
    "without regularization samples", rules.without_regularization_samples, needs=TEACHER
)
PROGRESSIVE = Method("progressive", rules.progressive, budget("alpha", 0.5, 0.8), frozenset({"past"}))
WEIGHTED_SOFT_LABELS = Method(
    "weighted soft labels", rules.weighted_soft_labels, budget("alpha", 0.5, 2.0, temperature=2.0), TEACHER
)
METHODS = (
    CROSS_ENTROPY,
    LABEL_SMOOTHING,
    ENTROPY_PENALTY,
    BETA_SMOOTHING,
    SELF_DISTILLATION,
    DISTILLATION,
    PROGRESSIVE,
    WEIGHTED_SOFT_LABELS,
)
