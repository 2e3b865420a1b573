"""Soft labels as a posterior: the teacher is a prior, and its weight is the prior's strength.

Left, the maximum a posteriori of an instance's class probabilities under a Dirichlet prior of strength γ around
the teacher's output, after one observed label: found by numerical optimisation (markers) and as the mixture of
label and teacher with weight γ/(1 + γ), which is the target of distillation (lines). A uniform teacher gives
label smoothing. Right, Beta smoothing: random masses are dealt so that a surer sample gets more on its label.
"""

from __future__ import annotations

import numpy as np
import scipy.optimize
import torch
import xarray as xr
from matplotlib.figure import Figure

from ...empirical.losses.functional import distillation_loss
from ...theory import (
    beta_mean,
    beta_targets,
    dirichlet_mode,
    distillation_weight,
    label_posterior,
    label_smoothing,
    mixed_targets,
)
from ...theory.base.validation import Array
from ..claim import Claim
from ..scale import Scale
from ..style import BOUND, COLOURS, MEASURED, THEORY, legend_below, new_figure

TEACHER = np.array([[0.15, 0.6, 0.25]])
LABEL = np.array([0])
SHAPES = np.array([0.5, 1.0, 3.0, 10.0])


def maximise(concentration: Array) -> Array:
    """Maximum of ``Σ (c − 1) log p`` over the simplex, by a general optimiser over logits."""

    def loss(z: Array) -> float:
        z = np.append(z, 0.0)
        return float(-((concentration - 1) * (z - np.logaddexp.reduce(z))).sum())

    z = np.append(scipy.optimize.minimize(loss, np.zeros(len(concentration) - 1), tol=1e-12).x, 0.0)
    return np.asarray(np.exp(z - np.logaddexp.reduce(z)))


def measure(scale: Scale) -> xr.Dataset:
    """Posterior modes two ways over strengths, gradients two ways, and one dealt batch."""
    strengths = np.geomspace(0.05, 20, scale.choose(smoke=6, quick=12, full=40))
    posteriors = [label_posterior(LABEL, TEACHER, g) for g in strengths]
    uniform = np.full((1, 3), 1 / 3)
    rng = scale.rng(5, 1)
    logits = torch.from_numpy(rng.normal(0, 2, (64, 5))).requires_grad_()
    teacher = torch.from_numpy(rng.normal(0, 2, (64, 5)))
    labels = torch.from_numpy(rng.integers(0, 5, 64))
    loss = distillation_loss(logits, teacher, labels, 1.0, 0.4) * 64
    gradient = torch.autograd.grad(loss, logits)[0].numpy()
    mixed = mixed_targets(labels, teacher.softmax(-1), 0.4)
    confidence, draws = np.sort(rng.random(100)), rng.beta(3.0, 1.0, 100)
    n_draws = scale.choose(smoke=1000, quick=100_000, full=1_000_000)
    samples = rng.beta(SHAPES[:, None], 1.0, (len(SHAPES), n_draws))
    return xr.Dataset(
        {
            "mixture": (("strength", "class"), np.concatenate(
                [mixed_targets(LABEL, TEACHER, distillation_weight(g)) for g in strengths])),
            "mode": (("strength", "class"), np.concatenate([dirichlet_mode(c) for c in posteriors])),
            "optimum": (("strength", "class"), np.stack([maximise(c[0]) for c in posteriors])),
            "uniform_mode": (("strength", "class"), np.concatenate(
                [dirichlet_mode(label_posterior(LABEL, uniform, g)) for g in strengths])),
            "smoothed": (("strength", "class"), np.concatenate(
                [label_smoothing(LABEL, distillation_weight(g), 3) for g in strengths])),
            "gradient": (("sample", "logit"), gradient),
            "mixed_gradient": (("sample", "logit"), (logits.softmax(-1) - mixed).detach().numpy()),
            "confidence": ("dealt", confidence),
            "mass": ("dealt", beta_targets(np.zeros(100, int), confidence, draws, 10)[:, 0]),
            "beta_mean": ("shape", [beta_mean(a) for a in SHAPES]),
            "drawn_mean": ("shape", samples.mean(axis=1)),
            "drawn_error": ("shape", samples.std(axis=1) / np.sqrt(n_draws)),
        },
        coords={"strength": strengths, "shape": SHAPES},
    )  # fmt: skip


def claims(data: xr.Dataset) -> list[Claim]:
    """Z1-Z5."""
    standardised = (data["drawn_mean"] - data["beta_mean"]) / data["drawn_error"]
    return [
        Claim.theorem("Z1", "The posterior mode is the mixture of label and teacher with weight γ/(1 + γ).",
                      data["mixture"], data["mode"], tolerance=1e-12,
                      source="selfdistill.theory.label_posterior"),
        Claim.theorem("Z1", "A general optimiser finds the same mode.", data["mixture"], data["optimum"],
                      tolerance=1e-5, source="selfdistill.theory.mixed_targets"),
        Claim.theorem("Z2", "A uniform prior gives label smoothing.", data["smoothed"], data["uniform_mode"],
                      tolerance=1e-12, source="selfdistill.theory.label_smoothing"),
        Claim.theorem("Z3", "Distillation at temperature 1 has the gradient of cross-entropy to the mixture.",
                      data["mixed_gradient"], data["gradient"], tolerance=1e-12,
                      source="selfdistill.empirical.losses.functional.distillation_loss"),
        Claim.theorem("Z4", "The mean mass on the label is a/(a + 1), within five standard errors.", 0.0,
                      standardised, tolerance=5.0, source="selfdistill.theory.beta_mean",
                      note="in standard errors of the Monte Carlo mean"),
        Claim.theorem("Z5", "Masses keep the order of confidences: no surer sample gets less.", 0.0,
                      data["mass"].diff("dealt"), relation="≥", source="selfdistill.theory.beta_targets"),
    ]  # fmt: skip


def draw(data: xr.Dataset) -> Figure:
    """Modes over strength, and a dealt batch."""
    figure, axes = new_figure(2, height=3.9)
    modes, dealt = axes[0]
    for k, name in enumerate(("label", "teacher's first choice", "third class")):
        modes.semilogx(data["strength"], data["mixture"][:, k], color=COLOURS[k], label=f"{name}: mixture")
        modes.semilogx(data["strength"], data["optimum"][:, k], "o", markersize=4, color=COLOURS[k],
                       label=f"{name}: optimiser")  # fmt: skip
    modes.set(xlabel="strength γ of the prior", ylabel="target probability")
    modes.set_title("Posterior mode after one label")
    legend_below(modes, 2)
    dealt.plot(data["confidence"], data["mass"], ".", color=MEASURED, label="dealt masses, a = 3")
    dealt.axhline(beta_mean(3.0), color=THEORY, label="mean a/(a + 1)")
    dealt.axhline(1.0, color=BOUND, linestyle=":", label="hard label")
    dealt.set(xlabel="EMA model's probability of the label", ylabel="mass on the label", ylim=(0, 1.05))
    dealt.set_title("Beta smoothing of one batch")
    legend_below(dealt)
    return figure
