"""Self-distilled softmax regression as a scikit-learn classifier: rounds, soft targets, partial labels."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from ..base.probabilities import as_distributions
from ..base.validation import Array, InputError, check_rounds, shown
from ..labels.partial_labels import top_two_targets
from ..softmax.fit import DOUBTFUL, SoftmaxAccuracyWarning, SoftmaxFit
from ..softmax.regression import SoftmaxRegression
from .kernel_mixin import KernelMixin


class SelfDistilledSoftmaxRegression(KernelMixin, ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Softmax regression on a kernel, refitted again and again to its own outputs.

    With wrong labels in the training set, each round averages the outputs over samples that look alike: after
    enough rounds the right labels win. There is no intercept; for one, add a column of ones to the features.

    Parameters
    ----------
    kernel : str or callable
        Of `sklearn.metrics.pairwise.pairwise_kernels`; "precomputed" takes the gram (n, n) in place of X to
        fit, and the kernel (q, n) between new and training points to predict. "linear" is solved on the
        features, without a gram. Kernels of
        differences (rbf, laplacian) are taken of centred points: the same kernel, with the digits that a large
        mean would cost.
    gamma, degree, coef0 : float
        Kernel coefficients, where the kernel has them. ``gamma=None`` is one over the number of features.
    kernel_params : dict, optional
        Further arguments of a callable kernel.
    ridge : float
        λ of ``mean cross-entropy + (λ/2) ‖W‖²``: `LogisticRegression`'s C is ``1/(n * ridge)``.
    rounds : int
        Number of fits; 1 is plain softmax regression.
    student : {"soft", "partial_labels"}
        What the last round learns from: the previous outputs, or half on each of their two largest (three
        classes or more; `rounds` of at least 2).

    Attributes
    ----------
    classes_ : ndarray (K,)
        The labels; for soft targets the columns of y.
    fits_ : list of SoftmaxFit
        One a round, the first is the teacher.
    coef_ : ndarray (K, p) or None
        For the linear kernel: logits are ``X @ coef_.T``; None for other kernels.
    X_fit_ : ndarray
        Training points; the gram, if the kernel is precomputed.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        If X had string column names.

    References
    ----------
    Jeong & Chung 2025 (arXiv 2402.10482): section 3 for the rounds, section 4 for partial labels.

    Examples
    --------
    >>> import numpy as np
    >>> from selfdistill.theory import SelfDistilledSoftmaxRegression
    >>> X = np.repeat(np.eye(3), 9, axis=0)  # three classes of alike samples
    >>> y = np.repeat([0, 1, 2], 9)
    >>> y[[0, 1, 9, 10]] = [1, 2, 2, 0]  # four labels are wrong
    >>> SelfDistilledSoftmaxRegression(rounds=3).fit(X, y).predict(np.eye(3))
    array([0, 1, 2])
    """

    def __init__(
        self,
        kernel: str | Callable[..., float] = "linear",
        *,
        gamma: float | None = None,
        degree: float = 3,
        coef0: float = 1,
        kernel_params: dict[str, Any] | None = None,
        ridge: float = 0.01,
        rounds: int = 1,
        student: Literal["soft", "partial_labels"] = "soft",
    ) -> None:
        self.kernel = kernel
        self.gamma = gamma
        self.degree = degree
        self.coef0 = coef0
        self.kernel_params = kernel_params
        self.ridge = ridge
        self.rounds = rounds
        self.student = student

    def fit(self, X: Any, y: Any) -> Self:
        """Fit every round; a ConvergenceWarning tells of a ridge below rounding.

        Parameters
        ----------
        X : array or DataFrame (n, p)
            Features, or the gram (n, n) if the kernel is precomputed.
        y : array or Series (n,), or array or DataFrame (n, K)
            Labels, or soft targets: one distribution a row.

        Raises
        ------
        InputError
            If there are fewer than two classes, a row of soft targets is no distribution, or a parameter
            cannot be used.
        """
        rounds = check_rounds(self.rounds)
        self._check_kernel()
        columns = getattr(y, "columns", None)
        X, y = self._training_data(X, y, multi_output=True)
        self.classes_, targets = _as_targets(y, columns)
        self._check_student(len(self.classes_))
        partial = self.student == "partial_labels"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SoftmaxAccuracyWarning)  # told once, below
            model = self._model(X)
            fits = model.distill(targets, rounds - 1 if partial else rounds)
            if partial:
                fits.append(model.fit(top_two_targets(fits[-1].outputs), fits[-1]))
        worst = max(fit.stationarity for fit in fits)
        if worst > DOUBTFUL:
            warnings.warn(
                f"the fit is stationary only to {worst:.2g}: ridge={self.ridge:g} is so small against the features "
                "that rounding decides. Standardise the features, or raise the ridge.",
                ConvergenceWarning,
                stacklevel=2,
            )
        self.X_fit_ = X
        self.fits_ = fits
        weights = fits[-1].weights
        self.coef_ = None if weights is None else weights.T
        return self

    def predict_proba(self, X: Any) -> Array:
        """Probabilities (q, K) after the last round, columns as `classes_`."""
        points = self._points(X)
        return self.fits_[-1].predict_proba(points)

    def predict(self, X: Any) -> Array:
        """Return the class with the largest probability of each point, (q,)."""
        probabilities = self.predict_proba(X)
        return np.asarray(self.classes_[probabilities.argmax(axis=1)])

    def staged_predict_proba(self, X: Any) -> Iterator[Array]:
        """Yield the probabilities after 1, 2, … fits, each as `predict_proba` gives them."""
        points = self._points(X)
        for fit in self.fits_:
            yield fit.predict_proba(points)

    def _points(self, X: Any) -> Array:
        X = self._new_points(X)
        return X if self.kernel == "linear" else self._cross_gram(X)

    def _model(self, X: Array) -> SoftmaxRegression:
        if self.kernel == "linear":
            return SoftmaxRegression.from_features(X, self.ridge)
        return SoftmaxRegression.from_gram(self._training_gram(X), self.ridge)

    def _check_student(self, n_classes: int) -> None:
        if not isinstance(self.student, str) or self.student not in ("soft", "partial_labels"):
            raise InputError(f'student must be "soft" or "partial_labels"; got {shown(self.student)}.')
        if self.student == "partial_labels" and (self.rounds < 2 or n_classes < 3):
            raise InputError(
                "a partial-label student needs a teacher (rounds of at least 2) and three classes or more; "
                f"got rounds={self.rounds} and {n_classes} classes."
            )

    fits_: list[SoftmaxFit]
    classes_: Array


def _as_targets(y: Array, columns: Any) -> tuple[Array, Array]:
    """Classes, and labels as one-hot rows or soft targets as they are."""
    if y.ndim == 2 and y.shape[1] > 1:
        return np.arange(y.shape[1]) if columns is None else np.asarray(columns), as_distributions(y, len(y))
    y = column_or_1d(y, warn=True)
    check_classification_targets(y)
    classes, labels = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise InputError(f"y must hold at least two classes; got one class, {classes[0]!r}.")
    return classes, np.eye(len(classes))[labels]
