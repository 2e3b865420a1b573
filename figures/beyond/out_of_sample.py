"""Out of sample: the risk at new points without any data.

Random features whose covariance has a given spectrum; the risk of every round at new points follows from one effective
penalty and an integral around it. Left, over the ridge: one to five rounds and the best mixture of two fits, whose
weight is chosen by the closed form. Right, over the number of features a sample, with equal eigenvalues: a small ridge
peaks where both are equal, and every further round takes more of the peak away. Dots: simulated data sets. With equal
eigenvalues the effective penalty is the root of a quadratic.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from ...theory import effective_penalty, isotropic_penalty, out_of_sample_risk
from ..claim import Claim
from ..reference import Array
from ..scale import Scale
from ..style import COLOURS, legend_below, new_figure

N, P, NOISE, SMALL_RIDGE = 200, 120, 1.0, 0.01
ROUNDS = (1, 2, 5)
SOURCE = "selfdistill.theory.out_of_sample_risk"


def weights_of(rounds: int) -> Array:
    """Weights that pick one round."""
    return np.eye(rounds)[-1]


def simulate(
    sigma: Array,
    beta: Array,
    ridges: Array,
    mixtures: list[list[Array]],
    draws: int,
    rng: np.random.Generator,
) -> Array:
    """Risk (draws, ridges, mixtures) of explicit estimators on drawn features, with the noise averaged exactly."""
    p = len(sigma)
    values = np.empty((draws, len(ridges), len(mixtures[0])))
    for draw in range(draws):
        features = rng.normal(size=(N, p)) * np.sqrt(sigma)
        covariance = features.T @ features / N
        for i, ridge in enumerate(ridges):
            resolvent = np.linalg.inv(covariance + ridge * np.eye(p))
            keep = covariance @ resolvent
            for j, weights in enumerate(mixtures[i]):
                power, estimator = resolvent, np.zeros((p, p))
                for weight in weights:
                    estimator = estimator + weight * power
                    power = power @ keep
                missed = beta - estimator @ (covariance @ beta)
                spread = np.sum(estimator * sigma[:, None] * (estimator @ covariance)) / N
                values[draw, i, j] = np.sum(sigma * missed**2) + NOISE * spread
    return values


def best_mixture(sigma: Array, beta: Array, ridge: float) -> Array:
    """Weights of two fits with the least closed-form risk: a parabola through three weights."""
    at = [
        out_of_sample_risk(sigma, beta, N, ridge, NOISE, round_weights=(1 - x, x)).risk
        for x in (-1.0, 0.0, 1.0)
    ]
    best = 0.5 * (at[0] - at[2]) / (at[0] - 2 * at[1] + at[2])
    return np.array([1 - best, best])


def measure(scale: Scale) -> xr.Dataset:
    """Closed form on fine grids, simulation on coarse ones."""
    draws = scale.choose(smoke=4, quick=8, full=200)
    sigma = np.geomspace(1, 0.02, P)
    beta = np.where(np.arange(P) < P // 2, 1.0, 0.3) * np.sqrt(4 / P)
    ridges, coarse = np.geomspace(1e-3, 1, 25), np.geomspace(1e-3, 1, 5)

    def mixtures(ridge: float) -> list[Array]:
        return [*(weights_of(k) for k in ROUNDS), best_mixture(sigma, beta, ridge)]

    closed = [[_risk(sigma, beta, c, w) for w in mixtures(c)] for c in ridges]
    at_coarse = [[_risk(sigma, beta, c, w) for w in mixtures(c)] for c in coarse]
    simulated = simulate(sigma, beta, coarse, [mixtures(c) for c in coarse], draws, scale.rng(99))
    aspects, few = np.geomspace(0.1, 5, 31), np.array([0.2, 0.5, 1.0, 2.0])
    rounds = [weights_of(k) for k in ROUNDS]
    flat, flat_coarse = (
        [[_risk(*_isotropic(g), SMALL_RIDGE, w) for w in rounds] for g in grid] for grid in (aspects, few)
    )
    flat_simulated = np.stack(
        [
            simulate(*_isotropic(g), np.array([SMALL_RIDGE]), [rounds], draws, scale.rng(100, i))[:, 0]
            for i, g in enumerate(few)
        ],
        axis=1,
    )
    kappas = [effective_penalty(_isotropic(g)[0], N, SMALL_RIDGE) for g in few]
    return xr.Dataset(
        {
            "risk": (("ridge", "mixture"), closed),
            "at_coarse": (("coarse", "mixture"), at_coarse),
            "simulated": (("draw", "coarse", "mixture"), simulated),
            "isotropic": (("aspect", "rounds"), flat),
            "isotropic_coarse": (("few", "rounds"), flat_coarse),
            "isotropic_simulated": (("draw", "few", "rounds"), flat_simulated),
            "kappa": ("few", kappas),
            "quadratic": ("few", [isotropic_penalty(1.0, round(g * N) / N, SMALL_RIDGE) for g in few]),
        },
        coords={"ridge": ridges, "coarse": coarse, "aspect": aspects, "few": few, "rounds": list(ROUNDS),
                "mixture": [*(f"{k} round{'s' if k > 1 else ''}" for k in ROUNDS), "best mixture of two"]},
    )  # fmt: skip


def _isotropic(aspect: float) -> tuple[Array, Array]:
    p = round(aspect * N)
    return np.ones(p), np.full(p, p**-0.5)


def _risk(sigma: Array, beta: Array, ridge: float, weights: Array) -> float:
    return out_of_sample_risk(sigma, beta, N, ridge, NOISE, round_weights=weights).risk


def claims(data: xr.Dataset) -> list[Claim]:
    """Closed form against simulation, κ against its quadratic, and the mixture against its parts."""
    return [
        *(
            Claim.theorem("S1", f"{name}: simulated data sets have the closed-form risk to four standard errors and "
                          "2 % (the equivalents are exact in the limit).", 1.0, _deviation(closed, simulated),
                          relation="≤", source=SOURCE)
            for name, closed, simulated in (
                ("A spectrum over two decades", data["at_coarse"], data["simulated"]),
                ("Equal eigenvalues", data["isotropic_coarse"], data["isotropic_simulated"]),
            )
        ),
        Claim.theorem("S1", "With equal eigenvalues the effective penalty is the root of a quadratic.",
                      data["quadratic"], data["kappa"], tolerance=1e-10,
                      source="selfdistill.theory.isotropic_penalty"),
        Claim.theorem("S1", "The best mixture of two fits is never worse than either.",
                      data["risk"].isel(mixture=slice(2)).min("mixture"), data["risk"].isel(mixture=-1),
                      relation="≤", tolerance=1e-9, source=SOURCE),
    ]  # fmt: skip


def _deviation(closed: xr.DataArray, simulated: xr.DataArray) -> Array:
    """Distance of the simulated mean over what is allowed."""
    error = simulated.std("draw", ddof=1) / np.sqrt(simulated.sizes["draw"])
    return np.asarray(np.abs(simulated.mean("draw") - closed) / (4 * error + 0.02 * closed))


def draw(data: xr.Dataset) -> Figure:
    """Risk over the ridge, and over the number of features."""
    figure, axes = new_figure(2, width=4.8, height=3.9)
    panel = axes[0, 0]
    for i, name in enumerate(data["mixture"].values):
        panel.plot(data["ridge"], data["risk"][:, i], color=COLOURS[i], label=name)
        panel.plot(data["coarse"], data["simulated"].mean("draw")[:, i], "o", color=COLOURS[i], markersize=4)
    panel.set(xscale="log", yscale="log", xlabel="ridge c", ylabel="risk at new points",
              title="A spectrum over two decades")  # fmt: skip
    legend_below(panel, 2)
    panel = axes[0, 1]
    for i, rounds in enumerate(data["rounds"].values):
        panel.plot(data["aspect"], data["isotropic"][:, i], color=COLOURS[i],
                   label=f"{rounds} round{'s' if rounds > 1 else ''}")  # fmt: skip
        panel.plot(
            data["few"], data["isotropic_simulated"].mean("draw")[:, i], "o", color=COLOURS[i], markersize=4
        )
    panel.set(xscale="log", yscale="log", xlabel="features a sample, p/n", ylabel="risk at new points",
              title=f"Equal eigenvalues, ridge {SMALL_RIDGE:g}")  # fmt: skip
    legend_below(panel, 3)
    return figure
