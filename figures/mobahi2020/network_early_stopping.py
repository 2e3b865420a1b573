"""Stopping early and distilling networks, at the same training error: how sparse each leaves the solution.

Rounds of distillation at a fixed ε move away from the given targets. For every round, one fit stopped at the same
training error and gradient flow stopped at the same training error, up to 99 % of what there is to fit. Sparsity is
the exponent of the power law in the kernel's eigenvalues that is nearest to the filters, zero and negative ones
included: one fit or flow of any length stays below 1 in theory, distillation does not. Lines are theory, computed
before training; circles are networks.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from ...empirical.data.own import DataSource
from ...empirical.experiments.matched import MatchedConfig
from ...empirical.experiments.stopping import StoppingConfig, measure_stopping
from ..claim import Claim
from ..conditions import Precondition
from ..scale import Scale
from ..style import COLOURS, new_figure
from ._matched_cells import Values, drawn

OWN_DATA = "classes (of more than two the two commonest) or values"
SOURCE = "selfdistill.theory.Trajectory"
EPSILON = 0.03


def plan(scale: Scale) -> list[StoppingConfig]:
    """Every draw of two sets of data, or of the reader's own, as many in all."""
    draws = scale.choose(smoke=2, quick=4, thorough=10, full=20)
    width = scale.choose(smoke=48, quick=128, full=1024)
    n_train, n_test = drawn(scale, scale.choose(smoke=20, quick=30, full=60))
    sets: tuple[DataSource, ...] = scale.choose(
        smoke=("digits-3-8",), quick=("digits-3-8", "diabetes"), full=("digits-3-8", "diabetes")
    )
    if scale.data is not None:
        draws, sets = draws * len(sets), (scale.data.two_commonest(),)
    first = 1000 * scale.seed + 100
    return [
        StoppingConfig(MatchedConfig(data, EPSILON, width, first + draw, n_train=n_train, n_test=n_test))
        for data in sets
        for draw in range(draws)
    ]


def measure(scale: Scale) -> xr.Dataset:
    """Exponents of three ways to regularise, for every draw of the data."""
    configs = plan(scale)
    data = xr.concat(scale.map(measure_stopping, configs), dim="draw", join="outer")
    data["data"] = "draw", [str(config.network.data) for config in configs]
    return data.assign_attrs(epsilon=EPSILON, width=configs[0].network.width)


def _largest(data: xr.Dataset, treatment: str, source: str) -> Values:
    return np.asarray(data["exponent"].sel(treatment=treatment, source=source).max("round").values)


def claims(data: xr.Dataset) -> list[Claim]:
    """One fit and gradient flow stay below 1, distillation does not, and networks do what theory says."""
    found = [
        Claim.theorem(
            "M12", f"{name}, theory: no sparsity exponent above 1", 1.0, _largest(data, name, "theory"),
            relation="≤", tolerance=1e-6, source=SOURCE,
        )
        for name in ("one round", "gradient flow")
    ]  # fmt: skip
    found += [
        Claim.from_samples(
            "M12", f"{name} of networks: the largest sparsity exponent is at most 1", _largest(data, name, "network"),
            relation="≤", predicted=1.0, source=SOURCE,
        )
        for name in ("one round", "gradient flow")
    ]  # fmt: skip
    network, theory = data["exponent"].sel(source="network"), data["exponent"].sel(source="theory")
    last = float(data["error"].sel(source="network", treatment="distillation").max("round").mean())
    found += [
        Claim.from_samples(
            "M12", "distilled networks exceed what one round can reach at any error (exponent above 1)",
            _largest(data, "distillation", "network"), relation="≥", predicted=1.0, source=SOURCE,
            precondition=Precondition.of(
                "theory goes beyond 1 here", _largest(data, "distillation", "theory"), "≥", 1.0
            ),
        ),
        Claim.from_samples(
            "M12", "at the training error of their last round, distilled networks are sparser than one round",
            _last_gap(network), relation="≥", source=SOURCE,
            note=f"difference of exponents; training error {last:.2f} of the targets' mean square on average.",
        ),
        Claim.from_samples(
            "M17", "that difference is the one theory predicts, to 20 % of it", _last_gap(network) / _last_gap(theory),
            relation="=", predicted=1.0, source=SOURCE, tolerance=0.2,
        ),
    ]  # fmt: skip
    for name in data["treatment"].values:
        error = abs(network - theory).sel(treatment=name).mean("round").values
        found.append(
            Claim.from_samples(
                "M17", f"{name}: networks have the sparsity exponents of theory to 0.1, on average over rounds", error,
                relation="≤", predicted=0.1, source=SOURCE,
            )
        )  # fmt: skip
    return found


def _last_gap(exponent: xr.DataArray) -> Values:
    """Exponent of distillation less that of one round, in the last round that has both."""
    gap = (exponent.sel(treatment="distillation") - exponent.sel(treatment="one round")).transpose(
        "draw", "round"
    )
    return np.array([row[np.isfinite(row)][-1] for row in gap.values])


def draw(data: xr.Dataset) -> Figure:
    """Exponent against training error, one panel a set of data."""
    sets = list(dict.fromkeys(data["data"].values))
    figure, axes = new_figure(len(sets), 1, width=5.0, height=4.0)
    for panel, name in zip(axes[0], sets, strict=True):
        part = data.isel(draw=np.flatnonzero(data["data"] == name))
        for i, treatment in enumerate(data["treatment"].values):
            one = part.sel(treatment=treatment)
            for s in range(part.sizes["draw"]):
                theory, network = (one.isel(draw=s).sel(source=source) for source in ("theory", "network"))
                panel.plot(theory["error"], theory["exponent"], color=COLOURS[i], lw=1, alpha=0.7)
                panel.plot(
                    network["error"], network["exponent"], "o", ms=4, mfc="none", color=COLOURS[i],
                    label=str(treatment) if s == 0 else None,
                )  # fmt: skip
        panel.axhline(1, color="0.5", ls="--", lw=1, label="bound for one round")
        panel.set(
            xlabel="training error / targets' mean square",
            xlim=(0, 1.02),
            title=f"{name}, ε = {data.attrs['epsilon']:g}",
        )
    axes[0, 0].set_ylabel("sparsity exponent")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure
