"""K2, K3, K5: identities by SymPy, the trajectory against an ODE solver and plain gradient descent."""

import mpmath
import numpy as np
import pytest
import sympy
from scipy.integrate import solve_ivp
from sklearn.metrics.pairwise import rbf_kernel

from selfdistill.theory import (
    InputError,
    Spectrum,
    gradient_rescaling,
    progressive_trajectory,
    progressive_weight,
)


def test_schedules():
    """The paper's schedule, and its companions, at the ends and in the middle."""
    assert [progressive_weight(t, 4, 0.8) for t in range(5)] == pytest.approx([0, 0.2, 0.4, 0.6, 0.8])
    assert progressive_weight(1, 4, 0.8, "constant") == 0.8
    assert progressive_weight(2, 4, 0.8, "quadratic") == pytest.approx(0.2)


def test_gradient_and_rescaling_by_computer_algebra():
    """K2 and K3 from the loss itself, three classes, label 0."""
    logits, past, alpha = sympy.symbols("z1:4"), sympy.symbols("q1:4"), sympy.symbols("alpha")
    norm = sum(sympy.exp(z) for z in logits)
    p = [sympy.exp(z) / norm for z in logits]
    target = [(1 - alpha) * int(k == 0) + alpha * past[k] for k in range(3)]
    loss = -sum(t * sympy.log(q) for t, q in zip(target, p, strict=True))
    residual = (p[0] - target[0]).subs(past[2], 1 - past[0] - past[1])
    slope = sympy.diff(loss, logits[0]).subs(past[2], 1 - past[0] - past[1])
    assert sympy.simplify(slope - residual) == 0
    factor = 1 - alpha * (1 - past[0]) / (1 - p[0])
    assert sympy.simplify((p[0] - target[0]) - (p[0] - 1) * factor) == 0


def test_rescaling_at_the_edges():
    """No pull; cross-entropy's gradient gone but not the pull; no weight."""
    factors = gradient_rescaling([1.0, 0.5, 0.5], [1.0, 1.0, 0.5], [0.5, 0.5, 0.0])
    np.testing.assert_array_equal(factors, [1, -np.inf, 1])


@pytest.fixture
def problem(rng):
    x = rng.normal(size=(15, 3))
    return (
        rbf_kernel(x, gamma=0.3),
        rng.normal(size=(15, 2)),
        rbf_kernel(rng.normal(size=(4, 3)), x, gamma=0.3),
    )


def test_trajectory_solves_the_flow(problem):
    gram, y, _ = problem
    weights = [0.2, 0.5, 0.9]
    run = progressive_trajectory(Spectrum.from_gram(gram, y), weights, 1.5)
    f = np.zeros_like(y)
    for epoch, alpha in enumerate(weights, 1):
        m = (1 - alpha) * y + alpha * f
        flow = solve_ivp(
            lambda _, g, m=m: (-2 / 15 * gram @ (g.reshape(15, 2) - m)).ravel(), (0, 1.5), f.ravel(),
            rtol=1e-11, atol=1e-13,
        )  # fmt: skip
        f = flow.y[:, -1].reshape(15, 2)
        np.testing.assert_allclose(run.fitted(epoch), f, atol=1e-8)
        assert run.target_norms[epoch] == pytest.approx(np.linalg.norm(f))


def test_substeps_are_gradient_descent_and_predict_new_points(problem):
    """Functional gradient descent on dual coefficients, which also gives unseen points."""
    gram, y, cross = problem
    weights, step, s = [0.3, 0.8], 2.0, 7
    run = progressive_trajectory(Spectrum.from_gram(gram, y), weights, step, s)
    dual = np.zeros_like(y)
    for epoch, alpha in enumerate(weights, 1):
        m = (1 - alpha) * y + alpha * gram @ dual
        for _ in range(s):
            dual = dual - 2 * (step / s) / 15 * (gram @ dual - m)
        np.testing.assert_allclose(run.fitted(epoch), gram @ dual, atol=1e-10)
        np.testing.assert_allclose(run.predict(cross, epoch), cross @ dual, atol=1e-7)
    assert np.isnan(run.multipliers).all()


