"""Metrics against scikit-learn, SciPy, closed forms and loops written from the definitions."""

import itertools

import numpy as np
import pytest
import torch
from scipy.stats import beta
from sklearn.metrics import brier_score_loss, log_loss, top_k_accuracy_score

from selfdistill.empirical import metrics
from selfdistill.theory import InputError


@pytest.fixture
def outputs(rng):
    p = rng.dirichlet(np.full(5, 0.4), 400)
    labels = np.array([rng.choice(5, p=row) for row in 0.7 * p + 0.06])
    return p, labels


def test_simple_metrics_are_scikit_learns(outputs):
    p, y = outputs
    assert metrics.negative_log_likelihood(p, y) == pytest.approx(log_loss(y, p, labels=range(5)))
    assert metrics.brier_score(p, y) == pytest.approx(
        brier_score_loss(y, p, labels=list(range(5)), scale_by_half=False)
    )
    for k in (1, 2, 3):
        assert metrics.top_k_accuracy(p, y, k) == pytest.approx(top_k_accuracy_score(y, p, k=k))
    assert metrics.accuracy(p, y) == metrics.top_k_accuracy(p, y, 1)


def definition_of_calibration_error(p, y, n_bins):
    """The definition, a bin at a time: (low, high]."""
    confidence, right, total = p.max(1), p.argmax(1) == y, 0.0
    for i in range(n_bins):
        inside = (confidence > i / n_bins) & (confidence <= (i + 1) / n_bins)
        if inside.any():
            total += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    return total


@pytest.mark.parametrize("n_bins", [1, 4, 15, 1000])
def test_calibration_error_is_its_definition(outputs, n_bins):
    p, y = outputs
    expected = definition_of_calibration_error(p, y, n_bins)
    assert metrics.expected_calibration_error(p, y, n_bins) == pytest.approx(expected, abs=1e-12)


def test_bins_close_on_the_right():
    """0.5 belongs to (0.25, 0.5], not to (0.5, 0.75]."""
    diagram = metrics.reliability_diagram([[0.5, 0.5], [0.75, 0.25], [1.0, 0.0]], [0, 0, 0], 4)
    np.testing.assert_array_equal(diagram.count, [0, 1, 1, 1])
    assert np.isnan(diagram.confidence[0])
    assert diagram.error == pytest.approx((0.5 + 0.25 + 0) / 3)


def test_equal_mass_bins_hold_equal_shares(outputs):
    p, y = outputs
    diagram = metrics.reliability_diagram(p, y, 10, "equal-mass")
    np.testing.assert_array_equal(diagram.count, 40)
    order = np.argsort(p.max(1)).reshape(10, 40)
    gaps = [abs((p.argmax(1) == y)[i].mean() - p.max(1)[i].mean()) for i in order]
    assert diagram.error == pytest.approx(np.mean(gaps))


def test_equal_mass_bins_keep_equal_confidences_together():
    p = np.array([[0.8, 0.2]] * 9 + [[0.9, 0.1]])
    diagram = metrics.reliability_diagram(p, np.zeros(10, int), 5, "equal-mass")
    assert sorted(diagram.count[diagram.count > 0]) == [1, 9]


def test_area_under_risk_coverage_is_its_definition(outputs):
    p, y = outputs
    confidence, wrong = p.max(1), p.argmax(1) != y
    risks = [wrong[confidence >= c].mean() for c in confidence]
    assert metrics.area_under_risk_coverage(p, y) == pytest.approx(np.mean(risks))


def test_ties_of_confidence_are_averaged_over(rng):
    """Against the mean over all orders of the samples, of the definition for one order."""
    p = np.array([[0.9, 0.1], [0.7, 0.3], [0.7, 0.3], [0.3, 0.7], [0.6, 0.4]])
    y = np.array([0, 1, 0, 1, 1])
    in_order = []
    for order in itertools.permutations(range(5)):
        surest = sorted(order, key=lambda i: -p[i].max())
        wrong = p[surest].argmax(1) != y[surest]
        in_order.append(np.cumsum(wrong) / np.arange(1, 6))
    expected = np.mean(in_order, axis=0)
    assert len({tuple(risks) for risks in in_order}) > 1
    for order in itertools.permutations(range(5)):
        np.testing.assert_allclose(
            metrics.risk_coverage(p[list(order)], y[list(order)]), expected, atol=1e-15
        )
    excess = metrics.excess_area_under_risk_coverage(p, y)
    assert excess == pytest.approx(expected.mean() - np.mean([0, 0, 0, 1 / 4, 2 / 5]))


