"""Self-distillation as practised: accuracy of networks over many rounds, beside one round that is tuned.

Minibatches, momentum and weight decay, with squared loss and with cross-entropy, on noisy and on clean labels;
every round starts anew and learns the outputs of the last. Every seed has its own split, noise and start. Dotted
lines: one round with the weight decay, or stopped at the epoch, that noisy validation labels like best; the number
of rounds is chosen on the same labels, so that nobody knows more. Thin lines: the closed form under the network's
tangent kernel, at its start (dashes) and after the first fit (its features frozen), whose only calibrated number is
the training error of round 1. Below, how many bands of the start kernel's eigenvectors a fit still uses.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from typing import Literal

import numpy as np
import numpy.typing as npt
import xarray as xr
from matplotlib.figure import Figure

from ...empirical.data.problems import is_cifar
from ...empirical.experiments.rounds import RoundsConfig, measure_rounds
from ..claim import Claim
from ..conditions import DullRule
from ..negligible import SHARE
from ..scale import Scale
from ..style import ACCENT, BOUND, MEASURED, THEORY, band, new_figure, possible, rounds_axis

OWN_DATA = "classes"
LOSSES: tuple[Literal["squared"], Literal["cross_entropy"]] = ("squared", "cross_entropy")
SOURCE = "selfdistill.empirical.experiments.rounds.measure_rounds"
# The networks and data of the paper's own experiments, on clean labels.
PAPER: tuple[tuple[str, Literal["resnet50", "vgg"]], ...] = (("cifar10", "resnet50"), ("cifar100", "vgg"))
Values = npt.NDArray[np.float64]


def data_sets(scale: Scale) -> set[str]:
    """Names of the data that must be there besides the bundled sets."""
    return {str(config.data) for config in plan(scale) if is_cifar(config.data)}


def plan(scale: Scale) -> list[RoundsConfig]:
    """Both losses, noisy and clean labels; at full scale also the paper's networks, a job of its own a seed."""
    first = 1000 * scale.seed
    seeds = tuple(range(first, first + scale.choose(smoke=2, quick=6, thorough=120, full=40)))
    n_train, n_validation, n_test = parts(scale)
    small = [
        RoundsConfig(
            loss,
            data=scale.data or "digits",
            seeds=seeds,
            rounds=scale.choose(smoke=3, quick=10, full=20),
            n_train=n_train,
            n_validation=n_validation,
            n_test=n_test,
            label_noise=noise,
            epochs=scale.choose(smoke=5, quick=30, full=60),
            device=scale.device,
            decays=scale.choose(smoke=(2e-2,), quick=RoundsConfig.decays, full=RoundsConfig.decays),
        )
        for noise in (0.4, 0.0)
        for loss in LOSSES
    ]
    if scale.data is not None:
        return small
    images = [
        paper_run(
            RoundsConfig(loss, data=data, network=network, seeds=seeds[:3], device=scale.device)
        ).each_seed()
        for data, network in PAPER
        for loss in LOSSES
    ]
    return small + scale.choose(smoke=[], quick=[], full=list(chain.from_iterable(images)))


def parts(scale: Scale) -> tuple[int, int, int]:
    """Training, validation and test points; fewer where the reader's own data have not so many."""
    n_train = scale.choose(smoke=100, quick=300, full=600)
    n_validation = scale.choose(smoke=100, quick=200, full=200)
    n_test = scale.choose(smoke=100, quick=600, full=900)
    if scale.data is not None:
        n_train, n_validation, n_test = scale.data.sizes(n_train, n_validation, min(n_test, 400), least=20)
    return n_train, n_validation, n_test


def paper_run(config: RoundsConfig) -> RoundsConfig:
    """Return a run on CIFAR at the size of the paper: all images, clean labels, ten rounds."""
    return replace(
        config, rounds=10, n_train=50_000, n_validation=2_000, n_test=8_000, label_noise=0.0, hidden=(64,), epochs=60,
        batch_size=512, weight_decay=5e-4, decays=(0.0, 1e-4, 1e-3, 2e-3, 5e-3),
    )  # fmt: skip


def measure(scale: Scale) -> xr.Dataset:
    """All runs; those with fewer seeds or rounds are padded with NaN."""
    jobs = plan(scale)
    found: dict[str, list[xr.Dataset]] = {}
    for config, result in zip(jobs, scale.map(measure_rounds, jobs), strict=True):
        loss = "squared loss" if config.loss == "squared" else "cross-entropy"
        labels = f"{100 * config.label_noise:.0f} % noise" if config.label_noise else "clean labels"
        found.setdefault(f"{config.data}, {config.network}, {loss}, {labels}", []).append(result)
    runs = {name: xr.concat(parts, "seed") for name, parts in found.items()}
    return xr.concat(list(runs.values()), "run", join="outer").assign_coords(run=list(runs))


def chosen_on_validation(part: xr.Dataset) -> tuple[Values, Values]:
    """Test accuracy at the round with the best validation accuracy, the first of equals, and that round."""
    validation, test = (_complete(part[name]) for name in ("validation_accuracy", "test_accuracy"))
    best = validation.argmax(axis=1)
    return test[np.arange(len(test)), best], best + 1.0


def _complete(values: xr.DataArray) -> Values:
    """Seeds and rounds that the run has, without networks that diverged: (seeds, rounds)."""
    return np.asarray(values.dropna("round", how="all").dropna("seed").transpose("seed", ...).values)


def claims(data: xr.Dataset) -> list[Claim]:
    """Whether rounds help, against tuned controls; the predicted curves; what becomes of the filters."""
    return list(
        chain.from_iterable(_claims_of_run(str(run), data.sel(run=run)) for run in data["run"].values)
    )


def _claims_of_run(run: str, part: xr.Dataset) -> list[Claim]:
    accuracy = _complete(part["test_accuracy"])
    chosen, rounds = chosen_on_validation(part)
    decay, stopped = (part[f"{n}_accuracy"].dropna("seed").values for n in ("tuned_decay", "stopped_early"))
    note = (
        f"rounds chosen by seed {rounds.astype(int).tolist()} of {accuracy.shape[1]}; mean accuracy by round "
        f"{np.round(accuracy.mean(axis=0), 3).tolist()}; {int(part['diverged'].sum())} networks "
        "diverged and are left out."
    )
    found = [
        Claim.from_samples(
            "M19", f"{run}: the number of rounds that validation chooses has better test accuracy than one round",
            chosen - accuracy[:, 0], relation="≥", negligible=SHARE, source=SOURCE, note=note,
            dull_rule=DullRule.of("one round, tuned weight decay", chosen, decay, better="higher"),
        ),
        Claim.from_samples(
            "M19", f"{run}: distillation beats one round with a tuned weight decay", chosen - decay, relation="≥",
            negligible=SHARE, source=SOURCE, note=f"test accuracy {chosen.mean():.3f} against {decay.mean():.3f}.",
        ),
        Claim.from_samples(
            "M19", f"{run}: distillation beats one round stopped early", chosen - stopped, relation="≥",
            negligible=SHARE, source=SOURCE, note=f"test accuracy {chosen.mean():.3f} against {stopped.mean():.3f}.",
        ),
        Claim.from_samples(
            "M19", f"{run}: the last round has worse test accuracy than the one that validation chooses",
            accuracy[:, -1] - chosen, relation="≤", negligible=SHARE, source=SOURCE,
        ),
    ]  # fmt: skip
    return found + (_kernel_claims(run, part) if np.isfinite(part["filter_order"]).any() else [])


