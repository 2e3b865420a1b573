"""Width: when networks leave the theory of their kernel, and how that moment moves as they grow.

Networks distilled to collapse at one training error, over widths. How far the fit of every round is from the
predicted one; the law by which that error falls with width, in early, middle and late rounds; and the share of the
predicted rounds that a network stays within 10 % of theory. A tangent kernel that fluctuates like 1/√width makes one
expect a slope between −1/2 and −1.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..claim import Claim
from ..conditions import DullRule
from ..scale import Scale
from ..style import COLOURS, new_figure, possible
from ._matched_cells import MIDDLE, Values, known_mean, left_out, measure_networks, settled
from ._matched_cells import plan as plan

OWN_DATA = "classes (of more than two the two commonest) or values"
SOURCE = "selfdistill.theory.Trajectory"
STAGES = {"early": (0.0, 1 / 3), "middle": (1 / 3, 2 / 3), "late": (2 / 3, 1.0)}
ALLOWED = 0.1


def measure(scale: Scale) -> xr.Dataset:
    """Networks of two hidden layers at one ε, at every width: the same that the collapse is measured on."""
    data = measure_networks(scale)
    epsilon = MIDDLE if (data["epsilon"] == MIDDLE).any() else float(data["epsilon"].min())
    kept = data.isel(
        cell=np.flatnonzero(
            (data["epsilon"] == epsilon) & (data["depth"] == 2) & (data["activation"] == "gelu")
        )
    )
    return kept.assign_attrs(epsilon=epsilon)


def stage_errors(data: xr.Dataset) -> dict[str, Values]:
    """Geometric mean of the error of z over each third of the predicted rounds: (draws, widths).

    The last predicted round is left out: its fit is nearly zero, and so is what its error is divided by. Draws
    without a settled network at some width are left out.
    """
    kept = settled(data)
    z = kept["z_error"].sel(kernel="theory").transpose("cell", "fit").values
    last = kept["rounds"].sel(source="theory").values[:, None]
    progress = kept["fit"].values / last
    logs = np.where(
        (kept["fit"].values < np.maximum(last, 2)) & (z > 0), np.log(np.maximum(z, 1e-300)), np.nan
    )
    widths, draws = np.unique(data["width"].values), list(dict.fromkeys(data["draw"].values))
    found = {}
    for stage, (low, high) in STAGES.items():
        inside = np.where((progress > low) & (progress <= high), logs, np.nan)
        table = np.full((len(draws), len(widths)), np.nan)
        for row, draw, width in zip(inside, kept["draw"].values, kept["width"].values, strict=True):
            if np.isfinite(row).any():
                table[draws.index(draw), np.searchsorted(widths, width)] = np.nanmean(row)
        found[stage] = np.exp(table[np.isfinite(table).all(axis=1)])
    return found


def followed_share(data: xr.Dataset) -> Values:
    """Share of the predicted rounds before the error of z first passes 10 %, one a cell."""
    z = data["z_error"].sel(kernel="theory").transpose("cell", "fit").values
    left = np.where(np.isnan(z), np.inf, z) > ALLOWED
    first = np.where(left.any(axis=1), left.argmax(axis=1), z.shape[1])
    return np.asarray(np.minimum(first / data["rounds"].sel(source="theory").values, 1.0))


def slopes(errors: Values, widths: Values) -> Values:
    """Slope of log error in log width, one a draw."""
    return np.asarray(np.polyfit(np.log(widths), np.log(errors).T, 1)[0])


def claims(data: xr.Dataset) -> list[Claim]:
    """The law in every third of the rounds, and how long networks stay with theory."""
    widths, errors = np.unique(data["width"].values), stage_errors(data)
    found = []
    for stage, values in errors.items():
        slope = slopes(values, widths) if len(values) else np.array([])
        found.append(
            Claim.from_samples(
                "M18", f"{stage} rounds: the error of the fit falls at least like 1/√width", slope, relation="≤",
                predicted=-0.5, source=SOURCE,
                dull_rule=DullRule.of("no law: the error does not depend on width", slope, 0 * slope, better="lower"),
                note=f"mean slope {slope.mean() if len(slope) else np.nan:.2f}; geometric mean of the error by width "
                + ", ".join(f"{w}: {100 * e:.2g} %" for w, e in zip(widths, _middle(values), strict=True))
                + f". {left_out(data)}",
            )
        )  # fmt: skip
    kept = settled(data)
    share, width = followed_share(kept), kept["width"].values
    wide, narrow = share[width == widths[-1]], share[width == widths[0]]
    found.append(
        Claim.from_samples(
            "M18", f"networks of width {widths[-1]} stay within 10 % of theory for at least three quarters of the "
            "predicted rounds", wide, relation="≥", predicted=0.75, source=SOURCE,
            note=f"share of the rounds before the fit first differs by more: {known_mean(wide):.2f}; at width "
            f"{widths[0]} {known_mean(narrow):.2f}.",
        )
    )  # fmt: skip
    return found


def _middle(values: Values) -> Values:
    return np.exp(np.log(values).mean(axis=0)) if len(values) else np.full(values.shape[1], np.nan)


def draw(data: xr.Dataset) -> Figure:
    """Error over the rounds, error against width, and how long networks follow."""
    figure, axes = new_figure(3, 1, width=4.3, height=3.7)
    _draw_rounds(axes[0, 0], data)
    _draw_law(axes[0, 1], data)
    _draw_followed(axes[0, 2], data)
    return figure


def _draw_rounds(axes: Axes, data: xr.Dataset) -> None:
    grid = np.linspace(0.05, 1, 40)
    for i, width in enumerate(np.unique(data["width"].values)):
        kept = settled(data.isel(cell=np.flatnonzero(data["width"] == width)))
        z = kept["z_error"].sel(kernel="theory").transpose("cell", "fit").values
        last = kept["rounds"].sel(source="theory").values
        lines = [
            np.interp(grid, np.arange(1, n + 1) / total, np.log(row[:n]))
            for row, total in zip(z, last, strict=True)
            if (n := int(np.isfinite(row).sum()))
        ]
        if len(lines) > 1:
            mean = np.exp(np.mean(lines, axis=0))
            axes.plot(grid, mean, color=COLOURS[i], label=f"width {width}")
    axes.axhline(ALLOWED, color="0.5", ls="--", lw=1)
    axes.set(
        yscale="log", xlabel="round / predicted rounds", ylabel="‖z − predicted‖ / ‖predicted‖",
        title=f"Error of the fit over the rounds, ε = {data.attrs['epsilon']:g}",
    )  # fmt: skip
    axes.legend()


def _draw_law(axes: Axes, data: xr.Dataset) -> None:
    widths = np.unique(data["width"].values)
    for i, (stage, values) in enumerate(stage_errors(data).items()):
        if len(values):
            slope = slopes(values, widths).mean()
            axes.plot(widths, values.T, color=COLOURS[i], lw=0.5, alpha=0.35)
            axes.plot(
                widths,
                _middle(values),
                "o-",
                ms=4,
                color=COLOURS[i],
                label=f"{stage} rounds, slope {slope:.2f}",
            )
    axes.set(
        xscale="log", yscale="log", xlabel="width of the hidden layers", title="The law, one thin line a draw"
    )
    axes.set_xticks(widths, [str(w) for w in widths])
    axes.minorticks_off()
    axes.legend()


def _draw_followed(axes: Axes, data: xr.Dataset) -> None:
    kept = settled(data)
    widths = np.unique(kept["width"].values)
    share, width = followed_share(kept), kept["width"].values
    for w in widths:
        points = share[width == w]
        jitter = np.exp(0.12 * np.linspace(-1, 1, len(points)))
        axes.plot(w * jitter, np.sort(points), "o", ms=3.5, mfc="none", color=COLOURS[1])
    axes.plot(widths, [share[width == w].mean() for w in widths], "o-", color=COLOURS[0], label="mean")
    axes.set(
        xscale="log", xlabel="width of the hidden layers", title="Share of the rounds within 10 % of theory"
    )
    axes.set_xticks(widths, [str(w) for w in widths])
    axes.minorticks_off()
    possible(axes)
    axes.legend(loc="lower right")
