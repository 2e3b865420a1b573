"""Converged probes on real features against the exact optimum, and what the figures are made of."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from selfdistill.empirical.experiments.label_rounds import STUDENTS, LabelRounds, label_rounds
from selfdistill.empirical.experiments.learned_features import digits_features
from selfdistill.empirical.experiments.probes import fit_probe
from selfdistill.empirical.losses import partial_label_loss, soft_cross_entropy
from selfdistill.theory import InputError, corrupt_labels, corruption_matrix, fit_softmax_regression, one_hot

SMALL = LabelRounds("pixels", (("symmetric", 0.3), ("superclass", 0.3)), (1e-3, 1e-2), 2, 120, 60, seed=5)


@pytest.mark.parametrize("kind", ["pixels", "random relu", "clean network", "noisy network", "other classes"])
def test_features_have_length_one_and_tell_classes_apart(kind):
    data = digits_features(kind, 200, 100, seed=3)
    np.testing.assert_allclose(np.linalg.norm(data.features, axis=1), 1, atol=1e-9)
    assert len(data.features) == len(data.labels)
    assert data.labels.max() == data.n_classes - 1
    gram = data.features @ data.features.T
    same = data.labels[:, None] == data.labels
    assert gram[same].mean() > gram[~same].mean() + 0.05
    again = digits_features(kind, 200, 100, seed=3)
    np.testing.assert_array_equal(data.features, again.features)


def test_features_of_true_and_of_noisy_labels_are_of_the_same_digits():
    clean, noisy = (digits_features(kind, 100, 50, seed=3) for kind in ("clean network", "noisy network"))
    np.testing.assert_array_equal(clean.labels, noisy.labels)
    assert not np.allclose(clean.features, noisy.features)


def test_unknown_features_are_refused():
    with pytest.raises(InputError, match="random relu"):
        digits_features("wavelets", 100, 50, seed=0)  # type: ignore[arg-type]


def noisy_digits(rng):
    data = digits_features("pixels", 120, 60, seed=3)
    labels = corrupt_labels(data.labels, corruption_matrix("symmetric", 10, 0.4), rng)
    return data.features, one_hot(labels, 10)


def test_converged_probes_are_the_exact_optimum(rng):
    features, targets = noisy_digits(rng)
    probe = fit_probe(features, targets, 1e-3)
    exact = fit_softmax_regression(features=features, targets=targets, ridge=1e-3)
    assert probe.stationarity < 0.01
    assert np.linalg.norm(probe.weights - exact.weights) < 0.02 * np.linalg.norm(exact.weights)
    np.testing.assert_allclose(probe.outputs(features), exact.outputs, atol=0.01)


@pytest.mark.parametrize("loss", ["cross-entropy", "partial labels"])
def test_probes_are_stationary_points_of_the_losses_that_networks_train_with(loss, rng):
    features, targets = noisy_digits(rng)
    if loss == "partial labels":
        targets = 0.5 * (targets + np.roll(targets, 1, axis=1))
    probe = fit_probe(features, targets, 1e-2, loss)
    weights = torch.tensor(probe.weights, requires_grad=True)
    logits = torch.tensor(features) @ weights
    value = (
        soft_cross_entropy(logits, torch.tensor(targets))
        if loss == "cross-entropy"
        else partial_label_loss(logits, torch.tensor(targets > 0), 0.7)
    )
    (value + 0.5e-2 * weights.square().sum()).backward()
    assert weights.grad.norm() < 0.02 * 1e-2 * weights.detach().norm()


def test_all_sources_students_and_parts_are_measured_and_repeat_themselves():
    one, other = label_rounds(SMALL), label_rounds(SMALL)
    assert one.identical(other)
    assert dict(one.sizes) == {"source": 2, "part": 4, "cell": 2, "round": 2, "ridge": 2, "student": 4}
    assert one["student"].values.tolist() == list(STUDENTS)
    assert one["stationarity"].max() < 0.05
    accuracy = one["accuracy"]
    assert float(accuracy.sel(part="train").min()) > 0.5
    # Training points are those with a right and those with a wrong label.
    low, high = (
        accuracy.sel(part=["right label", "wrong label"]).reduce(f, "part") for f in (np.min, np.max)
    )
    assert (low <= accuracy.sel(part="train")).all()
    assert (accuracy.sel(part="train") <= high).all()
    clean = label_rounds(replace(SMALL, cells=(("symmetric", 0.0),), students=()))
    assert clean["accuracy"].sel(part="wrong label").isnull().all()
    assert "student_accuracy" not in clean
