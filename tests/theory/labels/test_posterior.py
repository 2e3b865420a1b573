"""Z1, Z2: the posterior mode against a general optimiser, SymPy and label smoothing; and refusals."""

import numpy as np
import pytest
import scipy.optimize
import scipy.stats
import sympy

from selfdistill.theory import (
    InputError,
    beta_mean,
    dirichlet_mode,
    distillation_weight,
    ema_decay,
    label_posterior,
    label_smoothing,
    mixed_targets,
    prior_strength,
)


def test_posterior_mode_is_the_mixed_target(rng):
    labels, prior = rng.integers(0, 4, 10), rng.dirichlet(np.ones(4), 10)
    for gamma in (0.1, 1.0, 7.0):
        mode = dirichlet_mode(label_posterior(labels, prior, gamma))
        np.testing.assert_allclose(mode, mixed_targets(labels, prior, distillation_weight(gamma)), atol=1e-14)
        assert prior_strength(distillation_weight(gamma)) == pytest.approx(gamma)


def test_posterior_mode_maximises_scipys_density(rng):
    """SciPy's own Dirichlet density, climbed by a general optimiser on the simplex."""
    concentration = label_posterior(np.array([2]), rng.dirichlet(np.ones(4), 1), 1.7)[0]

    def loss(free):
        p = np.append(free, 1 - free.sum())
        return -scipy.stats.dirichlet(concentration).logpdf(p)

    found = scipy.optimize.minimize(
        loss, np.full(3, 0.25), bounds=[(1e-9, 1)] * 3, method="SLSQP", tol=1e-14,
        constraints={"type": "ineq", "fun": lambda free: 1 - 1e-9 - free.sum()},
    )  # fmt: skip
    best = np.append(found.x, 1 - found.x.sum())
    np.testing.assert_allclose(dirichlet_mode(concentration), best, atol=1e-5)


def test_posterior_mode_by_computer_algebra():
    """Stationarity of the posterior under Σp = 1 with a Lagrange multiplier, K = 3, label 0."""
    gamma = sympy.symbols("gamma", positive=True)
    prior = sympy.symbols("q1:4", positive=True)
    p = sympy.symbols("p1:4", positive=True)
    multiplier = sympy.symbols("mu", positive=True)
    counts = [int(k == 0) + gamma * prior[k] for k in range(3)]
    equations = [counts[k] / p[k] - multiplier for k in range(3)]
    (solution,) = sympy.solve([*equations, sum(p) - 1], [*p, multiplier], dict=True)
    for k in range(3):
        mixture = counts[k] / (1 + gamma)
        difference = (solution[p[k]] - mixture).subs(prior[2], 1 - prior[0] - prior[1])
        assert sympy.simplify(difference) == 0


def test_uniform_prior_is_label_smoothing(rng):
    labels = rng.integers(0, 5, 8)
    mode = dirichlet_mode(label_posterior(labels, np.full((8, 5), 0.2), 3.0))
    np.testing.assert_allclose(mode, label_smoothing(labels, 0.75, 5), atol=1e-15)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: dirichlet_mode([0.5, 2.0]), "at least 1"),
        (lambda: dirichlet_mode([1.0, 1.0]), "one in each row above 1"),
        (lambda: label_posterior([0], [[0.5, 0.5]], 0.0), "strength"),
        (lambda: label_posterior([0], [[0.5, 0.6]], 1.0), "prior"),
        (lambda: label_posterior([0, 1], [[0.5, 0.5]], 1.0), "agree"),
        (lambda: prior_strength(1.0), "weight"),
        (lambda: beta_mean(-1.0), "shape"),
        (lambda: ema_decay(-1), "step"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(InputError, match=words):
        call()
