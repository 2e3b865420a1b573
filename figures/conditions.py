"""What a measured claim is asked under, and the cheap rule that it must beat to mean anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from .intervals import t_half_width


@dataclass(frozen=True)
class Precondition:
    """What must be so for a claim to be about this experiment at all.

    Where it is not met, the claim's verdict reads "not this regime", whatever was measured.

    Attributes
    ----------
    text : str
        Such as "the network fits its training labels: training accuracy ≥ 0.95".
    measured : float
        The quantity that the text speaks of, as measured.
    met : bool
    """

    text: str
    measured: float
    met: bool

    @classmethod
    def of(
        cls, text: str, samples: npt.ArrayLike, relation: Literal["≤", "≥"], threshold: float
    ) -> Precondition:
        """Compare the mean of the finite samples with a threshold.

        Samples of which none is finite meet nothing. The threshold is said after the text.
        """
        values = np.asarray(samples, float).ravel()
        values = values[np.isfinite(values)]
        mean = float(values.mean()) if len(values) else float("nan")
        met = mean >= threshold if relation == "≥" else mean <= threshold
        return cls(f"{text} {relation} {threshold:g}", mean, bool(met))


@dataclass(frozen=True)
class DullRule:
    """A rule that anybody could follow without the method, measured in the same experiment.

    Attributes
    ----------
    name : str
        Such as "the best weight decay" or "a constant".
    value : float
        What the rule reaches of the quantity that the claim is about.
    beaten : bool or None
        Whether the claimed effect goes past it; None where the samples cannot tell.
    """

    name: str
    value: float
    beaten: bool | None

    @classmethod
    def of(
        cls,
        name: str,
        samples: npt.ArrayLike,
        rule_samples: npt.ArrayLike,
        *,
        better: Literal["higher", "lower"],
        confidence: float = 0.95,
    ) -> DullRule:
        """Compare seed by seed, by the t interval of the paired difference.

        Parameters
        ----------
        name : str
        samples, rule_samples : array_like
            The method's values and the rule's, one a seed and in the same order.
        better : {"higher", "lower"}
            Which values are better.
        confidence : float
            Of the interval.
        """
        method, rule = np.broadcast_arrays(
            np.asarray(samples, float).ravel(), np.asarray(rule_samples, float).ravel()
        )
        finite = np.isfinite(method) & np.isfinite(rule)
        gain = (method - rule)[finite] * (1 if better == "higher" else -1)
        value = float(rule[finite].mean()) if finite.any() else float("nan")
        beaten = None
        if len(gain) > 1 and np.ptp(gain) > 0:
            half, mean = float(t_half_width(gain, confidence)), float(gain.mean())
            beaten = True if mean > half else False if mean < -half else None
        return cls(name, value, beaten)
