"""Mistakes in what is given to the search for wrong labels, and sizes that it must not mind."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from selfdistill.theory import (
    InputError,
    TooLargeError,
    find_label_errors,
)
from selfdistill.theory.estimators import label_errors

FIXED = {"gamma": 0.3, "ridge": 0.02, "rounds": 3, "consensus": 0, "standardize": False}
LABELS = np.array([0, 1] * 10)
POINTS = np.arange(40.0).reshape(20, 2)


@pytest.mark.parametrize(
    ("x", "labels", "message"),
    [
        (POINTS, LABELS[:5], r"one entry for each of the 20 samples; got shape \(5,\)"),
        (POINTS, np.zeros(20), "at least two classes; all 20 are 0"),
        (POINTS, ["cat"] * 19 + ["dog"], r"1 of 2 classes have one \(dog\)"),
        (POINTS, ["cat"] * 10 + [None] * 10, "no value at 10 of 20 samples"),
        (POINTS, [0.0, np.nan] * 10, "no value at 10 of 20 samples"),
        (POINTS, np.linspace(0, 1, 20), "is no class number"),
        (POINTS, np.arange(20), "20 of 20 classes have one"),
        (np.where(POINTS == 5, np.nan, POINTS), LABELS, "X has 1 NaN"),
        (
            pd.DataFrame({"b": [1.0] * 20, "a": [1.0, None] * 10}),
            LABELS,
            "X has 10 empty cells in 1 column, the first in column 'a' at index 1. Fill them in",
        ),
        (pd.DataFrame({"a": ["x", None] * 10}), LABELS, "10 empty cells in 1 column"),
        (pd.DataFrame({"a": [1.0, np.inf] * 10}), LABELS, "10 infinite cells in 1 column, the first in"),
        (
            np.arange(80.0)[:, None],
            np.arange(80) // 2,
            "has 40 different numbers in 80 rows: is it a quantity",
        ),
        (np.arange(80.0)[:, None], (np.arange(80) // 2).astype(object), "is it a quantity"),
        ([["a", "b"]] * 20, LABELS, "Encode text"),
        (POINTS, pd.Series(["cat", pd.NA] * 10, dtype="string"), "no value at 10 of 20 samples"),
        (
            pd.DataFrame(np.where(POINTS == 5, np.nan, POINTS), columns=["a", "a"]),
            LABELS,
            "1 empty cell in 1 column, the first in column 'a' at index 2",
        ),
    ],
)
def test_mistakes_are_named(x, labels, message):
    with pytest.raises(InputError, match=message):
        find_label_errors(x, labels)


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_no_size_of_the_features_changes_a_score(scale):
    here, there = (find_label_errors(size * POINTS, LABELS).scores for size in (1.0, scale))
    np.testing.assert_allclose(there, here, rtol=1e-9, atol=1e-12)
    with pytest.raises(InputError, match=r"feature must be at most 1e\+150"):
        find_label_errors(1e200 * POINTS, LABELS, standardize=False)


def test_mistaken_options_are_named():
    for options, message in [
        ({"kernel": "nonsense"}, "kernel must be a function or one of"),
        ({"kernel": "precomputed"}, "must be square"),
        ({"kernel": "linear", "gamma": 1.0}, "has no gamma"),
        ({"gamma": -1.0}, "gamma must be a finite number above 0"),
        ({"ridge": 0}, "ridge must be"),
        ({"rounds": 0}, "rounds must be"),
        ({"rounds": 101}, "between 1 and 100"),
        ({"kernel": "chi2"}, "the kernel 'chi2' refuses these samples: X contains negative values"),
        ({"consensus": -1}, "consensus must be"),
        ({"groups": [1, 2]}, "groups must name the group of each of the 20 samples"),
        ({"groups": [1] * 20}, "at least two groups"),
    ]:
        with pytest.raises(InputError, match=message):
            find_label_errors(POINTS, LABELS, **options)


def test_more_classes_than_fit_are_refused_before_any_work(monkeypatch):
    monkeypatch.setattr("selfdistill.theory.spectra.memory_cost.available_memory", lambda: 1000)
    with pytest.raises(TooLargeError, match="one output a class"):
        label_errors.as_classes(LABELS, 20)
