"""Fall and rise in advance: the test error of every round, predicted before a network is trained.

Self-distillation first takes noise away, so that the error on clean test points falls, and then too much signal, so
that it rises. Lines are the closed form under the tangent kernel of the network at its start, computed before any
training; circles are the network, trained and distilled to collapse. The round that is best is named in advance too,
and set against the best measured one over many networks, beside kernels that know less and the best constant.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...theory import InputError
from ..claim import Claim
from ..conditions import DullRule, Precondition
from ..intervals import t_half_width
from ..scale import Scale
from ..style import BOUND, COLOURS, THEORY, new_figure, rounds_axis
from ._matched_cells import MIDDLE, Values, by_draw, known_mean, left_out, measure_networks, settled
from ._matched_cells import plan as plan

OWN_DATA = "classes (of more than two the two commonest) or values"
SOURCE = "selfdistill.theory.Trajectory.predict"
KERNEL_NAMES = {
    "theory": "its own tangent kernel",
    "infinite width": "infinite-width ReLU kernel",
    "rbf": "RBF kernel, median bandwidth",
}


def measure(scale: Scale) -> xr.Dataset:
    """Networks and kernels in every cell."""
    return measure_networks(scale)


def _errors(data: xr.Dataset, source: str) -> Values:
    return np.asarray(data["test_error"].sel(source=source).transpose("cell", "fit").values)


def best_rounds(data: xr.Dataset) -> dict[str, Values]:
    """Best round of every cell: as measured, and as each rule names it (NaN where a kernel cannot reach ε)."""
    best: dict[str, Values] = {}
    for source in ("network", *KERNEL_NAMES):
        errors = _errors(data, source)
        known = np.isfinite(errors).any(axis=1)
        least = np.where(np.isnan(errors), np.inf, errors).argmin(axis=1) + 1.0
        best[KERNEL_NAMES.get(source, source)] = np.where(known, least, np.nan)
    epsilon, measured = data["epsilon"].values, best["network"]
    best["best constant per ε, in hindsight"] = np.array([np.median(measured[epsilon == e]) for e in epsilon])
    return best


def curve_error(data: xr.Dataset, source: str) -> Values:
    """Mean over the network's rounds of ``|predicted − measured| / measured``, one a cell."""
    measured, predicted = _errors(data, "network"), _errors(data, source)
    return known_mean(np.abs(predicted - measured) / measured, axis=1)


def long_enough(data: xr.Dataset) -> xr.Dataset:
    """Keep settled cells in which at least three rounds are predicted: shorter runs have no middle."""
    kept = settled(data)
    chosen = kept.isel(cell=np.flatnonzero(kept["rounds"].sel(source="theory") >= 3))
    if not chosen.sizes["cell"]:
        raise InputError(
            "no network is predicted to take three rounds or more to its collapse on these data."
        )
    return chosen


def claims(data: xr.Dataset) -> list[Claim]:
    """Fall and rise around the predicted round, the whole curve, and the best round, each against dull rules."""
    kept = long_enough(data)
    measured, best = _errors(kept, "network"), best_rounds(kept)
    theory, *dull = [name for name in best if name != "network"]
    last = kept["rounds"].sel(source="network").values.astype(int) - 1
    rows = np.arange(len(measured))
    chosen = np.minimum(best[theory].astype(int) - 1, last)
    at_chosen = measured[rows, chosen]
    falls = by_draw(kept, (measured[:, 0] - at_chosen) / measured[:, 0])
    later = Precondition.of(
        "theory names a round after the first (share of networks)", best[theory] > 1, "≥", 0.5
    )
    curves = {name: by_draw(kept, curve_error(kept, name)) for name in KERNEL_NAMES}
    misses = {name: by_draw(kept, np.abs(best[name] - best["network"])) for name in (theory, *dull)}
    regret = by_draw(kept, at_chosen / np.nanmin(measured, axis=1) - 1)
    constant = np.minimum(np.round(best[dull[-1]]).astype(int) - 1, last)
    constant_regret = by_draw(kept, measured[rows, constant] / np.nanmin(measured, axis=1) - 1)
    found = [
        Claim.from_samples(
            "M19", "the test error falls from round 1 to the round that theory names before training", falls,
            relation="≥", source=SOURCE, precondition=later, note=f"as a share of round 1. {left_out(data)}",
        ),
        Claim.from_samples(
            "M19", "the test error rises from the round that theory names to the last before collapse",
            by_draw(kept, (measured[rows, last] - at_chosen) / at_chosen), relation="≥", source=SOURCE,
        ),
        Claim.from_samples(
            "M17", "the test error of every round is predicted to 10 % on average over rounds", curves["theory"],
            relation="≤", predicted=0.1, source=SOURCE,
            dull_rule=DullRule.of(KERNEL_NAMES["rbf"], curves["theory"], curves["rbf"], better="lower"),
            note=f"mean relative error {_percent(curves['theory'])}; {KERNEL_NAMES['infinite width']} "
            f"{_percent(curves['infinite width'])}, {KERNEL_NAMES['rbf']} {_percent(curves['rbf'])}.",
        ),
        Claim.from_samples(
            "M19", "the best round is named before training to half a round on average", misses[theory],
            relation="≤", predicted=0.5, source=SOURCE,
            note=f"{int((best[theory] == best['network']).sum())} of {len(rows)} networks exactly; best rounds "
            f"{best['network'].min():.0f} to {best['network'].max():.0f}.",
        ),
        Claim.from_samples(
            "M19", "stopping at the round that theory names costs at most 2 % of the least test error", regret,
            relation="≤", predicted=0.02, source=SOURCE,
            dull_rule=DullRule.of(dull[-1], regret, constant_regret, better="lower"),
            note=f"test error above that of the best round: {_percent(regret)}; {dull[-1]} "
            f"{_percent(constant_regret)}.",
        ),
    ]  # fmt: skip
    found += [
        Claim.from_samples(
            "M19", f"theory names the best round more closely than {name}", misses[name] - misses[theory],
            relation="≥", source=SOURCE, dull_rule=DullRule.of(name, misses[theory], misses[name], better="lower"),
            note=f"mean absolute error {misses[theory].mean():.2f} against {misses[name].mean():.2f} rounds",
        )
        for name in dull
    ]  # fmt: skip
    return found


