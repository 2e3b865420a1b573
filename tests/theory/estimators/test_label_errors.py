"""Finding wrong labels: honest probabilities, found errors, predicted rounds, every kind of input, and mistakes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.datasets import load_wine, make_blobs
from sklearn.kernel_ridge import KernelRidge
from sklearn.metrics import average_precision_score
from sklearn.metrics.pairwise import rbf_kernel

from selfdistill.theory import (
    ClusteredFeatures,
    InputError,
    Spectrum,
    corrupt_labels,
    corruption_matrix,
    estimate_corruption,
    find_label_errors,
    leave_one_out,
)
from selfdistill.theory.estimators import label_errors, samples
from selfdistill.theory.estimators.label_errors import predicted_rounds
from selfdistill.theory.estimators.selection import gammas_around, ridges_around

FIXED = {"gamma": 0.3, "ridge": 0.02, "rounds": 3, "consensus": 0, "standardize": False}


def blobs(seed, n=120, rate=0.3, spread=1.0):
    x, true = make_blobs(n, centers=[[0, 0], [6, 0], [0, 6]], cluster_std=spread, random_state=seed)
    return x, true, corrupt_labels(true, corruption_matrix("symmetric", 3, rate), seed, exact=True)


@pytest.mark.parametrize("seed", range(3))
def test_separate_classes_give_away_every_wrong_label(seed):
    x, true, given = blobs(seed)
    found = find_label_errors(x, given)
    np.testing.assert_array_equal(found.flagged, given != true)
    np.testing.assert_array_equal(found.suggested, true)
    assert set(found.ranking[: np.sum(given != true)]) == set(np.flatnonzero(given != true))
    # Samples that are sure of no class are not counted, so that the joint is near the truth and not equal to it.
    np.testing.assert_allclose(found.corruption, estimate_corruption(true, given, 3), atol=0.03)
    assert found.noise_rate == pytest.approx(np.mean(given != true), abs=0.02)


def test_probabilities_are_those_of_refits_without_the_sample():
    x, _, given = blobs(0, n=24, spread=3.0)
    found = find_label_errors(x, given, **FIXED)
    y = np.eye(3)[given]
    for i in range(24):
        others = np.delete(np.arange(24), i)
        mean = y[others].mean(axis=0)
        target = y[others] - mean
        for _ in range(3):
            model = KernelRidge(kernel="rbf", gamma=0.3, alpha=24 * 0.02).fit(x[others], target)
            target = model.predict(x[others])
        expected = np.maximum(y.mean(axis=0) + model.predict(x[[i]])[0], 0)
        np.testing.assert_allclose(found.probabilities[i], expected / expected.sum(), atol=1e-12)


def beyond_frequencies(found):
    assert found.probabilities[:12].min() > 0  # nothing was cut off
    return found.probabilities - np.bincount(found.given) / len(found.given)


def test_a_sample_has_a_say_in_its_own_probabilities_by_the_frequencies_of_all_alone():
    x, _, given = blobs(1, n=30, spread=3.0)
    first = find_label_errors(x, given, **FIXED)
    for i in (0, 11):
        other = given.copy()
        other[i] = (given[i] + 1) % 3
        again = find_label_errors(x, other, **FIXED)
        np.testing.assert_allclose(beyond_frequencies(again)[i], beyond_frequencies(first)[i], atol=1e-12)
        assert np.abs(again.probabilities - first.probabilities).max() > 1e-3


@pytest.mark.parametrize("consensus", [0, 2])
def test_no_sample_of_a_group_has_a_say_in_the_others(consensus):
    x, _, given = blobs(1, n=40, spread=3.0)
    groups = np.arange(40) // 2
    options = {**FIXED, "consensus": consensus, "groups": groups}
    first = find_label_errors(x, given, **options)
    other = given.copy()
    other[6] = other[7] = (given[6] + 1) % 3
    again = find_label_errors(x, other, **options)
    if consensus == 0:
        np.testing.assert_allclose(
            beyond_frequencies(again)[[6, 7]], beyond_frequencies(first)[[6, 7]], atol=1e-12
        )
    assert all(first.kept[groups == g].min() == first.kept[groups == g].max() for g in range(20))
    for i in (6, 7):
        assert np.abs(first.fit.weights(i)[[6, 7]]).max() == 0


def test_copies_vouch_for_each_other_unless_they_are_grouped():
    x, true, given = blobs(2, n=60)
    wrong = np.flatnonzero(given != true)[:5]
    x, y = (
        np.concatenate([x, np.repeat(x[wrong], 6, axis=0)]),
        np.concatenate([given, np.repeat(given[wrong], 6)]),
    )
    groups = np.concatenate([np.arange(60), np.repeat(wrong, 6)])
    narrow = {**FIXED, "gamma": 200.0, "ridge": 1e-6}
    assert not find_label_errors(x, y, **narrow).flagged[wrong].any()
    assert find_label_errors(x, y, groups=groups).flagged[wrong].all()


def test_the_explanation_adds_up_to_the_probabilities():
    x, _, given = blobs(3, spread=3.0)
    found = find_label_errors(x, given)
    assert 0 < found.kept.mean() < 1
    for i in (*np.flatnonzero(found.kept)[:2], *np.flatnonzero(~found.kept)[:2]):
        why = found.explain(int(i), count=7)
        others = found.kept & (np.arange(len(given)) != i)
        frequencies = np.bincount(given[found.kept], minlength=3) / found.kept.sum()
        shares = why.shares - np.bincount(given[others], minlength=3) / others.sum() * why.shares.sum()
        shares += frequencies
        expected = np.maximum(shares, 0) / np.maximum(shares, 0).sum()
        np.testing.assert_allclose(found.probabilities[i], expected, atol=1e-10)
        assert i not in why.neighbours[why.weights != 0]
        assert len(why.labels) == 7
        assert (np.diff(np.abs(why.weights)) <= 0).all()


@pytest.mark.parametrize("rate", [0.2, 0.5, 0.6])
def test_rounds_of_the_clustered_model_are_predicted_from_its_gram(rate):
    model = ClusteredFeatures(4, 30, within=0.4, across=0.1, ridge=3e-3)
    corruption = corruption_matrix("symmetric", 4, rate)
    given = corrupt_labels(model.labels(), corruption, 0, exact=True)
    spectrum = Spectrum.from_gram(model.gram(), np.eye(4)[given])
    realised = estimate_corruption(model.labels(), given, 4)
    found = predicted_rounds(spectrum, model.labels(), realised, 4 * 3e-3)  # K λ N is n c
    assert found == model.minimum_rounds(realised) > 0


@pytest.mark.parametrize("seed", range(3))
def test_further_rounds_are_chosen_only_where_they_lower_the_left_out_error_by_two_percent(seed):
    x, _, given = blobs(seed, spread=[1.0, 3.0, 6.0][seed])
    y, n = np.eye(3)[given], len(given)
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    others = (y.sum(axis=0) - y) / (n - 1)
    least = np.full(8, np.inf)
    for gamma in gammas_around(z):
        spectrum = Spectrum.from_gram(rbf_kernel(z, gamma=gamma), y)
        for ridge in ridges_around(spectrum):
            p = leave_one_out(spectrum, ridge, 8)
            p = p + others * (1 - p.sum(axis=2, keepdims=True))
            least = np.minimum(least, np.sum((p - y) ** 2, axis=(1, 2)))
    found = find_label_errors(x, given)
    assert found.rounds == (1 if least.min() >= 0.98 * least[0] else least.argmin() + 1)


def test_no_number_of_rounds_where_another_label_is_as_frequent():
    model = ClusteredFeatures(2, 10, within=0.4, across=0.1, ridge=1e-3)
    spectrum = Spectrum.from_gram(model.gram(), np.eye(2)[model.labels()])
    half = np.full((2, 2), 0.5)
    assert predicted_rounds(spectrum, model.labels(), half, 0.01) == np.inf
    unrelated = Spectrum.from_gram(np.eye(20), np.eye(2)[model.labels()])
    assert predicted_rounds(unrelated, model.labels(), corruption_matrix("symmetric", 2, 0.1), 0.01) == np.inf


def test_tables_with_text_find_what_their_numbers_find():
    x, true, given = blobs(4)
    names = np.array(["north", "east", "south"])
    table = pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "region": names[true], "flag": x[:, 0] > 1})
    found = find_label_errors(table, pd.Series(names[given]))
    assert list(found.classes) == ["east", "north", "south"]
    np.testing.assert_array_equal(found.suggested, names[true])
    words = ["cheap red wine", "old green tree", "fast blue car"]
    prose = pd.DataFrame({"text": [f"{words[k]} number {i}" for i, k in enumerate(true)]})
    np.testing.assert_array_equal(find_label_errors(prose, given).suggested, true)


def test_columns_may_repeat_have_no_names_and_hold_dates_or_nothing_but_blanks():
    x, true, given = blobs(4)
    names = np.array(["north", "east", "south"])
    unnamed = find_label_errors(
        pd.DataFrame({0: names[true], 1: x[:, 0], 2: [" " * i for i in range(len(x))]}), given
    )
    np.testing.assert_array_equal(unnamed.suggested, true)
    days = pd.Timestamp("2020-01-01") + pd.to_timedelta(true * 100 + x[:, 0], unit="D")
    dated = find_label_errors(pd.DataFrame({"a": x[:, 0], "when": days}).set_axis(["a", "a"], axis=1), given)
    plain = find_label_errors(np.column_stack([x[:, 0], true * 100 + x[:, 0]]), given)
    np.testing.assert_allclose(dated.scores, plain.scores, atol=1e-6)


def test_cleanlab_takes_the_probabilities():
    cleanlab = pytest.importorskip("cleanlab.filter")
    x, true, given = blobs(6)
    found = find_label_errors(x, given)
    issues = cleanlab.find_label_issues(
        found.given, found.probabilities, return_indices_ranked_by="self_confidence"
    )
    assert set(issues) <= set(np.flatnonzero(given != true))
    assert len(issues) > 0.9 * np.sum(given != true)


def test_tensors_and_grams_say_what_arrays_say():
    x, _, given = blobs(5, spread=3.0)
    expected = find_label_errors(x, given, gamma=0.2, standardize=False).scores
    tensor = find_label_errors(torch.tensor(x), torch.tensor(given), gamma=0.2, standardize=False)
    gram = find_label_errors(rbf_kernel(x, gamma=0.2), given, kernel="precomputed")
    function = find_label_errors(
        x, given, kernel=lambda a, b: np.exp(-0.2 * np.sum((a - b) ** 2)), standardize=False
    )
    half = find_label_errors(torch.tensor(x).bfloat16(), torch.tensor(given), gamma=0.2, standardize=False)
    assert np.abs(half.scores - expected).max() < 0.05
    for found in (tensor, gram, function):
        np.testing.assert_allclose(found.scores, expected, atol=1e-9)
    linear = find_label_errors(x, given, kernel="linear", standardize=False)
    plain = find_label_errors(x @ x.T, given, kernel="precomputed")
    np.testing.assert_allclose(linear.scores, plain.scores, atol=1e-8)


def test_many_samples_are_represented_by_landmarks(monkeypatch):
    x, _, given = blobs(6)
    exact = find_label_errors(x, given, random_state=0)
    monkeypatch.setattr(samples, "DENSE_UP_TO", 50)
    monkeypatch.setattr(samples, "LANDMARKS", 60)
    found = find_label_errors(x, given, random_state=0)
    assert "60 landmarks" in found.notes[0]
    assert exact.notes == ()
    assert np.mean(found.suggested == exact.suggested) > 0.95
    np.testing.assert_array_equal(find_label_errors(x, given, random_state=0).scores, found.scores)


def test_left_out_rounds_find_more_than_the_fit_that_saw_the_labels(rng):
    x, true = load_wine(return_X_y=True)
    given = corrupt_labels(true, corruption_matrix("symmetric", 3, 0.4), rng)
    found = find_label_errors(x, given)
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    seen = (
        KernelRidge(kernel="rbf", gamma=found.gamma, alpha=len(x) * found.ridge)
        .fit(z, np.eye(3)[given])
        .predict(z)
    )
    dull = average_precision_score(given != true, -seen[np.arange(len(x)), given])
    assert average_precision_score(given != true, found.scores) > dull + 0.02


def test_many_classes_may_be_numbers_where_each_has_many_samples_and_else_have_names():
    numbers = np.arange(310) % 31
    assert len(label_errors.as_classes(numbers, 310)[0]) == 31
    assert len(label_errors.as_classes(numbers[:150].astype(str), 150)[0]) == 31
    assert len(label_errors.as_classes(np.arange(60) // 2, 60)[0]) == 30
    with pytest.raises(InputError, match="31 different numbers in 309 rows"):
        label_errors.as_classes(numbers[:309], 309)


def test_labels_that_have_nothing_to_do_with_the_features_are_noted():
    for seed in range(5):
        x, _, given = blobs(seed, n=90, rate=0.3)
        assert not any("may be chance" in note for note in find_label_errors(x, given).notes)
    said = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        found = find_label_errors(rng.standard_normal((300, 4)), rng.permutation(np.arange(300) % 3))
        said.append(any("may be chance" in note for note in found.notes))
    assert np.mean(said) > 0.7  # the least error of many settings may by chance be lower by 2 %


def test_constant_features_say_nothing_and_do_not_break():
    found = find_label_errors(np.ones((20, 2)), np.array([0, 1] * 10))
    np.testing.assert_array_equal(found.scores, 0)
    np.testing.assert_array_equal(found.corruption, np.eye(2))
    assert found.minimum_rounds == np.inf


@pytest.mark.parametrize("ridge", [1.0, 1e6])
def test_a_label_is_as_likely_where_it_is_given_as_elsewhere_if_features_say_nothing(ridge):
    """Left-out frequencies would be lower by one in n wherever the label is given: enough to flag all."""
    lead, flagged = [], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        x, given = rng.standard_normal((60, 4)), rng.permutation(np.repeat(np.arange(3), 20))
        found = find_label_errors(x, given, gamma=0.1, ridge=ridge, rounds=1, consensus=0)
        own = found.probabilities[np.arange(60), given]
        lead.append((own.mean() - 1 / 3) * 1.5)  # the mean elsewhere is (1 - own) / 2
        flagged.append(found.flagged.mean())
    assert abs(np.mean(lead)) < 3 * np.std(lead) / np.sqrt(20) + 1e-12
    assert 0.4 < np.mean(flagged) < 0.8  # two of three labels are no worse than the given one


def test_a_class_of_two_is_left_out_honestly():
    x, _, given = blobs(7, n=60, rate=0.0)
    y = given.astype(object)
    y[:2] = "rare"
    found = find_label_errors(x, [str(v) for v in y])
    assert np.isfinite(found.probabilities).all()
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1)
