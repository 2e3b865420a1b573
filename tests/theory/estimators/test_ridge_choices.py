"""What the kernel ridge estimator chooses by itself: rounds, penalty, width and weights, against refits."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.kernel_ridge import KernelRidge
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.model_selection import KFold, cross_val_predict

from selfdistill.theory import (
    InfeasibleToleranceError,
    InputError,
    SelfDistilledKernelRidge,
    Spectrum,
    best_ground_truth_weights,
    leave_one_out,
)

from .ridge_refits import GAMMA, noisy


def test_the_best_weight_of_every_round(rng):
    x, y, _ = noisy(rng)
    model = SelfDistilledKernelRidge(gamma=GAMMA, ridge=2e-4, rounds=4, ground_truth_weight="best").fit(x, y)
    chosen = model.trajectory_.given_weights
    gram = rbf_kernel(x, gamma=GAMMA)
    expected = best_ground_truth_weights(Spectrum.from_gram(gram, y), 2e-4, 4)
    np.testing.assert_allclose(
        chosen, expected, rtol=1e-9
    )  # the kernel has other last digits: its points are centred
    assert len(set(chosen)) > 2
    given = SelfDistilledKernelRidge(gamma=GAMMA, ridge=2e-4, rounds=4, ground_truth_weight=chosen).fit(x, y)
    np.testing.assert_array_equal(model.predict(x), given.predict(x))
    fit = y
    for weight in chosen:
        fit = (
            KernelRidge(kernel="rbf", gamma=GAMMA, alpha=len(x) * 2e-4)
            .fit(x, weight * y + (1 - weight) * fit)
            .predict(x)
        )
    np.testing.assert_allclose(model.predict(x), fit, atol=1e-9)
    for how in ({}, {"cv": 3}, {"noise_variance": 0.1}):
        searched = SelfDistilledKernelRidge(
            gamma=GAMMA, ridge=2e-4, rounds="best", max_rounds=5, ground_truth_weight="best", **how
        ).fit(x, y)
        assert searched.rounds_ == np.argmin(searched.risk_) + 1
        np.testing.assert_array_equal(searched.trajectory_.given_weights[:4], chosen)
    with pytest.raises(InputError, match="fixed ridge"):
        SelfDistilledKernelRidge(epsilon=0.1, ground_truth_weight="best").fit(x, y)


def test_cross_validated_rounds_equal_refitting_every_fold(rng):
    x, y, _ = noisy(rng)
    folds = KFold(4, shuffle=True, random_state=0)
    model = SelfDistilledKernelRidge(gamma=GAMMA, ridge=0.005, rounds="best", max_rounds=6, cv=folds)
    model.fit(x, y)
    expected = [
        np.mean(
            (
                cross_val_predict(
                    SelfDistilledKernelRidge(gamma=GAMMA, ridge=0.005, rounds=t), x, y, cv=folds
                )
                - y
            )
            ** 2
        )
        for t in range(1, 7)
    ]
    np.testing.assert_allclose(model.risk_, expected, rtol=1e-9)
    assert model.rounds_ == np.argmin(expected) + 1


def test_cross_validated_rounds_count_a_collapsed_fold_as_zero(rng):
    x, y, _ = noisy(rng)
    folds = KFold(2)
    model = SelfDistilledKernelRidge(gamma=GAMMA, epsilon=0.1, rounds="best", cv=folds).fit(x, y)
    expected = np.zeros(len(model.risk_))
    for train, test in folds.split(x):
        part = SelfDistilledKernelRidge(gamma=GAMMA, epsilon=0.1, rounds="collapse").fit(x[train], y[train])
        stages = list(part.staged_predict(x[test]))
        stages += [np.zeros(len(test))] * (len(expected) - len(stages))
        expected += [np.sum((s - y[test]) ** 2) / len(x) for s in stages]
    np.testing.assert_allclose(model.risk_, expected, rtol=1e-9)


def test_mallows_rounds_are_near_the_best_for_the_truth(rng):
    chosen, least, first = [], [], []
    for _ in range(40):
        x, y, truth = noisy(rng, 80)
        model = SelfDistilledKernelRidge(gamma=20, ridge=1e-3, rounds="best", noise_variance=0.09).fit(x, y)
        risks = [np.mean((fit - truth) ** 2) for fit in model.staged_predict(x)]
        chosen.append(risks[model.rounds_ - 1])
        least.append(min(risks))
        first.append(risks[0])
    assert np.mean(chosen) < np.mean(first)
    assert np.mean(chosen) - np.mean(least) < 0.25 * (np.mean(first) - np.mean(least))


def test_everything_best_is_the_least_error_of_refits_without_each_sample(rng):
    x, y, _ = noisy(rng, n=25)
    model = SelfDistilledKernelRidge(gamma="best", ridge="best", rounds="best", max_rounds=4).fit(x, y)
    scale = 2 * x.var()
    for gamma in (model.gamma_, 0.5 / scale, 2 / scale):
        for alpha in (25 * model.ridge_, 0.1, 1.0):
            errors = np.zeros(4)
            for i in range(25):
                others = np.delete(np.arange(25), i)
                targets = y[others]
                for t in range(4):
                    fit = KernelRidge(kernel="rbf", gamma=gamma, alpha=alpha).fit(x[others], targets)
                    targets = fit.predict(x[others])
                    errors[t] += (fit.predict(x[[i]])[0] - y[i]) ** 2 / 25
            if gamma == model.gamma_ and alpha == 25 * model.ridge_:
                np.testing.assert_allclose(model.risk_, errors, rtol=1e-8)
                assert model.rounds_ == np.argmin(errors) + 1
            assert errors.min() >= model.risk_.min() - 1e-12
    expected = KernelRidge(kernel="rbf", gamma=model.gamma_, alpha=25 * model.ridge_)
    targets = y
    for _ in range(model.rounds_):
        targets = expected.fit(x, targets).predict(x)
    np.testing.assert_allclose(model.predict(x), targets, atol=1e-10)


def test_best_rounds_of_a_tolerance_hold_its_penalties(rng):
    x, y, _ = noisy(rng, n=30)
    model = SelfDistilledKernelRidge(gamma=GAMMA, epsilon=0.1, rounds="best").fit(x, y)
    left_out = leave_one_out(model.trajectory_.spectrum, model.trajectory_.multipliers)
    np.testing.assert_allclose(model.risk_, np.mean((left_out - y) ** 2, axis=1))
    assert model.rounds_ == np.argmin(model.risk_) + 1
    wide = SelfDistilledKernelRidge(gamma="best", epsilon=0.1, rounds="collapse").fit(x, y)
    assert wide.rounds_ == wide.trajectory_.rounds
    with pytest.raises(InfeasibleToleranceError):
        SelfDistilledKernelRidge("linear", gamma="best", epsilon=1e-9, rounds="best").fit(x, y)


def test_folds_are_for_those_who_ask(rng):
    x, y, _ = noisy(rng)
    folds = SelfDistilledKernelRidge(gamma=GAMMA, rounds="best", cv=4).fit(x, y)
    left_out = SelfDistilledKernelRidge(gamma=GAMMA, rounds="best").fit(x, y)
    assert not np.allclose(folds.risk_, left_out.risk_)
    for options in ({"cv": 5}, {"noise_variance": 0.1}):
        with pytest.raises(InputError, match="leave-one-out"):
            SelfDistilledKernelRidge(ridge="best", rounds="best", **options).fit(x, y)
    with pytest.raises(InputError, match='or "best"'):
        SelfDistilledKernelRidge(ridge="least").fit(x, y)
    with pytest.raises(InputError, match='Or "best"'):
        SelfDistilledKernelRidge(gamma="least").fit(x, y)


@pytest.mark.parametrize("outputs", [None, 2])
@pytest.mark.parametrize("variance", [None, 0.09])
def test_a_mixture_is_that_of_refits(rng, outputs, variance):
    X, y = noisy(rng, outputs=outputs)[:2]
    model = SelfDistilledKernelRidge(
        gamma=GAMMA, ridge=1e-3, mixing="optimal", mixing_steps=2, noise_variance=variance
    ).fit(X, y)
    fit, mixed = y, 0.0
    refit = KernelRidge(kernel="rbf", gamma=GAMMA, alpha=len(X) * 1e-3)
    for weight in model.mixing_.round_weights:
        fit = refit.fit(X, fit).predict(X)
        mixed = mixed + weight * fit
    np.testing.assert_allclose(model.predict(X), mixed, atol=1e-7)
    assert model.rounds_ == 3
    assert np.allclose(model.dual_coef_, model.mixing_.dual())
    assert model.mixing_.criterion == ("leave-one-out" if variance is None else "mallows")


def test_mixing_excludes_other_schedules(rng):
    X, y = noisy(rng)[:2]
    for wrong in ({"epsilon": 0.1}, {"rounds": 3}, {"ground_truth_weight": 0.5}):
        with pytest.raises(InputError, match="chooses the weights of the rounds itself"):
            SelfDistilledKernelRidge(mixing="optimal", **wrong).fit(X, y)
    with pytest.raises(InputError, match="mixing must be one of optimal"):
        SelfDistilledKernelRidge(mixing="best").fit(X, y)
    with pytest.raises(InputError, match="mixing_steps must be a whole number"):
        SelfDistilledKernelRidge(mixing="optimal", mixing_steps=0).fit(X, y)
