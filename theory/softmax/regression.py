"""Softmax regression with soft targets on fixed features: exact (J1) and linearised (J2), round by round."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..base.arrays import as_symmetric
from ..base.probabilities import as_distributions, softmax
from ..base.validation import (
    Array,
    InputError,
    as_matrix,
    check_count,
    check_nonnegative,
    check_positive,
)
from ..distillation.distill import distill_with_ridge
from ..distillation.trajectory import Trajectory
from ..spectra.spectrum import Spectrum, as_spectrum
from .newton import Design, solve_softmax
from .operators import EigenbasisDesign, GramDesign

TOLERANCE = 1e-9


@dataclass(frozen=True, eq=False)
class SoftmaxFit:
    """Outputs of a softmax regression on its training samples, and what predicts at new ones.

    Attributes
    ----------
    outputs : ndarray (N, K)
        Probabilities ``Y``.
    dual : ndarray (N, K)
        ``(T − Y) / (λN)``: logits at new points are ``k(x, X) @ dual``.
    weights : ndarray (p, K) or None
        ``Xᵀ dual``, where features were given.
    stationarity : float
        Largest entry of ``|Y − softmax(gram (T − Y) / (λN))|``: 0 at the optimum (claim J1).
    newton_steps : int
        Steps taken; 0 for a linearised fit.
    linearised : bool
        Whether softmax was replaced by ``1/K + v/K`` (claim J2).
    """

    outputs: Array
    dual: Array
    weights: Array | None
    stationarity: float
    newton_steps: int
    linearised: bool
    state: Array | None = None

    def predict_proba(self, points: Any) -> Array:
        """Probabilities (q, K) at new points: rows of features where fitted on features, else of the gram.

        Parameters
        ----------
        points : array (q, p) or (q, N)
            Features of the points, or their kernel with the training samples.
        """
        map_ = self.dual if self.weights is None else self.weights
        x = as_matrix(points, "points")
        if x.shape[1] != len(map_):
            kind = "kernel values, one a training sample" if self.weights is None else "features"
            raise InputError(f"points must have {len(map_)} columns ({kind}); got shape {x.shape}.")
        logits = x @ map_
        k = logits.shape[1]
        return 1 / k + logits / k if self.linearised else softmax(logits, check=False)


class SoftmaxRegression:
    """Softmax regression on fixed features, prepared once and fitted to any number of targets.

    Build it with :meth:`from_gram`, :meth:`from_features` or :meth:`from_spectrum`. There is no intercept:
    add a column of ones to the features (a constant to the gram) for one that is penalised like the rest.

    Parameters
    ----------
    design : Design
    ridge : float
        λ of ``mean CE + (λ/2) ‖W‖²``, above 0.
    features : ndarray (N, p), optional
        Kept to return weights in their coordinates.
    """

    def __init__(self, design: Design, ridge: float, features: Array | None = None) -> None:
        self.design = design
        self.ridge = check_positive(ridge, "ridge", "It is λ of (λ/2)‖W‖².")
        self.features = features

    @classmethod
    def from_gram(cls, gram: Any, ridge: float) -> SoftmaxRegression:
        """Take a kernel matrix (N, N), checked by a Cholesky factorisation: O(N³/3), no eigenvectors.

        Raises
        ------
        InputError
            If it is not symmetric, or the ridge is not positive.
        IndefiniteGramError
            If it has a negative eigenvalue beyond rounding.
        """
        gram = as_symmetric(as_matrix(gram, "gram"))
        return cls(GramDesign(gram), ridge)

    @classmethod
    def from_features(cls, features: Any, ridge: float) -> SoftmaxRegression:
        """Take features (N, p): one thin singular value decomposition, then O(N·p·K) a step."""
        x = as_matrix(features, "features").astype(np.float64, copy=False)
        spectrum = Spectrum.from_features(x, np.zeros(len(x)))
        return cls(EigenbasisDesign.from_spectrum(spectrum), ridge, x)

    @classmethod
    def from_spectrum(cls, spectrum: Spectrum, ridge: float) -> SoftmaxRegression:
        """Take a kernel that is factorised already."""
        return cls(EigenbasisDesign.from_spectrum(as_spectrum(spectrum)), ridge)

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
        design, ridge = self.design, self.ridge
        tolerance = check_nonnegative(tolerance, "tolerance")
        t = as_distributions(targets, len(design.sample_weights))
        begin = np.zeros_like(design.adjoint(t))
        if start is not None and start.state is not None:
            if start.state.shape != begin.shape:
                raise InputError(
                    "start must be a fit of the same problem, with as many samples, features and classes; give "
                    "none to start from zero."
                )
            begin = start.state
        state, outputs, stationarity, steps = solve_softmax(design, t, ridge, begin, tolerance)
        dual = design.sample_weights * (t - outputs) / ridge
        weights = None if self.features is None else self.features.T @ dual
        return SoftmaxFit(outputs, dual, weights, stationarity, steps, False, state)

    def distill(self, targets: Any, rounds: int, *, tolerance: float = TOLERANCE) -> list[SoftmaxFit]:
        """Fit, then refit to the previous outputs, each round starting where the last ended.

        Returns
        -------
        list of SoftmaxFit
            One a round; the first is the teacher.
        """
        fits: list[SoftmaxFit] = []
        for _ in range(check_count(rounds, "rounds", least=1)):
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
        Replace softmax(v) by ``1/K + v/K``: kernel ridge on centred targets (claim J2). Its outputs can leave
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
    Jeong & Chung 2025, section 3; claims J1, J2.

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
    if linearised:
        return _linearised(gram, features, targets, ridge)
    model = (
        SoftmaxRegression.from_gram(gram, ridge)
        if features is None
        else SoftmaxRegression.from_features(features, ridge)
    )
    return model.fit(targets, start)


def distill_linearised(spectrum: Spectrum, ridge: float, rounds: int) -> Trajectory:
    """Self-distill with softmax linearised at the uniform output: kernel ridge with penalty Kλ (claim J2).

    Parameters
    ----------
    spectrum : Spectrum
        Of the kernel and centred targets ``T − 1/K``; add 1/K to the fitted values and predictions.
    ridge : float
        λ of the softmax regression.
    rounds : int
        Number of fits.
    """
    penalty = as_spectrum(spectrum).n_outputs * check_positive(ridge, "ridge", "It is λ of (λ/2)‖W‖².")
    return distill_with_ridge(spectrum, penalty, rounds)


def _linearised(gram: Any, features: Any, targets: Any, ridge: float) -> SoftmaxFit:
    by_gram = features is None
    given = as_symmetric(as_matrix(gram, "gram")) if by_gram else as_matrix(features, "features")
    t = as_distributions(targets, len(given))
    ridge = check_positive(ridge, "ridge", "It is λ of (λ/2)‖W‖².")
    n, k = t.shape
    spectrum = (Spectrum.from_gram if by_gram else Spectrum.from_features)(given, t - 1 / k)
    outputs = 1 / k + distill_linearised(spectrum, ridge, 1).fitted(1)
    dual = (t - outputs) / (ridge * n)
    weights = None if by_gram else given.T @ dual
    logits = given @ (dual if weights is None else weights)
    gap = float(np.abs(outputs - softmax(logits, check=False)).max())
    return SoftmaxFit(outputs, dual, weights, gap, 0, True)
