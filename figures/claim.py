"""Claim: what must hold of an artefact's data, with predicted and measured values and the verdict."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from .conditions import DullRule, Precondition
from .intervals import (
    binomial_interval,
    binomial_p_value,
    detectable_mean,
    detectable_proportion,
    holm,
    samples_needed_for_mean,
    samples_needed_for_proportion,
    t_half_width,
    t_p_value,
)

Kind = Literal["theorem", "measured"]
Relation = Literal["=", "≤", "≥"]
Verdict = Literal["holds", "fails", "no difference", "undecided", "not this regime"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
# Two-sided, fewer samples of one sign reach no 5 %: 2 · 2^-6 is the first below.
SIGN_TEST_SAMPLES = 6
SIGNIFICANCE = 0.05


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
    verdict : {"holds", "fails", "no difference", "undecided", "not this regime"}
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
    precondition : Precondition or None
        What must be so for the claim to be asked here; where it is not met the verdict is "not this regime".
    dull_rule : DullRule or None
        The cheap rule that the effect must beat, and whether it does.
    p_value : float or None
        Of the verdict by itself: the interval at 95 % decides where it is below 0.05 (measured claims).
    family : str
        Claims of one artefact and one family are corrected together for their number.
    family_size : int or None
        How many claims the family has.
    corrected_verdict : Verdict or None
        The verdict that stays when all claims of the family are to be relied on at once (Holm 1979).
    samples_needed : int or None
        How many samples would decide an undecided claim if mean and spread stayed as they are; None where none
        is needed or a million would not do.
    detectable : float or None
        How far beyond the edge of what is claimed the truth must lie for so many samples of this spread to decide
        it four times in five: what the experiment could have shown (measured claims).
    negligible : float or None
        The largest difference from `predicted` that would not matter to anybody. Where the sign is open and the
        whole interval is nearer than that, the verdict is "no difference".
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
    precondition: Precondition | None = None
    dull_rule: DullRule | None = None
    p_value: float | None = None
    family: str = ""
    family_size: int | None = None
    corrected_verdict: Verdict | None = None
    samples_needed: int | None = None
    detectable: float | None = None
    negligible: float | None = None

    def __post_init__(self) -> None:
        if self.precondition is not None and not self.precondition.met:
            object.__setattr__(self, "verdict", "not this regime")
            object.__setattr__(self, "samples_needed", None)

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
        precondition: Precondition | None = None,
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
            source=source, note=note, precondition=precondition,
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
        negligible: float | None = None,
        confidence: float = 0.95,
        source: str = "",
        note: str = "",
        precondition: Precondition | None = None,
        dull_rule: DullRule | None = None,
        family: str = "",
    ) -> Claim:
        """Judge an effect by its t interval over independent samples (one a seed).

        Holds if the whole interval satisfies the relation, fails if none of it does. Else there is no difference
        if all of it is within `negligible` of the prediction (two one-sided tests: Schuirmann 1987), and it is
        undecided if not. For "=", the interval must lie within `tolerance` of the prediction. Samples that are
        not finite (networks that diverged) are left out, which the note says. Samples without any spread have no
        t interval: they decide where a sign test would, from six on, unless they tie with the prediction.

        Raises
        ------
        ValueError
            If `negligible` is not positive, or goes with "=", whose tolerance says the same.
        """
        if negligible is not None and (relation == "=" or not negligible > 0):
            raise ValueError("negligible must be positive, and goes with ≤ or ≥; for = give a tolerance.")
        given = np.asarray(samples, float).ravel()
        values = given[np.isfinite(given)]
        n, mean = len(values), float(values.mean()) if len(values) else np.nan
        notes = [note] if note else []
        if n < len(given):
            notes.append(f"{len(given) - n} of {len(given)} samples are not finite and are left out")
        verdict: Verdict = "undecided"
        interval = p_value = needed = detectable = None
        if n < 2:
            notes.append("fewer than two samples")
        else:
            half, spread = float(t_half_width(values, confidence)), float(values.std(ddof=1))
            interval = (mean - half, mean + half)
            rounding = 1e-9 * max(float(np.abs(values).max()), abs(predicted))
            tie = abs(mean - predicted) <= rounding
            distance = _distance_to_edge(mean, relation, predicted, tolerance)
            # How far the mean is inside what would not matter; never, where nothing is said of that.
            inside = -np.inf if negligible is None else negligible - abs(mean - predicted)
            if np.ptp(values) > rounding:
                verdict = judge(interval, relation, predicted, tolerance, negligible)
                p_value = t_p_value(inside if verdict == "no difference" else distance, spread, n)
                detectable = detectable_mean(spread, n)
                if verdict == "undecided":
                    needed = samples_needed_for_mean(max(distance, inside), spread)
            elif n >= SIGN_TEST_SAMPLES and (inside > 0 or not tie):
                verdict = "no difference" if tie else judge(interval, relation, predicted, tolerance)
                p_value = 2.0 ** (1 - n)
            else:
                notes.append(f"all {n} samples are equal, so that their spread says nothing")
        return cls(
            id, statement, "measured", predicted, mean, relation, verdict, tolerance, interval, source,
            "; ".join(notes), n, precondition=precondition, dull_rule=dull_rule, p_value=p_value, family=family,
            samples_needed=needed, detectable=detectable, negligible=negligible,
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
        precondition: Precondition | None = None,
        dull_rule: DullRule | None = None,
        family: str = "",
    ) -> Claim:
        """Judge a proportion by its exact binomial interval (Clopper & Pearson 1934)."""
        interval = binomial_interval(successes, trials, confidence)
        verdict = judge(interval, relation, predicted, 0.0)
        rate = successes / trials
        return cls(
            id, statement, "measured", predicted, rate, relation, verdict, None, interval, source, note, trials,
            precondition=precondition, dull_rule=dull_rule, family=family,
            p_value=binomial_p_value(successes, trials, predicted),
            samples_needed=samples_needed_for_proportion(rate, predicted) if verdict == "undecided" else None,
            detectable=detectable_proportion(trials, predicted, above=relation != "≤"),
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
            if isinstance(value, dict):
                return {name: plain(v) for name, v in value.items()}
            return value

        return {name: plain(value) for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Claim:
        """Return the claim that `to_json` wrote down."""
        number = re.compile(r"-?inf|nan")
        values: dict[str, Any] = {
            name: float(value) if isinstance(value, str) and number.fullmatch(value) else value
            for name, value in fields.items()
        }
        for name, kind in (("precondition", Precondition), ("dull_rule", DullRule)):
            if values.get(name) is not None:
                inner = values[name]
                numbers = {key: float(inner[key]) for key in ("measured", "value") if key in inner}
                values[name] = kind(**(inner | numbers))
        if values.get("interval") is not None:
            low, high = values["interval"]
            values["interval"] = (float(low), float(high))
        return cls(**values)


def judge(
    interval: tuple[float, float],
    relation: Relation,
    predicted: float,
    tolerance: float,
    negligible: float | None = None,
) -> Verdict:
    """Verdict of an interval: all of it inside the claim, all outside, all nearer than matters, or neither."""
    low, high = interval
    lower = -np.inf if relation == "≤" else predicted - tolerance
    upper = np.inf if relation == "≥" else predicted + tolerance
    if lower <= low and high <= upper:
        return "holds"
    if high < lower or low > upper:
        return "fails"
    return "no difference" if is_within(interval, predicted, negligible) else "undecided"


def is_within(interval: tuple[float, float] | None, predicted: float, negligible: float | None) -> bool:
    """Whether a whole interval is nearer to the prediction than would matter."""
    if interval is None or negligible is None:
        return False
    return predicted - negligible < interval[0] and interval[1] < predicted + negligible


def _distance_to_edge(mean: float, relation: Relation, predicted: float, tolerance: float) -> float:
    """Distance from a mean to the nearest edge of what is claimed."""
    lower, upper = abs(mean - (predicted - tolerance)), abs(mean - (predicted + tolerance))
    return {"≥": lower, "≤": upper, "=": min(lower, upper)}[relation]


def correct_for_number(claims: Sequence[Claim]) -> list[Claim]:
    """Fill in what stays of each verdict when the claims of its family are to be relied on all at once.

    A family is the measured claims of one artefact with the same ``family``. Claims that are not about this
    regime ask nothing and are not counted.
    """
    asked: dict[tuple[str, str], list[int]] = {}
    for i, claim in enumerate(claims):
        if claim.kind == "measured" and claim.verdict != "not this regime":
            asked.setdefault((claim.artefact, claim.family), []).append(i)
    corrected = list(claims)
    for members in asked.values():
        raw = [1.0 if (p := claims[i].p_value) is None else p for i in members]
        for i, p in zip(members, holm(raw), strict=True):
            stays = claims[i].verdict if p < SIGNIFICANCE else "undecided"
            corrected[i] = replace(claims[i], corrected_verdict=stays, family_size=len(members))
    return corrected
