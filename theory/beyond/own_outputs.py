"""Training on one's own outputs with fresh noise: mean and variance of every generation in closed form.

A generation is kernel ridge with some penalty, fitted to targets at the same points; the next generation's targets
are made of its fitted values, to which reading them out (sampling, annotators, rounding) adds noise of its own. It is
a run of the schedule `OwnOutputs`, on the same loop as all of self-distillation, of which it is the case without that
noise. At a penalty of zero nothing is averaged away, and the schemes give the constants known from model collapse: a
variance that grows by s² a generation when targets are replaced, that stays below s²π²/6 when all data sets are kept,
and that settles when a share of real labels is mixed in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ..base.validation import Array, check_choice, check_nonnegative, check_rounds
from ..distillation.distill import distill
from ..distillation.risk import RiskCurve, risk_curve
from ..distillation.schedules import OwnOutputs
from ..distillation.trajectory import Trajectory
from ..spectra.spectrum import Spectrum, as_spectrum

Scheme = Literal["replace", "accumulate"]
RealLabels = Literal["kept", "fresh"]


@dataclass(frozen=True, eq=False)
class Generations:
    """Every generation's fit, as what it makes of the truth and of all noise in each direction.

    Attributes
    ----------
    trajectory : Trajectory
        Its filters take the truth to the expected fits.
    noise_variance : float
        Variance s² of the noise of labels that every generation is given again; 0 where they are fresh each time.
    """

    trajectory: Trajectory
    noise_variance: float

    @property
    def variances(self) -> Array:
        """Variance of the fit in each direction of one output, (T, m)."""
        return np.asarray(self.noise_variance * self.trajectory.filters**2 + self.trajectory.variances)

    def risk(self, truth: Any) -> RiskCurve:
        """Expected squared distance of every generation's fitted values to the truth, a mean over samples.

        Parameters
        ----------
        truth : array (n,) or (n, k)
        """
        return risk_curve(self.trajectory, truth, self.noise_variance)


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
    """Train every generation on the outputs of the one before: means and variances over all noise.

    ``distill(spectrum, OwnOutputs(…))`` is the same run for the labels at hand.

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
    check_rounds(generations, "generations")
    variance = check_nonnegative(noise_variance, "noise_variance")
    if fresh_noise_variance is not None:
        fresh_noise_variance = check_nonnegative(fresh_noise_variance, "fresh_noise_variance")
    check_choice(real_labels, "real_labels", ("fresh", "kept"))
    check_choice(scheme, "scheme", ("replace", "accumulate"))
    kept = real_labels == "kept"
    schedule = OwnOutputs(
        ridge,
        generations,
        real_share,
        accumulate=scheme == "accumulate",
        fresh_noise_variance=variance if fresh_noise_variance is None else fresh_noise_variance,
        label_noise_variance=0.0 if kept else variance,
    )
    return Generations(distill(spectrum, schedule), variance if kept else 0.0)


def best_real_share() -> float:
    """Weight of fresh real labels that leaves the least variance when nothing is averaged: ``(√5 − 1)/2``.

    The least over w of ``(2w² − 2w + 1)/(2w − w²)``, the stationary variance over s² at a penalty of zero.
    """
    return float((np.sqrt(5) - 1) / 2)