def _kernel_claims(run: str, part: xr.Dataset) -> list[Claim]:
    start, first = (curve_error(part, kernel) for kernel in ("start", "first fit"))
    size, order = _complete(part["basis_size"]), _complete(part["filter_order"])
    return [
        Claim.from_samples(
            "M17", f"{run}: the kernel after the first fit predicts the accuracy of every round to 5 points", first,
            relation="≤", predicted=0.05, source="selfdistill.theory.distill_with_ridge",
            dull_rule=DullRule.of("the kernel at the start", first, start, better="lower"),
            note=f"mean absolute error {_mean(first)}; the kernel at the start {_mean(start)}.",
        ),
        Claim.from_samples(
            "M16", f"{run}: a fit uses fewer of the start kernel's eigenvectors in the last round than in the first",
            size[:, -1] - size[:, 0], relation="≤", source="selfdistill.theory.effective_basis_size",
            note=f"bands of ten whose filter is above a tenth: {size[:, 0].mean():.1f} to {size[:, -1].mean():.1f}.",
        ),
        Claim.from_samples(
            "M17", f"{run}: in every round filters grow with the eigenvalues of the start kernel (rank correlation "
            "above 0, that of no order)", order.min(axis=1), relation="≥", source="selfdistill.theory.Trajectory",
            note=f"least over rounds; mean {order.mean():.2f}.",
        ),
    ]  # fmt: skip


def _mean(values: Values) -> str:
    """The mean in words; a kernel that cannot have the error of the first fit predicts nothing."""
    return f"{values.mean():.3f}" if len(values) else "unknown"


def curve_error(part: xr.Dataset, kernel: str) -> Values:
    """Mean over rounds of the absolute difference of predicted and measured test accuracy, one a seed."""
    difference = abs(part["predicted_accuracy"].sel(kernel=kernel) - part["test_accuracy"])
    return np.asarray(difference.mean("round").dropna("seed").values)


def draw(data: xr.Dataset) -> Figure:
    """Test accuracy of every run with its controls and predictions above, sizes of the basis below."""
    runs = data["run"].values
    figure, axes = new_figure(len(runs), 2, width=3.9, height=3.1)
    for i, run in enumerate(runs):
        part = data.sel(run=run)
        top, bottom = axes[0, i], axes[1, i]
        accuracy = _complete(part["test_accuracy"])
        x = np.arange(1, accuracy.shape[1] + 1)
        band(top, x, accuracy, color=MEASURED, marker="o", ms=3, label="networks, test accuracy")
        for kernel, style in (("start", "--"), ("first fit", "-")):
            predicted = part["predicted_accuracy"].sel(kernel=kernel).mean("seed").values[: len(x)]
            if np.isfinite(predicted).any():
                top.plot(x, predicted, style, color=THEORY, lw=1, label=f"predicted, kernel at {kernel}")
        for name, colour in (("tuned_decay", ACCENT), ("stopped_early", BOUND)):
            value = float(part[f"{name}_accuracy"].mean())
            top.axhline(value, color=colour, ls=":", label=f"one round, {name.replace('_', ' ')}")
        top.set(title="\n".join(str(run).rsplit(", ", 1)))
        for name, colour in (("train_accuracy", MEASURED), ("given_accuracy", THEORY)):
            label = (
                "training points, true labels"
                if name == "train_accuracy"
                else "training points, given labels"
            )
            bottom.plot(x, _complete(part[name]).mean(axis=0), "o-", ms=3, lw=1, color=colour, label=label)
        size = _complete(part["basis_size"]) if "basis_size" in part else np.empty((0, 0))
        if size.size:
            band(
                bottom,
                x,
                size / size[:, :1].clip(1),
                color=ACCENT,
                label="bands of eigenvectors in use / round 1",
            )
        possible(top)
        for axis in (top, bottom):
            rounds_axis(axis)
    axes[0, 0].set_ylabel("test accuracy")
    axes[1, 0].set_ylabel("share")
    handles = [axes[row, 0].get_legend_handles_labels() for row in (0, 1)]
    figure.legend(
        handles[0][0] + handles[1][0], handles[0][1] + handles[1][1], loc="outside lower center", ncols=4
    )
    return figure
