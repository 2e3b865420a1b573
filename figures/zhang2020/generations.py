"""Generations of self-distillation: what each network keeps of the one before.

Every generation starts afresh and learns from the labels and the generation before it (weight 0.6, temperature
1); the first learns from the labels alone. Test accuracy, negative log-likelihood, mean entropy of the outputs
(uncertainty) and differential entropy of the label's probability over samples (confidence diversity): means
with 95 % intervals over seeds.
"""

from __future__ import annotations

import xarray as xr
from matplotlib.figure import Figure

from ...empirical.experiments.soft_label_experiments import Generations, measure_generations
from ..claim import Claim
from ..scale import Scale
from ..soft_label_scale import data_sets as data_sets
from ..soft_label_scale import over_settings, tables
from ..style import COLOURS, band, new_figure, possible, rounds_axis

PANELS = {
    "accuracy": "test accuracy",
    "nll": "negative log-likelihood, nats",
    "uncertainty": "predictive uncertainty, nats",
    "diversity": "confidence diversity, nats",
}


def measure(scale: Scale) -> xr.Dataset:
    """Every metric over (setting, generation, seed)."""
    n = scale.choose(smoke=3, quick=10, full=10)
    return over_settings(scale, measure_generations, lambda _, unit: Generations(unit, generations=n))


def claims(data: xr.Dataset) -> list[Claim]:
    """Z6."""
    found = []
    for where, table in tables(data):
        second = table.isel(generation=1) - table.isel(generation=0)
        last = table.isel(generation=-1) - table.isel(generation=0)
        n = data.sizes["generation"]
        found += [
            Claim.from_samples("Z6", f"The second generation is more accurate than the first ({where}).",
                               second["accuracy"], relation="≥"),
            Claim.from_samples("Z6", f"Generation {n} is more accurate than the first ({where}).",
                               last["accuracy"], relation="≥"),
            Claim.from_samples("Z6", f"Uncertainty is higher in generation {n} than in the first ({where}).",
                               last["uncertainty"], relation="≥"),
            Claim.from_samples("Z6", f"Confidence diversity is higher in generation {n} than in the first "
                               f"({where}).", last["diversity"], relation="≥"),
        ]  # fmt: skip
    return found


def draw(data: xr.Dataset) -> Figure:
    """Four metrics over generations."""
    figure, axes = new_figure(2, 2, height=3.0)
    for panel, (metric, label) in zip(axes.flat, PANELS.items(), strict=True):
        for i, (where, table) in enumerate(tables(data)):
            values = table[metric].transpose("seed", "generation")
            band(panel, data["generation"], values, color=COLOURS[i], marker="o", markersize=3, label=where)
        rounds_axis(panel, "generation")
        panel.set_ylabel(label)
    possible(axes[0, 0])
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure
