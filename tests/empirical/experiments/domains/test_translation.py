"""Translation of number words: the data, the network, and that the methods are what they say."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from selfdistill.empirical.data.number_words import write
from selfdistill.empirical.experiments.domains import translation
from selfdistill.empirical.experiments.domains.translation import (
    METHODS,
    RESCALED,
    Translation,
    Translator,
    Words,
    begun_and_next,
    best_temperature,
    measure_translation,
)
from selfdistill.theory import InputError

TINY = Translation(3, below=60, n_train=20, n_validation=10, n_test=20, epochs=2, batch_size=10, width=8)


def test_rows_are_numbers_and_back():
    words = Words("german", 200)
    assert words.numbers(words.rows) == list(range(200))
    assert [words.vocabulary[i] for i in words.rows[21].tolist()[:4]] == [*write(21, "german"), ">"]
    garbled = words.rows[[21]].flip(1)
    assert words.numbers(garbled) == [None]


def test_each_word_is_asked_for_after_those_before_it():
    words = Words("french", 30)
    begun, labels = begun_and_next(words.rows[[21]])
    assert [words.vocabulary[i] for i in begun[0, :4].tolist()] == ["<", "vingt", "et", "un"]
    assert labels[0, :4].tolist() == words.rows[21, :4].tolist()
    assert (labels[0, 4:] == -100).all()


def test_no_word_sees_what_comes_after_it_and_padding_is_not_seen():
    source, target = Words("english", 60), Words("french", 60)
    torch.manual_seed(0)
    network = Translator(TINY, source, target).eval()
    rows, (begun, _) = source.rows[[7, 21]], begun_and_next(target.rows[[7, 21]])
    logits = network(rows, begun)
    changed = begun.clone()
    changed[:, 2:] = 3
    torch.testing.assert_close(network(rows, changed)[:, :2], logits[:, :2])
    assert not torch.allclose(network(rows, changed)[:, 2:], logits[:, 2:])
    longer = F.pad(rows, (0, 1))
    torch.testing.assert_close(network(longer, begun), logits)


def test_the_split_holds_no_number_twice_and_the_rescaled_network_is_the_same_one(monkeypatch):
    parts = []
    next_words = translation._next_words

    def spy(network, source, target, numbers):
        parts.append(set(numbers.tolist()))
        return next_words(network, source, target, numbers)

    monkeypatch.setattr(translation, "_next_words", spy)
    data = measure_translation(TINY)
    train, test, validation = parts[:3]
    assert (len(train), len(validation), len(test)) == (20, 10, 20)
    assert len(train | test | validation) == 50
    plain, rescaled = (data.sel({"method": name}) for name in (METHODS[0], RESCALED))
    for name in ("accuracy", "exact_match", "train_accuracy"):
        assert plain[name] == rescaled[name]
    assert float(rescaled["temperature"][0]) != 1


def test_without_smoothing_and_past_all_methods_are_cross_entropy():
    data = measure_translation(replace(TINY, epsilon=0.0, alpha=0.0))
    for name in ("nll", "exact_match", "ece"):
        values = data[name].sel({"method": list(METHODS)}).values
        np.testing.assert_allclose(values, np.broadcast_to(values[:1], values.shape), rtol=1e-4, atol=1e-9)
    other = measure_translation(TINY)
    assert (other["nll"].sel({"method": "progressive"}) != data["nll"].sel({"method": "progressive"})).all()


def test_the_best_temperature_is_where_the_gradient_vanishes():
    g = torch.Generator().manual_seed(0)
    logits = 5 * torch.randn(400, 4, generator=g, dtype=torch.float64)
    labels = torch.distributions.Categorical(logits=logits / 2.5).sample()
    tau = best_temperature(logits, labels)
    assert 2 < tau < 3.2
    inverse = torch.tensor(1 / tau, requires_grad=True, dtype=torch.float64)
    F.cross_entropy(logits * inverse, labels).backward()
    assert abs(inverse.grad) < 1e-3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"below": 40}, "below must leave 50"),
        ({"below": 2_000_000}, "at most 1000000"),
        ({"target": "latin"}, "target must be one of"),
        ({"alpha": 1.5}, "alpha"),
        ({"epochs": 0}, "epochs"),
    ],
)
def test_what_cannot_be_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        replace(TINY, **changes)
