"""Where partial labels fail: classes confused in pairs. And a candidate set that does not.

Left: accuracy on the true training labels over rounds when classes are confused in pairs (clustered features,
predicted and exact), with one round on refined targets beside it. The two largest outputs are the same pair for
all samples of a class, so that the top-two student can only tie; several rounds, or one round on the largest
leave-one-out output (ours), correct every label. The exact softmax needs a round more than the linearised
theory predicts: after two rounds it still has the 60 % of the given labels. Right: one round of each against
the noise rate, for pairs and for symmetric noise; where curves coincide (all three under symmetric noise) they
are drawn thin over thick.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from ...theory import (
    ClusteredFeatures,
    corrupt_labels,
    corruption_matrix,
    distill_clustered_softmax,
    fit_softmax_regression,
    one_hot,
    partial_label_condition,
    top_targets,
)
from ...theory.clusters.group_outputs import group_accuracy
from ..claim import Claim
from ..scale import Scale
from ..style import COLOURS, new_figure, rounds_axis

CLASSES, PER_CLASS, WITHIN, ACROSS, RIDGE, RATE = 4, 100, 0.4, 0.1, 1e-3, 0.4
PAIRS = ((0, 1), (2, 3))
STUDENTS = ("top two", "top three", "left out")


@dataclass(frozen=True)
class Setting:
    """A clustered problem whose partial-label student is solved on its gram."""

    n_classes: int
    n_per_class: int
    kind: str
    rate: float
    ridge: float
    seed: int


def check_condition(setting: Setting) -> xr.Dataset:
    """Tell whether the condition holds and whether the student gets every sample right, solved on the gram."""
    k = setting.n_classes
    model = ClusteredFeatures(k, setting.n_per_class, 0.5, 0.05, setting.ridge)
    true, groups = model.labels(), np.arange(k) // 2
    noise = corruption_matrix(setting.kind, k, setting.rate, groups)  # type: ignore[arg-type]
    given = corrupt_labels(true, noise, np.random.default_rng(setting.seed), exact=True)
    gram = model.gram()
    teacher = fit_softmax_regression(gram, one_hot(given, k), setting.ridge).outputs
    # Outputs that tie in theory differ by rounding.
    targets = top_targets(np.round(teacher, 9), 2)
    student = fit_softmax_regression(gram, targets, setting.ridge, linearised=True).outputs
    own = student[np.arange(len(true)), true]
    rival = np.where(one_hot(true, k) == 1, -np.inf, student).max(axis=1)
    margin = float((own - rival).min())
    return xr.Dataset(
        {
            "condition": float(partial_label_condition(targets, true)),
            "success": float(margin > 1e-9),
            "balanced": float(np.ptp(targets.mean(axis=0)) < 1e-9),
        }
    )


def random_settings(scale: Scale, count: int) -> list[Setting]:
    """Draw settings; in half of them noise rates are such that label counts need no rounding."""
    rng, settings = scale.rng(8), []
    for number in range(count):
        k = int(2 * rng.integers(2, 4))
        kind = ("symmetric", "asymmetric", "superclass")[number % 3]
        n, rate = int(rng.integers(12, 25)), float(rng.uniform(0.1, 0.6))
        if number % 2:
            n, share = k * (k - 1), {"symmetric": k, "asymmetric": k - 1, "superclass": k * (k - 1)}[kind]
            rate = int(rng.integers(0, share)) / share
        ridge = float(10 ** rng.uniform(-3.5, -2))
        settings.append(Setting(k, n, kind, rate, ridge, int(rng.integers(2**31))))
    return settings


def refined(model: ClusteredFeatures, corruption: np.ndarray, student: str) -> np.ndarray:
    """Targets (class, given label, output) of one refined round, from the linearised teacher."""
    k = model.n_classes
    left_out = student == "left out"
    teacher = model.leave_one_out(corruption) if left_out else model.outputs(corruption, 1)
    candidates = {"top two": 2, "top three": 3, "left out": 1}[student]
    return top_targets(np.round(teacher, 9).reshape(k * k, k), candidates).reshape(k, k, k)


def measure(scale: Scale) -> xr.Dataset:
    """Measure accuracies over rounds and rates, and check the condition on random settings."""
    rounds = scale.choose(smoke=3, quick=6, full=10)
    model = ClusteredFeatures(CLASSES, PER_CLASS, WITHIN, ACROSS, RIDGE)
    pairs = corruption_matrix("superclass", CLASSES, RATE, PAIRS)
    exact = distill_clustered_softmax(model, pairs, rounds)
    rates = np.linspace(0.04, 0.8, scale.choose(smoke=6, quick=39, full=77))
    by_rate = np.array(
        [
            [
                [
                    group_accuracy(model.smooth(refined(model, noise, student), noise), noise)
                    for student in STUDENTS
                ]
                for noise in (corruption_matrix(kind, CLASSES, rate, PAIRS) for rate in rates)
            ]
            for kind in ("superclass", "symmetric")
        ]
    )
    exact_students = [
        group_accuracy(
            distill_clustered_softmax(model, pairs, 1, targets=refined(model, pairs, s))[0].outputs, pairs
        )
        for s in STUDENTS
    ]
    settings = random_settings(scale, scale.choose(smoke=18, quick=120, full=600))
    checks = xr.concat(scale.map(check_condition, settings), "setting")
    return checks.merge(
        xr.Dataset(
            {
                "predicted": ("round", [model.accuracy(pairs, t) for t in range(1, rounds + 1)]),
                "exact": ("round", [group_accuracy(fit.outputs, pairs) for fit in exact]),
                "student_accuracy": (("noise", "rate", "student"), by_rate),
                "exact_student": ("student", exact_students),
            },
            coords={
                "round": np.arange(1, rounds + 1),
                "rate": rates,
                "noise": ["pairs", "symmetric"],
                "student": list(STUDENTS),
            },
        )
    )


def claims(data: xr.Dataset) -> list[Claim]:
    """When one round on partial labels corrects every label, and that it fails for pairs."""
    at = data["student_accuracy"].sel(noise="pairs").sel(rate=RATE, method="nearest")
    condition, success = data["condition"].values, data["success"].values
    balanced = data["balanced"].values > 0
    return [
        Claim.theorem(
            "J8",
            "One partial-label round gets every training sample right iff the true label is a candidate of all "
            "samples of its class and no other label is, where candidates are equally frequent overall.",
            condition[balanced],
            success[balanced],
            source="selfdistill.theory.partial_label_condition",
            note=f"{int(balanced.sum())} random settings solved on their grams, "
            f"{int(success[balanced].sum())} of them right. Where candidates are not equally frequent, "
            f"{int((condition > success)[~balanced].sum())} of {int((~balanced).sum())} settings meet the "
            "condition and still have a sample wrong: there it is necessary only.",
        ),
        Claim.theorem(
            "J8",
            "The condition is necessary whatever the frequencies of candidates.",
            condition,
            success,
            relation="≤",
            source="selfdistill.theory.partial_label_condition",
        ),
        Claim.theorem(
            "J9",
            "With classes confused in pairs the top-two student ties: accuracy ½.",
            0.5,
            float(at.sel(student="top two")),
            tolerance=1e-12,
            source="selfdistill.theory.top_two_targets",
        ),
        Claim.theorem(
            "J9",
            "With classes confused in pairs several rounds of plain distillation reach 100 %.",
            1.0,
            [float(data["predicted"][-1]), float(data["exact"][-1])],
            tolerance=1e-12,
            source="selfdistill.theory.ClusteredFeatures.accuracy",
        ),
        Claim.theorem(
            "J9b",
            "There, one round on the largest leave-one-out output reaches 100 % (ours).",
            1.0,
            float(at.sel(student="left out")),
            tolerance=1e-12,
            source="selfdistill.theory.leave_one_out_targets",
        ),
    ]


def draw(data: xr.Dataset) -> Figure:
    """Draw accuracy over rounds beside the students, and over rates."""
    figure, (panels,) = new_figure(3, width=3.9, height=3.6)
    left = panels[0]
    left.plot(data["round"], 100 * data["predicted"], color="black", label="plain rounds, predicted")
    left.plot(data["round"], 100 * data["exact"], "o", color="black", ms=5, label="exact softmax")
    names = ["top two outputs", "top three outputs", "largest leave-one-out output"]
    widths = [6.0, 3.5, 1.4]  # curves that coincide are drawn thin over thick, so that all are seen
    at = data["student_accuracy"].sel(noise="pairs").sel(rate=RATE, method="nearest")
    for i in range(len(names)):
        left.axhline(100 * at[i], color=COLOURS[i], lw=widths[i], zorder=0)
    rounds_axis(left)
    left.set(title=f"Pairs, noise rate {RATE:g}", ylabel="accuracy on true labels (%)", ylim=(-3, 105))
    for panel, noise, title in zip(
        panels[1:], ["pairs", "symmetric"], ["Confused in pairs", "Symmetric noise"], strict=True
    ):
        for i, name in enumerate(names):
            panel.plot(
                data["rate"], 100 * data["student_accuracy"].sel(noise=noise)[:, i], color=COLOURS[i], lw=widths[i],
                label=f"one round on {name}",
            )  # fmt: skip
        panel.set(title=title, xlabel="noise rate η", ylim=(-3, 105))
    handles, labels = left.get_legend_handles_labels()
    more = panels[1].get_legend_handles_labels()
    figure.legend(handles + more[0], labels + more[1], loc="outside lower center", ncols=5)
    return figure
