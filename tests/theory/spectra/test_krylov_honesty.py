"""The estimated error of products over random problems: never below the error, seldom far above it."""

import numpy as np
import pytest

from ..krylov_problems import KINDS, Judged, count


@pytest.fixture(scope="module")
def judged():
    return count(100, first=10_000)[0]


def test_no_error_exceeds_its_estimate_beyond_rounding(judged):
    assert len(judged) > 80
    assert [j for j in judged if j.beyond] == []


def test_few_estimates_are_a_hundred_times_too_large(judged):
    assert {j.kind.split(",")[0] for j in judged} == set(KINDS)
    assert sum(j.looseness > 100 for j in judged) <= 3
    assert np.median([j.looseness for j in judged]) < 10


def test_the_judge_sees_what_it_judges():
    """An estimate below the error is found, and so is an idle one."""
    true, none = np.full(3, 1e-3), np.zeros(3)
    assert Judged(0, "", true, np.full(3, 1e-4), none, 1e-16).beyond
    assert not Judged(0, "", true, np.full(3, 1e-2), none, 1e-16).beyond
    assert Judged(0, "", true, np.full(3, 0.5), none, 1e-16).looseness == pytest.approx(500)
