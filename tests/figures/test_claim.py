"""Verdicts: a wrong prediction must fail, an interval must be judged as it lies."""

import json

import numpy as np
import pytest
import scipy.stats

from selfdistill.figures.claim import Claim, correct_for_number, judge
from selfdistill.figures.conditions import DullRule, Precondition
from selfdistill.figures.intervals import binomial_interval, detectable_mean, detectable_proportion, holm


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


def test_a_claim_that_is_not_asked_in_its_regime_is_not_judged():
    fits = Precondition.of("training accuracy", [0.4, 0.6], "≥", 0.95)
    assert (fits.met, fits.measured, fits.text) == (False, 0.5, "training accuracy ≥ 0.95")
    samples = [-0.1, -0.2, -0.15]
    claim = Claim.from_samples("W2", "…", samples, relation="≥", precondition=fits)
    assert (claim.verdict, claim.samples_needed) == ("not this regime", None)
    met = Precondition.of("training accuracy", [0.97, 0.99], "≥", 0.95)
    assert Claim.from_samples("W2", "…", samples, relation="≥", precondition=met).verdict == "fails"
    assert Claim.theorem("J8", "…", 1.0, 0.0, precondition=fits).verdict == "not this regime"
    assert not Precondition.of("accuracy", [np.nan], "≥", 0.0).met


@pytest.mark.parametrize(
    ("method", "beaten"),
    [([0.9, 0.8, 0.7], True), ([0.5, 0.42, 0.3], False), ([0.9, 0.3, 0.6], None), ([0.9], None)],
)
def test_a_dull_rule_is_beaten_seed_by_seed(method, beaten):
    rule = DullRule.of("weight decay", method, [0.7, 0.62, 0.5][: len(method)], better="higher")
    assert rule.beaten is beaten
    if beaten is not None:
        assert rule.value == pytest.approx(0.62, abs=0.02)
        other = DullRule.of("weight decay", method, [0.7, 0.62, 0.5], better="lower")
        assert other.beaten is not beaten


def test_the_p_value_decides_where_the_interval_does(rng):
    """Against SciPy's own test of a mean, and the verdict of the interval."""
    for _ in range(200):
        samples = rng.normal(0.4, 1, 9)
        claim = Claim.from_samples("X1", "…", samples, relation="≥")
        assert claim.p_value == pytest.approx(scipy.stats.ttest_1samp(samples, 0.0).pvalue)
        assert (claim.p_value < 0.05) == (claim.verdict != "undecided")
        tight = Claim.from_samples("X1", "…", samples, relation="=", tolerance=0.8)
        assert (tight.p_value < 0.05) == (tight.verdict != "undecided")


@pytest.mark.parametrize(("successes", "trials"), [(0, 10), (3, 7), (48, 48), (90, 100)])
def test_intervals_of_proportions_are_exact(successes, trials):
    exact = scipy.stats.binomtest(successes, trials).proportion_ci(0.95)
    assert binomial_interval(successes, trials) == pytest.approx((exact.low, exact.high))
    for edge in (0.3, 0.5, 0.9):
        claim = Claim.from_proportion("X1", "…", successes, trials, relation="≥", predicted=edge)
        assert (claim.p_value < 0.05) == (claim.verdict != "undecided")


def test_an_undecided_claim_says_how_many_samples_would_decide():
    samples = np.array([1.0, -0.8, 0.9, -0.5])
    claim = Claim.from_samples("X1", "…", samples, relation="≥")
    assert claim.verdict == "undecided"
    n = claim.samples_needed
    mean, spread = samples.mean(), samples.std(ddof=1)
    half = {m: scipy.stats.t.ppf(0.975, m - 1) * spread / np.sqrt(m) for m in (n - 1, n)}
    assert half[n] < mean <= half[n - 1]
    assert Claim.from_samples("X1", "…", samples + 2, relation="≥").samples_needed is None
    assert Claim.from_samples("X1", "…", [1.0, -1.0], relation="≥").samples_needed is None  # no effect at all
    proportion = Claim.from_proportion("X1", "…", 10, 10, relation="≥", predicted=0.9)
    needed = proportion.samples_needed
    assert [
        Claim.from_proportion("X1", "…", n, n, relation="≥", predicted=0.9).verdict
        for n in (needed - 1, needed)
    ] == ["undecided", "holds"]


