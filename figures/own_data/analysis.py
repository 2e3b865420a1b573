"""A user's own data distilled: kernel, rounds, bounds and what each round keeps, as one value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from ...theory import (
    InputError,
    Spectrum,
    Trajectory,
    distill_to_tolerance,
    effective_basis_size,
    leave_one_out,
    sparsity_index,
)
from ...theory.base.validation import check_positive
from ...theory.distillation.collapse import rounds_bounds
from ...theory.estimators.selection import left_out_noise_variance, mean_squared_error
from .files import listed
from .kernels import Kernel
from .paths import Path, choose_path
from .tables import Table

# Rounds are stopped here unless the user names a number: more take minutes.
USUAL_ROUNDS = 10_000
# And here in any case: the filters of all rounds take 8 bytes a sample.
MOST_ROUNDS = 100_000
MOST_BYTES = 2**30
# Rounds among which the best is looked for.
COMPARED = 100


@dataclass(frozen=True, eq=False)
class OwnRounds:
    """Everything the command shows about one data set.

    Attributes
    ----------
    table : Table
    kernel : Kernel
    path : Path
    spectrum : Spectrum
    trajectory : Trajectory
    epsilon : float
    paper_lower, lower : float
    upper : int
        Bounds on the rounds to collapse: the paper's and ours from below, ours from above.
    basis_sizes : ndarray of int (T,)
    sparsity_indices : ndarray (T,)
    preparation : list of str
        What was done to the data first, and what is remarkable about it.
    best_round : int or None
        Round that predicts left-out samples best; None unless ε was estimated.
    """

    table: Table
    kernel: Kernel
    path: Path
    spectrum: Spectrum
    trajectory: Trajectory
    epsilon: float
    paper_lower: float
    lower: float
    upper: int
    basis_sizes: npt.NDArray[Any]
    sparsity_indices: npt.NDArray[Any]
    preparation: list[str]
    best_round: int | None = None

    @property
    def notes(self) -> list[str]:
        """What a reader should know besides the numbers."""
        run, notes = self.trajectory, list(self.preparation)
        if run.collapsed and run.rounds == 0:
            energy = self.spectrum.energy / self.spectrum.n_samples
            notes.append(
                f"Collapsed before the first round: epsilon {self.epsilon:.6g} is not below the target's "
                f"mean square {energy:.6g}, so the best fit is zero. Choose a smaller epsilon to see rounds."
            )
        if not run.collapsed:
            notes.append(
                f"Stopped after {run.rounds} rounds, not collapsed. Collapse comes after at least "
                f"{int(np.ceil(self.lower))} and at most {self.upper} rounds: see --max-rounds."
            )
        if self.spectrum.products:
            low, error = self.spectrum.condition_number_bounds[0], self.spectrum.error
            notes.append(
                f"Answered from {self.spectrum.products} products with the gram, with an estimated error of "
                f"{error.largest if error else 0:.1g}. The whole spectrum is not known: κ is at least {low:.6g}, "
                "basis sizes are lower bounds, and there is no sparsity index."
            )
        elif not np.isfinite(self.spectrum.condition_number_bounds[0]):
            notes.append(
                "The target has a part that the kernel cannot reach, so κ is infinite in the first round and "
                f"the paper's bound promises nothing. It leaves a mean squared error of "
                f"{self.spectrum.least_feasible_epsilon:.6g}: no smaller epsilon is feasible."
            )
        return notes

    def cost(self) -> dict[str, Any]:
        """Path, expected cost, and for products what they came to."""
        spent: dict[str, Any] = {}
        if self.spectrum.products:
            error = self.spectrum.error
            spent = {
                "products_made": self.spectrum.products,
                "estimated_error": error.largest if error else 0.0,
            }
        return {**self.path.to_json(), **spent}

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; what is infinite is the text "inf", what is unknown is null."""
        run, spectrum = self.trajectory, self.spectrum
        return {
            "target": self.table.target_name,
            "classes": list(self.table.classes) or None,
            "n_features": len(self.table.feature_names),
            # The columns of a gram are samples, whose names say nothing.
            "feature_names": [] if self.kernel.name == "precomputed" else list(self.table.feature_names),
            "n_samples": spectrum.n_samples,
            "n_outputs": spectrum.n_outputs,
            "kernel": {"name": self.kernel.name, **self.kernel.parameters},
            "epsilon": self.epsilon,
            "best_round": self.best_round,
            "cost": self.cost(),
            "least_feasible_epsilon": plain(
                spectrum.least_feasible_epsilon if spectrum.basis.invariant else np.nan
            ),
            "initial_ratio": spectrum.initial_ratio(self.epsilon),
            "condition_number": plain(known(spectrum.condition_number_bounds)),
            "later_condition_number": plain(
                spectrum.positive_condition_number if spectrum.basis.invariant else np.nan
            ),
            "condition_number_bounds": [plain(bound) for bound in spectrum.condition_number_bounds],
            "collapsed": run.collapsed,
            "bounds": {
                "exact": run.rounds if run.collapsed else None,
                "paper_lower": plain(self.paper_lower),
                "lower": self.lower,
                "upper": self.upper,
            },
            "rounds": [
                {
                    "round": t + 1,
                    "multiplier": float(run.multipliers[t]),
                    "target_norm": float(run.target_norms[t + 1]),
                    "ratio": float(run.ratios[t + 1]),
                    "effective_basis_size": int(self.basis_sizes[t]),
                    "sparsity_index": plain(float(self.sparsity_indices[t])),
                }
                for t in range(run.rounds)
            ],
            "notes": self.notes,
        }