def test_excess_area_is_zero_for_an_ideal_ranking_and_positive_otherwise(outputs):
    p, y = outputs
    ideal = np.array([[0.9, 0.1], [0.8, 0.2], [0.6, 0.4]])
    assert metrics.excess_area_under_risk_coverage(ideal, [0, 0, 1]) == pytest.approx(0, abs=1e-15)
    assert metrics.area_under_risk_coverage(ideal, [0, 0, 1]) == pytest.approx(1 / 9)
    assert metrics.excess_area_under_risk_coverage(p, y) > 0


def test_uncertainty_and_diversity_meet_closed_forms(rng):
    assert metrics.predictive_uncertainty(np.full((3, 4), 0.25)) == pytest.approx(np.log(4))
    assert metrics.predictive_uncertainty([[1.0, 0.0]]) == 0
    mass = rng.beta(3, 1, 20_000)
    p = np.stack([mass, 1 - mass], 1)
    assert metrics.confidence_diversity(p, np.zeros(20_000, int)) == pytest.approx(
        beta(3, 1).entropy(), abs=0.02
    )
    assert metrics.confidence_diversity([[1.0, 0.0]] * 50, [0] * 50) == -np.inf


@pytest.mark.parametrize("n", [3, 4, 5, 9])
def test_diversity_of_few_samples_is_a_number(n, rng):
    """Vasicek's and van Es' estimators grow by log s where the sample is s times as wide."""
    mass = rng.uniform(0.1, 0.4, n)
    narrow, wide = (
        metrics.confidence_diversity(np.stack([m, 1 - m], 1), np.zeros(n, int)) for m in (mass, 2 * mass)
    )
    assert np.isfinite(narrow)
    assert wide - narrow == pytest.approx(np.log(2))


@pytest.mark.parametrize(
    "name", ["accuracy", "brier_score", "area_under_risk_coverage", "confidence_diversity"]
)
def test_masked_probabilities_and_labels_are_refused(name, outputs):
    p, y = outputs
    hidden = np.zeros(400, bool)
    hidden[3] = True
    for arguments in (
        (np.ma.array(p, mask=np.repeat(hidden[:, None], 5, 1)), y),
        (p, np.ma.array(y, mask=hidden)),
    ):
        with pytest.raises(InputError, match="masked array"):
            getattr(metrics, name)(*arguments)


def test_many_classes_take_no_square_of_them():
    p = np.full((3, 40_000), 1 / 40_000)
    assert metrics.brier_score(p, [0, 1, 39_999]) == pytest.approx(1 - 1 / 40_000)
    assert p[0, 0] == 1 / 40_000  # what was given is left as it was


def test_torch_tensors_of_any_precision_are_taken(outputs):
    p, y = outputs
    half = torch.from_numpy(p).float().log().bfloat16().softmax(-1)
    assert 0 < metrics.expected_calibration_error(half, torch.from_numpy(y), 10) < 1
    assert metrics.accuracy(torch.from_numpy(p).requires_grad_(), torch.from_numpy(y)) == metrics.accuracy(
        p, y
    )


@pytest.mark.parametrize(
    ("p", "y", "words"),
    [
        (np.zeros((0, 3)), np.zeros(0, int), "no sample"),
        ([[1.0]], [0], "K ≥ 2"),
        ([[0.5, 0.6]], [0], "probabilities"),
        ([[np.nan, 0.6]], [0], "NaN"),
        ([[0.5, 0.5]], [2], "0 … 1"),
        ([[0.5, 0.5]], [0.0], "whole numbers"),
        ([[0.5, 0.5]], [0, 1], "one a sample"),
    ],
)
@pytest.mark.parametrize(
    "metric",
    [
        metrics.accuracy,
        metrics.brier_score,
        metrics.negative_log_likelihood,
        metrics.expected_calibration_error,
        metrics.area_under_risk_coverage,
        metrics.excess_area_under_risk_coverage,
        metrics.confidence_diversity,
    ],
)
def test_bad_input_is_named(metric, p, y, words):
    with pytest.raises(InputError, match=words):
        metric(p, np.asarray(y))


def test_bad_settings_are_named(outputs):
    p, y = outputs
    with pytest.raises(InputError, match="n_bins"):
        metrics.expected_calibration_error(p, y, 0)
    with pytest.raises(InputError, match="bins must be one of fixed, equal-mass"):
        metrics.reliability_diagram(p, y, 5, "adaptive")
    with pytest.raises(InputError, match="three samples"):
        metrics.confidence_diversity(p[:2], y[:2])
