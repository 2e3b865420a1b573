"""Modules on sequences, images and models that speak in dictionaries."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from selfdistill.empirical.losses import progressive_loss
from selfdistill.empirical.losses.modules import BetaSmoothingLoss, BornAgainLoss, ProgressiveLoss
from selfdistill.theory import InputError


def test_a_memory_of_tokens_passes_over_padding():
    """Each token is remembered by its own number; padding, whatever its number, is neither read nor left."""
    g = torch.Generator().manual_seed(0)
    first, second = torch.randn(2, 2, 3, 4, generator=g)
    words = torch.tensor([[0, 1, 2], [3, 0, -100]])
    index = torch.tensor([[0, 1, 2], [3, 4, -100]])
    loss = ProgressiveLoss(n_samples=6, n_classes=4, epochs=2, final=0.8)
    assert loss(first, words, index, 0) == F.cross_entropy(first.movedim(-1, 1), words)
    assert loss.seen.tolist() == [True] * 5 + [False]
    ours = loss(second, words, index, 1)
    expected = progressive_loss(second, words, first.softmax(-1), 0.8)
    torch.testing.assert_close(ours, expected)


def test_a_memory_of_pixels_has_classes_where_torch_has_them():
    g = torch.Generator().manual_seed(0)
    first, second = torch.randn(2, 2, 3, 4, 4, generator=g)
    labels = torch.randint(3, (2, 4, 4), generator=g)
    index = torch.arange(32).reshape(2, 4, 4)
    loss = ProgressiveLoss(32, 3, epochs=2, class_dim=1, reduction="none")
    loss(first, labels, index, 0)
    expected = progressive_loss(second, labels, first.softmax(1), 0.8, class_dim=1, reduction="none")
    torch.testing.assert_close(loss(second, labels, index, 1), expected)


def test_a_memory_begins_with_distributions_where_labels_are_mixed():
    logits, mixed = torch.randn(4, 3), torch.rand(4, 3).softmax(-1)
    loss = ProgressiveLoss(4, 3, epochs=2)
    torch.testing.assert_close(loss(logits, mixed, torch.arange(4), 0), F.cross_entropy(logits, mixed))


def test_a_number_for_every_label_is_asked_for():
    loss = ProgressiveLoss(6, 4, epochs=2)
    with pytest.raises(InputError, match=r"labels \(2, 3\) and index \(2,\)"):
        loss(torch.zeros(2, 3, 4), torch.zeros(2, 3, dtype=torch.long), torch.arange(2), 0)


class Speaking(nn.Module):
    """A network that takes keywords and returns a dictionary, as transformer libraries have them."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(5, 3)

    def forward(self, features, mask):
        return {"logits": self.head(features * mask)}


def test_networks_that_speak_in_dictionaries_are_asked_by_a_callable():
    g = torch.Generator().manual_seed(0)
    batch = {"features": torch.randn(6, 5, generator=g), "mask": torch.ones(6, 1)}
    labels = torch.randint(3, (6,), generator=g)
    network, student = Speaking(), Speaking()
    plain = nn.Linear(5, 3)
    plain.load_state_dict(network.head.state_dict())

    def ask(model, inputs):
        return model(**inputs)["logits"]

    logits = ask(student, batch)
    born, expected = BornAgainLoss(2.0, 0.5, ask=ask), BornAgainLoss(2.0, 0.5)
    born.next_generation(network)
    expected.next_generation(plain)
    assert torch.equal(born(logits, labels, batch), expected(logits, labels, batch["features"]))
    torch.manual_seed(3)
    ours = BetaSmoothingLoss(network, ask=ask)(logits, labels, batch)
    torch.manual_seed(3)
    assert torch.equal(ours, BetaSmoothingLoss(plain)(logits, labels, batch["features"]))
