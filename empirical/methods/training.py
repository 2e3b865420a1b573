"""Train ensembles by any soft-label method."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor

from ...theory import ema_decay
from ...theory.base.probabilities import check_probabilities, one_hot
from ...theory.base.validation import InputError
from ..training.ensemble import Ensemble, Parameters
from ..training.members import Batch, Training, TrainingConfig, rows_of, train
from ..training.memory import for_members, join, member_groups
from .method import Method, rule_loss

Hook = Callable[[Batch], Batch]
EachEpoch = Callable[[int, range, Ensemble], None]
Past = Literal["training pass", "end of epoch"]
# The authors' moving average remembers 1000 of some 59,000 steps.
REMEMBERED = 1 / 60


def train_method(
    ensemble: Ensemble,
    inputs: Tensor,
    labels: Tensor,
    method: Method,
    config: TrainingConfig,
    *,
    settings: Mapping[str, Tensor] | None = None,
    problem: Tensor | None = None,
    teacher: Tensor | Ensemble | None = None,
    augment: Callable[[], Hook] | None = None,
    past: Past = "training pass",
    each_epoch: EachEpoch | None = None,
    memory: float | None = None,
) -> Training:
    """Train every member by a soft-label method, in as few groups of members as fit in memory.

    Parameters
    ----------
    ensemble : Ensemble
        M members.
    inputs : Tensor (P, n, ...)
        Training inputs of P problems (splits, draws of a training set).
    labels : Tensor
        Integers (P, n) or distributions (P, n, K).
    method : Method
    config : TrainingConfig
    settings : mapping of str to Tensor (M,), optional
        Those of the rule, a value a member.
    problem : Tensor (M,), optional
        Which problem each member learns; member i learns problem i if not given.
    teacher : Tensor (M, n, K) or Ensemble, optional
        Teacher's logits on each member's training inputs, as they are; or M teachers, each of which sees the
        member's own batches, augmented as they are.
    augment : callable, optional
        Makes a `prepare` hook that changes a batch's inputs, such as `cifar.CropAndFlip`; one a group of
        members.
    past : {"training pass", "end of epoch"}
        Which outputs of the epoch before a method that learns from them is given: those of the network as it
        was when it trained on the sample, on the augmented input (Kim et al. 2021), or those of the network at
        the epoch's end on the unchanged inputs.
    each_epoch : callable, optional
        Told (epoch, members, ensemble) after every epoch: `members` is the range of those in the group.
    memory : float, optional
        Bytes that training may take; 80 % of what the device has free if not given.

    Returns
    -------
    Training

    Raises
    ------
    InputError
        If the method needs a teacher and none is given, settings are not those of its rule, shapes or
        labels do not fit, or no member fits in memory.
    """
    n_members = len(ensemble)
    problem = torch.arange(n_members) if problem is None else torch.as_tensor(problem)
    if (
        problem.shape != (n_members,)
        or problem.dtype.is_floating_point
        or not set(problem.tolist()) <= set(range(len(inputs)))
    ):
        raise InputError(
            f"problem must name one of the {len(inputs)} problems for each of {n_members} members."
        )
    _check_data(ensemble, inputs, labels, teacher)
    if "teacher" in method.needs and teacher is None:
        raise InputError(f"{method.name} learns from a teacher: give the teachers, or their logits.")
    method.check_settings(frozenset(settings or {}))
    data = (
        inputs.to(ensemble.device),
        (labels if labels.is_floating_point() else labels.long()).to(ensemble.device),
    )

    def train_group(members: range) -> Training:
        part = slice(members.start, members.stop)
        return _train_group(
            ensemble.select(members), *data, method, for_members(config, members),
            settings={name: value[part] for name, value in (settings or {}).items()}, problem=problem[part],
            teacher=_members_of(teacher, part) if "teacher" in method.needs else None,
            augment=augment() if augment else None, past=past,
            each_epoch=partial(_tell, each_epoch, members) if each_epoch else None,
        )  # fmt: skip

    return join([train_group(members) for members in member_groups(ensemble, data[0][0], config, memory)])


def _members_of(teacher: Tensor | Ensemble | None, part: slice) -> Tensor | Ensemble | None:
    return (
        teacher.select(part) if isinstance(teacher, Ensemble) else None if teacher is None else teacher[part]
    )


def _check_data(
    ensemble: Ensemble, inputs: Tensor, labels: Tensor, teacher: Tensor | Ensemble | None
) -> None:
    """Raise unless labels are classes that the networks know, one a sample, and the teacher answers for all."""
    soft = labels.is_floating_point()
    if labels.shape[: labels.ndim - soft] != inputs.shape[:2] or not labels.numel():
        raise InputError(
            f"inputs (problems, samples, …) and labels (problems, samples) must agree and hold samples; got "
            f"{tuple(inputs.shape)} and {tuple(labels.shape)}."
        )
    n_classes = int(ensemble.predict(inputs[0, :1]).shape[-1])
    if soft:
        check_probabilities(labels, "labels")
        if labels.shape[-1] != n_classes:
            raise InputError(
                f"labels must be distributions over {n_classes} classes; got {tuple(labels.shape)}."
            )
    elif not 0 <= int(labels.min()) <= int(labels.max()) < n_classes:
        raise InputError(
            f"labels must be whole numbers from 0 to {n_classes - 1}, the networks' outputs; got "
            f"{labels.min().item()} … {labels.max().item()} of {labels.dtype}."
        )
    expected: tuple[int, ...] = (len(ensemble), labels.shape[1], n_classes)
    given: tuple[int, ...]
    if isinstance(teacher, Ensemble):
        if len(teacher) != len(ensemble):
            raise InputError(f"{len(ensemble)} members need a teacher each; got {len(teacher)}.")
        given = (len(teacher), labels.shape[1], int(teacher.predict(inputs[0, :1]).shape[-1]))
    else:
        given = expected if teacher is None else tuple(teacher.shape)
    if given != expected:
        raise InputError(f"teacher must have shape (members, samples, classes) = {expected}; got {given}.")


def _tell(each_epoch: EachEpoch, members: range, epoch: int, ensemble: Ensemble) -> None:
    each_epoch(epoch, members, ensemble)


def _train_group(
    ensemble: Ensemble,
    inputs: Tensor,
    labels: Tensor,
    method: Method,
    config: TrainingConfig,
    *,
    settings: Mapping[str, Tensor],
    problem: Tensor,
    teacher: Tensor | Ensemble | None,
    augment: Hook | None,
    past: Past,
    each_epoch: Callable[[int, Ensemble], None] | None,
) -> Training:
    device, n_samples = ensemble.device, inputs.shape[1]
    problem = problem.to(device)
    places = torch.arange(len(ensemble), device=device)[:, None]
    all_inputs, starts = inputs.flatten(0, 1), problem[:, None] * n_samples
    sources = _Sources(ensemble, method, config, n_samples)
    carried: dict[str, Any] = {
        "labels": labels[problem],
        "settings": {k: v.to(device)[:, None].expand(-1, n_samples) for k, v in settings.items()},
    }
    if isinstance(teacher, Tensor):
        carried["teacher"] = teacher.to(device)
    remembered: Tensor | None = None  # outputs of this epoch's training passes
    if "past" in method.needs:
        n_classes = outputs_on(ensemble, inputs[:, :1], problem).shape[-1]
        given = carried["labels"]
        soft = given.is_floating_point()
        carried["past"] = given if soft else one_hot(given, n_classes, like=inputs, check=False)
        remembered = torch.empty_like(carried["past"]) if past == "training pass" else None

    def prepare(batch: Batch) -> Batch:
        own = replace(batch, inputs=rows_of(all_inputs, batch.index + starts))
        if augment is not None:
            own = augment(own)
        if remembered is not None:
            remembered[places, batch.index] = (
                batch.ensemble.forward(own.inputs).softmax(dim=-1).to(remembered)
            )
        seen = {"teacher": teacher.evaluate(own.inputs)} if isinstance(teacher, Ensemble) else {}
        return replace(own, targets={**batch.targets, **seen, **sources(own)})

    def after_epoch(epoch: int, current: Ensemble) -> dict[str, Any] | None:
        if each_epoch is not None:
            each_epoch(epoch, current)
        if "past" not in method.needs:
            return None
        if remembered is not None:
            return carried | {"past": remembered.clone()}
        return carried | {"past": outputs_on(current, inputs, problem).softmax(dim=-1)}

    return train(
        ensemble, inputs[0], carried, rule_loss(method.rule), config, prepare=prepare,
        each_epoch=after_epoch,
    )  # fmt: skip


class _Sources:
    """What a batch carries that changes from step to step: progress, random numbers, the moving average.

    The average's decay ends where it remembers a sixtieth of the run's steps, as the authors' does: with their
    0.999 a run of some hundred steps would end in the plain mean of all weights since the start.
    """

    def __init__(self, ensemble: Ensemble, method: Method, config: TrainingConfig, n_samples: int) -> None:
        self.epochs = max(1, config.epochs)
        steps = self.epochs * -(-n_samples // config.batch_size)
        self.largest_decay = min(0.999, max(0.0, 1 - 1 / (REMEMBERED * steps)))
        self.needs = method.needs
        # Offset, so that targets and minibatches do not share a member's random numbers.
        self.generators = [torch.Generator().manual_seed(seed + 2**32) for seed in ensemble.seeds]
        self.average: Parameters = {}
        if "average" in method.needs:
            self.average = {name: p.clone() for name, p in ensemble.parameters.items()}

    def __call__(self, batch: Batch) -> dict[str, Tensor]:
        size = batch.index.shape
        device = batch.index.device
        carried = {"progress": torch.full(size, (batch.epoch + 1) / self.epochs, device=device)}
        if "uniform" in self.needs:
            drawn = torch.stack([torch.rand(size[1], generator=g) for g in self.generators])
            carried["uniform"] = drawn.to(device)
        if "average" in self.needs:
            if batch.step:
                # AveragedModel averages modules; members are stacked arrays of parameters.
                now = [batch.ensemble.parameters[name].detach() for name in self.average]
                share = 1 - ema_decay(batch.step, self.largest_decay)
                torch._foreach_lerp_(list(self.average.values()), now, share)
            carried["average"] = batch.ensemble.forward(batch.inputs, self.average)
        return carried


def outputs_on(
    ensemble: Ensemble, inputs: Tensor, problem: Tensor | None = None, batch_size: int = 1024
) -> Tensor:
    """Logits (M, n, K) of every member on the inputs (P, n, ...) of its own problem, in batches."""
    problem = torch.arange(len(ensemble)) if problem is None else problem
    problem = problem.to(ensemble.device)
    parts = torch.split(inputs.to(ensemble.device), batch_size, dim=1)
    return torch.cat([ensemble.evaluate(part[problem]) for part in parts], dim=1)
