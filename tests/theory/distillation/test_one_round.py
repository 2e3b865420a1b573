"""M13 and M20: the one-round kernel against scikit-learn, and the bound against fresh samples."""

import mpmath
import numpy as np
import pytest
from sklearn.kernel_ridge import KernelRidge
from sklearn.metrics.pairwise import rbf_kernel

from selfdistill.theory import (
    InputError,
    Spectrum,
    distill_to_tolerance,
    distill_with_ridge,
    generalization_bound,
    one_round_kernel,
)
from selfdistill.theory.distillation.one_round import bounded_loss


@pytest.fixture
def problem(rng):
    x = rng.normal(size=(40, 3))
    y = np.where(x[:, 0] + 0.5 * rng.normal(size=40) > 0, 1.0, -1.0)
    return x, y, distill_to_tolerance(Spectrum.from_gram(rbf_kernel(x, gamma=0.3), y), 0.2)


def test_one_scikit_learn_fit_gives_every_round(problem):
    _, y, run = problem
    assert run.rounds >= 2
    for t in range(1, run.rounds + 1):
        kernel = one_round_kernel(run, t)
        gram = kernel.gram()
        model = KernelRidge(kernel="precomputed", alpha=len(y) * kernel.ridge).fit(gram, y)
        np.testing.assert_allclose(model.predict(gram), run.fitted(t), atol=1e-9)
        assert kernel.norm == pytest.approx(np.sqrt(model.dual_coef_ @ gram @ model.dual_coef_), rel=1e-6)
        assert kernel.trace == pytest.approx(np.trace(gram), rel=1e-10)
        smoother = np.linalg.solve(gram + len(y) * kernel.ridge * np.eye(len(y)), gram)
        assert kernel.effective_dimension == pytest.approx(np.trace(smoother), rel=1e-9)


def test_first_round_kernel_is_the_kernel_itself(problem):
    x, _, run = problem
    np.testing.assert_allclose(one_round_kernel(run, 1).gram(), rbf_kernel(x, gamma=0.3), atol=1e-9)


def test_trace_falls_with_every_round(problem):
    _, _, run = problem
    traces = [one_round_kernel(run, t).trace for t in range(1, run.rounds + 1)]
    assert (np.diff(traces) < 0).all()


def test_bound_holds_on_fresh_samples(rng, problem):
    x, _, run = problem
    fresh = rng.normal(size=(4000, 3))
    labels = np.where(fresh[:, 0] + 0.5 * rng.normal(size=4000) > 0, 1.0, -1.0)
    for t in range(1, run.rounds + 1):
        scores = run.predict(rbf_kernel(fresh, x, gamma=0.3), t)
        bound = generalization_bound(run, t)
        assert bounded_loss(labels, scores, "ramp", 1.0).mean() < bound.total
        assert bound.total == bound.training_error + bound.complexity + bound.confidence


def test_bound_names_what_it_assumes():
    run = distill_to_tolerance(Spectrum.from_eigenvalues([1.0, 2.0], [1.5, 0.2]), 0.1)
    with pytest.raises(InputError, match="-1 and 1"):
        generalization_bound(run, 1)
    assert generalization_bound(run, 1, loss="absolute", largest_loss=3.0).total > 0
    two = distill_to_tolerance(Spectrum.from_eigenvalues([1.0, 2.0], np.eye(2)), 0.1)
    with pytest.raises(InputError, match="one output"):
        generalization_bound(two, 1)
    with pytest.raises(InputError, match="at least 1"):
        one_round_kernel(run, 0)


@pytest.mark.parametrize("small", [1e-17, 1e-12, 1e-3])
def test_what_is_left_of_a_filter_next_to_one_keeps_its_digits(small):
    """1 − B of the large direction is down to 1e-17, which no subtraction from 1 leaves: in sixty digits."""
    run = distill_to_tolerance(Spectrum.from_eigenvalues([small, 1.0], [1.0, 1.0]), 0.1, 2)
    for t in range(1, run.rounds + 1):
        with mpmath.workdps(60):
            trace = mpmath.mpf(0)
            for d in (mpmath.mpf(small), mpmath.mpf(1)):
                kept = mpmath.fprod(d / (d + mpmath.mpf(float(c))) for c in run.multipliers[:t])
                trace += 2 * mpmath.mpf(float(run.multipliers[0])) * kept / (1 - kept)
        assert one_round_kernel(run, t).trace == pytest.approx(float(trace), rel=1e-12)


@pytest.mark.parametrize("ridge", [1e-17, 1e-12])
def test_the_kernel_of_a_ridge_below_rounding_is_the_kernel_itself(ridge):
    run = distill_with_ridge(Spectrum.from_eigenvalues([1e-17, 1.0], [1.0, 1.0]), ridge, 1)
    assert one_round_kernel(run, 1).trace == pytest.approx(2.0, rel=1e-12)
