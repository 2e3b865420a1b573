"""Progressive targets rescale the gradient: samples learned faster count less, hard ones more.

At the label's logit the gradient under progressive targets is that of plain cross-entropy times
``1 − α (1 − p_past)/(1 − p_now)``. Left, this factor for α = 0.5 against the label's probability now, for several
past ones: formula (lines) and automatic differentiation of the loss (markers); below zero the target pulls the
network back to its past. Right, the weight of the past over training by three schedules; the paper's is linear.
"""

from __future__ import annotations

import numpy as np
import sympy
import torch
import xarray as xr
from matplotlib.figure import Figure

from ...empirical.losses.functional import distillation_loss, progressive_loss
from ...theory import gradient_rescaling, progressive_weight
from ...theory.base.validation import Array
from ...theory.labels.progressive import Schedule
from ..claim import Claim
from ..scale import Scale
from ..style import BOUND, COLOURS, legend_below, new_figure

WEIGHT = 0.5
PASTS = np.array([0.2, 0.5, 0.8])
SCHEDULES: tuple[Schedule, ...] = ("linear", "constant", "quadratic")


def measured_factor(past: float, now: Array, n_classes: int = 4) -> Array:
    """Gradient at the label under progressive targets over that of plain cross-entropy, by autograd."""
    n = len(now)
    labels = torch.zeros(n, dtype=torch.long)
    rest = torch.from_numpy((1 - now) / (n_classes - 1))
    outputs = torch.stack([torch.from_numpy(now), *[rest] * (n_classes - 1)], dim=1)
    logits = outputs.log().requires_grad_()
    before = torch.full((n, n_classes), (1 - past) / (n_classes - 1), dtype=torch.float64)
    before[:, 0] = past
    soft = torch.autograd.grad(progressive_loss(logits, labels, before, WEIGHT), logits)[0][:, 0]
    hard = torch.autograd.grad(torch.nn.functional.cross_entropy(logits, labels), logits)[0][:, 0]
    return np.asarray(soft / hard)


def whole_gradients(outputs: Array, past: Array, weight: float) -> tuple[Array, Array, Array]:
    """L1 norms of the whole gradient by autograd, those of the closed form, and where it is promised to hold.

    The label is the first class. Promised: no wrong class is asked for more than it has, ``α ≤ p_now/p_past``.
    """
    logits = torch.from_numpy(np.log(outputs)).requires_grad_()
    labels = torch.zeros(len(outputs), dtype=torch.long)
    loss = progressive_loss(logits, labels, torch.from_numpy(past), weight, reduction="sum")
    norms = torch.autograd.grad(loss, logits)[0].abs().sum(dim=1).numpy()
    factor = gradient_rescaling(past[:, 0], outputs[:, 0], weight)
    promised = weight <= (outputs[:, 1:] / past[:, 1:]).min(axis=1)
    return norms, np.abs(factor) * 2 * (1 - outputs[:, 0]), promised


def symbolic_difference() -> float:
    """``(p − target)/(p − 1)`` at the label less the factor, simplified by a computer algebra: 0."""
    p, past, alpha = sympy.symbols("p past alpha")
    gradient = p - ((1 - alpha) + alpha * past)
    return float(sympy.simplify(gradient / (p - 1) - (1 - alpha * (1 - past) / (1 - p))))


