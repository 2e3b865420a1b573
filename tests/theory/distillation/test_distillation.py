"""The recursion against solvers that know nothing of spectra: SLSQP, KernelRidge refits (M3, M4, B1, B2)."""

import json
from pathlib import Path

import numpy as np
import pytest
import scipy.optimize
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from sklearn.kernel_ridge import KernelRidge
from sklearn.metrics.pairwise import rbf_kernel

from selfdistill.theory import (
    InfeasibleToleranceError,
    InputError,
    Spectrum,
    distill_to_tolerance,
    distill_with_ridge,
    ground_truth_limit,
)

from ..made_spectra import epsilon_for_ratio, spectra

TOY = json.loads((Path(__file__).parents[2] / "data" / "toy_sinusoid.json").read_text())


@pytest.fixture(scope="module")
def digits():
    """Real images, ten centred one-hot outputs, a third of the labels wrong; and held-out images."""
    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(5).permutation(len(labels))[:450]
    X, labels = images[order] / 16, labels[order]
    wrong = np.random.default_rng(6).random(300) < 1 / 3
    labels[:300][wrong] = (labels[:300][wrong] + 1) % 10
    return X[:300], np.eye(10)[labels[:300]] - 0.1, X[300:]


# --- to tolerance ---------------------------------------------------------------------------------


@pytest.mark.parametrize("ratio", [1.3, 2.5, 6.0])
def test_m3_the_closed_form_is_the_constrained_optimum(ratio, rng):
    x = rng.uniform(size=(6, 2))
    gram = rbf_kernel(x, gamma=4.0)
    y = rng.normal(size=6)
    epsilon = float(y @ y / (6 * ratio**2))
    root = np.linalg.cholesky(gram)  # f = root @ u has norm ‖u‖: no curvature to lose digits in
    solved = scipy.optimize.minimize(
        lambda u: u @ u,
        np.linalg.solve(root, y),
        jac=lambda u: 2 * u,
        constraints={
            "type": "ineq",
            "fun": lambda u: epsilon - np.mean((root @ u - y) ** 2),
            "jac": lambda u: -2 / 6 * root.T @ (root @ u - y),
        },
        method="SLSQP",
        options={"ftol": 1e-12, "maxiter": 2000},
    )
    assert solved.success
    run = distill_to_tolerance(Spectrum.from_gram(gram, y), epsilon, max_rounds=1)
    beta = run.dual(1)
    assert beta @ gram @ beta == pytest.approx(solved.fun, rel=1e-6)
    np.testing.assert_allclose(root @ solved.x, run.fitted(1), atol=1e-4)
    assert np.mean((run.fitted(1) - y) ** 2) == pytest.approx(epsilon, rel=1e-12)


def test_m4_every_round_on_digits_is_a_kernel_ridge_refit(digits):
    X, Y, new = digits
    gram, cross = rbf_kernel(X, gamma=0.05), rbf_kernel(new, X, gamma=0.05)
    run = distill_to_tolerance(Spectrum.from_gram(gram, Y), epsilon=0.02)
    assert run.collapsed
    assert run.rounds >= 6
    targets = Y
    for t, c in enumerate(run.multipliers, start=1):
        refit = KernelRidge(kernel="precomputed", alpha=len(X) * c).fit(gram, targets)
        np.testing.assert_allclose(run.predict(cross, t), refit.predict(cross), rtol=0, atol=1e-8)
        np.testing.assert_allclose(
            run.dual(t), refit.dual_coef_, rtol=0, atol=1e-8 * np.abs(run.dual(1)).max()
        )
        targets = refit.predict(gram)
        np.testing.assert_allclose(run.fitted(t), targets, rtol=0, atol=1e-8)
        assert run.target_norms[t] == pytest.approx(np.linalg.norm(targets), abs=1e-8)
        assert run.training_error(t) == pytest.approx(0.02, rel=1e-9)
    assert np.linalg.norm(targets) ** 2 / len(X) <= 0.02


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_m4_fixed_ridge_on_digits_is_a_kernel_ridge_refit(digits, alpha):
    X, Y, new = digits
    gram, cross = rbf_kernel(X, gamma=0.05), rbf_kernel(new, X, gamma=0.05)
    run = distill_with_ridge(Spectrum.from_gram(gram, Y), 3e-3, 5, ground_truth_weight=alpha)
    fit = Y
    for t in range(1, 6):
        refit = KernelRidge(kernel="precomputed", alpha=len(X) * 3e-3).fit(
            gram, alpha * Y + (1 - alpha) * fit
        )
        fit = refit.predict(gram)
        np.testing.assert_allclose(run.fitted(t), fit, atol=1e-8)
        np.testing.assert_allclose(run.predict(cross, t), refit.predict(cross), atol=1e-8)


