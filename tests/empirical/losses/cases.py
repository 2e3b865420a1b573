"""Every soft-label loss, for the contract suite: how it is called in each form, and what it must be.

`expected` is the loss of each sample in plain torch, written from the papers and without any code of ours, for
logits (N, K) and a batch of the same samples.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from selfdistill.empirical import losses
from selfdistill.empirical.losses import modules
from selfdistill.empirical.methods import catalogue
from selfdistill.empirical.methods.method import Method


@dataclass(frozen=True)
class Case:
    name: str
    function: Callable  # of logits, batch, options
    expected: Callable  # of logits, batch
    module: Callable | None = None  # of options, to a module
    inputs: tuple[str, ...] = ("labels",)  # of the module, besides logits
    method: Method | None = None
    settings: tuple[tuple[str, float], ...] = ()


def hot(labels, logits):
    return F.one_hot(labels, logits.shape[-1]).to(logits)


def cross(targets, logits, tau=1.0):
    return F.cross_entropy(logits / tau, targets, reduction="none")


def spread_over_others(labels, logits, epsilon):
    y = hot(labels, logits)
    return y * (1 - epsilon) + (1 - y) * epsilon / (logits.shape[-1] - 1)


def distilled(z, b, tau, alpha, tempered):
    soft = (b["teacher"] / tau).softmax(-1)
    part = tau**2 * cross(soft, z, tau) if tempered == "both" else cross(soft, z)
    return (1 - alpha) * cross(hot(b["labels"], z), z) + alpha * part


def weighted(z, b, tau, alpha):
    hard = cross(b["labels"], z)
    ratio = hard.detach() / (cross(b["labels"], b["teacher"]) + 1e-7)
    soft = cross((b["teacher"] / tau).softmax(-1), z, tau)
    return hard + alpha * (1 - torch.exp(-ratio)) * tau**2 * soft


def beta(z, b, alpha):
    confidence = b["average"].softmax(-1).gather(-1, b["labels"][:, None])[:, 0]
    mass = torch.empty_like(confidence)
    mass[confidence.argsort()] = b["draws"].sort().values
    smooth = spread_over_others(b["labels"], z, (1 - mass)[:, None])
    return (1 - alpha) * cross(b["labels"], z) + alpha * cross(smooth, z)


def partial(z, b, q):
    chosen = z.softmax(-1).gather(-1, b["candidates"])
    return ((1 - chosen**q) / q).mean(-1)


CASES = (
    Case("cross-entropy", lambda z, b, **o: losses.label_smoothing_loss(z, b["labels"], 0.0, **o),
         lambda z, b: cross(b["labels"], z), method=catalogue.CROSS_ENTROPY),
    Case("soft cross-entropy", lambda z, b, **o: losses.soft_cross_entropy(z, b["past"], temperature=2.0, **o),
         lambda z, b: cross(b["past"], z, 2.0)),
    Case("label smoothing", lambda z, b, **o: losses.label_smoothing_loss(z, b["labels"], 0.1, **o),
         lambda z, b: F.cross_entropy(z, b["labels"], label_smoothing=0.1, reduction="none"),
         lambda **o: modules.LabelSmoothingLoss(0.1, **o),
         method=catalogue.LABEL_SMOOTHING, settings=(("epsilon", 0.1),)),
    Case("label smoothing of others", lambda z, b, **o: losses.label_smoothing_loss(z, b["labels"], 0.1, "zhang", **o),
         lambda z, b: cross(spread_over_others(b["labels"], z, 0.1), z),
         lambda **o: modules.LabelSmoothingLoss(0.1, "zhang", **o)),
    Case("entropy penalty", lambda z, b, **o: losses.entropy_penalty_loss(z, b["labels"], 0.3, **o),
         lambda z, b: cross(b["labels"], z) - 0.3 * torch.distributions.Categorical(logits=z).entropy(),
         lambda **o: modules.EntropyPenaltyLoss(0.3, **o),
         method=catalogue.ENTROPY_PENALTY, settings=(("beta", 0.3),)),
    Case("distillation", lambda z, b, **o: losses.distillation_loss(z, b["teacher"], b["labels"], 3.0, 0.7, **o),
         lambda z, b: distilled(z, b, 3.0, 0.7, "both"),
         lambda **o: modules.DistillationLoss(3.0, 0.7, **o), ("teacher", "labels"),
         catalogue.DISTILLATION, (("temperature", 3.0), ("alpha", 0.7))),
    Case("self-distillation",
         lambda z, b, **o: losses.distillation_loss(
             z, b["teacher"], b["labels"], 3.0, 0.7, tempered="teacher", **o),
         lambda z, b: distilled(z, b, 3.0, 0.7, "teacher"),
         lambda **o: modules.DistillationLoss(3.0, 0.7, "teacher", **o), ("teacher", "labels"),
         catalogue.SELF_DISTILLATION, (("temperature", 3.0), ("alpha", 0.7))),
    Case("weighted soft labels",
         lambda z, b, **o: losses.weighted_soft_label_loss(z, b["teacher"], b["labels"], 4.0, 2.25, **o),
         lambda z, b: weighted(z, b, 4.0, 2.25),
         lambda **o: modules.WeightedSoftLabelLoss(4.0, 2.25, **o), ("teacher", "labels"),
         catalogue.WEIGHTED_SOFT_LABELS, (("temperature", 4.0), ("alpha", 2.25))),
    Case("Beta smoothing",
         lambda z, b, **o: losses.beta_smoothing_loss(z, b["labels"], b["average"], b["draws"], 0.4, **o),
         lambda z, b: beta(z, b, 0.4),
         method=catalogue.BETA_SMOOTHING, settings=(("alpha", 0.4), ("shape", 1.0))),
    Case("progressive", lambda z, b, **o: losses.progressive_loss(z, b["labels"], b["past"], 0.25, **o),
         lambda z, b: cross(0.75 * hot(b["labels"], z) + 0.25 * b["past"], z),
         method=catalogue.PROGRESSIVE, settings=(("alpha", 0.5),)),
    Case("focal", lambda z, b, **o: losses.focal_loss(z, b["labels"], 2.0, **o),
         lambda z, b: (1 - z.softmax(-1).gather(-1, b["labels"][:, None])[:, 0]) ** 2 * cross(b["labels"], z),
         lambda **o: modules.FocalLoss(2.0, **o)),
    Case("partial labels", lambda z, b, **o: losses.partial_label_loss(z, b["candidates"], 0.7, **o),
         lambda z, b: partial(z, b, 0.7),
         lambda **o: modules.PartialLabelLoss(0.7, **o), ("candidates",)),
)  # fmt: skip
ROWWISE = tuple(c for c in CASES if c.name != "Beta smoothing")  # whose samples do not depend on each other
LABELLED = tuple(c for c in CASES if c.name not in ("soft cross-entropy", "partial labels"))

CLASSWISE = ("teacher", "average", "past")  # of the logits' shape


def make_batch(n, n_classes, seed=0, dtype=torch.float64):
    """Logits (n, K) and everything that a loss may ask of the same samples."""
    g = torch.Generator().manual_seed(seed)
    normal = lambda: 2 * torch.randn(n, n_classes, generator=g, dtype=dtype)  # noqa: E731
    logits, teacher, average = normal(), normal(), normal()
    return logits, {
        "labels": torch.randint(n_classes, (n,), generator=g),
        "teacher": teacher,
        "average": average,
        "past": normal().softmax(-1),
        "draws": torch.rand(n, generator=g, dtype=dtype),
        "candidates": normal().topk(2).indices,
    }


def shaped(batch, samples, class_dim=-1):
    """The same batch with its samples on the axes `samples` and its classes on `class_dim`."""
    out = {}
    for name, value in batch.items():
        grown = value.reshape(*samples, *value.shape[1:])
        out[name] = grown.movedim(-1, class_dim) if name in CLASSWISE else grown
    return out
