"""Training an ensemble by a method: a plain loop for each member, whatever the groups, the past and the teacher."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from selfdistill.empirical.data.problems import Problems, draw_problems
from selfdistill.empirical.losses import functional as losses
from selfdistill.empirical.losses.rules import cross_entropy, progressive
from selfdistill.empirical.methods import catalogue as methods
from selfdistill.empirical.methods.catalogue import budget
from selfdistill.empirical.methods.method import Method, Samples, Term
from selfdistill.empirical.methods.training import outputs_on, train_method
from selfdistill.empirical.networks.perceptrons import mlp
from selfdistill.empirical.training.ensemble import Ensemble
from selfdistill.empirical.training.members import MinibatchOrder, TrainingConfig
from selfdistill.empirical.training.memory import bytes_per_member
from selfdistill.theory import InputError, mixed_targets

PROBLEMS = Problems(n_train=60, n_validation=50, n_test=80, noise=0.2, seeds=(3, 4))


def test_an_ensemble_trains_each_member_as_a_plain_loop_would(rng):
    """Two members on two problems, distilled; the second one again by hand, in PyTorch's own optimiser."""
    inputs = torch.from_numpy(rng.normal(size=(2, 40, 6))).float()
    labels = torch.from_numpy(rng.integers(0, 3, (2, 40)))
    teacher = torch.from_numpy(rng.normal(size=(2, 40, 3))).float()
    ensemble = Ensemble.initialise(lambda: mlp(6, 3, (5,)), seeds=(7, 8))
    config = TrainingConfig(epochs=3, batch_size=16, learning_rate=0.05, weight_decay=0.01)
    settings = {"alpha": torch.tensor([0.3, 0.6]), "temperature": torch.tensor([1.0, 3.0])}
    run = train_method(
        ensemble, inputs, labels, methods.DISTILLATION, config, settings=settings, teacher=teacher
    )
    network = list(ensemble.modules())[1]
    optimiser = torch.optim.SGD(network.parameters(), 0.05, momentum=0.9, weight_decay=0.01)
    order = MinibatchOrder((8,), 40, 16)
    for _ in range(3):
        for rows in order.epoch():
            optimiser.zero_grad()
            losses.distillation_loss(
                network(inputs[1, rows[0]]), teacher[1, rows[0]], labels[1, rows[0]], 3.0, 0.6
            ).backward()
            optimiser.step()
    ours = outputs_on(run.ensemble, inputs)[1]
    torch.testing.assert_close(ours, network(inputs[1]).detach(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", methods.METHODS, ids=lambda m: m.name)
def test_an_ensemble_learns_from_distributions_as_from_the_labels_they_are_sure_of(method, rng):
    inputs = torch.from_numpy(rng.normal(size=(2, 20, 6))).float()
    labels = torch.from_numpy(rng.integers(0, 3, (2, 20)))
    settings = {name: torch.full((2,), v) for name, v in method.grid[0] if name != "weight_decay"}
    outputs = []
    for given in (labels.to(torch.uint8), torch.nn.functional.one_hot(labels, 3).float()):
        run = train_method(
            Ensemble.initialise(lambda: mlp(6, 3, (5,)), (7, 8)), inputs, given, method,
            TrainingConfig(epochs=2, batch_size=8), settings=settings, teacher=torch.zeros(2, 20, 3),
        )  # fmt: skip
        outputs.append(outputs_on(run.ensemble, inputs))
    torch.testing.assert_close(outputs[0], outputs[1])


@pytest.mark.parametrize("past", ["training pass", "end of epoch"])
def test_the_past_is_the_labels_first_and_the_last_epochs_outputs_then(past, rng):
    """Those with which the sample was trained, or those at the epoch's end; batches of 5 tell the two apart."""
    seen = []

    def spy(s: Samples) -> list[Term]:
        seen.append(torch._C._functorch.get_unwrapped(s.past))
        return [Term(mixed_targets(s.labels, s.past, 0.5, check=False))]

    inputs = torch.from_numpy(rng.normal(size=(1, 10, 4))).float()
    labels = torch.from_numpy(rng.integers(0, 3, (1, 10)))
    ends = []
    ensemble = Ensemble.initialise(lambda: mlp(4, 3, (5,)), (0,))
    train_method(
        ensemble, inputs, labels, Method("spy", spy, needs=frozenset({"past"})),
        TrainingConfig(epochs=2, batch_size=5, learning_rate=0.5), past=past,
        each_epoch=lambda _, __, e: ends.append(outputs_on(e, inputs)[0].softmax(-1)),
    )  # fmt: skip
    order = MinibatchOrder((0,), 10, 5)
    first, second = order.epoch(), order.epoch()
    hot = torch.nn.functional.one_hot(labels[0], 3).float()
    for batch in (0, 1):
        torch.testing.assert_close(seen[batch][0], hot[first[batch][0]])
    if past == "end of epoch":
        expected = ends[0]
    else:  # the first batch met the network as it was at the start
        start = outputs_on(ensemble, inputs)[0].softmax(-1)
        rows = first[0][0]
        expected = torch.full_like(hot, torch.nan)
        expected[rows] = start[rows]
    for batch in (2, 3):
        rows = second[batch - 2][0]
        known = expected[rows].isfinite().all(dim=1)
        assert known.any()
        torch.testing.assert_close(seen[batch][0][known], expected[rows][known], rtol=1e-5, atol=1e-6)


def test_teachers_see_the_students_own_batch(rng):
    """As an ensemble they are asked about each augmented batch; as outputs they never see it."""
    inputs = torch.from_numpy(rng.normal(size=(2, 12, 1, 6, 6))).float()
    labels = torch.from_numpy(rng.integers(0, 3, (2, 12)))
    teachers = Ensemble.initialise(lambda: mlp(36, 3, (5,)), (1, 2))
    seen, asked = [], []

    class Doubled:
        def __call__(self, batch):
            asked.append(2 * batch.inputs)
            return replace(batch, inputs=asked[-1])

    def spy(s: Samples) -> list[Term]:
        seen.append(torch._C._functorch.get_unwrapped(s.teacher))
        return [Term(s.teacher.softmax(-1))]

    train_method(
        Ensemble.initialise(lambda: mlp(36, 3, (5,)), (3, 4)), inputs, labels,
        Method("spy", spy, needs=frozenset({"teacher"})), TrainingConfig(epochs=1, batch_size=6),
        teacher=teachers, augment=Doubled,
    )  # fmt: skip
    for given, outputs in zip(asked, seen, strict=True):
        torch.testing.assert_close(outputs, teachers.evaluate(given))
    with pytest.raises(InputError, match="need a teacher each"):
        _train(methods.SELF_DISTILLATION, teacher=teachers.select([0]), settings=_SOFT)


def test_groups_that_fit_in_memory_change_no_number():
    split = draw_problems(PROBLEMS)
    index = torch.tensor([0, 1, 0])
    alpha = {"alpha": torch.tensor([0.2, 0.5, 0.8])}
    both = {methods.BETA_SMOOTHING: alpha | {"shape": torch.full((3,), 3.0)}, methods.PROGRESSIVE: alpha}
    config = TrainingConfig(epochs=2, batch_size=20, weight_decay=[0.0, 0.01, 0.1])
    ensemble = Ensemble.initialise(lambda: mlp(64, 10, (8,)), (5, 6, 7))
    one = bytes_per_member(ensemble, split.inputs[0], config)
    for method, settings in both.items():
        outputs: list[torch.Tensor] = []
        told: list[tuple[int, range, int]] = []

        def tell(epoch, members, trained, told=told):
            told.append((epoch, members, len(trained)))

        for memory in (None, 1.5 * one):
            run = train_method(
                ensemble, split.inputs, split.labels, method, config, settings=settings, problem=index,
                each_epoch=tell, memory=memory,
            )  # fmt: skip
            outputs.append(outputs_on(run.ensemble, split.inputs, index))
        torch.testing.assert_close(outputs[0], outputs[1], rtol=1e-4, atol=1e-5)
        alone = [(epoch, range(i, i + 1), 1) for i in range(3) for epoch in range(2)]
        assert told == [(0, range(3), 3), (1, range(3), 3), *alone]
    with pytest.raises(InputError, match="training one member needs"):
        train_method(
            ensemble, split.inputs, split.labels, methods.CROSS_ENTROPY, config, problem=index, memory=1000
        )


def test_mixed_precision_learns_what_single_precision_learns():
    """And not the same numbers: the networks do compute in less precision."""
    split = draw_problems(replace(PROBLEMS, noise=0.0))
    settings = {"epsilon": torch.full((2,), 0.1)}
    ensemble = Ensemble.initialise(lambda: mlp(64, 10, (32,)), (5, 6))
    losses = []
    for mixed in (False, True):
        config = TrainingConfig(epochs=20, batch_size=20, learning_rate=0.05, mixed_precision=mixed)
        run = train_method(
            ensemble, split.inputs, split.labels, methods.LABEL_SMOOTHING, config, settings=settings
        )
        losses.append(run.losses)
    np.testing.assert_allclose(losses[1], losses[0], rtol=0.05)
    assert np.abs(losses[1] / losses[0] - 1).max() > 1e-4
    assert (losses[0][-1] < losses[0][0] / 2).all()


_SOFT = {"alpha": torch.full((2,), 0.5), "temperature": torch.ones(2)}


def _train(method=methods.CROSS_ENTROPY, labels=None, **options):
    ensemble = Ensemble.initialise(lambda: mlp(4, 3, (5,)), (0, 1))
    labels = torch.arange(20).remainder(3).expand(2, 20) if labels is None else labels
    config = TrainingConfig(epochs=1, batch_size=8)
    return train_method(ensemble, torch.zeros(2, 20, 4), labels, method, config, **options)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: _train(labels=torch.full((2, 20), 3)), "labels must be whole numbers from 0 to 2"),
        (lambda: _train(labels=torch.full((2, 20), -1)), "labels must be whole numbers"),
        (lambda: _train(labels=torch.zeros(2, 20)), "must agree"),
        (lambda: _train(labels=torch.ones(2, 20, 3)), "probabilities"),
        (lambda: _train(labels=torch.full((2, 20, 4), 0.25)), "over 3 classes"),
        (lambda: _train(labels=torch.zeros(2, 19).long()), "must agree"),
        (lambda: _train(problem=torch.tensor([-1, 0])), "problem must name"),
        (lambda: _train(problem=[0.5, 1.0]), "problem must name"),
        (lambda: _train(methods.SELF_DISTILLATION, teacher=torch.zeros(2, 20, 4)), "teacher must have shape"),
        (
            lambda: _train(methods.PROGRESSIVE),
            "rule of progressive takes the settings alpha; it was given none",
        ),
        (lambda: _train(settings={"alhpa": torch.zeros(2)}), "settings none; it was given alhpa"),
        (lambda: _train(Method("mine", lambda s: [Term(s.past)])), "carry no past.*needs"),
    ],
)
def test_data_that_do_not_fit_are_refused_before_training(call, message):
    with pytest.raises(InputError, match=message):
        call()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"grid": ((("temperature", 0.0),),)}, "temperature in a candidate of mine"),
        ({"grid": ((("alpha", "1"),),)}, "finite number"),
        ({"grid": ((("alpha", np.nan),),)}, "finite number"),
        ({"grid": ({"alpha": 1.0},)}, "pairs"),
        ({"grid": ()}, "at least one candidate"),
        ({"needs": "teacher"}, "set of names"),
        ({"needs": frozenset({"crystal ball"})}, "crystal ball"),
        ({"rule": None}, "must be a function"),
        ({"grid": budget("alhpa", 0.4)}, "takes the settings none; it was given alhpa"),
        ({"rule": progressive, "grid": budget("alhpa", 0.4)}, "takes the settings alpha; it was given alhpa"),
        (
            {"rule": progressive, "grid": ((("weight_decay", 0.1),),)},
            "takes the settings alpha; it was given none",
        ),
    ],
)
def test_a_method_that_cannot_be_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        Method(**{"name": "mine", "rule": cross_entropy} | options)
