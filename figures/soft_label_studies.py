"""The studies that soft-label figures share: each is trained once, whichever figure asks first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import xarray as xr

from ..empirical.experiments.soft_labels.students import Student
from ..empirical.methods.catalogue import (
    BETA_SMOOTHING,
    CROSS_ENTROPY,
    DISTILLATION,
    ENTROPY_PENALTY,
    LABEL_SMOOTHING,
    PROGRESSIVE,
    SELF_DISTILLATION,
    WEIGHTED_SOFT_LABELS,
    WITHOUT_REGULARIZATION,
)
from ..empirical.methods.method import Method
from .scale import Scale
from .soft_label_scale import (
    Setting,
    contrast,
    convolutional,
    hundred_classes,
    images,
    measured,
    plan_compared,
    side_by_side,
    student,
    teacher,
    with_settings,
)
from .soft_label_settings import LOUDER, TRIPLED, is_settled

COMPARED = (
    CROSS_ENTROPY, LABEL_SMOOTHING, ENTROPY_PENALTY, BETA_SMOOTHING, SELF_DISTILLATION, DISTILLATION, PROGRESSIVE,
    WEIGHTED_SOFT_LABELS,
)  # fmt: skip
CONVOLVED = (
    CROSS_ENTROPY, LABEL_SMOOTHING, SELF_DISTILLATION, DISTILLATION, PROGRESSIVE, WEIGHTED_SOFT_LABELS,
)  # fmt: skip
IN_CONTRAST = (CROSS_ENTROPY, LABEL_SMOOTHING, SELF_DISTILLATION, PROGRESSIVE)
SMALL = (48, 48)
LARGE = (384, 384)
TEMPERATURES = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 10.0)
TEACHERS_SMOOTHING = (0.0, 0.05, 0.1, 0.2, 0.3)


def compared(scale: Scale) -> xr.Dataset:
    """Every method by its paper's settings and as tuned, and the rules that they must beat, in every setting."""
    found = {
        setting.name: _as_published_and_tuned(scale, setting, COMPARED) for setting in plan_compared(scale)
    }
    if scale.data is not None:
        return side_by_side(found)
    setting = convolutional(scale)
    found[setting.name] = _as_published_and_tuned(scale, setting, CONVOLVED)
    few = [teacher(), *with_settings("", IN_CONTRAST, tuned=False)]
    for setting in (*contrast(scale), *images(scale)):
        found[setting.name] = measured(scale, setting, few)
    return side_by_side(found)


def _as_published_and_tuned(scale: Scale, setting: Setting, methods: Sequence[Method]) -> xr.Dataset:
    rules = [
        replace(student("cross-entropy, stopped early", CROSS_ENTROPY), stops_early=True),
        student("cross-entropy × 3", TRIPLED),
    ]
    table = measured(scale, setting, [teacher(), *with_settings("", methods, tuned=False), *rules])
    settled = [method for method in (*methods, LOUDER) if is_settled(setting.name, method)]
    if not settled:
        return table
    # A study of their own: another search costs no training of the others.
    tuned = measured(scale, setting, [teacher(), *with_settings(setting.name, settled, tuned=True)])
    return xr.concat([table, tuned.drop_sel(student="teacher")], dim="student")


def generations(scale: Scale) -> xr.Dataset:
    """Chains of self-distillation on a hundred classes, each from the generation before, and early stopping.

    Every generation starts from an initialisation of its own. The chain at temperature 1 with the weight 0.9 on
    the teacher is the longer one; students of each of its generations at other temperatures stand beside it.
    """
    n = scale.choose(smoke=2, quick=4, thorough=6, full=10)
    students = [student("generation 1", CROSS_ENTROPY)]
    students += [
        student(f"generation {g}", SELF_DISTILLATION, f"generation {g - 1}", start=g - 1, alpha=0.9, temperature=1.0)
        for g in range(2, n + 1)
    ]  # fmt: skip
    early = replace(student("stopped early", CROSS_ENTROPY), stops_early=True)
    students += [early, *with_settings("a hundred classes", (CROSS_ENTROPY,), tuned=True)]
    return measured(scale, hundred_classes(scale, thorough=80), students)


def temperatures(scale: Scale) -> xr.Dataset:
    """Students of one teacher a seed over temperatures, by self-distillation and by Hinton's loss.

    In both the teacher is tempered, in Hinton's the student too; also Hinton's with plain cross-entropy in the
    place of regularization samples.
    """
    taus = scale.choose(
        smoke=(1.0, 4.0), quick=(1.0, 2.0, 4.0, 10.0), thorough=TEMPERATURES, full=TEMPERATURES
    )
    students = [teacher(), student("cross-entropy", CROSS_ENTROPY)]
    for method, alpha in ((SELF_DISTILLATION, 0.4), (DISTILLATION, 0.9), (WITHOUT_REGULARIZATION, 0.9)):
        students += [
            student(f"{method.name}, τ = {tau:g}", method, "teacher", alpha=alpha, temperature=tau)
            for tau in taus
        ]
    return measured(scale, hundred_classes(scale), students)


def teachers(scale: Scale) -> xr.Dataset:
    """Small students alone, and under teachers of their own size and of eight times their width."""
    rows = [student("alone", CROSS_ENTROPY, hidden=SMALL), student("alone × 3", TRIPLED, hidden=SMALL)]
    for size, hidden in (("own size", SMALL), ("large", LARGE)):
        rows.append(teacher(f"teacher, {size}", hidden=hidden))
        rows += [
            student(f"{method.name}, {size}", method, f"teacher, {size}", hidden=SMALL)
            for method in (DISTILLATION, WEIGHTED_SOFT_LABELS)
        ]
    return measured(scale, hundred_classes(scale), rows)


def smoothed_teachers(scale: Scale) -> xr.Dataset:
    """Students at one temperature of teachers that were trained with label smoothing, from none to 0.3."""
    masses = scale.choose(smoke=(0.0, 0.2), quick=TEACHERS_SMOOTHING, full=TEACHERS_SMOOTHING)
    rows: list[Student] = []
    for mass in masses:
        rows.append(student(f"teacher {mass:g}", LABEL_SMOOTHING, epsilon=mass, start=1))
        rows.append(student(f"student {mass:g}", DISTILLATION, f"teacher {mass:g}"))
    return measured(scale, hundred_classes(scale), rows)
