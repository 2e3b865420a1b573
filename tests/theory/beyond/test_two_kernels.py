"""Teacher and student of different kernels: scikit-learn refits, Monte Carlo, and the bound of gain by misfit."""

import numpy as np
import pytest
from sklearn.kernel_ridge import KernelRidge

from selfdistill.theory import InputError, Spectrum, distill_with_ridge, teach

N = 25


@pytest.fixture
def problem(rng):
    x = np.linspace(0, 1, N)
    grams = [np.exp(-g * (x[:, None] - x) ** 2) for g in (4.0, 40.0)]
    return grams, np.sin(5 * x), rng


@pytest.mark.parametrize("outputs", [1, 2])
def test_fits_are_those_of_refits(problem, outputs):
    grams, truth, rng = problem
    y = truth + 0.3 * rng.normal(size=N)
    y = y if outputs == 1 else np.stack([y, rng.normal(size=N)], axis=1)
    chain = teach([Spectrum.from_gram(g, y) for g in (*grams, grams[0])], [0.01, 0.05, 0.1])
    fit = y
    for learner, (gram, ridge) in enumerate(zip((*grams, grams[0]), (0.01, 0.05, 0.1), strict=True), start=1):
        model = KernelRidge(kernel="precomputed", alpha=N * ridge).fit(gram, fit)
        fit = model.predict(gram)
        np.testing.assert_allclose(chain.fitted(learner), fit, atol=1e-9)
        assert chain.norm(learner) == pytest.approx(np.sqrt(np.sum(model.dual_coef_ * fit)), rel=1e-6)


def test_one_kernel_multiplies_filters(problem):
    (gram, _), truth, _ = problem
    spectrum = Spectrum.from_gram(gram, truth)
    chain = teach([spectrum] * 3, [0.1, 0.01, 0.3])
    run = distill_with_ridge(spectrum, [0.1, 0.01, 0.3])
    for t in (1, 2, 3):
        np.testing.assert_allclose(chain.fitted(t), run.fitted(t), atol=1e-12)


def test_risk_is_monte_carlo(problem):
    grams, truth, rng = problem
    curve = teach([Spectrum.from_gram(g, truth) for g in grams], [0.01, 0.05]).risk(truth, 0.25)
    fit = truth[:, None] + 0.5 * rng.normal(size=(N, 20_000))
    for gram, ridge, expected in zip(grams, (0.01, 0.05), curve.risk, strict=True):
        fit = gram @ np.linalg.solve(gram + N * ridge * np.eye(N), fit)
        errors = np.mean((fit - truth[:, None]) ** 2, axis=0)
        assert abs(errors.mean() - expected) < 4.5 * errors.std() / np.sqrt(20_000)


def test_a_student_whose_ball_holds_the_truth_gains_at_least_its_misfit():
    rng = np.random.default_rng(3)
    held = other = 0
    for _ in range(400):
        first, second = (rng.normal(size=(6, 8)) for _ in range(2))
        grams = first @ first.T, second @ second.T
        dual = rng.normal(size=6) * 0.2
        truth = grams[1] @ dual
        y = truth + rng.normal(size=6)
        chain = teach([Spectrum.from_gram(g, y) for g in grams], 10.0 ** rng.uniform(-2, 1, 2))
        teacher, student = chain.fitted(1), chain.fitted(2)
        gain = np.mean((teacher - truth) ** 2) - np.mean((student - truth) ** 2)
        misfit = np.mean((student - teacher) ** 2)
        if chain.norm(2) >= np.sqrt(dual @ truth):
            held += 1
            assert gain >= misfit - 1e-10
        else:
            other += gain < misfit
    assert held > 30
    assert other > 30  # without the condition it need not be so


def test_bad_input(problem):
    grams, truth, _ = problem
    spectra = [Spectrum.from_gram(g, truth) for g in grams]
    with pytest.raises(InputError, match=r"one penalty a learner \(2\); got shape \(3,\)"):
        teach(spectra, [0.1, 0.1, 0.1])
    with pytest.raises(InputError, match="every ridge must be above 0"):
        teach(spectra, [0.1, 0.0])
    for nothing in ([], spectra[0]):
        with pytest.raises(InputError, match="at least one spectrum"):
            teach(nothing, [])
    with pytest.raises(InputError, match="spectrum must be a Spectrum"):
        teach(grams, [0.1, 0.1])
    with pytest.raises(InputError, match="same points and targets; spectrum 2"):
        teach([spectra[0], Spectrum.from_gram(grams[1], truth + 1)], [0.1, 0.1])
    with pytest.raises(InputError, match="noise_variance"):
        teach(spectra, [0.1, 0.1]).risk(truth, -1)
    with pytest.raises(InputError, match="1 outputs"):
        teach(spectra, [0.1, 0.1]).risk(np.ones((N, 2)), 1)
