"""Collapse phases: self-distillation and model collapse in one picture.

A pipeline trains every generation on a share of real labels and, for the rest, on its own outputs. Colour: the risk
after thirty generations over that of the first. Blue pipelines improve, white ones stay, red ones decay; hatched ones
are worse than predicting zero: they have collapsed. Rows: little and much noise in the labels. Columns: how noisy the
pipeline's own outputs are. Without noise of their own (left) this is self-distillation with ground truth, where
improvement is a matter of a ridge that was too small. With it (right) nothing but real labels, or a ridge that averages
the noise away, keeps a pipeline from decaying. The real labels are the same in every generation.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from ...theory import OwnOutputs, Spectrum, distill, own_outputs, risk_curve
from ..claim import Claim
from ..reference import Array
from ..scale import Scale
from ..style import new_figure

N, GENERATIONS = 40, 30
NOISE, FRESH = (0.05, 1.0), (0.0, 0.1, 1.0)
SOURCE = "selfdistill.theory.own_outputs"


def problem() -> tuple[Array, Array]:
    """A gram of full rank, and a smooth truth of mean square ½."""
    x = np.linspace(0, 1, N)
    return np.exp(-6 * np.abs(x[:, None] - x)), np.sin(2 * np.pi * x)


def measure(scale: Scale) -> xr.Dataset:
    """Risk of the first and last generation in every cell, and Monte Carlo in a few."""
    side, draws = scale.choose(smoke=(6, 200), quick=(20, 1000), full=(80, 10_000))
    gram, truth = problem()
    spectrum = Spectrum.from_gram(gram, truth)
    ridges, shares = np.geomspace(1e-4, 1, side), np.linspace(0, 1, side)
    parts = np.array([[_ends(spectrum, truth, c, w) for w in shares] for c in ridges])
    risks = np.array([[parts @ [1, s, fresh * s] for fresh in FRESH] for s in NOISE])
    rng = scale.rng(95)
    checked, simulated, error = [], [], []
    for _ in range(scale.choose(smoke=3, quick=10, full=40)):
        cell = tuple(int(rng.integers(size)) for size in risks.shape[:-1])
        noise = NOISE[cell[0]]
        last = _refit(
            gram, truth, ridges[cell[2]], shares[cell[3]], noise, FRESH[cell[1]] * noise, draws, rng
        )
        checked.append(risks[cell][1])
        simulated.append(last.mean())
        error.append(last.std(ddof=1) / np.sqrt(draws))
    kept = own_outputs(
        spectrum, ridges[side // 2], 8, 1.0, fresh_noise_variance=0.0, real_share=0.3, real_labels="kept"
    )
    axes = ("noise", "fresh", "ridge", "share")
    return xr.Dataset(
        {
            "first": (axes, risks[..., 0]),
            "last": (axes, risks[..., 1]),
            "checked": ("cell", checked),
            "simulated": ("cell", simulated),
            "standard_error": ("cell", error),
            "kept": ("round", kept.risk(truth).risk),
            "distilled": ("round", _distilled(gram, truth, ridges[side // 2], 0.3, 8)),
            "zero": float(np.mean(truth**2)),
        },
        coords={"noise": list(NOISE), "fresh": list(FRESH), "ridge": ridges, "share": shares},
    )


def _distilled(gram: Array, truth: Array, ridge: float, weight: float, rounds: int) -> Array:
    """Risk of ridge with ground truth at a noise of 1, from products of the smoother's matrix."""
    smoother = np.linalg.solve(gram + N * ridge * np.eye(N), gram)
    operator, risks = np.eye(N), []
    for _ in range(rounds):
        operator = smoother @ (weight * np.eye(N) + (1 - weight) * operator)
        risks.append((np.sum((truth - operator @ truth) ** 2) + np.sum(operator**2)) / N)
    return np.array(risks)


