"""Self-distillation as practised: accuracy, rank and filters of networks, round by round.

Minibatches, momentum, weight decay and noisy labels, with squared loss and with cross-entropy; every round starts
anew and learns the outputs of the last. Shown over rounds: test accuracy, training accuracy against the true and
the given labels, the effective rank of the outputs, and how far the measured filters keep the order of the
eigenvalues of the start's tangent kernel. The best round of a seed is chosen on the other seeds only, so that
choosing cannot flatter. Matched experiment 2, claims M16 and M19 on networks.
"""

from __future__ import annotations

from itertools import chain
from typing import Literal

import numpy as np
import numpy.typing as npt
import xarray as xr
from matplotlib.figure import Figure

from ...empirical.experiments.rounds import RoundsConfig, measure_rounds
from ..claim import Claim
from ..scale import Scale
from ..style import COLOURS, band, new_figure, possible, rounds_axis

LOSSES: tuple[Literal["squared"], Literal["cross_entropy"]] = ("squared", "cross_entropy")

NETWORKS: tuple[Literal["resnet18"], Literal["vgg"]] = ("resnet18", "vgg")


def data_sets(scale: Scale) -> set[str]:
    """Names of the data that must be there besides the bundled sets."""
    return {config.data for config in configs(scale)} - {"digits"}


def configs(scale: Scale) -> list[RoundsConfig]:
    """Both losses; at full scale also CIFAR-10 with a ResNet and a VGG, a unit of its own for every seed."""
    first = 1000 * scale.seed
    seeds = tuple(range(first, first + scale.choose(smoke=2, quick=20, full=20)))
    rounds = scale.choose(smoke=3, quick=20, full=20)
    digits = [
        RoundsConfig(
            loss,
            seeds=seeds,
            rounds=rounds,
            n_train=scale.choose(smoke=150, quick=400, full=800),
            n_test=scale.choose(smoke=200, quick=1000, full=900),
            epochs=scale.choose(smoke=10, quick=30, full=60),
            device=scale.device,
        )
        for loss in LOSSES
    ]
    images = [
        RoundsConfig(
            loss, data="cifar10", network=network, seeds=seeds[:3], rounds=10, n_train=50_000, n_test=10_000,
            hidden=(64,), epochs=60, batch_size=512, weight_decay=5e-4, device=scale.device,
        ).each_seed()
        for network in NETWORKS
        for loss in LOSSES
    ]  # fmt: skip
    return digits + scale.choose(smoke=[], quick=[], full=list(chain.from_iterable(images)))


def measure(scale: Scale) -> xr.Dataset:
    """All runs; those with fewer seeds or rounds are padded with NaN."""
    chosen = configs(scale)
    runs: dict[str, list[xr.Dataset]] = {}
    for config, result in zip(chosen, scale.map(measure_rounds, chosen), strict=True):
        name = f"{config.data}, {config.network}, {config.loss.replace('_', '-')}"
        runs.setdefault(name, []).append(result)
    parts = [xr.concat(results, dim="seed") for results in runs.values()]
    return xr.concat(parts, dim="run", join="outer").assign_coords(run=list(runs))


def early_and_late(accuracy: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], ...]:
    """Gain from round 1 to the best later round, and from the best earlier round to the last; one a seed.

    The best round of a seed is the one that is best on average over the others: either effect can come out
    with either sign.

    Parameters
    ----------
    accuracy : array (seeds, rounds)
    """
    others = (accuracy.sum(axis=0) - accuracy) / (len(accuracy) - 1)
    seeds = np.arange(len(accuracy))
    later = others[:, 1:].argmax(axis=1) + 1
    earlier = others[:, :-1].argmax(axis=1)
    rise = accuracy[seeds, later] - accuracy[:, 0]
    return rise, accuracy[:, -1] - accuracy[seeds, earlier], later + 1


def _complete(values: xr.DataArray) -> npt.NDArray[np.float64]:
    """Seeds and rounds that the run has, without networks that diverged: (seeds, rounds)."""
    return np.asarray(values.dropna("round", how="all").dropna("seed").values)


def claims(data: xr.Dataset) -> list[Claim]:
    """Early rise, later fall, falling rank, and the filters' order, for every run."""
    found = []
    for run in data["run"].values:
        part = data.sel(run=run)
        accuracy = _complete(part["test_accuracy"])
        rise, fall, best = early_and_late(accuracy)
        note = (
            f"best round by seed {best.tolist()} of {accuracy.shape[1]}; mean accuracy "
            f"{np.round(accuracy.mean(axis=0), 3).tolist()}; {int(part['diverged'].sum())} networks diverged and "
            "are left out."
        )
        found += [
            Claim.from_samples(
                "M19", f"{run}: test accuracy rises from round 1 to the best later round", rise, relation="≥",
                source="selfdistill.empirical.experiments.rounds.measure_rounds", note=note,
            ),
            Claim.from_samples(
                "M19", f"{run}: test accuracy falls from the best earlier round to the last", fall, relation="≤",
                source="selfdistill.empirical.experiments.rounds.measure_rounds", note=note,
            ),
        ]  # fmt: skip
        rank = _complete(part["effective_rank"])
        found.append(
            Claim.from_samples(
                "M16", f"{run}: the effective rank of the outputs falls from the first round to the last",
                rank[:, -1] - rank[:, 0], relation="≤",
                source="selfdistill.theory.effective_basis_size",
            )
        )  # fmt: skip
        if np.isfinite(part["filter_order"]).any():
            order = _complete(part["filter_order"])
            found.append(
                Claim.from_samples(
                    "M17", f"{run}: measured filters keep the order of the tangent kernel's eigenvalues in every "
                    "round (least rank correlation above 0.5)",
                    order.min(axis=1), relation="≥", predicted=0.5,
                    source="selfdistill.theory.Trajectory",
                )
            )  # fmt: skip
    return found


def draw(data: xr.Dataset) -> Figure:
    """Accuracies, effective rank and order of filters over rounds, with 95 % intervals over seeds."""
    figure, axes = new_figure(2, 2, width=4.8, height=3.4)
    panels = (
        (axes[0, 0], "test_accuracy", "Test accuracy", "accuracy"),
        (axes[0, 1], "train_accuracy", "Training accuracy: true labels (given: dotted)", "accuracy"),
        (axes[1, 0], "effective_rank", "Effective rank of the outputs", "exp(entropy of singular values)"),
        (axes[1, 1], "filter_order", "Filters against the kernel's eigenvalues", "rank correlation"),
    )
    for i, run in enumerate(data["run"].values):
        part = data.sel(run=run)
        for axis, name, title, label in panels:
            values = _complete(part[name])
            axis.set(title=title, ylabel=label)
            if values.size:
                band(axis, np.arange(1, values.shape[1] + 1), values, color=COLOURS[i % 7], marker="o", ms=3,
                     label=str(run))  # fmt: skip
        given = _complete(part["given_accuracy"])
        axes[0, 1].plot(np.arange(1, given.shape[1] + 1), given.mean(axis=0), ":", color=COLOURS[i % 7])
    for axis in axes.ravel():
        rounds_axis(axis)
    for axis in axes[0]:
        possible(axis)
    possible(axes[1, 1], -1.0, 1.0)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure
