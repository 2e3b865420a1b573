"""One-round kernel: distillation is plain ridge regression with another kernel.

Two classes of digits (3 and 8, a fifth of the labels flipped) under an RBF kernel. For each round there is a
kernel with which a single ridge fit gives the same solution. Left, its trace and effective dimension, which fall
with every round, and the norm of the fit in its space, which need not. Right, the Rademacher bound on the test
error that this kernel gives, with its parts, above the measured test error. It says nothing here: it stays above 1, the
largest loss there is, in every round. What remains of the paper's argument is how its parts move.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from sklearn.kernel_ridge import KernelRidge
from sklearn.metrics.pairwise import rbf_kernel

from ...empirical.data.datasets import load
from ...theory import Spectrum, distill_to_tolerance, generalization_bound, one_round_kernel
from ...theory.distillation.one_round import bounded_loss
from ..claim import Claim
from ..scale import Scale
from ..style import ACCENT, BOUND, COLOURS, MEASURED, THEORY, legend_below, new_figure, rounds_axis

EPSILON = 0.1
FLIPPED = 0.2


def measure(scale: Scale) -> xr.Dataset:
    """Kernel of every round, its refit, and the bound against the measured error."""
    n = scale.choose(smoke=60, quick=200, full=200)
    data = load("digits-3-8", n_train=n, n_test=150, rng=scale.rng(5))
    flips = scale.rng(6).random(n) < FLIPPED
    y = np.where(flips, -data.signed, data.signed).astype(float)
    y_test = np.where(data.test_targets == 1, 1.0, -1.0)
    gamma = 0.3 / data.inputs.shape[1]
    gram = rbf_kernel(data.inputs, gamma=gamma).astype(float)
    cross = rbf_kernel(data.test_inputs, data.inputs, gamma=gamma).astype(float)
    gram = (gram + gram.T) / 2
    run = distill_to_tolerance(Spectrum.from_gram(gram, y), EPSILON)
    rows = []
    for t in range(1, run.rounds + 1):
        kernel = one_round_kernel(run, t)
        refit = KernelRidge(kernel="precomputed", alpha=n * kernel.ridge).fit(kernel.gram(), y)
        bound = generalization_bound(run, t)
        scores = run.predict(cross, t)
        rows.append(
            {
                "trace": kernel.trace,
                "effective_dimension": kernel.effective_dimension,
                "norm": kernel.norm,
                "refit_norm": float(np.sqrt(refit.dual_coef_ @ kernel.gram() @ refit.dual_coef_)),
                "refit_deviation": float(np.abs(refit.predict(kernel.gram()) - run.fitted(t)).max()),
                "training_error": bound.training_error,
                "complexity": bound.complexity,
                "bound": bound.total,
                # Noisy test labels: the bound is on the distribution that the sample came from.
                "test_ramp": float(expected_ramp(y_test, scores)),
                "test_error": float(np.mean(np.sign(scores) != y_test)),
            }
        )
    return xr.Dataset(
        {name: ("round", [row[name] for row in rows]) for name in rows[0]},
        coords={"round": np.arange(1, run.rounds + 1)},
    )


def expected_ramp(clean: np.ndarray, scores: np.ndarray) -> float:
    """Mean ramp loss over test labels flipped with the training labels' probability."""
    kept = bounded_loss(clean, scores, "ramp", 1.0)
    flipped = bounded_loss(-clean, scores, "ramp", 1.0)
    return float(np.mean((1 - FLIPPED) * kept + FLIPPED * flipped))


def claims(data: xr.Dataset) -> list[Claim]:
    """The one-round kernel gives the same fit, its trace falls, and its bound says nothing."""
    kernel, bound = "selfdistill.theory.one_round_kernel", "selfdistill.theory.generalization_bound"
    return [
        Claim.theorem("M13", "One scikit-learn fit with the one-round kernel gives the fit of round t.", 0.0,
                      data["refit_deviation"], tolerance=1e-8, source=kernel),
        Claim.theorem("M13", "The fit's norm in that kernel's space is the closed form's (relative deviation).", 0.0,
                      data["refit_norm"] / data["norm"] - 1, tolerance=1e-6, source=kernel),
        Claim.theorem("M13", "The trace of the one-round kernel falls with every round.", 0.0,
                      data["trace"].diff("round"), relation="≤", source=kernel),
        Claim.theorem("M20", "The Rademacher bound is vacuous here: above 1, the largest loss there is, in every "
                      "round. That no measured test error exceeds it is no evidence for it.", 1.0, data["bound"],
                      relation="≥", source=bound,
                      note=f"least bound {float(data['bound'].min()):.2f}, measured test ramp loss at most "
                      f"{float(data['test_ramp'].max()):.2f}"),
    ]  # fmt: skip


def draw(data: xr.Dataset) -> Figure:
    """Complexity of the kernel, and the bound with its parts."""
    figure, axes = new_figure(2, height=3.9)
    kernel, bound = axes[0]
    rounds = data["round"]
    for name, label, colour in (
        ("trace", "trace", THEORY),
        ("effective_dimension", "effective dimension", ACCENT),
        ("norm", "norm of the fit", COLOURS[3]),
    ):  # fmt: skip
        kernel.plot(rounds, data[name] / data[name][0], "o-", markersize=3, color=colour, label=label)
    kernel.set(ylabel="relative to round 1", title="The one-round kernel of every round", yscale="log")
    bound.plot(rounds, data["bound"], "o-", markersize=3, color=THEORY, label="Rademacher bound")
    bound.plot(rounds, data["complexity"], color=BOUND, linestyle="--", label="its complexity term")
    bound.plot(rounds, data["training_error"], color=BOUND, linestyle=":", label="its training error")
    bound.plot(rounds, data["test_ramp"], "s", markersize=4, color=MEASURED, label="test ramp loss")
    bound.plot(rounds, data["test_error"], "x", markersize=4, color="black", label="test error (clean)")
    bound.axhline(1, color="black", linestyle="--", linewidth=0.8, label="1, which no loss exceeds")
    bound.set(ylabel="loss", ylim=(0, None), title="Bound and measured error")
    for panel in (kernel, bound):
        rounds_axis(panel)
        legend_below(panel, 2)
    return figure
