"""The picture of a user's own rounds: norm against its bounds, multiplier in its bracket, what is kept."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ...theory.base.validation import Array
from ...theory.distillation.collapse import ratio_lower_bounds, ratio_upper_bounds
from ..style import ACCENT, BOUND, THEORY, new_figure, rounds_axis
from .analysis import OwnRounds


def draw_rounds(result: OwnRounds) -> Figure:
    """Draw four panels: norm, multiplier, effective basis size and sparsity index over the rounds."""
    figure, axes = new_figure(2, 2)
    fits = np.arange(1, result.trajectory.rounds + 1)
    draw_norm(axes[0, 0], result)
    draw_multiplier(axes[0, 1], result, fits)
    axes[1, 0].step(fits, result.basis_sizes, where="mid", color=ACCENT, marker=marker(fits))
    axes[1, 0].set(ylabel="eigenvectors with $B_t$ > 0.001", title="Effective basis size", ylim=(0, None))
    axes[1, 1].plot(fits, finite(result.sparsity_indices - 1), color=ACCENT, marker=marker(fits))
    axes[1, 1].set(ylabel="least ratio $B_t[k+1]/B_t[k]$, less 1", title="Sparsity index")
    if len(fits) > 1 and np.isfinite(finite(result.sparsity_indices - 1)).any():
        axes[1, 1].set_yscale("log")
    axes[1, 0].yaxis.set_major_locator(MaxNLocator(integer=True))
    for panel in axes.flat:
        rounds_axis(panel)
        panel.set_xlim(-0.03 * len(fits) - 0.3, 1.03 * len(fits) + 0.3)
        if not len(fits) and panel is axes[0, 0]:
            panel.set_xticks([0])
        elif not len(fits):
            panel.set_axis_off()
            panel.text(0.5, 0.5, "collapsed before\nthe first round", transform=panel.transAxes, ha="center")
    parameters = "".join(f", {name} = {value:g}" for name, value in result.kernel.parameters.items())
    figure.suptitle(
        f"{result.table.target_name}: {result.spectrum.n_samples} samples, "
        f"{result.kernel.name} kernel{parameters}, ε = {result.epsilon:g}"
    )
    return figure


def finite(values: Array) -> Array:
    """Leave out what a logarithmic axis cannot show."""
    return np.where(np.isfinite(values) & (values > 0), values, np.nan)


def marker(values: Array) -> str:
    """Mark single rounds while they can be told apart."""
    return "o" if len(values) <= 40 else ""


def draw_norm(panel: Axes, result: OwnRounds) -> None:
    """r_t between M7 and M8, and the level of collapse."""
    ratios = result.trajectory.ratios
    rounds = np.arange(len(ratios))
    spectrum = result.spectrum
    panel.plot(rounds, ratios, color=THEORY, marker=marker(rounds), label="exact")
    panel.plot(rounds, ratio_lower_bounds(ratios[0], len(ratios) - 1), color=BOUND, linestyle="--",
               linewidth=1, label="at least $r_0 − t$")  # fmt: skip
    upper = ratio_upper_bounds(
        ratios[0],
        spectrum.condition_number_bounds[1],
        spectrum.positive_condition_number if spectrum.basis.invariant else np.inf,
        rounds=len(ratios) - 1,
    )
    panel.plot(rounds[: len(upper)], upper, color=BOUND, linestyle="-.", linewidth=1, label="at most (M8)")
    panel.axhline(1, color="black", linestyle=":", linewidth=1, label="collapse")
    panel.set(ylabel="$r_t = ‖y_t‖/\\sqrt{nε}$", title="Target norm", ylim=(0, None))
    panel.legend()


def draw_multiplier(panel: Axes, result: OwnRounds, fits: Array) -> None:
    """c_t in its bracket M2."""
    run, spectrum = result.trajectory, result.spectrum
    panel.plot(fits, run.multipliers, color=THEORY, marker=marker(fits), label="exact")
    excess = finite(run.ratios[:-1] - 1)
    panel.plot(fits, spectrum.largest_eigenvalue / excess[: len(fits)], color=BOUND, linestyle="-.",
               marker="" if len(fits) > 1 else "_", linewidth=1, label="at most $d_{max}/(r_{t-1} − 1)$")  # fmt: skip
    panel.set(ylabel="multiplier $c_t$", title="Multiplier")
    if len(fits) > 1:
        panel.set_yscale("log")
    if len(fits):
        panel.legend()
