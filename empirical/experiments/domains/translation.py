"""Soft labels in translation: numbers from English words to French or German ones, by a small Transformer.

Tokens are samples: targets are smoothed, or mixed with what the network said of the same token in the training
pass of the epoch before. Numbers are split into training, validation and test sets anew for each seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import torch
import xarray as xr
from scipy.optimize import minimize_scalar
from torch import Tensor, nn

from ....theory.base.validation import (
    Array,
    InputError,
    check_choice,
    check_count,
    check_fraction,
    check_positive,
)
from ... import metrics
from ...data.number_words import LARGEST, Language, read, write
from ...jobs.threads import one_thread
from ...losses import label_smoothing_loss
from ...losses.modules import ProgressiveLoss

METHODS = ("cross-entropy", "label smoothing", "progressive")
RESCALED = "cross-entropy, rescaled"
PADDING, BEGIN, END = 0, 1, 2
IGNORED = -100


@dataclass(frozen=True)
class Translation:
    """One split of the numbers, and how networks learn it.

    The defaults, settled on seed 0, are of the paper's kind: cross-entropy fits all training words and is surer of
    new ones than it is right.

    Attributes
    ----------
    seed : int
        Of split, initialisation and minibatches; all methods share them.
    target : {"french", "german"}
    below : int
        Numbers are 0 … below − 1.
    n_train, n_validation, n_test : int
    epochs, batch_size, learning_rate, weight_decay
        Of AdamW, the rate falling to 0 by a cosine.
    width, layers, dropout
        Of the Transformer, `layers` in encoder and decoder each.
    epsilon : float
        Mass that label smoothing spreads; the paper's is 0.1.
    alpha : float
        Final weight of the past; the paper's is 0.8.
    bleu : bool
        Whether to measure BLEU as well, which takes sacrebleu.
    """

    seed: int
    target: Language = "french"
    below: int = 1000
    n_train: int = 60
    n_validation: int = 100
    n_test: int = 300
    epochs: int = 100
    batch_size: int = 30
    learning_rate: float = 5e-3
    weight_decay: float = 0.0
    width: int = 32
    layers: int = 1
    dropout: float = 0.0
    epsilon: float = 0.1
    alpha: float = 0.8
    bleu: bool = False

    def __post_init__(self) -> None:
        for name in ("n_train", "n_validation", "n_test", "epochs", "batch_size", "width", "layers"):
            check_count(getattr(self, name), name)
        check_choice(self.target, "target", ("french", "german"))
        for name in ("dropout", "epsilon", "alpha"):
            check_fraction(getattr(self, name), name)
        check_positive(self.learning_rate, "learning_rate")
        if self.bleu and not has_bleu():
            raise InputError("BLEU needs sacrebleu: pip install 'selfdistill[bleu]', or leave bleu=False.")
        wanted = self.n_train + self.n_validation + self.n_test
        if not wanted <= self.below <= LARGEST + 1:
            raise InputError(
                f"below must leave {wanted} different numbers and be at most {LARGEST + 1}; got {self.below}."
            )


def has_bleu() -> bool:
    """Whether sacrebleu is installed."""
    return find_spec("sacrebleu") is not None


def bleu(said: list[str], right: list[str]) -> float:
    """BLEU of a whole test set as a fraction, as sacrebleu has it: up to four words in a row, brevity penalised."""
    from sacrebleu.metrics import BLEU  # an optional package

    return float(BLEU(tokenize="none").corpus_score(said, [right]).score) / 100


class Words:
    """Numbers as rows of word numbers, each ended and padded to the longest."""

    def __init__(self, language: Language, below: int) -> None:
        self.language: Language = language
        written = [write(number, language) for number in range(below)]
        self.vocabulary = ["", "<", ">", *sorted({word for words in written for word in words})]
        place = {word: i for i, word in enumerate(self.vocabulary)}
        longest = max(map(len, written)) + 1
        self.rows = torch.zeros(below, longest, dtype=torch.long)
        for row, words in zip(self.rows, written, strict=True):
            row[: len(words) + 1] = torch.tensor([*(place[w] for w in words), END])

    def texts(self, rows: Tensor) -> list[str]:
        """Rows of word numbers as words with blanks between them, up to the end."""
        found = [row[: row.index(END)] if END in row else row for row in rows.tolist()]
        return [" ".join(self.vocabulary[i] for i in words) for words in found]

    def numbers(self, rows: Tensor) -> list[int | None]:
        """Read rows of word numbers; None where they spell no number."""
        found = []
        for row in rows.tolist():
            words = row[: row.index(END)] if END in row else row
            found.append(read([self.vocabulary[i] for i in words], self.language))
        return found


class Translator(nn.Module):
    """A Transformer from the words of one language to those of another."""

    def __init__(self, config: Translation, source: Words, target: Words) -> None:
        super().__init__()
        width = config.width
        self.read, self.write = (nn.Embedding(len(w.vocabulary), width) for w in (source, target))
        self.places = nn.Embedding(max(source.rows.shape[1], target.rows.shape[1]) + 1, width)
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, config.dropout, batch_first=True)
        self.transformer = nn.Transformer(
            width, 4, config.layers, config.layers, 2 * width, config.dropout, batch_first=True,
            custom_encoder=nn.TransformerEncoder(layer, config.layers, enable_nested_tensor=False),
        )  # fmt: skip
        self.head = nn.Linear(width, len(target.vocabulary))

    def forward(self, source: Tensor, begun: Tensor) -> Tensor:
        """Logits of the next word after every word of what is begun: (b, T, K)."""
        hidden = source == PADDING
        mask = nn.Transformer.generate_square_subsequent_mask(begun.shape[1])
        states = self.transformer(
            self.read(source) + self.places.weight[: source.shape[1]],
            self.write(begun) + self.places.weight[: begun.shape[1]],
            tgt_mask=mask, src_key_padding_mask=hidden, memory_key_padding_mask=hidden, tgt_is_causal=True,
        )  # fmt: skip
        logits: Tensor = self.head(states)
        return logits

    @torch.no_grad()
    def translate(self, source: Tensor, longest: int) -> Tensor:
        """Write the likeliest word, again and again."""
        begun = torch.full((len(source), 1), BEGIN)
        for _ in range(longest):
            begun = torch.cat([begun, self(source, begun)[:, -1:].argmax(-1)], dim=1)
        return begun[:, 1:]


def begun_and_next(rows: Tensor) -> tuple[Tensor, Tensor]:
    """What stands before each word, and the words as labels, padding ignored."""
    begin = torch.full((len(rows), 1), BEGIN)
    return torch.cat([begin, rows[:, :-1]], dim=1), rows.masked_fill(rows == PADDING, IGNORED)


def measure_translation(config: Translation) -> xr.Dataset:
    """Train by every method and measure on numbers that were not seen.

    Returns
    -------
    xarray.Dataset
        Over (method, seed): exact matches, and of the next words given the right ones before, accuracy, NLL,
        ECE (10 bins, as the paper's) and confidence; ``train_accuracy`` on the training words. The method
        `RESCALED` is cross-entropy with logits divided by the temperature that is best on the validation words.
        With `bleu`, also BLEU as a fraction.
    """
    source, target = Words("english", config.below), Words(config.target, config.below)
    order = torch.from_numpy(np.random.default_rng([config.seed, 21]).permutation(config.below))
    sizes = [config.n_train, config.n_validation, config.n_test]
    train, validation, test = torch.split(order[: sum(sizes)], sizes)
    rows = {}
    with one_thread():
        for method in METHODS:
            network = _trained(config, method, source, target, train).eval()
            on_train, on_test = (_next_words(network, source, target, part) for part in (train, test))
            said = network.translate(source.rows[test], target.rows.shape[1])
            written = target.numbers(said)
            exact = float(np.mean([a == b for a, b in zip(written, test.tolist(), strict=True)]))
            fits = float((on_train[0].argmax(-1) == on_train[1]).double().mean())
            rows[method] = scores(*on_test) | {
                "exact_match": exact,
                "train_accuracy": fits,
                "temperature": 1.0,
            }
            if config.bleu:
                rows[method]["bleu"] = bleu(target.texts(said), target.texts(target.rows[test]))
            if method == METHODS[0]:
                tau = best_temperature(*_next_words(network, source, target, validation))
                rows[RESCALED] = rows[method] | scores(on_test[0] / tau, on_test[1]) | {"temperature": tau}
    names = list(rows[METHODS[0]])
    return xr.Dataset(
        {name: (("method", "seed"), np.array([[row[name]] for row in rows.values()])) for name in names},
        coords={"method": list(rows), "seed": np.array([config.seed], np.int32)},
    )


def _trained(config: Translation, method: str, source: Words, target: Words, numbers: Tensor) -> Translator:
    """Return a network that learned the numbers by a method."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        network = Translator(config, source, target).train()
        optimiser = torch.optim.AdamW(
            network.parameters(), config.learning_rate, weight_decay=config.weight_decay
        )
        steps = config.epochs * -(-len(numbers) // config.batch_size)
        rate = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
        places = torch.arange(len(numbers) * target.rows.shape[1]).reshape(len(numbers), -1)
        memory = ProgressiveLoss(
            places.numel(),
            len(target.vocabulary),
            config.epochs,
            config.alpha if method == "progressive" else 0.0,
        )
        smoothed = config.epsilon if method == "label smoothing" else 0.0
        for epoch in range(config.epochs):
            for part in torch.split(torch.randperm(len(numbers)), config.batch_size):
                begun, labels = begun_and_next(target.rows[numbers[part]])
                logits = network(source.rows[numbers[part]], begun)
                if method == "progressive":
                    loss = memory(logits, labels, places[part], epoch)
                else:
                    loss = label_smoothing_loss(logits, labels, smoothed)
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                rate.step()
    return network


@torch.no_grad()
def _next_words(network: Translator, source: Words, target: Words, numbers: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (words, K) of the next words of numbers, and the right ones."""
    begun, labels = begun_and_next(target.rows[numbers])
    kept = labels != IGNORED
    return network(source.rows[numbers], begun)[kept].double(), labels[kept]


def scores(logits: Tensor, labels: Tensor) -> dict[str, float]:
    """Accuracy, NLL, ECE and confidence of logits (n, K) in double precision."""
    probabilities: Array = logits.softmax(-1).numpy()
    right = labels.numpy()
    return {
        "accuracy": metrics.accuracy(probabilities, right),
        "nll": metrics.negative_log_likelihood(probabilities, right),
        "ece": metrics.expected_calibration_error(probabilities, right, n_bins=10),
        "confidence": float(probabilities.max(axis=-1).mean()),
    }


def best_temperature(logits: Tensor, labels: Tensor) -> float:
    """Temperature by which logits are divided for the least cross-entropy (Guo et al. 2017), 0.05 … 20."""

    def loss(log_temperature: float) -> float:
        return float(nn.functional.cross_entropy(logits / np.exp(log_temperature), labels))

    found = minimize_scalar(loss, bounds=(np.log(0.05), np.log(20)), method="bounded")
    return float(np.exp(found.x))
