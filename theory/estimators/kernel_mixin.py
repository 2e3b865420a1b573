"""What the estimators share: a kernel between points, or one that is given."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from numbers import Real
from typing import Any

import numpy as np
from sklearn.metrics.pairwise import KERNEL_PARAMS
from sklearn.utils.validation import check_is_fitted, validate_data

from ..base.validation import Array, InputError, check_positive, refuse_mask, shown
from ..spectra.spectrum import Spectrum
from .scaling import kernel_values
from .selection import gammas_around

TOO_LARGE = (
    "X must be an array of real numbers; it holds a whole number that is too large for floating point."
)


class KernelMixin:
    """Gram matrices for an estimator with `kernel`, `gamma`, `degree`, `coef0` and `kernel_params`."""

    kernel: str | Callable[..., float]
    gamma: Any
    degree: float
    coef0: float
    kernel_params: dict[str, Any] | None

    def __sklearn_tags__(self) -> Any:
        """Mark X as pairwise if the kernel is precomputed, so that cross-validation slices both axes."""
        tags = super().__sklearn_tags__()  # type: ignore[misc]
        tags.input_tags.pairwise = self.kernel == "precomputed"
        return tags

    def _training_data(self, X: Any, y: Any, **checks: Any) -> tuple[Array, Array]:
        """X and y as checked arrays; features in double precision, for a gram of float32 would lose its rank."""
        refuse_mask(X, "X")
        refuse_mask(y, "y")
        try:
            X, y = validate_data(self, X, y, dtype=self._input_types, **checks)
        except OverflowError:
            raise InputError(TOO_LARGE) from None
        return X, y

    def _new_points(self, X: Any) -> Array:
        """Points to predict at, as a checked array."""
        check_is_fitted(self)
        refuse_mask(X, "X")
        try:
            points: Array = validate_data(self, X, reset=False, dtype=self._input_types)
        except OverflowError:
            raise InputError(TOO_LARGE) from None
        return points

    @property
    def _input_types(self) -> Any:
        # A gram that is given keeps its precision, by which its rounding is told from its rank.
        return (np.float64, np.float32) if self.kernel == "precomputed" else np.float64

    def _kernel(self, X: Array, Y: Array) -> Array:
        if callable(self.kernel):
            parameters, known_only = self.kernel_params or {}, False
        else:
            parameters = {
                "gamma": getattr(self, "gamma_", self.gamma),
                "degree": self.degree,
                "coef0": self.coef0,
            }
            known_only = True
        return kernel_values(X, Y, self.kernel, filter_params=known_only, **parameters)

    def _check_kernel(self) -> None:
        """Raise `InputError` for a kernel that is not known, or a coefficient that it cannot have."""
        if callable(self.kernel):
            return
        known = ("precomputed", *sorted(KERNEL_PARAMS))
        if not isinstance(self.kernel, str) or self.kernel not in known:
            raise InputError(
                f"kernel must be a function or one of {', '.join(known)}; got {shown(self.kernel)}."
            )
        takes = KERNEL_PARAMS.get(self.kernel, ())
        chosen = self._chooses_gamma and isinstance(self.gamma, str) and self.gamma == "best"
        for name in ("gamma", "degree"):
            value = getattr(self, name)
            if name not in takes or (name == "gamma" and (value is None or chosen)):
                continue
            hint = 'Or "best".' if name == "gamma" and self._chooses_gamma else ""
            if isinstance(value, str):
                raise InputError(f"{name} must be a number above 0; got {value!r}. {hint}".rstrip())
            check_positive(value, name, hint)
            if type(value) is bool or not isinstance(value, Real):
                raise InputError(f"{name} must be a number above 0; got {shown(value)}. {hint}".rstrip())

    def _training_gram(self, X: Array) -> Array:
        if self.kernel != "precomputed":
            return self._kernel(X, X)
        if X.shape[0] != X.shape[1]:
            raise InputError(
                f'kernel="precomputed" takes the square gram of the training points; got shape {X.shape}.'
            )
        return X

    def _cross_gram(self, X: Array) -> Array:
        return X if self.kernel == "precomputed" else self._kernel(X, self.X_fit_)

    def _spectra(
        self, X: Array, targets: Array, scale: Array | None = None
    ) -> Iterator[tuple[Any, Spectrum]]:
        """Yield the spectrum of each coefficient to compare; with `scale`, of the gram times it on both sides."""
        has_gamma = not callable(self.kernel) and "gamma" in KERNEL_PARAMS.get(self.kernel, ())
        given = None if isinstance(self.gamma, str) else self.gamma
        for gamma in gammas_around(X) if has_gamma and given is None and self.gamma is not None else [given]:
            self.gamma_ = gamma
            gram = self._training_gram(X)
            yield gamma, Spectrum.from_gram(gram if scale is None else scale[:, None] * gram * scale, targets)

    # Whether gamma may be "best".
    _chooses_gamma = False
    gamma_: Any
    X_fit_: Array
