"""Early stopping: one round at a larger error is no substitute for many rounds.

Stopping early is one round with a larger tolerance. However large, its filter can tell two neighbouring basis
functions apart by no more than the ratio of their eigenvalues (dotted). Distillation goes past that limit. Left,
one pair's ratio against the training error on the given targets, for one round over all tolerances and for the
rounds of distillation; right, the two filters at the same training error. The claims are asked of random spectra too.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from ...theory import Spectrum, adjacent_ratios, distill_to_tolerance
from ...theory.distillation.sparsification import early_stopping_ratio_limit
from ..claim import Claim
from ..scale import Scale
from ..style import BOUND, MEASURED, THEORY, legend_below, new_figure


def measure(scale: Scale) -> xr.Dataset:
    """One round over a range of tolerances, and the rounds of distillation at a small one."""
    n = 20
    d = np.geomspace(1e-3, 1, n)
    spectrum = Spectrum.from_eigenvalues(d, np.ones(n))
    run = distill_to_tolerance(spectrum, 0.01)
    rounds = np.arange(1, run.rounds + 1)
    error = np.array([np.mean((run.fitted(int(t)) - run.fitted(0)) ** 2) for t in rounds])
    tolerances = np.geomspace(0.01, 0.999, scale.choose(smoke=20, quick=100, full=400))
    one = np.array([distill_to_tolerance(spectrum, e, max_rounds=1).filter(1) for e in tolerances])
    matched = distill_to_tolerance(spectrum, float(error[-1]), max_rounds=1)
    random = [random_spectrum(scale.rng(12, i)) for i in range(scale.choose(smoke=10, quick=100, full=1000))]
    return xr.Dataset(
        {
            "one_round_ratio": (("tolerance", "pair"), adjacent_ratios(one, d)),
            "distilled_ratio": (("round", "pair"), adjacent_ratios(run.filters, d)),
            "distilled_error": ("round", error),
            "limit": ("pair", early_stopping_ratio_limit(d)),
            "random_one_round": ("spectrum", [one for one, _ in random]),
            "random_distilled": ("spectrum", [many for _, many in random]),
            "eigenvalue": ("direction", d),
            "distilled_filter": ("direction", run.filter(run.rounds)),
            "one_round_filter": ("direction", matched.filter(1)),
        },
        coords={"tolerance": tolerances, "round": rounds},
    )


def random_spectrum(rng: np.random.Generator) -> tuple[float, float]:
    """Largest ratio of neighbouring filter entries over its limit d_k/d_j, of random eigenvalues and targets.

    First for one round at twenty tolerances, then for the last round of distillation at the least of them.
    """
    n = int(rng.integers(3, 40))
    spectrum = Spectrum.from_eigenvalues(np.exp(rng.uniform(-6, 0, n)), rng.normal(size=n))
    limit = early_stopping_ratio_limit(spectrum.eigenvalues)
    tolerances = spectrum.weights.mean() * np.geomspace(0.01, 0.99, 20)
    one = [distill_to_tolerance(spectrum, e, max_rounds=1).filter(1) for e in tolerances]
    last = distill_to_tolerance(spectrum, tolerances[0]).filters[-1]
    over = [np.max(adjacent_ratios(np.atleast_2d(f), spectrum.eigenvalues) / limit) for f in (one, last)]
    return float(over[0]), float(over[1])


def claims(data: xr.Dataset) -> list[Claim]:
    """What one round cannot do and distillation does, on one spectrum and on random ones."""
    source = "selfdistill.theory.distillation.sparsification.early_stopping_ratio_limit"
    return [
        Claim.theorem("M12", "One round with any larger ε never takes a ratio above d_k/d_j.", data["limit"],
                      data["one_round_ratio"], relation="≤", tolerance=1e-12, source=source),
        Claim.theorem("M12", "Nor does it on any of the random spectra and targets (largest ratio over its limit).",
                      1.0, data["random_one_round"], relation="≤", tolerance=1e-12, source=source,
                      note=f"{data.sizes['spectrum']} spectra, twenty tolerances each"),
        Claim.from_proportion("M12", "On at least nine in ten random spectra the last round of distillation takes some "
                              "ratio above its limit.", int((data["random_distilled"] > 1).sum()),
                              data.sizes["spectrum"], relation="≥", predicted=0.9, source=source),
        Claim.theorem("M12", "The last round of distillation takes every ratio above d_k/d_j.", data["limit"],
                      data["distilled_ratio"][-1], relation="≥", source=source),
    ]  # fmt: skip


def draw(data: xr.Dataset) -> Figure:
    """Ratios against training error, and two filters."""
    figure, axes = new_figure(2, height=3.9)
    ratios, filters = axes[0]
    pair = data.sizes["pair"] // 2
    ratios.plot(
        data["tolerance"], data["one_round_ratio"][:, pair], color=MEASURED, label="one round, larger ε"
    )
    ratios.plot(
        data["distilled_error"], data["distilled_ratio"][:, pair], "o-", markersize=4, color=THEORY,
        label="rounds of distillation",
    )  # fmt: skip
    ratios.axhline(float(data["limit"][pair]), color=BOUND, linestyle=":", label="ratio of eigenvalues")
    ratios.set(
        xlabel="mean squared error on the given targets", ylabel="ratio of neighbouring filter entries"
    )
    ratios.set_title("A middle pair of basis functions")
    legend_below(ratios, 2)
    error = float(data["distilled_error"][-1])
    filters.loglog(data["eigenvalue"], data["one_round_filter"], color=MEASURED, label="one round")
    filters.loglog(
        data["eigenvalue"], data["distilled_filter"], color=THEORY, label=f"{data.sizes['round']} rounds"
    )
    filters.set(xlabel="eigenvalue", ylabel="filter", title=f"Filters at the same training error {error:.2f}")
    legend_below(filters, 2)
    return figure
