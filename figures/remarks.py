"""What a verdict rests on, in lines of plain text: precondition, dull rule, correction, samples and their power."""

from __future__ import annotations

from .claim import Claim, is_within

BEATEN = {True: "beats", False: "does not beat", None: "cannot be told from"}


def remarks(claim: Claim) -> list[str]:
    """Say what a verdict was asked under, what it must beat, what stays of it, and what the samples could show."""
    lines = []
    if claim.precondition:
        met = "met" if claim.precondition.met else "not met"
        lines.append(f"{met}: {claim.precondition.text} (measured {claim.precondition.measured:.4g})")
    if claim.dull_rule:
        lines.append(f"{BEATEN[claim.dull_rule.beaten]} {claim.dull_rule.name} ({claim.dull_rule.value:.4g})")
    if claim.corrected_verdict and claim.corrected_verdict != claim.verdict:
        lines.append(f"{claim.corrected_verdict} when corrected for {claim.family_size} claims")
    if claim.verdict in ("holds", "fails") and is_within(claim.interval, claim.predicted, claim.negligible):
        lines.append(f"too small to matter: within {claim.negligible:g}")
    if said := power(claim):
        lines.append(said)
    return lines


def power(claim: Claim) -> str:
    """Say how many samples there are, what they could have shown, and how many would decide."""
    if not claim.samples:
        return ""
    parts = [f"{claim.samples} samples"]
    if claim.detectable is not None:
        parts.append(f"enough for an effect of {claim.detectable:.2g}")
    if claim.samples_needed:
        parts.append(f"about {claim.samples_needed} would decide")
    return "; ".join(parts)


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
