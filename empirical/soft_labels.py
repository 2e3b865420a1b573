"""Train ensembles by any soft-label method: a method is one function from a batch to targets and weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from ..theory import ema_decay
from ..theory.validation import InputError, check_positive
from .ensemble import Ensemble, Parameters
from .losses import soft_cross_entropy
from .memory import for_members, join, member_groups
from .training import Batch, Training, TrainingConfig, train


@dataclass(frozen=True, eq=False)
class Samples:
    """A minibatch of one network, as a method sees it. Fields the method does not need are None.

    Attributes
    ----------
    labels : Tensor (b,)
        Given labels, noise included.
    progress : Tensor (b,)
        Share of the epochs done at the end of this one, t/T in (0, 1]; the same for all samples.
    settings : mapping of str to Tensor (b,)
        The method's settings, those of its grid; the same for all samples.
    logits : Tensor (b, K)
        The network's own outputs now, detached.
    teacher : Tensor (b, K)
        Logits of a trained teacher.
    past : Tensor (b, K)
        The network's own probabilities at the end of the epoch before (the labels in the first one).
    average : Tensor (b, K)
        Logits of the network's exponential moving average.
    uniform : Tensor (b,)
        Random numbers in [0, 1).
    """

    labels: Tensor
    progress: Tensor
    settings: Mapping[str, Tensor]
    logits: Tensor
    teacher: Tensor | None = None
    past: Tensor | None = None
    average: Tensor | None = None
    uniform: Tensor | None = None

    @property
    def n_classes(self) -> int:
        """K."""
        return int(self.logits.shape[-1])


@dataclass(frozen=True, eq=False)
class Term:
    """``weight · CE_τ(target, outputs)`` of each sample.

    Attributes
    ----------
    target : Tensor (b, K)
    weight : Tensor (b,) or float
        Where distillation is scaled by τ², that factor is part of it.
    temperature : Tensor (b,) or float
    """

    target: Tensor
    weight: Tensor | float = 1.0
    temperature: Tensor | float = 1.0


Guide = Callable[[Samples], Sequence[Term]]
Hook = Callable[[Batch], Batch]
EachEpoch = Callable[[int, range, Ensemble], None]


@dataclass(frozen=True)
class Method:
    """A soft-label method: where its targets come from, and the settings it is tuned over.

    Attributes
    ----------
    name : str
        As it stands in tables.
    guide : callable
        From `Samples` to the terms of the loss. Pure, importable by name, without a look at values (it runs
        under `torch.func.vmap`).
    grid : tuple of tuple of (str, float)
        Settings to tune over, one tuple of (name, value) pairs a candidate. ``weight_decay`` is the
        optimiser's, the rest is handed to the guide.
    needs : frozenset of str
        Which of "teacher", "past", "average" and "uniform" the guide uses.
    """

    name: str
    guide: Guide
    grid: tuple[tuple[tuple[str, float], ...], ...] = ((),)
    needs: frozenset[str] = field(default_factory=frozenset)

    def __post_init__(self) -> None:
        if not callable(self.guide):
            raise InputError(f"the guide of {self.name} must be a function of Samples; got {self.guide!r}.")
        needs: object = self.needs
        if isinstance(needs, str):  # its letters would pass for names
            raise InputError(f"needs must be a set of names, such as frozenset({{{self.needs!r}}}).")
        unknown = set(self.needs) - {"teacher", "past", "average", "uniform"}
        if unknown:
            raise InputError(
                f"{self.name} needs {', '.join(sorted(unknown))}, which is unknown. Known: teacher, past, "
                "average, uniform."
            )
        if not isinstance(self.grid, tuple) or not self.grid:
            raise InputError(f"the grid of {self.name} must be a tuple of at least one candidate.")
        for candidate in self.grid:
            _check_candidate(candidate, f"a candidate of {self.name}")
        names = {frozenset(name for name, _ in candidate) for candidate in self.grid}
        if len(names) != 1:
            raise InputError(f"every candidate of {self.name}'s grid must set the same names.")


def _check_candidate(candidate: Any, name: str) -> None:
    """Raise unless a candidate is made of (name, finite number) pairs that no loss would refuse."""
    if not isinstance(candidate, tuple) or not all(isinstance(p, tuple) and len(p) == 2 for p in candidate):
        raise InputError(f"{name} must be a tuple of (name, value) pairs; got {candidate!r}.")
    for setting, value in candidate:
        if isinstance(value, str) or not np.isfinite(value):
            raise InputError(f"{setting} in {name} must be a finite number; got {value!r}.")
        if setting == "temperature":
            check_positive(value, f"temperature in {name}")


class _Recorded(dict[str, Tensor]):
    """Settings that note which of them are read."""

    def __init__(self, values: Mapping[str, Tensor], read: set[str]) -> None:
        super().__init__(values)
        self.read = read

    def __getitem__(self, name: str) -> Tensor:
        self.read.add(name)
        return super().__getitem__(name)


def guided_loss(guide: Guide, read: set[str] | None = None) -> Callable[[Tensor, dict[str, Any]], Tensor]:
    """Turn a guide into the loss of one member's batch that `train` takes; note in `read` which settings it reads."""

    def loss(outputs: Tensor, given: dict[str, Any]) -> Tensor:
        if read is not None:
            given = given | {"settings": _Recorded(given["settings"], read)}
        terms = guide(Samples(logits=outputs.detach(), **given))
        total = torch.zeros(outputs.shape[0], device=outputs.device)
        for term in terms:
            tau = term.temperature
            scaled = outputs / (tau.unsqueeze(-1) if isinstance(tau, Tensor) else tau)
            total = total + term.weight * soft_cross_entropy(
                scaled, term.target, reduction="none", check=False
            )
        return total.mean()

    return loss


