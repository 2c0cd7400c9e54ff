"""Rounds: six patients with histories, a diagnosis of one's own, and a score against the others."""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType

import numpy as np

from vglib.checks import one_of
from vglib.clinic import published
from vglib.clinic.patients import PATIENTS, watched
from vglib.doctor import examine
from vglib.doctor.course import closer
from vglib.probe import Array
from vglib.results import at_its_end, kept, result
from vglib.weather import fair_weather
from vglib.words import count

NOT_YET, HEALTHY = "not yet", "healthy"
# What a reader may say: the six right names and some that are near.
NAMES = (
    *(NOT_YET, HEALTHY, "vanishing", "exploding", "dead-units", "saturated"),
    *("rate-too-high", "rate-too-low", "softmax-twice", "no-gradient", "inputs-unscaled"),
)


@result
class Opinions:
    """What the doctor and the published rules say of a patient: words, and whether they are right.

    `said`, `right`: by whose opinion it is, the doctor's first.
    """

    said: Mapping[str, str]
    right: Mapping[str, bool]


@result
class Round:
    """A patient, what a first look and 20 steps show of it, and the reader's diagnosis.

    By layer, the readout last: `signal`, `delta` root mean squares of z and of dL/dz, exactly 0
    where none came back; `dead`, `saturated` shares, nan where there is none. `losses`: (20,).
    """

    patient: str
    diagnosis: str
    shows: bool
    signal: Array
    delta: Array
    dead: Array
    saturated: Array
    losses: Array
    opinions: Opinions | None

    @property
    def right(self) -> bool:
        """Whether the reader's diagnosis is right."""
        return self.diagnosis == PATIENTS[self.patient].finding

    @property
    def verdict(self) -> str:
        """One sentence: the history and the reader's diagnosis, or all opinions."""
        own = "you have not said yet" if self.diagnosis == NOT_YET else f"you say {self.diagnosis}"
        if not self.shows:
            history = PATIENTS[self.patient].history
            return f"{self.patient}: {history} ({own}; show the doctor's when you have registered)."
        if self.opinions is None:
            return f"{self.patient}: {own}, and the doctor examines."
        judged = "" if self.diagnosis == NOT_YET else ", right" if self.right else ", wrong"
        doctor, *others = self.opinions.said.items()
        told = "; ".join(f"{name}: {words}" for name, words in others)
        return f"{self.patient}: {own}{judged}; {doctor[0]}: {doctor[1]}; {told}."


@lru_cache(32)
def _measured(name: str, seed: int) -> tuple[Array, Array, Array, Array, Array]:
    one = PATIENTS[name].make(seed)
    with fair_weather():
        seen = closer(one)
        course = watched(one)
    calls = [call for call in seen.calls if call.parameters]

    def known(what: str) -> Array:
        return np.array([call.known.get(what, float("nan")) for call in calls], float)

    signal = np.array([call.signal for call in calls], float)
    delta = np.array([0.0 if call.delta is None else call.delta for call in calls], float)
    return signal, delta, known("dead"), known("saturated"), course.losses


@lru_cache(32)
def opinions(name: str, seed: int = 0) -> Opinions:
    """Let the doctor examine a patient, and the published rules watch it."""
    one_of("patient", name, PATIENTS)
    story = PATIENTS[name]
    one = story.make(seed)
    with fair_weather():
        # Time enough: what is said must not depend on the machine.
        report = examine(one.model, one.loss_fn, one.batch, optimizer=one.optimizer, budget=600.0)
        seen = watched(one)
    found = [finding for finding in report.findings if finding.certainty != "note"]
    place = f" at {found[0].layer}" if found and found[0].layer else ""
    said = {"the doctor": f"{found[0].name}{place}" if found else HEALTHY}
    right = {"the doctor": (found[0].name if found else HEALTHY) == story.finding}
    for rule, ask in published.RULES.items():
        words = ask(seen)
        said[rule] = " + ".join(words) or "nothing"
        alarm, meant = published.score(words, frozenset({story.finding}))
        right[rule] = not alarm if story.finding == HEALTHY else meant
    return Opinions(said, right)


@kept(64)
def rounding(
    patient: str = "the careful one", diagnosis: str = NOT_YET, doctor: bool = False, seed: int = 0
) -> Iterator[Round]:
    """Look at a patient and, if asked, let the doctor examine it. Yields what there is so far."""
    measured = _measured(patient, seed)
    yield Round(patient, diagnosis, doctor, *measured, None)
    if doctor:
        yield Round(patient, diagnosis, doctor, *measured, opinions(patient, seed))


make_round = at_its_end(rounding)


def score(rounds: Sequence[Round]) -> str:
    """Compare the reader's first diagnosis of each patient with the others' on the same patients.

    A try without a diagnosis, or after the doctor's was shown, does not count.
    """
    first: dict[str, Round] = {}
    spoilt = set()
    for one in rounds:
        if one.shows and one.patient not in first:
            spoilt.add(one.patient)
        elif one.diagnosis != NOT_YET and one.patient not in spoilt:
            first.setdefault(one.patient, one)
    if not first:
        return "Nothing counts yet: choose a diagnosis, with the doctor's hidden, and register."
    own = sum(one.right for one in first.values())
    others: dict[str, int] = {}
    for name in first:
        for whose, right in opinions(name).right.items():
            others[whose] = others.get(whose, 0) + right
    told = ", ".join(f"{whose} {right}" for whose, right in others.items())
    return f"{count(len(first), 'patient')}: you have {own} right; {told}."


@lru_cache(4)
def table(seed: int = 0) -> str:
    """Return the score of all as a table in Markdown: one row a patient, and a row of sums."""
    whose = ("the doctor", *published.RULES)
    rows = [f"| patient | what it has | {' | '.join(whose)} |", "|---" * (2 + len(whose)) + "|"]
    for name, story in PATIENTS.items():
        one = opinions(name, seed)
        cells = [f"{'✓' if one.right[w] else '✗'} {one.said[w]}" for w in whose]
        rows.append(f"| {name} | {story.finding} | {' | '.join(cells)} |")
    sums = [str(right) for right in totals(seed).values()]
    return "\n".join([*rows, f"| **right, of {len(PATIENTS)}** | | {' | '.join(sums)} |"])


def totals(seed: int = 0) -> Mapping[str, int]:
    """Count how many of the six patients each opinion is right on."""
    seen = [opinions(name, seed).right for name in PATIENTS]
    return MappingProxyType({w: sum(one[w] for one in seen) for w in seen[0]})
