"""Mixing on data: what is gained over a ridge, tuned or not.

Kernel ridge on real data sets, split anew for every seed. The ridge is chosen by leave-one-out; then one, two and
three steps of self-distillation are mixed in, their weights chosen by leave-one-out as well. Left, the test error of
the mixture relative to that of the tuned ridge alone, every seed a dot, with the 95 % interval of the mean: what a
practitioner who tunes can gain. Right, the same where the ridge was set a hundred times too small or too large and
left there: what one who does not tune gains by one step.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics.pairwise import rbf_kernel

from ...empirical.data.datasets import load
from ...theory import Mixing, Spectrum, mix_rounds, optimal_mixing
from ...theory.distillation.leave_one_out import leave_one_out_errors
from ..claim import Claim
from ..intervals import t_half_width
from ..negligible import RATIO
from ..reference import Array
from ..scale import Scale
from ..style import COLOURS, new_figure

# Name, share of training labels flipped, kernel coefficient. Set before any gain was seen.
DATA = (
    ("diabetes", 0.0, 0.02),
    ("breast_cancer", 0.0, 0.03),
    ("breast_cancer", 0.2, 0.03),
    ("digits-3-8", 0.0, 0.001),
    ("digits-3-8", 0.2, 0.001),
    ("two_moons", 0.2, 1.0),
)
STEPS = (1, 2, 3)
MISTAKES = (0.01, 100.0)
N_TRAIN, N_TEST = 150, 200
RIDGES = np.geomspace(1e-6, 10, 29)
SOURCE = "selfdistill.theory.optimal_mixing"


def measure(scale: Scale) -> xr.Dataset:
    """Relative test errors, one unit a data set and split."""
    seeds = scale.choose(smoke=3, quick=20, thorough=200, full=100)
    units = [(i, scale.seed + s) for i in range(len(DATA)) for s in range(seeds)]
    measured = xr.concat(scale.map(_gains, units), dim="unit")
    names = [f"{name}, {noise:.0%} flipped" if noise else name for name, noise, _ in DATA]
    return xr.Dataset(
        {
            "tuned": (("data", "seed", "steps"), measured["tuned"].values.reshape(len(DATA), seeds, -1)),
            "mistaken": (
                ("data", "seed", "mistake"),
                measured["mistaken"].values.reshape(len(DATA), seeds, -1),
            ),
        },
        coords={"data": names, "steps": list(STEPS), "mistake": list(MISTAKES)},
    )


def _gains(unit: tuple[int, int]) -> xr.Dataset:
    """Test error of mixtures over that of the ridge alone, for one split."""
    which, seed = unit
    name, noise, gamma = DATA[which]
    rng = np.random.default_rng([seed, 81, which])
    data = load(name, N_TRAIN, N_TEST, rng)
    targets, test = data.targets.astype(float), data.test_targets.astype(float)
    if data.n_classes:
        flips = np.where(rng.uniform(size=len(targets)) < noise, -1.0, 1.0)
        targets, test = (2 * targets - 1) * flips, 2 * test - 1
    inputs, test_inputs = (v.reshape(len(v), -1).astype(float) for v in (data.inputs, data.test_inputs))
    spectrum = Spectrum.from_gram(rbf_kernel(inputs, gamma=gamma), targets)
    cross = rbf_kernel(test_inputs, inputs, gamma=gamma)
    best = float(RIDGES[np.argmin(leave_one_out_errors(spectrum, RIDGES, 1)[:, 0])])

    def relative(mixing: Mixing) -> float:
        alone = mix_rounds(spectrum, mixing.ridge, [1.0])
        errors = [np.mean((m.predict(cross) - test) ** 2) for m in (mixing, alone)]
        return float(errors[0] / errors[1])

    return xr.Dataset(
        {
            "tuned": ("steps", [relative(optimal_mixing(spectrum, best, k)) for k in STEPS]),
            "mistaken": ("mistake", [relative(optimal_mixing(spectrum, best * m, 1)) for m in MISTAKES]),
        }
    )


def _steps(k: int) -> str:
    return f"{k} step{'s' if k > 1 else ''}"


def claims(data: xr.Dataset) -> list[Claim]:
    """O4 on each data set: over a tuned ridge, and over one that is not."""
    gain = "gives a smaller test error (gain, share)."
    found = []
    for i, name in enumerate(data["data"].values):
        for j, k in enumerate(STEPS):
            statement = f"{name}: at the tuned ridge {_steps(k)}, weights by leave-one-out, {gain}"
            found.append(
                Claim.from_samples(
                    "O4", statement, 1 - data["tuned"].values[i, :, j], relation="≥", negligible=RATIO, source=SOURCE,
                    family="tuned ridge", note="the rule to beat is the tuned ridge itself",
                )
            )  # fmt: skip
    for i, name in enumerate(data["data"].values):
        for j, factor in enumerate(MISTAKES):
            statement = f"{name}: at {factor:g} times the tuned ridge one step {gain}"
            found.append(
                Claim.from_samples(
                    "O4", statement, 1 - data["mistaken"].values[i, :, j], relation="≥", negligible=RATIO,
                    source=SOURCE, family="ridge not tuned",
                )
            )  # fmt: skip
    return found


def draw(data: xr.Dataset) -> Figure:
    """Relative errors, every seed a dot."""
    figure, axes = new_figure(2, width=5.4, height=4.0)
    _dots(
        axes[0, 0],
        data["tuned"].values,
        [_steps(k) for k in STEPS],
        data["data"].values,
    )
    axes[0, 0].set(title="Over the tuned ridge", xlabel="test error / that of the tuned ridge")
    labels = ["ridge 100 times too small", "ridge 100 times too large"]
    _dots(axes[0, 1], data["mistaken"].values, labels, data["data"].values)
    axes[0, 1].set(
        title="One step over a ridge that is not tuned", xlabel="test error / that of the ridge alone"
    )
    axes[0, 1].set_yticklabels([])
    for panel in axes[0]:
        panel.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=3)
    return figure


def _dots(panel: Axes, values: Array, labels: list[str], names: Array) -> None:
    for j, label in enumerate(labels):
        offset = 0.22 * (j - (len(labels) - 1) / 2)
        for i in range(len(names)):
            row = len(names) - 1 - i - offset
            samples = values[i, :, j]
            panel.plot(samples, np.full(len(samples), row), ".", color=COLOURS[j], alpha=0.3, markersize=4)
            panel.errorbar(
                samples.mean(), row, xerr=float(t_half_width(samples)), fmt="o", markersize=4, color=COLOURS[j],
                capsize=2, label=label if i == 0 else None,
            )  # fmt: skip
    panel.axvline(1, color="black", linewidth=1)
    panel.set_yticks(range(len(names)), labels=list(names)[::-1])
