"""Risk: bias, variance and the best round.

A noisy sinusoid under an RBF kernel and a fixed ridge. Every round adds bias and removes variance, so the risk
falls and then rises; the closed form names the round at which to stop. Dots are Monte Carlo over fresh noise,
with intervals of three standard errors. The dotted line is an unbiased estimate from one noisy data set, which
knows the noise level but not the truth (Mallows). Its height is off by the luck of that draw, almost by the
same amount in every round (the draw's own noise has more or less energy than expected), so only its least round
matters: it is marked too.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from sklearn.metrics.pairwise import rbf_kernel

from ...theory import Spectrum, distill_with_ridge, estimated_risk, risk_curve
from ..claim import Claim
from ..scale import Scale
from ..style import ACCENT, BOUND, MEASURED, THEORY, legend_below, new_figure, rounds_axis

NOISE = 0.5
RIDGE = 2e-3


def measure(scale: Scale) -> xr.Dataset:
    """Closed form, Monte Carlo and the estimate of one draw."""
    n, rounds = 80, 40
    draws = scale.choose(smoke=300, quick=5000, full=50_000)
    x = np.linspace(0, 1, n)
    truth = np.sin(2 * np.pi * x)
    gram = rbf_kernel(x[:, None], gamma=50.0)
    noise = NOISE * scale.rng(4).normal(size=(n, draws))
    run = distill_with_ridge(Spectrum.from_gram(gram, truth + noise[:, 0]), RIDGE, rounds)
    curve = risk_curve(run, truth, NOISE**2)
    smoother = np.linalg.solve(gram + n * RIDGE * np.eye(n), gram)  # independent of the spectrum
    errors, fits = [], truth[:, None] + noise
    for _ in range(rounds):
        fits = smoother @ fits
        errors.append(np.mean((fits - truth[:, None]) ** 2, axis=0))
    return xr.Dataset(
        {
            "squared_bias": ("round", curve.squared_bias),
            "variance": ("round", curve.variance),
            "risk": ("round", curve.risk),
            "monte_carlo": ("round", np.mean(errors, axis=1)),
            "standard_error": ("round", np.std(errors, axis=1, ddof=1) / np.sqrt(draws)),
            "estimate": ("round", estimated_risk(run, NOISE**2)),
            "best_round": curve.best_round,
        },
        coords={"round": np.arange(1, rounds + 1)},
    )


def claims(data: xr.Dataset) -> list[Claim]:
    """The closed form is what Monte Carlo finds, and falls and rises around the best round."""
    source = "selfdistill.theory.risk_curve"
    best = int(data["best_round"])
    risk = data["risk"].values
    deviation = np.abs(data["monte_carlo"] - data["risk"]) / data["standard_error"]
    steps = np.diff(risk)
    at_best = data.sel(round=best)
    found = data["monte_carlo"].min()
    return [
        Claim.theorem("M15", "Monte Carlo agrees with the closed-form risk in every round (in standard errors).",
                      4.0, deviation, relation="≤", source=source),
        Claim.theorem("M15", "Risk falls until the best round …", 0.0, steps[: best - 1], relation="≤",
                      source=source),
        Claim.theorem("M15", "… and rises after it.", 0.0, steps[best - 1 :], relation="≥", source=source),
        Claim.theorem("M15", "The predicted best round is the Monte Carlo one, up to noise (measured risk there).",
                      found, at_best["monte_carlo"], tolerance=float(4 * at_best["standard_error"]),
                      source=source),
    ]  # fmt: skip


def draw(data: xr.Dataset) -> Figure:
    """Bias, variance, risk and Monte Carlo."""
    figure, axes = new_figure(width=6.2, height=4.0)
    panel, rounds = axes[0, 0], data["round"]
    panel.plot(rounds, data["squared_bias"], color=ACCENT, linestyle="--", label="squared bias")
    panel.plot(rounds, data["variance"], color=BOUND, linestyle="--", label="variance")
    panel.plot(rounds, data["risk"], color=THEORY, label="risk, closed form")
    panel.errorbar(
        rounds, data["monte_carlo"], 3 * data["standard_error"], fmt="o", markersize=3, color=MEASURED,
        label="Monte Carlo",
    )  # fmt: skip
    panel.plot(
        rounds, data["estimate"], color="black", linestyle=":", linewidth=1, label="estimate from one draw"
    )
    top = 1.12 * max(float(data["risk"].max()), float(data["estimate"].max()))
    panel.set_ylim(0, top)
    best, own = int(data["best_round"]), int(data["round"][int(np.argmin(data["estimate"].values))])
    for at, text, colour, height in (
        (best, f"least risk: round {best}", THEORY, 0.97), (own, f"least estimate: round {own}", "black", 0.90),
    ):  # fmt: skip
        panel.axvline(at, color=colour, linewidth=0.8, linestyle="-" if colour == THEORY else ":")
        at_text = (max(best, own), height * top)
        panel.annotate(text, at_text, xytext=(5, -6), textcoords="offset points", fontsize=8, color=colour)
    panel.set(ylabel="mean squared error against the truth", title="Every round trades variance for bias")
    rounds_axis(panel)
    legend_below(panel)
    return figure
