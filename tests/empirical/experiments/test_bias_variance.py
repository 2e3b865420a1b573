"""Bias and variance over drawn training sets, with teachers that are given and teachers of each draw."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from selfdistill.empirical.data.problems import Problems, draw_problems
from selfdistill.empirical.experiments import bias_variance as module
from selfdistill.empirical.experiments.bias_variance import (
    BiasVariance,
    Learner,
    draw_training_sets,
    measure_bias_variance,
    train_given_teacher,
)
from selfdistill.empirical.experiments.progressive_kernel import ProgressiveKernel, measure_progressive_kernel
from selfdistill.empirical.experiments.soft_labels.border import Cell, measure_cell
from selfdistill.empirical.experiments.soft_labels.setup import Comparison, train_members
from selfdistill.empirical.methods.catalogue import CROSS_ENTROPY, DISTILLATION, SELF_DISTILLATION
from selfdistill.empirical.methods.training import outputs_on
from selfdistill.theory import bias_variance

TINY = Comparison(
    Problems(n_train=80, n_validation=20, n_test=60, noise=0.2, seeds=(0, 1)), hidden=(8,), epochs=3
)
SOFT = (("alpha", 0.9), ("temperature", 2.0))
LEARNERS = (
    Learner("cross-entropy", CROSS_ENTROPY),
    Learner("given", DISTILLATION, SOFT, "given"),
    Learner("own", DISTILLATION, SOFT, "own draw"),
)
CONFIG = BiasVariance(TINY, LEARNERS, draws=3, n_draw=30, n_teacher=20)


def test_training_sets_are_drawn_independently_from_what_the_teacher_left():
    pools = draw_problems(TINY.problems)
    split, replicate = draw_training_sets(CONFIG, pools)
    np.testing.assert_array_equal(replicate, [0, 0, 0, 1, 1, 1])
    assert split.inputs.shape == (6, 30, 64)
    for drawn, r in zip(split.inputs, replicate, strict=True):
        rows = {tuple(x.tolist()) for x in drawn}
        assert len(rows) == 30  # without replacement
        assert rows <= {tuple(x.tolist()) for x in pools.inputs[r, 20:]}
        assert not rows & {tuple(x.tolist()) for x in pools.inputs[r, :20]}
    assert not np.array_equal(split.inputs[0], split.inputs[1])


def test_a_given_teacher_is_the_same_for_all_draws(monkeypatch):
    """And is asked about each draw's own samples; one of each draw is another in each."""
    taught = {}

    def spy(comparison, split, method, settings, problem, *, teacher=None, **options):
        if method == DISTILLATION:
            taught[len(taught)] = teacher
        return train_members(comparison, split, method, settings, problem, teacher=teacher, **options)

    monkeypatch.setattr(module, "train_members", spy)
    measure_bias_variance(CONFIG)
    pools = draw_problems(TINY.problems)
    split, replicate = draw_training_sets(CONFIG, pools)
    given = train_given_teacher(CONFIG, pools)
    for member, r in enumerate(replicate):
        expected = outputs_on(given.select([r]), split.inputs[member : member + 1])[0]
        torch.testing.assert_close(taught[0][member], expected, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(taught[0], taught[1])


def test_parts_sum_to_the_ensembles_loss():
    data = measure_bias_variance(CONFIG)
    np.testing.assert_allclose(data["noise_part"] + data["bias"] + data["variance"], data["loss"], atol=1e-12)
    assert (data["noise_part"] == 0).all()  # clean test labels
    assert (data["variance"] > 0).all()
    assert ((data["training_accuracy"] > 0) & (data["training_accuracy"] <= 1)).all()


def test_deep_networks_are_decomposed_one_by_one():
    """Members that take turns add up to the same parts; and a replicate does not depend on the others."""
    deep = replace(TINY, network="densenet10", hidden=(2,), epochs=2)
    config = replace(CONFIG, comparison=deep, draws=2, n_draw=20, learners=LEARNERS[:2])
    both = measure_bias_variance(config)
    np.testing.assert_allclose(both["noise_part"] + both["bias"] + both["variance"], both["loss"], atol=1e-12)
    second = measure_bias_variance(replace(config, comparison=deep.each_seed()[1]))
    np.testing.assert_allclose(second["variance"][..., 0], both["variance"][..., 1], rtol=1e-3)


def test_a_cell_of_the_map_decomposes_its_own_draws(monkeypatch):
    """Bias and variance once more from the outputs, by the theory's own function; metrics are means over draws."""
    from selfdistill.empirical.experiments.soft_labels import border

    seen = []

    def spy(logits, *rest):
        seen.append((logits, *rest))
        return original(logits, *rest)

    original = border._tested
    monkeypatch.setattr(border, "_tested", spy)
    methods = ((CROSS_ENTROPY, ()), (SELF_DISTILLATION, (("alpha", 0.6), ("temperature", 2.0))))
    problems = replace(TINY.problems, n_train=40)
    table = measure_cell(Cell(replace(TINY, problems=problems), methods, draws=3))
    assert dict(table.sizes) == {"method": 2, "seed": 2}
    for i, (logits, pools, replicate, _) in enumerate(seen):
        for r in range(2):
            outputs = logits[torch.from_numpy(replicate == r)].softmax(-1)
            labels = pools.test_labels[r]
            parts = bias_variance(outputs.numpy(), np.eye(10)[labels.numpy()]).mean()
            own = table.isel(method=i, seed=r)
            assert float(own["bias"]) == pytest.approx(float(parts.bias), rel=1e-9)
            assert float(own["variance"]) == pytest.approx(float(parts.variance), rel=1e-9)
            right = (outputs.argmax(-1) == labels).double().mean()
            assert float(own["accuracy"]) == pytest.approx(float(right))


def test_wide_networks_follow_the_closed_form():
    config = ProgressiveKernel(n_train=20, n_test=10, epochs=3, steps=20, seeds=(0, 1))
    narrow, wide = (measure_progressive_kernel(replace(config, width=w)) for w in (8, 256))
    assert float(wide["error"].max()) < 0.1
    assert float(wide["error"].mean()) < float(narrow["error"].mean()) / 2
    assert float(wide["test_error"].max()) < 0.15
