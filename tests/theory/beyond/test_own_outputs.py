"""Training on one's own outputs: Monte Carlo that refits, published constants, and self-distillation as a case."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.kernel_ridge import KernelRidge

from selfdistill.theory import (
    InputError,
    OwnOutputs,
    Spectrum,
    best_real_share,
    distill,
    distill_with_ridge,
    estimated_risk,
    own_outputs,
    risk_curve,
)

N, RIDGE, SIGMA, FRESH, T = 12, 0.02, 0.5, 0.3, 5


@pytest.fixture
def problem():
    x = np.linspace(0, 1, N)
    return np.exp(-15 * (x[:, None] - x) ** 2), np.sin(2 * np.pi * x)


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"scheme": "accumulate"},
        {"real_share": 0.3},
        {"real_share": 0.3, "real_labels": "kept"},
        {"fresh_noise_variance": 0.0},
    ],
    ids=str,
)
def test_risk_is_that_of_refits(rng, problem, how):
    gram, truth = problem
    draws = 20_000
    fresh = np.sqrt(how.get("fresh_noise_variance", FRESH**2))
    share = how.get("real_share", 0.0)
    closed = own_outputs(
        Spectrum.from_gram(gram, truth), RIDGE, T, SIGMA**2, **{"fresh_noise_variance": FRESH**2, **how}
    ).risk(truth)
    labels = truth[:, None] + SIGMA * rng.normal(size=(N, draws))
    model = KernelRidge(kernel="precomputed", alpha=N * RIDGE)
    targets, data = labels, [labels]
    for t in range(T):
        fit = model.fit(gram, targets).predict(gram)
        errors = np.mean((fit - truth[:, None]) ** 2, axis=0)
        assert abs(errors.mean() - closed.risk[t]) < 4.5 * errors.std() / np.sqrt(draws)
        bias = np.mean((fit.mean(axis=1) - truth) ** 2) - closed.variance[t] / draws
        assert bias == pytest.approx(closed.squared_bias[t], abs=5 * SIGMA**2 / np.sqrt(draws))
        outputs = fit + fresh * rng.normal(size=fit.shape)
        data.append(outputs)
        if how.get("scheme") == "accumulate":
            targets = np.mean(data, axis=0)
        else:
            real = labels
            if how.get("real_labels") != "kept":
                real = truth[:, None] + SIGMA * rng.normal(size=fit.shape)
            targets = share * real + (1 - share) * outputs


@given(st.integers(0, 2**32 - 1), st.booleans(), st.floats(0, 1), st.booleans())
@settings(deadline=None, max_examples=60)
def test_moments_on_any_spectrum_and_penalties(seed, accumulate, share, kept):
    """Every data set as a matrix on the truth and on each noise that was ever drawn: moments by plain sums."""
    rng = np.random.default_rng(seed)
    n, rounds, label, fresh = 4, int(rng.integers(1, 6)), *rng.uniform(0, 2, 2)
    gram = np.diag(rng.uniform(0, 2, n) ** 4) if seed % 2 else np.cov(rng.normal(size=(n, 9)))
    truth, ridges = rng.normal(size=n), 10.0 ** rng.uniform(-3, 1, rounds)
    share = 0.0 if accumulate else share
    run = own_outputs(
        Spectrum.from_gram(gram, truth), ridges, rounds, label, fresh_noise_variance=fresh, real_share=share,
        real_labels="kept" if kept else "fresh", scheme="accumulate" if accumulate else "replace",
    )  # fmt: skip
    identity = np.eye(n)

    def mixed(sets, weights):
        """Weighted sum of data sets, each a matrix by source: the truth (key 0), or a noise with its variance."""
        keys = {key for data in sets for key in data}
        return {k: sum(w * d.get(k, 0 * identity) for w, d in zip(weights, sets, strict=True)) for k in keys}

    first = {(0, 0.0): identity, (1, label): identity}
    sets, targets = [first], first
    for t, c in enumerate(ridges):
        smoother = np.linalg.solve(gram + n * c * identity, gram)
        fit = {key: smoother @ matrix for key, matrix in targets.items()}
        bias = np.mean((truth - fit[0, 0.0] @ truth) ** 2)
        variance = sum(v * np.sum(m**2) for (key, v), m in fit.items() if key) / n
        risk = run.risk(truth)
        assert risk.squared_bias[t] == pytest.approx(bias, rel=1e-8, abs=1e-12)
        assert risk.variance[t] == pytest.approx(variance, rel=1e-8, abs=1e-12)
        sets.append(fit | {(2 * t + 2, fresh): identity})
        if accumulate:
            targets = mixed(sets, np.full(len(sets), 1 / len(sets)))
        else:
            real = first if kept else {(0, 0.0): identity, (2 * t + 3, label): identity}
            targets = mixed([real, sets[-1]], [share, 1 - share])


def test_replaced_in_closed_form():
    d, c, truth = np.array([0.1, 0.5, 2.0]), 0.3, np.array([1.0, -2.0, 0.5])
    risk = own_outputs(Spectrum.from_eigenvalues(d, truth), c, 6, 0.4).risk(truth)
    a, t = d / (d + c), np.arange(1, 7)[:, None]
    expected = (1 - a**t) ** 2 * truth**2 + 0.4 * a**2 * (1 - a ** (2 * t)) / (1 - a**2)
    np.testing.assert_allclose(risk.risk, expected.mean(axis=1))


def test_constants_without_averaging():
    spectrum = Spectrum.from_eigenvalues([1.0], [0.0])
    variance = 0.7
    replaced = own_outputs(spectrum, 0.0, 50, variance).variances[:, 0]
    np.testing.assert_allclose(replaced, variance * np.arange(1, 51))
    kept = own_outputs(spectrum, 0.0, 4000, variance, scheme="accumulate").variances[:, 0]
    np.testing.assert_allclose(kept, variance * np.cumsum(1 / np.arange(1, 4001) ** 2.0))
    assert kept[-1] == pytest.approx(variance * np.pi**2 / 6, rel=3e-4)
    shares = np.linspace(0.05, 1, 1901)
    settled = np.array(
        [own_outputs(spectrum, 0.0, 400, 1.0, real_share=w).variances[-1, 0] for w in shares[::100]]
    )
    formula = (2 * shares**2 - 2 * shares + 1) / (2 * shares - shares**2)
    np.testing.assert_allclose(settled, formula[::100], rtol=1e-9)
    assert shares[np.argmin(formula)] == pytest.approx(best_real_share(), abs=1e-3)
    assert best_real_share() == pytest.approx(0.618, abs=5e-4)


@pytest.mark.parametrize("weight", [0.0, 0.4])
def test_without_fresh_noise_it_is_self_distillation(problem, weight):
    gram, truth = problem
    spectrum = Spectrum.from_gram(gram, truth)
    penalties = [0.01, 0.05, 0.02, 0.3]
    generations = own_outputs(
        spectrum, penalties, 4, 1.0, fresh_noise_variance=0.0, real_share=weight, real_labels="kept"
    )
    run = distill_with_ridge(spectrum, penalties, ground_truth_weight=weight)
    np.testing.assert_allclose(generations.trajectory.filters, run.filters, atol=1e-14)
    np.testing.assert_allclose(generations.variances, run.filters**2, atol=1e-14)
    same = distill(spectrum, OwnOutputs(penalties, real_share=weight))
    np.testing.assert_array_equal(same.fitted(4), generations.trajectory.fitted(4))
    assert not same.variances.any()


def test_a_run_on_labels_at_hand_is_the_mean_over_read_outs(rng, problem):
    """Fits and predictions expected given the labels, and their variances, by refits that draw every read-out."""
    gram, truth = problem
    labels, draws = truth + SIGMA * rng.normal(size=N), 20_000
    run = distill(
        Spectrum.from_gram(gram, labels), OwnOutputs(RIDGE, 4, accumulate=True, fresh_noise_variance=FRESH**2)
    )
    data = [np.repeat(labels[:, None], draws, axis=1)]
    for t in range(1, 5):
        fit = gram @ np.linalg.solve(gram + N * RIDGE * np.eye(N), np.mean(data, axis=0))
        error = np.sqrt(run.variances[t - 1].sum() / N / draws)
        assert np.sqrt(np.mean((fit.mean(axis=1) - run.fitted(t)) ** 2)) < 4.5 * error + 1e-12
        assert fit.var(axis=1).sum() == pytest.approx(run.variances[t - 1].sum(), rel=0.03, abs=1e-12)
        data.append(fit + FRESH * rng.normal(size=fit.shape))
    assert run.variances[0].sum() == 0 < run.variances[1].sum()


def test_mallows_knows_the_noise_of_read_outs(rng, problem):
    gram, truth = problem
    schedule = OwnOutputs(RIDGE, 4, real_share=0.4, fresh_noise_variance=FRESH**2)
    run = distill(Spectrum.from_gram(gram, truth), schedule)
    estimates = [
        estimated_risk(
            distill(Spectrum.from_gram(gram, truth + SIGMA * rng.normal(size=N)), schedule), SIGMA**2
        )
        for _ in range(500)
    ]
    error = np.std(estimates, axis=0) / np.sqrt(len(estimates))
    risk = risk_curve(run, truth, SIGMA**2).risk
    assert (np.abs(np.mean(estimates, axis=0) - risk) < 4.5 * error).all()


def test_truth_outside_the_features_is_bias(rng):
    features, truth = rng.normal(size=(20, 3)), rng.normal(size=(20, 2))
    thin = own_outputs(Spectrum.from_features(features, truth), 0.1, 3, 0.5).risk(truth)
    full = own_outputs(Spectrum.from_gram(features @ features.T, truth), 0.1, 3, 0.5).risk(truth)
    np.testing.assert_allclose(thin.risk, full.risk)


def test_bad_input(problem):
    spectrum = Spectrum.from_gram(*problem)
    for name in ("noise_variance", "fresh_noise_variance"):
        with pytest.raises(InputError, match=f"{name} must be a"):
            own_outputs(spectrum, 0.1, 2, **{"noise_variance": 1.0, name: -1.0})
    with pytest.raises(InputError, match=r"one penalty a round \(2\); got shape \(3,\)"):
        own_outputs(spectrum, [0.1, 0.2, 0.3], 2, 1.0)
    with pytest.raises(InputError, match="ridge must be a finite number of at least 0"):
        own_outputs(spectrum, -0.1, 2, 1.0)
    with pytest.raises(InputError, match="every ridge must be at least 0"):
        OwnOutputs([0.1, -0.1])
    with pytest.raises(InputError, match="accumulate must be True or False"):
        OwnOutputs(0.1, 2, accumulate="yes")
    with pytest.raises(InputError, match="real_share must lie in"):
        own_outputs(spectrum, 0.1, 2, 1.0, real_share=1.5)
    with pytest.raises(InputError, match="real_share is for targets that are replaced"):
        own_outputs(spectrum, 0.1, 2, 1.0, real_share=0.5, scheme="accumulate")
    for name in ("scheme", "real_labels"):
        with pytest.raises(InputError, match=f"{name} must be one of"):
            own_outputs(spectrum, 0.1, 2, 1.0, **{name: "other"})
    with pytest.raises(InputError, match="generations"):
        own_outputs(spectrum, 0.1, 0, 1.0)
    with pytest.raises(InputError, match="1 outputs"):
        own_outputs(spectrum, 0.1, 2, 1.0).risk(np.ones((N, 2)))
