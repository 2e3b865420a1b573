"""The contracts of theory: every basis against every consumer, every schedule on every basis.

What has the form zᵀ g(A) z must equal the dense answer to the stated tolerance on every basis. What needs all
eigenvalues must equal it too, or be refused in words: never a number that is quietly another quantity.
"""

from __future__ import annotations

from functools import cache

import dask.array as da
import numpy as np
import pytest
import scipy.optimize
import torch

from selfdistill.theory import (
    FixedRidge,
    InputError,
    OwnOutputs,
    Progressive,
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

N, P = 60, 9
TOLERANCE = 1e-6


def problem(outputs=None):
    rng = np.random.default_rng(7)
    features = rng.standard_normal((N, P)) * np.geomspace(3, 0.3, P)
    shape = (P,) if outputs is None else (P, outputs)
    signal = features @ rng.standard_normal(shape)
    return features, signal + 0.4 * rng.standard_normal(signal.shape)


def full_rank():
    """A gram with more directions than the targets' Krylov space will see before it is accurate."""
    x = np.random.default_rng(8).standard_normal((N, 2))
    return np.exp(-0.5 * ((x[:, None] - x) ** 2).sum(-1))


# One spectrum a basis, all of the same gram and targets.
BASES = {
    "dense": lambda f, y: Spectrum.from_gram(f @ f.T, y),
    "torch": lambda f, y: Spectrum.from_gram(torch.as_tensor(f @ f.T), torch.as_tensor(y)),
    "features": lambda f, y: Spectrum.from_features(f, y),
    "chunks": lambda f, y: Spectrum.from_chunks([f[:25], f[25:]], y),
    "dask": lambda f, y: Spectrum.from_chunks(da.from_array(f, chunks=(20, 4)), y),
    "identity": lambda f, y: rotated(f, y),
    "krylov": lambda f, y: Spectrum.krylov(f @ f.T, y, tolerance=1e-9),
}


def rotated(features, y):
    """Eigenvalues and coefficients of the gram; its points are the eigenvectors themselves."""
    d, v = np.linalg.eigh(features @ features.T)
    return Spectrum.from_eigenvalues(np.where(d > 1e-9 * d[-1], d, 0.0) / N, v.T @ y)


SCHEDULES = {
    "to tolerance": ToTolerance(0.5),
    "two rounds to tolerance": ToTolerance(0.5, max_rounds=2),
    "fixed ridge": FixedRidge(0.05, 4),
    "a ridge for every round": FixedRidge([0.3, 0.1, 0.02]),
    "ground truth": FixedRidge(0.05, 4, 0.3),
    "a weight for every round": FixedRidge(0.05, 3, [0.0, 0.9, 0.2]),
    "weights without limits": FixedRidge(0.05, 3, [0.0, -0.5, 1.7], unbounded=True),
    "the best weight for every round": FixedRidge(0.05, 3, "best"),
    "own outputs": OwnOutputs([0.05, 0.1, 0.02], real_share=0.3, fresh_noise_variance=0.1),
    "own outputs accumulated": OwnOutputs(0.05, 4, accumulate=True),
    "gradient flow": Progressive([0.0, 0.2, 0.5, 0.8], 0.3),
    "gradient descent": Progressive([0.0, 0.2, 0.5], 0.02, substeps=4),
}


def independent(gram, y, schedule):
    """The same rounds from the gram alone, by solving and by bisection: no eigenvectors, no recursion."""
    fits, multipliers, last = [], [], y
    if isinstance(schedule, Progressive):
        last = np.zeros_like(y)
        for past in schedule.past_weights:
            target = (1 - past) * y + past * last
            steps = schedule.substeps or 20_000
            for _ in range(steps):
                last = last - 2 * schedule.step / steps * (gram / N) @ (last - target)
            fits.append(last)
        return fits, multipliers

    def fit(c, target):
        return np.linalg.solve(gram + N * c * np.eye(N), gram @ target)

    if isinstance(schedule, OwnOutputs):
        data = [y]
        for c in schedule.ridge:
            mixed = schedule.real_share * y + (1 - schedule.real_share) * data[-1]
            fits.append(fit(c, np.mean(data, axis=0) if schedule.accumulate else mixed))
            data.append(fits[-1])
        return fits, list(schedule.ridge)
    if isinstance(schedule, FixedRidge):
        weights = best_by_search(schedule) if schedule.chooses else schedule.ground_truth_weight
        for c, weight in zip(schedule.ridge, weights, strict=True):
            target = weight * y + (1 - weight) * last if fits else y
            last = fit(c, target)
            fits.append(last)
            multipliers.append(c)
        return fits, multipliers
    while np.sum(last**2) > N * schedule.epsilon and len(fits) != schedule.max_rounds:
        low, high = 1e-8, 1e8
        for _ in range(200):
            c = np.sqrt(low * high)
            error = np.sum((fit(c, last) - last) ** 2) / N
            low, high = (c, high) if error < schedule.epsilon else (low, c)
        last = fit(c, last)
        fits.append(last)
        multipliers.append(c)
    return fits, multipliers


@cache
def best_by_search(schedule):
    """Weight of every round by a line search over runs that are made anew without each sample."""
    features, y = problem()
    gram, weights = features @ features.T, [1.0]

    def left_out_error(weight):
        error = 0.0
        for i in range(N):
            others = np.arange(N) != i
            inner, last = gram[np.ix_(others, others)], y[others]
            for c, w in zip(schedule.ridge, [*weights, weight], strict=False):
                dual = np.linalg.solve(inner + N * c * np.eye(N - 1), w * y[others] + (1 - w) * last)
                last = inner @ dual
            error += (gram[i, others] @ dual - y[i]) ** 2
        return error

    while len(weights) < schedule.rounds:
        found = scipy.optimize.minimize_scalar(
            left_out_error, bounds=(0, 1), method="bounded", options={"xatol": 1e-9}
        )
        weights.append(found.x)
    return weights


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
