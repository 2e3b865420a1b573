"""Near interpolation: what the paper's bound tends to as the tolerance goes to zero.

At the last round that the paper guarantees, t = (r_0 − 1)/κ, its bound on each adjacent ratio is drawn against
r_0 (small ε to the right), a panel for each pair of neighbouring eigenvalues. It tends to exp((d_min/κ)(1/d_j −
1/d_k)), a dotted line: even at the edge of interpolation distillation tells neighbours apart, by a factor that
the closed form names. The exact ratios lie above.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from ...theory import Spectrum, adjacent_ratios, distill_to_tolerance
from ...theory.distillation.sparsification import near_interpolation_limit, ratio_bound
from ..claim import Claim
from ..scale import Scale
from ..style import ACCENT, BOUND, THEORY, new_figure

EIGENVALUES = np.array([1.0, 2.0, 4.0, 5.0])
PUBLISHED_LIMITS = (1.1052, 1.0513, 1.0101)
PUBLISHED_RATIOS = (1.2244, 1.1065, 1.0205)


def measure(scale: Scale) -> xr.Dataset:
    """Bound and exact ratios at t = (r_0 − 1)/κ for growing r_0."""
    rounds = np.unique(np.geomspace(1, 1000, scale.choose(smoke=6, quick=25, full=60)).astype(int))
    kappa = EIGENVALUES[-1] / EIGENVALUES[0]
    bound, exact = [], []
    for t in rounds:
        r = kappa * t + 1
        run = distill_to_tolerance(
            Spectrum.from_eigenvalues(EIGENVALUES, np.ones(4)), 1 / r**2, max_rounds=int(t)
        )
        bound.append(ratio_bound(EIGENVALUES, r, int(t)))
        exact.append(adjacent_ratios(run.filter(int(t)), EIGENVALUES))
    return xr.Dataset(
        {
            "bound": (("initial_ratio", "pair"), bound),
            "exact": (("initial_ratio", "pair"), exact),
            "limit": ("pair", near_interpolation_limit(EIGENVALUES)),
        },
        coords={"initial_ratio": kappa * rounds + 1, "pair": ["2 : 1", "4 : 2", "5 : 4"]},
    )


def claims(data: xr.Dataset) -> list[Claim]:
    """The limits, and how near the bound is to them, as published."""
    source = "selfdistill.theory.distillation.sparsification.near_interpolation_limit"
    last = data.isel(initial_ratio=-1)
    return [
        Claim.theorem("M11", "The limits for eigenvalues 1, 2, 4, 5 are 1.1052, 1.0513, 1.0101.",
                      PUBLISHED_LIMITS, data["limit"], tolerance=5e-5, source=source),
        Claim.theorem("M11", "At r_0 = 5001 the bound is within 0.1 % of its limit.", data["limit"],
                      last["bound"], tolerance=1e-3, source=source),
        Claim.theorem("M11", "The exact ratios at r_0 = 5001 are 1.2244, 1.1065, 1.0205.", PUBLISHED_RATIOS,
                      last["exact"], tolerance=5e-5, source="selfdistill.theory.adjacent_ratios"),
    ]  # fmt: skip


def draw(data: xr.Dataset) -> Figure:
    """Bound, limit and exact ratio, a panel a pair."""
    figure, axes = new_figure(data.sizes["pair"], width=3.6, height=3.6)
    for i, (panel, pair) in enumerate(zip(axes[0], data["pair"].values, strict=True)):
        limit = float(data["limit"][i])
        panel.plot(data["initial_ratio"], data["exact"][:, i], color=THEORY, label="exact")
        panel.plot(data["initial_ratio"], data["bound"][:, i], color=ACCENT, linestyle="--", label="bound")
        panel.axhline(limit, color=BOUND, linestyle=":", label="limit of the bound")
        panel.annotate(
            f"{limit:.4f}", (1, limit), xycoords=("axes fraction", "data"), xytext=(-2, 3),
            textcoords="offset points", ha="right", fontsize=8, color=BOUND,
        )  # fmt: skip
        panel.set_xscale("log")
        panel.set(xlabel=r"$r_0 = \Vert y\Vert/\sqrt{n\epsilon}$", title=f"eigenvalues {pair}")
    axes[0, 0].set_ylabel("ratio of filter entries")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure
