"""Two kernels: a weak teacher, a strong student, and the reverse.

The student is fitted to the teacher's fitted values alone, with a kernel and a penalty of its own. Left, many pairs of
radial kernels and penalties: where the student's fit has at least the norm of the truth in the student's space (blue),
its gain over the teacher is at least its misfit to the teacher, so that those points lie on or above the diagonal; the
others need not. Right, two digits: the tangent kernel of a narrow network at its start teaches that of a wide one, and
the wide one the narrow. Points: error of teacher and student on the clean labels as the closed form expects it;
crosses: the same over drawn label noise and refits. Below the diagonal the student surpasses its teacher.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from sklearn.kernel_ridge import KernelRidge

from ...empirical.experiments.weak_to_strong import WeakToStrong, tangent_pair
from ...theory import Spectrum, teach
from ..claim import Claim
from ..reference import Array
from ..scale import Scale
from ..style import BOUND, COLOURS, THEORY, new_figure

N, NOISE, N_DIGITS, NARROW, WIDE = 60, 0.5, 120, 4, 512
DIRECTIONS = ("weak teaches strong", "strong teaches weak")
RIDGES = (3e-4, 1e-2)
SOURCE = "selfdistill.theory.teach"


def measure(scale: Scale) -> xr.Dataset:
    """Gain and misfit of random pairs, and both directions of teaching on digits."""
    pairs, draws = scale.choose(smoke=(40, 200), quick=(300, 2000), full=(3000, 20_000))
    rng = scale.rng(97)
    rows = [_pair(rng) for _ in range(pairs)]
    gain, misfit, held = (np.array(column) for column in zip(*rows, strict=True))
    expected, simulated, error = _digits(draws, scale.seed, scale.rng(98))
    return xr.Dataset(
        {
            "gain": ("pair", gain),
            "misfit": ("pair", misfit),
            "held": ("pair", held.astype(np.int32)),
            "expected": (("direction", "setting", "learner"), expected),
            "simulated": (("direction", "setting", "learner"), simulated),
            "standard_error": (("direction", "setting", "learner"), error),
        },
        coords={"direction": list(DIRECTIONS), "learner": ["teacher", "student"]},
    )


def _pair(rng: np.random.Generator) -> tuple[float, float, bool]:
    """Gain, misfit, and whether the student's ball holds the truth, for one noisy problem."""
    x = np.sort(rng.uniform(size=N))
    widths = 10.0 ** rng.uniform(0, 1.5, 2)
    teacher, student = (np.exp(-w * np.abs(x[:, None] - x)) for w in widths)
    dual = np.where(rng.uniform(size=N) < 0.1, rng.normal(size=N), 0.0)
    truth = student @ dual
    y = truth + NOISE * rng.normal(size=N)
    chain = teach([Spectrum.from_gram(g, y) for g in (teacher, student)], 10.0 ** rng.uniform(-3.5, -1, 2))
    taught, learned = chain.fitted(1), chain.fitted(2)
    gain = np.mean((taught - truth) ** 2) - np.mean((learned - truth) ** 2)
    held = chain.norm(2) >= np.sqrt(max(dual @ truth, 0.0))
    return float(gain), float(np.mean((learned - taught) ** 2)), bool(held)


def _digits(draws: int, seed: int, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Expected and simulated error of teacher and student, for both directions and every pair of penalties."""
    truth, networks = tangent_pair(WeakToStrong(NARROW, WIDE, n_train=N_DIGITS, seed=seed))
    grams = [network.gram / np.trace(network.gram) * len(truth) for network in networks]
    n, settings = len(truth), [(a, b) for a in RIDGES for b in RIDGES]
    expected, simulated, error = (np.empty((2, len(settings), 2)) for _ in range(3))
    noisy = truth[:, None] + NOISE * rng.normal(size=(n, draws))
    for i, order in enumerate((grams, grams[::-1])):
        spectra = [Spectrum.from_gram(g, truth) for g in order]
        for j, ridges in enumerate(settings):
            expected[i, j] = teach(spectra, ridges).risk(truth, NOISE**2).risk
            fit = noisy
            for k, (gram, ridge) in enumerate(zip(order, ridges, strict=True)):
                fit = KernelRidge(kernel="precomputed", alpha=n * ridge).fit(gram, fit).predict(gram)
                errors = np.mean((fit - truth[:, None]) ** 2, axis=0)
                simulated[i, j, k], error[i, j, k] = errors.mean(), errors.std(ddof=1) / np.sqrt(draws)
    return expected, simulated, error


def claims(data: xr.Dataset) -> list[Claim]:
    """T1, and D1 once more."""
    held = data["held"].values == 1
    deviation = np.abs(data["simulated"] - data["expected"]) / data["standard_error"]
    below = (data["gain"] < data["misfit"]).values & ~held
    return [
        Claim.theorem("T1", "Where the student's ball holds the truth, its gain is at least its misfit.",
                      data["misfit"].values[held], data["gain"].values[held], relation="≥", tolerance=1e-9,
                      source="selfdistill.theory.TeachingChain"),
        Claim.theorem("T1", "The condition is needed: without it some students gain less (share of all pairs).",
                      0.01, float(below.mean()), relation="≥", source="selfdistill.theory.TeachingChain"),
        Claim.theorem("T1", "Refits on drawn noise have the closed-form errors (in standard errors).", 4.5, deviation,
                      relation="≤", source=SOURCE),
    ]  # fmt: skip


def draw(data: xr.Dataset) -> Figure:
    """Gain against misfit, and student against teacher."""
    figure, axes = new_figure(2, width=4.8, height=3.9)
    panel = axes[0, 0]
    held = data["held"].values == 1
    for mask, colour, label in ((~held, BOUND, "ball too small"), (held, THEORY, "ball holds the truth")):
        panel.plot(
            data["misfit"][mask], data["gain"][mask], "o", color=colour, markersize=3, alpha=0.6, label=label
        )
    limits = np.array([1e-4, float(data["misfit"].max())])
    panel.plot(limits, limits, color="black", linewidth=1)
    panel.set(xscale="log", xlabel="misfit: mean squared distance to the teacher",
              ylabel="gain over the teacher", title="Gain is at least misfit")  # fmt: skip
    panel.set_yscale("symlog", linthresh=1e-3)
    panel.legend(loc="lower left")
    panel = axes[0, 1]
    for i, name in enumerate(data["direction"].values):
        here = data.sel(direction=name)
        panel.plot(here["expected"].sel(learner="teacher"), here["expected"].sel(learner="student"), "o",
                   color=COLOURS[i], label=name)  # fmt: skip
        panel.plot(here["simulated"].sel(learner="teacher"), here["simulated"].sel(learner="student"), "x",
                   color="black", markersize=5, label="refits" if i else None)  # fmt: skip
    ends = np.array([float(data["expected"].min()), float(data["expected"].max())]) * [0.9, 1.1]
    panel.plot(ends, ends, color="black", linewidth=1)
    panel.set(xlabel="error of the teacher", ylabel="error of the student", title="Digits: narrow and wide")
    panel.legend(loc="lower right")
    return figure