def _percent(values: Values) -> str:
    return f"{100 * known_mean(values):.1f} %"


def draw(data: xr.Dataset) -> Figure:
    """Test errors over rounds, predicted and measured, and the best round."""
    figure, axes = new_figure(3, 1, width=4.6, height=4.2)
    _draw_curves(axes[0, 0], data)
    kept = long_enough(data)
    _draw_best(axes[0, 1], kept)
    _draw_rules(axes[0, 2], kept)
    return figure


def _draw_curves(axes: Axes, data: xr.Dataset) -> None:
    epsilon = MIDDLE if (data["epsilon"] == MIDDLE).any() else float(data["epsilon"].min())
    at = data.isel(
        cell=np.flatnonzero(
            (data["epsilon"] == epsilon) & (data["depth"] == 2) & (data["activation"] == "gelu")
        )
    )
    width = int(at["width"].max())
    at = at.isel(cell=np.flatnonzero(at["width"] == width))
    for i, name in enumerate(dict.fromkeys(at["data"].values)):
        one = at.isel(cell=int(np.flatnonzero(at["data"] == name)[0]))
        predicted, measured = (one["test_error"].sel(source=s).values for s in ("theory", "network"))
        axes.plot(one["fit"], predicted, color=COLOURS[i], lw=1.6)
        axes.plot(one["fit"], measured, "o", ms=5, mfc="none", color=COLOURS[i], label=str(name))
        best = int(np.nanargmin(predicted))
        axes.plot(best + 1, predicted[best], "*", ms=11, color=COLOURS[i], mec="white", mew=0.6)
    axes.plot([], [], color="0.3", label="predicted before training")
    axes.plot([], [], "o", ms=5, mfc="none", color="0.3", label="network")
    axes.plot([], [], "*", ms=11, color="0.3", mec="white", label="predicted best round")
    axes.set(
        ylabel="test error (1: predicting nothing)", ylim=(0, None),
        title=f"Test error of every round: width {width}, ε = {epsilon:g}",
    )  # fmt: skip
    rounds_axis(axes)
    wide = max(len(str(name)) for name in at["data"].values) > 15  # names of one's own data
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=2 if wide else 3, columnspacing=1.0)


def _draw_best(axes: Axes, data: xr.Dataset) -> None:
    best = best_rounds(data)
    predicted, measured = best[KERNEL_NAMES["theory"]], best["network"]
    top = max(predicted.max(), measured.max()) + 1
    axes.plot([0, top], [0, top], color="0.7", lw=1, zorder=0)
    pairs, counts = np.unique(np.stack([predicted, measured]), axis=1, return_counts=True)
    axes.scatter(pairs[0], pairs[1], s=14 + 9 * counts, color=THEORY, alpha=0.75, lw=0)
    axes.set(
        xlim=(0, top), ylim=(0, top), aspect="equal", ylabel="measured best round",
        title=f"Best round of {len(measured)} networks (area: how many)",
    )  # fmt: skip
    rounds_axis(axes, "predicted best round")


def _draw_rules(axes: Axes, data: xr.Dataset) -> None:
    best = best_rounds(data)
    measured = best.pop("network")
    for i, (name, rule) in enumerate(best.items()):
        error = by_draw(data, np.abs(rule - measured))
        axes.barh(i, error.mean(), xerr=t_half_width(error), color=THEORY if i == 0 else BOUND, height=0.45,
                  error_kw={"lw": 1, "capsize": 2})  # fmt: skip
        exact = 100 * np.mean(rule == measured)
        axes.text(0.02, i - 0.36, f"{name} ({exact:.0f} % exact)", fontsize=8, va="center",
                  transform=axes.get_yaxis_transform())  # fmt: skip
    axes.set(
        yticks=[], ylim=(len(best) - 0.5, -0.7), xlabel="mean absolute error, rounds",
        title="Who names the best round",
    )  # fmt: skip
