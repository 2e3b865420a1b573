"""Stopping early and distilling, on networks: how sparse each leaves the solution.

One round stopped at larger and larger errors, gradient flow over longer and longer times, and rounds of
distillation at a fixed ε: how sparse each leaves the solution in the eigenvectors of the network's tangent
kernel. Sparsity is the slope of log B in log d; one round or flow of any length stays below 1 in theory, and the
question is whether networks do too. Matched experiment 3, claim M12.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from ...empirical.experiments.matched import MatchedConfig
from ...empirical.experiments.stopping import StoppingConfig, measure_stopping
from ..claim import Claim
from ..scale import Scale
from ..style import COLOURS, new_figure


def measure(scale: Scale) -> xr.Dataset:
    """Exponents of three ways to regularise, on the first digits pair, for every seed."""
    seeds = scale.choose(smoke=2, quick=5, full=20)
    width = scale.choose(smoke=64, quick=256, full=1024)
    times = scale.choose(smoke=(0.25, 1.0), quick=(0.25, 1.0, 4.0, 12.0), full=(0.25, 1.0, 4.0, 16.0, 64.0))
    configs = [
        StoppingConfig(MatchedConfig("digits-3-8", 0.1, width, 1000 * scale.seed + seed), times=times)
        for seed in range(seeds)
    ]
    data = xr.concat(scale.map(measure_stopping, configs), dim="seed")
    data["seed"] = [c.cell.seed for c in configs]
    data.attrs.update(epsilon=0.1, width=width)
    return data


def claims(data: xr.Dataset) -> list[Claim]:
    """One round and gradient flow stay within the bound, on paper and on networks; distillation does not."""
    network, theory = data["exponent"].sel(source="network"), data["exponent"].sel(source="theory")
    found = []
    for method in ("one round", "gradient flow"):
        found += [
            Claim.theorem(
                "M12", f"{method}, theory: sparsity exponent at most 1", 1.0,
                theory.sel(treatment=method).max("point").values, relation="≤", tolerance=1e-9,
                source="selfdistill.theory.Trajectory",
            ),
            Claim.from_samples(
                "M12", f"{method} on networks: the largest sparsity exponent is at most 1",
                network.sel(treatment=method).max("point").values, relation="≤", predicted=1.0,
                source="selfdistill.theory.Trajectory",
            ),
        ]  # fmt: skip
    found.append(
        Claim.from_samples(
            "M12", "distillation of networks exceeds what one round can reach at any error (exponent above 1)",
            network.sel(treatment="distillation").max("point").values, relation="≥", predicted=1.0,
            source="selfdistill.theory.Trajectory",
        )
    )  # fmt: skip
    return found


def draw(data: xr.Dataset) -> Figure:
    """Exponent against training error, theory as lines and networks as markers."""
    figure, axes = new_figure(1, 1, width=6.4, height=4.0)
    panel = axes[0, 0]
    for i, method in enumerate(data["treatment"].values):
        part = data.sel(treatment=method)
        for s in range(data.sizes["seed"]):
            error, exponent = part["error"].isel(seed=s), part["exponent"].isel(seed=s)
            panel.plot(
                error.sel(source="theory"), exponent.sel(source="theory"), color=COLOURS[i], lw=1, alpha=0.7
            )
            panel.plot(
                error.sel(source="network"), exponent.sel(source="network"), "o", ms=4, mfc="none",
                color=COLOURS[i], label=str(method) if s == 0 else None,
            )  # fmt: skip
    panel.axhline(1, color="0.5", ls="--", lw=1, label="bound for one round (M12)")
    panel.set(
        xlabel="mean squared error against the given labels",
        ylabel="sparsity exponent, slope of log B in log d",
        title=f"Width {int(data.attrs['width'])}: lines theory, circles networks",
        ylim=(0, None),
        xlim=(0, float(np.nanmax(data["error"])) * 1.03),
    )
    figure.legend(loc="outside right center")
    return figure
