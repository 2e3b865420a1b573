"""The search: it finds what trying everything finds, goes past an edge that is chosen, and says when it cannot."""

from dataclasses import replace

import numpy as np
import pytest

from selfdistill.empirical.data.problems import Problems, draw_problems
from selfdistill.empirical.experiments.soft_labels import search
from selfdistill.empirical.experiments.soft_labels.search import LADDERS, settle
from selfdistill.empirical.experiments.soft_labels.setup import Comparison, train_members
from selfdistill.empirical.methods.catalogue import CROSS_ENTROPY, LABEL_SMOOTHING, WITHOUT_REGULARIZATION
from selfdistill.empirical.metrics import negative_log_likelihood
from selfdistill.theory import InputError

TINY = Comparison(
    Problems(n_train=60, n_validation=50, n_test=50, seeds=(0,)), hidden=(8,), epochs=2, tuning_seeds=(5, 6)
)


def settle_by(monkeypatch, loss, method=LABEL_SMOOTHING, **options):
    """Settle where a candidate's validation loss is a function of its settings, without training any."""
    trained = []

    def train(tuning, split, method, candidates, **_):
        trained.extend(candidates)
        return candidates

    monkeypatch.setattr(search, "_train", train)
    monkeypatch.setattr(search, "_validation", lambda new, split, n: [loss(**dict(c)) for c in new])
    return settle(TINY, method, **options), trained


def test_an_edge_that_is_chosen_is_gone_past(monkeypatch):
    found, trained = settle_by(
        monkeypatch, lambda weight_decay, epsilon: abs(weight_decay - 2e-2) + abs(epsilon - 0.05)
    )
    assert dict(found.settings) == {"weight_decay": 2e-2, "epsilon": 0.05}
    assert found.at_an_end == ()
    assert len(set(trained)) == len(trained) == len(found.candidates)  # none is trained twice
    for name, best in found.settings:
        tried = sorted({dict(c)[name] for c in found.candidates})
        assert tried[0] < best < tried[-1]


def test_the_end_of_a_ladder_is_named(monkeypatch):
    found, _ = settle_by(monkeypatch, lambda weight_decay, epsilon: epsilon - weight_decay)
    assert dict(found.settings) == {
        "weight_decay": LADDERS["weight_decay"][-1],
        "epsilon": LADDERS["epsilon"][0],
    }
    assert set(found.at_an_end) == {"weight_decay", "epsilon"}


def test_a_setting_of_one_value_is_fixed(monkeypatch):
    only = replace(LABEL_SMOOTHING, grid=((("weight_decay", 1e-3), ("epsilon", 0.1)),))
    found, trained = settle_by(monkeypatch, lambda weight_decay, epsilon: epsilon, only)
    assert trained == [found.settings]
    assert found.at_an_end == ()


def test_the_loss_is_the_validation_nll_of_the_tuning_seeds():
    """Of the candidate that won, once more by hand."""
    found = settle(TINY, CROSS_ENTROPY)
    split = draw_problems(replace(TINY.problems, seeds=(5, 6)))
    settings = {name: np.full(2, value) for name, value in found.settings}
    tuning = replace(TINY, problems=replace(TINY.problems, seeds=(5, 6)), tuning_seeds=())
    outputs = train_members(tuning, split, CROSS_ENTROPY, settings, np.arange(2))
    losses = [
        negative_log_likelihood(p, y)
        for p, y in zip(
            outputs.probabilities(split.validation_inputs), split.validation_labels.numpy(), strict=True
        )
    ]
    assert found.loss == pytest.approx(np.mean(losses), rel=1e-5)
    assert found.loss == min(found.candidates.values())


def test_what_cannot_be_searched_is_refused():
    with pytest.raises(InputError, match="has no grid to begin a search with"):
        settle(TINY, WITHOUT_REGULARIZATION)
    with pytest.raises(InputError, match="no tuning seeds"):
        settle(replace(TINY, tuning_seeds=()), CROSS_ENTROPY)
