"""Training on one's own outputs with fresh noise: mean and variance of every generation in closed form.

A generation is kernel ridge with some penalty, fitted to targets at the same points; the next generation's targets
are made of its fitted values, to which reading them out (sampling, annotators, rounding) adds noise of its own.
Without fresh noise this is self-distillation. In every eigenvector of the kernel a target is
``mean · f* + kept · (the first labels' noise) + (all later noise)``, and the recursion moves the two factors and the
variance of the rest. At a penalty of zero nothing is averaged away, and the schemes give the constants known from
model collapse: a variance that grows by s² a generation when targets are replaced, that stays below s²π²/6 when all
data sets are kept, and that settles when a share of real labels is mixed in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ..base.validation import (
    Array,
    InputError,
    as_real_array,
    as_targets,
    check_choice,
    check_count,
    check_fraction,
    check_nonnegative,
)
from ..distillation.risk import RiskCurve
from ..spectra.spectrum import Spectrum, as_spectrum

Scheme = Literal["replace", "accumulate"]
RealLabels = Literal["kept", "fresh"]


@dataclass(frozen=True, eq=False)
class Generations:
    """Every generation's fit, as what it makes of the truth and of the noise in each direction.

    Attributes
    ----------
    spectrum : Spectrum
    mean_filters : ndarray (T, m)
        Factor of the truth in the fit of generation t.
    label_filters : ndarray (T, m)
        Factor of the noise of the labels that the first generation was given.
    later_variances : ndarray (T, m)
        Variance, in each direction of one output, of all noise that came later.
    noise_variance : float
        Variance s² of the first labels' noise.
    """

    spectrum: Spectrum
    mean_filters: Array
    label_filters: Array
    later_variances: Array
    noise_variance: float

    @property
    def variances(self) -> Array:
        """Variance of the fit in each direction of one output, (T, m)."""
        return self.noise_variance * self.label_filters**2 + self.later_variances

    def risk(self, truth: Any) -> RiskCurve:
        """Expected squared distance of every generation's fitted values to the truth, a mean over samples.

        Parameters
        ----------
        truth : array (n,) or (n, k)
        """
        spectrum = self.spectrum
        values = as_targets(truth, spectrum.n_samples, "truth")
        if values.size != len(values) * spectrum.n_outputs:
            raise InputError(
                f"truth must have {spectrum.n_outputs} outputs, as the targets; got {values.shape}."
            )
        true = spectrum.with_targets(values)
        outside = max(true.energy - float(true.weights.sum()), 0.0)
        n = spectrum.n_samples
        return RiskCurve(
            ((1 - self.mean_filters) ** 2 @ true.weights + outside) / n,
            spectrum.n_outputs * self.variances.sum(axis=1) / n,
        )


def own_outputs(
    spectrum: Spectrum,
    ridge: float | Sequence[float] | Array,
    generations: int,
    noise_variance: float,
    *,
    fresh_noise_variance: float | None = None,
    real_share: float = 0.0,
    real_labels: RealLabels = "fresh",
    scheme: Scheme = "replace",
) -> Generations:
    """Train every generation on the outputs of the one before.

    Parameters
    ----------
    spectrum : Spectrum
        Of the kernel at the points; its targets play no part in means and variances.
    ridge : float or sequence of float
        Penalty c of every generation, or one each; 0 is allowed and fits the targets exactly.
    generations : int
        T, at least 1; the first is fitted to real labels.
    noise_variance : float
        Variance s² of the noise of one real label.
    fresh_noise_variance : float, optional
        Variance of the noise that every read-out of a fit adds; that of the labels if not given, and 0 for
        self-distillation.
    real_share : float
        Weight w in [0, 1] of real labels in every target: ``w · real + (1 − w) · own outputs``.
    real_labels : {"fresh", "kept"}
        Whether every generation gets real labels with new noise, or those of the first again.
    scheme : {"replace", "accumulate"}
        Whether a generation sees the newest data set alone, or the mean of all there have been (only without a
        real share: the real labels are among them).

    Returns
    -------
    Generations

    Raises
    ------
    InputError
        If a number is out of range, penalties and generations disagree, or the scheme leaves no place for a share.

    References
    ----------
    Shumailov et al. 2024; Dohmatob, Feng & Kempe 2024; Gerstgrasser et al. 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from selfdistill.theory import Spectrum, own_outputs
    >>> spectrum = Spectrum.from_eigenvalues([1.0], [0.0])
    >>> own_outputs(spectrum, 0.0, 4, 1.0).variances[:, 0]  # replaced each time, nothing averaged
    array([1., 2., 3., 4.])
    """
    spectrum = as_spectrum(spectrum)
    spectrum.require_complete("training on own outputs")
    generations = check_count(generations, "generations")
    penalties = _penalties(ridge, generations)
    variance = check_nonnegative(noise_variance, "noise_variance")
    fresh = (
        variance
        if fresh_noise_variance is None
        else check_nonnegative(fresh_noise_variance, "fresh_noise_variance")
    )
    share = check_fraction(real_share, "real_share")
    check_choice(real_labels, "real_labels", ("fresh", "kept"))
    check_choice(scheme, "scheme", ("replace", "accumulate"))
    if scheme == "accumulate" and share > 0:
        raise InputError(
            "real_share is for scheme='replace': accumulated data hold the real labels once, with every data "
            "set weighing the same."
        )
    d = spectrum.eigenvalues
    mean, label, later = np.ones_like(d), np.ones_like(d), np.zeros_like(d)
    rows: list[tuple[Array, Array, Array, Array]] = []
    for t, c in enumerate(penalties):
        if t:
            a = rows[-1][3]
            if scheme == "accumulate":  # the mean of t + 1 data sets, of which the newest is the last fit
                carry = (t + a) / (t + 1)
                mean, label = carry * mean, carry * label
                later = carry**2 * later + fresh / (t + 1) ** 2
            else:
                own = (1 - share) * a
                mean = share + own * mean
                label = (share if real_labels == "kept" else 0.0) + own * label
                later = own**2 * later + (1 - share) ** 2 * fresh
                if real_labels == "fresh":
                    later = later + share**2 * variance
        a = np.divide(d, d + c, where=d > 0, out=np.zeros_like(d))
        rows.append((a * mean, a * label, a**2 * later, a))
    means, labels, laters, _ = (np.array(column) for column in zip(*rows, strict=True))
    return Generations(spectrum, means, labels, laters, variance)


def best_real_share() -> float:
    """Weight of fresh real labels that leaves the least variance when nothing is averaged: ``(√5 − 1)/2``.

    The least over w of ``(2w² − 2w + 1)/(2w − w²)``, the stationary variance over s² at a penalty of zero.
    """
    return float((np.sqrt(5) - 1) / 2)


def _penalties(ridge: float | Sequence[float] | Array, generations: int) -> Array:
    values = as_real_array(ridge, "ridge").astype(np.float64)
    if values.ndim > 1 or (values.ndim == 1 and len(values) != generations):
        raise InputError(
            f"ridge must be a number, or one penalty a generation ({generations}); got shape {values.shape}."
        )
    if not (values >= 0).all():
        raise InputError(f"every ridge must be at least 0; got {values.min():g}.")
    return np.broadcast_to(values, (generations,))
