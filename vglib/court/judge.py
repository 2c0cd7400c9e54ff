"""Judge first: a drawn case, the reader's vote, then the ruling; and what misleads the reader."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from vglib.checks import one_of, require, whole
from vglib.claim import Claim
from vglib.court.page import source_of
from vglib.docket.cases import KINDS, Case, cases
from vglib.probe import Array
from vglib.results import result
from vglib.words import count

NOT_YET = "not yet"
VOTES = (NOT_YET, "holds", "holds only if", "refuted")
MANY = 40
# Of so long a sentence a reader of a slide would lose the thread.
LONGEST = 260


@lru_cache(maxsize=1)
def drawn() -> tuple[Case, ...]:
    """Return the cases that are judged, in an order that brings each kind in each four."""
    fit = [
        case
        for case in cases()
        if isinstance(case.claim, Claim)
        and case.measured
        and case.measured.spreads
        and len(case.claim.says) <= LONGEST
    ]
    rng = np.random.default_rng(13)
    heaps = [[case for case in fit if case.kind == kind] for kind in KINDS]
    shuffled = [[heap[i] for i in rng.permutation(len(heap))] for heap in heaps]
    rounds = min(MANY // len(KINDS), *(len(heap) for heap in shuffled))
    return tuple(
        shuffled[kind][turn] for turn in range(rounds) for kind in rng.permutation(len(KINDS))
    )


@result
class Judgement:
    """A case, the reader's vote, and whether the ruling shows.

    `ruling` is the one that is declared, `outcome` the one that is stored, with its number.
    `others`: how many of the same source's other claims hold, hold only if, are refuted. By base
    seed, (n,): `bases`, `medians`, and the 10% and 90% quantiles `lows`, `highs` of what is stored.
    `predicted` and `rival` are what it is held against. Nothing of this is known until it shows.
    """

    number: int
    says: str
    source: str
    kind: str
    ruling: str
    outcome: str
    vote: str
    shown: bool
    others: Array
    bases: Array
    medians: Array
    lows: Array
    highs: Array
    predicted: float
    rival: float

    @property
    def right(self) -> bool:
        """Whether the vote is the ruling."""
        return self.vote == self.ruling

    @property
    def verdict(self) -> str:
        """The statement and the vote or, once it is shown, the ruling with its number."""
        own = "you have not voted yet" if self.vote == NOT_YET else f"you say: {self.vote}"
        if not self.shown:
            return f"Case {self.number}, {self.source}: “{self.says}” ({own})."
        judged = "" if self.vote == NOT_YET else ", right" if self.right else ", wrong"
        told = f"“{self.says}” ({own}{judged}). Ruling: {self.outcome}."
        return f"Case {self.number}, {self.kind}: {told}"


def judge(case: int = 1, vote: str = NOT_YET, show: bool = False) -> Judgement:
    """Bring a drawn case before the reader; raises ValueError for a number or vote that is none."""
    require("case", case, whole(case, 1) and case <= len(drawn()), f"from 1 to {len(drawn())}")
    one_of("vote", vote, VOTES)
    chosen = drawn()[case - 1]
    claim, stored = chosen.claim, chosen.measured
    known = stored.spreads if stored and show else {}
    rows = np.array([[base, *known[base]] for base in known], float).reshape(-1, 4)
    bases, medians, lows, highs = rows.T
    rival = claim.rival if isinstance(claim, Claim) else np.nan
    predicted, rival = (claim.predicted, rival) if show else (np.nan, np.nan)
    return Judgement(
        number=case,
        says=" ".join(claim.says.split()).rstrip("."),
        source=claim.source,
        kind=chosen.kind,
        ruling=chosen.ruling,
        outcome=stored.verdict.rstrip(".") if stored else "",
        vote=vote,
        shown=show,
        others=_others(chosen),
        bases=bases,
        medians=medians,
        lows=lows,
        highs=highs,
        predicted=predicted,
        rival=rival,
    )


def _others(chosen: Case) -> Array:
    same = [one.ruling for one in cases() if source_of(one) == source_of(chosen)]
    counted = np.array([same.count(word) for word in VOTES[1:]], float)
    return counted - [word == chosen.ruling for word in VOTES[1:]]


def score(tries: Sequence[Judgement]) -> str:
    """Say of the first vote on each case how many were right, and which kind misleads the most.

    A try without a vote, or after the ruling was shown, does not count.
    """
    first: dict[int, Judgement] = {}
    spoilt = set()
    for one in tries:
        if one.shown and one.number not in first:
            spoilt.add(one.number)
        elif one.vote != NOT_YET and one.number not in spoilt:
            first.setdefault(one.number, one)
    if not first:
        return "Nothing counts yet: vote with the ruling hidden, and register."
    by_kind = {kind: [one for one in first.values() if one.kind == kind] for kind in KINDS}
    seen = {kind: some for kind, some in by_kind.items() if some}
    told = ", ".join(f"{kind} {sum(o.right for o in s)} of {len(s)}" for kind, s in seen.items())
    wrong = {kind: sum(not one.right for one in some) / len(some) for kind, some in seen.items()}
    worst = max(wrong, key=lambda kind: wrong[kind])
    misled = f"what misleads you most is “{worst}”" if wrong[worst] else "nothing has misled you"
    right = sum(one.right for one in first.values())
    return f"{count(len(first), 'case')}, {right} right ({told}): {misled}."
