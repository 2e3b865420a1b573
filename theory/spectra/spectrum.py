"""Spectrum: a kernel and its targets in the one basis in which every round is diagonal."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import numpy as np

from ..base.arrays import (
    as_columns,
    as_symmetric,
    as_two_dimensional,
)
from ..base.validation import (
    Array,
    IndefiniteGramError,
    InputError,
    as_real_array,
    as_targets,
    check_kind,
    check_normal,
)
from .bases import DenseBasis, FeatureBasis, IdentityBasis
from .chunk_reduction import as_chunks, columns_of, reduce_chunks
from .factorisation import can_factorise, energy_outside, evaluated, factorise_features, factorise_gram
from .gauss_radau import gauss_rule
from .gram_products import as_product
from .krylov import KrylovBasis, KrylovError, krylov_basis
from .measure import TargetMeasure

# Up to so many samples a factorisation takes a fraction of a second, and gives all that can be asked for.
_SMALL = 1000


@dataclass(frozen=True, eq=False)
class Spectrum(TargetMeasure):
    """Eigenvalues of ``gram / n`` and the targets' coefficients in its eigenvectors.

    Factorised once, it gives every round of every schedule at O(n) each. Build it with :meth:`from_gram`,
    :meth:`from_features`, :meth:`krylov`, :meth:`from_chunks` or :meth:`from_eigenvalues`; the constructor trusts
    its arguments. Attributes are those of `TargetMeasure`.

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
        columns, single = as_columns(targets, gram.shape[0], gram)
        return cls._of(*factorise_gram(gram), columns, single)

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
        columns, single = as_columns(targets, features.shape[0], features)
        return cls._of(*factorise_features(features), columns, single)

    @classmethod
    def _of(cls, eigenvalues: Array, basis: DenseBasis, columns: Any, single_output: bool) -> Spectrum:
        coefficients = basis.project(columns)
        outside = energy_outside(basis, columns, coefficients)
        return cls(eigenvalues, coefficients, columns, basis, outside, single_output)

    @classmethod
    def krylov(
        cls,
        gram: Any,
        targets: Any,
        *,
        points: Any = None,
        keep: bool = False,
        tolerance: float | None = None,
        max_products: int | None = None,
    ) -> Spectrum:
        """Answer every schedule from a few products of the gram with the targets; nothing is factorised.

        Choose it when n is large and the fits are away from interpolation: the products that a schedule
        takes grow like ``√(d_max / c)`` at worst, and hardly with n. Schedules, `collapse_bounds` and
        prediction work as on any spectrum; each extends the space until its estimated error is below the
        tolerance, and ``run.spectrum`` says how many products that took and what error is left. What needs
        every eigenvalue of the gram (traces, risks, leave-one-out) is refused.

        Parameters
        ----------
        gram : array (n, n), LinearOperator, sparse matrix or callable
            NumPy array or torch tensor on any device; or what multiplies the gram with a vector. With
            `points`, a kernel ``k(A, B) -> (len(A), len(B))``, evaluated tile by tile.
        targets : array (n,) or (n, k)
        points : array (n, features), optional
        keep : bool
            Whether one triangle of the kernel's tiles is kept (4 n² bytes); otherwise none is stored, and every
            product evaluates the kernel again.
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
        product = as_product(gram, targets, points, keep=keep)
        columns, single = as_columns(targets, product.n_samples, product.pattern)
        return cls.of_basis(krylov_basis(product, columns, tolerance, max_products), columns, single)

    @classmethod
    def of(cls, gram: Any, targets: Any, *, points: Any = None, tolerance: float | None = None) -> Spectrum:
        """Take the way that costs least: factorise, make products, or both where products turn out too many.

        Up to a thousand samples the gram is factorised. Beyond, runs are answered from products with it, and a run
        whose products would cost more than the factorisation takes that (so that a run costs little more than the
        cheaper of the two). A kernel is evaluated once where its gram fits in memory, and else tile by tile in every
        product. For features in place of a gram take `from_features`, or `from_chunks` if they exceed memory.

        Parameters
        ----------
        gram : array (n, n), or callable
            As `krylov`; with `points`, a kernel ``k(A, B) -> (len(A), len(B))``.
        targets : array (n,) or (n, k)
        points : array (n, features), optional
        tolerance : float, optional
            As `krylov`; a factorisation is exact.

        Raises
        ------
        InputError
            As `from_gram` and `krylov`.

        Examples
        --------
        >>> import numpy as np
        >>> from selfdistill.theory import Spectrum, distill_to_tolerance
        >>> x = np.linspace(0, 1, 2000)
        >>> spectrum = Spectrum.of(lambda a, b: np.exp(-8 * (a - b.T) ** 2), np.sin(5 * x), points=x[:, None])
        >>> distill_to_tolerance(spectrum, 0.05).spectrum.way
        'products with the gram: 8 of them reach the tolerance'
        """
        gram, points = evaluated(gram, points)
        if can_factorise(gram) and len(gram) <= _SMALL:
            return cls.from_gram(gram, targets)
        spectrum = cls.krylov(gram, targets, points=points, tolerance=tolerance)
        if not can_factorise(gram):
            return spectrum
        factorise = cache(partial(cls.from_gram, gram, targets))
        return replace(spectrum, basis=replace(spectrum.basis, factorise=factorise))  # type: ignore[type-var]

    @classmethod
    def of_basis(cls, basis: KrylovBasis, columns: Any, single_output: bool) -> Spectrum:
        """Take the Ritz values of a Krylov space for eigenvalues."""
        rule = gauss_rule(basis.space)
        return cls(rule.nodes, rule.coefficients, columns, basis, 0.0, single_output)

    @classmethod
    def from_chunks(cls, features: Any, targets: Any) -> Spectrum:
        """Reduce features larger than memory to a spectrum, reading them once or twice.

        Equal to `from_features`. Dask arrays are read on whatever scheduler Dask is set to (threads, processes
        or a ``distributed`` cluster), and fitted values and dual coefficients come back as lazy Dask arrays. The
        features are read a second time where singular values span more than two decades.

        Parameters
        ----------
        features : sequence of arrays (n_i, p), array (n, p), or dask.array (n, p)
            Chunks of rows, all with the same columns; one array is cut, so that a file opened with
            ``numpy.load(path, mmap_mode="r")`` is never whole in memory. Sums are made in float64.
        targets : array (n,) or (n, k), NumPy or Dask

        Raises
        ------
        InputError
            If shapes do not match, values are not finite, or p is too large for memory.

        Examples
        --------
        >>> import numpy as np
        >>> from selfdistill.theory import Spectrum
        >>> chunks = [np.random.default_rng(i).standard_normal((500, 5)) for i in range(4)]
        >>> Spectrum.from_chunks(chunks, np.ones(2000)).eigenvalues.shape
        (5,)
        """
        chunks = as_chunks(features)
        columns, single = columns_of(targets, chunks.shape[0])
        found = reduce_chunks(chunks, columns)
        basis = FeatureBasis(chunks, found.directions)
        outside = energy_outside(basis, columns, found.coefficients)
        return cls(
            found.singular_values**2 / chunks.shape[0], found.coefficients, columns, basis, outside, single
        )

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
        check_normal(d, "eigenvalues")
        z = as_targets(coefficients, len(d), "coefficients")
        order = np.argsort(d, kind="stable")
        columns = z[order].reshape(len(d), -1)
        return cls(d[order], columns, columns, IdentityBasis(), 0.0, z.ndim == 1)

    def with_targets(self, targets: Any) -> Spectrum:
        """Project other targets onto the same eigenvectors: nothing is factorised again.

        A Krylov space is started again, since it holds what matters to the given targets and no more.

        Parameters
        ----------
        targets : array (n,) or (n, k)
        """
        basis = self.basis
        if isinstance(basis, FeatureBasis):
            columns, single = columns_of(targets, self.n_samples)
        else:
            columns, single = as_columns(targets, self.n_samples, basis.pattern)
        if isinstance(basis, KrylovBasis):
            product = basis.space.process.product
            start = krylov_basis(product, columns, basis.tolerance, basis.max_products)
            return Spectrum.of_basis(start, columns, single)
        coefficients = basis.project(columns)
        outside = energy_outside(basis, columns, coefficients)
        return replace(
            self, coefficients=coefficients, targets=columns, outside_energy=outside, single_output=single
        )

    def require_complete(self, what: str) -> None:
        """Refuse what needs every eigenvalue of the gram where they are not all known.

        Parameters
        ----------
        what : str
            What is asked for, as the message names it.

        Raises
        ------
        InputError
            On a Krylov space.
        """
        if not self.basis.complete:
            raise InputError(
                f"{what} needs every eigenvalue of the gram, and a Krylov space knows only what the gram does to "
                "the targets. Factorise it: Spectrum.from_gram, or Spectrum.from_features or from_chunks for features."
            )

    @property
    def products(self) -> int:
        """Products of the gram with one vector that the space took; 0 where the gram was factorised."""
        return self.basis.space.products if isinstance(self.basis, KrylovBasis) else 0

    @property
    def passes(self) -> int:
        """How often the gram was read, or the kernel evaluated, for those products."""
        return self.basis.space.passes if isinstance(self.basis, KrylovBasis) else 0

    @property
    def error(self) -> KrylovError | None:
        """Estimated errors of the run that the Krylov space was extended for; None for any other basis."""
        return self.basis.error if isinstance(self.basis, KrylovBasis) else None


def as_spectrum(value: Any) -> Spectrum:
    """Return `value`, which must be a spectrum.

    Raises
    ------
    InputError
        If it is not, such as a gram in place of its spectrum.
    """
    return check_kind(value, "spectrum", Spectrum, "Spectrum.from_gram(gram, targets)")
