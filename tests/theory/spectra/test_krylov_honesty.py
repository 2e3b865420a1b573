"""Estimated errors of products, on one problem and over random ones: never below the error, seldom far above it."""

import numpy as np
import pytest
from scipy.sparse.linalg import LinearOperator
from sklearn.metrics.pairwise import rbf_kernel

from selfdistill.theory import Spectrum, distill_to_tolerance, distill_with_ridge

from ..krylov_problems import KINDS, Judged, count, dense
from .krylov_cases import errors, problem


@pytest.fixture(scope="module")
def judged():
    return count(100, first=10_000)[0]


def test_no_error_exceeds_its_estimate_beyond_rounding(judged):
    assert len(judged) > 80
    assert [j for j in judged if j.beyond] == []


def test_few_estimates_are_a_hundred_times_too_large(judged):
    assert {j.kind.split(",")[0] for j in judged} == set(KINDS)
    assert sum(j.looseness > 100 for j in judged) <= 2
    assert np.median([j.looseness for j in judged]) < 10


def test_the_judge_sees_what_it_judges():
    """An estimate below the error is found, and so is an idle one."""
    true, none = np.full(3, 1e-3), np.zeros(3)
    assert Judged(0, "", true, np.full(3, 1e-4), none, 1e-16).beyond
    assert not Judged(0, "", true, np.full(3, 1e-2), none, 1e-16).beyond
    assert Judged(0, "", true, np.full(3, 0.5), none, 1e-16).looseness == pytest.approx(500)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.filterwarnings("ignore::selfdistill.theory.spectra.krylov.KrylovAccuracyWarning")
def test_products_that_are_less_precise_than_their_numbers_are_seen(seed):
    """As of a kernel that is computed in fewer digits: no unit of precision tells, the projection does."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((200, 2))
    gram, y = rbf_kernel(x, gamma=0.5), np.sin(3 * x[:, 0]) + 0.3 * rng.standard_normal(200)

    def product(block):
        image = gram @ block
        return image * (1 + 1e-9 * rng.standard_normal(image.shape))

    operator = LinearOperator(gram.shape, matvec=product, matmat=product, dtype=np.float64)
    exact = distill_with_ridge(Spectrum.from_gram(gram, y), 1e-4, 3)
    run = distill_with_ridge(Spectrum.krylov(operator, y, tolerance=1e-9), 1e-4, 3)
    apart = np.abs(run.target_norms / exact.target_norms - 1).max()
    assert 1e-13 < apart <= run.spectrum.error.norms < 1000 * apart


@pytest.mark.parametrize("seed", [0, 2])
@pytest.mark.parametrize("tolerance", [1e-4, 1e-8])
@pytest.mark.parametrize("schedule", ["tolerance", "ridge", "ground truth"])
def test_the_estimate_is_honest_and_reached(seed, tolerance, schedule):
    _, gram, y = problem(seed, gamma=10.0 ** (seed - 2.0))
    factorised, krylov = Spectrum.from_gram(gram, y), Spectrum.krylov(gram, y, tolerance=tolerance)
    uncut, _ = dense(gram, y[:, None], 0.0)
    for level in (0.5, 0.1):
        if schedule == "tolerance":
            runs = [distill_to_tolerance(s, level * np.mean(y**2)) for s in (krylov, factorised, uncut)]
        else:
            weight = 0.3 if schedule == "ground truth" else 0.0
            runs = [distill_with_ridge(s, level / 100, 5, weight) for s in (krylov, factorised, uncut)]
        run, exact, whole = runs
        estimate = run.spectrum.error
        assert estimate.largest <= tolerance
        c, norms, fitted = errors(run, exact)
        # The dense run's own rounding is not the Krylov path's error, nor are the eigenvalues that it cuts off.
        assert c <= estimate.multipliers + 1e-11 + np.abs(exact.multipliers / whole.multipliers - 1).max()
        assert norms <= estimate.norms + 1e-11
        assert fitted <= estimate.fitted + 1e-11


def test_the_estimate_is_not_idle():
    """The estimated error of the fitted values is within a factor 100 of the true one."""
    _, gram, y = problem(0)
    epsilon = 0.2 * np.mean(y**2)
    run = distill_to_tolerance(Spectrum.krylov(gram, y, tolerance=1e-5), epsilon)
    fitted = errors(run, distill_to_tolerance(Spectrum.from_gram(gram, y), epsilon))[2]
    assert run.spectrum.error.fitted < 100 * fitted


def random_problem(rng):
    """A gram with clusters, outliers, low rank or smooth decay, one to three outputs, and a setting to run."""
    n, outputs = int(rng.integers(40, 120)), int(rng.choice([1, 1, 3]))
    kind = rng.choice(["rbf", "low rank", "outliers", "clusters"])
    if kind == "rbf":
        gram = rbf_kernel(rng.standard_normal((n, 3)), gamma=10 ** rng.uniform(-2, 1))
    elif kind == "low rank":
        features = rng.standard_normal((n, int(rng.integers(2, 20))))
        gram = features @ features.T
    else:
        q, _ = np.linalg.qr(rng.standard_normal((n, n)))
        d = np.r_[10 ** rng.uniform(0, 4, 3), 10 ** rng.uniform(-6, 0, n - 3)]
        if kind == "clusters":
            d = np.resize(10 ** rng.uniform(-4, 0, 4), n) * (1 + 1e-6 * rng.random(n))
        gram = (q * d) @ q.T
        gram = (gram + gram.T) / 2
    y = gram @ rng.standard_normal((n, outputs)) / n + 0.1 * rng.standard_normal((n, outputs))
    return gram, y[:, 0] if outputs == 1 else y


@pytest.mark.filterwarnings("ignore::selfdistill.theory.KrylovAccuracyWarning")
@pytest.mark.parametrize("seed", range(6))
def test_estimates_are_honest_on_random_problems(seed):
    """No true error is above its estimate by more than the factorisation's own rounding."""
    rng = np.random.default_rng([seed, 41])
    for _ in range(12):
        gram, y = random_problem(rng)
        factorised = Spectrum.from_gram(gram, y)
        krylov = Spectrum.krylov(gram, y, tolerance=10 ** rng.uniform(-8, -3))
        if rng.random() < 0.5:
            energy, least = np.sum(y**2) / len(y), factorised.least_feasible_epsilon
            epsilon = least + (energy - least) * 10 ** rng.uniform(-1, -0.1)
            run, exact = distill_to_tolerance(krylov, epsilon), distill_to_tolerance(factorised, epsilon)
        else:
            ridge = factorised.largest_eigenvalue * 10 ** rng.uniform(-3, 0)
            run, exact = (distill_with_ridge(s, ridge, 3, 0.2) for s in (krylov, factorised))
        estimate, true = run.spectrum.error, errors(run, exact)
        for value, bound in zip(true, (estimate.multipliers, estimate.norms, estimate.fitted), strict=True):
            assert value <= bound + 1e-9
