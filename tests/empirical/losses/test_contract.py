"""What every soft-label loss promises, over losses × forms × shapes × options × precision × compilation."""

import pytest
import torch
from torch.utils._pytree import tree_map

from selfdistill.empirical.methods.catalogue import METHODS
from selfdistill.empirical.methods.method import rule_loss

from .cases import CASES, LABELLED, ROWWISE, make_batch, shaped

(BETA,) = (case for case in CASES if case not in ROWWISE)

each_loss = pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
each_labelled_loss = pytest.mark.parametrize("case", LABELLED, ids=lambda c: c.name)


def gradient(loss, logits):
    return torch.autograd.grad(loss.sum(), logits)[0]


# --- values ---------------------------------------------------------------------------------------


SHAPES = {
    "rows": ((12,), -1),
    "sequences": ((3, 4), -1),
    "images": ((3, 2, 2), 1),
    "classes first": ((12,), 0),
}


@pytest.mark.parametrize(
    ("case", "samples", "class_dim"),
    [(case, *shape) for case in ROWWISE for shape in SHAPES.values()]
    + [(BETA, *SHAPES[name]) for name in ("rows", "classes first")],
    ids=lambda value: getattr(value, "name", None),
)
def test_values_and_gradients_are_those_of_the_papers_in_every_shape(case, samples, class_dim):
    logits, batch = make_batch(12, 5)
    logits.requires_grad_()
    z = logits.reshape(*samples, 5).movedim(-1, class_dim)
    values = case.function(z, shaped(batch, samples, class_dim), class_dim=class_dim, reduction="none")
    expected = case.expected(logits, batch)
    assert values.shape == samples
    torch.testing.assert_close(values.flatten(), expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(gradient(values, logits), gradient(expected, logits), rtol=1e-10, atol=1e-12)
    for reduction, wanted in (("mean", expected.mean()), ("sum", expected.sum())):
        reduced = case.function(
            z, shaped(batch, samples, class_dim), class_dim=class_dim, reduction=reduction
        )
        torch.testing.assert_close(reduced, wanted, rtol=1e-12, atol=1e-12)


def test_masses_are_dealt_along_the_last_axis_of_samples():
    logits, batch = make_batch(12, 5)
    values = BETA.function(logits.reshape(3, 4, 5), shaped(batch, (3, 4)), reduction="none")
    rows = [slice(i, i + 4) for i in (0, 4, 8)]
    expected = [BETA.expected(logits[r], {k: v[r] for k, v in batch.items()}) for r in rows]
    torch.testing.assert_close(values, torch.stack(expected))


# --- forms ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", [c for c in CASES if c.module], ids=lambda c: c.name)
def test_the_module_is_the_function(case):
    logits, batch = make_batch(12, 5)
    inputs = [batch[name] for name in case.inputs]
    assert torch.equal(case.module()(logits, *inputs), case.function(logits, batch))
    options = {"weight": torch.rand(5), "reduction": "sum", "class_dim": 1}
    z = logits.reshape(3, 4, 5).movedim(-1, 1)
    there = shaped(batch, (3, 4), 1)
    inputs = [there[name] for name in case.inputs]
    assert torch.equal(case.module(**options)(z, *inputs), case.function(z, there, **options))
    own = torch.rand(3, 4)
    weighed = case.module(**options)(z, *inputs, sample_weight=own)
    assert torch.equal(weighed, case.function(z, there, sample_weight=own, **options))


@pytest.mark.parametrize("case", [c for c in CASES if c.method], ids=lambda c: c.name)
def test_the_ensembles_method_is_the_function(case):
    """Value and gradient, alone and under vmap."""
    logits, batch = make_batch(12, 5)
    logits.requires_grad_()
    column = lambda value: torch.full((12,), value, dtype=torch.float64)  # noqa: E731
    given = {
        "labels": batch["labels"],
        "uniform": batch["draws"],
        "progress": column(0.5),
        "settings": {name: column(value) for name, value in case.settings},
        **{name: batch[name] for name in ("teacher", "past", "average")},
    }
    loss = rule_loss(case.method.rule)
    ours, theirs = loss(logits, given), case.function(logits, batch)
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(gradient(ours, logits), gradient(theirs, logits))
    stacked = tree_map(lambda t: torch.stack([t, t]), given)
    mapped = torch.func.vmap(loss)(torch.stack([logits, logits]), stacked)
    torch.testing.assert_close(mapped, torch.stack([ours, ours]))


def test_every_method_of_the_catalogue_is_among_the_cases():
    assert {m.name for m in METHODS} <= {c.method.name for c in CASES if c.method}


# --- precision and compilation --------------------------------------------------------------------


@each_loss
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_logits_are_read_as_single_precision(case, dtype):
    logits, batch = make_batch(12, 5, dtype=torch.float32)
    rough = logits.to(dtype).requires_grad_()
    loss = case.function(rough, batch)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, case.function(rough.detach().float(), batch))
    assert gradient(loss, rough).dtype == dtype


needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
DEVICES = ["cpu", pytest.param("cuda", marks=[needs_cuda, pytest.mark.gpu])]


@each_loss
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("device", DEVICES)
def test_under_autocast_losses_keep_single_precision(case, dtype, device):
    """Logits from a layer that autocast computes in half precision, and the loss inside the same context."""
    logits, batch = make_batch(12, 5, dtype=torch.float32)
    logits, batch = logits.to(device), {name: value.to(device) for name, value in batch.items()}
    layer = torch.nn.Linear(5, 5, device=device)
    with torch.autocast(device, dtype):
        z = layer(logits)
        inside = case.function(z, batch)
    assert z.dtype == dtype
    assert inside.dtype == torch.float32
    torch.testing.assert_close(inside, case.function(z.float(), batch))
    inside.backward()
    assert torch.isfinite(layer.weight.grad).all()


@each_loss
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_extreme_logits_give_finite_losses_and_gradients(case, dtype):
    _, batch = make_batch(4, 3, dtype=torch.float32)
    extreme = torch.tensor([[1e4, -1e4, 0.0], [-1e4, 1e4, 1e4]] * 2, dtype=dtype).requires_grad_()
    loss = case.function(extreme, batch | {"teacher": extreme.detach().flip(0), "average": extreme.detach()})
    assert torch.isfinite(loss)
    assert torch.isfinite(gradient(loss, extreme)).all()


@each_loss
def test_without_checks_the_numbers_are_the_same(case):
    logits, batch = make_batch(12, 5)
    assert torch.equal(case.function(logits, batch, check=False), case.function(logits, batch))


KINDS = ("label smoothing", "distillation", "weighted soft labels", "partial labels", BETA.name)


@pytest.mark.parametrize(
    ("names", "sizes"),
    [(KINDS, (8, 5)), (tuple(c.name for c in CASES if c.name not in KINDS), (8,))],
    ids=["one of each kind, and a smaller last batch", "all others"],
)
def test_losses_compile_into_one_graph(names, sizes):
    """With an ignored sample, and checks as by default: a compiler never looks at values."""
    cases = [case for case in CASES if case.name in names]

    def together(z, batch):
        # What makes of candidates a distribution counts them, unless told that they are right.
        asked = [{"check": False} if case.name == "partial labels" else {} for case in cases]
        return torch.stack([case.function(z, batch, **o) for case, o in zip(cases, asked, strict=True)])

    compiled = torch.compile(together, fullgraph=True, backend="eager")
    for n in sizes:
        logits, batch = make_batch(n, 6, seed=n)
        logits.requires_grad_()
        batch["labels"][1] = -100
        ours, plain = compiled(logits, batch), together(logits, batch)
        torch.testing.assert_close(ours, plain)
        torch.testing.assert_close(gradient(ours, logits), gradient(plain, logits))


@pytest.mark.parametrize("case", ROWWISE, ids=lambda c: c.name)
def test_sums_accumulate_over_parts_of_a_batch(case):
    logits, batch = make_batch(12, 5)
    halves = [
        case.function(logits[part], {k: v[part] for k, v in batch.items()}, reduction="sum")
        for part in (slice(0, 6), slice(6, 12))
    ]
    torch.testing.assert_close(sum(halves), case.function(logits, batch, reduction="sum"))


@each_loss
def test_no_gradient_reaches_teachers_and_pasts(case):
    logits, batch = make_batch(12, 5)
    for name in ("teacher", "average", "past"):
        batch[name] = batch[name].requires_grad_()
    case.function(logits.requires_grad_(), batch).backward()
    assert batch["teacher"].grad is None
    assert batch["average"].grad is None
    assert batch["past"].grad is None
