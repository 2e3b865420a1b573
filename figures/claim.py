"""Claim: what must hold of an artefact's data, with predicted and measured values and the verdict."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from .intervals import t_half_width

Kind = Literal["theorem", "measured"]
Relation = Literal["=", "≤", "≥"]
Verdict = Literal["holds", "fails", "undecided"]
# Two-sided, fewer samples of one sign reach no 5 %: 2 · 2^-6 is the first below.
SIGN_TEST_SAMPLES = 6


@dataclass(frozen=True)
class Claim:
    """One claim, checked.

    A theorem that fails is a bug or a discovery; a measured claim that does not hold is a result.

    Attributes
    ----------
    id : str
        As in the theory ("M7").
    statement : str
        What is claimed, in a sentence.
    kind : {"theorem", "measured"}
    predicted, measured : float
        For claims over many values, those at the worst one.
    relation : {"=", "≤", "≥"}
        How measured must stand to predicted.
    verdict : {"holds", "fails", "undecided"}
    tolerance : float or None
        Allowed deviation (theorems).
    interval : (float, float) or None
        Confidence interval of the measured value (measured claims).
    source : str
        Dotted name of the function that computes the prediction.
    note : str
        What a reader should know besides.
    samples : int or None
        How many the verdict rests on (measured claims).
    paper, artefact : str
        Filled in by the artefact.
    """

    id: str
    statement: str
    kind: Kind
    predicted: float
    measured: float
    relation: Relation
    verdict: Verdict
    tolerance: float | None = None
    interval: tuple[float, float] | None = None
    source: str = ""
    note: str = ""
    samples: int | None = None
    paper: str = ""
    artefact: str = ""

    @classmethod
    def theorem(
        cls,
        id: str,
        statement: str,
        predicted: npt.ArrayLike,
        measured: npt.ArrayLike,
        *,
        relation: Relation = "=",
        tolerance: float = 0.0,
        source: str = "",
        note: str = "",
    ) -> Claim:
        """Check a theorem on every value; the worst one is reported.

        Parameters
        ----------
        predicted, measured : array_like
            Broadcast against each other. NaN fails; so does nothing to check.
        relation : {"=", "≤", "≥"}
            ``measured relation predicted`` must hold within the tolerance.
        tolerance : float
            Absolute.
        """
        p, m = np.broadcast_arrays(np.asarray(predicted, float), np.asarray(measured, float))
        if p.size == 0:
            return cls(
                id, statement, "theorem", np.nan, np.nan, relation, "fails", tolerance, note="no values"
            )
        with np.errstate(invalid="ignore"):
            signed = np.where(p == m, 0.0, m - p)
        violation = {"=": np.abs(signed), "≤": signed, "≥": -signed}[relation]
        violation = np.where(np.isnan(violation), np.inf, violation)
        worst = np.unravel_index(int(np.argmax(violation)), violation.shape)
        verdict: Verdict = "holds" if violation[worst] < np.inf and violation[worst] <= tolerance else "fails"
        return cls(
            id, statement, "theorem", float(p[worst]), float(m[worst]), relation, verdict, float(tolerance),
            source=source, note=note,
        )  # fmt: skip

    @classmethod
    def from_samples(
        cls,
        id: str,
        statement: str,
        samples: npt.ArrayLike,
        *,
        relation: Relation,
        predicted: float = 0.0,
        tolerance: float = 0.0,
        confidence: float = 0.95,
        source: str = "",
        note: str = "",
    ) -> Claim:
        """Judge an effect by its t interval over independent samples (one a seed).

        Holds if the whole interval satisfies the relation, fails if none of it does, else undecided.
        For "=", the interval must lie within `tolerance` of the prediction. Samples that are not finite (networks
        that diverged) are left out, which the note says. Samples without any spread have no t interval: they
        decide where a sign test would, from six on, unless they tie with the prediction.
        """
        given = np.asarray(samples, float).ravel()
        values = given[np.isfinite(given)]
        n, mean = len(values), float(values.mean()) if len(values) else np.nan
        notes = [note] if note else []
        if n < len(given):
            notes.append(f"{len(given) - n} of {len(given)} samples are not finite and are left out")
        verdict: Verdict = "undecided"
        interval = None
        if n < 2:
            notes.append("fewer than two samples")
        else:
            half = float(t_half_width(values, confidence))
            interval = (mean - half, mean + half)
            rounding = 1e-9 * max(float(np.abs(values).max()), abs(predicted))
            tie = abs(mean - predicted) <= rounding
            if np.ptp(values) <= rounding and (n < SIGN_TEST_SAMPLES or tie):
                notes.append(f"all {n} samples are equal, so that their spread says nothing")
            else:
                verdict = judge(interval, relation, predicted, tolerance)
        return cls(
            id, statement, "measured", predicted, mean, relation, verdict, tolerance, interval, source,
            "; ".join(notes), n,
        )  # fmt: skip

    @classmethod
    def from_proportion(
        cls,
        id: str,
        statement: str,
        successes: int,
        trials: int,
        *,
        relation: Relation,
        predicted: float,
        confidence: float = 0.95,
        source: str = "",
        note: str = "",
    ) -> Claim:
        """Judge a proportion by its exact binomial interval (Clopper & Pearson 1934)."""
        import scipy.stats  # slow to import, and few claims need it

        exact = scipy.stats.binomtest(successes, trials).proportion_ci(confidence)
        interval = (float(exact.low), float(exact.high))
        return cls(
            id, statement, "measured", predicted, successes / trials, relation,
            judge(interval, relation, predicted, 0.0), None, interval, source, note, trials,
        )  # fmt: skip

    def located(self, paper: str, artefact: str) -> Claim:
        """Return the claim with its paper and artefact filled in."""
        return replace(self, paper=paper, artefact=artefact)

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values; numbers that JSON lacks become text."""

        def plain(value: Any) -> Any:
            if isinstance(value, float) and not np.isfinite(value):
                return str(value)
            if isinstance(value, tuple):
                return [plain(v) for v in value]
            return value

        return {name: plain(value) for name, value in asdict(self).items()}


def judge(interval: tuple[float, float], relation: Relation, predicted: float, tolerance: float) -> Verdict:
    """Verdict of an interval: all of it inside the claim, all outside, or neither."""
    low, high = interval
    lower = -np.inf if relation == "≤" else predicted - tolerance
    upper = np.inf if relation == "≥" else predicted + tolerance
    if lower <= low and high <= upper:
        return "holds"
    return "fails" if high < lower or low > upper else "undecided"
