"""Bias and variance of a classifier trained on random data, per sample (Heskes 1998; Zhou et al. 2021)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..base.probabilities import check_probabilities
from ..base.validation import Array, InputError, as_real_array, refuse_mask


class Decomposition(NamedTuple):
    """Expected cross-entropy in three parts, whose sum it is."""

    noise: Array
    """``H(y)``: what no classifier can undo."""
    bias: Array
    """``KL(y ‖ p̄)``: distance of the average classifier from the targets."""
    variance: Array
    """``E[KL(p̄ ‖ p_D)]``: spread of the classifiers around their average."""

    @property
    def expected_loss(self) -> Array:
        """``E_D[CE(y, p_D)] = noise + bias + variance``."""
        return self.noise + self.bias + self.variance

    def mean(self) -> Decomposition:
        """Average over samples."""
        return Decomposition(*(np.asarray(part.mean(axis=-1)) for part in self))


def bias_variance(probabilities: Any, targets: Any) -> Decomposition:
    """Noise, bias and variance of the cross-entropy over an ensemble, exactly, sample by sample.

    Parameters
    ----------
    probabilities : array (D, N, K)
        Outputs of D classifiers, one a training set, on N samples.
    targets : array (N, K)
        True distributions (one-hot for plain labels).

    Returns
    -------
    Decomposition
        ``(noise, bias, variance)``, each (N,). Where every member gives 0 to a class of positive target, the
        bias is infinite, as is the loss.

    Raises
    ------
    InputError
        If shapes disagree, rows are no distributions, or the members' supports have no class in common
        (then their geometric mean does not exist).

    References
    ----------
    Heskes 1998; Zhou et al. 2021, section 3; claim W1 (docs: claims).

    Examples
    --------
    >>> import numpy as np
    >>> from selfdistill.theory import bias_variance
    >>> noise, bias, variance = bias_variance([[[0.9, 0.1]], [[0.6, 0.4]]], [[1.0, 0.0]])
    >>> bool(np.isclose(bias + variance, -np.log([0.9, 0.6]).mean())[0])
    True
    """
    p = as_real_array(probabilities, "probabilities")
    if p.ndim == 3:
        check_probabilities(p, "probabilities")
    with np.errstate(divide="ignore"):
        return bias_variance_of_logs(np.log(np.maximum(p, 0.0)), targets)  # rounding may have left −1e-17


def bias_variance_of_logs(log_probabilities: Any, targets: Any) -> Decomposition:
    """As `bias_variance`, from logarithms of probabilities: keeps outputs too small for their exponentials.

    Unnormalised logits are accepted: they are normalised here.
    """
    from scipy.special import logsumexp  # here, so that importing the floor stays quick

    logs = _as_logs(log_probabilities, "log-probabilities")
    y = as_real_array(targets, "targets")
    if logs.ndim != 3 or 0 in logs.shape or y.shape != logs.shape[1:]:
        raise InputError(
            "probabilities must have shape (D, N, K), one training set a slice, and targets (N, K); got "
            f"{logs.shape} and {y.shape}."
        )
    check_probabilities(y, "targets")
    norms = logsumexp(logs, axis=-1, keepdims=True)
    if np.isneginf(norms).any():
        member, sample = (int(i) for i in np.argwhere(np.isneginf(norms))[0][:2])
        raise InputError(
            f"member {member} gives every class of sample {sample} probability 0 (logarithm −inf); its outputs "
            "are no distribution there. Leave the member out."
        )
    return bias_variance_of_mean_log((logs - norms).mean(axis=0), y)


def _as_logs(values: Any, name: str) -> Array:
    """Return logarithms of probabilities as float64, of which −inf is one."""
    refuse_mask(values, name)
    try:
        if np.iscomplexobj(values):
            raise TypeError  # a cast would drop the imaginary part
        logs = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"{name} must be an array of real numbers; got {type(values).__name__}.") from None
    if np.isnan(logs).any():
        raise InputError(f"{name} hold NaN; leave out members that diverged.")
    if np.isposinf(logs).any():
        raise InputError(f"{name} must be finite or −inf; one is +inf. Leave out members that diverged.")
    return logs


def bias_variance_of_mean_log(mean_log: Any, targets: Any) -> Decomposition:
    """As `bias_variance`, from all that it needs of the members: the mean of their log-probabilities.

    Members can so be added up one by one, without holding all their outputs.

    Parameters
    ----------
    mean_log : array (N, K)
        ``E_D[log p_D]``, each member's probabilities summing to 1.
    targets : array (N, K)
        True distributions.

    Raises
    ------
    InputError
        As `bias_variance`; also if some row cannot be such a mean (the exponentials sum to more than 1).

    Examples
    --------
    >>> import numpy as np
    >>> from selfdistill.theory import bias_variance
    >>> from selfdistill.theory import bias_variance_of_mean_log
    >>> p, y = np.array([[[0.9, 0.1]], [[0.6, 0.4]]]), np.array([[1.0, 0.0]])
    >>> at_once, added_up = bias_variance(p, y), bias_variance_of_mean_log(np.log(p).mean(axis=0), y)
    >>> np.allclose(at_once, added_up)
    True
    """
    from scipy.special import entr, logsumexp

    logs, y = _as_logs(mean_log, "mean_log"), as_real_array(targets, "targets")
    if logs.ndim != 2 or 0 in logs.shape or y.shape != logs.shape:
        raise InputError(f"mean_log and targets must have one shape (N, K); got {logs.shape} and {y.shape}.")
    check_probabilities(y, "targets")
    log_norm = logsumexp(logs, axis=-1)
    if not np.isfinite(log_norm).all():
        sample = int(np.flatnonzero(~np.isfinite(log_norm))[0])
        raise InputError(
            f"at sample {sample} every class has probability 0 in some member, so the members' geometric "
            "mean does not exist. Use probabilities above 0 (bias_variance_of_logs keeps tiny ones)."
        )
    if log_norm.max() > 1e-6:
        raise InputError(
            f"exp(mean_log) sums to {np.exp(log_norm.max()):.3g} in some row; a mean of log-probabilities "
            "gives at most 1. Normalise each member's outputs first."
        )
    y = np.maximum(y, 0.0)
    noise = entr(y).sum(axis=-1)
    cross = -np.where(y > 0, y * np.where(y > 0, logs - log_norm[:, None], 0.0), 0.0).sum(axis=-1)
    # E[KL(p̄ ‖ p_D)] = −log Σ exp E[log p_D]; it is what the geometric mean lacks of mass 1.
    return Decomposition(noise, cross - noise, -log_norm)