def measure(scale: Scale) -> xr.Dataset:
    """Factors two ways, gradients of the two forms of the loss, and the schedules."""
    now = np.linspace(0.02, 0.97, scale.choose(smoke=10, quick=20, full=60))
    factors = np.stack([gradient_rescaling(np.full_like(now, p), now, WEIGHT) for p in PASTS])
    rng = scale.rng(5, 3)
    logits = torch.from_numpy(rng.normal(0, 2, (50, 5))).requires_grad_()
    past = torch.from_numpy(rng.normal(0, 2, (50, 5)))
    labels = torch.from_numpy(rng.integers(0, 5, 50))
    two_terms = distillation_loss(logits, past, labels, 1.0, WEIGHT) * 50
    mixed = progressive_loss(logits, labels, past.softmax(-1), WEIGHT) * 50
    target = (1 - WEIGHT) * torch.nn.functional.one_hot(labels, 5) + WEIGHT * past.softmax(-1)
    epochs = np.arange(1, 101)
    nearby = rng.dirichlet(np.full(5, 30.0), 400)  # as outputs of two epochs in a row may be
    whole, closed, promised = whole_gradients(nearby, rng.dirichlet(np.full(5, 30.0), 400), WEIGHT)
    return xr.Dataset(
        {
            "factor": (("past", "now"), factors),
            "measured_factor": (("past", "now"), np.stack([measured_factor(p, now) for p in PASTS])),
            "symbolic_difference": symbolic_difference(),
            "two_terms": float(two_terms.detach()),
            "mixed": float(mixed.detach()),
            "gradient": (("sample", "logit"), torch.autograd.grad(two_terms, logits)[0].numpy()),
            "residual": (("sample", "logit"), (logits.softmax(-1) - target).detach().numpy()),
            "whole_gradient": ("pair", whole),
            "closed_gradient": ("pair", closed),
            "promised": ("pair", promised.astype(np.int32)),
            "weight": (("schedule", "epoch"), np.array(
                [[progressive_weight(int(t), 100, 0.8, name) for t in epochs] for name in SCHEDULES])),
        },
        coords={"past": PASTS, "now": now, "schedule": list(SCHEDULES), "epoch": epochs.astype(np.int32)},
    )  # fmt: skip


def claims(data: xr.Dataset) -> list[Claim]:
    """What Kim et al. prove of the loss and its gradient (claims K1 to K4 and K7)."""
    source = "selfdistill.theory.gradient_rescaling"
    inside = data["promised"].values.astype(bool)
    return [
        Claim.theorem("K1", "At temperature 1 the two-term loss equals the mixed-target one.", data["mixed"],
                      data["two_terms"], tolerance=1e-9,
                      source="selfdistill.empirical.losses.functional.progressive_loss"),
        Claim.theorem("K2", "The gradient in the logits is output minus mixed target.", data["residual"],
                      data["gradient"], tolerance=1e-12, source="selfdistill.theory.mixed_targets"),
        Claim.theorem("K3", "At the label it is cross-entropy's times 1 − α (1 − p_past)/(1 − p_now).",
                      data["factor"], data["measured_factor"], tolerance=1e-9, source=source),
        Claim.theorem("K3", "A computer algebra finds no difference.", 0.0, data["symbolic_difference"],
                      source=source),
        Claim.theorem("K7", "The L1 norm of the whole gradient is cross-entropy's times the same factor, where the "
                      "weight is at most p_now/p_past of every wrong class.",
                      data["closed_gradient"].values[inside], data["whole_gradient"].values[inside], tolerance=1e-9,
                      source=source),
        Claim.theorem("K7", "Everywhere else it is larger.", data["closed_gradient"].values[~inside],
                      data["whole_gradient"].values[~inside], relation="≥", tolerance=1e-12, source=source,
                      note="the wrong classes then pull in both directions"),
        Claim.theorem("K4", "The surer a network has become of a label, the less its sample counts.", 0.0,
                      data["factor"].diff("now"), relation="≤", source=source),
        Claim.theorem("K4", "The surer it was before, the more.", 0.0, data["factor"].diff("past"),
                      relation="≥", source=source),
    ]  # fmt: skip


def draw(data: xr.Dataset) -> Figure:
    """Factor and schedules."""
    figure, axes = new_figure(2, height=3.9)
    factor, schedules = axes[0]
    for i, past in enumerate(data["past"].values):
        factor.plot(data["now"], data["factor"][i], color=COLOURS[i], label=f"past probability {past:g}")
        factor.plot(data["now"], data["measured_factor"][i], "o", markersize=3, color=COLOURS[i])
    factor.axhline(0, color=BOUND, linestyle=":")
    factor.set(
        xlabel="label's probability now", ylabel="factor on the gradient at the label", ylim=(-2.1, 1.05)
    )
    factor.set_title("Rescaling at α = 0.5")
    legend_below(factor)
    for i, name in enumerate(data["schedule"].values):
        schedules.plot(data["epoch"], data["weight"][i], color=COLOURS[i], label=str(name))
    schedules.set(
        xlabel="epoch t of 100",
        ylabel=r"weight $\alpha_t$ of the past",
        title=r"Schedules to $\alpha_T$ = 0.8",
    )
    legend_below(schedules)
    return figure