@pytest.mark.parametrize("n", [3, 8, 40])
def test_a_detectable_effect_is_decided_four_times_in_five(n, rng):
    samples = rng.normal(detectable_mean(1.5, n), 1.5, (n, 40_000))
    tests = scipy.stats.ttest_1samp(samples, 0.0)
    decided = np.mean((tests.pvalue < 0.05) & (tests.statistic > 0))
    assert decided == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize(("trials", "edge"), [(20, 0.5), (160, 0.62), (1000, 0.9)])
def test_a_detectable_rate_is_decided_four_times_in_five(trials, edge):
    for above, sign in ((True, 1), (False, -1)):
        rate = edge + sign * detectable_proportion(trials, edge, above=above)
        counts = np.arange(trials + 1)
        intervals = [scipy.stats.binomtest(int(k), trials).proportion_ci(method="exact") for k in counts]
        decided = [(i.low > edge) if above else (i.high < edge) for i in intervals]
        assert scipy.stats.binom.pmf(counts, trials, rate)[decided].sum() == pytest.approx(0.8, abs=1e-6)
    assert detectable_proportion(3, 0.9, above=True) is None  # even 3 of 3 leave 0.9 open


def test_claims_say_what_they_could_have_shown():
    samples = np.array([1.0, 2.0, 3.0, 5.0])
    claim = Claim.from_samples("X1", "…", samples, relation="≥")
    assert claim.detectable == detectable_mean(samples.std(ddof=1), 4)
    assert Claim.from_samples("X1", "…", [1.0], relation="≥").detectable is None
    low = Claim.from_proportion("X1", "…", 5, 20, relation="≤", predicted=0.5)
    assert low.detectable == detectable_proportion(20, 0.5, above=False)
    assert Claim.from_json(low.to_json()) == low


def test_holm_by_hand():
    # 0.01 · 4, then 0.02 · 3, then the running maximum of 0.06 and 0.025 · 2, then 0.5.
    assert holm([0.02, 0.5, 0.01, 0.025]) == pytest.approx([0.06, 0.5, 0.04, 0.06])


def test_verdicts_are_corrected_for_the_number_of_claims_of_their_family():
    rng = np.random.default_rng(0)
    base = rng.normal(size=12)
    base = (base - base.mean()) / base.std(ddof=1)
    clear, near = base + 3.0, base + 0.68  # p about 0.04 by itself

    def claim(samples, artefact="a", **options):
        return Claim.from_samples("X1", "…", samples, relation="≥", **options).located("p", artefact)

    assert claim(near).verdict == "holds"
    first, second, third, theorem, elsewhere = correct_for_number(
        [claim(clear), claim(near), claim(near), Claim.theorem("M1", "…", 1, 1), claim(near, "b")]
    )
    assert (first.corrected_verdict, first.family_size) == ("holds", 3)
    assert second.verdict == third.verdict == "holds"
    assert second.corrected_verdict == third.corrected_verdict == "undecided"
    assert theorem.corrected_verdict is None
    assert (elsewhere.corrected_verdict, elsewhere.family_size) == ("holds", 1)
    unmet = Precondition("…", 0.0, met=False)
    alone, outside = correct_for_number([claim(near), claim(clear, precondition=unmet)])
    assert (alone.corrected_verdict, alone.family_size) == ("holds", 1)
    assert outside.corrected_verdict is None
    apart = correct_for_number([claim(near, family="x"), claim(clear, family="y")])
    assert [c.corrected_verdict for c in apart] == ["holds", "holds"]


def test_conditions_survive_json():
    rule = DullRule("a constant", np.inf, None)
    claim = Claim.from_samples(
        "X1", "…", [1, 2, 4], relation="≥", precondition=Precondition("room", 0.1, met=True), dull_rule=rule
    )
    fields = json.loads(json.dumps(claim.to_json(), allow_nan=False))
    assert fields["precondition"] == {"text": "room", "measured": 0.1, "met": True}
    assert fields["dull_rule"] == {"name": "a constant", "value": "inf", "beaten": None}
    assert Claim.from_json(fields) == claim
    infinite = Claim.theorem("M8", "…", np.inf, 5.0, relation="≤")
    assert Claim.from_json(infinite.to_json()) == infinite
