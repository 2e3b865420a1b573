"""The thorough run: verdicts with the seeds and networks to decide them, kept with the package artefact by artefact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..artefact import FORMER_KEYS
from ..claim import Claim
from ..reference import read
from ..statements import owner
from .history import Change, same_claim, verdict_key

FILE = "thorough.json"


@dataclass(frozen=True)
class Finished:
    """An artefact of the thorough run.

    Attributes
    ----------
    artefact : str
    commit : str
        Of the checkout that it was run from.
    seed : int
    device : str
    hardware : str
        Processor, cores and memory.
    jobs : int
        Processes at once.
    seconds : float
    claims : tuple of Claim
    judged : str
        The commit whose claims judged the measurement, if not the one that it was run from.
    """

    artefact: str
    commit: str
    seed: int
    device: str
    hardware: str
    jobs: int
    seconds: float
    claims: tuple[Claim, ...]
    judged: str = ""


@dataclass(frozen=True)
class ThoroughVerdict:
    """A claim as the thorough run found it, and the commit that it was run at."""

    claim: Claim
    commit: str


def thorough_run() -> dict[str, Finished]:
    """Artefacts of the thorough run that are kept with the package, by key."""
    return finished_artefacts(read(FILE))


def finished_artefacts(kept: Mapping[str, Any]) -> dict[str, Finished]:
    """Read what the file of the thorough run says, by the keys that artefacts have now."""
    named = {FORMER_KEYS.get(key, key): fields for key, fields in kept["artefacts"].items()}
    return {key: _finished(key, fields) for key, fields in named.items()}


def _finished(key: str, fields: Mapping[str, Any]) -> Finished:
    paper = key.split(".")[0]
    claims = tuple(
        Claim.from_json(claim).located(owner(claim["id"], paper), key) for claim in fields["claims"]
    )
    return Finished(**{**fields, "artefact": key, "claims": claims})


class ThoroughVerdicts:
    """Finds the thorough run's verdict on a claim that was asked at another scale."""

    def __init__(self, run: Mapping[str, Finished]) -> None:
        self._run = run
        self._kept = {
            key: {
                verdict_key(key, c.id, c.statement): ThoroughVerdict(c, finished.commit)
                for c in finished.claims
            }
            for key, finished in run.items()
        }

    def find(self, claim: Claim) -> ThoroughVerdict | None:
        """What the thorough run found of this claim; None where it has not asked it."""
        return same_claim(self._kept.get(claim.artefact, {}), claim)

    def differing(self, claims: Sequence[Claim]) -> list[Change]:
        """Return those of the claims on which the thorough run has another verdict."""
        pairs = [(claim, kept) for claim in claims if (kept := self.find(claim))]
        return [
            Change(c, kept.claim.verdict, kept.commit) for c, kept in pairs if kept.claim.verdict != c.verdict
        ]

    def commits(self, claims: Sequence[Claim]) -> list[str]:
        """Commits of the artefacts of these claims, each once."""
        asked = dict.fromkeys(claim.artefact for claim in claims)
        return list(dict.fromkeys(self._run[key].commit for key in asked if key in self._run))
