"""How the targets' energy lies over the eigenvalues: all that a schedule, a bound or a condition number asks for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..base.arrays import to_host
from ..base.validation import Array, InfeasibleToleranceError, InputError, check_positive
from .bases import Basis

# Squared norm over budget, beyond which the multipliers of a run are no numbers.
_LARGEST_RATIO = 1e280


@dataclass(frozen=True, eq=False)
class TargetMeasure:
    """Eigenvalues of ``gram / n`` and the targets' energy along each, and what follows from the two.

    Attributes
    ----------
    eigenvalues : ndarray (m,)
        Eigenvalues d_k of ``gram / n``, ascending; exactly 0 where they are below rounding.
    coefficients : ndarray (m, k)
        ``z = Vᵀ y``, one column an output.
    targets : array (n, k)
        The targets that were given.
    basis : Basis
        The eigenvectors V, in one of four forms; see `theory.spectra.bases`. What `Basis.expand` returns is of
        the kind, device and precision of what was factorised; the rest is NumPy float64. From features or
        tensors in float32 multipliers and fitted values have relative errors of the order of ``1e-6 · d_max / c``;
        a NumPy gram in float32 is factorised in double precision, and they are right to about 1e-6.
    outside_energy : float
        Squared norm of the part of the targets outside the directions of `basis`, which no fit reaches.
    single_output : bool
        Whether the targets came as (n,), so that results go back as (n,).
    """

    eigenvalues: Array
    coefficients: Array
    targets: Array
    basis: Basis
    outside_energy: float
    single_output: bool

    @property
    def n_samples(self) -> int:
        """Number of training points n."""
        return len(self.targets)

    @property
    def n_outputs(self) -> int:
        """Number of outputs k."""
        return int(self.targets.shape[1])

    @cached_property
    def weights(self) -> Array:
        """Squared norm of the targets along each eigenvector, summed over outputs: (m,)."""
        return np.asarray(np.sum(self.coefficients**2, axis=1))

    @cached_property
    def energy(self) -> float:
        """``‖y‖²``, the squared norm of the targets."""
        return float(np.sum(to_host(self.targets).astype(np.float64, copy=False) ** 2))

    @property
    def roundoff(self) -> float:
        """Precision of the basis: distance from 1 to the next number."""
        return max(self.basis.roundoff, float(np.finfo(np.float64).eps))

    @cached_property
    def weighted(self) -> Array:
        """Which eigenvectors carry targets beyond rounding: boolean (m,)."""
        return np.asarray(self.weights > (self.n_samples * self.basis.roundoff) ** 2 * self.energy)

    @cached_property
    def seen_null_energy(self) -> float:
        """Squared norm of the part of the targets that is known to be out of reach of any fit."""
        null = float(np.sum(self.weights[self.weighted & (self.eigenvalues == 0)])) + self.outside_energy
        return null if null > (self.n_samples * self.roundoff) ** 2 * self.energy else 0.0

    @property
    def null_energy(self) -> float:
        """Squared norm of the part of the targets that no fit can reach; refused where a Krylov space does not know."""
        return self._known(self.seen_null_energy, "the part of the targets that no fit reaches")

    @property
    def largest_eigenvalue(self) -> float:
        """d_max over the directions in which the targets have weight (0 if there are none)."""
        return float(self.eigenvalues[self.weighted].max(initial=0.0))

    @property
    def smallest_positive_eigenvalue(self) -> float:
        """Least positive eigenvalue with weight: d_min of every round after the first (0 if none)."""
        positive = self.eigenvalues[self.weighted & (self.eigenvalues > 0)]
        return float(positive.min()) if len(positive) else 0.0

    @property
    def smallest_eigenvalue(self) -> float:
        """d_min of the first round: 0 if the targets have a part in the null space."""
        return 0.0 if self.seen_null_energy > 0 else self.smallest_positive_eigenvalue

    @property
    def condition_number_bounds(self) -> tuple[float, float]:
        """Lower and upper bound on κ of the first round: equal where it is known, else the upper is infinite."""
        low = self._ratio(
            self.smallest_eigenvalue if self.basis.invariant else self.smallest_positive_eigenvalue
        )
        return low, low if self.basis.invariant else np.inf

    @property
    def condition_number(self) -> float:
        """κ = d_max / d_min of the first round; infinite if the targets have a part in the null space.

        Raises
        ------
        InputError
            On a Krylov space that has not seen everything: `condition_number_bounds` says what is known.
        """
        return self._known(self._ratio(self.smallest_eigenvalue), "the condition number")

    @property
    def positive_condition_number(self) -> float:
        """κ of every later round, when the null-space part is gone; refused as `condition_number` is."""
        return self._known(self._ratio(self.smallest_positive_eigenvalue), "the condition number")

    def _ratio(self, least: float) -> float:
        return self.largest_eigenvalue / least if least else np.inf

    def _known(self, value: float, what: str) -> float:
        if not self.basis.invariant:
            raise InputError(
                f"{what} is not known on this Krylov space, which holds only what a run needs (κ is at least "
                f"{self.condition_number_bounds[0]:.6g}). Factorise the gram: Spectrum.from_gram."
            )
        return value

    @property
    def least_feasible_epsilon(self) -> float:
        """Mean squared error that interpolating everything the kernel can reach leaves."""
        return self.null_energy / self.n_samples

    def initial_ratio(self, epsilon: float) -> float:
        """``r_0 = ‖y‖ / √(n ε)``: the targets are already collapsed when it is at most 1."""
        epsilon = check_positive(epsilon, "epsilon", "It is the mean squared training error of every round.")
        return float(np.sqrt(self.energy / (self.n_samples * epsilon)))

    def check_feasible(self, epsilon: float) -> None:
        """Raise `InfeasibleToleranceError` if no fit has a mean squared error as small as `epsilon`."""
        epsilon = check_positive(epsilon, "epsilon")
        if self.energy > _LARGEST_RATIO * self.n_samples * epsilon:
            raise InputError(
                f"epsilon={epsilon:g} is too small beside the mean square of the targets, "
                f"{self.energy / self.n_samples:.3g}, for floating point. Choose a larger one."
            )
        if self.seen_null_energy > self.n_samples * epsilon:
            raise InfeasibleToleranceError(epsilon, self.seen_null_energy / self.n_samples)

    @property
    def way(self) -> str:
        """How the eigenvalues were found, in a phrase."""
        return self.basis.way

    def expand(self, coefficients: Array) -> Any:
        """Map coefficients (m, k) back to the training points: (n, k), of the basis's kind."""
        return self.basis.expand(coefficients)

    def shape_like_targets(self, values: Any) -> Any:
        """Drop the output axis if the targets came without one."""
        return values[:, 0] if self.single_output else values
