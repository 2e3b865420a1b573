"""Experiments against what must hold of them, at sizes of seconds."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from selfdistill.empirical.data.problems import Problems, draw_problems
from selfdistill.empirical.experiments import soft_label_experiments
from selfdistill.empirical.experiments.bias_variance import (
    BiasVariance,
    _draw_training_sets,
    measure_bias_variance,
)
from selfdistill.empirical.experiments.comparison import Comparison, train_members
from selfdistill.empirical.experiments.progressive_kernel import ProgressiveKernel, measure_progressive_kernel
from selfdistill.empirical.experiments.soft_label_experiments import (
    WITHOUT_REGULARIZATION,
    Generations,
    Schedules,
    Teachers,
    TemperatureSweep,
    measure_generations,
    measure_schedules,
    measure_teachers,
    measure_temperatures,
)
from selfdistill.empirical.methods.catalogue import CROSS_ENTROPY

TINY = Comparison(
    Problems(n_train=80, n_validation=20, n_test=60, noise=0.2, seeds=(0, 1)), hidden=(8,), epochs=3
)


def test_training_sets_are_drawn_independently_from_their_own_pool():
    config = BiasVariance(TINY, draws=3, n_draw=30)
    pools = draw_problems(TINY.problems)
    split, replicate = _draw_training_sets(config, pools)
    np.testing.assert_array_equal(replicate, [0, 0, 0, 1, 1, 1])
    assert split.inputs.shape == (6, 30, 64)
    for drawn, r in zip(split.inputs, replicate, strict=True):
        rows = {tuple(x.tolist()) for x in drawn}
        assert len(rows) == 30  # without replacement
        assert rows <= {tuple(x.tolist()) for x in pools.inputs[r]}
    assert not np.array_equal(split.inputs[0], split.inputs[1])


def test_parts_sum_to_the_ensembles_loss():
    data = measure_bias_variance(BiasVariance(TINY, draws=3, n_draw=40))
    np.testing.assert_allclose(data["noise_part"] + data["bias"] + data["variance"], data["loss"], atol=1e-12)
    assert (data["noise_part"] == 0).all()  # clean test labels
    assert (data["variance"] > 0).all()


def test_deep_networks_are_decomposed_one_by_one():
    """Members that take turns add up to the same parts; and a replicate does not depend on the others."""
    config = BiasVariance(
        replace(TINY, network="densenet10", hidden=(2,), epochs=2), draws=2, n_draw=20, alpha=0.5
    )
    both = measure_bias_variance(config)
    np.testing.assert_allclose(both["noise_part"] + both["bias"] + both["variance"], both["loss"], atol=1e-12)
    second = measure_bias_variance(replace(config, comparison=config.comparison.each_seed()[1]))
    np.testing.assert_allclose(second["variance"][..., 0], both["variance"][..., 1], rtol=1e-3)


def test_teachers_are_as_wide_as_asked(monkeypatch):
    seen = []

    def spy(comparison, *args, **kwargs):
        seen.append(comparison.hidden)
        return train_members(comparison, *args, **kwargs)

    monkeypatch.setattr(soft_label_experiments, "train_members", spy)
    data = measure_teachers(Teachers(TINY, factors=(0.05, 2.0)))
    assert seen == [(1,), (8,), (16,), (8,), (8,)]  # teacher, student, teacher, student, alone
    assert data["student_accuracy"].sizes == {"factor": 2, "seed": 2}


def test_first_generation_and_zero_weight_are_plain_cross_entropy():
    """The same networks reached by two roads: an ensemble of generations and one of schedules."""
    chain = measure_generations(Generations(TINY, generations=2))
    schedules = measure_schedules(Schedules(TINY, finals=(0.0, 0.8)))
    for name in ("nll", "accuracy"):
        np.testing.assert_allclose(
            chain[name][0], schedules[name].sel(schedule="linear", final=0.0), rtol=1e-5
        )
        np.testing.assert_allclose(schedules[name][0, 0], schedules[name][1, 0], rtol=1e-5)
    assert not np.allclose(chain["nll"][0], chain["nll"][1])


def test_softened_teachers_end_uniform():
    data = measure_temperatures(TemperatureSweep(TINY, temperatures=(1.0, 1e4)))
    assert float(data["teacher_uncertainty"].sel(temperature=1e4).mean()) == pytest.approx(
        np.log(10), abs=1e-4
    )
    assert data["share_push"].min() >= 0
    assert (data["share_magnitude"] >= data["share_push"]).all()


def test_dropping_every_soft_label_is_cross_entropy():
    """Teachers that are never surer than their student: all samples are regularization samples."""
    split = draw_problems(TINY.problems)
    settings = {"weight_decay": np.zeros(2)}
    soft = settings | {"alpha": np.full(2, 0.9), "temperature": np.ones(2)}
    members = np.arange(2)
    plain = train_members(TINY, split, CROSS_ENTROPY, settings, members)
    logits = -40.0 * torch.nn.functional.one_hot(split.labels, 10).float()
    dropped = train_members(TINY, split, WITHOUT_REGULARIZATION, soft, members, teacher=logits)
    np.testing.assert_allclose(dropped.logits(split.inputs), plain.logits(split.inputs), atol=1e-5)


def test_wide_networks_follow_the_closed_form():
    config = ProgressiveKernel(n_train=20, n_test=10, epochs=3, steps=20, seeds=(0, 1))
    narrow, wide = (measure_progressive_kernel(replace(config, width=w)) for w in (8, 256))
    assert float(wide["error"].max()) < 0.1
    assert float(wide["error"].mean()) < float(narrow["error"].mean()) / 2
    assert float(wide["test_error"].max()) < 0.15
