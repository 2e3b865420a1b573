"""Verdicts: a wrong prediction must fail, an interval must be judged as it lies."""

import json

import numpy as np
import pytest

from selfdistill.figures.claim import Claim, judge


def test_theorem_reports_the_worst_value():
    claim = Claim.theorem("M1", "…", [1.0, 2.0, 3.0], [1.0, 2.5, 3.1], tolerance=0.6)
    assert (claim.verdict, claim.predicted, claim.measured) == ("holds", 2.0, 2.5)
    assert Claim.theorem("M1", "…", [1.0, 2.0], [1.0, 2.5], tolerance=0.4).verdict == "fails"


@pytest.mark.parametrize(
    ("relation", "measured", "verdict"),
    [
        ("≥", 3.0, "holds"),
        ("≥", 1.0, "fails"),
        ("≤", 1.0, "holds"),
        ("≤", 3.0, "fails"),
        ("≤", 2.05, "holds"),
    ],
)
def test_inequalities(relation, measured, verdict):
    assert Claim.theorem("M7", "…", 2.0, measured, relation=relation, tolerance=0.1).verdict == verdict


@pytest.mark.parametrize("measured", [np.nan, []])
def test_nothing_or_nan_never_holds(measured):
    assert Claim.theorem("M1", "…", np.ones_like(measured), measured, tolerance=np.inf).verdict == "fails"


def test_infinite_bounds_compare():
    assert Claim.theorem("M8", "…", np.inf, 5.0, relation="≤").verdict == "holds"
    assert Claim.theorem("M8", "…", np.inf, np.inf).verdict == "holds"


@pytest.mark.parametrize(
    ("interval", "relation", "verdict"),
    [
        ((0.1, 0.5), "≥", "holds"),
        ((-0.5, -0.1), "≥", "fails"),
        ((-0.1, 0.1), "≥", "undecided"),
        ((-0.5, -0.1), "≤", "holds"),
        ((-0.02, 0.02), "=", "holds"),
        ((-0.2, 0.2), "=", "undecided"),
        ((0.2, 0.3), "=", "fails"),
    ],
)
def test_intervals(interval, relation, verdict):
    assert judge(interval, relation, 0.0, 0.05 if relation == "=" else 0.0) == verdict


def test_interval_covers_the_mean_as_often_as_it_says(rng):
    covered = [
        (c.interval[0] <= 1.0 <= c.interval[1])
        for c in (Claim.from_samples("M19", "…", rng.normal(1, 1, 8), relation="≥") for _ in range(2000))
    ]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.02)


def test_a_proportion_is_judged_by_its_exact_interval():
    # All of 48 right leaves a rate of 0.025 ** (1 / 48) = 0.926 possible; all of 10 only 0.025 ** (1 / 10) = 0.69.
    many = Claim.from_proportion("M17", "…", 48, 48, relation="≥", predicted=0.9)
    assert many.interval == (pytest.approx(0.025 ** (1 / 48)), 1.0)
    assert many.verdict == "holds"
    assert Claim.from_proportion("M17", "…", 10, 10, relation="≥", predicted=0.9).verdict == "undecided"
    assert Claim.from_proportion("M17", "…", 10, 40, relation="≥", predicted=0.9).verdict == "fails"


def test_one_sample_decides_nothing():
    assert Claim.from_samples("M19", "…", [3.0], relation="≥").verdict == "undecided"


def test_json_has_every_field_and_no_nan():
    claim = Claim.theorem("M1", "…", [np.inf], [np.nan]).located("mobahi2020", "mobahi2020.sinusoid")
    fields = json.loads(json.dumps(claim.to_json(), allow_nan=False))
    assert fields["verdict"] == "fails"
    assert fields["predicted"] == "inf"
    assert {"id", "paper", "statement", "kind", "predicted", "measured", "tolerance", "interval"} <= set(
        fields
    )


def test_samples_without_spread_decide_as_a_sign_test_would():
    def verdict(samples, relation="≥"):
        return Claim.from_samples("X1", "…", samples, relation=relation).verdict

    assert verdict([-0.02] * 2) == "undecided"
    assert verdict([-0.02] * 5) == "undecided"
    assert verdict([0.1 - 0.12, -0.02]) == "undecided"  # equal up to rounding
    assert verdict([-0.02] * 6) == "fails"
    assert verdict([0.02] * 6) == "holds"
    for relation in ("≥", "≤"):  # a tie is neither more nor less
        assert verdict([0.0] * 9, relation) == "undecided"


def test_samples_left_out_are_said():
    claim = Claim.from_samples("X1", "…", [np.nan, 0.1, np.inf, 0.12, 0.13], relation="≥", note="paired")
    assert claim.samples == 3
    assert claim.note == "paired; 2 of 5 samples are not finite and are left out"
