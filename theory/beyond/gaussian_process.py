"""Gaussian processes: distilling the posterior mean and distilling the posterior distribution are two methods.

Distilling the mean refits to the values of the mean: kernel ridge again and again, MORE regularisation with every
round. Its predictive variance must know the round: it is the expected squared error of that round's prediction under
the prior. Distilling the distribution takes the posterior as the next prior and shows it the same targets again, as
if they had been measured anew: LESS regularisation with every round, a process whose noise is ``1/Σ_t (1/α_t)``,
and a variance that shrinks although nothing new was seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..base.arrays import as_two_dimensional, to_host
from ..base.validation import Array, InputError, as_real_array, check_normal
from ..spectra.spectrum import Spectrum, as_spectrum


@dataclass(frozen=True, eq=False)
class ProcessRounds:
    """Predictions of every round at new points.

    Attributes
    ----------
    means : ndarray (T, q) or (T, q, k)
    variances : ndarray (T, q)
        Variance of the latent function at each point, without the noise of a new target.
    noise_variances : ndarray (T,)
        Noise of the plain Gaussian process of round t: the given ones, or what they have become.
    """

    means: Array
    variances: Array
    noise_variances: Array


def distill_mean(
    spectrum: Spectrum,
    noise_variances: Sequence[float] | Array,
    cross_gram: Any,
    prior_variance: Any,
) -> ProcessRounds:
    """Refit a Gaussian process to the values of its own posterior mean, round by round.

    The variance of round t is ``E (f(x) − m_t(x))²`` for a function drawn from the prior and targets with noise of
    the first variance. Round 1 gives the usual posterior variance; later ones know what the refits take away.

    Parameters
    ----------
    spectrum : Spectrum
        Of the prior's gram at the training points, and the targets.
    noise_variances : sequence of float (T,)
        Noise variance α_t that each round assumes (scikit-learn's ``alpha``; the ridge is ``α_t / n``).
    cross_gram : array (q, n)
        Kernel between new points and training points.
    prior_variance : array (q,)
        Kernel of each new point with itself.

    Raises
    ------
    InputError
        If a variance is not positive, shapes do not match, or the training points would explain more than a new
        point's prior variance.

    References
    ----------
    Borup & Andersen 2023 (arXiv 2304.02641), the data-centric method.
    """
    spectrum, alphas, cross, prior = _checked(spectrum, noise_variances, cross_gram, prior_variance)
    scaled, projected = _projected(spectrum, cross)
    filter_ = np.ones_like(scaled)
    means, variances = [], []
    for alpha in alphas:
        weights = filter_ / (scaled + alpha)
        filter_ = weights * scaled
        means.append((projected * weights) @ spectrum.coefficients)
        explained = 2 * weights - weights**2 * (scaled + alphas[0])
        variances.append(prior - projected**2 @ explained)
    return ProcessRounds(_shaped(spectrum, means), np.array(variances), alphas)


def distill_distribution(
    spectrum: Spectrum,
    noise_variances: Sequence[float] | Array,
    cross_gram: Any,
    prior_variance: Any,
) -> ProcessRounds:
    """Take the posterior of every round as the prior of the next, which is shown the same targets.

    Round t is a plain Gaussian process with noise ``1/Σ_{s ≤ t} (1/α_s)``. Parameters as in `distill_mean`.

    References
    ----------
    Borup & Andersen 2023 (arXiv 2304.02641), the distribution-centric method.
    """
    spectrum, alphas, cross, prior = _checked(spectrum, noise_variances, cross_gram, prior_variance)
    scaled, projected = _projected(spectrum, cross)
    effective = 1 / np.cumsum(1 / alphas)
    means = [(projected / (scaled + alpha)) @ spectrum.coefficients for alpha in effective]
    variances = [prior - projected**2 @ (1 / (scaled + alpha)) for alpha in effective]
    return ProcessRounds(_shaped(spectrum, means), np.array(variances), effective)


def _checked(
    spectrum: Any, noise_variances: Any, cross_gram: Any, prior_variance: Any
) -> tuple[Spectrum, Array, Array, Array]:
    spectrum = as_spectrum(spectrum)
    spectrum.require_complete("a distilled Gaussian process")
    alphas = as_real_array(noise_variances, "noise_variances").astype(np.float64)
    if alphas.ndim != 1 or not len(alphas):
        raise InputError(f"noise_variances must be a vector, one variance a round; got shape {alphas.shape}.")
    if not (alphas > 0).all():
        raise InputError(f"every noise variance must be above 0; got {alphas.min():g}.")
    check_normal(alphas, "noise_variances")
    cross = to_host(as_two_dimensional(cross_gram, "cross_gram")).astype(np.float64)
    if cross.shape[1] != spectrum.n_samples:
        raise InputError(
            f"cross_gram must have one column a training point, shape (q, {spectrum.n_samples}); "
            f"got {cross.shape}."
        )
    prior = as_real_array(prior_variance, "prior_variance").astype(np.float64)
    if prior.shape != (len(cross),) or not (prior >= 0).all():
        raise InputError(
            f"prior_variance must be the kernel of each new point with itself, shape ({len(cross)},) and not "
            f"negative; got shape {prior.shape}."
        )
    scaled, projected = _projected(spectrum, cross)
    left = prior - projected**2 @ (1 / (scaled + 1 / np.sum(1 / alphas)))
    if (left < -1e-8 * max(float(scaled.max(initial=0.0)), float(prior.max(initial=0.0)))).any():
        point = int(np.argmin(left))
        raise InputError(
            f"prior_variance must be the kernel of each new point with itself: at point {point} it is "
            f"{prior[point]:.6g}, less than the {prior[point] - left[point]:.6g} that the training points explain."
        )
    return spectrum, alphas, cross, prior


def _projected(spectrum: Spectrum, cross: Array) -> tuple[Array, Array]:
    """Eigenvalues of the gram (m,), and the new points' kernel in its eigenvectors (q, m)."""
    return spectrum.n_samples * spectrum.eigenvalues, spectrum.with_targets(cross.T).coefficients.T


def _shaped(spectrum: Spectrum, means: list[Array]) -> Array:
    values = np.array(means)
    return values[:, :, 0] if spectrum.single_output else values
