"""Sparsification: adjacent ratios of diag(B_t) against the paper's bound.

Four eigenvalues 1, 2, 4, 5 and equal weights. Left, the exact ratios of neighbouring filter entries until the
collapse: every one grows with every round, faster and faster. Then a panel a pair, the first rounds enlarged
with the paper's lower bound (dashed), drawn as far as it is proved, up to (r_0 − 1)/κ rounds.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from ...theory import Spectrum, adjacent_ratios, distill_to_tolerance
from ...theory.distillation.sparsification import ratio_bound
from ..claim import Claim
from ..scale import Scale
from ..style import BOUND, COLOURS, new_figure, rounds_axis

EIGENVALUES = np.array([1.0, 2.0, 4.0, 5.0])


def measure(scale: Scale) -> xr.Dataset:
    """Exact ratios and bounds for the example, and the worst margin over random spectra."""
    ratio = 60.0
    epsilon = 1 / ratio**2  # unit weights: ‖y‖² = n
    run = distill_to_tolerance(Spectrum.from_eigenvalues(EIGENVALUES, np.ones(4)), epsilon)
    rounds = np.arange(1, run.rounds + 1)
    proved = rounds <= (ratio - 1) / 5
    bound = np.array([ratio_bound(EIGENVALUES, ratio, int(t)) for t in rounds])
    margins = random_margins(scale)
    return xr.Dataset(
        {
            "ratio": (("round", "pair"), adjacent_ratios(run.filters, EIGENVALUES)),
            "bound": (("round", "pair"), np.where(proved[:, None], bound, np.nan)),
            "random_margin": ("problem", margins[0]),
            "random_growth": ("problem", margins[1]),
        },
        coords={"round": rounds, "pair": ["2 : 1", "4 : 2", "5 : 4"]},
        attrs={"initial_ratio": ratio},
    )


def random_margins(scale: Scale) -> tuple[list[float], list[float]]:
    """Least log margin of the ratios over the bound, and least growth, of random problems."""
    rng = scale.rng(2)
    margins, growths = [], []
    for _ in range(scale.choose(smoke=20, quick=200, full=2000)):
        d = np.sort(10 ** rng.uniform(-rng.uniform(0.1, 3), 0, rng.integers(2, 30)))
        z = rng.normal(size=len(d))
        r = (d[-1] / d[0]) * rng.uniform(1, 6) + 1
        run = distill_to_tolerance(Spectrum.from_eigenvalues(d, z), np.mean(z**2) / r**2, max_rounds=8)
        exact = adjacent_ratios(run.filters, d)
        proved = int(min((r - 1) * d[0] / d[-1], run.rounds))
        bounds = np.array([ratio_bound(d, r, t) for t in range(1, proved + 1)])
        margins.append(float((np.log(exact[:proved]) - np.log(bounds)).min()))
        growths.append(float(np.diff(np.log(exact), axis=0).min()) if run.rounds > 1 else np.inf)
    return margins, growths


def claims(data: xr.Dataset) -> list[Claim]:
    """Ratios grow, and lie above the paper's bound."""
    source = "selfdistill.theory.distillation.sparsification.ratio_bound"
    proved = data.isel(round=np.isfinite(data["bound"].values).all(axis=1))
    growth = data["ratio"].diff("round")
    return [
        Claim.theorem("M9", "Ratios of B_t are at least the paper's bound for t ≤ (r_0 − 1)/κ.", proved["bound"],
                      proved["ratio"], relation="≥", tolerance=1e-12, source=source),
        Claim.theorem("M9", "The same over random spectra (least logarithmic margin).", 0.0,
                      data["random_margin"], relation="≥", tolerance=1e-10, source=source),
        Claim.theorem("M10", "Every adjacent ratio grows strictly with t.", np.finfo(float).tiny, growth,
                      relation="≥", source="selfdistill.theory.adjacent_ratios"),
        Claim.theorem("M10", "The same over random spectra (least logarithmic growth).", np.finfo(float).tiny,
                      data["random_growth"], relation="≥", source="selfdistill.theory.adjacent_ratios"),
    ]  # fmt: skip


def draw(data: xr.Dataset) -> Figure:
    """Ratios over all rounds, and with their bounds over the proved ones: a panel a pair."""
    pairs = data["pair"].values
    figure, axes = new_figure(1 + len(pairs), width=3.4, height=3.6)
    whole, *starts = axes[0]
    proved = int(np.isfinite(data["bound"].values[:, 0]).sum())
    for i, (pair, panel) in enumerate(zip(pairs, starts, strict=True)):
        whole.plot(data["round"], data["ratio"][:, i], color=COLOURS[i], label=pair)
        panel.plot(
            data["round"][:proved],
            data["ratio"][:proved, i],
            "o-",
            markersize=3,
            color=COLOURS[i],
            label="exact",
        )
        panel.plot(
            data["round"][:proved], data["bound"][:proved, i], "--", color=BOUND, label="the paper's bound"
        )
        panel.set_title(f"{pair}, while the bound is proved")
        panel.legend(loc="upper left")
        rounds_axis(panel)
    whole.set(yscale="log", ylabel="ratio of filter entries", title="Until collapse")
    whole.legend(loc="upper left", title="eigenvalues")
    rounds_axis(whole)
    return figure
