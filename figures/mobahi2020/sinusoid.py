"""Sinusoid: the paper's example over the rounds.

Eleven noisy points of a sinusoid, the kernel whose norm is the integral of the squared second derivative, and
every round fitted at the same training error (the paper's 0.045). The fit flattens round by round and is zero
after the last one drawn. The kernel vanishes at 0 and 1, so the two end points can never be fitted: they leave
an irreducible error of 0.0419, just below the paper's tolerance.

First the kernel itself, the Green's function of that norm, as the formula gives it and as SymPy derives it.
Below, what every round leaves of each eigenvector, B_t, and each multiplier between its two bounds; the lower
one is zero in round 1, when the targets still have a part that no fit reaches.
"""

from __future__ import annotations

import numpy as np
import scipy.linalg
import scipy.optimize
import xarray as xr
from matplotlib.figure import Figure
from sklearn.kernel_ridge import KernelRidge

from ...theory import Spectrum, cubic_green_kernel, distill_to_tolerance
from ...theory.kernels.green_derivation import cubic_conditions, derive_green_function
from ..claim import Claim
from ..reference import Array, toy_sinusoid
from ..scale import Scale
from ..style import BOUND, COLOURS, MEASURED, THEORY, new_figure, rounds_axis


def measure(scale: Scale) -> xr.Dataset:
    """Every round in closed form, by a general constrained solver, and by scikit-learn refits."""
    toy = toy_sinusoid()
    gram = cubic_green_kernel(toy.x, toy.x)
    spectrum = Spectrum.from_gram(gram, toy.y)
    run = distill_to_tolerance(spectrum, toy.epsilon)
    grid = np.linspace(0, 1, scale.choose(smoke=41, quick=201, full=801))
    cross = cubic_green_kernel(grid, toy.x)
    rounds = np.arange(1, run.rounds + 1)
    fitted = np.array([run.fitted(t) for t in range(run.rounds + 1)])
    excess = run.ratios[:-1] - 1
    # The first targets have a part that no fit reaches: their lower bound is zero.
    least = np.where(rounds == 1, spectrum.smallest_eigenvalue, spectrum.smallest_positive_eigenvalue)
    return xr.Dataset(
        {
            "target": ("x", toy.y),
            "curve": (("round", "grid"), np.array([run.predict(cross, int(t)) for t in rounds])),
            "fitted": (("round", "x"), fitted[1:]),
            "solver": (
                ("round", "x"),
                np.array([constrained_fit(gram, y, toy.epsilon) for y in fitted[:-1]]),
            ),
            "refit": (("round", "x"), sklearn_refits(gram, toy.y, run.multipliers)),
            "multiplier": ("round", run.multipliers),
            "filter": (("round", "direction"), run.filters[:, ::-1][:, : len(toy.x) - 2]),
            "multiplier_lower": ("round", least / excess),
            "multiplier_upper": ("round", spectrum.largest_eigenvalue / excess),
            "training_error": ("round", np.array([run.training_error(int(t)) for t in rounds])),
            "green_numerical": (("grid", "x"), cross),
            "green_symbolic": (("grid", "x"), symbolic_kernel(grid, toy.x)),
            "irreducible_error": spectrum.least_feasible_epsilon,
            "end_point_error": (toy.y[0] ** 2 + toy.y[-1] ** 2) / len(toy.y),
        },
        coords={"x": toy.x, "grid": grid, "round": rounds, "direction": np.arange(1, len(toy.x) - 1)},
        attrs={"epsilon": toy.epsilon},
    )


def constrained_fit(gram: Array, y: Array, epsilon: float) -> Array:
    """Minimise the norm under the error constraint with a general solver that knows nothing of spectra."""
    root = np.zeros_like(gram)  # f = root @ u has norm ‖u‖; the kernel is zero at the end points
    inside = np.ix_(gram.diagonal() > 0, gram.diagonal() > 0)
    root[inside] = scipy.linalg.cholesky(gram[inside], lower=True)
    root /= np.abs(root).max()
    solution = scipy.optimize.minimize(
        lambda u: u @ u,
        np.linalg.lstsq(root, y, rcond=None)[0],
        jac=lambda u: 2 * u,
        method="SLSQP",
        constraints={
            "type": "ineq",
            "fun": lambda u: epsilon - np.mean((root @ u - y) ** 2),
            "jac": lambda u: -2 * root.T @ (root @ u - y) / len(y),
        },
        options={"maxiter": 2000, "ftol": 1e-14},
    )
    return np.asarray(root @ solution.x)


def sklearn_refits(gram: Array, y: Array, multipliers: Array) -> Array:
    """Fit scikit-learn's kernel ridge to its own previous fit, round by round."""
    fits = [y]
    for c in multipliers:
        model = KernelRidge(kernel="precomputed", alpha=len(y) * c)
        fits.append(model.fit(gram, fits[-1]).predict(gram))
    return np.array(fits[1:])