def test_outputs_share_one_multiplier_so_columns_may_be_rotated(digits):
    X, Y, _ = digits
    gram = rbf_kernel(X, gamma=0.05)
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(10, 10)))[0]
    run = distill_to_tolerance(Spectrum.from_gram(gram, Y), 0.02)
    turned = distill_to_tolerance(Spectrum.from_gram(gram, Y @ rotation), 0.02)
    np.testing.assert_allclose(turned.multipliers, run.multipliers, rtol=1e-9)
    np.testing.assert_allclose(turned.fitted(3), run.fitted(3) @ rotation, atol=1e-10)


def test_one_column_and_a_vector_agree_and_keep_their_shapes(rng):
    gram = rbf_kernel(rng.normal(size=(8, 2)))
    y = rng.normal(size=8)
    flat = distill_to_tolerance(Spectrum.from_gram(gram, y), 0.05)
    column = distill_to_tolerance(Spectrum.from_gram(gram, y[:, None]), 0.05)
    assert flat.fitted(1).shape == flat.dual(1).shape == (8,)
    assert column.fitted(1).shape == column.dual(1).shape == (8, 1)
    assert flat.predict(gram[:3], 1).shape == (3,)
    np.testing.assert_array_equal(column.fitted(2)[:, 0], flat.fitted(2))
    np.testing.assert_allclose(flat.fitted(0), y, rtol=0, atol=0)


@settings(max_examples=100, deadline=None)
@given(spectra(min_size=2), st.floats(1.05, 20), st.floats(1e-6, 1e6), st.floats(1e-6, 1e6))
def test_units_of_kernel_and_target_do_not_matter(spectrum, ratio, kernel_unit, target_unit):
    epsilon = epsilon_for_ratio(spectrum, ratio)
    scaled = Spectrum.from_eigenvalues(
        spectrum.eigenvalues * kernel_unit, spectrum.coefficients[:, 0] * target_unit
    )
    first = distill_to_tolerance(spectrum, epsilon, max_rounds=1)
    other = distill_to_tolerance(scaled, epsilon * target_unit**2, max_rounds=1)
    np.testing.assert_allclose(other.multipliers, first.multipliers * kernel_unit, rtol=1e-10)
    np.testing.assert_allclose(other.filters, first.filters, rtol=1e-10)


def test_epsilon_above_the_energy_is_collapse_before_the_first_round():
    run = distill_to_tolerance(Spectrum.from_eigenvalues([1.0, 2.0], [1.0, 1.0]), epsilon=1.5)
    assert (run.rounds, run.collapsed) == (0, True)
    assert run.multipliers.shape == (0,)
    assert run.filters.shape == (0, 2)
    np.testing.assert_allclose(run.target_norms, [np.sqrt(2)])
    with pytest.raises(InputError, match="collapsed"):
        run.fitted(1)


def test_epsilon_exactly_the_energy_has_collapsed():
    assert distill_to_tolerance(Spectrum.from_eigenvalues([1.0, 2.0], [1.0, 1.0]), epsilon=1.0).rounds == 0


