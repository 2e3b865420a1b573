"""Options of every loss, and what is refused: ignored labels, weights, soft labels, settings one a sample, masks."""

import pytest
import torch
from torch.nn import functional as F

from selfdistill.empirical import losses
from selfdistill.theory import InputError

from .cases import CASES, LABELLED, hot, make_batch, shaped

each_loss = pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
each_labelled_loss = pytest.mark.parametrize("case", LABELLED, ids=lambda c: c.name)


def gradient(loss, logits):
    return torch.autograd.grad(loss.sum(), logits)[0]


# --- options --------------------------------------------------------------------------------------


def sized(n, n_classes, samples, class_dim):
    logits, batch = make_batch(n, n_classes)
    weight = torch.rand(n_classes, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    y = shaped(batch, samples)["labels"].clone()
    y.flatten()[::3] = -7
    return logits.reshape(*samples, n_classes).movedim(-1, class_dim), y, weight


@pytest.mark.parametrize(("samples", "class_dim"), [((12,), 1), ((3, 4), 1), ((3, 2, 2), 1)])
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("epsilon", [0.0, 0.3])
@pytest.mark.parametrize("weighed", [False, True])
def test_where_torch_has_a_loss_it_is_torchs(samples, class_dim, reduction, epsilon, weighed):
    """Ignored labels, class weights and soft labels, in every shape and reduction."""
    z, y, weight = sized(12, 5, samples, class_dim)
    options = {"reduction": reduction, "weight": weight if weighed else None}
    ours = losses.label_smoothing_loss(z, y, epsilon, class_dim=class_dim, ignore_index=-7, **options)
    theirs = F.cross_entropy(z, y, label_smoothing=epsilon, ignore_index=-7, **options)
    torch.testing.assert_close(ours, theirs)
    soft = z.flip(0).softmax(class_dim)
    ours = losses.label_smoothing_loss(z, soft, epsilon, class_dim=class_dim, **options)
    torch.testing.assert_close(ours, F.cross_entropy(z, soft, label_smoothing=epsilon, **options))


@each_labelled_loss
def test_ignored_samples_have_no_part(case):
    """Whatever stands in their rows: the loss is that of the others, and no gradient reaches them."""
    logits, batch = make_batch(12, 5)
    kept = torch.arange(12) % 3 != 0
    logits.requires_grad_()
    labels = batch["labels"].where(kept, -100)
    ours = case.function(logits, batch | {"labels": labels})
    others = case.expected(logits[kept], {name: value[kept] for name, value in batch.items()})
    torch.testing.assert_close(ours, others.mean())
    assert gradient(ours, logits)[~kept].abs().max() == 0
    assert case.function(logits, batch | {"labels": torch.full_like(labels, -100)}) == 0


def test_candidates_may_be_fewer_or_none():
    logits, _ = make_batch(3, 5)
    padded = torch.tensor([[0, 2], [3, -100], [-100, -100]])
    values = losses.partial_label_loss(logits, padded, 0.5, reduction="none")
    p = logits.softmax(-1).sqrt()
    expected = torch.stack([(2 * (1 - p[0, [0, 2]])).mean(), 2 * (1 - p[1, 3]), torch.tensor(0.0).double()])
    torch.testing.assert_close(values, expected)
    torch.testing.assert_close(losses.partial_label_loss(logits, padded, 0.5), expected.sum() / 2)


@each_loss
def test_samples_may_have_weights(case):
    logits, batch = make_batch(12, 5)
    weight = torch.arange(12.0, dtype=torch.float64)
    expected = case.expected(logits, batch) * weight
    torch.testing.assert_close(
        case.function(logits, batch, sample_weight=weight), expected.sum() / weight.sum()
    )
    torch.testing.assert_close(case.function(logits, batch, sample_weight=weight, reduction="none"), expected)


@each_labelled_loss
def test_distributions_may_stand_for_labels(case):
    logits, batch = make_batch(12, 5)
    whole = case.function(logits, batch)
    torch.testing.assert_close(case.function(logits, batch | {"labels": hot(batch["labels"], logits)}), whole)


@pytest.mark.parametrize(
    "loss",
    [
        lambda z, y, b: losses.label_smoothing_loss(z, y, 0.1),
        lambda z, y, b: losses.distillation_loss(z, b["teacher"], y, 2.0, 0.5),
        lambda z, y, b: losses.progressive_loss(z, y, b["past"], 0.5),
        lambda z, y, b: losses.entropy_penalty_loss(z, y, 0.5),
    ],
)
def test_mixed_samples_mix_losses_that_are_linear_in_their_labels(loss):
    logits, b = make_batch(12, 5)
    first, second = hot(b["labels"], logits), hot(b["labels"].flip(0), logits)
    mixed = loss(logits, 0.3 * first + 0.7 * second, b)
    torch.testing.assert_close(mixed, 0.3 * loss(logits, first, b) + 0.7 * loss(logits, second, b))


PER_SAMPLE = {
    "epsilon": lambda z, b, v: losses.label_smoothing_loss(z, b["labels"], v, reduction="none"),
    "beta": lambda z, b, v: losses.entropy_penalty_loss(z, b["labels"], v, reduction="none"),
    "alpha": lambda z, b, v: losses.distillation_loss(z, b["teacher"], b["labels"], 2.0, v, reduction="none"),
    "temperature": lambda z, b, v: losses.distillation_loss(
        z, b["teacher"], b["labels"], v, 0.5, reduction="none"
    ),
    "alpha of weighted soft labels": lambda z, b, v: losses.weighted_soft_label_loss(
        z, b["teacher"], b["labels"], 2.0, v, reduction="none"
    ),
    "alpha of the past": lambda z, b, v: losses.progressive_loss(
        z, b["labels"], b["past"], v, reduction="none"
    ),
    "alpha of Beta smoothing": lambda z, b, v: losses.beta_smoothing_loss(
        z, b["labels"], b["average"], b["draws"], v, reduction="none"
    ),
}


@pytest.mark.parametrize("loss", PER_SAMPLE.values(), ids=PER_SAMPLE)
def test_a_setting_may_be_one_a_sample(loss):
    logits, batch = make_batch(12, 5)
    own = torch.tensor([0.2, 0.7] * 6, dtype=torch.float64)
    low, high = loss(logits, batch, 0.2), loss(logits, batch, 0.7)
    torch.testing.assert_close(loss(logits, batch, own), torch.where(own == 0.2, low, high))
    with pytest.raises(InputError, match="one entry a sample"):
        loss(logits, batch, own[:1])
    with pytest.raises(InputError, match="must lie in"):
        loss(logits, batch, -own)


@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8, torch.int16, torch.uint16, torch.int32])
@each_labelled_loss
def test_labels_of_any_integer_type(case, dtype):
    """With more classes than a narrow type can name."""
    logits, batch = make_batch(8, 300, dtype=torch.float32)
    batch["labels"] %= 128
    narrow = case.function(logits, batch | {"labels": batch["labels"].to(dtype)})
    torch.testing.assert_close(narrow, case.function(logits, batch))


