"""Self-distilled kernel ridge as a scikit-learn classifier that tunes itself by leave-one-out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight

from ..base.arrays import to_host
from ..base.validation import Array, InputError, check_positive, check_rounds
from ..distillation.distill import distill_with_ridge
from .kernel_mixin import KernelMixin
from .selection import select_setting

_LEAST_PROBABILITY = 1e-12


class SelfDistilledRidgeClassifier(KernelMixin, ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Kernel ridge on one output a class, refitted to its own outputs; nothing has to be tuned.

    Kernel coefficient, penalty and number of rounds are those of the least left-out error on the given labels,
    from one factorisation a coefficient. What a fit loses of the labels' mass by shrinking is given to the
    classes' frequencies, so that outputs sum to 1.

    Parameters
    ----------
    kernel : str or callable
        Of `sklearn.metrics.pairwise.pairwise_kernels`; "precomputed" takes the gram (n, n) in place of X to
        fit, and the kernel (q, n) between new and training points to predict. Kernels of
        differences (rbf, laplacian) are taken of centred points: the same kernel, with the digits that a large
        mean would cost.
    gamma : float or "best", optional
        Kernel coefficient; None is one over the number of features.
    degree, coef0 : float
        Kernel coefficients, where the kernel has them.
    kernel_params : dict, optional
        Further arguments of a callable kernel.
    ridge : float or "best"
        Penalty c of ``weighted mean (f − y)² + c ‖f‖²``.
    rounds : int or "best"
        Number of fits.
    ground_truth_weight : float or "best"
        Weight in [0, 1] of the given labels in every refit; "best" gives every round the weight with the least
        squared error at samples left out of the run so far.
    max_rounds : int
        Rounds that "best" considers.

    Attributes
    ----------
    classes_ : ndarray (K,)
    frequencies_ : ndarray (K,)
        Weighted shares of the classes.
    gamma_, ridge_, rounds_
        What was given or chosen.
    dual_coef_ : ndarray (n, K)
    X_fit_ : ndarray
        Training points of positive weight; the gram, if the kernel is precomputed.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        If X had string column names.

    References
    ----------
    Borup & Andersen 2021 for the rounds; claim L1 for leave-one-out.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from selfdistill.theory import SelfDistilledRidgeClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> bool(SelfDistilledRidgeClassifier().fit(X[::2], y[::2]).score(X[1::2], y[1::2]) > 0.9)
    True
    """

    _chooses_gamma = True

    def __init__(
        self,
        kernel: str | Callable[..., float] = "rbf",
        *,
        gamma: float | Literal["best"] | None = "best",
        degree: float = 3,
        coef0: float = 1,
        kernel_params: dict[str, Any] | None = None,
        ridge: float | Literal["best"] = "best",
        rounds: int | Literal["best"] = "best",
        ground_truth_weight: float | Literal["best"] = 0.0,
        max_rounds: int = 8,
    ) -> None:
        self.kernel = kernel
        self.gamma = gamma
        self.degree = degree
        self.coef0 = coef0
        self.kernel_params = kernel_params
        self.ridge = ridge
        self.rounds = rounds
        self.ground_truth_weight = ground_truth_weight
        self.max_rounds = max_rounds

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit every round.

        Parameters
        ----------
        X : array or DataFrame (n, p)
            Features, or the gram (n, n) if the kernel is precomputed.
        y : array or Series (n,)
        sample_weight : array (n,), optional
            At least 0; a sample of weight 2 counts as two. Leave-one-out leaves both out.

        Raises
        ------
        InputError
            If there are fewer than two classes, or a parameter or weight cannot be used.
        """
        self._check_parameters()
        X, y = self._training_data(X, y)
        check_classification_targets(y)
        weights = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        kept = weights > 0
        self.classes_, numbers = np.unique(y[kept], return_inverse=True)
        if len(self.classes_) < 2:
            raise InputError(
                f"y must hold at least two classes; got one class{' of positive weight' if not kept.all() else ''}."
            )
        if not kept.all():
            X = X[np.ix_(kept, kept)] if self.kernel == "precomputed" else X[kept]
        self._kept = kept
        self._fit(X, np.eye(len(self.classes_))[numbers], weights[kept])
        return self

    def _fit(self, X: Array, targets: Array, weights: Array) -> None:
        n, scale = len(X), np.sqrt(weights)
        total = float(weights.sum())
        self.frequencies_ = weights @ targets / total
        others = (weights @ targets - weights[:, None] * targets) / (total - weights)[:, None]

        def error(predictions: Array, scaled: Array) -> Array:
            outputs = predictions / scale[:, None]
            outputs = outputs + others * (1 - outputs.sum(axis=2, keepdims=True))
            return np.einsum("i,tik->t", weights, (outputs - targets) ** 2)

        # The mean is weighted: n samples of the scaled problem bear the penalty of the weights' sum.
        ridges = None if self.ridge == "best" else [check_positive(self.ridge, "ridge") * total / n]
        rounds = range(1, self.max_rounds + 1) if self.rounds == "best" else [self.rounds]
        found = select_setting(
            self._spectra(X, scale[:, None] * targets, scale), ridges, rounds, self.ground_truth_weight, error=error
        )  # fmt: skip
        self.gamma_, self.ridge_, self.rounds_ = found.gamma, found.ridge * n / total, found.rounds
        run = distill_with_ridge(found.spectrum, found.ridge, found.rounds, self.ground_truth_weight)
        self.dual_coef_ = scale[:, None] * to_host(run.dual(found.rounds))
        self.X_fit_ = X

    def outputs(self, X: Any) -> Array:
        """Return the fit's outputs (q, K): they sum to 1, and may be below 0."""
        X = self._new_points(X)
        cross = X[:, self._kept] if self.kernel == "precomputed" else self._cross_gram(X)
        values = cross @ self.dual_coef_
        return np.asarray(values + self.frequencies_ * (1 - values.sum(axis=1, keepdims=True)))

    def decision_function(self, X: Any) -> Array:
        """Outputs (q, K); for two classes the lead of the second, (q,)."""
        outputs = self.outputs(X)
        return np.asarray(outputs[:, 1] - outputs[:, 0]) if len(self.classes_) == 2 else outputs

    def predict_proba(self, X: Any) -> Array:
        """Outputs as probabilities (q, K): what is below 0 is cut off, and rows sum to 1."""
        values = np.maximum(self.outputs(X), _LEAST_PROBABILITY)
        return np.asarray(values / values.sum(axis=1, keepdims=True))

    def predict_log_proba(self, X: Any) -> Array:
        """Logarithms of `predict_proba`."""
        return np.asarray(np.log(self.predict_proba(X)))

    def predict(self, X: Any) -> Array:
        """Return the class of the largest output of each point, (q,)."""
        outputs = self.outputs(X)
        return np.asarray(self.classes_[outputs.argmax(axis=1)])

    def _check_parameters(self) -> None:
        self._check_kernel()
        for name in ("ridge", "rounds"):
            value = getattr(self, name)
            if isinstance(value, str) and value != "best":
                raise InputError(f'{name} must be a number, or "best"; got {value!r}.')
        if not isinstance(self.rounds, str):
            check_rounds(self.rounds)
        if not isinstance(self.ridge, str):
            check_positive(self.ridge, "ridge")
        check_rounds(self.max_rounds, "max_rounds")

    classes_: Array
