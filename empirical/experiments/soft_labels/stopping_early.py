"""Early stopping: the rule that anybody follows, which self-distillation must beat to be worth its price."""

from __future__ import annotations

import numpy as np
import torch

from ....theory.base.validation import Array
from ...data.problems import Split
from ...methods.training import outputs_on
from ...training.ensemble import Ensemble, Parameters


class BestOnValidation:
    """An `each_epoch` hook that keeps each member's parameters of the epoch with the least validation NLL.

    Parameters
    ----------
    split : Split
    problem : integer array (M,)
        Of each member.
    """

    def __init__(self, split: Split, problem: Array) -> None:
        self.split = split
        self.problem = torch.from_numpy(np.asarray(problem))
        self.least = torch.full((len(problem),), torch.inf)
        self.kept: dict[int, Parameters] = {}
        self.epochs = np.zeros(len(problem), np.int32)

    def __call__(self, epoch: int, members: range, ensemble: Ensemble) -> None:
        """Compare this epoch's networks with the best so far."""
        own = self.problem[members.start : members.stop]
        logits = outputs_on(ensemble, self.split.validation_inputs, own).float().cpu()
        labels = self.split.validation_labels[own]
        losses = torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), labels.flatten(), reduction="none"
        ).reshape(labels.shape)
        loss = losses.mean(dim=1)
        best = self.least[members.start : members.stop]
        better = (loss < best) | (best == torch.inf)
        best[better] = loss[better]
        self.epochs[members.start : members.stop][better.numpy()] = epoch + 1
        current = {name: p.detach() for name, p in ensemble.parameters.items()}
        if members.start not in self.kept:
            self.kept[members.start] = {name: p.clone() for name, p in current.items()}
            return
        for name, p in current.items():
            self.kept[members.start][name][better] = p[better]

    def restored(self, ensemble: Ensemble) -> Ensemble:
        """Return the ensemble with the parameters that were kept."""
        groups = [self.kept[first] for first in sorted(self.kept)]
        return ensemble.with_parameters(
            {name: torch.cat([group[name] for group in groups]) for name in ensemble.parameters}
        )
