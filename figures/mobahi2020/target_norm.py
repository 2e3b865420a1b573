"""Target norm: how fast the targets shrink, and every bound on it.

The norm of the targets of round t, in units of the tolerance: at 1 the fit collapses. Left, a well-conditioned
spectrum; right, an ill-conditioned one, as real kernels are. The paper's lower bound (squares) is proved for
(r_0 − 1)/κ rounds: for two on the left, where it falls to about half of the exact norm, and for none on the
right. The triangle inequality gives r_0 − t whatever the spectrum, and the positive correlation of fit and
residual an upper bound: the round of collapse is caught from both sides.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from ...theory import Spectrum, collapse_bounds, distill_to_tolerance
from ...theory.distillation.collapse import paper_norm_bounds, ratio_lower_bounds, ratio_upper_bounds
from ..claim import Claim
from ..scale import Scale
from ..style import ACCENT, BOUND, MEASURED, THEORY, new_figure, rounds_axis

RATIO = 12.0
CONDITION_NUMBERS = (4.0, 1e6)
DIRECTIONS = 50


def measure(scale: Scale) -> xr.Dataset:
    """Norm ratios and bounds of two spectra, and the worst margins over random ones."""
    horizon = int(np.ceil(RATIO**2))
    curves = {name: np.full((2, horizon + 1), np.nan) for name in ("exact", "paper", "lower", "upper")}
    counts = []
    for i, kappa in enumerate(CONDITION_NUMBERS):
        spectrum = Spectrum.from_eigenvalues(np.geomspace(1 / kappa, 1, DIRECTIONS), np.ones(DIRECTIONS))
        epsilon = 1 / RATIO**2
        run = distill_to_tolerance(spectrum, epsilon)
        bounds = collapse_bounds(spectrum, epsilon)
        guaranteed = int(bounds.paper_lower) + 1
        curves["exact"][i, : run.rounds + 1] = run.ratios
        curves["paper"][i, :guaranteed] = paper_norm_bounds(RATIO, kappa, guaranteed - 1)
        curves["lower"][i, : int(RATIO) + 1] = ratio_lower_bounds(RATIO, int(RATIO))
        upper = ratio_upper_bounds(RATIO, kappa)
        curves["upper"][i, : len(upper)] = upper
        counts.append((bounds.paper_lower, bounds.lower, bounds.exact, bounds.upper))
    random = random_counts(scale)
    return xr.Dataset(
        {name: (("condition_number", "round"), values) for name, values in curves.items()}
        | {"count": (("condition_number", "kind"), counts), "random_count": (("problem", "kind"), random)},
        coords={
            "condition_number": list(CONDITION_NUMBERS),
            "round": np.arange(horizon + 1),
            "kind": ["paper_lower", "lower", "exact", "upper"],
        },
    )


def random_counts(scale: Scale) -> list[tuple[float, float, float, float]]:
    """Rounds to collapse and their bounds for random spectra of every condition."""
    rng = scale.rng(3)
    counts = []
    for _ in range(scale.choose(smoke=30, quick=300, full=3000)):
        d = 10 ** rng.uniform(-rng.uniform(0, 14), 0, rng.integers(1, 40))
        z = rng.normal(size=len(d))
        r = 1 + 10 ** rng.uniform(-3, 1.3)
        bounds = collapse_bounds(Spectrum.from_eigenvalues(d, z), float(np.mean(z**2) / r**2))
        counts.append((bounds.paper_lower, bounds.lower, float(bounds.exact), float(bounds.upper)))
    return counts


def claims(data: xr.Dataset) -> list[Claim]:
    """Every bound on the norm and on the round of collapse."""
    source = "selfdistill.theory.collapse_bounds"
    paper, lower, exact, upper = np.concatenate([data["count"].values, data["random_count"].values]).T
    ratios = data["exact"].values

    def against(name: str) -> tuple[np.ndarray, np.ndarray]:
        both = np.isfinite(data[name].values) & np.isfinite(ratios)
        return data[name].values[both], ratios[both]

    return [
        Claim.theorem("M5", "‖z_t‖ is at least the paper's bound for t ≤ (r_0 − 1)/κ.", *against("paper"),
                      relation="≥", tolerance=1e-9,
                      source="selfdistill.theory.distillation.collapse.paper_norm_bounds"),
        Claim.theorem("M6", "No collapse before (r_0 − 1)/κ rounds.", paper, exact,
                      relation="≥", tolerance=1e-9, source=source),
        Claim.theorem("M7", "r_t ≥ r_0 − t, whatever the spectrum.", *against("lower"), relation="≥",
                      tolerance=1e-9, source="selfdistill.theory.distillation.collapse.ratio_lower_bounds"),
        Claim.theorem("M7", "No collapse before r_0 − 1 rounds.", lower, exact, relation="≥",
                      tolerance=1e-9, source=source),
        Claim.theorem("M8", "r_t² falls by at least 1 + 2(r_{t−1} − 1)/κ a round.", *against("upper"), relation="≤",
                      tolerance=1e-9, source="selfdistill.theory.distillation.collapse.ratio_upper_bounds"),
        Claim.theorem("M8", "Collapse comes by the round that this decrease names.", upper,
                      exact, relation="≤", source=source),
    ]  # fmt: skip


def draw(data: xr.Dataset) -> Figure:
    """One panel a spectrum."""
    figure, axes = new_figure(2, width=5.2, height=4.2)
    for i, panel in enumerate(axes[0]):
        kappa = float(data["condition_number"][i])
        rounds = data["round"]
        shown = int(data["count"][i, 3])
        panel.plot(rounds, data["upper"][i], color=MEASURED, linestyle="--", label="upper bound")
        panel.plot(rounds, data["exact"][i], "o-", markersize=3, color=THEORY, label="exact")
        panel.plot(rounds, data["lower"][i], color=ACCENT, linestyle="--", label="lower bound $r_0 - t$")
        panel.plot(rounds, data["paper"][i], "s-", markersize=5, color="black", fillstyle="none",
                   label="the paper's bound, as far as it is proved")  # fmt: skip
        panel.axvline(
            float(data["count"][i, 0]), color=BOUND, linewidth=1, label="rounds the paper guarantees"
        )
        panel.axhline(1, color="black", linestyle=":", linewidth=1, label="collapse")
        panel.set(
            xlim=(-0.02 * shown, shown),
            ylim=(0, RATIO * 1.05),
            ylabel=r"$r_t$ = target norm / $\sqrt{n\epsilon}$",
        )
        exponent = f"{kappa:g}" if kappa < 1e4 else f"10$^{{{round(np.log10(kappa))}}}$"
        panel.set_title(f"κ = {exponent}: collapse after {int(data['count'][i, 2])} rounds")
        rounds_axis(panel)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure
