"""Mixing steps: what k rounds can reach when their weights are free.

Risk of the best mixture of k + 1 fits over the ridge that they share. Left, twenty directions of which only the
weakest holds signal: no ridge is good, one step at the best ridge adds nothing, and three steps come near to the
Wiener filter, which needs one step for each distinct eigenvalue at most. Right, a smooth truth under a radial kernel:
there the best ridge is already near the Wiener filter, and what mixing gives is that the ridge need not be tuned.
The stairs of ten steps are no rounding: each is one more pair of eigenvalues told apart, and 60-digit arithmetic
gives the same. Crosses are Monte Carlo over refits, up to three steps: the weights of ten cancel each other too well
for a sum of refits. Thin lines are the best of other schedules at the same ridge: the best number of
plain rounds, and the best constant weight on the ground truth over eight rounds.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from ...theory import FixedRidge, Spectrum, distill, oracle_mixing, risk_curve
from ..claim import Claim
from ..reference import Array
from ..scale import Scale
from ..style import BOUND, COLOURS, legend_below, new_figure

STEPS = (0, 1, 2, 3, 10)
REFITTED = (0, 1, 2, 3)
PROBLEMS = ("weak signal", "smooth truth")
ROUNDS = 40
SOURCE = "selfdistill.theory.oracle_mixing"


def problems() -> list[tuple[Array, Array, float, Array]]:
    """Gram, truth, noise variance and the ridges to draw, for each problem."""
    weak = np.diag(20 * np.linspace(1, 2, 20) ** 2)
    x = np.linspace(0, 1, 60)
    smooth = np.exp(-30 * (x[:, None] - x) ** 2)
    return [
        (weak, np.eye(20)[0], 0.01, np.geomspace(1e-2, 1e2, 33)),
        (smooth, np.sin(2 * np.pi * x), 0.25, np.geomspace(1e-5, 1, 33)),
    ]


def measure(scale: Scale) -> xr.Dataset:
    """Risk of each number of steps, of other schedules, and by Monte Carlo at a few ridges."""
    draws = scale.choose(smoke=400, quick=4000, full=40_000)
    parts = [
        _measure(gram, truth, variance, ridges, draws, scale.rng(61, i))
        for i, (gram, truth, variance, ridges) in enumerate(problems())
    ]
    return xr.concat(parts, dim="problem").assign_coords(problem=list(PROBLEMS))


def _measure(
    gram: Array, truth: Array, variance: float, ridges: Array, draws: int, rng: np.random.Generator
) -> xr.Dataset:
    n = len(truth)
    spectrum = Spectrum.from_gram(gram, truth)
    risk = [[_best_risk(spectrum, c, k, truth, variance) for c in ridges] for k in STEPS]
    plain = [risk_curve(distill(spectrum, FixedRidge(c, ROUNDS)), truth, variance).risk.min() for c in ridges]
    weighted = [
        min(
            risk_curve(distill(spectrum, FixedRidge(c, 8, w)), truth, variance).risk[-1]
            for w in np.linspace(0, 1, 21)
        )
        for c in ridges
    ]
    noisy = truth[:, None] + np.sqrt(variance) * rng.normal(size=(n, draws))
    checked = np.arange(4, len(ridges), 8)
    simulated, error = np.empty((len(REFITTED), len(checked))), np.empty((len(REFITTED), len(checked)))
    for j, position in enumerate(checked):
        c = ridges[position]
        smoother = np.linalg.solve(gram + n * c * np.eye(n), gram)
        for i, k in enumerate(REFITTED):
            weights = oracle_mixing(spectrum, c, k, truth, variance).weights if k else np.zeros(0)
            fit = left = smoother @ noisy
            for weight in weights:  # residuals of residuals: no cancelling powers
                left = left - smoother @ left
                fit = fit + weight * left
            errors = np.mean((fit - truth[:, None]) ** 2, axis=0)
            simulated[i, j], error[i, j] = errors.mean(), errors.std(ddof=1) / np.sqrt(draws)
    coefficients = spectrum.with_targets(truth).weights
    wiener = np.mean(coefficients * variance / (coefficients + variance))
    return xr.Dataset(
        {
            "risk": (("steps", "position"), risk),
            "ridge": ("position", ridges),
            "plain": ("position", plain),
            "weighted": ("position", weighted),
            "simulated": (("refitted", "checked"), simulated),
            "standard_error": (("refitted", "checked"), error),
            "wiener": float(wiener),
        },
        coords={"steps": list(STEPS), "refitted": list(REFITTED), "checked": checked},
    )


def _best_risk(spectrum: Spectrum, ridge: float, steps: int, truth: Array, variance: float) -> float:
    if steps:
        return oracle_mixing(spectrum, ridge, steps, truth, variance).risk
    return float(risk_curve(distill(spectrum, FixedRidge(ridge, 1)), truth, variance).risk[0])


def claims(data: xr.Dataset) -> list[Claim]:
    """O1 to O3, with the numbers of the example."""
    risk = data["risk"]
    closed = risk.sel(steps=list(REFITTED)).isel(position=data["checked"].values).values
    deviation = np.abs(data["simulated"].values - closed) / data["standard_error"].values
    weak = 20 * risk.sel(problem="weak signal").min("position")
    return [
        Claim.theorem("O1", "Refits mixed with the weights have the closed-form risk (in standard errors).", 4.5,
                      deviation, relation="≤", source=SOURCE),
        Claim.theorem("O1", "More steps never have a larger least risk.", 0.0, risk.diff("steps"), relation="≤",
                      tolerance=1e-10, source=SOURCE),
        Claim.theorem("O3", "No number of steps is better than the Wiener filter.",
                      data["wiener"].values[:, None, None], risk,
                      relation="≥", tolerance=1e-10, source=SOURCE),
        Claim.theorem("O1", "Mixtures of eight or more fits are at least as good as the best constant ground truth "
                      "weight over eight rounds at the same ridge.",
                      data["weighted"], risk.sel(steps=10), relation="≤", tolerance=1e-9, source=SOURCE),
        Claim.theorem("O2", "With the weak signal one step at the best ridge adds nothing (sum over samples).",
                      weak.sel(steps=0), weak.sel(steps=1), tolerance=2e-3, source=SOURCE),
        Claim.theorem("O3", "Three steps bring its risk from 0.1895 to 0.0157; the Wiener filter's is 0.0099.",
                      0.0157, weak.sel(steps=3), tolerance=1e-4, source=SOURCE),
    ]  # fmt: skip


def draw(data: xr.Dataset) -> Figure:
    """Risk over the ridge for each number of steps."""
    figure, axes = new_figure(2, width=5.0, height=4.3)
    for panel, name in zip(axes[0], PROBLEMS, strict=True):
        here = data.sel(problem=name)
        for i, steps in enumerate(STEPS):
            label = "ridge" if steps == 0 else f"{steps} step{'s' if steps > 1 else ''}"
            panel.plot(here["ridge"], here["risk"].sel(steps=steps), color=COLOURS[i], label=label)
            if steps in REFITTED:
                checked = here["ridge"][data["checked"].values]
                panel.plot(checked, here["simulated"][i], "x", color=COLOURS[i])
        panel.plot(
            here["ridge"], here["plain"], ":", color="black", linewidth=1, label="best number of plain rounds"
        )
        panel.plot(
            here["ridge"],
            here["weighted"],
            "--",
            color="black",
            linewidth=1,
            label="best ground truth weight",
        )
        panel.axhline(
            float(here["wiener"]), color="black", linestyle="-.", linewidth=1, label="Wiener filter"
        )
        panel.set(xscale="log", yscale="log", xlabel="ridge c", ylabel="risk, mean over samples",
                  title=name.capitalize())  # fmt: skip
    legend_below(axes[0, 0], 2)
    axes[0, 1].plot([], [], "x", color=BOUND, label="Monte Carlo over refits")
    axes[0, 1].legend(*(part[-1:] for part in axes[0, 1].get_legend_handles_labels()), loc="upper center")
    return figure
