"""Ground truth weights: the best one for every step, in closed form.

A step's student is linear in the weight α of the given targets, so the α that is best on samples it has not seen is a
least-squares problem in one unknown. Left, the left-out error of the second, third and fourth round over α: curves are
the closed form, crosses are refits without each sample, dots the closed-form best. Right, over fresh noise: the error
against the truth after six rounds with the best weight for every step, relative to six rounds with one constant weight
and to one round alone. The best of a grid of constant weights knows the truth; the closed form does not.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from sklearn.metrics.pairwise import laplacian_kernel

from ...theory import FixedRidge, Spectrum, best_ground_truth_weights, distill, leave_one_out
from ..claim import Claim
from ..intervals import t_half_width
from ..reference import Array
from ..scale import Scale
from ..style import COLOURS, new_figure

N, NOISE, RIDGE, ROUNDS = 50, 0.5, 0.01, 6
CONSTANT = (0.0, 0.25, 0.5, 0.75, 1.0)
SHOWN = (2, 3, 4)
SOURCE = "selfdistill.theory.best_ground_truth_weights"


def problem() -> tuple[Array, Array]:
    """Gram and truth."""
    x = np.linspace(0, 1, N)
    return laplacian_kernel(x[:, None], gamma=6.0), np.sin(2 * np.pi * x)


def measure(scale: Scale) -> xr.Dataset:
    """Left-out error over the weight, and errors of schedules over seeds."""
    seeds = scale.choose(smoke=4, quick=40, thorough=400, full=400)
    gram, truth = problem()
    y = truth + NOISE * scale.rng(109).normal(size=N)
    spectrum = Spectrum.from_gram(gram, y)
    best = best_ground_truth_weights(spectrum, RIDGE, max(SHOWN))
    grid, few = np.linspace(0, 1, 41), np.array([0.0, 0.5, 1.0])
    curves = [[_left_out(spectrum, y, [*best[: t - 1], a]) for a in grid] for t in SHOWN]
    refits = [[_refitted(gram, y, [*best[: t - 1], a]) for a in few] for t in SHOWN]
    closed = [[_left_out(spectrum, y, [*best[: t - 1], a]) for a in few] for t in SHOWN]
    at_best = [_left_out(spectrum, y, best[:t]) for t in SHOWN]
    errors = np.array([_errors(gram, truth, scale.rng(110, s)) for s in range(seeds)])
    return xr.Dataset(
        {
            "left_out": (("shown", "weight"), curves),
            "refitted": (("shown", "few"), refits),
            "closed": (("shown", "few"), closed),
            "best": ("shown", best[np.array(SHOWN) - 1]),
            "at_best": ("shown", at_best),
            "error": (("seed", "schedule"), errors),
        },
        coords={"shown": list(SHOWN), "weight": grid, "few": few,
                "schedule": ["one round", *(f"constant {w:g}" for w in CONSTANT), "best each step"]},
    )  # fmt: skip


def _left_out(spectrum: Spectrum, y: Array, weights: Array | list[float]) -> float:
    return float(np.mean((leave_one_out(spectrum, RIDGE, len(weights), weights)[-1] - y) ** 2))


def _refitted(gram: Array, y: Array, weights: list[float]) -> float:
    """Left-out error by N runs that never see a sample."""
    errors = []
    for i in range(N):
        others = np.arange(N) != i
        inner, fit = gram[np.ix_(others, others)], y[others]
        smoother = inner + N * RIDGE * np.eye(N - 1)
        dual = np.zeros(N - 1)
        for weight in weights:
            dual = np.linalg.solve(smoother, weight * y[others] + (1 - weight) * fit)
            fit = inner @ dual
        errors.append((gram[i, others] @ dual - y[i]) ** 2)
    return float(np.mean(errors))


def _errors(gram: Array, truth: Array, rng: np.random.Generator) -> Array:
    """Distance to the truth of each schedule's last round, for one draw of noise."""
    spectrum = Spectrum.from_gram(gram, truth + NOISE * rng.normal(size=N))
    schedules = [
        FixedRidge(RIDGE, 1),
        *(FixedRidge(RIDGE, ROUNDS, w) for w in CONSTANT),
        FixedRidge(RIDGE, ROUNDS, "best"),
    ]
    runs = [distill(spectrum, schedule) for schedule in schedules]
    return np.array([np.mean((run.fitted(run.rounds) - truth) ** 2) for run in runs])


def claims(data: xr.Dataset) -> list[Claim]:
    """B3: the closed form against refits and a grid, and what it earns."""
    error = data["error"]
    best = error.sel(schedule="best each step").values
    constant = error.sel(schedule=[f"constant {w:g}" for w in CONSTANT])
    dull = constant.mean("seed").min().item()
    return [
        Claim.theorem("B3", "Left-out errors are those of refits without each sample.", data["refitted"],
                      data["closed"], tolerance=1e-9, source="selfdistill.theory.leave_one_out"),
        Claim.theorem("B3", "No weight of the grid has a smaller left-out error than the closed-form one.",
                      data["left_out"].min("weight"), data["at_best"], relation="≤", tolerance=1e-12, source=SOURCE),
        Claim.from_samples("B3", "Six rounds with the best weight of each step are nearer to the truth than one round "
                           "(share of its error gained).", 1 - best / error.sel(schedule="one round").values,
                           relation="≥", source=SOURCE),
        Claim.from_samples("B3", "They are nearer than with the best constant weight of the grid, which knows the "
                           "truth (share of its mean error gained).", 1 - best / dull, relation="≥", source=SOURCE),
    ]  # fmt: skip


def draw(data: xr.Dataset) -> Figure:
    """Left-out error over the weight, and errors of the schedules."""
    figure, axes = new_figure(2, width=4.8, height=3.6)
    panel = axes[0, 0]
    for i, t in enumerate(data["shown"].values):
        panel.plot(data["weight"], data["left_out"][i], color=COLOURS[i], label=f"round {t}")
        panel.plot(data["few"], data["refitted"][i], "x", color=COLOURS[i])
        panel.plot(data["best"][i], data["at_best"][i], "o", color=COLOURS[i])
    panel.set(xlabel="weight α of the given targets", ylabel="left-out error", title="Best weight of a step")
    panel.legend()
    panel = axes[0, 1]
    names = list(data["schedule"].values)[::-1]
    for row, name in enumerate(names):
        samples = data["error"].sel(schedule=name).values
        panel.plot(samples, np.full(len(samples), row), ".", color=COLOURS[0], alpha=0.25)
        panel.errorbar(
            samples.mean(), row, xerr=float(t_half_width(samples)), fmt="o", color=COLOURS[1], capsize=2
        )
    panel.set_yticks(range(len(names)), labels=names)
    panel.set(xlabel="distance to the truth", title=f"{ROUNDS} rounds, by schedule")
    panel.set_xlim(left=0)
    return figure
