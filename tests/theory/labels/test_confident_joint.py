"""The confident joint against a count by hand, and its recovery of the noise that made the labels."""

import numpy as np
import pytest

from selfdistill.theory import InputError, confident_joint, corrupt_labels, corruption_matrix
from selfdistill.theory.labels.confident_joint import (
    class_thresholds,
    contradiction,
    corruption_from_joint,
)


def test_equals_a_count_by_hand(rng):
    p = rng.dirichlet([1, 1, 1], size=200)
    given = rng.integers(0, 3, 200)
    thresholds = [
        np.mean([row[k] for row, label in zip(p, given, strict=True) if label == k]) for k in range(3)
    ]
    counts = np.zeros((3, 3))
    for row, label in zip(p, given, strict=True):
        likely = [k for k in range(3) if row[k] >= thresholds[k]]
        if likely:
            counts[max(likely, key=lambda k: row[k]), label] += 1
    expected = counts / counts.sum(axis=0) * np.bincount(given) / 200
    np.testing.assert_allclose(class_thresholds(p, given), thresholds)
    np.testing.assert_allclose(confident_joint(p, given), expected)


def test_sure_and_right_probabilities_give_the_noise_back(rng):
    corruption = corruption_matrix("asymmetric", 4, 0.4)
    true = np.repeat(np.arange(4), 500)
    given = corrupt_labels(true, corruption, rng, exact=True)
    joint = confident_joint(np.eye(4)[true] * 0.9 + 0.025, given)
    np.testing.assert_allclose(corruption_from_joint(joint), corruption, atol=1e-12)
    assert joint.sum() == pytest.approx(1)


def test_a_class_that_no_sample_is_of_keeps_its_label():
    joint = confident_joint([[0.9, 0.1], [0.8, 0.2], [0.9, 0.1], [0.95, 0.05]], [0, 0, 1, 1])
    assert np.isfinite(corruption_from_joint(joint)).all()


def test_probabilities_that_say_nothing_call_no_label_wrong():
    given = np.array([0, 0, 0, 1])
    p = np.tile([0.75, 0.25], (4, 1)) + 1e-15 * np.arange(4)[:, None]
    np.testing.assert_array_equal(contradiction(p, given)[0], 0)
    np.testing.assert_array_equal(confident_joint(p, given), np.diag([0.75, 0.25]))


def test_a_contradiction_is_a_lead_over_what_is_usual(rng):
    p, given = rng.dirichlet([1, 1, 1], size=50), rng.integers(0, 3, 50)
    scores, other = contradiction(p, given)
    usual = class_thresholds(p, given)
    for row, label, score, rival in zip(p, given, scores, other, strict=True):
        leads = {k: row[k] - usual[k] for k in range(3) if k != label}
        assert rival == max(leads, key=leads.get)
        assert score == pytest.approx(leads[rival] - (row[label] - usual[label]))


def test_mistakes_are_named():
    with pytest.raises(InputError, match="one entry a row"):
        confident_joint(np.full((3, 2), 0.5), [0, 1])
    with pytest.raises(InputError, match="no sample is labelled 1"):
        confident_joint(np.full((3, 2), 0.5), [0, 0, 0])
