"""Left-out predictions of every round: what a run that never saw a sample says of it, without refitting.

A fit without sample i is the fit to all samples whose target at i is the fit's own value there. So the run
without sample i is the run on all samples in which every round's target at i is moved by some δ, and each δ is
the solution of one equation in one unknown: the fit at i must equal the moved target. What a move does to later
rounds at the same sample is a diagonal entry of a product of smoothers. One factorisation therefore gives all n
left-out runs, for every round (claim L1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..base.arrays import is_foreign, like, to_host
from ..base.validation import Array, InputError, as_real_array
from ..spectra.spectrum import Spectrum, as_spectrum
from .schedules import as_ridges


def leave_one_out(
    spectrum: Spectrum,
    ridge: float | Sequence[float] | Array,
    rounds: int | None = None,
    ground_truth_weight: float | Sequence[float] | Array = 0.0,
) -> Any:
    """Prediction at every sample, after every round, of a run that never saw that sample.

    Equal to n runs with n − 1 samples each, at O(n²) a round after the factorisation. The sum of squares is
    weighed against the same total penalty in both runs, ``n * ridge`` (scikit-learn's ``alpha``): a run of its
    own on n − 1 samples has to be given ``ridge * n / (n − 1)`` to give these numbers.

    Parameters
    ----------
    spectrum : Spectrum
        From a gram or from features.
    ridge : float or sequence of float
        As in `distill_with_ridge`: one penalty, or one for every round. They are held fixed; the penalties of
        a run to a tolerance can be given (``run.multipliers``), but would change a little if a sample were
        missing.
    rounds : int, optional
        Number of fits T; for a sequence of penalties, its length.
    ground_truth_weight : float or sequence of float
        Weight α in [0, 1] of the given targets: fit t has targets ``α y + (1 − α) f_{t−1}``. One number, or one
        a round (that of the first round has no effect): ``1 − progressive_weight(t, T)`` makes the run
        progressive. A mixture of rounds has the same mixture of these predictions.

    Returns
    -------
    array (T, n) or (T, n, k)
        Entry ``[t − 1, i]`` is of round t at sample i; of the kind of what was factorised.

    Raises
    ------
    InputError
        If the spectrum does not know all eigenvalues (`Spectrum.krylov`), or a penalty, a weight or the number
        of rounds is out of range.

    References
    ----------
    For one round this is Allen's 1974 formula; for the rounds see claim L1.

    Examples
    --------
    >>> import numpy as np
    >>> from selfdistill.theory import Spectrum, leave_one_out
    >>> x = np.linspace(0, 1, 5)
    >>> spectrum = Spectrum.from_gram(np.exp(-9 * (x[:, None] - x) ** 2), [0.0, 1.0, 5.0, 3.0, 4.0])
    >>> leave_one_out(spectrum, ridge=0.01, rounds=2)[:, 2].round(3)  # what the others say of the third
    array([1.503, 1.468])
    """
    spectrum = as_complete(spectrum)
    penalties = as_ridges(ridge, rounds)
    weights = check_weights(ground_truth_weight, len(penalties))
    filters = _filters(np.append(spectrum.eigenvalues, 0.0), penalties, weights)
    outside, remainder = outside_basis(spectrum)
    diagonals = (
        spectrum.basis.diagonal(filters.responses[:, :-1]) + outside[:, None] * filters.responses[:, -1]
    )
    residuals = _residuals(spectrum, filters.residuals, remainder)
    y = to_host(spectrum.targets).astype(np.float64, copy=False)
    predictions = np.empty((len(penalties), *y.shape))
    moves: list[Array] = []
    previous = y
    for t, weight in enumerate(weights):
        target = previous if t == 0 else weight * y + (1 - weight) * previous
        pushed = residuals[t]
        for r, move in enumerate(moves):
            pushed = pushed + move * diagonals[:, filters.which[t, r], None]
        moves.append(-pushed / diagonals[:, filters.which[t, t], None])
        predictions[t] = previous = target + moves[-1]
    values = like(predictions, spectrum.targets) if is_foreign(spectrum.targets) else predictions
    return values[:, :, 0] if spectrum.single_output else values


def leave_one_out_errors(
    spectrum: Spectrum,
    ridges: Sequence[float] | Array,
    rounds: int,
    ground_truth_weight: float = 0.0,
) -> Array:
    """Mean squared left-out error of every round of every penalty, from one factorisation.

    Parameters
    ----------
    spectrum : Spectrum
    ridges : sequence of float (g,)
        Penalties to compare; each is kept through all rounds.
    rounds : int
        Number of fits T of each.
    ground_truth_weight : float

    Returns
    -------
    ndarray (g, T)
        Means over the samples, sums over outputs.

    Raises
    ------
    InputError
        As `leave_one_out`.
    """
    spectrum = as_complete(spectrum)
    penalties = as_real_array(ridges, "ridges").astype(np.float64)
    if penalties.ndim != 1 or not len(penalties):
        raise InputError(f"ridges must be a vector of penalties; got shape {penalties.shape}.")
    y = to_host(spectrum.targets).astype(np.float64)
    errors = np.empty((len(penalties), rounds))
    for row, ridge in enumerate(penalties):
        predictions = to_host(leave_one_out(spectrum, float(ridge), rounds, ground_truth_weight))
        errors[row] = np.sum((predictions.reshape(rounds, *y.shape) - y) ** 2, axis=(1, 2)) / len(y)
    return errors


def as_complete(spectrum: Any) -> Spectrum:
    """Return a spectrum that knows all eigenvalues and eigenvectors.

    Raises
    ------
    InputError
        If it is a Krylov space, which has no diagonals of smoothers.
    """
    as_spectrum(spectrum).require_complete("leave-one-out")
    complete: Spectrum = spectrum
    return complete


def check_weights(ground_truth_weight: Any, rounds: int) -> Array:
    """Return one weight in [0, 1] a round, from one number or one a round."""
    weights = as_real_array(ground_truth_weight, "ground_truth_weight").astype(np.float64)
    if weights.ndim > 1 or (weights.ndim == 1 and len(weights) != rounds):
        raise InputError(
            f"ground_truth_weight must be a number, or one weight a round ({rounds}); got shape {weights.shape}."
        )
    if weights.size and not ((weights >= 0) & (weights <= 1)).all():
        raise InputError(
            f"every ground_truth_weight must lie in [0, 1]; got {weights.min():g} … {weights.max():g}."
        )
    return np.broadcast_to(weights, (rounds,))


@dataclass(frozen=True)
class _Filters:
    """Diagonal operators of a run: rows are filters over the directions.

    Attributes
    ----------
    residuals : ndarray (T, m)
        Row t takes the given targets to what the fit of round t + 1 leaves of its own targets.
    responses : ndarray (J, m)
        What that fit leaves of a target moved in the same round, or of an earlier move by then.
    which : ndarray of int (T, T)
        ``which[t, r]``, r ≤ t, is the row of `responses` for a move in round r + 1, seen in round t + 1.
    """

    residuals: Array
    responses: Array
    which: Array


def _filters(d: Array, penalties: Array, weights: Array) -> _Filters:
    rounds = len(penalties)
    kept, left = d / (d + penalties[:, None]), penalties[:, None] / (d + penalties[:, None])
    residuals = np.empty_like(kept)
    target = np.ones_like(d)
    for t in range(rounds):
        residuals[t] = left[t] * target
        if t + 1 < rounds:
            target = weights[t + 1] + (1 - weights[t + 1]) * kept[t] * target
    which = np.zeros((rounds, rounds), np.int64)
    lags = np.arange(rounds)
    if len(set(penalties)) == 1 and len(set(weights[1:])) <= 1:
        # All rounds are alike: what is left of a move depends on its age alone.
        which = np.maximum(lags[:, None] - lags, 0)
        return _Filters(residuals, left[0] * ((1 - weights[-1]) * kept[0]) ** lags[:, None], which)
    responses: list[Array] = []
    moved = np.empty((rounds, len(d)))  # the fits' values of every earlier move
    for t in range(rounds):
        for r in range(t):
            which[t, r] = len(responses)
            responses.append(left[t] * (1 - weights[t]) * moved[r])
            moved[r] *= (1 - weights[t]) * kept[t]
        which[t, t] = len(responses)
        responses.append(left[t])
        moved[t] = kept[t]
    return _Filters(residuals, np.array(responses).reshape(-1, len(d)), which)


def outside_basis(spectrum: Spectrum) -> tuple[Array, Array]:
    """Squared length of every sample's part outside the basis (n,), and the targets' part there (n, k)."""
    n, outputs = spectrum.n_samples, spectrum.n_outputs
    if len(spectrum.eigenvalues) == n:
        return np.zeros(n), np.zeros((n, outputs))
    length = 1 - spectrum.basis.diagonal(np.ones(len(spectrum.eigenvalues)))
    remainder = to_host(spectrum.targets) - to_host(spectrum.expand(spectrum.coefficients))
    # Such a sample alone spans a direction of the features: what is left of it is rounding.
    spanned = length < 100 * np.sqrt(n) * spectrum.roundoff
    length[spanned], remainder[spanned] = 0.0, 0.0
    return length, remainder


def _residuals(spectrum: Spectrum, filters: Array, remainder: Array) -> Array:
    """Residuals (T, n, k) of every round's fit to its own targets, in the run on all samples."""
    rounds, outputs = len(filters), spectrum.n_outputs
    scaled = filters[:, :-1, None] * spectrum.coefficients
    columns = scaled.transpose(1, 0, 2).reshape(-1, rounds * outputs)
    inside = to_host(spectrum.expand(columns)).astype(np.float64, copy=False).reshape(-1, rounds, outputs)
    return inside.transpose(1, 0, 2) + filters[:, -1, None, None] * remainder