@each_labelled_loss
def test_the_last_labels_of_a_narrow_type_are_labels(case):
    """256 classes, the last of which is 255: the largest number that eight bits hold."""
    logits, batch = make_batch(8, 256, dtype=torch.float32)
    batch["labels"] = torch.arange(248, 256)
    narrow = case.function(logits, batch | {"labels": batch["labels"].to(torch.uint8)})
    torch.testing.assert_close(narrow, case.function(logits, batch))


def test_labels_may_be_arrays_and_lists():
    logits, batch = make_batch(4, 5)
    whole = losses.label_smoothing_loss(logits, batch["labels"], 0.1)
    for labels in (batch["labels"].numpy(), batch["labels"].tolist()):
        assert losses.label_smoothing_loss(logits, labels, 0.1) == whole


# --- refusals -------------------------------------------------------------------------------------


@each_labelled_loss
@pytest.mark.parametrize("shape", [(4, 1), (), (1,), (3,), (1, 4)])
def test_labels_are_never_broadcast(case, shape):
    logits, batch = make_batch(4, 5)
    with pytest.raises(InputError, match="one entry a sample"):
        case.function(logits, batch | {"labels": torch.zeros(shape, dtype=torch.long)})


@each_labelled_loss
def test_labels_of_a_sequence_are_not_those_of_its_sentences(case):
    logits, batch = make_batch(12, 5)
    inner = shaped(batch, (3, 4))
    for labels in (batch["labels"][:4], batch["labels"][:3]):
        with pytest.raises(InputError, match=r"one entry a sample, \(3, 4\)"):
            case.function(logits.reshape(3, 4, 5), inner | {"labels": labels})


@each_loss
def test_what_cannot_be_a_batch_is_refused(case):
    logits, batch = make_batch(4, 5)
    with pytest.raises(InputError, match="NaN"):
        case.function(torch.full_like(logits, torch.nan), batch)
    with pytest.raises(InputError, match="reduction must be one of"):
        case.function(logits, batch, reduction="median")
    with pytest.raises(InputError, match="no option ingore_index"):
        case.function(logits, batch, ingore_index=0)
    with pytest.raises(InputError, match="one entry a class"):
        case.function(logits, batch, weight=torch.ones(4))
    with pytest.raises(InputError, match="sample_weight"):
        case.function(logits, batch, sample_weight=torch.ones(4, 1))
    with pytest.raises(InputError, match="class_dim=3"):
        case.function(logits, batch, class_dim=3)


@each_labelled_loss
def test_labels_out_of_range_are_refused_and_empty_batches_are_zero(case):
    logits, batch = make_batch(4, 5)
    for wrong in (5, -1):
        with pytest.raises(InputError, match=f"labels must lie in 0 … 4.*{wrong}"):
            case.function(logits, batch | {"labels": torch.full((4,), wrong)})
    nothing, empty = make_batch(0, 5)
    assert case.function(nothing, empty) == 0
    with pytest.raises(InputError, match="sample_weight"):
        case.function(logits, batch | {"labels": hot(batch["labels"], logits)}, ignore_index=3)


@each_loss
def test_a_class_that_is_ruled_out_takes_no_part_or_is_refused(case):
    """Logits of −inf where the target has no mass change nothing; where it has some the loss is infinite."""
    logits, batch = make_batch(6, 5)
    ruled = torch.full((6, 2), -torch.inf, dtype=torch.float64)
    masked = {name: torch.cat([v, ruled], -1) for name, v in batch.items() if name in ("teacher", "average")}
    masked["past"] = torch.cat([batch["past"], torch.zeros(6, 2)], -1)
    z = torch.cat([logits, ruled], -1).requires_grad_()
    if case.name in ("label smoothing", "label smoothing of others", "Beta smoothing"):
        with pytest.raises(InputError, match="logit is −inf"):
            case.function(z, batch | masked)
        return
    values = case.function(z, batch | masked, reduction="none")
    torch.testing.assert_close(values, case.expected(logits, batch))
    assert torch.isfinite(gradient(values, z)).all()


def test_a_sample_without_any_class_is_refused():
    logits, batch = make_batch(4, 5)
    logits[2] = -torch.inf
    with pytest.raises(InputError, match="every class of a sample"):
        losses.label_smoothing_loss(logits, batch["labels"], 0.0)
