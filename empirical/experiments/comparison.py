"""Soft-label methods side by side: tuned by one search on problems of their own, tested on others."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ..methods.catalogue import CROSS_ENTROPY
from .soft_labels.outcomes import METRICS, measure_outputs
from .soft_labels.search import settle
from .soft_labels.setup import Comparison, Trained, train_members
from .soft_labels.students import Student, Study, measure_students

__all__ = ["METRICS", "Comparison", "Trained", "compare", "measure_outputs", "train_members"]


def compare(comparison: Comparison) -> xr.Dataset:
    """Tune every method on the comparison's tuning seeds, and test it on the problems of its other seeds.

    The search is `settle`'s, the same for all methods, from each one's own grid. Teachers are cross-entropy
    networks, tuned likewise.

    Returns
    -------
    xarray.Dataset
        As `measure_students`, over (method, seed), and ``setting_…`` over (method): what was settled, NaN for
        methods without that setting.

    Examples
    --------
    >>> from selfdistill.empirical.experiments.comparison import Comparison, compare
    >>> from selfdistill.empirical.data.problems import Problems
    >>> from selfdistill.empirical.methods.catalogue import METHODS
    >>> table = compare(Comparison(Problems(n_train=100, seeds=(0, 1)), METHODS[:2], epochs=2))
    >>> dict(table.accuracy.sizes)
    {'method': 2, 'seed': 2}
    """
    methods = comparison.methods
    if CROSS_ENTROPY.name not in [m.name for m in methods]:
        methods = (CROSS_ENTROPY, *methods)
    plain = next(m for m in methods if m.name == CROSS_ENTROPY.name)
    alone = settle(comparison, plain).settings
    students = [Student("teacher", plain, alone, start=1)]
    for method in methods:
        taught = "teacher" in method.needs
        settings = alone if method is plain else settle(comparison, method, teacher=alone).settings
        students.append(Student(method.name, method, settings, "teacher" if taught else None))
    table = measure_students(Study(comparison, tuple(students))).isel(student=slice(1, None))
    names = sorted({name for s in students for name, _ in s.settings})
    return table.rename(student="method").assign(
        {
            f"setting_{name}": (
                "method",
                np.array([dict(s.settings).get(name, np.nan) for s in students[1:]]),
            )
            for name in names
        }
    )
