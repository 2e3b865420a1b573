"""Mix the fits of several rounds with any weights, negative ones and those above 1 included, and choose the best.

With a fixed ridge, one fit multiplies a direction by ``a = d/(d + c)``. After k further rounds every mixture whose
weights sum to 1 has the filter ``a + Σ_j η_j a (1 − a)ʲ``, j = 1 … k, with free η; k distinct eigenvalues can be
filtered at will. What the best weights are depends on the unknown truth, so that they are estimated: by Mallows'
criterion where the variance of the noise is known, else by leaving every sample out, or by generalised
cross-validation.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from ..base.arrays import to_host
from ..base.validation import (
    Array,
    InputError,
    as_real_array,
    as_targets,
    check_choice,
    check_positive,
    check_rounds,
    check_squarable,
)
from ..distillation.trajectory import Trajectory
from ..spectra.spectrum import Spectrum, as_spectrum
from .polynomials import ResidualPolynomials, left_out_predictions, residual_polynomials

Criterion = Literal["leave-one-out", "gcv"]
_SUM_ROUNDING = 1e-8


@dataclass(frozen=True, eq=False)
class Mixing:
    """A mixture of the fits of rounds 1 … k + 1 under one ridge.

    Attributes
    ----------
    spectrum : Spectrum
    ridge : float
        Penalty c of every round.
    weights : ndarray (k,)
        η_j of ``a + Σ_j η_j a (1 − a)ʲ``. For one step the weight of the second fit is ``−η_1``.
    filter : ndarray (m,)
        What the mixture makes of each direction of the targets, from orthogonal polynomials: more accurate than
        the sum over `weights`, which cancel each other where there are many.
    risk : float
        Least value of the criterion, a mean over samples and a sum over outputs. Mallows' estimates the squared
        distance to the noiseless truth; the errors of leave-one-out and of generalised cross-validation hold the
        noise of the targets besides. NaN for weights that were given.
    criterion : str
        "mallows", "leave-one-out", "gcv" or "given".
    """

    spectrum: Spectrum
    ridge: float
    weights: Array
    filter: Array
    risk: float
    criterion: str

    @property
    def round_weights(self) -> Array:
        """Weights of the fits of rounds 1 … k + 1, (k + 1,); they sum to 1."""
        from scipy.special import comb  # here, so that importing the floor stays quick

        k = len(self.weights)
        signs = (-1.0) ** np.arange(k + 1)
        powers = np.concatenate([[1.0], self.weights])
        return np.array([signs[s] * np.sum(comb(np.arange(s, k + 1), s) * powers[s:]) for s in range(k + 1)])

    @cached_property
    def trajectory(self) -> Trajectory:
        """The mixture as a run of one round, which has fitted values, dual coefficients and predictions."""
        norms = np.sqrt([self.spectrum.energy, float(self.filter**2 @ self.spectrum.weights)])
        return Trajectory(
            self.spectrum, np.array([self.ridge]), self.filter[None], norms, False, None, np.zeros(1)
        )

    def fitted(self) -> Any:
        """Fitted values on the training points, shaped as the targets."""
        return self.trajectory.fitted(1)

    def dual(self) -> Any:
        """Dual coefficients: predictions are ``cross_gram @ dual()``."""
        return self.trajectory.dual(1)

    def predict(self, cross_gram: Any) -> Any:
        """Predictions at new points, for the kernel (q, n) between them and the training points."""
        return self.trajectory.predict(cross_gram, 1)


def optimal_mixing(
    spectrum: Spectrum,
    ridge: float,
    steps: int,
    noise_variance: float | None = None,
    *,
    criterion: Criterion = "leave-one-out",
) -> Mixing:
    """Choose the mixture of the fits of rounds 1 … steps + 1 that is best by an estimate of its error.

    Parameters
    ----------
    spectrum : Spectrum
        Its targets are the noisy ones.
    ridge : float
        Penalty c of every round; scikit-learn's ``alpha`` is ``n * c``.
    steps : int
        k, the number of rounds after the first fit, at least 1.
    noise_variance : float, optional
        Variance of one target's noise, above 0: the least of Mallows' criterion is taken.
    criterion : {"leave-one-out", "gcv"}
        Without a variance: the squared error at samples left out of every round (the penalty ``n c`` held), or the
        residuals of every round divided by the round's own ``1 − tr/n``, as published scripts for one round do.

    Returns
    -------
    Mixing

    Raises
    ------
    InputError
        If the ridge or the variance is not positive, there are fewer than 1 steps, or Mallows' criterion has no
        least because fewer distinct eigenvalues than steps carry targets.

    References
    ----------
    Das & Sanghavi 2023; Pareek, Du & Oh 2024; Dang, Patil & Rinaldo 2026 (one step without limits).

    Examples
    --------
    >>> import numpy as np
    >>> from selfdistill.theory import Spectrum, optimal_mixing
    >>> d = np.linspace(1, 2, 20) ** 2
    >>> truth, variance = np.eye(20)[0], 0.01
    >>> expected = np.sqrt(truth**2 + variance)  # with these targets Mallows' criterion is the risk itself
    >>> mixing = optimal_mixing(Spectrum.from_eigenvalues(d, expected), 0.5, 3, variance)
    >>> round(20 * mixing.risk, 4)
    0.0174
    """
    ridge = check_positive(ridge, "ridge")
    steps = check_rounds(steps, "steps")
    check_choice(criterion, "criterion", ("leave-one-out", "gcv"))
    if criterion == "gcv" and noise_variance is not None:
        raise InputError(
            "a known noise_variance chooses by Mallows' criterion: leave out noise_variance, or criterion."
        )
    spectrum = as_spectrum(spectrum)
    spectrum.require_complete("a mixture of rounds")
    if noise_variance is not None:
        variance = check_positive(noise_variance, "noise_variance", "Leave it out if it is not known.")
        variance *= spectrum.n_outputs
        return _least_mallows(spectrum, ridge, steps, variance, spectrum.weights, _unreached(spectrum))
    if criterion == "gcv":
        return _least_gcv(spectrum, ridge, steps)
    return _least_left_out(spectrum, ridge, steps)


def oracle_mixing(spectrum: Spectrum, ridge: float, steps: int, truth: Any, noise_variance: float) -> Mixing:
    """Mixture of the least expected squared distance to a known truth: what no estimate can beat on average.

    Parameters
    ----------
    spectrum, ridge, steps
        As `optimal_mixing` takes them; the spectrum's targets do not matter for the choice.
    truth : array (n,) or (n, k)
        The noiseless targets; for `Spectrum.from_eigenvalues`, in the order of ``spectrum.eigenvalues``.
    noise_variance : float
        Variance of one target's noise, above 0.

    Returns
    -------
    Mixing
        Its `risk` is the expected squared distance to the truth, a mean over samples.
    """
    ridge = check_positive(ridge, "ridge")
    steps = check_rounds(steps, "steps")
    spectrum = as_spectrum(spectrum)
    spectrum.require_complete("a mixture of rounds")
    variance = check_positive(noise_variance, "noise_variance") * spectrum.n_outputs
    values = as_targets(truth, spectrum.n_samples, "truth")
    if values.size != len(values) * spectrum.n_outputs:
        raise InputError(f"truth must have {spectrum.n_outputs} outputs, as the targets; got {values.shape}.")
    true = spectrum.with_targets(values)
    absent = spectrum.n_samples - len(spectrum.eigenvalues)
    return _least_mallows(
        spectrum, ridge, steps, variance, true.weights + variance, _unreached(true) + absent * variance
    )


def mix_rounds(spectrum: Spectrum, ridge: float, round_weights: Any) -> Mixing:
    """Mix the fits of rounds 1, 2, … with given weights, which may be negative or above 1 and must sum to 1.

    Parameters
    ----------
    spectrum : Spectrum
    ridge : float
        Penalty c of every round.
    round_weights : array (k + 1,)
        Weight of the fit after 1, 2, … rounds.

    Raises
    ------
    InputError
        If the weights do not sum to 1.
    """
    ridge = check_positive(ridge, "ridge")
    given = as_real_array(round_weights, "round_weights").astype(np.float64)
    if given.ndim != 1 or len(given) == 0:
        raise InputError(f"round_weights must be a vector, one weight a round; got shape {given.shape}.")
    if abs(given.sum() - 1) > _SUM_ROUNDING * max(1.0, float(np.abs(given).sum())):
        raise InputError(
            f"round_weights must sum to 1, or the mixture shrinks even what every round keeps; they sum to "
            f"{given.sum():.6g}. Divide them by their sum, or change one."
        )
    spectrum = as_spectrum(spectrum)
    spectrum.require_complete("a mixture of rounds")
    kept = _kept(spectrum, ridge)
    filter_ = kept * np.polynomial.polynomial.polyval(kept, given)
    return Mixing(spectrum, ridge, _residual_weights(given), filter_, float("nan"), "given")


def _kept(spectrum: Spectrum, ridge: float) -> Array:
    """Share a of every direction that one fit keeps."""
    d = spectrum.eigenvalues
    return np.asarray(d / (d + ridge))


def _left(spectrum: Spectrum, ridge: float) -> Array:
    """Share ``1 − a``, without cancellation."""
    return np.asarray(ridge / (spectrum.eigenvalues + ridge))


def _residual_weights(round_weights: Array) -> Array:
    """Take weights of rounds to weights of ``a (1 − a)ʲ``, j ≥ 1."""
    from scipy.special import comb  # here, so that importing the floor stays quick

    k = len(round_weights)
    return np.array([(-1.0) ** j * np.sum(comb(np.arange(j, k), j) * round_weights[j:]) for j in range(1, k)])


def _least_mallows(
    spectrum: Spectrum, ridge: float, steps: int, variance: float, weights: Array, unreached: float
) -> Mixing:
    """Least of ``Σ (1 − b)² weight + 2 variance Σ b``, `variance` summed over outputs."""
    left, kept = _left(spectrum, ridge), _kept(spectrum, ridge)
    polynomials = residual_polynomials(left, weights, steps)
    columns = kept * polynomials.values
    _refuse_bottomless(polynomials, left, weights, steps)
    with np.errstate(over="ignore", invalid="ignore"):
        chosen = columns @ (weights * left) - variance * columns.sum(axis=1)
        change = chosen @ columns
    largest = float(np.nan_to_num(np.abs(change), nan=np.inf).max(initial=0.0))
    check_squarable(largest, "the mixture, for this noise_variance beside these targets,")
    filter_ = kept + change
    n = spectrum.n_samples
    residual = float((left - change) ** 2 @ weights) + unreached
    risk = residual / n + variance * (2 * float(filter_.sum()) / n - 1)
    return Mixing(spectrum, ridge, _expanded(polynomials, chosen, steps), filter_, risk, "mallows")


def _refuse_bottomless(polynomials: ResidualPolynomials, left: Array, weights: Array, steps: int) -> None:
    """Refuse where a mixture changes nothing of the targets but lowers the trace: the criterion has no least."""
    found = len(polynomials)
    if found == steps:
        return
    weighted = np.unique(left[(weights > 0) & (left < 1)])
    others = left[(weights == 0) & (left < 1)]
    if len(weighted) and all(np.isclose(weighted, other, rtol=1e-12, atol=0).any() for other in others):
        return
    raise InputError(
        f"Mallows' criterion has no least over steps={steps}: only {found} mixtures change the targets beyond "
        f"rounding, while others change the noise alone. Take at most {found} steps, or a larger ridge."
    )


def _least_left_out(spectrum: Spectrum, ridge: float, steps: int) -> Mixing:
    left, kept = _left(spectrum, ridge), _kept(spectrum, ridge)
    polynomials = residual_polynomials(left, spectrum.weights, steps)
    targets = to_host(spectrum.targets).astype(np.float64)
    predictions = left_out_predictions(polynomials, spectrum, left)
    error = (targets - predictions[0]).ravel()
    columns = predictions[1:].reshape(len(polynomials), -1).T
    chosen = np.linalg.lstsq(columns, error, rcond=None)[0]
    filter_ = kept + chosen @ (kept * polynomials.values)
    risk = float(np.sum((error - columns @ chosen) ** 2)) / spectrum.n_samples
    weights = _expanded(polynomials, chosen, steps)
    return Mixing(spectrum, ridge, weights, filter_, risk, "leave-one-out")


def _least_gcv(spectrum: Spectrum, ridge: float, steps: int) -> Mixing:
    """Least squares over the residuals of rounds 1 … steps + 1, each over its round's own ``1 − tr/n``."""
    kept = _kept(spectrum, ridge)
    n = spectrum.n_samples
    powers = kept ** np.arange(1, steps + 2)[:, None]
    unreached = np.sqrt(_unreached(spectrum))
    root = np.sqrt(spectrum.weights)
    free = (1 - powers.sum(axis=1) / n)[:, None]
    residuals = np.hstack([(1 - powers) * root, np.full((steps + 1, 1), unreached)]) / free
    changes = np.diff(residuals, axis=0)
    chosen = np.linalg.lstsq(changes.T, -residuals[0], rcond=None)[0]
    round_weights = np.diff(np.concatenate([[0.0, 1.0], chosen, [0.0]]) * -1.0)[1:]
    filter_ = round_weights @ powers
    risk = float(np.sum((residuals[0] + chosen @ changes) ** 2)) / n
    return Mixing(spectrum, ridge, _residual_weights(round_weights), filter_, risk, "gcv")


def _expanded(polynomials: ResidualPolynomials, chosen: Array, steps: int) -> Array:
    """Weights η of the powers, from those of the orthogonal polynomials."""
    return chosen @ polynomials.coefficients if len(polynomials) else np.zeros(steps)


def _unreached(spectrum: Spectrum) -> float:
    """Squared norm of the targets' part outside all known directions."""
    return max(spectrum.energy - float(spectrum.weights.sum()), 0.0)
