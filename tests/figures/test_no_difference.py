"""The verdict "no difference": an interval that lies wholly nearer to nothing than would matter."""

import json

import numpy as np
import pytest
import scipy.stats

from selfdistill.figures.claim import Claim, correct_for_number
from selfdistill.figures.negligible import NATS, SHARE
from selfdistill.figures.reference import read
from selfdistill.figures.remarks import remarks
from selfdistill.figures.report.words import found, why


def around(mean, spread, n=40):
    """Samples of exactly this mean and standard deviation."""
    base = np.random.default_rng(0).normal(size=n)
    return mean + spread * (base - base.mean()) / base.std(ddof=1)


@pytest.mark.parametrize(
    ("mean", "spread", "verdict"),
    [
        (0.001, 0.01, "no difference"),  # 0.001 ± 0.0032
        (-0.001, 0.01, "no difference"),
        (0.002, 0.01, "undecided"),  # 0.002 ± 0.0032 reaches past 0.005
        (0.004, 0.01, "holds"),  # a sign that is decided stays decided
        (-0.004, 0.01, "fails"),
        (0.001, 0.02, "undecided"),
    ],
)
@pytest.mark.parametrize("predicted", [0.0, 1.0])
def test_the_whole_interval_must_be_nearer_than_matters(mean, spread, verdict, predicted):
    claim = Claim.from_samples(
        "X1", "…", predicted + around(mean, spread), relation="≥", predicted=predicted, negligible=SHARE
    )
    assert claim.verdict == verdict
    without = Claim.from_samples(
        "X1", "…", predicted + around(mean, spread), relation="≥", predicted=predicted
    )
    assert without.verdict == ("undecided" if verdict == "no difference" else verdict)
    assert Claim.from_json(json.loads(json.dumps(claim.to_json()))) == claim


def test_it_is_wrong_as_seldom_as_an_interval_promises(rng):
    """Where the truth is a difference that just matters, it is called none in at most 2.5 % of the draws."""
    called = [
        Claim.from_samples("X1", "…", rng.normal(SHARE, 0.004, 12), relation="≥", negligible=SHARE).verdict
        for _ in range(4000)
    ]
    assert np.mean([v == "no difference" for v in called]) <= 0.025 + 3 * np.sqrt(0.025 / 4000)


def test_its_p_value_is_that_of_two_one_sided_tests(rng):
    """Against SciPy's tests of the mean against either edge, both ways doubled as the interval is two-sided."""
    found = 0
    for _ in range(100):
        samples = rng.normal(0, 0.01, 30)
        claim = Claim.from_samples("X1", "…", samples, relation="≤", negligible=SHARE)
        if claim.verdict == "no difference":
            above = scipy.stats.ttest_1samp(samples, -SHARE, alternative="greater").pvalue
            below = scipy.stats.ttest_1samp(samples, SHARE, alternative="less").pvalue
            assert claim.p_value == pytest.approx(2 * max(above, below))
            assert claim.p_value < 0.05
            found += 1
    assert found > 20


def test_an_undecided_claim_counts_the_seeds_of_the_nearer_decision():
    samples = around(0.0005, 0.02, 10)
    needed = Claim.from_samples("X1", "…", samples, relation="≥", negligible=SHARE).samples_needed
    decided = around(0.0005, 0.02, needed + 1)  # t quantiles aside, so many are enough
    assert Claim.from_samples("X1", "…", decided, relation="≥", negligible=SHARE).verdict == "no difference"
    assert needed < Claim.from_samples("X1", "…", samples, relation="≥").samples_needed


def test_equal_samples_are_no_difference_only_where_something_is_said_of_that():
    assert Claim.from_samples("X1", "…", [0.0] * 9, relation="≥").verdict == "undecided"
    assert Claim.from_samples("X1", "…", [0.0] * 9, relation="≥", negligible=SHARE).verdict == "no difference"
    assert Claim.from_samples("X1", "…", [0.0] * 4, relation="≥", negligible=SHARE).verdict == "undecided"


@pytest.mark.parametrize(("relation", "negligible"), [("=", 0.01), ("≥", 0.0), ("≥", -1.0), ("≤", np.nan)])
def test_margins_that_mean_nothing_are_refused(relation, negligible):
    with pytest.raises(ValueError, match="negligible must be positive"):
        Claim.from_samples("X1", "…", [1.0, 2.0], relation=relation, negligible=negligible)


def test_words():
    level = Claim.from_samples("X1", "…", around(0.001, 0.01), relation="≥", negligible=SHARE)
    assert "within 0.005 of 0: whichever its sign" in why(level)
    small = Claim.from_samples("X1", "…", around(0.002, 0.003), relation="≥", negligible=SHARE)
    assert small.verdict == "holds"
    assert "too small to matter" in why(small)
    assert any("too small to matter: within 0.005" in line for line in remarks(small))
    large = Claim.from_samples("X1", "…", around(0.02, 0.003), relation="≥", negligible=SHARE)
    assert "matter" not in why(large) + "".join(remarks(large))
    judged = correct_for_number([c.located("p", "a") for c in (level, large)])
    assert "1 is of no difference that would matter" in found(judged)
    assert "2 of the 2 decided stay so" in found(judged)


def test_margins_are_below_every_improvement_that_the_papers_report():
    """The least gain over cross-entropy in their tables, with which the margins are explained."""
    reported = read("reported.json")
    kim = reported["kim2021"]
    rows = {
        name: dict(zip(kim["columns"], kim[name], strict=True))
        for name in ("cross_entropy", "label_smoothing", "progressive")
    }
    gains = {
        column: min(rows["cross_entropy"][column] - rows[name][column] for name in list(rows)[1:])
        for column in kim["columns"]
    }
    students = [t for t in reported["zhou2021"]["top1_percent"].values() if "kd" in t]
    distilled = min(t["kd"] - t["student_alone"] for t in students)
    assert min(distilled, gains["top1_error_percent"], gains["top5_error_percent"]) / 100 > SHARE
    assert gains["ece_percent"] / 100 > SHARE
    assert gains["aurc_x1000"] / 1000 > SHARE
    assert gains["nll"] > NATS
