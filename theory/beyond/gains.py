"""What a round earns: the rounds that must bring the fit nearer to the truth, counted before any is run.

On the schedule to a tolerance ε, the fit of a round is the point of the ball ``{f : ‖f‖_H ≤ ‖f_t‖_H}`` that is
nearest to the targets, the fit of the round before. While the ball holds the truth f*, Pythagoras' inequality for
convex sets says that the mean squared distance to the truth falls by at least ε. The norms ‖f_t‖_H fall with every
round, so that the rounds of this kind come first; they end where the ball has become too small for the truth. A
round past that may still help, or harm.
"""

from __future__ import annotations

import numpy as np

from ..base.validation import Array, InputError, check_nonnegative, check_positive
from ..distillation.distill import distill_to_tolerance
from ..distillation.trajectory import Trajectory, as_trajectory
from ..spectra.spectrum import Spectrum, as_spectrum


def fit_norms(trajectory: Trajectory) -> Array:
    """Norm ‖f_t‖_H of every fit in the kernel's space, (T,), over all outputs.

    Parameters
    ----------
    trajectory : Trajectory
    """
    spectrum = as_trajectory(trajectory).spectrum
    d = spectrum.eigenvalues
    inverse = np.divide(1.0, spectrum.n_samples * d, where=d > 0, out=np.zeros_like(d))
    return np.asarray(np.sqrt(trajectory.filters**2 @ (spectrum.weights * inverse)))


def rounds_that_help(spectrum: Spectrum, epsilon: float, truth_norm: float) -> int:
    """Count the rounds that must each bring the fitted values nearer to the truth by at least ε in mean square.

    Only norms are needed, no fit: the count is that of rounds whose fit has at least the norm of the truth. It is
    a promise, not the best round; later rounds can help too, but none of them must.

    Parameters
    ----------
    spectrum : Spectrum
        Its targets are the noisy ones.
    epsilon : float
        Mean squared training error of every round.
    truth_norm : float
        ‖f*‖_H, the norm of the truth in the kernel's space, above 0; an upper bound gives a count that is too
        small, never a wrong promise. `estimated_truth_norm` reads one off the data, with no such guarantee.

    Returns
    -------
    int

    Raises
    ------
    InputError
        If the norm or epsilon is not positive.
    InfeasibleToleranceError
        If no fit reaches epsilon.

    Examples
    --------
    >>> from selfdistill.theory import Spectrum, rounds_that_help
    >>> spectrum = Spectrum.from_eigenvalues([0.1, 1.0, 10.0], [1.0, -1.0, 4.0])
    >>> rounds_that_help(spectrum, epsilon=0.1, truth_norm=0.5)
    4
    """
    truth_norm = check_positive(
        truth_norm, "truth_norm", "It is the norm of the truth in the kernel's space."
    )
    # Every round of this kind costs ε of the squared distance, and the norm falls with every round.
    norms = fit_norms(distill_to_tolerance(spectrum, epsilon))
    return int(np.sum(norms >= truth_norm))


def most_rounds_that_help(noise_energy: float, epsilon: float) -> int:
    """Largest number of rounds that can each earn ε: the noise's mean square over ε, rounded down.

    Parameters
    ----------
    noise_energy : float
        Mean squared distance of the given targets to the truth, summed over outputs.
    epsilon : float
    """
    noise_energy, epsilon = (
        check_nonnegative(noise_energy, "noise_energy"),
        check_positive(epsilon, "epsilon"),
    )
    with np.errstate(over="ignore"):
        rounds = np.floor(np.divide(noise_energy, epsilon) * (1 + 1e-12))
    if not np.isfinite(rounds):
        raise InputError(
            f"epsilon={epsilon:g} is too small beside noise_energy={noise_energy:g} to count the rounds."
        )
    return int(rounds)


def estimated_truth_norm(spectrum: Spectrum, noise_variance: float) -> float:
    """Estimate ‖f*‖_H from noisy targets: what stands above the noise in the leading directions.

    The cut is where Mallows' criterion for projection on the leading directions is least, and the noise's own
    energy is taken off. What the truth has past the cut is not seen: the estimate tends to be too small, and the
    count of rounds that it gives too large.

    Parameters
    ----------
    spectrum : Spectrum
    noise_variance : float
        Variance of one target's noise, above 0.

    Raises
    ------
    InputError
        If no direction stands above the noise.
    """
    variance = check_positive(noise_variance, "noise_variance")
    spectrum = as_spectrum(spectrum)
    spectrum.require_complete("the norm of the truth")
    order = np.argsort(-spectrum.eigenvalues, kind="stable")
    order = order[spectrum.eigenvalues[order] > 0]
    above = spectrum.weights[order] - spectrum.n_outputs * variance
    # Mallows' criterion falls by the energy above the noise less another share of the noise.
    gain = np.cumsum(above - spectrum.n_outputs * variance)
    if not len(gain) or gain.max() <= 0:
        raise InputError(
            f"no direction of the targets stands above noise_variance={variance:g}: there is nothing to "
            "estimate the truth's norm from. Check the variance, or choose another kernel."
        )
    kept = slice(int(np.argmax(gain)) + 1)
    energy = np.sum(np.maximum(above[kept], 0) / (spectrum.n_samples * spectrum.eigenvalues[order[kept]]))
    return float(np.sqrt(energy))
