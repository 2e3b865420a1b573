"""Networks beside what their tangent kernels promise: rounds that help, and students of other networks."""

import numpy as np
import pytest

from selfdistill.empirical.experiments.helpful_rounds import (
    HelpfulRounds,
    measure_helpful_rounds,
    noisy_labels,
)
from selfdistill.empirical.experiments.matched import MatchedConfig, matched_data, matched_network
from selfdistill.empirical.experiments.weak_to_strong import (
    WeakToStrong,
    measure_weak_to_strong,
    tangent_pair,
)
from selfdistill.theory import InputError, Spectrum, distill_to_tolerance, rounds_that_help

CELL = MatchedConfig("digits-3-8", 0.15, 1024, 7, n_train=16, label_noise=0.0)
PAIR = WeakToStrong(narrow=256, wide=1024, shares=(0.3, 5.0), n_train=16, seed=7)


def ridge_fit(gram, y, epsilon):
    """Least norm at a training error, by bisection on the penalty."""
    low, high = 1e-9, 1e9
    for _ in range(200):
        c = np.sqrt(low * high)
        fit = gram @ np.linalg.solve(gram + c * np.eye(len(y)), y)
        low, high = (c, high) if np.mean((fit - y) ** 2) < epsilon else (low, c)
    return fit


def test_a_wide_network_does_what_its_kernel_says():
    data = measure_helpful_rounds(HelpfulRounds(CELL))
    network, kernel = data["distance"].values
    assert data["converged"] == 1
    np.testing.assert_allclose(network, kernel, rtol=0.05, atol=0.01)
    sample = matched_data(CELL)
    clean = np.asarray(sample.signed, float)
    noisy = noisy_labels(clean, 1.0, CELL.seed)
    gram = matched_network(CELL, sample).gram
    expected, fit = [np.mean((noisy - clean) ** 2)], noisy
    while np.mean(fit**2) > CELL.epsilon:
        fit = ridge_fit(gram, fit, CELL.epsilon)
        expected.append(np.mean((fit - clean) ** 2))
    np.testing.assert_allclose(kernel, expected, rtol=1e-6)
    norm = np.sqrt(clean @ np.linalg.solve(gram, clean))
    spectrum = Spectrum.from_gram(gram, noisy)
    assert data["count"] == rounds_that_help(spectrum, CELL.epsilon, norm)
    assert data["most"] == int(np.mean((noisy - clean) ** 2) / CELL.epsilon)
    assert 0 <= data["estimated_count"] <= distill_to_tolerance(spectrum, CELL.epsilon).rounds


def test_students_of_wide_networks_do_what_their_kernels_say():
    data = measure_weak_to_strong(PAIR)
    assert data["converged"] == 1
    settled = data.sel(share=0.3)
    np.testing.assert_allclose(settled["measured"], settled["predicted"], rtol=0.05, atol=0.01)
    clean, networks = tangent_pair(PAIR)
    taught = noisy_labels(clean, 1.0, PAIR.seed)
    for k, network in enumerate(networks):
        taught = ridge_fit(network.gram, taught, 0.3)
        expected = np.mean((taught - clean) ** 2)
        assert settled["predicted"][0, k] == pytest.approx(expected, rel=1e-6)


def test_labels_within_the_error_are_fitted_by_nothing():
    """At a training error above the targets' mean square the optimum is zero, for teacher and student alike."""
    data = measure_weak_to_strong(PAIR).sel(share=5.0)
    np.testing.assert_array_equal(data["measured"], 1.0)
    np.testing.assert_array_equal(data["predicted"], 1.0)


def test_bad_input():
    with pytest.raises(InputError, match="noise must be a"):
        HelpfulRounds(CELL, noise=0.0)
    with pytest.raises(InputError, match="every share must be a"):
        WeakToStrong(shares=(0.1, -1.0))
    with pytest.raises(InputError, match="narrow"):
        WeakToStrong(narrow=0)
