"""Own outputs: training on what the last generation said, with fresh noise.

Every generation is kernel ridge on the outputs of the one before, and reading them out adds noise as large as that
of the first labels. Left, targets are replaced each time; middle, all data sets are kept and averaged; right, a
share of real labels with new noise is mixed in. Lines are the closed form, dots Monte Carlo over refits. Without a
penalty nothing is averaged away: the error grows by s² a generation, or stays below s²π²/6 (dotted), or settles
where the share of real labels says, lowest at 0.618. A penalty trades that noise for bias.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from ...theory import Spectrum, best_real_share, own_outputs
from ..claim import Claim
from ..reference import Array
from ..scale import Scale
from ..style import BOUND, COLOURS, new_figure, rounds_axis

N, VARIANCE, GENERATIONS, SHARE = 40, 0.25, 12, 0.3
RIDGES = (0.0, 1e-3, 1e-2, 1e-1)
SCHEMES = ("replace", "accumulate", "mix")
SOURCE = "selfdistill.theory.own_outputs"


def problem() -> tuple[Array, Array]:
    """A gram of full rank, and a smooth truth."""
    x = np.linspace(0, 1, N)
    return np.exp(-6 * np.abs(x[:, None] - x)), np.sin(2 * np.pi * x)


def closed_form(scheme: str, ridge: float, generations: int = GENERATIONS) -> Array:
    """Risk of every generation."""
    gram, truth = problem()
    run = own_outputs(
        Spectrum.from_gram(gram, truth), ridge, generations, VARIANCE,
        scheme="accumulate" if scheme == "accumulate" else "replace",
        real_share=SHARE if scheme == "mix" else 0.0,
    )  # fmt: skip
    return run.risk(truth).risk


def simulated(scheme: str, ridge: float, draws: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Risk of every generation by refits, with its standard error."""
    gram, truth = problem()
    smoother = np.linalg.solve(gram + N * ridge * np.eye(N), gram) if ridge else np.eye(N)

    def noise() -> Array:
        return np.sqrt(VARIANCE) * rng.normal(size=(N, draws))

    targets = total = truth[:, None] + noise()
    means, errors = [], []
    for t in range(1, GENERATIONS + 1):
        fit = smoother @ targets
        distance = np.mean((fit - truth[:, None]) ** 2, axis=0)
        means.append(distance.mean())
        errors.append(distance.std(ddof=1) / np.sqrt(draws))
        targets = fit + noise()
        if scheme == "accumulate":
            total = total + targets
            targets = total / (t + 1)
        elif scheme == "mix":
            targets = SHARE * (truth[:, None] + noise()) + (1 - SHARE) * targets
    return np.array(means), np.array(errors)


def measure(scale: Scale) -> xr.Dataset:
    """Closed forms, Monte Carlo, and the constants without a penalty."""
    draws = scale.choose(smoke=300, quick=2000, full=20_000)
    risk = np.array([[closed_form(s, c) for c in RIDGES] for s in SCHEMES])
    parts = [
        [simulated(s, c, draws, scale.rng(91, i, j)) for j, c in enumerate(RIDGES)]
        for i, s in enumerate(SCHEMES)
    ]
    shares = np.linspace(0.1, 1.0, 37)
    flat = Spectrum.from_eigenvalues([1.0], [0.0])
    settled = [own_outputs(flat, 0.0, 300, 1.0, real_share=w).variances[-1, 0] for w in shares]
    return xr.Dataset(
        {
            "risk": (("scheme", "ridge", "generation"), risk),
            "simulated": (("scheme", "ridge", "generation"), [[p[0] for p in row] for row in parts]),
            "standard_error": (("scheme", "ridge", "generation"), [[p[1] for p in row] for row in parts]),
            "far": float(closed_form("accumulate", 0.0, 3000)[-1]),
            "settled": ("share", settled),
        },
        coords={"scheme": list(SCHEMES), "ridge": list(RIDGES), "share": shares,
                "generation": np.arange(1, GENERATIONS + 1)},
    )  # fmt: skip


def claims(data: xr.Dataset) -> list[Claim]:
    """C1: the closed form, and its constants."""
    deviation = np.abs(data["simulated"] - data["risk"]) / data["standard_error"]
    free = data["risk"].isel(ridge=0)
    share = data["share"].values
    least = float(share[int(np.argmin(data["settled"].values))])
    return [
        Claim.theorem("C1", "Refits have the closed-form risk in every generation (in standard errors).", 4.5,
                      deviation, relation="≤", source=SOURCE),
        Claim.theorem("C1", "Replaced without a penalty, the error grows by s² a generation.",
                      VARIANCE * data["generation"].values, free.sel(scheme="replace"), tolerance=1e-9, source=SOURCE),
        Claim.theorem("C1", "Kept and averaged without a penalty, it tends to s²π²/6 (3000 generations).",
                      VARIANCE * np.pi**2 / 6, data["far"], tolerance=VARIANCE / 2900, source=SOURCE),
        Claim.theorem("C1", "With a share w of fresh real labels it settles at s²(2w² − 2w + 1)/(2w − w²) …",
                      (2 * share**2 - 2 * share + 1) / (2 * share - share**2), data["settled"], tolerance=1e-9,
                      source=SOURCE),
        Claim.theorem("C1", "… which is least at w = 0.618 (grid of steps of 0.025).", best_real_share(), least,
                      tolerance=0.0125, source="selfdistill.theory.best_real_share"),
    ]  # fmt: skip


def draw(data: xr.Dataset) -> Figure:
    """Risk by generation, a panel a scheme."""
    figure, axes = new_figure(3, width=3.9, height=3.6)
    titles = ("Targets replaced", "All data sets kept", f"{SHARE:.0%} real labels mixed in")
    for panel, scheme, title in zip(axes[0], SCHEMES, titles, strict=True):
        here = data.sel(scheme=scheme)
        for i, ridge in enumerate(data["ridge"].values):
            label = f"ridge {ridge:g}"
            panel.plot(data["generation"], here["risk"][i], color=COLOURS[i], label=label)
            panel.plot(data["generation"], here["simulated"][i], "o", color=COLOURS[i], markersize=3)
        panel.set(yscale="log", ylabel="risk, mean over samples", title=title)
        rounds_axis(panel, "generation")
    axes[0, 1].axhline(VARIANCE * np.pi**2 / 6, color=BOUND, linestyle=":", label="s²π²/6")
    w = SHARE
    axes[0, 2].axhline(
        VARIANCE * (2 * w**2 - 2 * w + 1) / (2 * w - w**2),
        color=BOUND,
        linestyle=":",
        label="no ridge, settled",
    )
    low, high = float(data["risk"].min()), float(data["risk"].max())
    for panel in axes[0]:
        panel.set_ylim(low / 1.5, high * 1.5)
    axes[0, 0].legend(loc="upper left", ncols=2)
    for panel in axes[0, 1:]:
        panel.legend(*(part[-1:] for part in panel.get_legend_handles_labels()), loc="upper left")
    return figure
