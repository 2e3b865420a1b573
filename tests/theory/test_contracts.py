"""The contracts of theory: every basis against every consumer, every schedule on every basis.

What has the form zᵀ g(A) z must equal the dense answer to the stated tolerance on every basis. What needs all
eigenvalues must equal it too, or be refused in words: never a number that is quietly another quantity.
"""

from __future__ import annotations

import numpy as np
import pytest

from selfdistill.theory import (
    FixedRidge,
    InputError,
    OwnOutputs,
    Spectrum,
    ToTolerance,
    collapse_bounds,
    distill,
    distill_grid,
    distill_ridge_grid,
    distill_to_tolerance,
    estimated_risk,
    generalization_bound,
    leave_one_out_outputs,
    one_round_kernel,
    risk_curve,
)
from selfdistill.theory.softmax.regression import SoftmaxRegression

from .contract_cases import BASES, SCHEDULES, TOLERANCE, N, full_rank, independent, problem


def plain(values):
    return np.asarray(values.compute() if hasattr(values, "compute") else values)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("basis", BASES)
def test_every_schedule_on_every_basis(basis, schedule):
    features, y = problem()
    if SCHEDULES[schedule].needs_all and basis == "krylov":
        with pytest.raises(InputError, match=r"best.* needs every eigenvalue"):
            distill(BASES[basis](features, y), SCHEDULES[schedule])
        return
    if SCHEDULES[schedule].needs_all and basis == "identity":
        return  # its points are other points, each left out in turn
    run = distill(BASES[basis](features, y), SCHEDULES[schedule])
    fits, multipliers = independent(features @ features.T, y, SCHEDULES[schedule])
    assert run.rounds == len(fits) > 0
    if multipliers:
        np.testing.assert_allclose(run.multipliers, multipliers, rtol=TOLERANCE)
    atol = 3e-4 if schedule == "gradient flow" else TOLERANCE  # the rival takes steps
    np.testing.assert_allclose(run.target_norms[1:], np.linalg.norm(fits, axis=1), rtol=atol)
    if basis == "identity":
        return  # its points are other points
    for t, fit in enumerate(fits, start=1):
        np.testing.assert_allclose(plain(run.fitted(t)), fit, atol=atol)
        np.testing.assert_allclose(features @ (features.T @ plain(run.dual(t))), fit, atol=atol)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_several_outputs_share_their_rounds(schedule):
    features, y = problem(outputs=3)
    other = "features" if SCHEDULES[schedule].needs_all else "krylov"
    runs = [distill(BASES[basis](features, y), SCHEDULES[schedule]) for basis in ("dense", other)]
    np.testing.assert_allclose(runs[0].target_norms, runs[1].target_norms, rtol=TOLERANCE)
    np.testing.assert_allclose(runs[0].fitted(1), runs[1].fitted(1), atol=TOLERANCE)


def ridge_run(spectrum):
    return distill(spectrum, FixedRidge(0.05, 4))


def noisy_run(spectrum):
    return distill(spectrum, OwnOutputs(0.05, 4, accumulate=True, fresh_noise_variance=0.1))


def signs(y):
    return np.where(np.asarray(y) > 0, 1.0, -1.0)


# Of a spectrum: numbers that must not depend on its basis. The second: whether they need every eigenvalue.
CONSUMERS = {
    "collapse bounds": (lambda s: bounds_known(collapse_bounds(s, 0.5)), False),
    "grid of tolerances": (lambda s: distill_grid(s, [0.5, 1.0]).multipliers, False),
    "grid of ridges": (lambda s: distill_ridge_grid(s, [0.1, 0.5], 3).target_norms, False),
    "a run of a grid": (lambda s: distill_grid(s, [0.5, 1.0]).trajectory(1).target_norms, False),
    "training error": (lambda s: [ridge_run(s).training_error(t) for t in (1, 2)], False),
    "training error, accumulated": (lambda s: [noisy_run(s).training_error(t) for t in (1, 3)], False),
    "risk": (lambda s: risk_curve(ridge_run(s), truth(s), 0.16).risk, True),
    "risk of outputs read with noise": (lambda s: risk_curve(noisy_run(s), truth(s), 0.16).risk, True),
    "best round": (lambda s: risk_curve(ridge_run(s), truth(s), 0.16).best_round, True),
    "estimated risk": (lambda s: estimated_risk(ridge_run(s), 0.16), True),
    "one-round kernel": (lambda s: kernel_numbers(one_round_kernel(ridge_run(s), 2)), True),
    "bound on the test error": (lambda s: bound_of(s), True),
    "leave-one-out": (lambda s: norm(leave_one_out_outputs(s, 0.05)), True),
    "softmax": (lambda s: norm(SoftmaxRegression.from_spectrum(s, 0.05).fit(halves(s)).outputs), True),
    "condition number": (lambda s: s.positive_condition_number, True),
    "least feasible epsilon": (lambda s: s.least_feasible_epsilon, True),
}


def bounds_known(bounds):
    return [bounds.exact, bounds.lower, bounds.initial_ratio]


def truth(spectrum):
    """A function that is the same whatever the points: the targets, halved."""
    return 0.5 * np.asarray(spectrum.shape_like_targets(spectrum.targets))


def kernel_numbers(kernel):
    return [kernel.trace, kernel.effective_dimension, kernel.norm, np.trace(kernel.gram())]


def bound_of(spectrum):
    bound = generalization_bound(ridge_run(spectrum), 2, loss="absolute", largest_loss=50.0)
    return [bound.complexity, bound.confidence]


def halves(spectrum):
    return np.full((N, 2), 0.5)