def test_targets_of_zero_have_collapsed():
    run = distill_to_tolerance(Spectrum.from_gram(np.eye(3), np.zeros(3)), epsilon=1e-6)
    assert (run.rounds, run.collapsed) == (0, True)


def test_max_rounds_stops_early_and_says_that_it_has_not_collapsed():
    spectrum = Spectrum.from_eigenvalues([1.0, 1.0], [3.0, 4.0])
    run = distill_to_tolerance(spectrum, 0.5, max_rounds=2)
    assert (run.rounds, run.collapsed) == (2, False)
    full = distill_to_tolerance(spectrum, 0.5)
    np.testing.assert_array_equal(run.filters, full.filters[:2])
    assert distill_to_tolerance(spectrum, 0.5, max_rounds=0).rounds == 0


# --- the irreducible error ------------------------------------------------------------------------


def test_duplicated_points_name_the_least_feasible_epsilon(rng):
    x = np.repeat(rng.normal(size=(4, 2)), 2, axis=0)
    y = rng.normal(size=8)
    spectrum = Spectrum.from_gram(rbf_kernel(x, gamma=1.0), y)
    pairs = y.reshape(4, 2)
    irreducible = np.mean((pairs - pairs.mean(axis=1, keepdims=True)) ** 2)  # each pair gets its mean
    with pytest.raises(InfeasibleToleranceError) as caught:
        distill_to_tolerance(spectrum, irreducible / 2)
    assert caught.value.least_feasible_epsilon == pytest.approx(irreducible, rel=1e-10)
    run = distill_to_tolerance(spectrum, irreducible * 1.01)
    assert run.training_error(1) == pytest.approx(irreducible * 1.01, rel=1e-10)


def test_the_epsilon_that_the_error_names_can_be_used(rng):
    x = np.repeat(rng.normal(size=(5, 2)), 2, axis=0)
    for _ in range(20):  # the printed number is rounded; it must be rounded to the feasible side
        spectrum = Spectrum.from_gram(rbf_kernel(x, gamma=1.0), rng.normal(size=10))
        with pytest.raises(InfeasibleToleranceError) as caught:
            distill_to_tolerance(spectrum, 1e-6)
        named = float(str(caught.value).split("Choose epsilon above ")[1].split(",")[0])
        assert named == pytest.approx(spectrum.least_feasible_epsilon, rel=1e-5)
        run = distill_to_tolerance(spectrum, named, max_rounds=1)
        assert run.multipliers[0] > 0
        assert run.training_error(1) == pytest.approx(named, rel=1e-9)


def test_the_irreducible_error_of_features_is_that_of_least_squares(rng):
    features, y = rng.normal(size=(12, 3)), rng.normal(size=12)
    residual = y - features @ np.linalg.lstsq(features, y, rcond=None)[0]
    spectrum = Spectrum.from_features(features, y)
    assert spectrum.least_feasible_epsilon == pytest.approx(np.mean(residual**2), rel=1e-12)
    with pytest.raises(InfeasibleToleranceError):
        distill_to_tolerance(spectrum, 0.99 * np.mean(residual**2))


def test_duplicated_points_with_equal_targets_are_no_obstacle(rng):
    x, y = np.repeat(rng.normal(size=(4, 2)), 2, axis=0), np.repeat(rng.normal(size=4), 2)
    run = distill_to_tolerance(Spectrum.from_gram(rbf_kernel(x, gamma=1.0), y), 1e-3 * np.mean(y**2))
    assert run.training_error(1) == pytest.approx(1e-3 * np.mean(y**2), rel=1e-9)


# --- Borup & Andersen -----------------------------------------------------------------------------


