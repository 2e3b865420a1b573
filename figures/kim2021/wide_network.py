"""A wide network beside the closed form of progressive self-distillation, epoch by epoch.

With squared loss and in the kernel regime a whole progressive run is one formula per eigenvector of the tangent
kernel. Left, the norm of the fitted values over epochs: predicted from the kernel at initialisation (lines) and
measured on a network with two hidden layers trained by full-batch gradient descent (markers). Middle, the
relative distance between the two; right, its value after the last epoch, on training and on unseen points, against
width.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from scipy.integrate import solve_ivp

from ...empirical.experiments.progressive_kernel import ProgressiveKernel, measure_progressive_kernel
from ...theory import Spectrum, progressive_trajectory, progressive_weight
from ...theory.base.validation import Array
from ..claim import Claim
from ..scale import Scale
from ..soft_label_claims import explained
from ..style import COLOURS, legend_below, new_figure, rounds_axis


def integrate(gram: Array, y: Array, weights: list[float], step: float) -> Array:
    """Fitted values after each epoch by a general solver of ``df/dt = −(2/n) gram (f − m)``."""
    f, rows = np.zeros(len(y)), []
    for alpha in weights:
        target = (1 - alpha) * y + alpha * f
        flow = solve_ivp(
            lambda _, g, m=target: -2 / len(y) * gram @ (g - m), (0, step), f, rtol=1e-10, atol=1e-12
        )
        f = flow.y[:, -1]
        rows.append(f)
    return np.stack(rows)


def measure(scale: Scale) -> xr.Dataset:
    """Errors over (width, epoch, seed), and the closed form against a general solver on a small gram."""
    widths = scale.choose(smoke=(16, 64), quick=(32, 128, 512), full=(32, 128, 512, 2048))
    n_seeds = scale.choose(smoke=2, quick=4, full=10)
    epochs, steps = scale.choose(smoke=(3, 20), quick=(8, 50), full=(12, 100))
    configs = [
        ProgressiveKernel(
            n_train=scale.choose(smoke=20, quick=60, full=100), width=w, epochs=epochs, steps=steps,
            seeds=tuple(1000 * scale.seed + i for i in range(n_seeds)), device=scale.device,
        )
        for w in widths
    ]  # fmt: skip
    data = xr.concat(scale.map(measure_progressive_kernel, configs), dim="width", combine_attrs="drop")
    rng = scale.rng(5, 4)
    features, y = rng.normal(size=(12, 6)), rng.normal(size=12)
    weights = [progressive_weight(e, 5, 0.8) for e in range(1, 6)]
    run = progressive_trajectory(Spectrum.from_gram(features @ features.T, y), weights, 0.2)
    return data.assign_coords(width=np.array(widths, np.int32)).assign(
        closed=(("checked_epoch", "sample"), np.stack([run.fitted(e) for e in range(1, 6)])),
        integrated=(("checked_epoch", "sample"), integrate(features @ features.T, y, weights, 0.2)),
    )


def claims(data: xr.Dataset) -> list[Claim]:
    """K5."""
    last = data["error"].isel(epoch=-1)
    slopes = np.polyfit(np.log(data["width"]), np.log(last.transpose("width", "seed")), 1)[0]
    widest = int(data["width"][-1])
    return [
        Claim.theorem("K5", "The closed form solves the gradient flow towards moving targets.", data["closed"],
                      data["integrated"], tolerance=1e-6, source="selfdistill.theory.progressive_trajectory"),
        explained(
            Claim.from_samples("K5", f"At width {widest} the network is within 5 % of the closed form after the "
                               "last epoch.", last.isel(width=-1), relation="≤", predicted=0.05,
                               source="selfdistill.theory.progressive_trajectory",
                               note="relative error of fitted values"),
            holds="at this width the tangent kernel hardly moves, so that the run is linear in it",
            otherwise="at this width the tangent kernel still moves while the network learns",
        ),
        explained(
            Claim.from_samples("K5", "The distance falls with width: slope in log-log at most −0.25.", slopes,
                               relation="≤", predicted=-0.25, note="one slope a seed"),
            holds="the wider the network, the less each weight and with it the kernel has to move",
            otherwise="something besides the kernel's movement keeps network and closed form apart",
        ),
    ]  # fmt: skip


def draw(data: xr.Dataset) -> Figure:
    """Norms, errors over epochs, errors over width."""
    figure, axes = new_figure(3, width=3.9, height=3.8)
    norms, errors, widths = axes[0]
    for i, width in enumerate(data["width"].values):
        table = data.isel(width=i)
        norms.plot(data["epoch"], table["predicted_norm"][:, 0], color=COLOURS[i], label=f"width {width}")
        norms.plot(data["epoch"], table["measured_norm"][:, 0], "o", markersize=4, color=COLOURS[i])
        errors.semilogy(
            data["epoch"], table["error"], color=COLOURS[i], marker="o", markersize=3, linewidth=0.8
        )
    rounds_axis(norms, "epoch")
    rounds_axis(errors, "epoch")
    norms.set(ylabel="root mean square of fitted values", title="Predicted and measured, first seed")
    errors.set(ylabel="relative distance of network and theory", title="Error, one line a seed")
    legend_below(norms)
    for i, (name, label) in enumerate((("error", "training points"), ("test_error", "unseen points"))):
        values = data[name].isel(epoch=-1)
        widths.loglog(data["width"], values.mean("seed"), color=COLOURS[3 + i], label=label)
        widths.loglog(data["width"], values, ".", color=COLOURS[3 + i])
    widths.set(xlabel="width", ylabel="relative distance, last epoch", title="Error against width")
    widths.set_xticks(data["width"].values, [str(w) for w in data["width"].values])
    widths.minorticks_off()
    for panel in (errors, widths):
        panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        panel.yaxis.set_major_formatter("{x:g}")
        panel.yaxis.set_minor_formatter(NullFormatter())
    legend_below(widths)
    return figure
