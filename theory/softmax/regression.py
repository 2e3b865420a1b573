"""Softmax regression with soft targets on fixed features: exact and linearised, round by round."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg

from ..base.arrays import as_symmetric, to_host
from ..base.probabilities import as_distributions, softmax
from ..base.validation import (
    Array,
    InputError,
    as_matrix,
    check_flag,
    check_kind,
    check_nonnegative,
    check_positive,
    check_rounds,
)
from ..spectra.spectrum import Spectrum, as_spectrum
from .fit import DOUBTFUL, SoftmaxAccuracyWarning, SoftmaxFit
from .linearised import fit_linearised
from .newton import Design, solve_softmax
from .operators import EigenbasisDesign, FactorDesign, GramDesign
from .pivoted_cholesky import PivotedCholesky, largest_eigenvalue_bound

TOLERANCE = 1e-9
# Dual coefficients are used where the gram is well conditioned and the penalty is not far smaller.
_LARGEST_RATIO, _LEAST_PIVOT = 1e6, 1e-8
_LEAST_RIDGE = 1e-280


def _power_of_two(size: float) -> float:
    """The power of two next to a size, so that dividing by it is exact; 1 for a size of 0."""
    return float(2.0 ** np.clip(np.frexp(size)[1], -1000, 1000)) if size > 0 else 1.0


class SoftmaxRegression:
    """Softmax regression on fixed features, prepared once and fitted to any number of targets.

    Build it with :meth:`from_gram`, :meth:`from_features` or :meth:`from_spectrum`. There is no intercept:
    add a column of ones to the features (a constant to the gram) for one that is penalised like the rest.

    Parameters
    ----------
    design : Design
        Of the features divided by `unit`.
    ridge : float
        λ of ``mean CE + (λ/2) ‖W‖²``, above 0.
    kernel : callable, optional
        Multiplies a matrix by the gram divided by the square of `unit`; the design's own by default.
    directions : ndarray (p, r), optional
        Features are ``design.rows @ directions.T``, to return weights in their coordinates.
    unit : float
        A power of two: features of any size are solved at a size of about 1, the penalty with them.
    """

    def __init__(
        self,
        design: Design,
        ridge: float,
        *,
        kernel: Callable[[Array], Array] | None = None,
        directions: Array | None = None,
        unit: float = 1.0,
    ) -> None:
        self.design = design
        self.ridge = check_positive(ridge, "ridge", "It is λ of (λ/2)‖W‖².")
        self.directions, self.unit = directions, unit
        self._kernel = kernel
        self._scaled_ridge = float(np.clip(self.ridge / unit / unit, _LEAST_RIDGE, 1 / _LEAST_RIDGE))

    @classmethod
    def from_gram(cls, gram: Any, ridge: float) -> SoftmaxRegression:
        """Take a kernel matrix (N, N), checked by a Cholesky factorisation with pivoting: O(N³/3).

        Raises
        ------
        InputError
            If it is not symmetric, or the ridge is not positive.
        IndefiniteGramError
            If it has a negative eigenvalue beyond rounding.
        """
        gram = as_symmetric(as_matrix(gram, "gram"))
        ridge = check_positive(ridge, "ridge", "It is λ of (λ/2)‖W‖².")
        unit = _power_of_two(np.sqrt(np.abs(np.diagonal(gram)).max()))
        if not 2.0**-300 < unit < 2.0**300:
            gram = gram / unit / unit
        else:
            unit = 1.0
        factor = PivotedCholesky.of(gram)
        ratio = largest_eigenvalue_bound(gram) / (max(ridge / unit / unit, _LEAST_RIDGE) * len(gram))
        design: Design = GramDesign(gram)
        if ratio > _LARGEST_RATIO or factor.last_pivot < _LEAST_PIVOT:
            design = FactorDesign(factor)
        return cls(design, ridge, kernel=lambda values: np.asarray(gram @ values), unit=unit)

    @classmethod
    def from_features(cls, features: Any, ridge: float) -> SoftmaxRegression:
        """Take features (N, p): one thin singular value decomposition, then O(N·p·K) a step."""
        x = as_matrix(features, "features").astype(np.float64, copy=False)
        unit = _power_of_two(np.abs(x).max())
        scaled = x / unit
        basis, values, directions = scipy.linalg.svd(scaled, full_matrices=False, check_finite=False)
        kept = values > max(x.shape) * np.finfo(np.float64).eps * values[0]
        design = EigenbasisDesign(basis[:, kept], values[kept])
        return cls(
            design,
            ridge,
            kernel=lambda weights: np.asarray(scaled @ (scaled.T @ weights)),
            directions=directions[kept].T,
            unit=unit,
        )

    @classmethod
    def from_spectrum(cls, spectrum: Spectrum, ridge: float) -> SoftmaxRegression:
        """Take a kernel that is factorised already."""
        spectrum = as_spectrum(spectrum)
        spectrum.require_complete("softmax regression")
        d = spectrum.eigenvalues
        basis = to_host(spectrum.basis.expand(np.eye(len(d))[:, d > 0])).astype(np.float64, copy=False)
        return cls(EigenbasisDesign(basis, np.sqrt(spectrum.n_samples * d[d > 0])), ridge)

    def fit(
        self, targets: Any, start: SoftmaxFit | None = None, *, tolerance: float = TOLERANCE
    ) -> SoftmaxFit:
        """Fit to soft targets by an inexact Newton method.

        Parameters
        ----------
        targets : array (N, K)
            Rows that sum to 1.
        start : SoftmaxFit, optional
            Where to start from: the previous round's fit of the same problem.
        tolerance : float
            Stationarity to reach; less precise only if rounding forbids it, which `stationarity` shows.

        Raises
        ------
        InputError
            If a row is no distribution, the tolerance is negative or no number, or `start` is a fit of another
            problem.
        """
        design, ridge = self.design, self._scaled_ridge
        tolerance = check_nonnegative(tolerance, "tolerance")
        t = as_distributions(targets, len(design.sample_weights))
        begin = np.zeros_like(design.adjoint(t))
        if start is not None:
            check_kind(start, "start", SoftmaxFit, "fit_softmax_regression(…)")
            if start.dual.shape != t.shape:
                raise InputError(
                    "start must be a fit of the same problem, with as many samples and classes; give none to "
                    "start from zero."
                )
            warm = design.adjoint(start.dual * self.unit * self.unit / design.sample_weights)
            begin = (
                warm if np.isfinite(warm).all() else begin
            )  # features of 1e160 take dual coefficients to 0
        k = t.shape[1]
        state, found, change, steps = solve_softmax(design, t - 1 / k, ridge, begin, tolerance)
        outputs = 1 / k + found
        stationarity = self._stationarity(t, outputs)
        if stationarity > max(DOUBTFUL, 10 * tolerance):
            warnings.warn(
                f"the softmax regression is stationary only to {stationarity:.2g}: a ridge of {self.ridge:g} is so "
                "small against the features that rounding decides. One more step would change an output by "
                f"{change:.1g}. Scale the features down, or raise the ridge.",
                SoftmaxAccuracyWarning,
                stacklevel=2,
            )
        dual = design.dual(state) / self.unit / self.unit
        weights = None if self.directions is None else self.directions @ state / self.unit
        return SoftmaxFit(outputs, dual, weights, stationarity, steps, False)

    def _stationarity(self, targets: Array, outputs: Array) -> float:
        """By its definition, with the gram or features that were given."""
        design, residual = self.design, targets - outputs
        if self._kernel is None:
            logits = design.forward(design.adjoint(residual)) / self._scaled_ridge
        else:
            logits = self._kernel(residual) / (self._scaled_ridge * len(targets))
        return float(np.abs(outputs - softmax(logits, check=False)).max())

    def distill(self, targets: Any, rounds: int, *, tolerance: float = TOLERANCE) -> list[SoftmaxFit]:
        """Fit, then refit to the previous outputs, each round starting where the last ended.

        Returns
        -------
        list of SoftmaxFit
            One a round; the first is the teacher.
        """
        fits: list[SoftmaxFit] = []
        for _ in range(check_rounds(rounds)):
            fits.append(
                self.fit(
                    fits[-1].outputs if fits else targets, fits[-1] if fits else None, tolerance=tolerance
                )
            )
        return fits


def fit_softmax_regression(
    gram: Any = None,
    targets: Any = None,
    ridge: float | None = None,
    *,
    features: Any = None,
    linearised: bool = False,
    start: SoftmaxFit | None = None,
) -> SoftmaxFit:
    """Minimise ``mean cross-entropy to the targets + (ridge/2) ‖W‖²`` over linear softmax models.

    Parameters
    ----------
    gram : array (N, N), optional
        Kernel matrix, not divided by N. Give this or `features`.
    targets : array (N, K)
        Distributions, one a row: labels as one-hot rows, or a teacher's outputs.
    ridge : float
        λ, above 0.
    features : array (N, p), optional
        In place of the gram.
    linearised : bool
        Replace softmax(v) by ``1/K + v/K``: kernel ridge on centred targets. Its outputs can leave
        [0, 1] and are then no targets: `distill_linearised` makes all rounds at once.
    start : SoftmaxFit, optional
        A fit of the same problem to other targets, to start from.

    Returns
    -------
    SoftmaxFit

    Raises
    ------
    InputError
        If targets are no distributions, the ridge is not positive, or not exactly one of gram and features is
        given.
    IndefiniteGramError
        If the gram has a negative eigenvalue beyond rounding.

    References
    ----------
    Jeong & Chung 2025, section 3; claims J1, J2 (docs: claims).

    Examples
    --------
    >>> import numpy as np
    >>> fit = fit_softmax_regression(np.eye(2), np.eye(2), ridge=0.5)
    >>> fit.outputs.round(3)
    array([[0.663, 0.337],
           [0.337, 0.663]])
    >>> fit.stationarity < 1e-8
    True
    """
    if (gram is None) == (features is None):
        raise InputError("give either a gram or features=, not both and not neither.")
    if targets is None or ridge is None:
        raise InputError("targets and ridge must be given.")
    if check_flag(linearised, "linearised"):
        return fit_linearised(gram, features, targets, ridge)
    model = (
        SoftmaxRegression.from_gram(gram, ridge)
        if features is None
        else SoftmaxRegression.from_features(features, ridge)
    )
    return model.fit(targets, start)
