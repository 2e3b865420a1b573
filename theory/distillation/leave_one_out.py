"""Left-out predictions of every round: what a run that never saw a sample says of it, without refitting.

A fit without sample i is the fit to all samples whose target at i is the fit's own value there. So the run
without sample i is the run on all samples in which every round's target at i is moved by some δ, and each δ is
the solution of one equation in one unknown: the fit at i must equal the moved target. What a move does to later
rounds at the same sample is a diagonal entry of a product of smoothers. One factorisation therefore gives all n
left-out runs, for every round (docs: claim L1).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..base.arrays import is_foreign, like, to_host
from ..base.probabilities import as_array
from ..base.validation import Array, InputError, as_real_array, check_count, check_rounds
from ..spectra.spectrum import Spectrum, as_spectrum
from .left_out_run import LeftOutRun
from .schedules import FixedRidge, GivenWeight


def leave_one_out(
    spectrum: Spectrum,
    ridge: float | Sequence[float] | Array,
    rounds: int | None = None,
    ground_truth_weight: GivenWeight = 0.0,
    *,
    groups: Any = None,
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
    ground_truth_weight : float, sequence of float, or "best"
        Weight α in [0, 1] of the given targets: fit t has targets ``α y + (1 − α) f_{t−1}``. One number, or one
        a round (that of the first round has no effect): ``1 − progressive_weight(t, T)`` makes the run
        progressive. A mixture of rounds has the same mixture of these predictions. "best" chooses the weight of
        every round for the least mean square of these very errors, which it makes a little too small.
    groups : array (n,), optional
        Samples of one group (one patient, copies of one picture) are left out together.

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
    For one round this is Allen's 1974 formula; for the rounds see the docs, claim L1.

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
    if rounds is not None:
        rounds = check_rounds(rounds)
    schedule = FixedRidge(ridge, rounds, ground_truth_weight)
    if schedule.chooses and groups is not None:
        raise InputError(
            'ground_truth_weight="best" is chosen at samples that are left out one by one, not in groups: give a '
            "weight, or one a round."
        )
    weights = None if schedule.chooses else schedule.weights(spectrum)
    run = LeftOutRun(spectrum, np.asarray(schedule.ridge), weights)
    y = to_host(spectrum.targets).astype(np.float64, copy=False)
    if groups is None:
        predictions = run.singles(y)
    else:
        predictions = np.empty((run.rounds, *y.shape))
        for members in _members(groups, spectrum.n_samples):
            predictions[:, members] = run.together(members, y)
    values = like(predictions, spectrum.targets) if is_foreign(spectrum.targets) else predictions
    return values[:, :, 0] if spectrum.single_output else values


def left_out_weights(
    spectrum: Spectrum,
    ridge: float,
    rounds: int,
    sample: int,
    ground_truth_weight: float = 0.0,
    *,
    groups: Any = None,
) -> Array:
    """How much every sample's target counts in the left-out prediction at one sample, after the last round.

    The prediction is a weighted sum of the others' targets: these are the weights. They are the explanation of
    a prediction, sample by sample.

    Parameters
    ----------
    spectrum : Spectrum
    ridge, rounds, ground_truth_weight, groups
        As in `leave_one_out`.
    sample : int
        Which sample is left out.

    Returns
    -------
    ndarray (n,)
        ``weights @ targets`` is the prediction; the weight of what is left out is 0.
    """
    spectrum = as_complete(spectrum)
    schedule = FixedRidge(ridge, check_rounds(rounds), ground_truth_weight)
    n = spectrum.n_samples
    check_count(sample, "sample", least=0, most=n - 1)
    run = LeftOutRun(spectrum, np.asarray(schedule.ridge), schedule.weights(spectrum))
    members = np.array([sample])
    if groups is not None:
        members = next(m for m in _members(groups, n) if sample in m)
    weights = np.asarray(run.together(members, None)[-1, int(np.searchsorted(members, sample))])
    weights[members] = 0.0
    return weights


def leave_one_out_errors(
    spectrum: Spectrum,
    ridges: Sequence[float] | Array,
    rounds: int,
    ground_truth_weight: GivenWeight = 0.0,
) -> Array:
    """Mean squared left-out error of every round of every penalty, from one factorisation.

    Parameters
    ----------
    spectrum : Spectrum
    ridges : sequence of float (g,)
        Penalties to compare; each is kept through all rounds.
    rounds : int
        Number of fits T of each.
    ground_truth_weight : float, sequence of float, or "best"
        As in `leave_one_out`.

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
    rounds = check_rounds(rounds)
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


def group_numbers(groups: Any, n: int) -> Array:
    """Number of the group of each sample, (n,), from names of any kind.

    Raises
    ------
    InputError
        If there is not one name a sample, or there is but one group.
    """
    values = to_host(as_array(groups, "groups"))
    if values.shape != (n,):
        raise InputError(
            f"groups must name the group of each of the {n} samples, shape ({n},); got shape {values.shape}."
        )
    numbers = np.unique(values.astype(str), return_inverse=True)[1]
    if numbers.max() == 0:
        raise InputError(
            "groups must name at least two groups: without the only one nothing is left to learn from."
        )
    return np.asarray(numbers)


def _members(groups: Any, n: int) -> list[Array]:
    """Samples of every group."""
    numbers = group_numbers(groups, n)
    order = np.argsort(numbers, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(numbers[order])) + 1)
