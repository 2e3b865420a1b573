"""Self-distilled kernel ridge as a scikit-learn regressor: all rounds from one factorisation."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin

from ..base.validation import Array, InputError, check_choice, check_positive, check_rounds
from ..beyond.mixing import Mixing, optimal_mixing
from ..distillation.distill import distill_to_tolerance, distill_with_ridge
from ..distillation.risk import estimated_risk
from ..distillation.schedules import GivenWeight
from ..distillation.trajectory import Trajectory
from ..spectra.spectrum import Spectrum
from .folds import fold_risk
from .kernel_mixin import KernelMixin
from .selection import is_best, select_setting, select_tolerance

DEFAULT_RIDGE = 0.01


class SelfDistilledKernelRidge(KernelMixin, MultiOutputMixin, RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Kernel ridge regression, refitted again and again to its own predictions.

    One spectral factorisation gives every round at O(n) each, so that choosing the number of rounds costs
    little more than one fit. Predictions shrink towards zero, as there is no intercept: centre the targets
    first (for instance with `sklearn.compose.TransformedTargetRegressor`) if their mean is far from it.

    Parameters
    ----------
    kernel : str or callable
        Of `sklearn.metrics.pairwise.pairwise_kernels`; "precomputed" takes the gram (n, n) in place of X to
        fit, and the kernel (q, n) between new and training points to predict. Kernels of
        differences (rbf, laplacian) are taken of centred points: the same kernel, with the digits that a large
        mean would cost.
    gamma, degree, coef0 : float
        Kernel coefficients, where the kernel has them. ``gamma=None`` is one over the number of features;
        ``gamma="best"`` compares six around that over the features' variance, if the kernel has one.
    kernel_params : dict, optional
        Further arguments of a callable kernel.
    epsilon : float, optional
        Mean squared training error of every round (summed over outputs): refit until collapse.
    ridge : float or "best", optional
        Penalty c of every round, of ``mean (f − y)² + c ‖f‖²``: `KernelRidge`'s alpha is ``n * ridge``. Not
        together with `epsilon`; 0.01 if neither is given. "best" compares 13 over six decades.
    rounds : int, "collapse" or "best"
        Number of fits (1 is plain kernel ridge); the last fit before collapse (needs `epsilon`); or that of
        the least estimated risk: by leave-one-out, or by Mallows' criterion if `noise_variance` is given, or
        by cross-validation if `cv` is. Leave-one-out needs no fit but the one to all samples; with `epsilon`
        the penalties of that fit are held.
    ground_truth_weight : float, sequence of float, or "best"
        Weight α in [0, 1] of the given targets in every refit (with `ridge` only): one for all rounds, one a round,
        or for every round the one that is best at samples left out of the run so far, in which case
        ``trajectory_.given_weights`` are those chosen.
    mixing : "optimal" or None
        Mix the fits of the first ``mixing_steps + 1`` rounds with the weights that `optimal_mixing` estimates to be
        best: by Mallows' criterion if `noise_variance` is given, else by leave-one-out. With `ridge` only.
    mixing_steps : int
        Rounds after the first fit that are mixed in.
    noise_variance : float, optional
        Variance of one target's noise, for ``rounds="best"`` and ``mixing="optimal"``.
    max_rounds : int
        Rounds that "best" considers.
    cv : int, splitter or iterable, optional
        Folds for ``rounds="best"`` in place of leave-one-out, as in `sklearn.model_selection.cross_validate`.
        Each is factorised once.

    Attributes
    ----------
    rounds_ : int
        Fits made.
    gamma_, ridge_ : float or None
        Kernel coefficient and penalty that were given or chosen.
    dual_coef_ : ndarray (n,) or (n, k)
        Predictions are ``kernel(X, X_fit_) @ dual_coef_``.
    X_fit_ : ndarray
        Training points; the gram, if the kernel is precomputed.
    trajectory_ : Trajectory
        Every round: multipliers, norms, filters, fitted values.
    mixing_ : Mixing or None
        The mixture, with its weights; `trajectory_` then holds it as a run of one round.
    risk_ : ndarray (T,) or None
        Estimated risk of rounds 1 … T, of which the least was taken; None where nothing was chosen. From
        leave-one-out and folds it is the error on the noisy targets that were held out.
    output_names_ : list or None
        Columns of y, if it had any; its column numbers otherwise. None for a single output.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        If X had string column names.

    References
    ----------
    Mobahi et al. 2020 (`epsilon`); Borup & Andersen 2021 (`ridge` and `ground_truth_weight`).

    Examples
    --------
    >>> import numpy as np
    >>> from selfdistill.theory import SelfDistilledKernelRidge
    >>> X = np.linspace(0, 1, 30)[:, None]
    >>> y = np.sin(2 * np.pi * X[:, 0]) + 0.3 * np.random.default_rng(0).normal(size=30)
    >>> model = SelfDistilledKernelRidge(gamma=80, epsilon=0.02, rounds="collapse").fit(X, y)
    >>> model.rounds_
    5
    """

    _chooses_gamma = True

    def __init__(
        self,
        kernel: str | Callable[..., float] = "rbf",
        *,
        gamma: float | Literal["best"] | None = None,
        degree: float = 3,
        coef0: float = 1,
        kernel_params: dict[str, Any] | None = None,
        epsilon: float | None = None,
        ridge: float | Literal["best"] | None = None,
        rounds: int | Literal["collapse", "best"] = 1,
        ground_truth_weight: GivenWeight = 0.0,
        mixing: Literal["optimal"] | None = None,
        mixing_steps: int = 1,
        noise_variance: float | None = None,
        max_rounds: int = 50,
        cv: Any = None,
    ) -> None:
        self.kernel = kernel
        self.gamma = gamma
        self.degree = degree
        self.coef0 = coef0
        self.kernel_params = kernel_params
        self.epsilon = epsilon
        self.ridge = ridge
        self.rounds = rounds
        self.ground_truth_weight = ground_truth_weight
        self.mixing = mixing
        self.mixing_steps = mixing_steps
        self.noise_variance = noise_variance
        self.max_rounds = max_rounds
        self.cv = cv

    def fit(self, X: Any, y: Any) -> Self:
        """Fit every round.

        Parameters
        ----------
        X : array or DataFrame (n, p)
            Features, or the gram (n, n) if the kernel is precomputed.
        y : array, Series or DataFrame (n,) or (n, k)

        Raises
        ------
        InputError
            If parameters exclude each other or are out of range, or the kernel is not positive semi-definite.
        InfeasibleToleranceError
            If no fit reaches `epsilon`.
        """
        self._check_parameters()
        names = getattr(y, "columns", None)
        X, y = self._training_data(X, y, multi_output=True, y_numeric=True)
        y = y.astype(np.float64)
        self.risk_: Array | None = None
        self.gamma_: float | None = None if is_best(self.gamma) else self.gamma
        self.ridge_: float | None = None
        if self._leaves_one_out:
            run, chosen = self._select(X, y)
        else:
            run, chosen = self._run(X, y)
        self.mixing_: Mixing | None = self._mix(run.spectrum) if self.mixing is not None else None
        if self.mixing_ is not None:
            run, chosen = self.mixing_.trajectory, 1
        self.output_names_: list[Any] | None = None
        if y.ndim > 1:
            self.output_names_ = list(range(y.shape[1]) if names is None else names)
        self.X_fit_ = X
        self.trajectory_ = run
        self.rounds_ = chosen if self.mixing_ is None else self.mixing_steps + 1
        self.dual_coef_ = self._dual(run, chosen, y)
        return self

    def _run(self, X: Array, y: Array) -> tuple[Trajectory, int]:
        """Run with the kernel and the penalty that are given; a best round by folds or by the known noise."""
        spectrum = Spectrum.from_gram(self._training_gram(X), y)
        if self.epsilon is None:
            self.ridge_ = DEFAULT_RIDGE if self.ridge is None else float(self.ridge)
        if self.rounds == "best":
            run = self._distill(spectrum, self.max_rounds)
            self.risk_ = self._estimate_risk(run, X, y)
            return run, min(int(np.argmin(self.risk_)) + 1, run.rounds) if len(self.risk_) else 0
        if self.rounds == "collapse":
            run = self._distill(spectrum, None)
            return run, run.rounds
        run = self._distill(spectrum, self.rounds)
        if self.rounds > run.rounds:
            warnings.warn(
                f"rounds={self.rounds} is past collapse: after {run.rounds} fits at epsilon={run.epsilon:g} "
                'nothing is left, and predictions are zero. Take fewer rounds, or rounds="collapse".',
                stacklevel=3,
            )
        return run, self.rounds

    def predict(self, X: Any) -> Array:
        """Predict at new points after `rounds_` fits.

        Parameters
        ----------
        X : array or DataFrame (q, p), or (q, n) kernel values

        Returns
        -------
        ndarray (q,) or (q, k)
        """
        return np.asarray(self._checked_cross_gram(X) @ self.dual_coef_)

    def staged_predict(self, X: Any) -> Iterator[Array]:
        """Yield the predictions after 1, 2, … fits, each as `predict` gives them."""
        cross = self._checked_cross_gram(X)
        for t in range(1, self.trajectory_.rounds + 1):
            yield self.trajectory_.predict(cross, t)

    def predict_rounds(self, X: Any) -> Any:
        """Predictions of every round, side by side.

        Parameters
        ----------
        X : array or DataFrame (q, p), or (q, n) kernel values

        Returns
        -------
        ndarray (T, q) or (T, q, k), or DataFrame
            For a DataFrame, one with its index and a column a round (and output).
        """
        stages = list(self.staged_predict(X))
        values = np.array(stages) if stages else np.zeros((0, *self.predict(X).shape))
        if not hasattr(X, "iloc"):
            return values
        import pandas as pd

        rounds = range(1, len(values) + 1)
        if self.output_names_ is None:
            return pd.DataFrame(values.T, X.index, pd.Index(rounds, name="round"))
        columns = pd.MultiIndex.from_product([list(rounds), self.output_names_], names=["round", "output"])
        return pd.DataFrame(values.swapaxes(0, 1).reshape(len(X), -1), X.index, columns)

    def _checked_cross_gram(self, X: Any) -> Array:
        return self._cross_gram(self._new_points(X))

    def _check_parameters(self) -> None:
        self._check_kernel()
        if self.epsilon is not None and self.ridge is not None:
            raise InputError("give either epsilon (error of every round) or ridge (penalty), not both.")
        if self.epsilon is not None and self._weighs_given:
            raise InputError("ground_truth_weight needs a fixed ridge; with epsilon every round has its own.")
        if not isinstance(self.rounds, str):
            check_rounds(self.rounds)
        elif self.rounds not in ("collapse", "best"):
            raise InputError(
                f'rounds must be a whole number of at least 1, "collapse" or "best"; got {self.rounds!r}.'
            )
        check_rounds(self.mixing_steps, "mixing_steps")
        if self.mixing is not None:
            check_choice(self.mixing, "mixing", ("optimal",))
            if self.epsilon is not None or self._weighs_given or self.rounds != 1:
                raise InputError(
                    'mixing="optimal" chooses the weights of the rounds itself: give ridge and mixing_steps, and '
                    "neither epsilon, nor rounds, nor ground_truth_weight."
                )
        if self.rounds == "collapse" and self.epsilon is None:
            raise InputError(
                'rounds="collapse" needs epsilon: with a fixed ridge the fit never becomes zero.'
            )
        check_rounds(self.max_rounds, "max_rounds")
        if isinstance(self.ridge, str) and self.ridge != "best":
            raise InputError(f'ridge must be a number above 0, or "best"; got {self.ridge!r}.')
        if self.ridge is not None and not isinstance(self.ridge, str):
            check_positive(self.ridge, "ridge", 'Or "best".')
        if (is_best(self.gamma) or is_best(self.ridge)) and (
            self.cv is not None or self.noise_variance is not None
        ):
            raise InputError(
                'gamma="best" and ridge="best" are chosen by leave-one-out; cv and noise_variance choose the rounds '
                "alone. Leave them out, or search with sklearn.model_selection.GridSearchCV."
            )

    def _distill(self, spectrum: Spectrum, rounds: int | None) -> Trajectory:
        if self.epsilon is not None:
            return distill_to_tolerance(spectrum, self.epsilon, rounds)
        ridge = DEFAULT_RIDGE if self.ridge_ is None else self.ridge_
        return distill_with_ridge(spectrum, ridge, rounds, self.ground_truth_weight)

    def _estimate_risk(self, run: Trajectory, X: Array, y: Array) -> Array:
        if self.noise_variance is not None:
            noise = check_positive(self.noise_variance, "noise_variance")
            return estimated_risk(run, noise) if run.rounds else np.empty(0)
        return fold_risk(
            lambda spectrum: self._distill(spectrum, self.max_rounds), self._training_gram(X), y, self.cv
        )

    def _mix(self, spectrum: Spectrum) -> Mixing:
        """Mix rounds under the penalty that was given or chosen."""
        ridge = DEFAULT_RIDGE if self.ridge_ is None else self.ridge_
        return optimal_mixing(spectrum, ridge, self.mixing_steps, self.noise_variance)

    @property
    def _weighs_given(self) -> bool:
        """Whether the given targets have, or may be given, a weight in refits."""
        return np.ndim(self.ground_truth_weight) > 0 or self.ground_truth_weight != 0

    @property
    def _leaves_one_out(self) -> bool:
        """Whether something is to be chosen, by leave-one-out."""
        rounds_by_it = self.rounds == "best" and self.cv is None and self.noise_variance is None
        return rounds_by_it or is_best(self.gamma) or is_best(self.ridge)

    def _select(self, X: Array, y: Array) -> tuple[Trajectory, int]:
        """Choose by leave-one-out whatever is to be chosen."""
        spectra = self._spectra(X, y)
        if self.epsilon is not None:
            limit = {"best": self.max_rounds, "collapse": None}.get(str(self.rounds), self.rounds)
            last = self.rounds != "best"
            self.gamma_, run, chosen, self.risk_ = select_tolerance(spectra, self.epsilon, limit, last=last)  # type: ignore[arg-type]
            return run, chosen
        ridges = None if is_best(self.ridge) else [DEFAULT_RIDGE if self.ridge is None else self.ridge]
        rounds = range(1, self.max_rounds + 1) if self.rounds == "best" else [self.rounds]
        found = select_setting(spectra, ridges, rounds, self.ground_truth_weight)  # type: ignore[arg-type]
        self.gamma_, self.ridge_, self.risk_ = found.gamma, found.ridge, found.risk
        last_round = self.max_rounds if self.rounds == "best" else found.rounds
        run = distill_with_ridge(found.spectrum, found.ridge, last_round, self.ground_truth_weight)
        return run, found.rounds

    @staticmethod
    def _dual(run: Trajectory, rounds: int, y: Array) -> Array:
        return run.dual(rounds) if 1 <= rounds <= run.rounds else np.zeros_like(y)
