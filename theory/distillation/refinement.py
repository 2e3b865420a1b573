"""How far a Krylov space must grow for a run, and how accurate the run on it is.

A run on the space is exact for the projected gram. Its errors are estimated in two ways. With penalties, a round
computed in the space differs from the true one by at most the residual of its linear system; and the
multipliers on the Gauss and the Gauss-Radau rule lie on both sides of the true ones in the first round. Without
penalties, the run is compared with the same run on a smaller space.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ..base.arrays import to_host
from ..base.validation import Array, InfeasibleToleranceError
from ..spectra.bases import IdentityBasis
from ..spectra.block_lanczos import KrylovSpace
from ..spectra.gauss_radau import gauss_rule, radau_rule
from ..spectra.krylov import (
    KrylovAccuracyWarning,
    KrylovBasis,
    KrylovError,
    KrylovNotConvergedError,
    require_space,
)
from ..spectra.memory_cost import Cost, expected_products, krylov_cost
from ..spectra.spectrum import Spectrum
from .schedules import Schedule
from .trajectory import Trajectory

Solve = Callable[[Spectrum, Schedule], Trajectory]

# Rounding of one product, in units of the precision times the largest eigenvalue.
_ROUNDING = 4.0
# On the difference of two rules or spaces, whose errors need not be of opposite sign.
_SAFETY = 2.0
# Sizes at which a run is tried grow by the first factor, and by the second once a cheap residual says it is near.
_FAR, _NEAR = 1.5, 1.08
_MEMORY_EVERY = 8
# A factorisation costs about as much as so many products a sample, orthogonalisation included (benchmarks: krylov);
# before the second share of it is spent, forecasts are not trusted.
_BREAK_EVEN, _TRUSTED = 0.35, 0.15


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
    space, before, ridge = basis.space, None, 0.0
    forecast = _Forecast(basis)
    scale = float(np.linalg.norm(space.start))
    while True:
        near = ridge > 0 and space.residual(ridge) <= basis.tolerance * scale
        if space.invariant or before is None or space.size >= before[0].size * (_NEAR if near else _FAR) + 1:
            run = solve(_on_rule(gauss_rule(space), targets), schedule)
            error = _estimate(space, before, run, targets, schedule, solve)
            if error.settled(basis.tolerance) or space.invariant or run.rounds == 0:
                break
            if basis.factorise is not None and forecast.dearer(space, error.largest):
                factorised: Spectrum = basis.factorise()
                return factorised
            before = (space, run)
            ridge = float(run.multipliers.min(initial=np.inf))
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
    grown = replace(basis, space=space, error=error)
    return Spectrum.of_basis(grown, spectrum.targets, spectrum.single_output)


class _Forecast:
    """Products that a run will have taken, by how fast its estimated error has been falling."""

    def __init__(self, basis: KrylovBasis) -> None:
        self._tolerance = basis.tolerance
        self._seen: list[tuple[int, float]] = []

    def dearer(self, space: KrylovSpace, error: float) -> bool:
        """Whether the products to come would cost more than the factorisation does."""
        limit = _BREAK_EVEN * space.n_samples
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
    return _on_rule(gauss_rule(space), to_host(spectrum.targets).astype(np.float64, copy=False))


def _on_rule(rule: tuple[Array, Array], targets: Array) -> Spectrum:
    nodes, coefficients = rule
    return Spectrum(nodes, coefficients, targets, IdentityBasis(), 0.0, False)


def _estimate(
    space: KrylovSpace,
    before: tuple[KrylovSpace, Trajectory] | None,
    run: Trajectory,
    targets: Array,
    schedule: Schedule,
    solve: Solve,
) -> KrylovError:
    if run.rounds == 0:
        return KrylovError(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    if not run.has_ridges:
        return _by_smaller_space(space, before, run)
    other = None
    if not space.invariant:
        try:
            other = solve(_on_rule(radau_rule(space), targets), schedule)
        except InfeasibleToleranceError:
            other = None
        if other is None or other.rounds != run.rounds:
            return KrylovError(np.inf, np.inf, np.inf, 0.0, 0.0, 0.0)
    return _by_residuals(space, run, other)


def _by_residuals(space: KrylovSpace, run: Trajectory, other: Trajectory | None) -> KrylovError:
    """Carry the errors of every round into the next.

    With its penalty fixed, a round passes on at most a share `reach` of an error in its targets, and adds what the
    space loses of it. An error δ of ``log c`` moves the fit by ``δ ‖A r‖``, A the smoother and r the residual; and
    rounding e of the targets moves ``log c`` by at most ``e ‖(I − A) r‖ / ⟨r, A r⟩`` where the training error is fixed.
    """
    d, weights = run.spectrum.eigenvalues, run.spectrum.weights
    tiny = np.finfo(float).tiny
    c = np.maximum(run.multipliers, tiny)[:, None]
    entering = run.mixed_filters() / (d + c)
    smoother = d / (d + c)
    residual = c * entering
    moved = np.sqrt((smoother * residual) ** 2 @ weights)
    curved = np.sqrt(((1 - smoother) * residual) ** 2 @ weights)
    slope = np.maximum(smoother * residual**2 @ weights, tiny)
    rounding = _ROUNDING * space.roundoff * float(d.max()) * np.sqrt(entering**2 @ weights)
    reach = smoother.max(axis=1) * np.abs(1 - run.given_weights)
    lost, spread, norm_spread = _truncation(space, run, other, entering)
    sensitivity = np.zeros(run.rounds) if run.epsilon is None else 1 / slope
    length = np.sqrt(residual**2 @ weights)
    fit = fit_rounding = 0.0
    table = np.empty((run.rounds, 6))
    for t in range(run.rounds):
        c_rounding = (fit_rounding * curved[t] + rounding[t] * length[t]) * sensitivity[t]
        fit_rounding = reach[t] * fit_rounding + rounding[t] + c_rounding * moved[t]
        fit = reach[t] * fit + lost[t] + spread[t] * moved[t]
        norm_rounding = fit_rounding / max(float(run.target_norms[t + 1]), tiny)
        table[t] = (
            spread[t] + c_rounding, norm_spread[t] + norm_rounding, fit + fit_rounding,
            c_rounding, norm_rounding, fit_rounding,
        )  # fmt: skip
    table[:, [2, 5]] /= run.target_norms[0]
    return KrylovError(*table.max(axis=0).tolist())


def _truncation(
    space: KrylovSpace, run: Trajectory, other: Trajectory | None, entering: Array
) -> tuple[Array, Array, Array]:
    """What a space that is not invariant loses: of each fit, and of multipliers and norms relative to themselves."""
    if other is None:
        return np.zeros(run.rounds), np.zeros(run.rounds), np.zeros(run.rounds)
    lost = np.einsum(
        "am,tm,mk->tak", space.ritz_couplings, entering, run.spectrum.coefficients, optimize=True
    )
    spread = np.abs(other.multipliers / run.multipliers - 1)
    norm_spread = np.abs(other.target_norms / run.target_norms - 1)[1:]
    return np.linalg.norm(lost, axis=(1, 2)), _SAFETY * spread, _SAFETY * norm_spread


def _by_smaller_space(
    space: KrylovSpace, before: tuple[KrylovSpace, Trajectory] | None, run: Trajectory
) -> KrylovError:
    """Compare with the same run on a smaller space: its error is above that of the larger one."""
    scale = float(run.target_norms[0])
    rounding = _ROUNDING * space.roundoff * np.sqrt(space.n_samples)
    if space.invariant:
        return KrylovError(0.0, rounding, rounding, 0.0, rounding, rounding)
    if before is None:
        return KrylovError(0.0, np.inf, np.inf, 0.0, rounding, rounding)
    smaller, earlier = before
    fitted = norms = 0.0
    for t in range(run.rounds):
        here, there = _in_space(space, run, t), _in_space(smaller, earlier, t)
        here[: len(there)] -= there
        difference = _SAFETY * float(np.linalg.norm(here))
        fitted = max(fitted, difference / scale)
        norms = max(norms, difference / max(float(run.target_norms[t + 1]), np.finfo(float).tiny))
    return KrylovError(0.0, norms + rounding, fitted + rounding, 0.0, rounding, rounding)


def _in_space(space: KrylovSpace, run: Trajectory, t: int) -> Array:
    """Fit of round t + 1 in the vectors of the space, (m, k)."""
    return space.ritz[1] @ (run.filters[t][:, None] * run.spectrum.coefficients)
