"""Train ensembles by any soft-label method: a method is one function from a batch to targets and weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..theory import ema_decay
from ..theory.validation import InputError
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
        unknown = self.needs - {"teacher", "past", "average", "uniform"}
        if unknown:
            raise InputError(
                f"{self.name} needs {', '.join(sorted(unknown))}, which is unknown. Known: teacher, past, "
                "average, uniform."
            )
        names = {frozenset(name for name, _ in candidate) for candidate in self.grid}
        if len(names) != 1:
            raise InputError(f"every candidate of {self.name}'s grid must set the same names.")


def guided_loss(guide: Guide) -> Callable[[Tensor, dict[str, Any]], Tensor]:
    """Turn a guide into the loss of one member's batch that `train` takes."""

    def loss(outputs: Tensor, given: dict[str, Any]) -> Tensor:
        if outputs.dtype in (torch.float16, torch.bfloat16):
            outputs = outputs.float()  # targets would otherwise be rounded to the outputs' few digits
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
        If the method needs a teacher and none is given, shapes do not fit, or no member fits in memory.
    """
    n_members = len(ensemble)
    problem = torch.arange(n_members) if problem is None else problem
    if problem.shape != (n_members,) or int(problem.max()) >= len(inputs):
        raise InputError(
            f"problem must name one of the {len(inputs)} problems for each of {n_members} members."
        )
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

    start = carried
    if "past" in method.needs:
        n_classes = int(outputs_on(ensemble, inputs[:, :1], problem).shape[-1])
        start = carried | {"past": torch.nn.functional.one_hot(labels[problem], n_classes).to(inputs)}
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
        self.average: Parameters = {name: p.clone() for name, p in ensemble.parameters.items()}

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


@torch.no_grad()
def outputs_on(
    ensemble: Ensemble, inputs: Tensor, problem: Tensor | None = None, batch_size: int = 1024
) -> Tensor:
    """Logits (M, n, K) of every member on the inputs (P, n, ...) of its own problem, in batches."""
    problem = torch.arange(len(ensemble)) if problem is None else problem
    problem = problem.to(ensemble.device)
    parts = torch.split(inputs.to(ensemble.device), batch_size, dim=1)
    return torch.cat([ensemble.forward(part[problem]) for part in parts], dim=1)
