"""Teacher and student with different kernels or penalties: a chain of smoothers, each factorised once.

On one kernel the filters multiply. On different kernels each smoother is diagonal in its own eigenvectors only, and
the product is a matrix; bias and variance follow from it in closed form. Where the student's fit has at least the
norm of the truth in the student's own space, its gain over the teacher is at least its misfit to the teacher: the
fit is then the nearest point of a ball that holds the truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..base.arrays import to_host
from ..base.validation import Array, InputError, as_real_array, as_targets, check_nonnegative
from ..distillation.risk import RiskCurve
from ..spectra.spectrum import Spectrum, as_spectrum


@dataclass(frozen=True, eq=False)
class TeachingChain:
    """Fits of a chain of learners, each taught by the fitted values of the one before.

    Attributes
    ----------
    spectra : tuple of Spectrum
        One a learner, all at the same points and with the same targets.
    ridges : ndarray (T,)
        Penalty of every learner.
    """

    spectra: tuple[Spectrum, ...]
    ridges: Array

    def smoother(self, learner: int) -> Array:
        """The matrix (n, n) that takes the given targets to the fitted values of a learner, counted from 1."""
        n = self.spectra[0].n_samples
        return self._apply(np.eye(n), learner)

    def fitted(self, learner: int) -> Array:
        """Fitted values of a learner (n,) or (n, k), counted from 1."""
        first = self.spectra[0]
        values = self._apply(to_host(first.targets).astype(np.float64), learner)
        return np.asarray(first.shape_like_targets(values))

    def norm(self, learner: int) -> float:
        """Norm of a learner's fit in its own kernel's space."""
        spectrum, ridge = self.spectra[learner - 1], self.ridges[learner - 1]
        taught = self._apply(to_host(self.spectra[0].targets).astype(np.float64), learner - 1)
        d = spectrum.eigenvalues
        weights = spectrum.with_targets(taught).weights
        return float(np.sqrt(np.sum(d * weights / (d + ridge) ** 2) / spectrum.n_samples))

    def risk(self, truth: Any, noise_variance: float) -> RiskCurve:
        """Expected squared distance of every learner's fitted values to the truth, a mean over samples.

        Parameters
        ----------
        truth : array (n,) or (n, k)
            The noiseless targets.
        noise_variance : float
            Variance of one target's noise.
        """
        n, outputs = self.spectra[0].n_samples, self.spectra[0].n_outputs
        values = as_targets(truth, n, "truth").reshape(n, -1)
        if values.shape[1] != outputs:
            raise InputError(f"truth must have {outputs} outputs, as the targets; got {values.shape[1]}.")
        variance = check_nonnegative(noise_variance, "noise_variance")
        bias, spread = [], []
        smoother = np.eye(n)
        for spectrum, ridge in zip(self.spectra, self.ridges, strict=True):
            smoother = _smooth(spectrum, ridge, smoother)
            bias.append(np.sum((values - smoother @ values) ** 2) / n)
            spread.append(variance * outputs * np.sum(smoother**2) / n)
        return RiskCurve(np.array(bias), np.array(spread))

    def _apply(self, columns: Array, learners: int) -> Array:
        for spectrum, ridge in zip(self.spectra[:learners], self.ridges[:learners], strict=True):
            columns = _smooth(spectrum, ridge, columns)
        return columns


def teach(spectra: Sequence[Spectrum], ridges: Sequence[float] | Array) -> TeachingChain:
    """Let every learner be taught by the one before: the first by the given targets.

    Parameters
    ----------
    spectra : sequence of Spectrum
        One a learner, teacher first: factorised grams of its kernel at the same points, with the same targets.
    ridges : sequence of float
        As many penalties, each above 0.

    Raises
    ------
    InputError
        If there are no learners, penalties and learners differ in number, or the points or targets differ.

    References
    ----------
    Burns et al. 2024; Charikar, Pabbaraju & Shiragur 2024; Moniri & Hassani 2025.

    Examples
    --------
    >>> import numpy as np
    >>> from selfdistill.theory import Spectrum, teach
    >>> narrow, wide = np.diag([1.0, 4.0]), np.diag([3.0, 2.0])
    >>> y = [1.0, 1.0]
    >>> chain = teach([Spectrum.from_gram(narrow, y), Spectrum.from_gram(wide, y)], [0.5, 0.5])
    >>> chain.fitted(2)
    array([0.375     , 0.53333333])
    """
    if not isinstance(spectra, Sequence) or not len(spectra):
        raise InputError("spectra must be a sequence of at least one spectrum, teacher first.")
    complete = tuple(_complete(spectrum) for spectrum in spectra)
    values = as_real_array(ridges, "ridges").astype(np.float64)
    if values.shape != (len(complete),):
        raise InputError(f"ridges must be one penalty a learner ({len(complete)}); got shape {values.shape}.")
    if not (values > 0).all():
        raise InputError(f"every ridge must be above 0; got {values.min():g}.")
    given = to_host(complete[0].targets)
    for position, spectrum in enumerate(complete[1:], start=2):
        targets = to_host(spectrum.targets)
        if targets.shape != given.shape or not np.array_equal(targets, given):
            raise InputError(
                f"all learners must have the same points and targets; spectrum {position} has targets of shape "
                f"{targets.shape} that differ from the teacher's, of shape {given.shape}."
            )
    return TeachingChain(complete, values)


def _complete(spectrum: Any) -> Spectrum:
    as_spectrum(spectrum).require_complete("teaching by other kernels")
    complete: Spectrum = spectrum
    return complete


def _smooth(spectrum: Spectrum, ridge: float, columns: Array) -> Array:
    """Kernel ridge's fitted values for each column."""
    filter_ = spectrum.eigenvalues / (spectrum.eigenvalues + ridge)
    coefficients = spectrum.with_targets(columns).coefficients
    return np.asarray(to_host(spectrum.expand(filter_[:, None] * coefficients)), dtype=np.float64)
