"""Whose word counts: the weight of a soft label, and the samples on which distillation regularises.

Left, the weight ``1 − exp(−student's loss / teacher's loss)`` of a sample's soft label: from 0, where the student
already fits the label far better than its teacher, towards 1, where it is worse. Right, gradients at the label's
logit of random students and teachers at temperature 4: where the distillation term is positive it pushes the label
down (a regularization sample). Markers come from automatic differentiation of the loss, lines from the formula.
"""

from __future__ import annotations

import numpy as np
import torch
import xarray as xr
from matplotlib.figure import Figure

from ...empirical.losses.functional import distillation_loss, weighted_soft_label_loss
from ...theory import label_gradients, regularization_samples, soft_label_weights, softmax
from ..claim import Claim
from ..scale import Scale
from ..style import BOUND, COLOURS, MEASURED, THEORY, legend_below, new_figure

TEMPERATURE = 4.0
TEACHER_LOSSES = np.array([0.1, 0.5, 2.0])


def measure(scale: Scale) -> xr.Dataset:
    """Weights over losses; gradients by formula and by automatic differentiation."""
    rng = scale.rng(5, 2)
    n = scale.choose(smoke=40, quick=200, full=2000)
    student = torch.from_numpy(rng.normal(0, 3, (n, 6))).requires_grad_()
    teacher = torch.from_numpy(rng.normal(0, 3, (n, 6)))
    labels = torch.from_numpy(rng.integers(0, 6, n))
    rows = torch.arange(n)
    pure = distillation_loss(student, teacher, labels, TEMPERATURE, 1.0) * n
    gradient = torch.autograd.grad(pure, student)[0]
    closed = label_gradients(student.detach(), teacher, labels, TEMPERATURE)
    at_label = [softmax(z.detach(), TEMPERATURE)[rows, labels].numpy() for z in (student, teacher)]
    weighted = weighted_soft_label_loss(student, teacher, labels, TEMPERATURE, 2.25, reduction="none")
    losses = [-torch.log_softmax(z.detach(), -1)[rows, labels].numpy() for z in (student, teacher)]
    soft = -(softmax(teacher, TEMPERATURE) * torch.log_softmax(student.detach() / TEMPERATURE, -1)).sum(-1)
    by_hand = losses[0] + 2.25 * (1 - np.exp(-losses[0] / (losses[1] + 1e-7))) * TEMPERATURE**2 * soft.numpy()
    students = np.linspace(0, 3, 121)
    weights = np.stack([soft_label_weights(students, np.full_like(students, t)) for t in TEACHER_LOSSES])
    push = regularization_samples(student.detach(), teacher, labels, TEMPERATURE).numpy()
    magnitude = regularization_samples(student.detach(), teacher, labels, TEMPERATURE, "magnitude").numpy()
    return xr.Dataset(
        {
            "weight": (("teacher_loss", "student_loss"), weights),
            "gradient": ("sample", gradient[rows, labels].numpy()),
            "closed_gradient": ("sample", closed.distillation.numpy()),
            "difference": ("sample", at_label[0] - at_label[1]),
            "push": ("sample", push.astype(np.int32)),
            "magnitude": ("sample", magnitude.astype(np.int32)),
            "loss": ("sample", weighted.detach().numpy()),
            "loss_by_hand": ("sample", by_hand),
        },
        coords={"teacher_loss": TEACHER_LOSSES, "student_loss": students},
    )


def claims(data: xr.Dataset) -> list[Claim]:
    """W3-W5."""
    source = "selfdistill.theory.labels.bias_variance.label_gradients"
    return [
        Claim.theorem("W3", "Weights are at least 0.", 0.0, data["weight"], relation="≥",
                      source="selfdistill.theory.soft_label_weights"),
        Claim.theorem("W3", "Weights are below 1.", np.nextafter(1, 0), data["weight"], relation="≤",
                      source="selfdistill.theory.soft_label_weights"),
        Claim.theorem("W3", "Weights grow with the student's loss.", np.nextafter(0, 1),
                      data["weight"].diff("student_loss"), relation="≥",
                      source="selfdistill.theory.soft_label_weights"),
        Claim.theorem("W3", "The weighted loss is its formula, sample by sample.", data["loss_by_hand"],
                      data["loss"], tolerance=1e-9,
                      source="selfdistill.empirical.losses.functional.weighted_soft_label_loss",
                      note="the authors divide by the teacher's loss plus 1e-7"),
        Claim.theorem("W4", "Distillation's gradient in the logits is τ (p_student − p_teacher) at τ.",
                      data["closed_gradient"], data["gradient"], tolerance=1e-10, source=source),
        Claim.theorem("W5", "Distillation pushes the label down exactly where the student is surer of it.",
                      (data["difference"] > 0).astype(float), data["push"], source=source),
        Claim.theorem("W5", "Where it pushes the label down, what it adds outweighs the label's gradient.",
                      data["push"], data["magnitude"], relation="≥", source=source),
    ]  # fmt: skip


def draw(data: xr.Dataset) -> Figure:
    """Weights, and gradients at the label."""
    figure, axes = new_figure(2, height=3.9)
    weights, gradients = axes[0]
    for i, loss in enumerate(data["teacher_loss"].values):
        weights.plot(
            data["student_loss"], data["weight"][i], color=COLOURS[i], label=f"teacher's loss {loss:g}"
        )
    weights.set(
        xlabel="student's cross-entropy, nats", ylabel="weight w of the soft label", ylim=(-0.02, 1.02)
    )
    weights.set_title("Weighted soft labels")
    legend_below(weights)
    x = np.linspace(float(data["difference"].min()), float(data["difference"].max()), 2)
    gradients.axvspan(0, x[1], color=BOUND, alpha=0.15, label="regularization samples")
    gradients.plot(x, TEMPERATURE * x, color=THEORY, label="τ (p_student − p_teacher)")
    gradients.plot(
        data["difference"], data["gradient"], ".", color=MEASURED, label="automatic differentiation"
    )
    gradients.set(xlabel="student's less teacher's probability of the label, τ = 4")
    gradients.set(ylabel="gradient at the label's logit", title="What distillation asks of the label")
    legend_below(gradients, 2)
    return figure
