"""Mixing weight: how much of the second fit the best mixture takes.

After one round of self-distillation the fits of rounds 1 and 2 are mixed with weights 1 − ξ and ξ. The best ξ for a
known truth is drawn over the ridge and the noise. It is zero exactly where the ridge is already the best one (black
line; dots are the best ridges found by a search that knows no mixing), negative where the ridge is too large, which
no weight between 0 and 1 can mend, and above 1 where it is far too small (dashed line).
"""

from __future__ import annotations

import numpy as np
import scipy.optimize
import xarray as xr
from matplotlib.figure import Figure

from ...theory import Spectrum, oracle_mixing
from ..claim import Claim
from ..reference import Array
from ..scale import Scale
from ..style import MEASURED, new_figure

DIRECTIONS = 60
SOURCE = "selfdistill.theory.oracle_mixing"


def problem() -> tuple[Array, Array]:
    """Eigenvalues and truth, both falling like powers; the truth's mean square is 1."""
    k = np.arange(DIRECTIONS, 0, -1)
    truth = k**-1.0
    return k**-2.0, truth * np.sqrt(DIRECTIONS / np.sum(truth**2))


def ridge_risk(log_ridge: float | Array, variance: float) -> Array:
    """Risk of plain ridge, a mean over samples."""
    d, truth = problem()
    a = d / (d + np.exp(np.asarray(log_ridge))[..., None])
    return np.asarray(np.mean((1 - a) ** 2 * truth**2 + variance * a**2, axis=-1))


def measure(scale: Scale) -> xr.Dataset:
    """Best weights on a grid, best ridges by search, and the slope of ridge's risk by differences."""
    side = scale.choose(smoke=9, quick=40, full=120)
    d, truth = problem()
    spectrum = Spectrum.from_eigenvalues(d, truth)
    ridges, variances = np.geomspace(1e-4, 1, side), np.geomspace(1e-2, 10, side)
    weights = np.array(
        [[oracle_mixing(spectrum, c, 1, truth, s).round_weights[1] for c in ridges] for s in variances]
    )
    step = 1e-4
    slopes = np.array(
        [(ridge_risk(np.log(ridges) + step, s) - ridge_risk(np.log(ridges) - step, s)) / (2 * step)
         for s in variances]
    )  # fmt: skip
    a = d / (d + ridges[:, None])
    curvature = np.array([2 * np.mean((a * (1 - a)) ** 2 * (truth**2 + s), axis=1) for s in variances])
    best = [
        scipy.optimize.minimize_scalar(
            ridge_risk, bounds=(-14, 6), args=(s,), method="bounded", options={"xatol": 1e-7}
        ).x
        for s in variances
    ]
    at_best = [
        oracle_mixing(spectrum, float(np.exp(c)), 1, truth, s).round_weights[1]
        for c, s in zip(best, variances, strict=True)
    ]
    return xr.Dataset(
        {
            "weight": (("noise_variance", "ridge"), weights),
            "by_slope": (("noise_variance", "ridge"), -slopes / curvature),
            "best_ridge": ("noise_variance", np.exp(best)),
            "weight_at_best": ("noise_variance", at_best),
        },
        coords={"ridge": ridges, "noise_variance": variances},
    )


def claims(data: xr.Dataset) -> list[Claim]:
    """The weight is the slope of ridge's risk, has its sign, and leaves [0, 1] on both sides."""
    weight = data["weight"].values
    too_large = data["ridge"].values > 1.05 * data["best_ridge"].values[:, None]
    too_small = data["ridge"].values < 0.95 * data["best_ridge"].values[:, None]
    return [
        Claim.theorem("O2", "The best weight is minus the slope of ridge's risk in log ridge over its curvature.",
                      data["by_slope"], data["weight"], tolerance=1e-5, source=SOURCE),
        Claim.theorem("O2", "At the best ridge the best weight is zero: one round can add nothing.", 0.0,
                      data["weight_at_best"], tolerance=1e-5, source=SOURCE),
        Claim.theorem("O2", "Where the ridge is too large the best weight is negative …", 0.0,
                      weight[too_large], relation="≤", source=SOURCE),
        Claim.theorem("O2", "… and where it is too small, positive.", 0.0, weight[too_small], relation="≥",
                      source=SOURCE),
        Claim.theorem("O2", "At high noise and a small ridge the best weight is above 1.", 1.0, weight[-1, 0],
                      relation="≥", source=SOURCE),
    ]  # fmt: skip


def draw(data: xr.Dataset) -> Figure:
    """Map of the best weight with its lines 0 and 1."""
    figure, ((panel,),) = new_figure(width=5.8, height=4.2)
    ridge, noise = data["ridge"].values, data["noise_variance"].values
    mesh = panel.pcolormesh(
        ridge, noise, data["weight"], cmap="RdBu_r", vmin=-2, vmax=2, shading="nearest", rasterized=True
    )
    for level, style in ((0, "-"), (1, "--")):
        panel.contour(ridge, noise, data["weight"], levels=[level], colors="black", linestyles=[style])
        panel.plot([], [], color="black", linestyle=style, label=f"ξ = {level}")
    inside = (data["best_ridge"] >= ridge[0]) & (data["best_ridge"] <= ridge[-1])
    each = max(1, int(inside.sum()) // 12)
    panel.plot(
        data["best_ridge"].values[inside][::each], noise[inside][::each], "o", color=MEASURED, markersize=5,
        markeredgecolor="white", label="best ridge, by search",
    )  # fmt: skip
    panel.set(xscale="log", yscale="log", xlabel="ridge c", ylabel="noise variance s² (truth: 1)",
              title="Best weight of the second fit")  # fmt: skip
    panel.set_xlim(ridge[0], ridge[-1])
    panel.legend(loc="upper left", frameon=True)
    figure.colorbar(mesh, ax=panel, label="best weight ξ", extend="both")
    return figure
