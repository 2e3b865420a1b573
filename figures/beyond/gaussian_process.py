"""Gaussian processes: distil the mean, or the whole posterior.

A Gaussian process is fitted to eleven noisy points of a sinusoid and distilled. Left, every round is fitted to the
mean of the one before: more regularisation with every round, and an uncertainty that knows of it, the expected error
of that round's prediction under the prior. Middle, the posterior becomes the next prior and is shown the same targets
again: a process with noise 1/Σ(1/α), less regularisation with every round, and a band that shrinks though nothing new
was seen. Right, the mean variance over the line, by round. Bands are two standard deviations of the function.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF

from ...theory import Spectrum, distill_distribution, distill_mean
from ..claim import Claim
from ..reference import Array, toy_sinusoid
from ..scale import Scale
from ..style import COLOURS, new_figure, rounds_axis

KERNEL = RBF(0.12)
NOISE, ROUNDS = 0.3, 6
DRAWN = (1, 2, 6)


def measure(scale: Scale) -> xr.Dataset:
    """Both methods in closed form, scikit-learn beside them, and errors of functions drawn from the prior."""
    draws = scale.choose(smoke=400, quick=8000, full=100_000)
    toy = toy_sinusoid()
    x, line = toy.x[:, None], np.linspace(-0.1, 1.1, 61)[:, None]
    alphas = np.full(ROUNDS, NOISE)
    arguments = (alphas, KERNEL(line, x), KERNEL.diag(line))
    spectrum = Spectrum.from_gram(KERNEL(x), toy.y)
    mean, distribution = distill_mean(spectrum, *arguments), distill_distribution(spectrum, *arguments)
    refits, repeated, spreads = _references(x, line, toy.y)
    both = np.vstack([x, line])
    functions = np.linalg.cholesky(KERNEL(both) + 1e-9 * np.eye(len(both))) @ scale.rng(103).normal(
        size=(len(both), draws)
    )
    noisy = functions[: len(x)] + np.sqrt(NOISE) * scale.rng(104).normal(size=(len(x), draws))
    drawn = distill_mean(Spectrum.from_gram(KERNEL(x), noisy), *arguments)
    errors = (drawn.means - functions[len(x) :]) ** 2
    return xr.Dataset(
        {
            "mean": (("way", "round", "line"), [mean.means, distribution.means]),
            "variance": (("way", "round", "line"), [mean.variances, distribution.variances]),
            "reference": (("way", "round", "line"), [refits, repeated]),
            "reference_variance": (("round", "line"), spreads),
            "error": (("round", "line"), errors.mean(axis=2)),
            "standard_error": (("round", "line"), errors.std(axis=2, ddof=1) / np.sqrt(draws)),
            "noise": ("round", distribution.noise_variances),
            "targets": ("x", toy.y),
        },
        coords={"way": ["mean", "distribution"], "round": np.arange(1, ROUNDS + 1), "line": line[:, 0],
                "x": toy.x},
    )  # fmt: skip


def _references(x: Array, line: Array, y: Array) -> tuple[Array, Array, Array]:
    """scikit-learn: means of refits to the mean; means and variances on data repeated once a round."""
    refits, repeated, spreads, targets = [], [], [], y
    for t in range(1, ROUNDS + 1):
        model = GaussianProcessRegressor(KERNEL, alpha=NOISE, optimizer=None).fit(x, targets)
        refits.append(model.predict(line))
        targets = model.predict(x)
        model = GaussianProcessRegressor(KERNEL, alpha=NOISE, optimizer=None)
        values, deviation = model.fit(np.vstack([x] * t), np.tile(y, t)).predict(line, return_std=True)
        repeated.append(values)
        spreads.append(deviation**2)
    return np.array(refits), np.array(repeated), np.array(spreads)


def claims(data: xr.Dataset) -> list[Claim]:
    """Both methods against scikit-learn, and the variance that knows the round against draws from the prior."""
    deviation = np.abs(data["error"] - data["variance"].sel(way="mean")) / data["standard_error"]
    return [
        Claim.theorem("G1", "Distilling the mean is refitting to it: scikit-learn's means, round by round.",
                      data["reference"].sel(way="mean"), data["mean"].sel(way="mean"), tolerance=1e-7,
                      source="selfdistill.theory.distill_mean"),
        Claim.theorem("G1", "Distilling the distribution is a process on the data repeated once a round: means …",
                      data["reference"].sel(way="distribution"), data["mean"].sel(way="distribution"),
                      tolerance=1e-7, source="selfdistill.theory.distill_distribution"),
        Claim.theorem("G1", "… and variances.", data["reference_variance"],
                      data["variance"].sel(way="distribution"), tolerance=1e-7,
                      source="selfdistill.theory.distill_distribution"),
        Claim.theorem("G1", "Its noise after t rounds is 1/Σ(1/α).", NOISE / data["round"].values, data["noise"],
                      tolerance=1e-12, source="selfdistill.theory.distill_distribution"),
        Claim.theorem("G1", "The variance of a distilled mean is the error of functions drawn from the prior "
                      "(in standard errors).", 5.0, deviation, relation="≤",
                      source="selfdistill.theory.distill_mean"),
    ]  # fmt: skip


def draw(data: xr.Dataset) -> Figure:
    """Means with bands for both methods, and the mean variance by round."""
    figure, axes = new_figure(3, width=4.0, height=3.5)
    titles = ("Distilled mean", "Distilled distribution")
    for panel, method, title in zip(axes[0], data["way"].values, titles, strict=False):
        for i, t in enumerate(DRAWN):
            here = data.sel(way=method, round=t)
            band = 2 * np.sqrt(here["variance"])
            panel.plot(data["line"], here["mean"], color=COLOURS[i], label=f"round {t}")
            panel.fill_between(data["line"], here["mean"] - band, here["mean"] + band, color=COLOURS[i], alpha=0.12,
                               linewidth=0)  # fmt: skip
        panel.plot(data["x"], data["targets"], "o", color="black", markersize=3.5)
        panel.set(xlabel="x", ylabel="y", title=title, ylim=(-2.6, 2.6))
    axes[0, 0].legend(loc="upper right")
    panel = axes[0, 2]
    for i, method in enumerate(data["way"].values):
        panel.plot(data["round"], data["variance"].sel(way=method).mean("line"), "o-", color=COLOURS[i],
                   markersize=4, label=f"distilled {method}")  # fmt: skip
    panel.set(ylabel="mean variance over the line", title="What each believes of itself")
    panel.set_ylim(bottom=0)
    rounds_axis(panel)
    panel.legend()
    return figure