def norm(values):
    return float(np.linalg.norm(plain(values)))


@pytest.mark.parametrize("consumer", CONSUMERS)
@pytest.mark.parametrize("basis", BASES)
def test_every_consumer_answers_the_same_question_on_every_basis(basis, consumer):
    features, y = problem()
    ask, _ = CONSUMERS[consumer]
    if basis == "identity" and consumer == "leave-one-out":
        return  # its points are other points, each left out in turn
    if basis == "krylov" and CONSUMERS[consumer][1]:
        with pytest.raises(InputError, match="Krylov"):
            ask(BASES[basis](features, y))
        return
    expected = ask(BASES["dense"](features, y))
    np.testing.assert_allclose(ask(BASES[basis](features, y)), expected, rtol=TOLERANCE)


@pytest.mark.parametrize("consumer", CONSUMERS)
def test_a_krylov_space_refuses_what_it_does_not_know(consumer):
    ask, needs_all = CONSUMERS[consumer]
    gram, (_, y) = full_rank(), problem()
    krylov, dense = Spectrum.krylov(gram, y, tolerance=1e-9), Spectrum.from_gram(gram, y)
    assert not krylov.basis.complete
    if needs_all:
        with pytest.raises(InputError, match=r"Krylov space"):
            ask(krylov)
    else:
        np.testing.assert_allclose(ask(krylov), ask(dense), rtol=TOLERANCE, atol=1e-9)


@pytest.mark.parametrize("basis", BASES)
def test_a_basis_keeps_its_four_promises(basis):
    features, y = problem()
    spectrum = BASES[basis](features, y)
    if basis == "krylov":
        spectrum = distill(spectrum, FixedRidge(0.1, 1)).spectrum
    d, v = np.linalg.eigh(features @ features.T)
    filter_ = spectrum.eigenvalues / (spectrum.eigenvalues + 0.1)
    coefficients = spectrum.basis.project(y[:, None])
    np.testing.assert_allclose(
        coefficients, spectrum.coefficients, atol=1e-9
    ) if basis != "identity" else None
    if basis == "identity":
        np.testing.assert_array_equal(spectrum.basis.diagonal(filter_), filter_)
        return
    smoother = (v * (d / (d + 0.1 * N))) @ v.T
    fitted = spectrum.basis.expand(filter_[:, None] * coefficients)
    np.testing.assert_allclose(plain(fitted)[:, 0], smoother @ y, atol=1e-7)
    assert spectrum.basis.complete == (basis != "krylov")
    if spectrum.basis.complete:
        np.testing.assert_allclose(spectrum.basis.diagonal(filter_), np.diag(smoother), atol=1e-9)
        np.testing.assert_allclose(spectrum.basis.diagonal(-filter_), -np.diag(smoother), atol=1e-9)
    else:
        with pytest.raises(InputError, match="no diagonal"):
            spectrum.basis.diagonal(filter_)


def test_what_one_run_does_is_not_seen_in_another():
    gram, (_, y) = full_rank(), problem()
    spectrum = Spectrum.krylov(gram, y, tolerance=1e-9)
    started = spectrum.products
    first = distill(spectrum, ToTolerance(0.8 * np.mean(y**2)))
    made, fitted = first.spectrum.products, first.fitted(1).copy()
    second = distill(spectrum, FixedRidge(1e-4, 3))
    assert second.spectrum.products > made
    assert (first.spectrum.products, spectrum.products) == (made, started)
    np.testing.assert_array_equal(first.fitted(1), fitted)


def test_a_run_takes_products_that_another_has_made():
    gram, (_, y) = full_rank(), problem()
    count = 0

    def product(v):
        nonlocal count
        count += 1
        return gram @ v

    spectrum = Spectrum.krylov(product, y)
    distill(spectrum, FixedRidge(1e-3, 3))
    made = count
    distill(spectrum, FixedRidge(1e-2, 3))
    assert count == made


def test_a_schedule_is_a_value():
    assert FixedRidge(0.1, 2) == FixedRidge([0.1, 0.1])
    assert hash(ToTolerance(0.1)) == hash(ToTolerance(0.1))
    for wrong in (None, 0.1, "tolerance", ToTolerance):
        with pytest.raises(InputError, match="schedule must be"):
            distill(BASES["dense"](*problem()), wrong)


@pytest.mark.parametrize("decades", [3, 5, 7, 9, 12])
def test_chunks_keep_small_singular_values(decades):
    """Features of many decades against the singular value decomposition of the whole."""
    rng = np.random.default_rng(decades)
    u, _ = np.linalg.qr(rng.standard_normal((200, 8)))
    v, _ = np.linalg.qr(rng.standard_normal((8, 8)))
    features = (u * np.geomspace(1, 10.0**-decades, 8)) @ v.T
    y = u @ rng.standard_normal(8)
    whole, chunks = (
        Spectrum.from_features(features, y),
        Spectrum.from_chunks([features[:90], features[90:]], y),
    )
    np.testing.assert_allclose(
        chunks.eigenvalues, whole.eigenvalues, rtol=1e-4 * 10.0 ** (decades - 12) + 1e-9
    )
    epsilon = 0.01 * np.mean(y**2)
    runs = [distill_to_tolerance(s, epsilon) for s in (whole, chunks)]
    assert runs[0].rounds == runs[1].rounds
    np.testing.assert_allclose(runs[0].multipliers, runs[1].multipliers, rtol=1e-8 + 1e-15 * 10.0**decades)
    assert runs[1].training_error(1) == pytest.approx(epsilon, rel=1e-8 + 1e-15 * 10.0**decades)
