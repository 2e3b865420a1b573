"""Spectrum: a kernel and its targets in the one basis in which every round is diagonal (section 0)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.arrays import (
    as_columns,
    as_symmetric,
    as_two_dimensional,
    eigh,
    is_foreign,
    like,
    roundoff,
    thin_svd,
    to_host,
)
from ..base.validation import (
    Array,
    IndefiniteGramError,
    InfeasibleToleranceError,
    InputError,
    as_real_array,
    as_targets,
    check_kind,
    check_positive,
    check_semidefinite,
)
from .memory_cost import dense_cost, require_memory

if TYPE_CHECKING:
    from ..distillation.schedules import Trajectory
    from .chunk_reduction import FeatureSpectrum
    from .krylov import KrylovSpectrum


# From here on a factorisation can exhaust a machine, and its memory is checked first.
_LARGE = 4000


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Eigenvalues of ``gram / n`` and the targets' coefficients in its eigenvectors.

    Factorised once, it gives every round of every schedule at O(n) each. Build it with :meth:`from_gram`,
    :meth:`from_features` or :meth:`from_eigenvalues`; the constructor trusts its arguments.

    Attributes
    ----------
    eigenvalues : ndarray (m,)
        Eigenvalues d_k of ``gram / n``, ascending; exactly 0 where they are below rounding.
    coefficients : ndarray (m, k)
        ``z = Vᵀ y``, one column an output.
    targets : array (n, k)
        The targets that were given.
    basis : array (n, m) or None
        The eigenvectors V, one column an eigenvalue; None stands for the identity. It and the targets are of
        the kind, device and precision of what was factorised; the rest is NumPy float64. In float32
        multipliers and fitted values have relative errors of up to about ``1e-6 · d_max / c``.
    outside_energy : float
        Squared norm of the part of the targets outside the columns of `basis`, which no fit reaches.
    single_output : bool
        Whether the targets came as (n,), so that results go back as (n,).

    References
    ----------
    Mobahi et al. 2020, section 2 (arXiv 2002.05715).

    Examples
    --------
    >>> import numpy as np
    >>> from selfdistill.theory import Spectrum
    >>> spectrum = Spectrum.from_gram(np.diag([4.0, 8.0]), [1.0, 1.0])
    >>> spectrum.eigenvalues
    array([2., 4.])
    >>> spectrum.condition_number
    2.0
    """

    eigenvalues: Array
    coefficients: Array
    targets: Array
    basis: Array | None
    outside_energy: float
    single_output: bool

    @classmethod
    def from_gram(cls, gram: Any, targets: Any) -> Spectrum:
        """Factorise a gram.

        Parameters
        ----------
        gram : array (n, n)
            Kernel matrix ``k(x_i, x_j)``, not divided by n: NumPy array, or torch tensor on any device.
        targets : array (n,) or (n, k)

        Raises
        ------
        InputError
            If shapes do not match, values are not finite, or the gram is not symmetric.
        IndefiniteGramError
            If the gram has a negative eigenvalue beyond rounding.
        """
        gram = as_symmetric(gram)
        n = gram.shape[0]
        if not is_foreign(gram) and n >= _LARGE:
            require_memory(dense_cost(n, itemsize=gram.dtype.itemsize))
        columns, single = as_columns(targets, n, gram)
        eigenvalues, basis = eigh(gram)
        largest = float(max(eigenvalues[-1], 0.0))
        eps = roundoff(gram)
        check_semidefinite(float(eigenvalues[0]), float(eigenvalues[-1]), n, eps)
        # Below this an eigenvalue is the factorisation's rounding, not the kernel's.
        rounding = 4 * np.sqrt(n) * eps * largest
        eigenvalues = np.where(eigenvalues > rounding, eigenvalues, 0.0) / n
        return cls(eigenvalues, project(basis, columns), columns, basis, 0.0, single)

    @classmethod
    def from_features(cls, features: Any, targets: Any) -> Spectrum:
        """Factorise ``gram = features @ features.T`` without building it (thin SVD, O(n·p·min(n, p))).

        Small eigenvalues are more accurate than through the gram: they are squares of singular values.

        Parameters
        ----------
        features : array (n, p)
        targets : array (n,) or (n, k)

        Raises
        ------
        InputError
            If shapes do not match or values are not finite.
        """
        features = as_two_dimensional(features, "features")
        n = features.shape[0]
        columns, single = as_columns(targets, n, features)
        basis, singular = thin_svd(features)
        rounding = max(features.shape) * roundoff(features) * singular[0]
        rank = int(np.sum(singular > rounding))
        basis = like(np.ascontiguousarray(to_host(basis)[:, :rank][:, ::-1]), basis)
        coefficients = project(basis, columns)
        outside = to_host(columns) - to_host(basis @ like(coefficients, basis))
        return cls(
            singular[:rank][::-1] ** 2 / n,
            coefficients,
            columns,
            basis,
            float(np.sum(outside.astype(np.float64) ** 2)) if rank < n else 0.0,
            single,
        )

    @classmethod
    def krylov(
        cls,
        gram: Any,
        targets: Any,
        *,
        points: Any = None,
        tolerance: float | None = None,
        max_products: int | None = None,
    ) -> KrylovSpectrum:
        """Answer every schedule from a few products of the gram with the targets; nothing is factorised.

        Choose it when n is large and the fits are away from interpolation: the products that a schedule
        takes grow like ``√(d_max / c)`` at worst, and hardly with n. Schedules, `collapse_bounds` and
        prediction work as on any spectrum; each extends the space until its estimated error is below the
        tolerance, and ``run.spectrum`` says how many products were made and what error is left.

        Parameters
        ----------
        gram : array (n, n), LinearOperator, sparse matrix or callable
            NumPy array or torch tensor on any device; or what multiplies the gram with a vector. With
            `points`, a kernel ``k(A, B) -> (len(A), len(B))``, evaluated tile by tile and never stored.
        targets : array (n,) or (n, k)
        points : array (n, features), optional
        tolerance : float, optional
            Estimated error at which a schedule stops: relative for multipliers and norms, relative to
            ``‖y‖`` for fitted values. 1e-8 in float64, 1e-3 in float32.
        max_products : int, optional
            Vectors to multiply at most; 2000 and at most n if not given.

        Raises
        ------
        InputError
            If the arguments do not fit together, or products are not finite or not symmetric.
        IndefiniteGramError
            If the products show a negative eigenvalue.

        References
        ----------
        Golub & Meurant 2010, Matrices, Moments and Quadrature; Lanczos 1950.

        Examples
        --------
        >>> import numpy as np
        >>> from selfdistill.theory import Spectrum, distill_to_tolerance
        >>> x = np.linspace(0, 1, 300)
        >>> gram = np.exp(-8 * (x[:, None] - x) ** 2)
        >>> spectrum = Spectrum.krylov(gram, np.sin(5 * x))
        >>> run = distill_to_tolerance(spectrum, 0.05)
        >>> run.rounds, run.spectrum.products < 20, run.spectrum.error.largest < 1e-8
        (3, True, True)
        """
        from .krylov import krylov_spectrum

        return krylov_spectrum(gram, targets, points=points, tolerance=tolerance, max_products=max_products)

    @classmethod
    def from_chunks(cls, features: Any, targets: Any) -> FeatureSpectrum:
        """Reduce features larger than memory to a spectrum in one pass; see `chunked.feature_spectrum`.

        Parameters
        ----------
        features : dask.array (n, p), or sequence of arrays (n_i, p)
        targets : array (n,) or (n, k), NumPy or Dask
        """
        from .chunk_reduction import feature_spectrum

        return feature_spectrum(features, targets)

    @classmethod
    def from_eigenvalues(cls, eigenvalues: Any, coefficients: Any) -> Spectrum:
        """Take the spectrum itself: eigenvalues of ``gram / n`` and targets already in its eigenvectors.

        Parameters
        ----------
        eigenvalues : array (n,)
            Non-negative; sorted here, with the coefficients, into ascending order.
        coefficients : array (n,) or (n, k)

        Raises
        ------
        InputError
            If shapes do not match, values are not finite, or an eigenvalue is negative.
        """
        d = as_real_array(eigenvalues, "eigenvalues").astype(np.float64)
        if d.ndim != 1 or len(d) == 0:
            raise InputError(f"eigenvalues must be a vector with at least one entry; got shape {d.shape}.")
        if d.min() < 0:
            raise IndefiniteGramError(float(d.min()), float(d.max()))
        z = as_targets(coefficients, len(d), "coefficients")
        order = np.argsort(d, kind="stable")
        columns = z[order].reshape(len(d), -1)
        return cls(d[order], columns, columns, None, 0.0, z.ndim == 1)

    def with_targets(self, targets: Any) -> Spectrum:
        """Project other targets onto the same eigenvectors: O(n·m) an output, nothing is factorised again.

        Parameters
        ----------
        targets : array (n,) or (n, k)
        """
        pattern = self.targets if self.basis is None else self.basis
        columns, single = as_columns(targets, self.n_samples, pattern)
        coefficients = to_host(columns) if self.basis is None else project(self.basis, columns)
        outside = to_host(columns) - to_host(self.expand(coefficients))
        complete = self.basis is None or self.basis.shape[0] == self.basis.shape[1]
        energy = 0.0 if complete else float(np.sum(outside.astype(np.float64) ** 2))
        return replace(
            self, coefficients=coefficients, targets=columns, outside_energy=energy, single_output=single
        )

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
        return roundoff(self.coefficients if self.basis is None else self.basis)

    @cached_property
    def weighted(self) -> Array:
        """Which eigenvectors carry targets beyond rounding: boolean (m,)."""
        rounding = (self.n_samples * self.roundoff) ** 2 * self.energy
        return np.asarray(self.weights > (rounding if self.basis is not None else 0.0))

    @cached_property
    def null_energy(self) -> float:
        """Squared norm of the part of the targets that no fit can reach."""
        null = float(np.sum(self.weights[self.weighted & (self.eigenvalues == 0)])) + self.outside_energy
        return null if null > (self.n_samples * self.roundoff) ** 2 * self.energy else 0.0

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
        return 0.0 if self.null_energy > 0 else self.smallest_positive_eigenvalue

    @property
    def condition_number(self) -> float:
        """κ = d_max / d_min of the first round; infinite if the targets have a part in the null space."""
        return self.largest_eigenvalue / self.smallest_eigenvalue if self.smallest_eigenvalue else np.inf

    @property
    def positive_condition_number(self) -> float:
        """κ of every later round, when the null-space part is gone."""
        least = self.smallest_positive_eigenvalue
        return self.largest_eigenvalue / least if least else np.inf

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
        if self.null_energy > self.n_samples * epsilon:
            raise InfeasibleToleranceError(epsilon, self.least_feasible_epsilon)

    def expand(self, coefficients: Array) -> Any:
        """Map coefficients (m, k) back to the training points: (n, k), of the basis's kind."""
        return coefficients if self.basis is None else self.basis @ like(coefficients, self.basis)

    def resolve(self, solve: Callable[[Spectrum], Trajectory]) -> Spectrum:
        """Return a spectrum on which `solve` is accurate; a factorised one is as it is."""
        return self

    def shape_like_targets(self, values: Any) -> Any:
        """Drop the output axis if the targets came without one."""
        return values[:, 0] if self.single_output else values


def as_spectrum(value: Any) -> Spectrum:
    """Return `value`, which must be a spectrum.

    Raises
    ------
    InputError
        If it is not, such as a gram in place of its spectrum.
    """
    return check_kind(value, "spectrum", Spectrum, "Spectrum.from_gram(gram, targets)")


def project(basis: Any, columns: Any) -> Array:
    """Coefficients ``basisᵀ columns`` (m, k) as NumPy float64."""
    if getattr(columns, "dtype", None) != basis.dtype:
        columns = like(to_host(columns), basis)
    return to_host(basis.T @ columns).astype(np.float64)
