"""Teachers on disk, and targets of which only the largest entries are known."""

import json
import pickle

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from selfdistill.empirical.losses import (
    distillation_loss,
    progressive_loss,
    soft_cross_entropy,
    weighted_soft_label_loss,
)
from selfdistill.empirical.losses.modules import ProgressiveLoss
from selfdistill.empirical.losses.stored import StoredTeacher, fingerprint, store_teacher
from selfdistill.empirical.losses.top_targets import TopTargets
from selfdistill.theory import InputError

N, K = 10, 50


@pytest.fixture
def logits():
    g = torch.Generator().manual_seed(0)
    return 3 * torch.randn(2, N, K, generator=g, dtype=torch.float64)


@pytest.fixture
def labels():
    return torch.randint(K, (N,), generator=torch.Generator().manual_seed(1))


def store(path, teacher, top=8, temperature=2.0, of="digits", n=N):
    return store_teacher(path, teacher.split(4), n_samples=n, top=top, temperature=temperature, belongs_to=of)


def gradient(loss, logits):
    return torch.autograd.grad(loss.sum(), logits)[0]


@pytest.mark.parametrize("tempered", ["both", "teacher"])
def test_a_store_of_all_classes_is_the_dense_teacher(tmp_path, logits, labels, tempered):
    student, teacher = logits[0].requires_grad_(), logits[1]
    stored = store(tmp_path / "store", teacher, top=K)
    ours = distillation_loss(student, stored[torch.arange(N)], labels, 2.0, 0.7, tempered=tempered)
    dense = distillation_loss(student, teacher, labels, 2.0, 0.7, tempered=tempered)
    torch.testing.assert_close(ours, dense, rtol=1e-6, atol=0)
    torch.testing.assert_close(gradient(ours, student), gradient(dense, student), rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("top", [1, 3, 8, 20, 35])
@pytest.mark.parametrize("alpha", [0.3, 1.0])
def test_the_gradient_is_off_by_no_more_than_the_mass_that_was_dropped(tmp_path, logits, labels, top, alpha):
    """A class by α·τ times it, a sample by twice that in all; with the student at temperature 1, without τ."""
    student, teacher = logits[0].requires_grad_(), logits[1]
    stored = store(tmp_path / "store", teacher, top=top)[torch.arange(N)]
    dropped = 1 - (teacher / 2).softmax(-1).topk(top).values.sum(-1)
    assert dropped.max() > 1e-3
    for tempered, factor in (("both", 2.0), ("teacher", 1.0)):
        sparse, dense = (
            gradient(
                distillation_loss(student, t, labels, 2.0, alpha, tempered=tempered, reduction="none"),
                student,
            )
            for t in (stored, teacher)
        )
        off = (sparse - dense).abs()
        bound = alpha * factor * dropped + 1e-6
        assert (off.amax(-1) <= bound).all()
        assert (off.sum(-1) <= 2 * bound).all()
        assert off.max() > 0


def test_entries_beside_the_known_share_the_rest():
    targets = TopTargets.of(torch.tensor([[0.5, 0.1, 0.3, 0.1, 0.0]]), 2)
    torch.testing.assert_close(targets.rest, torch.tensor([0.2]))
    expected = torch.tensor([[0.5, 0.2 / 3, 0.3, 0.2 / 3, 0.2 / 3]])
    torch.testing.assert_close(targets.dense(), expected)
    z = torch.randn(1, 5)
    torch.testing.assert_close(soft_cross_entropy(z, targets), F.cross_entropy(z, expected))
    torch.testing.assert_close(
        progressive_loss(z, torch.tensor([4]), targets, 0.4),
        0.6 * F.cross_entropy(z, torch.tensor([4])) + 0.4 * F.cross_entropy(z, expected),
    )


def test_tokens_of_sentences_are_asked_for_by_their_numbers(tmp_path, logits):
    teacher = logits[1].reshape(2, 5, K)
    stored = store(tmp_path / "store", teacher, top=K, temperature=1.0)
    index = torch.tensor([[3, 4], [9, 0]])
    dense = teacher.flatten(0, 1)[index].softmax(-1)
    torch.testing.assert_close(stored[index].dense(), dense.float())
    student = logits[0][:4].reshape(2, 2, K)
    words = torch.tensor([[0, 1], [2, -100]])
    ours = distillation_loss(student, stored[index], words, 1.0, 0.5)
    torch.testing.assert_close(
        ours, distillation_loss(student, teacher.flatten(0, 1)[index], words, 1.0, 0.5)
    )


def test_a_store_maps_its_files_and_travels_as_its_place(tmp_path, logits):
    stored = store(tmp_path / "store", logits[1])
    assert isinstance(stored.classes, np.memmap)
    assert stored.classes.dtype == np.uint16
    assert len(stored) == N
    sent = pickle.dumps(stored)
    assert len(sent) < 1000  # to workers of a DataLoader
    torch.testing.assert_close(pickle.loads(sent)[[1]].masses, stored[[1]].masses)
    assert {p.name for p in (tmp_path / "store").iterdir()} == {"classes.npy", "masses.npy", "header.json"}


def test_what_breaks_off_leaves_the_old_store(tmp_path, logits):
    old = store(tmp_path / "store", logits[1])[[0]].masses
    for wrong in (
        lambda: store(tmp_path / "store", logits[0], n=N + 1),
        lambda: store(tmp_path / "store", logits[0], n=N - 1),
        lambda: store(tmp_path / "store", logits[0], top=K + 1),
        lambda: store(tmp_path / "store", logits[0] * torch.nan),
    ):
        with pytest.raises(InputError):
            wrong()
    assert [p.name for p in tmp_path.iterdir()] == ["store"]
    torch.testing.assert_close(StoredTeacher.open(tmp_path / "store", belongs_to="digits")[[0]].masses, old)
    new = store(tmp_path / "store", logits[0])
    assert [p.name for p in tmp_path.iterdir()] == ["store"]
    assert not torch.equal(new[[0]].masses, old)


def test_what_does_not_fit_is_refused_in_words(tmp_path, logits, labels):
    stored = store(tmp_path / "store", logits[1])
    student, some = logits[0], torch.arange(N)
    with pytest.raises(InputError, match="belongs to other data or another teacher"):
        StoredTeacher.open(tmp_path / "store", belongs_to="letters")
    with pytest.raises(InputError, match="no store"):
        StoredTeacher.open(tmp_path, belongs_to="digits")
    with pytest.raises(InputError, match=r"are of 50 classes .*; the logits are of 49"):
        distillation_loss(student[:, 1:], stored[some], labels.clamp_max(48), 2.0)
    with pytest.raises(InputError, match=r"at temperature 2.*got temperature=3"):
        distillation_loss(student, stored[some], labels, 3.0)
    with pytest.raises(InputError, match=r"samples \(3,\)"):
        distillation_loss(student, stored[some[:3]], labels, 2.0)
    with pytest.raises(InputError, match="weighs samples by the teacher's logits"):
        weighted_soft_label_loss(student, stored[some], labels, 2.0)
    with pytest.raises(InputError, match="holds 10 samples; got numbers 0 … 10"):
        stored[[0, 10]]
    with pytest.raises(InputError, match="whole numbers"):
        stored[torch.ones(2)]
    header = json.loads((tmp_path / "store" / "header.json").read_text())
    (tmp_path / "store" / "header.json").write_text(json.dumps(header | {"version": 7}))
    with pytest.raises(InputError, match="version 7"):
        StoredTeacher.open(tmp_path / "store", belongs_to="digits")
    (tmp_path / "store" / "header.json").write_text(json.dumps(header))
    (tmp_path / "store" / "masses.npy").write_bytes(b"nothing")
    with pytest.raises(InputError, match="damaged"):
        StoredTeacher.open(tmp_path / "store", belongs_to="digits")
    (tmp_path / "other").mkdir()
    with pytest.raises(InputError, match="no store of a teacher; choose another place"):
        store(tmp_path / "other", logits[1])


def test_a_fingerprint_sees_values_shapes_types_weights_and_order():
    x = torch.arange(6.0)
    network = torch.nn.Linear(2, 2)
    prints = [
        fingerprint(x),
        fingerprint(x.reshape(2, 3)),
        fingerprint(x.double()),
        fingerprint(x, network),
        fingerprint(network, x),
        fingerprint(x, "a"),
        fingerprint(x, "a", "b"),
        fingerprint(x, "ab"),
    ]
    assert len(set(prints)) == len(prints)
    assert fingerprint(x.numpy(), "a") == prints[5]
    with torch.no_grad():
        network.weight[0, 0] += 1e-3
    assert fingerprint(x, network) != prints[3]


def test_a_memory_may_keep_the_largest_alone(logits, labels):
    """Of all classes it is the whole memory; of some, the loss to `TopTargets`."""
    index = torch.arange(N)
    mixed = logits[1].softmax(-1)
    for first in (labels, mixed):
        whole, all_of_it = ProgressiveLoss(N, K, 2), ProgressiveLoss(N, K, 2, top=K)
        some = ProgressiveLoss(N, K, 2, top=5)
        values = [
            [loss(z, first, index, e).item() for e, z in enumerate(logits)] for loss in (whole, all_of_it)
        ]
        np.testing.assert_allclose(values[0], values[1], rtol=1e-6)
        before = some(logits[0], first, index, 0)
        if first is labels:
            torch.testing.assert_close(before, F.cross_entropy(logits[0], labels))
        past = TopTargets.of(logits[0].softmax(-1), 5)
        ours = some(logits[1], first, index, 1)
        torch.testing.assert_close(ours, progressive_loss(logits[1], first, past, 0.8), rtol=1e-6, atol=0)
    assert some.past.shape == (N, 5)
    with pytest.raises(InputError, match="at most the number of classes"):
        ProgressiveLoss(N, K, 2, top=K + 1)