def toy_errors(alpha, rounds=6):
    x, y = np.array(TOY["x"])[:, None], np.array(TOY["y"])
    grid = np.linspace(0, 1, 101)[:, None]
    truth = np.sin(2 * np.pi * grid[:, 0])
    spectrum = Spectrum.from_gram(rbf_kernel(x, gamma=80), y)
    run = distill_with_ridge(spectrum, 0.2 / len(x), rounds, ground_truth_weight=alpha)
    cross = rbf_kernel(grid, x, gamma=80)
    errors = [np.mean((run.predict(cross, t) - truth) ** 2) for t in range(1, rounds + 1)]
    limit = (
        np.zeros(101) if alpha == 0 else ground_truth_limit(spectrum, 0.2 / len(x), alpha).predict(cross, 1)
    )
    return [*errors, np.mean((limit - truth) ** 2)]


@pytest.mark.parametrize(
    ("alpha", "published"),
    [
        (0.0, [0.164773, 0.150756, 0.149154, 0.155605, 0.167352, 0.182511, 0.495050]),
        (0.25, [0.164773, 0.153089, 0.149576, 0.149029, 0.149459, 0.150113, 0.152502]),
    ],
)
def test_b2_the_table_of_borup_and_andersen(alpha, published):
    # One unit of the last printed digit: at α = 0.25, round 5, the value is 0.1494595197.
    np.testing.assert_allclose(toy_errors(alpha), published, rtol=0, atol=1e-6)


@pytest.mark.parametrize("alpha", [0.0, 0.25])
def test_b2_the_table_is_what_kernel_ridge_refits_give(alpha):
    x, y = np.array(TOY["x"])[:, None], np.array(TOY["y"])
    grid = np.linspace(0, 1, 101)[:, None]
    fit, errors = y, []
    for _ in range(6):
        refit = KernelRidge(kernel="rbf", gamma=80, alpha=0.2).fit(x, alpha * y + (1 - alpha) * fit)
        fit = refit.predict(x)
        errors.append(np.mean((refit.predict(grid) - np.sin(2 * np.pi * grid[:, 0])) ** 2))
    np.testing.assert_allclose(toy_errors(alpha)[:6], errors, rtol=1e-10)


@pytest.mark.parametrize("alpha", [0.1, 0.6])
def test_b1_the_limit_is_kernel_ridge_with_the_penalty_over_alpha(alpha, rng):
    x, y = rng.normal(size=(20, 2)), rng.normal(size=20)
    gram = rbf_kernel(x, gamma=0.7)
    spectrum = Spectrum.from_gram(gram, y)
    ridge = KernelRidge(kernel="precomputed", alpha=20 * 0.02 / alpha).fit(gram, y)
    run = distill_with_ridge(spectrum, 0.02, 400, ground_truth_weight=alpha)
    np.testing.assert_allclose(run.fitted(400), ridge.predict(gram), atol=1e-12)
    np.testing.assert_allclose(
        ground_truth_limit(spectrum, 0.02, alpha).fitted(1), ridge.predict(gram), atol=1e-12
    )


def test_a_penalty_for_every_round_is_that_round_s_penalty(rng):
    spectrum = Spectrum.from_gram(rbf_kernel(rng.normal(size=(9, 2))), rng.normal(size=9))
    to_tolerance = distill_to_tolerance(spectrum, 0.02)
    replayed = distill_with_ridge(spectrum, to_tolerance.multipliers)
    for t in range(1, to_tolerance.rounds + 1):
        np.testing.assert_allclose(replayed.fitted(t), to_tolerance.fitted(t), atol=1e-12)
    np.testing.assert_allclose(replayed.target_norms, to_tolerance.target_norms, rtol=1e-12)


def test_to_dataset_labels_rounds_and_directions():
    small = Spectrum.from_eigenvalues([1.0, 2.0], [1.0, 1.0])
    data = distill_to_tolerance(small, 0.05).to_dataset()
    run = distill_to_tolerance(small, 0.05)
    assert dict(data.sizes) == {"fit": run.rounds, "direction": 2, "round": run.rounds + 1}
    np.testing.assert_array_equal(data["filter"].sel(fit=2), run.filter(2))
    np.testing.assert_array_equal(data["target_norm"].sel(round=0), run.target_norms[0])
