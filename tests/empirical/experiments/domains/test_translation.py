"""Translation of number words: the data, the network, and that the methods are what they say."""

import math
from collections import Counter
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
    bleu,
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


def corpus_bleu(said, right):
    """Papineni et al. 2002: geometric mean of clipped n-gram precisions over the corpus, times the brevity penalty.

    Precisions of zero are smoothed as in the 2nd of Chen & Cherry's ways to which sacrebleu defaults ("exp"): the
    first becomes half of one hit, the next a quarter.
    """
    logs, zeros = [], 0
    for n in range(1, 5):
        grams = lambda words, n=n: Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))  # noqa: E731
        pairs = [(grams(a.split()), grams(b.split())) for a, b in zip(said, right, strict=True)]
        total = sum(sum(a.values()) for a, _ in pairs)
        hits = sum(sum((a & b).values()) for a, b in pairs)
        zeros += hits == 0
        logs.append(math.log((hits or 0.5**zeros) / total))
    lengths = [sum(len(text.split()) for text in texts) for texts in (said, right)]
    return math.exp(min(0.0, 1 - lengths[1] / lengths[0]) + sum(logs) / 4)


def test_bleu_is_that_of_its_definition():
    pytest.importorskip("sacrebleu")
    right = ["mille deux cents trente quatre", "quatre vingt dix sept", "cent un", "douze"]
    assert bleu(right, right) == pytest.approx(1)
    for said in (
        ["mille deux cents trente cinq", "quatre vingt dix", "cent un", "deux"],
        ["mille deux cents trente quatre mille", "sept quatre vingt dix", "un cent un", "douze"],
        ["mille cents deux trente", "quatre dix vingt sept", "cent", "douze douze"],
    ):
        assert bleu(said, right) == pytest.approx(corpus_bleu(said, right), rel=1e-12)
    data = measure_translation(replace(TINY, bleu=True))
    assert ((data["bleu"] >= 0) & (data["bleu"] <= 1)).all()
    assert (data["bleu"].sel({"method": RESCALED}) == data["bleu"].sel({"method": METHODS[0]})).all()


def test_bleu_without_its_package_names_the_extra(monkeypatch):
    monkeypatch.setattr(translation, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'selfdistill\[bleu\]'"):
        replace(TINY, bleu=True)
    assert "bleu" not in measure_translation(TINY)


def test_words_are_written_up_to_their_end():
    words = Words("french", 100)
    assert words.texts(words.rows[[97, 0]]) == ["quatre vingt dix sept", "zéro"]
