"""Krylov path: every round from a few products of the gram with the targets, and an estimate of the error.

The rounds need the gram only through what it does to y, so the Lanczos process started at y (all columns of
it at once) builds the only subspace that matters; `quadrature` judges what it has come to.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.arrays import as_columns, like, to_host
from ..base.validation import (
    Array,
    InputError,
    check_count,
    check_positive,
)
from .block_lanczos import BlockLanczos
from .gauss_radau import KrylovError, estimate_error, ritz_spectrum
from .gram_products import Product, as_product
from .memory_cost import Cost, expected_products, krylov_cost, require_memory
from .spectrum import Spectrum

if TYPE_CHECKING:
    from ..distillation.schedules import Trajectory

_FIRST_PASSES = 8
_CHECK_EVERY = 8


class KrylovAccuracyWarning(UserWarning):
    """The tolerance is below what the precision of the products allows."""


class KrylovNotConvergedError(InputError):
    """The allowed products did not reach the tolerance."""


@dataclass(frozen=True, eq=False)
class KrylovSpectrum(Spectrum):
    """A spectrum seen through the Krylov space of the targets: Ritz values in place of eigenvalues.

    Schedules extend the space as far as they need: ``run.spectrum`` is the one that a run was computed in.
    The whole spectrum is not known. What needs it is answered with bounds: `condition_number` is an upper
    bound (infinite until the space is complete), and `eigenvalue_bounds` encloses an eigenvalue near each
    Ritz value.

    Attributes
    ----------
    process : BlockLanczos
        The products made so far; shared by all spectra extended from one another.
    tolerance : float
        Error to stop at.
    max_products : int
        Products with single vectors that may be spent.
    eigenvalue_bounds : ndarray (m, 2)
        An eigenvalue of ``gram / n`` lies in each interval.
    complete : bool
        Whether the space is invariant: then every eigenvalue that the targets see is in it, exactly.
    error : KrylovError or None
        Estimated errors of the schedule that this space was extended for.
    """

    process: BlockLanczos
    tolerance: float
    max_products: int
    eigenvalue_bounds: Array
    complete: bool
    error: KrylovError | None = None

    @property
    def products(self) -> int:
        """Products of the gram with one vector made so far, by all runs on this process."""
        return self.process.products

    @property
    def passes(self) -> int:
        """Products of the gram with a block: how often it was read, or the kernel evaluated."""
        return self.process.passes

    @property
    def condition_number_bounds(self) -> tuple[float, float]:
        """Lower and upper bound on κ of the first round; the upper one is infinite until `complete`."""
        if self.complete:
            return super().condition_number, super().condition_number
        return super().positive_condition_number, np.inf

    @property
    def condition_number(self) -> float:
        """Upper bound on κ of the first round: exact if `complete`, else infinite."""
        return self.condition_number_bounds[1]

    @property
    def positive_condition_number(self) -> float:
        """Upper bound on κ of every later round: exact if `complete`, else infinite."""
        return super().positive_condition_number if self.complete else np.inf

    @property
    def smallest_eigenvalue(self) -> float:
        """Lower bound on d_min of the first round: exact if `complete`, else 0."""
        return super().smallest_eigenvalue if self.complete else 0.0

    def cost(self, epsilon: float) -> Cost:
        """Memory and products to expect of a run to tolerance, judged by the products made so far.

        The products are an upper estimate, from the condition of the first round's ridge system.
        """
        from ..distillation.schedules import distill_to_tolerance

        run = distill_to_tolerance(ritz_spectrum(self.process, self.targets), epsilon, 1)
        penalty = float(run.multipliers[0]) if run.rounds else np.inf
        products = expected_products(
            self.largest_eigenvalue, penalty, self.tolerance, self.process.width or 1
        )
        return krylov_cost(
            self.n_samples, self.n_outputs, products=min(products, self.max_products),
            itemsize=self.process.itemsize, stored=self.process.product.stored,
        )  # fmt: skip

    def with_targets(self, targets: Any) -> KrylovSpectrum:
        """Start again from other targets: the space holds what matters to the given ones, and no more."""
        return _start(self.process.product, targets, self.tolerance, self.max_products)

    def resolve(self, solve: Callable[[Spectrum], Trajectory]) -> KrylovSpectrum:
        """Make products until what `solve` returns is accurate to the tolerance.

        Parameters
        ----------
        solve : callable
            A schedule: spectrum to trajectory.

        Returns
        -------
        KrylovSpectrum
            With the estimated error of the trajectory that `solve` gives on it.

        Raises
        ------
        InfeasibleToleranceError
            If the schedule's training error is certainly out of reach.
        KrylovNotConvergedError
            If `max_products` do not suffice.
        """
        process, tolerance = self.process, self.tolerance
        since_check, penalty = _CHECK_EVERY, 0.0
        error: KrylovError | None = None
        while True:
            scale = float(np.linalg.norm(process.start))
            near = penalty > 0 and process.residual(penalty) <= tolerance * scale
            if since_check >= (2 if near else _CHECK_EVERY) or process.complete or error is None:
                run = solve(ritz_spectrum(process, self.targets))
                error = estimate_error(process, self.targets, run, solve)
                penalty = float(run.multipliers.min(initial=np.inf))
                since_check = 0
                if error.settled(tolerance) or process.complete or run.rounds == 0:
                    break
            if process.products + process.width > self.max_products:
                raise KrylovNotConvergedError(
                    f"{process.products} products reached an estimated error of {error.largest:.1g}, above the "
                    f"tolerance {tolerance:.1g}. The nearer the fit is to interpolation, the more it takes: "
                    "choose a larger epsilon, ridge or tolerance, raise max_products, or factorise the gram "
                    "with Spectrum.from_gram."
                )
            if process.passes % _CHECK_EVERY == 0:
                _require_memory(process, _CHECK_EVERY)
            process.step()
            since_check += 1
        if error.largest > tolerance:
            warnings.warn(
                f"the products' precision allows an error of about {error.largest:.1g}, above the tolerance "
                f"{tolerance:.1g}; more products do not help. Use float64, or a larger epsilon or ridge.",
                KrylovAccuracyWarning,
                stacklevel=4,
            )
        return _snapshot(self.targets, self.single_output, process, tolerance, self.max_products, error)


def krylov_spectrum(
    gram: Any,
    targets: Any,
    *,
    points: Any = None,
    tolerance: float | None = None,
    max_products: int | None = None,
) -> KrylovSpectrum:
    """See `Spectrum.krylov`."""
    return _start(as_product(gram, targets, points), targets, tolerance, max_products)


def _start(
    product: Product, targets: Any, tolerance: float | None, max_products: int | None
) -> KrylovSpectrum:
    columns, single = as_columns(targets, product.n_samples, product.pattern)
    if tolerance is None:
        tolerance = 1e-8 if product.roundoff < 1e-12 else 1e-3
    tolerance = check_positive(tolerance, "tolerance")
    if max_products is None:
        max_products = min(product.n_samples, 2000) + columns.shape[1]
    max_products = check_count(max_products, "max_products")
    process = BlockLanczos(product, like(to_host(columns), product.pattern))
    _require_memory(process, _FIRST_PASSES)
    for _ in range(_FIRST_PASSES):
        if process.products + process.width <= max_products:
            process.step()
    return _snapshot(columns, single, process, tolerance, max_products, None)


def _require_memory(process: BlockLanczos, passes: int) -> None:
    """Refuse to go on where the vectors of the next passes would not fit."""
    require_memory(
        krylov_cost(
            process.n_samples, process.width, products=process.products + passes * process.width,
            itemsize=process.itemsize, stored=process.product.stored,
        )
    )  # fmt: skip


def _snapshot(
    targets: Any, single: bool, process: BlockLanczos, tolerance: float, max_products: int,
    error: KrylovError | None,
) -> KrylovSpectrum:  # fmt: skip
    small = ritz_spectrum(process, targets)
    values, vectors = process.ritz()
    reach = np.linalg.norm(process.next_norm @ vectors[-process.next_norm.shape[1] :], axis=0)
    bounds = np.stack([np.maximum(values - reach, 0.0), values + reach], axis=1)
    return KrylovSpectrum(
        small.eigenvalues, small.coefficients, targets, process.expand(vectors), 0.0, single,
        process, tolerance, max_products, bounds, process.complete, error,
    )  # fmt: skip
