"""A claim as a case: with its chapter, what kind of statement it is, and what is known of it."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from vglib.claim import Claim, Fact
from vglib.docket import registry
from vglib.docket.measured import Stored, stored
from vglib.docket.taught import Place, taught

Kind = Literal["misquoted", "true of one setting", "refuted", "holds"]
KINDS: tuple[Kind, ...] = ("misquoted", "true of one setting", "refuted", "holds")
# How a claim's source says that somebody else's words came to it shortened or stretched.
_SECOND_HAND = re.compile(
    r"\b(reading of|reader of|summar|short account|quoted without|conclusion)"
)
_WORDS: dict[str, Kind] = {"holds only if": "true of one setting", "refuted": "refuted"}


@dataclass(frozen=True, eq=False)
class Case:
    """A claim with its chapter; `measured` and `place` are None where nothing is known."""

    claim: Fact
    chapter: str
    number: int
    measured: Stored | None
    place: Place | None

    @property
    def ruling(self) -> str:
        """The ruling that the claim declares: "holds", "holds only if", "refuted" or "fact"."""
        return registry.declared(self.claim)

    @property
    def kind(self) -> Kind:
        """What kind of statement it is, by its source and its ruling."""
        if _SECOND_HAND.search(self.claim.source):
            return "misquoted"
        return _WORDS.get(self.ruling, "holds")

    @property
    def quick(self) -> bool:
        """Whether a trial is a matter of a moment, by what is stored of it."""
        known = self.measured.seconds < 1.0 if self.measured else self.claim.exact
        return known and not self.claim.slow

    @property
    def grid(self) -> str:
        """The values that it is tried with; empty where it has no grid."""
        over = self.claim.over.items()
        return "; ".join(f"{name} = {', '.join(f'{v:g}' for v in some)}" for name, some in over)

    @property
    def predicted(self) -> str:
        """What the corrected statement predicts, with the tolerance."""
        return self.claim.tolerance.describe(self.claim.predicted)

    @property
    def rival(self) -> str:
        """The value that the measurement must reject, and who might believe it."""
        claim = self.claim
        return f"{claim.rival:.4g}: {claim.rival_says}" if isinstance(claim, Claim) else ""

    @property
    def correction(self) -> str:
        """What is true instead, or besides."""
        return self.claim.correction if isinstance(self.claim, Claim) else ""


@lru_cache(maxsize=1)
def cases() -> tuple[Case, ...]:
    """Return every claim of the course as a case, by chapter."""
    known, where = stored(), taught()
    return tuple(
        Case(claim, chapter, registry.number_of(chapter), known.get(claim.id), where.get(claim.id))
        for chapter, claims in registry.claims().items()
        for claim in claims
    )


def case(claim_id: str) -> Case:
    """Return one case by its claim's id; KeyError with a sentence where there is none."""
    for one in cases():
        if one.claim.id == claim_id:
            return one
    raise KeyError(f"No claim is called {claim_id!r}; `python -m vglib.claim --list` names them.")
