"""Where networks learn and how: the problems, the architecture and the optimiser that all students share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from ....theory.base.validation import Array, InputError, check_choice, check_count, check_nonnegative
from ...data.cifar import CropAndFlip
from ...data.problems import Problems, Split
from ...methods.catalogue import METHODS
from ...methods.method import Method
from ...methods.training import EachEpoch, Hook, Past, outputs_on, train_method
from ...training.architectures import Network, check_widths, initialise
from ...training.ensemble import Ensemble
from ...training.members import TrainingConfig

Augmentation = Literal["none", "shift", "crop and flip"]
_HOOKS: dict[Augmentation, Callable[[], Hook] | None] = {
    "none": None,
    "shift": partial(CropAndFlip, padding=1, mirrors=False),
    "crop and flip": CropAndFlip,
}


@dataclass(frozen=True)
class Comparison:
    """Where methods are compared.

    Attributes
    ----------
    problems : Problems
        Its seeds redraw the split as well as initialisations and minibatches.
    methods : tuple of Method
        What `comparison.compare` tunes and tests. Cross-entropy is added if missing: its networks are the
        teachers.
    network : str
        Architecture, one of `architectures.Network`.
    hidden : tuple of int
        Widths, as `architectures.build_network` takes them.
    epochs, batch_size, learning_rate
        Of SGD with momentum 0.9 and a cosine schedule, for all methods.
    decay_scale : float
        Multiplies every weight decay: grids and experiments name those of small networks on digits.
    device : str
        On a GPU, in mixed precision.
    augmentation : {"none", "shift", "crop and flip"}
        Of training images: shifts by up to one pixel, or CIFAR's by up to four with mirroring.
    teacher_sees : {"batch", "images"}
        What a teacher's soft labels are its outputs on: the student's own augmented batch, or the images as
        they are.
    past : {"training pass", "end of epoch"}
        Which outputs of the last epoch progressive methods learn from: those computed while training on the
        (augmented) batch, or those of the network at the epoch's end on the images as they are.
    tuning_seeds : tuple of int
        Problems on which `comparison.compare` settles hyper-parameters; none of them is among those that are
        tested.
    """

    problems: Problems = field(default_factory=Problems)
    methods: tuple[Method, ...] = METHODS
    network: Network = "mlp"
    hidden: tuple[int, ...] = (64, 64)
    epochs: int = 40
    batch_size: int = 100
    learning_rate: float = 0.05
    decay_scale: float = 1.0
    device: str = "cpu"
    augmentation: Augmentation = "none"
    teacher_sees: Literal["batch", "images"] = "batch"
    past: Past = "training pass"
    tuning_seeds: tuple[int, ...] = (900_000, 900_001)

    def __post_init__(self) -> None:
        check_widths(self.network, self.hidden)
        check_count(self.epochs, "epochs")
        check_nonnegative(self.decay_scale, "decay_scale")
        check_choice(self.augmentation, "augmentation", tuple(_HOOKS))
        check_choice(self.teacher_sees, "teacher_sees", ("batch", "images"))
        check_choice(self.past, "past", get_args(Past))
        names = [method.name for method in self.methods]
        if len(set(names)) < len(names):
            raise InputError(f"methods need names of their own; got {', '.join(names)}.")
        shared = set(self.tuning_seeds) & set(self.problems.seeds)
        if shared:
            raise InputError(
                f"seeds {sorted(shared)} are among tuning_seeds: what was tuned on a problem cannot be tested on it."
            )
        self.training()

    def training(self, weight_decay: Sequence[float] | float = 0.0) -> TrainingConfig:
        """Return how every network is trained."""
        return TrainingConfig(
            epochs=self.epochs, batch_size=self.batch_size, learning_rate=self.learning_rate,
            weight_decay=weight_decay, schedule="cosine", mixed_precision=self.device.startswith("cuda"),
        )  # fmt: skip

    def in_parts(self, seeds: int) -> list[Comparison]:
        """Return comparisons of so many seeds each: a seed's numbers do not depend on its company."""
        own = self.problems.seeds
        chunks = [own[i : i + seeds] for i in range(0, len(own), seeds)]
        return [replace(self, problems=replace(self.problems, seeds=chunk)) for chunk in chunks]

    def for_tuning(self) -> Comparison:
        """Return the same comparison on the problems of the tuning seeds."""
        return replace(self, problems=replace(self.problems, seeds=self.tuning_seeds), tuning_seeds=())

    def each_seed(self) -> list[Comparison]:
        """Return one comparison a seed."""
        return self.in_parts(1)


@dataclass(frozen=True, eq=False)
class Trained:
    """Networks trained by a method, and the problem of each (M,)."""

    method: Method
    ensemble: Ensemble
    problem: Tensor

    def logits(self, inputs: Tensor) -> Tensor:
        """Outputs (M, n, K) on inputs (P, n, ...) of the problems, brought to the CPU."""
        return outputs_on(self.ensemble, inputs, self.problem).cpu()

    def probabilities(self, inputs: Tensor) -> Array:
        """Outputs (M, n, K) as probabilities, in double precision."""
        return np.asarray(self.logits(inputs).double().softmax(-1).numpy())

    def chosen(self, members: Sequence[int] | Array) -> Trained:
        """Some of the networks."""
        places = [int(i) for i in members]
        return Trained(self.method, self.ensemble.select(places), self.problem[torch.tensor(places)])


def train_members(
    comparison: Comparison,
    split: Split,
    method: Method,
    settings: Mapping[str, Array],
    problem: Array,
    *,
    teacher: Ensemble | Tensor | None = None,
    start: int | Array = 0,
    each_epoch: EachEpoch | None = None,
) -> Trained:
    """Train one network for each entry of `problem`.

    Parameters
    ----------
    settings : mapping of str to array (M,)
        ``weight_decay`` is the optimiser's (times `decay_scale`), the rest the rule's.
    problem : integer array (M,)
    teacher : Ensemble of M members or Tensor (M, n, K), optional
        Each member's teacher, or its logits on the member's training inputs.
    start : int or integer array (M,)
        Number of the initialisation: members on one problem with one number share initialisation and
        minibatches.
    each_epoch : callable, optional
        As `train_method` takes it.
    """
    values = {name: torch.tensor(np.array(v, np.float32)) for name, v in settings.items()}
    decay = values.pop("weight_decay", torch.zeros(len(problem))) * comparison.decay_scale
    index = torch.from_numpy(np.asarray(problem))
    starts = np.broadcast_to(start, len(problem))
    seeds = [comparison.problems.seeds[i] + 10_000_000 * int(s) for i, s in zip(problem, starts, strict=True)]
    hook = _HOOKS[comparison.augmentation]
    if isinstance(teacher, Ensemble) and (hook is None or comparison.teacher_sees == "images"):
        teacher = outputs_on(teacher, split.inputs, index)  # the same every epoch: computed once
    run = train_method(
        fresh(comparison, split, seeds), split.inputs, split.labels, method, comparison.training(decay.tolist()),
        settings=values, problem=index, teacher=teacher, augment=hook, past=comparison.past,
        each_epoch=each_epoch,
    )  # fmt: skip
    return Trained(method, run.ensemble, index)


def fresh(comparison: Comparison, split: Split, seeds: Sequence[int]) -> Ensemble:
    """Networks at their initialisation, one a seed."""
    shape: Any = tuple(split.inputs.shape[2:])
    return initialise(comparison.network, shape, split.n_classes, comparison.hidden, seeds, comparison.device)
