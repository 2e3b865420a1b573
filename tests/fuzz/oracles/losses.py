"""Losses of soft labels with all their options, sample by sample in 60 digits."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import torch

from selfdistill.empirical import losses
from selfdistill.empirical.losses import modules

from ..draws import Draws
from .cases import DIGITS, Verdict, case, compare


def log_probabilities(row: Any, heat: Any = 1) -> list[Any]:
    """Of a row of logits, in as many digits as mpmath is set to."""
    row = [mpmath.mpf(float(v)) / heat for v in row]
    top = max(row)
    norm = mpmath.log(mpmath.fsum(mpmath.exp(v - top) for v in row))
    return [v - top - norm for v in row]


def cross(target: Any, logs: Any, weights: Any) -> Any:
    """Cross-entropy with a weight a class."""
    return -mpmath.fsum(w * t * v for w, t, v in zip(weights, target, logs, strict=True))


def sample_loss(name: str, z: Any, other: Any, label: int, share: float, tau: float, weights: Any) -> Any:
    """One sample's loss, from the papers' formulas."""
    k, own = len(z), log_probabilities(z)
    one = [mpmath.mpf(int(j == label)) for j in range(k)]
    hard = cross(one, own, weights)
    if name == "smoothing":
        return (1 - share) * hard + share * cross([mpmath.mpf(1) / k] * k, own, weights)
    if name == "smoothing of others":
        return cross(
            [1 - share if j == label else mpmath.mpf(share) / (k - 1) for j in range(k)], own, weights
        )
    if name == "entropy":
        return hard + share * mpmath.fsum(mpmath.exp(v) * v for v in own)
    soft = [mpmath.exp(v) for v in log_probabilities(other, tau)]
    if name == "distillation":
        return (1 - share) * hard + share * mpmath.mpf(tau) ** 2 * cross(
            soft, log_probabilities(z, tau), weights
        )
    if name == "self-distillation":
        return (1 - share) * hard + share * cross(soft, own, weights)
    if name == "progressive":
        return (1 - share) * hard + share * cross(
            [mpmath.exp(v) for v in log_probabilities(other)], own, weights
        )
    if name == "soft":
        return cross([mpmath.exp(v) for v in log_probabilities(other)], log_probabilities(z, tau), weights)
    ratio = -own[label] / (-log_probabilities(other)[label] + mpmath.mpf("1e-7"))
    pull = (1 - mpmath.exp(-ratio)) * mpmath.mpf(tau) ** 2
    return hard + share * pull * cross(soft, log_probabilities(z, tau), weights)


def call_of(
    name: str, z: Any, other: Any, y: Any, share: float, tau: float, options: dict[str, Any], past: Any
) -> Any:
    """The library's loss of the same name."""
    calls = {
        "smoothing": lambda: losses.label_smoothing_loss(z, y, share, **options),
        "smoothing of others": lambda: losses.label_smoothing_loss(z, y, share, "zhang", **options),
        "entropy": lambda: losses.entropy_penalty_loss(z, y, share, **options),
        "distillation": lambda: losses.distillation_loss(z, other, y, tau, share, **options),
        "self-distillation": lambda: losses.distillation_loss(
            z, other, y, tau, share, tempered="teacher", **options
        ),
        "progressive": lambda: losses.progressive_loss(z, y, past, share, **options),
        "soft": lambda: losses.soft_cross_entropy(z, past, temperature=tau, **options),
        "weighted": lambda: losses.weighted_soft_label_loss(z, other, y, tau, share, **options),
    }
    forms = {
        "smoothing": lambda: modules.LabelSmoothingLoss(share, **options)(z, y),
        "distillation": lambda: modules.DistillationLoss(tau, share, **options)(z, other, y),
        "entropy": lambda: modules.EntropyPenaltyLoss(share, **options)(z, y),
        "weighted": lambda: modules.WeightedSoftLabelLoss(tau, share, **options)(z, other, y),
    }
    return calls, forms


NAMES = ("smoothing", "smoothing of others", "entropy", "distillation", "self-distillation", "progressive", "soft",
         "weighted")  # fmt: skip


@case
def losses_with_options(d: Draws) -> Verdict:
    """Eight losses, functions and modules, labels of any width, ignored labels, weights, reductions, axes."""
    rng, n, k = d.generator(), d.count(1, 4), d.count(2, 5)
    name, size = d.pick(*NAMES), d.power(0, 0, 2, 4, -8)
    logits, teacher = rng.normal(size=(n, k)) * size, rng.normal(size=(n, k)) * d.power(0, 2)
    labels = rng.integers(0, k, n)
    share, tau = d.pick(0.0, 0.3, 1.0), d.pick(1.0, 0.5, 4.0)
    options: dict[str, Any] = {"reduction": d.pick("mean", "mean", "sum", "none")}
    class_weights, sample_weights, kept = np.ones(k), np.ones(n), np.ones(n, bool)
    if d.chance(3) and name != "entropy":
        class_weights = rng.uniform(0.1, 2, k)
        options["weight"] = torch.tensor(class_weights)
    if d.chance(3):
        sample_weights = rng.uniform(0.1, 2, n)
        options["sample_weight"] = torch.tensor(sample_weights)
    kind = d.pick("int64", "int64", "int8", "uint8", "int32")
    y = torch.tensor(labels.astype(kind))
    if d.chance(3) and name != "soft" and n > 1:
        kept = rng.uniform(size=n) < 0.6
        kept[0] = True
        options["ignore_index"] = 100
        y = torch.tensor(np.where(kept, labels, 100).astype(kind))
    plain = "weight" not in options
    with mpmath.workdps(DIGITS):
        past = np.array([[float(mpmath.exp(v)) for v in log_probabilities(row)] for row in teacher])
        weights = [mpmath.mpf(float(w)) for w in class_weights]
        counted = kept * sample_weights
        each = [
            float(counted[i] * sample_loss(name, logits[i], teacher[i], labels[i], share, tau, weights))
            for i in range(n)
        ]
    z, other, past = torch.tensor(logits), torch.tensor(teacher), torch.tensor(past)
    if d.chance(3):
        z, other, past, options["class_dim"] = z.T, other.T, past.T, 0
    if not plain and options["reduction"] == "mean":
        options["reduction"] = "sum"  # what a mean with class weights divides by is torch's own rule
    expected = {"none": each, "sum": sum(each), "mean": sum(each) / (kept * sample_weights).sum()}[
        options["reduction"]
    ]
    calls, forms = call_of(name, z, other, y, share, tau, options, past)
    call = forms[name] if name in forms and d.chance(3) else calls[name]
    # Of a loss far below its logits no digits are left: log-softmax is a difference of numbers of their size.
    largest = float(max(np.abs(logits).max(), np.abs(teacher).max()))
    told = f"{name} {logits.tolist()} {teacher.tolist()} {y} {share} {tau} {options}"
    return compare(call, lambda: expected, 1e-9, told, floor=1e-3 * (1 + largest) * (1 + tau**2))