def _ends(spectrum: Spectrum, truth: Array, ridge: float, share: float) -> Array:
    """Bias, and variance a unit of the labels' and of the outputs' noise, of the first and the last fit: (2, 3)."""
    schedule = OwnOutputs(ridge, GENERATIONS, share, fresh_noise_variance=1.0)
    run = distill(spectrum, schedule)
    parts = [
        risk_curve(run, truth, 0.0).squared_bias,
        np.mean(run.filters**2, axis=1),
        run.variances.mean(axis=1),
    ]
    return np.array(parts)[:, [0, -1]].T


def _refit(
    gram: Array, truth: Array, ridge: float, share: float, noise: float, fresh: float, draws: int,
    rng: np.random.Generator,
) -> Array:  # fmt: skip
    """Squared distance of the last generation by refits, one a draw."""
    smoother = np.linalg.solve(gram + N * ridge * np.eye(N), gram)

    labels = truth[:, None] + np.sqrt(noise) * rng.normal(size=(N, draws))
    fit = smoother @ labels
    for _ in range(GENERATIONS - 1):
        outputs = fit + np.sqrt(fresh) * rng.normal(size=fit.shape)
        fit = smoother @ (share * labels + (1 - share) * outputs)
    return np.asarray(np.mean((fit - truth[:, None]) ** 2, axis=0))


def claims(data: xr.Dataset) -> list[Claim]:
    """C1 over the map, and its two ends."""
    ratio = data["last"] / data["first"]
    deviation = np.abs(data["simulated"] - data["checked"]) / data["standard_error"]
    decays = float((ratio.sel(fresh=1.0, share=0.0) > 1).mean())
    return [
        Claim.theorem("C1", "Refits have the closed-form risk in cells drawn at random (in standard errors).", 4.5,
                      deviation, relation="≤", source=SOURCE),
        Claim.theorem("C1", "Without fresh noise and with the first labels kept it is fixed ridge with ground truth.",
                      data["distilled"], data["kept"], tolerance=1e-12, source="selfdistill.theory.OwnOutputs"),
        Claim.theorem("C1", "With real labels alone every generation is the first.", 1.0, ratio.sel(share=1.0),
                      tolerance=1e-9, source=SOURCE),
        Claim.theorem("C1", "Without fresh noise there is a pipeline that loses a fifth of its risk or more.",
                      0.8, ratio.sel(fresh=0.0).min(), relation="≤", source=SOURCE),
        Claim.theorem("C1", "Without real labels and with outputs as noisy as labels, no ridge of the map improves.",
                      1.0, decays, source=SOURCE, note="share of ridges that decay"),
    ]  # fmt: skip


def draw(data: xr.Dataset) -> Figure:
    """Change of risk over share and ridge, a panel a noise."""
    figure, axes = new_figure(3, 2, width=3.7, height=3.1)
    mesh: Any = None
    for row, noise in enumerate(data["noise"].values):
        for column, fresh in enumerate(data["fresh"].values):
            panel, here = axes[row, column], data.sel(noise=noise, fresh=fresh)
            change = np.log10(here["last"] / here["first"])
            mesh = panel.pcolormesh(
                data["share"], data["ridge"], change, cmap="RdBu_r", vmin=-1, vmax=1, shading="nearest",
                rasterized=True,
            )  # fmt: skip
            panel.contour(
                data["share"][:-1], data["ridge"], change[:, :-1], levels=[0], colors="black", linewidths=1
            )
            collapsed = (here["last"] > data["zero"]).astype(float)
            if 0 < float(collapsed.mean()) < 1:
                panel.contourf(
                    data["share"],
                    data["ridge"],
                    collapsed,
                    levels=[0.5, 1.5],
                    colors="none",
                    hatches=["////"],
                )
            outputs = "no noise in outputs" if fresh == 0 else f"noise in outputs: {fresh:g} s²"
            panel.set(yscale="log", title=f"s² = {noise:g}, {outputs}")
            if row:
                panel.set_xlabel("share of real labels")
            if not column:
                panel.set_ylabel("ridge c")
    figure.colorbar(mesh, ax=axes, label="risk of generation 30 over the first", extend="both", shrink=0.8,
                    ticks=[-1, -0.5, 0, 0.5, 1], format=lambda v, _: f"{10**v:.2g}")  # fmt: skip
    return figure
