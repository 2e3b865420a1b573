"""Which samples a progressive run weighs less and more, epoch by epoch: the gradient of each, measured."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from ....theory import gradient_rescaling, progressive_weight
from ....theory.base.validation import check_fraction, check_nonnegative
from ...data.problems import Split, draw_problems
from ...methods.catalogue import CROSS_ENTROPY, PROGRESSIVE
from ...methods.method import Method
from ...methods.training import outputs_on
from ...training.ensemble import Ensemble
from .setup import Comparison, train_members

QUARTERS = ("easiest", "second", "third", "hardest")


@dataclass(frozen=True)
class HardExamples:
    """A progressive run, and a plain one that tells which samples are hard.

    Attributes
    ----------
    comparison : Comparison
    alpha : float
        Final weight of the past.
    weight_decay : float
    """

    comparison: Comparison = field(default_factory=Comparison)
    alpha: float = 0.8
    weight_decay: float = 5e-4

    def __post_init__(self) -> None:
        check_fraction(self.alpha, "alpha")
        check_nonnegative(self.weight_decay, "weight_decay")


def measure_hard_examples(config: HardExamples) -> xr.Dataset:
    """Medians over quarters of the training samples, from the easiest to the hardest, epoch by epoch.

    How hard a sample is, a cross-entropy network of another initialisation says: by the mean over its epochs of
    what it leaves of the label's probability.

    Returns
    -------
    xarray.Dataset
        Over (quarter, epoch, seed), for epochs from the second on: ``gradient``, the L1 norm of a sample's
        gradient in the logits over that of cross-entropy, with the past that the epoch was given and the network
        at its end; ``factor``, that of the closed form at the label; ``probability``, of the label. Over (epoch,
        seed): ``share_exact``, of samples where the closed form promises the whole gradient, and ``excess``, the
        largest distance of the two there (in units of the gradient of cross-entropy).
    """
    comparison = replace(config.comparison, past="end of epoch")
    split = draw_problems(comparison.problems)
    plain = _outputs(comparison, split, CROSS_ENTROPY, {"weight_decay": config.weight_decay}, start=1)
    settings = {"weight_decay": config.weight_decay, "alpha": config.alpha}
    own = _outputs(comparison, split, PROGRESSIVE, settings, start=0)
    tables = [_one_problem(config, split.labels[i], plain[:, i], own[:, i]) for i in range(len(split.inputs))]
    seeds = np.array(comparison.problems.seeds, np.int32)
    return xr.concat(tables, dim="seed").assign_coords(seed=seeds)


def _outputs(
    comparison: Comparison, split: Split, method: Method, settings: dict[str, float], start: int
) -> Tensor:
    """Probabilities (epochs, P, n, K) on the training samples after every epoch."""
    members = np.arange(len(split.inputs))
    values = {name: np.full(len(members), value) for name, value in settings.items()}
    epochs: dict[int, list[Tensor]] = {}

    def record(epoch: int, group: range, ensemble: Ensemble) -> None:
        outputs = outputs_on(ensemble, split.inputs, torch.tensor(list(group)))
        epochs.setdefault(epoch, []).append(outputs.double().softmax(-1).cpu())

    train_members(comparison, split, method, values, members, start=start, each_epoch=record)
    return torch.stack([torch.cat(groups) for _, groups in sorted(epochs.items())])


def _one_problem(config: HardExamples, labels: Tensor, plain: Tensor, own: Tensor) -> xr.Dataset:
    rows = torch.arange(len(labels))
    hardness = 1 - plain[:, rows, labels].mean(dim=0)
    quarters = np.array_split(torch.argsort(hardness).numpy(), len(QUARTERS))
    hot = torch.nn.functional.one_hot(labels, own.shape[-1]).double()
    columns: dict[str, list[float] | list[list[float]]] = {}
    found = []
    for epoch in range(1, len(own)):
        alpha = progressive_weight(epoch + 1, len(own), config.alpha)
        past, now = own[epoch - 1], own[epoch]
        target = (1 - alpha) * hot + alpha * past
        left = 2 * (1 - now[rows, labels])  # the L1 norm of cross-entropy's own gradient
        gradient = ((now - target).abs().sum(dim=-1) / left).numpy()
        factor = gradient_rescaling(past[rows, labels].numpy(), now[rows, labels].numpy(), alpha)
        # The closed form promises the whole gradient where no wrong class is asked for more than it has.
        wrong = torch.where(hot.bool(), torch.inf, now / past)
        exact = (alpha <= wrong.min(dim=-1).values).numpy() & (left > 1e-9).numpy()
        excess = np.abs(gradient - np.abs(factor))[exact].max(initial=0.0)
        found.append((gradient, factor, now[rows, labels].numpy(), exact.mean(), excess))
    names = ("gradient", "factor", "probability")
    columns = {
        name: [[float(np.median(step[i][quarter])) for step in found] for quarter in quarters]
        for i, name in enumerate(names)
    }
    return xr.Dataset(
        {name: (("quarter", "epoch"), np.array(values)) for name, values in columns.items()}
        | {"share_exact": ("epoch", np.array([step[3] for step in found])),
           "excess": ("epoch", np.array([step[4] for step in found]))},
        coords={"quarter": list(QUARTERS), "epoch": np.arange(2, len(own) + 1, dtype=np.int32)},
    )  # fmt: skip
