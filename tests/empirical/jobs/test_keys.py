"""Keys of kept results: the same for equal values, another for others, in every process."""

import os
import subprocess
import sys

import joblib
import numpy as np
import pytest

from selfdistill.empirical.jobs.keys import key_of
from selfdistill.empirical.methods.catalogue import METHODS
from selfdistill.figures.scale import Scale
from selfdistill.figures.soft_label_scale import plan_compared, with_settings


def test_shared_or_equal_is_the_same():
    """As a constant that two fields share, and is two objects once they were read from a file or another process."""
    shared, other = tuple("ab"), tuple("ab")
    assert shared is not other
    assert key_of((shared, shared)) == key_of((shared, other))
    assert joblib.hash((shared, shared)) != joblib.hash((shared, other))  # why joblib's own does not serve


def test_other_values_have_other_keys():
    values = [
        1, 1.0, True, "1", (1,), [1], {1}, frozenset({1}), {1: 1}, None, (), ((),), np.ones(2), np.ones((2, 1)),
        np.ones(2, np.float32), METHODS[0], METHODS[1], Scale("quick"), Scale("quick", seed=1), len, key_of,
    ]  # fmt: skip
    assert len({key_of(value) for value in values}) == len(values)


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_another_process_has_the_same_key(hash_seed):
    """Whatever the order of its sets, and whether it compiled its modules or read them compiled."""
    code = (
        "from selfdistill.empirical.jobs.keys import key_of\n"
        "from selfdistill.empirical.methods.catalogue import METHODS\n"
        "from selfdistill.figures.scale import Scale\n"
        "from selfdistill.figures.soft_label_scale import plan_compared, with_settings\n"
        "print(key_of((frozenset('abcdef'), plan_compared(Scale('quick')), with_settings('', METHODS, tuned=False))))"
    )
    other = subprocess.run(
        [sys.executable, "-B", "-c", code], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
    )  # fmt: skip
    here = (
        frozenset("fedcba"),
        plan_compared(Scale("quick")),
        with_settings("", METHODS, tuned=False),
    )
    assert other.stdout.strip() == key_of(here)
