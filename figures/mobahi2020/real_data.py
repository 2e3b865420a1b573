"""Real data: predicted multipliers, and test error over the rounds.

Under RBF kernels, distilled to collapse; several random splits. Of classes 40 % of the training labels are drawn
anew, to real targets Gaussian noise is added. Distillation should first remove noise, so that the error on clean
test points falls, and then too much signal, so that it rises. The best round is chosen on one half of the test
points and judged on the other, so that choosing it earns nothing.

Left, the multipliers that the closed form names (they are those of scikit-learn refits to 1e-8); middle and
right, the test error, mean and 95 % interval over splits, up to the first round in which a split collapses.

Data: the bundled digits, and the bundled diabetes table.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from ...empirical.data.own import DataSource
from ...empirical.experiments.kernel_rounds import KernelRounds, measure_kernel_rounds
from ..claim import Claim
from ..reference import Array
from ..scale import Scale
from ..style import COLOURS, band, legend_below, new_figure, possible, rounds_axis

OWN_DATA = "classes or values"
# Noise, ε and the kernel's γ, for classes and for values.
SETTINGS = {True: (0.4, 0.02, 1.0), False: (0.5, 0.05, 1.0)}


def plan(scale: Scale) -> list[KernelRounds]:
    """One run a data set and split, the splits of a set one after the other."""
    sizes = {
        "digits": (
            scale.choose(smoke=150, quick=400, full=800),
            scale.choose(smoke=300, quick=900, full=900),
        ),
        "diabetes": (
            scale.choose(smoke=150, quick=250, full=250),
            scale.choose(smoke=150, quick=190, full=190),
        ),
    }
    sets: list[tuple[DataSource, tuple[int, ...], bool]]
    sets = [(name, each, name == "digits") for name, each in sizes.items()]
    if scale.data is not None:
        n_train = sizes["digits"][0]
        sets = [(scale.data, scale.data.sizes(n_train, n_train, least=20), scale.data.n_classes > 0)]
    return [
        KernelRounds(data, n_train, n_test, *SETTINGS[classes], seed=1000 * scale.seed + seed)
        for data, (n_train, n_test), classes in sets
        for seed in range(seeds(scale))
    ]


def seeds(scale: Scale) -> int:
    """Number of splits of every data set."""
    return scale.choose(smoke=3, quick=12, full=40)


def measure(scale: Scale) -> xr.Dataset:
    """One run a data set and split."""
    configs, n = plan(scale), seeds(scale)
    runs = scale.map(measure_kernel_rounds, configs)
    longest = max(run.sizes["round"] for run in runs)
    padded = [run.reindex(round=np.arange(1, longest + 1)) for run in runs]
    starts = range(0, len(configs), n)
    return xr.concat([xr.concat(padded[i : i + n], dim="seed") for i in starts], dim="data").assign_coords(
        data=[str(configs[i].data) for i in starts],
        classes=("data", [int(configs[i].noise == SETTINGS[True][0]) for i in starts]),
        seed=np.arange(n),
    )


def rounds_shared(data: xr.Dataset) -> int:
    """Rounds that every split has."""
    return int(data["exact_rounds"].min())


def fall_and_rise(data: xr.Dataset) -> tuple[Array, Array]:
    """Error of round 1 and of the last round, less that of the round chosen on the other half: one a seed."""
    error = data["test_error"].transpose("seed", "half", "round").values[:, :, : rounds_shared(data)]
    chosen = error[:, 0].argmin(axis=1)
    at_best = error[np.arange(len(error)), 1, chosen]
    return error[:, 1, 0] - at_best, error[:, 1, -1] - at_best


def claims(data: xr.Dataset) -> list[Claim]:
    """Refits and bounds on real data; fall and rise of the error are measured."""
    bounds = "selfdistill.theory.collapse_bounds"
    source = "selfdistill.empirical.experiments.kernel_rounds.measure_kernel_rounds"
    result = [
        Claim.theorem("M4", "Every round equals scikit-learn refits, on every split.", 0.0, data["refit_deviation"],
                      tolerance=1e-8, source="selfdistill.theory.distill_to_tolerance"),
        Claim.theorem("M7", "On every split at least r_0 − 1 rounds before collapse.", data["lower_bound"],
                      data["exact_rounds"], relation="≥", tolerance=1e-9, source=bounds),
        Claim.theorem("M8", "On every split collapse comes by the upper bound.", data["upper_bound"],
                      data["exact_rounds"], relation="≤", source=bounds),
    ]  # fmt: skip
    for name in data["data"].values:
        fall, rise = fall_and_rise(data.sel(data=name))
        result += [
            Claim.from_samples("M19", f"{name}: test error falls from round 1 to the chosen round (by more than 0).",
                               fall, relation="≥", source=source),
            Claim.from_samples("M19", f"{name}: test error rises from the chosen round to the last (by more than 0).",
                               rise, relation="≥", source=source),
        ]  # fmt: skip
    return result


def draw(data: xr.Dataset) -> Figure:
    """Multipliers, and test errors."""
    figure, axes = new_figure(1 + data.sizes["data"], width=4.0, height=3.8)
    multipliers, *errors = axes[0]
    for i, name in enumerate(data["data"].values):
        one = data.sel(data=name)
        rounds = slice(0, rounds_shared(one))
        t = data["round"][rounds]
        band(multipliers, t, one["multiplier"].values[:, rounds], color=COLOURS[i], label=name)
        error = one["test_error"].mean("half").transpose("seed", "round").values[:, rounds]
        errors[i].plot(t, error.T, color=COLOURS[i], alpha=0.25, linewidth=0.7)
        band(errors[i], t, error, color=COLOURS[i], label="mean and 95 % interval")
        errors[i].set_title(f"{name}: clean test points")
        classes = bool(one["classes"])
        errors[i].set_ylabel("share misclassified" if classes else "mean squared error / variance")
        if classes:
            possible(errors[i])
        rounds_axis(errors[i])
        legend_below(errors[i], 1)
    multipliers.set(ylabel="multiplier $c_t$", yscale="log", title="Predicted multipliers")
    rounds_axis(multipliers)
    legend_below(multipliers, 2)
    return figure
