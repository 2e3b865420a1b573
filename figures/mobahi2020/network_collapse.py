"""Rounds to collapse of networks, beside those that theory and dull rules name before any training.

Small networks, centred at their start and trained to an exact error ε with a penalty on the distance they move,
distilled round after round until nothing is left, over ε from 0.3 to 0.002: 2 to 30 rounds. Theory is the closed
form under the network's own tangent kernel at its start. Beside it stand rules that know less: the kernel of an
infinitely wide network, an RBF kernel, the bounds, and two rules that were told what networks did, the best constant
for each ε and the median of other draws of the same data. All are scored on the same networks; intervals are over
draws of data, each with all its networks.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from ..claim import Claim
from ..conditions import DullRule
from ..intervals import t_half_width
from ..scale import Scale
from ..style import BOUND, COLOURS, MEASURED, THEORY, new_figure
from ._matched_cells import (
    EPSILONS,
    by_draw,
    known_mean,
    left_out,
    measure_networks,
    predicted_rounds,
    settled,
)
from ._matched_cells import plan as plan

OWN_DATA = "classes (of more than two the two commonest) or values"
SOURCE = "selfdistill.theory.distill_to_tolerance"


def measure(scale: Scale) -> xr.Dataset:
    """Networks and kernels in every cell."""
    return measure_networks(scale)


def claims(data: xr.Dataset) -> list[Claim]:
    """Exact rounds, error in rounds against every dull rule, and z of every round."""
    kept = settled(data)
    measured = kept["rounds"].sel(source="network").values
    rules = predicted_rounds(kept)
    misses = {name: np.abs(rule - measured) for name, rule in rules.items()}
    theory, *dull = misses
    errors = {name: by_draw(kept, miss) for name, miss in misses.items()}
    exact = by_draw(kept, misses[theory] == 0)
    matched = int(measured[misses[theory] == 0].max(initial=0))
    predicted = rules[theory]
    found = [
        Claim.from_samples(
            "M17", "a network collapses in the very round that its own tangent kernel predicts, in at least 80 % "
            "of cells", exact, relation="≥", predicted=0.8, source=SOURCE,
            dull_rule=DullRule.of(
                dull[2], exact, by_draw(kept, misses[dull[2]] == 0), better="higher"
            ),
            note=f"{int((misses[theory] == 0).sum())} of {len(measured)} cells over {len(np.unique(predicted))} "
            f"different predicted rounds ({predicted.min():.0f} to {predicted.max():.0f}); the largest predicted "
            f"round that was matched is {matched}. {left_out(data)} With them: {_hits(data)}.",
        ),
        Claim.from_samples(
            "M17", "the collapse round is predicted to half a round on average", errors[theory],
            relation="≤", predicted=0.5, source=SOURCE, note="mean absolute error in rounds, one sample a draw.",
        ),
    ]  # fmt: skip
    found += [
        Claim.from_samples(
            "M17", f"theory errs by fewer rounds than {name}", errors[name] - errors[theory], relation="≥",
            source=SOURCE, dull_rule=DullRule.of(name, errors[theory], errors[name], better="lower"),
            note=f"mean absolute error {known_mean(errors[theory]):.2f} against {known_mean(errors[name]):.2f} rounds",
        )
        for name in dull
    ]  # fmt: skip
    z = kept["z_error"].sel(kernel="theory")
    sharp = kept["activation"].values == "sharp gelu"
    found += [
        Claim.from_samples(
            "M17", "nearly ReLU networks (x Φ(16 x)) collapse within half a round of theory on average",
            misses[theory][sharp], relation="≤", predicted=0.5, source=SOURCE,
            note="one sample a network, each on data of its own. The optimum of ReLU itself lies on kinks, where no "
            "gradient vanishes and no fit can be certified.",
        ),
        Claim.from_samples(
            "M17", "the fit of every round but the last is within 10 % of the predicted one, on average over rounds",
            by_draw(kept, known_mean(before_last(z, kept), axis=1)), relation="≤", predicted=0.1, source=SOURCE,
            note="relative error of z; the last fit before collapse is nearly zero, and so is what it is divided by.",
        ),
        Claim.theorem(
            "M7", "no network collapses before r_0 − 1 rounds: at a fixed error the triangle inequality binds "
            "networks too", kept["lower_bound"].values, measured, relation="≥", tolerance=1e-3,
            source="selfdistill.theory.collapse_bounds",
        ),
    ]  # fmt: skip
    return found


def _hits(data: xr.Dataset) -> str:
    same = data["rounds"].sel(source="network") == data["rounds"].sel(source="theory")
    return f"{int(same.sum())} of {data.sizes['cell']} agree"


def before_last(z: xr.DataArray, data: xr.Dataset) -> np.ndarray:
    """Errors of z (cells, fits) without the last predicted round, NaN there and after it."""
    last = data["rounds"].sel(source="theory").values[:, None]
    return np.where(data["fit"].values < np.maximum(last, 2), z.transpose("cell", "fit").values, np.nan)


def draw(data: xr.Dataset) -> Figure:
    """Collapse rounds, how far each rule is off, and the fit of every round."""
    figure, axes = new_figure(3, 1, width=4.7, height=4.3)
    kept = settled(data)
    _draw_rounds(axes[0, 0], kept)
    _draw_rules(axes[0, 1], kept)
    _draw_fits(axes[0, 2], kept)
    return figure


def _draw_rounds(axes: Axes, data: xr.Dataset) -> None:
    measured = data["rounds"].sel(source="network").values
    predicted = data["rounds"].sel(source="theory").values
    top = max(predicted.max(), measured.max()) * 1.12
    axes.plot([0.9, top], [0.9, top], color="0.7", lw=1, zorder=0)
    pairs, counts = np.unique(np.stack([predicted, measured]), axis=1, return_counts=True)
    hit = pairs[0] == pairs[1]
    for chosen, colour, label in ((hit, THEORY, "the very round"), (~hit, MEASURED, "another round")):
        axes.scatter(
            pairs[0, chosen], pairs[1, chosen], s=14 + 9 * counts[chosen], color=colour, alpha=0.75, lw=0,
            label=f"{label}: {counts[chosen].sum()} networks",
        )  # fmt: skip
    axes.set(
        xscale="log", yscale="log", xlim=(0.9, top), ylim=(0.9, top), aspect="equal",
        xlabel="predicted rounds to collapse", ylabel="measured rounds",
        title=f"{len(measured)} networks (area: how many)",
    )  # fmt: skip
    ticks = [t for t in (1, 2, 3, 5, 8, 12, 20, 30, 50) if t <= top]
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks(ticks, [str(t) for t in ticks])
        axis.set_minor_locator(NullLocator())
    axes.legend(loc="upper left")


def _draw_rules(axes: Axes, data: xr.Dataset) -> None:
    measured = data["rounds"].sel(source="network").values
    rules = {k: v for k, v in predicted_rounds(data).items() if k != "upper bound"}
    for i, (name, rule) in enumerate(rules.items()):
        error = by_draw(data, np.abs(rule - measured))
        exact = 100 * np.mean(rule == measured)
        axes.barh(i, error.mean(), xerr=t_half_width(error), color=THEORY if i == 0 else BOUND, height=0.55,
                  error_kw={"lw": 1, "capsize": 2})  # fmt: skip
        axes.text(0.02, i - 0.42, f"{name} ({exact:.0f} % exact)", fontsize=8, va="center",
                  transform=axes.get_yaxis_transform())  # fmt: skip
    axes.set(
        yticks=[],
        xlim=(0, None),
        ylim=(len(rules) - 0.5, -0.75),
        xlabel="mean absolute error, rounds",
        title="Who predicts the round",
    )


def _draw_fits(axes: Axes, data: xr.Dataset) -> None:
    z = data["z_error"].sel(kernel="theory").transpose("cell", "fit").values
    progress = data["fit"].values / data["rounds"].sel(source="theory").values[:, None]
    narrow = (data["width"] == data["width"].values.min()).values
    for i, epsilon in enumerate(e for e in EPSILONS if e <= 0.08):
        rows = np.flatnonzero(narrow & (data["epsilon"].values == epsilon))
        if len(rows):
            there = np.isfinite(z[rows]).any(axis=0) & (np.median(progress[rows], axis=0) <= 1)
            axes.plot(
                np.median(progress[rows][:, there], axis=0), np.nanmedian(z[rows][:, there], axis=0), "o-", ms=3,
                lw=1, color=COLOURS[i % 7], label=f"ε = {epsilon:g}",
            )  # fmt: skip
    axes.set(
        yscale="log", xlabel="round / predicted rounds", ylabel="‖z − predicted‖ / ‖predicted‖", xlim=(0, 1.05),
        title=f"The fit of every round, width {int(data['width'].min())} (medians)",
    )  # fmt: skip
    axes.legend()
