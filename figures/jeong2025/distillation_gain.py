"""What rounds and partial labels gain on noisy digits, against the noise rate, for three noise models.

Test accuracy of linear probes on hidden-layer features, less that of the teacher, with 95 % intervals over seeds
(label noise, split and feature network all change with the seed). Markers: probes trained with minibatch SGD. Lines:
the exact softmax regression. Rounds 1 and 5 of self-distillation stand for all five. The partial-label student is
trained once on the teacher's two largest outputs with the authors' loss; "largest left-out output" (ours) once on
the label that ridge regression predicts for each sample without its own label.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from ...empirical.experiments.label_rounds import AUTHORS_LOSS, LabelRounds, label_rounds
from ..claim import Claim
from ..intervals import t_half_width
from ..scale import Scale
from ..style import COLOURS, new_figure

MODELS = ("symmetric", "asymmetric", "superclass")
RIDGE = 1e-4
HIGH = 0.7


def measure(scale: Scale) -> xr.Dataset:
    """Measure all seeds; gains in test accuracy over the teacher."""
    rates = scale.choose(
        smoke=(0.7,), quick=(0.2, 0.45, 0.7), full=tuple(round(0.1 * i, 1) for i in range(1, 9))
    )
    seeds = range(scale.choose(smoke=2, quick=10, full=20))
    units = scale.map(
        label_rounds,
        [
            LabelRounds(
                "clean network",
                tuple((model, rate) for model in MODELS for rate in rates),
                RIDGE,
                rounds=scale.choose(smoke=2, quick=6, full=6),
                n_train=scale.choose(smoke=200, quick=600, full=900),
                n_test=scale.choose(smoke=100, quick=397, full=397),
                epochs=scale.choose(smoke=5, quick=20, full=60),
                seed=scale.seed * 100 + 50 + seed,
                device=scale.device,
                students=("top two", AUTHORS_LOSS, "left out"),
            )
            for seed in seeds
        ],
    )
    return xr.concat(units, "seed")


def _gains(data: xr.Dataset) -> tuple[xr.DataArray, xr.DataArray]:
    """Gains of rounds and of students over the teacher of the same source, on test points."""
    test = data["accuracy"].sel(part="test")
    students = data["student_accuracy"].sel(part="test")
    teacher = test.sel(round=1, drop=True)
    student_teacher = teacher.sel(source=["exact", "network"]).rename(source="student_source")
    return test - teacher, students - student_teacher


def claims(data: xr.Dataset) -> list[Claim]:
    """J13 at the highest noise rate, and our candidate set beside it."""
    rounds, students = _gains(data)
    highest = float(data["rate"].max())
    high = np.flatnonzero((data["rate"] == highest).values)
    best = rounds.sel(source="network").isel(cell=high).max("round")
    network = students.sel(student_source="network").isel(cell=high)
    source = "selfdistill.empirical.experiments.label_rounds"

    def lead(student: str) -> np.ndarray:
        return (network.sel(student=student) - best).transpose("seed", "cell").values

    names = data["noise"].values[high]
    result = []
    for i, name in enumerate(names):
        result.append(
            Claim.from_samples(
                "J13",
                f"At {name} noise of rate {highest:g} the partial-label student (top two, authors' loss) is at "
                "least as good as the best of all rounds.",
                lead(AUTHORS_LOSS)[:, i],
                relation="≥",
                source=source,
                note="Difference of test accuracies of SGD probes; the best round is chosen in hindsight.",
            )
        )
    result.append(
        Claim.from_samples(
            "J13b",
            f"At noise rate {highest:g} one round on the largest leave-one-out output (ours) is at least as good "
            "as the best of all rounds, on average over noise models.",
            lead("left out").mean(axis=1),
            relation="≥",
            source="selfdistill.theory.leave_one_out_targets",
        )
    )
    return result


def draw(data: xr.Dataset) -> Figure:
    """Draw gains against noise rate, one panel a noise model."""
    figure, (panels,) = new_figure(3, width=4.0, height=3.9)
    rounds, students = _gains(data)
    rounds = rounds.sel(source=students["student_source"].values).rename(source="student_source")
    last = int(data["round"][-1])
    series = [
        ("self-distillation, round 1", rounds.sel(round=2), "o"),
        (f"self-distillation, round {last - 1}", rounds.sel(round=last), "s"),
        ("partial labels, authors' loss", students.sel(student=AUTHORS_LOSS), "D"),
        ("partial labels, cross-entropy", students.sel(student="top two"), "v"),
        ("largest left-out output (ours)", students.sel(student="left out"), "^"),
    ]
    models = data["noise"].values
    for panel, model in zip(panels, MODELS, strict=True):
        cells = np.flatnonzero(models == model)
        rates = data["rate"].values[cells]
        for number, (name, gain, mark) in enumerate(series):
            offset = 0.008 * (number - 2)
            gain = 100 * gain.isel(cell=cells)
            exact = gain.sel(student_source="exact").mean("seed")
            panel.plot(rates, exact, color=COLOURS[number], lw=1.2)
            measured = gain.sel(student_source="network").transpose("seed", "cell").values
            panel.errorbar(
                rates + offset, measured.mean(axis=0), t_half_width(measured), fmt=mark, ms=4.5, capsize=2,
                color=COLOURS[number], label=name,
            )  # fmt: skip
        panel.axhline(0, color="0.7", lw=0.8, zorder=0)
        panel.set(title=f"{model} noise", xlabel="noise rate η")
    panels[0].set_ylabel("gain in test accuracy over the teacher (points)")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure
