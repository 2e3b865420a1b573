"""What rounds and partial labels gain on noisy labels, against the noise rate, for three noise models.

Accuracy of converged linear probes on hidden-layer features (a network trained on other samples, true labels), less
that of the teacher, which is round 1; 95 % intervals over seeds (label noise, split and feature network all change
with the seed). The partial-label student is trained once on the teacher's two largest outputs with the authors' loss,
started from the teacher's weights or from zero; "largest left-out output" (ours) once on the label that ridge
regression predicts for each sample without its own. Above, test points; below, training points whose given label is
wrong.

Data: the bundled digits.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from ...empirical.experiments.label_rounds import LabelRounds, label_rounds
from ..claim import Claim
from ..conditions import Precondition
from ..intervals import t_half_width
from ..negligible import SHARE
from ..reference import Array
from ..scale import Scale
from ..style import COLOURS, new_figure
from ._probe_sizes import probe_sizes

OWN_DATA = "classes"
MODELS = ("symmetric", "asymmetric", "superclass")
TEACHER, ZERO, LEFT_OUT = "partial labels, from the teacher", "partial labels, from zero", "left out"
RIDGE = 3e-4
HIGH = 0.7
SOURCE = "selfdistill.empirical.experiments.label_rounds.label_rounds"


def plan(scale: Scale) -> list[LabelRounds]:
    """One job a seed."""
    every = tuple(round(0.1 * i, 1) for i in range(1, 10))
    rates = scale.choose(smoke=(HIGH,), quick=(0.1, 0.4, HIGH, 0.9), thorough=every, full=every)
    sizes = probe_sizes(scale, scale.choose(smoke=150, quick=400, full=800))
    return [
        LabelRounds(
            "clean network",
            tuple((model, rate) for model in MODELS for rate in rates),
            (RIDGE,),
            rounds=scale.choose(smoke=2, quick=5, full=5),
            seed=scale.seed * 100 + 50 + seed,
            students=(TEACHER, ZERO, LEFT_OUT),
            device=scale.device,
            **sizes,
        )
        for seed in range(scale.choose(smoke=2, quick=6, thorough=24, full=20))
    ]


def measure(scale: Scale) -> xr.Dataset:
    """Measure all seeds."""
    return xr.concat(scale.map(label_rounds, plan(scale)), "seed").squeeze("ridge", drop=True)


def gains(data: xr.Dataset, part: str) -> tuple[xr.DataArray, xr.DataArray]:
    """Gains of rounds and of students over the teacher, whose round is the first, on a part of the points."""
    rounds = data["accuracy"].sel(source="probe", part=part)
    teacher = rounds.sel(round=1, drop=True)
    return rounds - teacher, data["student_accuracy"].sel(part=part) - teacher


def _of(values: xr.DataArray) -> Array:
    """One row a seed, one column a cell."""
    return np.asarray(values.transpose("seed", "cell").values)


def claims(data: xr.Dataset) -> list[Claim]:
    """Rounds and partial labels at high noise, our candidate set beside them, and whether the start matters."""
    rounds, students = gains(data, "test")
    rates, models = data["rate"].values, data["noise"].values
    worst = float(data["stationarity"].max())
    converged = Precondition(f"every probe has converged: stationarity ≤ {0.05:g}", worst, worst <= 0.05)
    best = _of(rounds.max("round"))
    lead = {name: _of(students.sel(student=name)) - best for name in (TEACHER, LEFT_OUT)}
    found = []
    for model in MODELS:
        cell = int(np.flatnonzero((models == model) & (rates == HIGH))[0])
        found += [
            Claim.from_samples(
                "J13", f"at {model} noise of rate {HIGH:g} the partial-label student is at least as good as the "
                "best of all rounds", lead[TEACHER][:, cell], relation="≥", negligible=SHARE, source=SOURCE,
                precondition=converged, note="difference of test accuracies; the best round is chosen in hindsight.",
            ),
            Claim.from_samples(
                "J13", f"at {model} noise of rate {HIGH:g} more rounds correct wrongly labelled training points",
                _of(gains(data, "wrong label")[0].isel(round=-1))[:, cell], relation="≥", source=SOURCE,
                precondition=converged, note="accuracy on them, last round less the first.",
            ),
        ]  # fmt: skip
    high = rates == HIGH
    starts = _of(students.sel(student=TEACHER) - students.sel(student=ZERO))
    return [
        *found,
        Claim.from_samples(
            "J13b", f"at noise rate {HIGH:g} one round on the largest left-out output (ours) is at least as good as "
            "the best of all rounds, on average over noise models", lead[LEFT_OUT][:, high].mean(axis=1), relation="≥",
            negligible=SHARE, source="selfdistill.theory.leave_one_out_targets", precondition=converged,
        ),
        Claim.from_samples(
            "J13", "the partial-label student that starts from the teacher and the one that starts from zero have the "
            "same test accuracy to one point in every cell, once both have converged", np.abs(starts).max(axis=1),
            relation="≤", predicted=0.01, source=SOURCE, precondition=converged,
            note="largest difference over cells, one a seed.",
        ),
    ]  # fmt: skip


def draw(data: xr.Dataset) -> Figure:
    """Gains against noise rate, one column a noise model: test points above, wrongly labelled ones below."""
    figure, axes = new_figure(3, 2, width=4.0, height=3.1)
    last, places = int(data["round"][-1]), ("test points", "wrong labels")
    rates, models = data["rate"].values, data["noise"].values
    for row, part in enumerate(("test", "wrong label")):
        rounds, students = gains(data, part)
        series = [
            ("round 2", rounds.sel(round=2), "o"),
            (f"round {last}", rounds.sel(round=last), "s"),
            ("partial labels, from the teacher", students.sel(student=TEACHER), "D"),
            ("partial labels, from zero", students.sel(student=ZERO), "v"),
            ("largest left-out output (ours)", students.sel(student=LEFT_OUT), "^"),
        ]
        for panel, model in zip(axes[row], MODELS, strict=True):
            cells = np.flatnonzero(models == model)
            for number, (name, gain, mark) in enumerate(series):
                values = 100 * _of(gain.isel(cell=cells))
                panel.errorbar(
                    rates[cells] + 0.008 * (number - 2), values.mean(axis=0), t_half_width(values), fmt=f"{mark}-",
                    ms=4, lw=0.9, capsize=2, color=COLOURS[number], label=name,
                )  # fmt: skip
            panel.axhline(0, color="0.7", lw=0.8, zorder=0)
            panel.set(title=f"{model} noise, {places[row]}", xlabel="noise rate η" if row else None)
    for panel in axes[:, 0]:
        panel.set_ylabel("gain in accuracy (points)")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure
