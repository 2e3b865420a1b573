"""Hard examples: the gradient that is measured is autograd's, and one factor is all of it where promised."""

from dataclasses import replace

import numpy as np
import torch

from selfdistill.empirical.data.problems import Problems
from selfdistill.empirical.experiments.soft_labels import hard_examples
from selfdistill.empirical.experiments.soft_labels.hard_examples import (
    HardExamples,
    _one_problem,
    measure_hard_examples,
)
from selfdistill.empirical.experiments.soft_labels.setup import Comparison
from selfdistill.empirical.losses.functional import progressive_loss

TINY = Comparison(Problems(n_train=80, n_validation=20, n_test=20, seeds=(0, 1)), hidden=(16,), epochs=4)


def test_medians_are_of_the_gradients_that_autograd_finds(rng):
    """Two epochs of given outputs; the second's gradient sample by sample, and its medians by quarter."""
    labels = torch.from_numpy(rng.integers(0, 4, 40))
    plain, own = (torch.from_numpy(rng.dirichlet(np.full(4, 5.0), (2, 40))) for _ in range(2))
    table = _one_problem(HardExamples(TINY, alpha=0.8), labels, plain, own)
    logits = own[1].log().requires_grad_()
    soft = progressive_loss(logits, labels, own[0], 0.8, reduction="sum")
    hard = torch.nn.functional.cross_entropy(logits, labels, reduction="sum")
    norms = [torch.autograd.grad(loss, logits)[0].abs().sum(1) for loss in (soft, hard)]
    ratio = (norms[0] / norms[1]).numpy()
    order = torch.argsort(plain[:, torch.arange(40), labels].mean(0), descending=True).numpy()
    expected = [np.median(ratio[order[i : i + 10]]) for i in range(0, 40, 10)]
    np.testing.assert_allclose(table["gradient"][:, 0], expected, rtol=1e-9)


def test_a_run_keeps_the_promise_of_the_whole_gradient():
    data = measure_hard_examples(HardExamples(TINY))
    assert dict(data.sizes) == {"seed": 2, "quarter": 4, "epoch": 3}
    assert float(data["share_exact"].max()) > 0
    assert float(data["excess"].max()) < 1e-6


def test_without_weight_every_gradient_is_cross_entropys():
    data = measure_hard_examples(HardExamples(TINY, alpha=0.0))
    np.testing.assert_allclose(data["gradient"], 1.0, rtol=1e-9)
    np.testing.assert_allclose(data["share_exact"], 1.0)


def test_quarters_are_of_another_networks_difficulty(monkeypatch):
    """The progressive run's own outputs do not sort its samples."""
    starts = []
    original = hard_examples._outputs

    def spy(comparison, split, method, settings, start):
        starts.append((method.name, start))
        return original(comparison, split, method, settings, start)

    monkeypatch.setattr(hard_examples, "_outputs", spy)
    measure_hard_examples(HardExamples(replace(TINY, epochs=2)))
    assert starts == [("cross-entropy", 1), ("progressive", 0)]
