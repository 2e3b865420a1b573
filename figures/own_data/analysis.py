"""A user's own data distilled: kernel, rounds, bounds and what each round keeps, as one value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from sklearn.metrics.pairwise import KERNEL_PARAMS, pairwise_kernels

from ...theory import (
    InputError,
    Spectrum,
    Trajectory,
    distill_to_tolerance,
    effective_basis_size,
    sparsity_index,
)
from ...theory.base.validation import check_positive
from ...theory.distillation.collapse import rounds_bounds
from .paths import Path, choose_path
from .tables import Table

KERNELS = (*sorted(KERNEL_PARAMS), "precomputed")
# Rounds are stopped here unless the user names a number: the filters of all rounds take 8 bytes a sample.
MOST_ROUNDS = 100_000
MOST_BYTES = 2**30
# Sums of squares beyond this overflow.
LARGEST_FEATURE = 1e150


@dataclass(frozen=True)
class Kernel:
    """A kernel by scikit-learn's name, with the parameters that were given.

    Attributes
    ----------
    name : str
        One of ``sklearn.metrics.pairwise``'s kernels, or ``"precomputed"``.
    parameters : dict
        gamma, degree, coef0; those left out take scikit-learn's defaults.
    """

    name: str
    parameters: dict[str, float]

    def __post_init__(self) -> None:
        if self.name not in KERNELS:
            raise InputError(f"--kernel must be one of {', '.join(KERNELS)}; got {self.name!r}.")
        takes = set(KERNEL_PARAMS.get(self.name, ()))
        for name in self.parameters:
            if name not in takes:
                accepted = ", ".join(f"--{p}" for p in sorted(takes)) or "no parameters"
                raise InputError(f"the {self.name} kernel has no parameter --{name}; it takes {accepted}.")
        for name in ("gamma", "degree"):
            if name in self.parameters:
                check_positive(self.parameters[name], f"--{name}")
        if not np.isfinite(self.parameters.get("coef0", 0.0)):
            raise InputError(f"--coef0 must be a finite number; got {self.parameters['coef0']}.")

    def path(self, features: npt.NDArray[np.float64], target: npt.NDArray[np.float64]) -> Path:
        """How the spectrum will be found, and what that costs."""
        return choose_path(len(features), features.shape[1], target[:1].size, self.name)

    def spectrum(
        self, features: npt.NDArray[np.float64], target: npt.NDArray[np.float64], path: Path
    ) -> Spectrum:
        """Spectrum of this kernel on the features (for ``precomputed``, the features are the gram)."""
        if path.kind == "factorised features":
            return Spectrum.from_features(features, target)  # small eigenvalues keep their digits
        from_gram = Spectrum.from_gram if path.whole_spectrum else Spectrum.krylov
        if self.name == "precomputed":
            return from_gram(features, target)
        if path.kind == "kernel in tiles":
            return Spectrum.krylov(self.values, target, points=features)
        return from_gram(self.values(features, features), target)

    def values(self, x: npt.NDArray[np.float64], z: npt.NDArray[np.float64]) -> npt.NDArray[Any]:
        """Kernel (len(x), len(z)) between rows, checked to be finite."""
        try:
            with np.errstate(over="ignore", invalid="ignore"):  # what comes of it is refused below
                values: npt.NDArray[Any] = pairwise_kernels(x, z, metric=self.name, **self.parameters)
        except ValueError as error:
            raise InputError(f"the {self.name} kernel cannot take these features: {error}") from None
        if np.isfinite(values).all():
            return values
        if self.parameters.get("degree", 1.0) % 1 and np.isnan(values).any():
            raise InputError(
                f"the {self.name} kernel with --degree {self.parameters['degree']:g} is no number where "
                "gamma·⟨x, x'⟩ + coef0 is negative, as it is for these features. Take a whole degree."
            )
        raise InputError(
            f"the {self.name} kernel is infinite or overflows on these features, whose values go up to "
            f"{np.abs(x).max():.3g}. Scale them down (--standardize), or choose smaller parameters."
        )


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
        Bounds on the rounds to collapse: M6, M7, M8.
    basis_sizes : ndarray of int (T,)
    sparsity_indices : ndarray (T,)
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

    @property
    def notes(self) -> list[str]:
        """What a reader should know besides the numbers."""
        run, notes = self.trajectory, []
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
            "n_features": len(self.table.feature_names),
            "feature_names": list(self.table.feature_names),
            "n_samples": spectrum.n_samples,
            "n_outputs": spectrum.n_outputs,
            "kernel": {"name": self.kernel.name, **self.kernel.parameters},
            "epsilon": self.epsilon,
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
    epsilon: float,
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
    epsilon : float
        Mean squared training error of every round, above 0.
    max_rounds : int, optional
        Where to stop; otherwise at collapse, or at 100 000 rounds or 1 GiB of filters.
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
    epsilon = check_positive(epsilon, "--epsilon", "It is the mean squared training error of every round.")
    features, target = table.features, table.target
    if kernel.name != "precomputed" and np.abs(features).max() > LARGEST_FEATURE:
        column = int(np.abs(features).max(axis=0).argmax())
        raise InputError(
            f"the feature {table.feature_names[column]!r} is too large to be squared (up to "
            f"{np.abs(features).max():.3g}): scale it down first."
        )
    if standardize:
        if kernel.name == "precomputed":
            raise InputError("--standardize scales features; a precomputed kernel has none.")
        features = standardized(features)
    if center:
        target = target - target.mean(axis=0)
    path = kernel.path(features, target)
    if announce is not None:
        announce(path)
    spectrum = kernel.spectrum(features, target, path)
    paper_lower, lower, upper = rounds_bounds(spectrum, epsilon)
    most = min(MOST_ROUNDS, max(MOST_BYTES // (8 * len(spectrum.eigenvalues)), 1))
    run = distill_to_tolerance(spectrum, epsilon, most if max_rounds is None else max_rounds)
    spectrum = run.spectrum
    index = cast(npt.NDArray[Any], sparsity_index(run.filters, spectrum.eigenvalues))
    return OwnRounds(
        table, kernel, path, spectrum, run, epsilon, paper_lower, lower, upper,
        cast(npt.NDArray[Any], effective_basis_size(run.filters)),
        index if path.whole_spectrum else np.full(run.rounds, np.nan),
    )  # fmt: skip


def standardized(features: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Every column with mean 0 and variance 1; a constant column becomes 0."""
    spread = features.std(axis=0)
    return (features - features.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