def known(bounds: tuple[float, float]) -> float:
    """The value where its bounds agree, else NaN: not known."""
    return bounds[0] if bounds[0] == bounds[1] else np.nan


def plain(value: float) -> float | str | None:
    """JSON has no infinity: give it as text. What is unknown (NaN) is null."""
    if np.isnan(value):
        return None
    return value if np.isfinite(value) else str(value)


def distill_table(
    table: Table,
    kernel: Kernel,
    epsilon: float | None,
    *,
    max_rounds: int | None = None,
    standardize: bool = False,
    center: bool = False,
    announce: Callable[[Path], None] | None = None,
) -> OwnRounds:
    """Distil a table's target to the given training error, round by round until collapse.

    Parameters
    ----------
    table : Table
    kernel : Kernel
    epsilon : float or None
        Mean squared training error of every round, above 0; None takes the noise variance of the target, as
        leave-one-out estimates it, and finds the best round.
    max_rounds : int, optional
        Where to stop; otherwise at collapse, or at 10 000 rounds or 1 GiB of filters.
    standardize : bool
        Scale every feature to mean 0 and variance 1 first.
    center : bool
        Take the mean off the target first.
    announce : callable, optional
        Told the path and its cost before the work.

    Raises
    ------
    InputError
        If the kernel's matrix is no gram, the tolerance cannot be reached, or an option is out of range.
    """
    if epsilon is not None:
        hint = "It is the mean squared training error of every round."
        epsilon = check_positive(epsilon, "--epsilon", hint)
    n_samples = len(table.features)
    most = most_rounds(n_samples)
    if max_rounds is not None and max_rounds > most:
        raise InputError(
            f"--max-rounds must be at most {most} for {n_samples} samples: what is kept of every round would fill "
            "the memory. A larger --epsilon collapses sooner."
        )
    features, notes = kernel.prepare(table.features, table.feature_names, standardize=standardize)
    target = table.target - table.target.mean(axis=0) if center else table.target
    if table.classes:
        notes.append(
            f"{table.target_name!r} was taken as {len(table.classes)} classes, a column of 0 and 1 each "
            f"({listed(table.classes, 8)}); ε is the squared error of a sample, summed over them."
        )
    path = choose_path(n_samples, features.shape[1], target[:1].size, kernel.name)
    estimated = epsilon is None
    if estimated and not path.whole_spectrum:
        raise InputError(
            f"--epsilon must be given for {n_samples} samples: without it the noise is estimated by leave-one-out, "
            "which needs the whole spectrum, and that is too large here."
        )
    if announce is not None:
        announce(path)
    try:
        spectrum = find_spectrum(kernel, features, target, path)
        if epsilon is None:
            epsilon = left_out_noise_variance(spectrum)
        paper_lower, lower, upper = rounds_bounds(spectrum, epsilon)
        run = distill_to_tolerance(
            spectrum, epsilon, min(most, USUAL_ROUNDS) if max_rounds is None else max_rounds
        )
    except InputError as error:
        raise InputError(" ".join([str(error), *notes])) from None
    spectrum = run.spectrum
    best_round = None
    if estimated:
        best_round = best_left_out_round(run)
        notes.append(
            f"No --epsilon was given: {epsilon:.6g} is the noise variance of the target as leave-one-out estimates it, "
            "the least mean squared error on samples that a fit never saw, over 13 penalties and 8 rounds. It is an "
            "estimate from above."
            + (f" Of the rounds, round {best_round} predicts such samples best." if best_round else "")
            + _beside_the_mean(epsilon, table.target, center=center, standardize=standardize)
        )
    index = cast(npt.NDArray[Any], sparsity_index(run.filters, spectrum.eigenvalues))
    return OwnRounds(
        table, kernel, path, spectrum, run, epsilon, paper_lower, lower, upper,
        cast(npt.NDArray[Any], effective_basis_size(run.filters)),
        index if path.whole_spectrum else np.full(run.rounds, np.nan),
        notes, best_round,
    )  # fmt: skip