def check_guide(method: Method, outputs: Tensor, given: dict[str, Any]) -> None:
    """Run a guide on a small batch, as training will, before any training.

    Parameters
    ----------
    method : Method
    outputs : Tensor (M, b, K)
    given : dict
        What the samples of the batch carry, (M, b, …) each.

    Raises
    ------
    InputError
        If the guide breaks, returns no terms, or leaves a setting unread, which would then be tuned in vain.
    """
    read: set[str] = set()
    try:
        torch.func.vmap(guided_loss(method.guide, read))(outputs, given)
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"the guide of {method.name} cannot be used ({type(error).__name__}: {error}). It takes Samples and "
            f"returns a list of Terms without looking at values; of teacher, past, average and uniform it has "
            f"{', '.join(sorted(method.needs)) or 'none'}, as its method's needs say, and the settings are "
            f"{', '.join(sorted(given['settings'])) or 'none'}."
        ) from error
    unread = sorted(set(given["settings"]) - read)
    if unread:
        raise InputError(
            f"the guide of {method.name} never reads {', '.join(unread)}: is a name in its grid misspelt? "
            f"It reads {', '.join(sorted(read)) or 'no setting'}; weight_decay is the optimiser's."
        )


def train_method(
    ensemble: Ensemble,
    inputs: Tensor,
    labels: Tensor,
    method: Method,
    config: TrainingConfig,
    *,
    settings: Mapping[str, Tensor] | None = None,
    problem: Tensor | None = None,
    teacher: Tensor | None = None,
    augment: Callable[[], Hook] | None = None,
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
    labels : Tensor (P, n)
        Integers.
    method : Method
    config : TrainingConfig
    settings : mapping of str to Tensor (M,), optional
        What the guide reads, a value a member.
    problem : Tensor (M,), optional
        Which problem each member learns; member i learns problem i if not given.
    teacher : Tensor (M, n, K), optional
        Teacher's logits on each member's training inputs.
    augment : callable, optional
        Makes a `prepare` hook that changes a batch's inputs, such as `cifar.CropAndFlip`; one a group of
        members. Teachers and past outputs are those of the unchanged inputs.
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
        If the method needs a teacher and none is given, its guide cannot be used, shapes or labels do not
        fit, or no member fits in memory.
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
        raise InputError(f"{method.name} learns from a teacher: give its logits (members, samples, classes).")
    data = inputs.to(ensemble.device), labels.to(ensemble.device)

    def train_group(members: range) -> Training:
        part = slice(members.start, members.stop)
        return _train_group(
            ensemble.select(members), *data, method, for_members(config, members),
            settings={name: value[part] for name, value in (settings or {}).items()}, problem=problem[part],
            teacher=teacher[part] if teacher is not None and "teacher" in method.needs else None,
            augment=augment() if augment else None,
            each_epoch=partial(_tell, each_epoch, members) if each_epoch else None,
        )  # fmt: skip

    return join([train_group(members) for members in member_groups(ensemble, data[0][0], config, memory)])


def _check_data(ensemble: Ensemble, inputs: Tensor, labels: Tensor, teacher: Tensor | None) -> None:
    """Raise unless labels are classes that the networks know, one a sample, and the teacher answers for all."""
    if labels.shape != inputs.shape[:2] or not labels.numel():
        raise InputError(
            f"inputs (problems, samples, …) and labels (problems, samples) must agree and hold samples; got "
            f"{tuple(inputs.shape)} and {tuple(labels.shape)}."
        )
    n_classes = int(ensemble.predict(inputs[0, :1]).shape[-1])
    if labels.dtype.is_floating_point or not 0 <= int(labels.min()) <= int(labels.max()) < n_classes:
        raise InputError(
            f"labels must be whole numbers from 0 to {n_classes - 1}, the networks' outputs; got "
            f"{labels.min().item()} … {labels.max().item()} of {labels.dtype}."
        )
    expected = (len(ensemble), labels.shape[1], n_classes)
    if teacher is not None and teacher.shape != expected:
        raise InputError(
            f"teacher must have shape (members, samples, classes) = {expected}; got {tuple(teacher.shape)}."
        )


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
    teacher: Tensor | None,
    augment: Hook | None,
    each_epoch: Callable[[int, Ensemble], None] | None,
) -> Training:
    device, n_samples = ensemble.device, inputs.shape[1]
    problem = problem.to(device)
    sources = _Sources(ensemble, method, config.epochs)
    carried: dict[str, Any] = {
        "labels": labels[problem],
        "settings": {k: v.to(device)[:, None].expand(-1, n_samples) for k, v in settings.items()},
    }
    if teacher is not None:
        carried["teacher"] = teacher.to(device)

    def prepare(batch: Batch) -> Batch:
        own = replace(batch, inputs=inputs[problem[:, None], batch.index])
        if augment is not None:
            own = augment(own)
        return replace(own, targets={**batch.targets, **sources(own)})

    def after_epoch(epoch: int, current: Ensemble) -> dict[str, Any] | None:
        if each_epoch is not None:
            each_epoch(epoch, current)
        if "past" not in method.needs:
            return None
        return carried | {"past": outputs_on(current, inputs, problem).softmax(dim=-1)}

    few = inputs[problem, :2]
    first = outputs_on(ensemble, inputs[:, :2], problem)
    start = carried
    if "past" in method.needs:
        start = carried | {"past": torch.nn.functional.one_hot(labels[problem], first.shape[-1]).to(inputs)}
    index = torch.arange(few.shape[1], device=device).expand(len(ensemble), -1)
    trial = Batch(ensemble, index, few, tree_map(lambda t: t[:, :2], start), 0, 0)
    check_guide(method, first, {**trial.targets, **_Sources(ensemble, method, config.epochs)(trial)})
    return train(
        ensemble, inputs[0], start, guided_loss(method.guide), config, prepare=prepare,
        each_epoch=after_epoch,
    )  # fmt: skip


class _Sources:
    """What a batch carries that changes from step to step: progress, random numbers, the moving average."""

    def __init__(self, ensemble: Ensemble, method: Method, epochs: int) -> None:
        self.epochs = epochs
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
                share = 1 - ema_decay(batch.step)
                for name, p in batch.ensemble.parameters.items():
                    self.average[name].lerp_(p.detach(), share)
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
