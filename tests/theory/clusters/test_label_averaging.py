"""Clustered features: closed forms against dense linear algebra, rounds against counting (J2-J5, J7-J11)."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfdistill.theory import (
    ClusteredFeatures,
    IndefiniteGramError,
    InputError,
    Spectrum,
    corrupt_labels,
    corruption_matrix,
    distill_with_ridge,
    estimate_corruption,
    one_hot,
)

PLAIN = ClusteredFeatures(4, 15, within=0.4, across=0.1, ridge=1e-3)
NESTED = ClusteredFeatures(6, 8, within=0.5, across=0.1, ridge=1e-3, superclass_size=2, within_superclass=0.3)


def dense_rounds(model, given, most=60):
    """Count rounds by solving the linearised problem, with nothing of the closed forms."""
    true, k = model.labels(), model.n_classes
    gram = model.gram()
    smoother = np.linalg.solve(gram + k * model.ridge * len(true) * np.eye(len(true)), gram)
    y = one_hot(given, k) - 1 / k
    for t in range(1, most + 1):
        y = smoother @ y
        right = y[np.arange(len(true)), true]
        others = np.where(one_hot(true, k) == 1, -np.inf, y).max(axis=1)
        if (right - others > 1e-9 * np.abs(y).max()).all():
            return t
    return np.inf


@pytest.mark.parametrize("model", [PLAIN, NESTED])
def test_gram_eigenvalues_and_their_multiplicities_are_those_of_the_gram(model):
    dense = np.linalg.eigvalsh(model.gram())
    closed = np.sort(np.repeat(model.gram_eigenvalues(), model.multiplicities()))
    np.testing.assert_allclose(closed, dense, atol=1e-10)


@pytest.mark.parametrize("model", [PLAIN, NESTED])
@pytest.mark.parametrize("kind", ["symmetric", "asymmetric", "superclass"])
def test_label_averaging_is_ridge_distillation_on_the_gram(model, kind, rng):
    k = model.n_classes
    noise = corruption_matrix(kind, k, 0.4, groups=np.arange(k) // 2)
    true = model.labels()
    given = corrupt_labels(true, noise, rng, exact=True)
    corruption = estimate_corruption(true, given, k)
    run = distill_with_ridge(Spectrum.from_gram(model.gram(), one_hot(given, k) - 1 / k), k * model.ridge, 4)
    for t in range(5):
        np.testing.assert_allclose(
            model.outputs(corruption, t)[true, given], 1 / k + run.fitted(t), atol=1e-12
        )
        assert model.averaging_weights(t).sum() == pytest.approx(1)


def test_the_papers_example_needs_two_and_three_rounds():
    model = ClusteredFeatures(4, 100, within=0.4, across=0.1, ridge=1e-3)
    for gap, critical, rounds in [(0.2, 1.44, 2), (0.08, 2.08, 3)]:
        noise = corruption_matrix("symmetric", 4, 0.75 * (1 - gap))
        assert model.critical_rounds(noise) == pytest.approx(critical, abs=0.005)
        assert model.minimum_rounds(noise) == rounds
        given = corrupt_labels(model.labels(), noise, np.random.default_rng(0), exact=True)
        assert dense_rounds(model, given) == rounds


def test_minimum_rounds_equal_those_counted_on_a_grid(rng):
    cells = 0
    for k in (2, 3, 4, 6):
        for n in (9, 15):
            for within, across in [(0.3, 0.0), (0.4, 0.1), (0.7, 0.3)]:
                for ridge in (1e-4, 1e-3, 2e-2):
                    for rate in (0.0, 0.2, 0.45, 0.65):
                        model = ClusteredFeatures(k, n, within, across, ridge)
                        noise = corruption_matrix(("symmetric", "asymmetric")[cells % 2], k, rate)
                        given = corrupt_labels(model.labels(), noise, rng, exact=True)
                        corruption = estimate_corruption(model.labels(), given, k)
                        predicted = model.minimum_rounds(corruption)
                        counted = dense_rounds(model, given)
                        assert predicted == counted or (predicted > 60 and counted == np.inf), (
                            model,
                            rate,
                            predicted,
                            counted,
                        )
                        cells += 1
    assert cells >= 200


@settings(max_examples=60, deadline=None)
@given(
    size=st.integers(2, 3),
    rate=st.floats(0.0, 0.7),
    across=st.floats(0.0, 0.2),
    steps=st.tuples(st.floats(0.02, 0.3), st.floats(0.02, 0.3)),
    ridge=st.floats(-4, -2),
    kind=st.sampled_from(["symmetric", "asymmetric", "superclass"]),
    seed=st.integers(0, 2**31),
)
def test_minimum_rounds_with_superclasses_equal_those_counted(size, rate, across, steps, ridge, kind, seed):
    k = 2 * size
    within_superclass = across + steps[0]
    model = ClusteredFeatures(k, 10, within_superclass + steps[1], across, 10**ridge, size, within_superclass)
    noise = corruption_matrix(kind, k, rate, groups=model.superclasses)
    given = corrupt_labels(model.labels(), noise, np.random.default_rng(seed), exact=True)
    predicted = model.minimum_rounds(estimate_corruption(model.labels(), given, k))
    counted = dense_rounds(model, given)
    assert predicted == counted or (predicted > 60 and counted == np.inf)


def test_no_gap_means_never_and_is_no_error():
    assert PLAIN.minimum_rounds(corruption_matrix("symmetric", 4, 0.75)) == np.inf
    assert PLAIN.critical_rounds(corruption_matrix("symmetric", 4, 0.8)) == np.inf
    assert PLAIN.minimum_rounds(corruption_matrix("superclass", 4, 0.5, [[0, 1], [2, 3]])) == np.inf
    assert PLAIN.last_round(corruption_matrix("symmetric", 4, 0.8)) == 0


def test_clean_labels_need_one_round():
    assert PLAIN.minimum_rounds(np.eye(4)) == 1
    assert PLAIN.critical_rounds(np.eye(4)) == 0


def test_a_billion_samples_a_class_answer_at_once():
    model = ClusteredFeatures(4, 10**9, within=0.4, across=0.1, ridge=1e-3)
    noise = corruption_matrix("symmetric", 4, 0.6)
    assert model.outputs(noise, 3).shape == (4, 4, 4)  # the gram would take 10^20 bytes
    assert model.minimum_rounds(noise) == 1  # s_1 is near 0: the average over so many has the say at once


def test_spread_inside_classes_over_spread_between_falls_as_predicted():
    noise = corruption_matrix("symmetric", 4, 0.4)
    at_start = PLAIN.outputs(noise, 0)

    def ratio(outputs):
        inside = np.abs(outputs[0, 0] - outputs[0, 1]).max()
        means = np.einsum("kj,kjl->kl", noise, outputs)
        return inside / np.abs(means[0] - means[1]).max()

    for t in (1, 3, 6):
        measured = ratio(PLAIN.outputs(noise, t)) / ratio(at_start)
        assert measured == pytest.approx(PLAIN.spread_ratio(t), rel=1e-9)


def test_margin_decays_like_the_class_eigenvalue_and_is_lost_after_the_last_round():
    noise = corruption_matrix("symmetric", 4, 0.4)
    margin = [np.nanmin(PLAIN.margins(noise, t)) for t in (60, 61)]
    assert margin[1] / margin[0] == pytest.approx(PLAIN.smoother_eigenvalues()[1], rel=1e-6)
    last = int(PLAIN.last_round(noise, 1e-6))
    assert np.nanmin(PLAIN.margins(noise, last)) > 1e-6 >= np.nanmin(PLAIN.margins(noise, last + 1))


def test_accuracy_counts_a_tie_as_its_chance():
    pairs = corruption_matrix("superclass", 4, 0.5, [[0, 1], [2, 3]])
    assert PLAIN.accuracy(pairs, 10) < 1
    assert PLAIN.accuracy(corruption_matrix("symmetric", 4, 0.75), 0) == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1, 5, 0.4, 0.1, 1e-3), "n_classes"),
        ((4, 0, 0.4, 0.1, 1e-3), "n_per_class"),
        ((4, 5, 0.4, 0.1, 0.0), "ridge"),
        ((4, 5, 0.4, 0.1, -1.0), "ridge"),
        ((4, 5, 1.4, 0.1, 1e-3), "correlation"),
        ((4, 5, 0.4, 0.1, 1e-3, 3, 0.2), "divide"),
        ((4, 5, 0.4, 0.1, 1e-3, 2), "together"),
    ],
)
def test_bad_settings_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        ClusteredFeatures(*arguments)


def test_impossible_correlations_are_refused_with_the_eigenvalue():
    with pytest.raises(IndefiniteGramError) as error:
        ClusteredFeatures(4, 10, within=0.1, across=0.5, ridge=1e-3)
    assert error.value.eigenvalue == pytest.approx(0.9 + 10 * (0.1 - 0.5))


def test_a_corruption_matrix_of_the_wrong_size_is_refused():
    with pytest.raises(InputError, match=r"\(4, 4\)"):
        PLAIN.minimum_rounds(np.eye(3))


def test_a_gram_that_cannot_fit_is_refused_before_it_is_built():
    with pytest.raises(InputError, match="GiB"):
        ClusteredFeatures(4, 10**9, 0.4, 0.1, 1e-3).gram()
