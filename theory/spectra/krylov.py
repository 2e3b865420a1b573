"""The Krylov basis: every round from a few products of the gram with the targets, and an estimate of the error.

The rounds need the gram only through what it does to y, so the Lanczos process started at y (all columns of
it at once) builds the only subspace that matters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..base.arrays import like, to_host
from ..base.validation import Array, InputError, check_count, check_positive
from .block_lanczos import BlockLanczos, KrylovSpace
from .gram_products import Product
from .memory_cost import krylov_cost, require_memory

_FIRST_PASSES = 8
_MOST_PRODUCTS = 2000


class KrylovAccuracyWarning(UserWarning):
    """The tolerance is below what the precision of the products allows."""


class KrylovNotConvergedError(InputError):
    """The allowed products did not reach the tolerance."""


@dataclass(frozen=True)
class KrylovError:
    """Estimated errors of a trajectory computed in a Krylov space.

    Attributes
    ----------
    multipliers, norms : float
        Largest relative error over the rounds; of norms relative to each round's own.
    fitted : float
        Largest error of the fitted values over the rounds, relative to ``‖y‖``.
    multiplier_rounding, norm_rounding, fitted_rounding : float
        What of these comes from the precision of the products: more products do not help.
    """

    multipliers: float
    norms: float
    fitted: float
    multiplier_rounding: float
    norm_rounding: float
    fitted_rounding: float

    @property
    def largest(self) -> float:
        """Largest of the errors."""
        return max(self.multipliers, self.norms, self.fitted)

    def settled(self, tolerance: float) -> bool:
        """Whether every error is below the tolerance, or next to what rounding leaves of it."""
        return (
            self.multipliers <= max(tolerance, 1.2 * self.multiplier_rounding)
            and self.norms <= max(tolerance, 1.2 * self.norm_rounding)
            and self.fitted <= max(tolerance, 1.2 * self.fitted_rounding)
        )


@dataclass(frozen=True, eq=False)
class KrylovBasis:
    """Ritz vectors of the Krylov space of the targets: what the gram does to them, and nothing else of it.

    Attributes
    ----------
    space : KrylovSpace
        The vectors; a space that grows for another run leaves this one as it is.
    tolerance : float
        Estimated error at which a run stops to ask for products.
    max_products : int
        Products with single vectors that may be spent.
    error : KrylovError or None
        Estimated errors of the run that the space was extended for.
    factorise : callable or None
        Factorises the gram instead, once for all runs: taken where the products to come would cost more.
    """

    space: KrylovSpace
    tolerance: float
    max_products: int
    error: KrylovError | None = None
    factorise: Callable[[], Any] | None = None

    @property
    def complete(self) -> bool:
        """Only where the space is as large as the gram."""
        return self.space.size == self.space.n_samples

    @property
    def invariant(self) -> bool:
        """Whether the gram maps the space into itself: then every eigenvalue that the targets see is in it."""
        return self.space.invariant

    @property
    def way(self) -> str:
        """How many products were made."""
        reached = " of them reach the tolerance" if self.error else " made so far"
        return f"products with the gram: {self.space.products}{reached}"

    @property
    def pattern(self) -> Any:
        """An empty array like the vectors of the space."""
        return self.space.pattern

    @property
    def roundoff(self) -> float:
        """Precision of the products."""
        return self.space.roundoff

    @cached_property
    def eigenvalue_bounds(self) -> Array:
        """An eigenvalue of ``gram / n`` lies in each interval, one a Ritz value: (m, 2)."""
        values, _ = self.space.ritz
        reach = np.linalg.norm(self.space.ritz_couplings, axis=0)
        return np.stack([np.maximum(values - reach, 0.0), values + reach], axis=1)

    def project(self, columns: Any) -> Array:
        """Coefficients in the Ritz vectors; the part of the columns outside the space is not seen."""
        return self.space.ritz[1].T @ self.space.project(like(to_host(columns), self.pattern))

    def expand(self, coefficients: Array) -> Any:
        """Combine the vectors of the space."""
        return self.space.expand(self.space.ritz[1] @ coefficients)

    def diagonal(self, filters: Array) -> Array:
        """Refuse, unless the space is complete: a diagonal needs every direction.

        Raises
        ------
        InputError
            If the space does not hold every direction.
        """
        if not self.complete:
            raise InputError(
                "a Krylov space knows what the gram does to the targets, and no diagonal of it: "
                "factorise the gram with Spectrum.from_gram or Spectrum.from_features."
            )
        vectors = to_host(self.expand(np.eye(self.space.size)))
        return np.asarray(vectors**2 @ filters.T)


def krylov_basis(
    product: Product, columns: Any, tolerance: float | None, max_products: int | None
) -> KrylovBasis:
    """Start a space at targets (n, k), with the few passes that every schedule needs."""
    if tolerance is None:
        tolerance = 1e-8 if product.roundoff < 1e-12 else 1e-3
    tolerance = check_positive(tolerance, "tolerance")
    if max_products is None:
        max_products = min(product.n_samples, _MOST_PRODUCTS) + columns.shape[1]
    max_products = check_count(max_products, "max_products")
    process = BlockLanczos(product, like(to_host(columns), product.pattern))
    space = process.space(0)
    require_space(space, _FIRST_PASSES)
    while (
        space.passes < _FIRST_PASSES and not space.invariant and space.products + space.width <= max_products
    ):
        space = space.grown(space.passes + 1)
    return KrylovBasis(space, tolerance, max_products)


def require_space(space: KrylovSpace, passes: int) -> None:
    """Refuse to go on where the vectors of so many further passes would not fit in memory."""
    if space.width == 0:  # nothing is left to multiply, as for targets of zero
        return
    product = space.process.product
    require_memory(
        krylov_cost(
            space.n_samples,
            space.width,
            products=space.products + passes * space.width,
            itemsize=int(product.pattern.dtype.itemsize),
            stored=product.stored,
        )
    )
