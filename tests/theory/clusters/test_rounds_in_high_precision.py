"""Rounds decided from signs, against sums of powers in a hundred digits and against counting."""

import time

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfdistill.theory import ClusteredFeatures, InputError, corruption_matrix, exact_minimum_rounds
from selfdistill.theory.clusters.group_outputs import group_accuracy


def margin(model, corruption, t):
    """Least margin after t rounds in a hundred digits, straight from label averaging."""
    with mpmath.workdps(100):
        k, n = model.n_classes, model.n_per_class
        c, d, ridge = (mpmath.mpf(float(v)) for v in (model.within, model.across, model.ridge))
        e = [1 - c, 1 - c + n * (c - d), 1 - c + n * (c - d) + k * n * d]
        s = [v / (v + k * k * n * ridge) for v in e]
        table = [[mpmath.mpf(float(v)) for v in row] for row in corruption]
        average = [sum(row[j] for row in table) / k for j in range(k)]
        worst = mpmath.inf
        for a in range(k):
            for j in range(k):
                if table[a][j] == 0:
                    continue
                y = [
                    s[0] ** t * (j == o) + (s[1] ** t - s[0] ** t) * table[a][o]
                    + (s[2] ** t - s[1] ** t) * average[o]
                    for o in range(k)
                ]  # fmt: skip
                worst = min(worst, y[a] - max(v for o, v in enumerate(y) if o != a))
        return worst


RANDOM = {
    "k": st.integers(2, 4),
    "n": st.integers(1, 40),
    "within": st.floats(0.01, 0.9),
    "share": st.floats(0, 0.95),
    "ridge": st.floats(-5, 3),
    "rate": st.just(0.0) | st.floats(0.001, 0.8),
    "kind": st.sampled_from(["symmetric", "asymmetric"]),
    "seed": st.integers(0, 2**31),
}


def random_case(k, n, within, share, ridge, rate, kind, seed):
    model = ClusteredFeatures(k, n, within, within * share, 10.0**ridge)
    corruption = corruption_matrix(kind, k, rate)
    if seed % 2:  # unequal frequencies, in hundredths
        counts = np.random.default_rng(seed).multinomial(100, corruption.mean(axis=0), k)
        corruption = (counts + 30 * np.eye(k, dtype=int)) / 130
    return model, corruption


@settings(max_examples=40, deadline=None, derandomize=True)
@given(**RANDOM)
def test_the_last_round_is_the_last(**case):
    model, corruption = random_case(**case)
    resolution = 2.0**-52 if case["seed"] % 3 else 1e-5
    last = model.last_round(corruption, resolution)
    first = model.minimum_rounds(corruption)
    if last and last < 10**15:
        assert margin(model, corruption, int(last)) > resolution * (1 - 1e-6)
    for step in (1, 2, 5, 40, 1000, 10**5):
        assert margin(model, corruption, int(last) + step) <= resolution * (1 + 1e-6)
    if np.isfinite(first):
        assert margin(model, corruption, int(first)) > 0
        assert first == 1 or margin(model, corruption, int(first) - 1) <= 1e-9
        if margin(model, corruption, int(first)) > resolution:
            assert last >= first


@settings(max_examples=40, deadline=None, derandomize=True)
@given(t=st.integers(0, 300), **RANDOM)
def test_accuracy_is_decided_by_signs(t, **case):
    """Accuracy is 1 exactly where the least margin is positive, and margins are right to many digits."""
    model, corruption = random_case(**case)
    exact = margin(model, corruption, t)
    found = np.nanmin(model.margins(corruption, t))
    scale = float(model.smoother_eigenvalues()[-1]) ** t
    assert abs(found - float(exact)) <= 1e-12 * scale + 1e-300
    if abs(exact) > 1e-9 * scale:
        assert (model.accuracy(corruption, t) == 1) == (exact > 0)


@pytest.mark.parametrize(("ridge", "rate"), [(1e-6, 0.1), (1e-6, 0.49), (1e-5, 0.4)])
def test_the_last_round_may_be_millions_ahead(ridge, rate):
    """No sample is right for the first thousands of rounds; the margin is asked for in a hundred digits."""
    model, noise = ClusteredFeatures(2, 2, 0.9, 0.0, ridge), corruption_matrix("symmetric", 2, rate)
    first, last = model.minimum_rounds(noise), model.last_round(noise)
    assert 1000 < first < 10**5 < last
    assert margin(model, noise, int(first) - 1) <= 0 < margin(model, noise, int(first))
    assert margin(model, noise, int(last)) > 2.0**-52 >= margin(model, noise, int(last) + 1)


def test_outputs_that_are_all_but_uniform_keep_their_order():
    """Outputs are 1/9 to the last digit, and the margins still decide."""
    model = ClusteredFeatures(9, 20, 0.04, 0, 70)
    noise = corruption_matrix("symmetric", 9, 0.2)
    assert [model.accuracy(noise, t) for t in (0, 1, 2, 3, 4, 5, 400)] == [0.8, 0.8, 1, 1, 1, 1, 1]


@pytest.mark.parametrize("kind", ["symmetric", "asymmetric", "superclass"])
def test_accuracy_equals_that_of_outputs_where_those_are_clear(kind):
    for k, n, rate in ((4, 15, 0.5), (6, 9, 0.3), (6, 9, 0.6)):
        model = ClusteredFeatures(k, n, 0.4, 0.1, 1e-3)
        noise = corruption_matrix(kind, k, rate, groups=np.arange(k) // 2)
        for t in (0, 1, 2, 3, 5):
            expected = group_accuracy(model.outputs(noise, t), noise)
            assert model.accuracy(noise, t) == pytest.approx(expected)


@pytest.mark.parametrize("ridge", [1e-3, 1.0, 100.0, 1e4])
def test_exact_rounds_with_a_large_penalty_are_the_predicted_ones(ridge):
    """There the softmax is linear to many digits, and its outputs all but uniform."""
    for rate, n in ((0.2, 5), (0.5, 5), (0.6, 100)):
        model = ClusteredFeatures(4, n, 0.4, 0.1, ridge)
        noise = corruption_matrix("symmetric", 4, rate)
        predicted, found = model.minimum_rounds(noise), exact_minimum_rounds(model, noise)
        assert found == predicted if ridge >= 1 else found >= predicted
    assert exact_minimum_rounds(ClusteredFeatures(4, 5, 0.4, 0.1, ridge), np.full((4, 4), 0.25)) == np.inf


def test_hundreds_of_classes_answer_at_once():
    k = 700
    model = ClusteredFeatures(k, 50, 0.4, 0.1, 1e-7)
    symmetric = corruption_matrix("symmetric", k, 0.5)
    start = time.process_time()
    assert model.minimum_rounds(symmetric) == np.floor(model.critical_rounds(symmetric)) + 1
    assert model.accuracy(symmetric, 3) == 1
    assert time.process_time() - start < 4
    with pytest.raises(InputError, match="GiB"):
        ClusteredFeatures(1000, 9, 0.4, 0.1, 1e-7).outputs(np.eye(1000), 1)
