"""How far a Krylov space must grow for a run: until its estimated error is small, or a factorisation pays."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np

from ..base.arrays import to_host
from ..base.validation import Array, InfeasibleToleranceError
from ..spectra.block_lanczos import KrylovSpace
from ..spectra.gauss_radau import gauss_rule
from ..spectra.krylov import (
    KrylovAccuracyWarning,
    KrylovBasis,
    KrylovNotConvergedError,
    require_space,
)
from ..spectra.memory_cost import Cost, expected_products, krylov_cost
from ..spectra.spectrum import Spectrum
from .schedules import Schedule
from .space_error import Solve, SpaceRun, on_rule

# Sizes at which a run is tried grow by the first factor, and by the second once a cheap residual says it is near.
_FAR, _NEAR = 1.5, 1.08
_MEMORY_EVERY = 8
# A factorisation costs about as much as so many products a sample, orthogonalisation included (benchmarks: ways).
# Where nothing is known after the third share of the samples, or the forecast after the second is above the first,
# the products to come would cost more.
_BREAK_EVEN, _TRUSTED, _EARLY = 0.35, 0.15, 0.1


def refine(spectrum: Spectrum, schedule: Schedule, solve: Solve) -> Spectrum:
    """Return a spectrum on which the schedule's run is accurate to the tolerance: any but a Krylov one is as it is.

    Parameters
    ----------
    spectrum : Spectrum
    schedule : Schedule
    solve : callable
        Runs a schedule on a spectrum as it stands.

    Raises
    ------
    InfeasibleToleranceError
        If the schedule's training error is certainly out of reach.
    KrylovNotConvergedError
        If the products that are allowed do not suffice.
    """
    basis = spectrum.basis
    if not isinstance(basis, KrylovBasis):
        return spectrum
    targets = to_host(spectrum.targets).astype(np.float64, copy=False)
    space, ridge = basis.space, 0.0
    before: SpaceRun | None = None
    forecast = _Forecast(basis)
    scale = float(np.linalg.norm(space.start))
    while True:
        near = ridge > 0 and space.residual(ridge) <= basis.tolerance * scale
        grown = before is None or space.size >= before.space.size * (_NEAR if near else _FAR) + 1
        if space.invariant or grown or forecast.due(space):
            here = SpaceRun.of(space, targets, schedule, solve)
            smaller = before or _smaller(space, targets, schedule, solve)
            error = here.error(smaller, basis.tolerance, targets, schedule, solve)
            if error.settled(basis.tolerance) or space.invariant or here.run.rounds == 0:
                break
            if basis.factorise is not None and forecast.dearer(space, error.largest):
                factorised: Spectrum = basis.factorise()
                return factorised
            before = here
            ridge = float(here.run.multipliers.min(initial=np.inf))
        if space.products + space.width > basis.max_products:
            raise KrylovNotConvergedError(
                f"{space.products} products reached an estimated error of {error.largest:.1g}, above the "
                f"tolerance {basis.tolerance:.1g}. The nearer the fit is to interpolation, the more it takes: "
                "choose a larger epsilon, ridge or tolerance, raise max_products, or factorise the gram "
                "with Spectrum.from_gram."
            )
        if space.passes % _MEMORY_EVERY == 0:
            require_space(space, _MEMORY_EVERY)
        space = space.grown(space.passes + 1)
    if error.largest > basis.tolerance:
        warnings.warn(
            f"the products' precision allows an error of about {error.largest:.1g}, above the tolerance "
            f"{basis.tolerance:.1g}; more products do not help. Use float64, or a larger epsilon or ridge.",
            KrylovAccuracyWarning,
            stacklevel=5,
        )
    refined = replace(basis, space=space, error=error)
    return Spectrum.of_basis(refined, spectrum.targets, spectrum.single_output)


def _smaller(space: KrylovSpace, targets: Array, schedule: Schedule, solve: Solve) -> SpaceRun | None:
    """Run on the first part of a space: it costs no products."""
    passes = int(space.passes / _FAR)
    try:
        return SpaceRun.of(space.process.space(passes), targets, schedule, solve) if passes else None
    except InfeasibleToleranceError:
        return None


class _Forecast:
    """Products that a run will have taken, by how fast its estimated error has been falling."""

    def __init__(self, basis: KrylovBasis) -> None:
        self._tolerance = basis.tolerance
        self._seen: list[tuple[int, float]] = []
        # Without a factorisation to fall back on there is nothing to decide.
        self._was_due = basis.factorise is None

    def due(self, space: KrylovSpace) -> bool:
        """Whether the space has grown to the size at which a run that knows nothing yet is given up."""
        return not self._was_due and space.size >= _EARLY * space.n_samples

    def dearer(self, space: KrylovSpace, error: float) -> bool:
        """Whether the products to come would cost more than the factorisation does."""
        limit = _BREAK_EVEN * space.n_samples
        if self.due(space):
            self._was_due = True
            if error >= 1:
                return True
        self._seen.append((space.size, error))
        if space.size > limit:
            return True
        if space.size < _TRUSTED * space.n_samples or len(self._seen) < 2:
            return False
        (m_0, e_0), (m_1, e_1) = self._seen[-2:]
        if not np.isfinite(e_0) or e_1 >= e_0:
            return space.size > limit / 2
        left = np.log(e_1 / self._tolerance) / (np.log(e_0 / e_1) / (m_1 - m_0))
        return bool(m_1 + left > limit)


def space_cost(basis: KrylovBasis, spectrum: Spectrum, ridge: float) -> Cost:
    """Memory and products to expect of a run whose smallest penalty is `ridge`: an upper estimate."""
    product = basis.space.process.product
    products = expected_products(spectrum.largest_eigenvalue, ridge, basis.tolerance, basis.space.width or 1)
    return krylov_cost(
        spectrum.n_samples,
        spectrum.n_outputs,
        products=min(products, basis.max_products),
        itemsize=int(product.pattern.dtype.itemsize),
        stored=product.stored,
    )


def on_gauss_rule(space: KrylovSpace, spectrum: Spectrum) -> Spectrum:
    """Return the projected gram as a spectrum of its own, with nothing to refine."""
    return on_rule(gauss_rule(space), to_host(spectrum.targets).astype(np.float64, copy=False))