def symbolic_kernel(x: Array, s: Array) -> Array:
    """Evaluate the Green's function that SymPy derives from its defining conditions."""
    import sympy

    green = derive_green_function(2, cubic_conditions())
    left, right = (sympy.lambdify((green.x, green.s), side) for side in (green.left, green.right))
    a, b = np.meshgrid(x, s, indexing="ij")
    return np.where(a <= b, left(a, b), right(a, b))


def claims(data: xr.Dataset) -> list[Claim]:
    """Error, bounds, optimum, refits and the kernel itself."""
    penalty = "selfdistill.theory.distillation.multiplier.penalty_for_error"
    size = float(np.abs(data["target"]).max())
    lower, upper = data["multiplier_lower"], data["multiplier_upper"]
    distill = "selfdistill.theory.distill_to_tolerance"
    return [
        Claim.theorem("M1", "The training error is exactly ε in every round before collapse.",
                      data.attrs["epsilon"], data["training_error"], tolerance=1e-12, source=distill),
        Claim.theorem("M2", "Every multiplier is at least d_min/(r_t − 1).", lower, data["multiplier"],
                      relation="≥", tolerance=1e-15, source=penalty),
        Claim.theorem("M2", "Every multiplier is at most d_max/(r_t − 1).", upper, data["multiplier"],
                      relation="≤", tolerance=1e-15, source=penalty),
        Claim.theorem("M3", "The closed form is the optimum that a general constrained solver finds.",
                      data["solver"], data["fitted"], tolerance=1e-4 * size, source=distill),
        Claim.theorem("M4", "The closed form equals scikit-learn kernel ridge refitted to its own fit.",
                      data["refit"], data["fitted"], tolerance=1e-8 * size, source=distill),
        Claim.theorem("M14", "The cubic kernel is the Green's function that SymPy derives.",
                      data["green_symbolic"], data["green_numerical"], tolerance=1e-12,
                      source="selfdistill.theory.cubic_green_kernel"),
        Claim.theorem("M14", "The end points, where the kernel vanishes, leave exactly their own error.",
                      data["end_point_error"], data["irreducible_error"], tolerance=1e-12,
                      source="selfdistill.theory.Spectrum.least_feasible_epsilon"),
    ]  # fmt: skip


def draw(data: xr.Dataset) -> Figure:
    """The example's kernel, the fits, the filters and the multipliers over the rounds."""
    figure, axes = new_figure(2, 2, width=4.8, height=3.7)
    (kernel, fits), (filters, multipliers) = axes
    for i in range(0, data.sizes["x"], 2):
        kernel.plot(data["grid"], 1e3 * data["green_numerical"][:, i], color=THEORY, linewidth=1)
        kernel.plot(data["grid"], 1e3 * data["green_symbolic"][:, i], ":", color=MEASURED)
    kernel.plot([], [], color=THEORY, linewidth=1, label="formula")
    kernel.plot([], [], ":", color=MEASURED, label="derived by SymPy")
    kernel.set(xlabel="x", ylabel="1000 · g(x, s)", title="The kernel at every second data point s")
    kernel.legend(loc="upper right")
    grid = data["grid"]
    fits.plot(grid, np.sin(2 * np.pi * grid), color=BOUND, linestyle=":", label="sin 2πx")
    for t, curve in enumerate(data["curve"].values):
        fits.plot(grid, curve, color=COLOURS[t], label=f"round {t + 1}")
        fits.plot(data["x"], data["refit"][t], "x", color=COLOURS[t], markersize=4)
        filters.plot(data["direction"], data["filter"][t], "o-", markersize=3, color=COLOURS[t])
    fits.plot([], [], "x", color=BOUND, markersize=4, label="scikit-learn refits")
    fits.plot(data["x"], data["target"], "o", color="black", markersize=4, label="given targets")
    fits.set(xlabel="x", ylabel="fit", title=f"Fits at training error {data.attrs['epsilon']:g}")
    filters.set(
        yscale="log", ylim=(1e-7, 2), xlabel="eigenvector, largest eigenvalue first", ylabel="filter $B_t[k]$",
        title="What each round leaves of the basis",
    )  # fmt: skip
    rounds = data["round"]
    multipliers.plot(rounds, data["multiplier_upper"], color=BOUND, linestyle="--", label="upper bound")
    multipliers.plot(rounds, data["multiplier"], "o-", color=THEORY, label="multiplier $c_t$")
    lower = data["multiplier_lower"].where(data["multiplier_lower"] > 0)
    multipliers.plot(rounds, lower, color=BOUND, linestyle=":", label="lower bound")
    multipliers.set_yscale("log")
    multipliers.set(ylabel="multiplier $c_t$", title="Multiplier of every round")
    rounds_axis(multipliers)
    multipliers.legend(loc="center right", bbox_to_anchor=(1, 0.42))
    figure.legend(*fits.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure
