"""The bank scored: what the doctor says of each patient, and what the published rules say."""

import importlib
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from tests.doctor.case import Case
from tests.doctor.faults import FAULTS
from tests.doctor.field import FIELD
from tests.doctor.healthy import HEALTHY
from tests.doctor.training import drawn
from vglib.clinic import published
from vglib.clinic.watched import watch_training
from vglib.doctor import Finding, examine

# So long that no busy machine cuts an examination short.
BUDGET = 30.0


@dataclass(frozen=True)
class Score:
    """One patient examined.

    `findings`: (name, certainty, layer) as they stand in the report. `rules`: of each published
    tool whether it said anything, and whether one of its words means an accepted name; empty where
    it was not asked. `error`: what the examination raised.
    """

    case: Case
    seed: int
    sick: bool
    findings: tuple[tuple[str, str, str], ...]
    not_checked: tuple[str, ...] = ()
    seconds: float = 0.0
    error: str = ""
    rules: Mapping[str, tuple[bool, bool]] = field(default_factory=dict)

    @property
    def counted(self) -> tuple[tuple[str, str, str], ...]:
        """The findings that count: notes only where they are a right answer."""
        return tuple(f for f in self.findings if f[1] != "note" or f[0] in self.case.accepted)

    @property
    def detected(self) -> bool:
        """Whether anything was found."""
        return bool(self.counted)

    @property
    def right(self) -> bool:
        """Whether a right name comes first."""
        return self.detected and self.counted[0][0] in self.case.accepted

    @property
    def layer(self) -> bool | None:
        """Whether a right layer is named with the right name; None where a fault has no place."""
        if not self.case.layers:
            return None
        named = [layer for name, _, layer in self.counted if name in self.case.accepted]
        return any(_same_place(one, other) for one in named[:1] for other in self.case.layers)

    @property
    def alarm(self) -> bool:
        """Whether something is said to be wrong for certain or likely."""
        return any(certainty != "note" for _, certainty, _ in self.findings)


def _same_place(one: str, other: str) -> bool:
    """Whether one is the other, or lies inside it."""
    return bool(one and other) and (
        one == other or one.startswith(f"{other}.") or other.startswith(f"{one}.")
    )


def banks() -> dict[str, tuple[Case, ...]]:
    """Return the bank by its parts; the blind third where it is there."""
    found = {"faults": FAULTS, "healthy": HEALTHY, "field": FIELD}
    with suppress(ModuleNotFoundError):
        found["blind"] = tuple(importlib.import_module("tests.doctor.blind").BLIND)
    return found


def scored(
    cases: Iterable[Case],
    seeds: Sequence[int],
    budget: float = BUDGET,
    *,
    rules: bool = False,
) -> Iterator[Score]:
    """Score each case with each seed: the sick one, if there is one, then the healthy one."""
    for case in cases:
        for seed in seeds:
            for sick in (False,) if case.healthy else (True, False):
                yield score(case, seed, sick, budget, rules)


@cache
def score(case: Case, seed: int, sick: bool, budget: float = BUDGET, rules: bool = False) -> Score:
    """Examine one patient."""
    with warnings.catch_warnings():
        # What torch warns of is among the faults.
        warnings.simplefilter("ignore")
        start = time.perf_counter()
        try:
            report = examine(**case.make(seed, sick).arguments(), budget=budget)
        except Exception as error:
            seconds, said = time.perf_counter() - start, f"{type(error).__name__}: {error}"
            return Score(case, seed, sick, (), (), seconds, said)
        seconds = time.perf_counter() - start
        answers = published_rules(case, seed, sick) if rules else {}
    found = tuple(map(_plain, report.findings))
    return Score(case, seed, sick, found, report.not_checked, seconds, rules=answers)


def _plain(finding: Finding) -> tuple[str, str, str]:
    return finding.name, finding.certainty, finding.layer


def published_rules(case: Case, seed: int, sick: bool) -> dict[str, tuple[bool, bool]]:
    """Return each published tool's answer; a training that torch breaks off gives it none."""
    arguments: dict[str, Any] = case.make(seed, sick).arguments()
    try:
        with drawn(seed):
            watched = watch_training(**arguments)
    except Exception:
        return dict.fromkeys(published.RULES, (False, False))
    return {
        name: published.score(rule(watched), case.accepted)
        for name, rule in published.RULES.items()
    }