def test_many_substeps_tend_to_the_flow(problem):
    gram, y, _ = problem
    spectrum = Spectrum.from_gram(gram, y)
    flow = progressive_trajectory(spectrum, [0.5] * 3, 1.0).filters
    errors = [
        np.abs(progressive_trajectory(spectrum, [0.5] * 3, 1.0, s).filters - flow).max() for s in (10, 100)
    ]
    assert errors[1] < errors[0] / 8


def test_no_trust_in_the_past_is_plain_gradient_flow(problem):
    gram, y, _ = problem
    spectrum = Spectrum.from_gram(gram, y)
    run = progressive_trajectory(spectrum, np.zeros(4), 0.5)
    np.testing.assert_allclose(run.filters[-1], 1 - np.exp(-2 * spectrum.eigenvalues * 2.0), atol=1e-14)


def test_slower_than_plain_flow_but_towards_the_same_labels(problem):
    """Trusting the past holds every direction back, and stops none."""
    gram, y, _ = problem
    spectrum = Spectrum.from_gram(gram, y)
    plain = progressive_trajectory(spectrum, np.zeros(6), 0.5).filters
    held = progressive_trajectory(spectrum, np.full(6, 0.7), 0.5).filters
    assert (held[1:] <= plain[1:] + 1e-15).all()
    assert (np.diff(held, axis=0) >= -1e-15).all()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: progressive_weight(5, 4), "epoch must lie"),
        (lambda: progressive_weight(-1, 4), "epoch"),
        (lambda: progressive_weight(1, 0), "epochs"),
        (lambda: progressive_weight(1, 4, 1.5), "final"),
        (lambda: progressive_weight(1, 4, 0.5, "cubic"), "schedule"),
        (lambda: gradient_rescaling([1.2], [0.5], 0.5), "past"),
        (lambda: gradient_rescaling([0.2], [0.5], -0.5), "weight"),
        (lambda: progressive_trajectory(Spectrum.from_eigenvalues([1.0], [1.0]), [1.5], 1.0), "weights"),
        (lambda: progressive_trajectory(Spectrum.from_eigenvalues([1.0], [1.0]), [0.5], 0.0), "step"),
        (lambda: progressive_trajectory(Spectrum.from_eigenvalues([1.0], [1.0]), [0.5], 1.0, 0), "substeps"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(InputError, match=words):
        call()


@pytest.mark.parametrize("step", [1e-14, 1e-9, 1e-3])
@pytest.mark.parametrize("substeps", [None, 3])
def test_small_steps_keep_their_digits(problem, step, substeps):
    """1 − exp(−2dΔ) of a step of 1e-14 has two digits if the exponential is formed first: in fifty digits."""
    gram, y, _ = problem
    spectrum = Spectrum.from_gram(gram, y)
    run = progressive_trajectory(spectrum, [0.0, 0.4], step, substeps)
    exact = []
    with mpmath.workdps(50):
        for d in spectrum.eigenvalues:
            rate = 2 * mpmath.mpf(float(d)) * mpmath.mpf(step)
            decay = mpmath.exp(-rate) if substeps is None else (1 - rate / substeps) ** substeps
            b = mpmath.mpf(0)
            for past in (0.0, 0.4):
                target = 1 - mpmath.mpf(past) + mpmath.mpf(past) * b
                b = target + decay * (b - target)
            exact.append(float(b))
    np.testing.assert_allclose(run.filters[-1], exact, rtol=1e-12)
    vectors = spectrum.basis.expand(np.eye(15))
    weights = np.array(exact) / (15 * spectrum.eigenvalues)
    np.testing.assert_allclose(
        run.dual(2), vectors @ (weights[:, None] * (vectors.T @ y)), rtol=1e-7, atol=1e-7 * step
    )