def _beside_the_mean(
    noise_variance: float, target: npt.NDArray[Any], *, center: bool, standardize: bool
) -> str:
    """What to try where the kernel predicts unseen samples no better than the target's mean does."""
    spread = float(np.sum(np.var(target, axis=0)))
    if noise_variance <= spread:
        return ""
    tries = [] if center else ["--center (takes the mean off the target)"]
    tries += [] if standardize else ["--standardize (scales every feature)"]
    return (
        f" The mean of the target alone would leave {spread:.6g}: this kernel predicts nothing of it as it stands. "
        f"Try {', '.join([*tries, 'another --gamma or --kernel'])}."
    )


def best_left_out_round(run: Trajectory) -> int | None:
    """Round that predicts samples it never saw best, among the first hundred; None if there is no round."""
    errors = left_out_errors(run)
    return int(np.argmin(errors)) + 1 if len(errors) else None


def left_out_errors(run: Trajectory) -> npt.NDArray[Any]:
    """Mean squared error of the first hundred rounds at samples that they never saw, summed over outputs."""
    ridges, targets = run.multipliers[:COMPARED], run.spectrum.targets
    if not len(ridges):
        return np.empty(0)
    left_out = leave_one_out(run.spectrum, np.maximum(ridges, np.finfo(float).tiny))
    return mean_squared_error(left_out.reshape(len(ridges), *targets.shape), targets)


def most_rounds(n_samples: int) -> int:
    """Rounds whose filters fit into memory: 8 bytes a sample and round."""
    return min(MOST_ROUNDS, max(MOST_BYTES // (8 * n_samples), 1000))


def find_spectrum(
    kernel: Kernel, features: npt.NDArray[np.float64], target: npt.NDArray[np.float64], path: Path
) -> Spectrum:
    """Spectrum of a kernel on features, which for a precomputed kernel are the gram, by the chosen path."""
    if path.kind == "factorised features":
        return Spectrum.from_features(features, target)  # small eigenvalues keep their digits
    if kernel.name == "precomputed":
        return (Spectrum.from_gram if path.whole_spectrum else Spectrum.krylov)(features, target)
    if path.whole_spectrum:
        return Spectrum.from_gram(kernel.values(features, features), target)
    return Spectrum.krylov(kernel.values, target, points=features, keep=path.kind == "products with the gram")
