"""What a claim on trial is: a statement, a measurement, and a ruling that follows from it.

A chapter's `claims.py` holds `CHAPTER`, its number, and `CLAIMS`, a tuple of `Claim` and `Fact`.
`python -m vglib.claim NAME` tries one of them, `--list` lists them.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from html import escape
from itertools import product
from typing import Literal, cast

import numpy as np

from vglib.weather import fair_weather
from vglib.words import percent

Kind = Literal["absolute", "relative", "factor", "at_least", "at_most"]
Word = Literal["holds", "holds only if", "refuted"]


@dataclass(frozen=True)
class Tolerance:
    """How near a measurement must come to a prediction; made by the five constructors below."""

    kind: Kind
    amount: float = 0.0

    def __post_init__(self) -> None:
        least = 1.0 if self.kind == "factor" else 0.0
        if not least <= self.amount < math.inf:
            raise ValueError(f"A tolerance of {self.amount} is none; give {least:g} or more.")

    @classmethod
    def absolute(cls, amount: float) -> "Tolerance":
        """Accept |measured - predicted| <= amount."""
        return cls("absolute", amount)

    @classmethod
    def relative(cls, amount: float) -> "Tolerance":
        """Accept |measured - predicted| <= amount |predicted|."""
        return cls("relative", amount)

    @classmethod
    def factor(cls, amount: float) -> "Tolerance":
        """Accept 1/amount <= measured / predicted <= amount."""
        return cls("factor", amount)

    @classmethod
    def at_least(cls) -> "Tolerance":
        """Accept measured >= predicted."""
        return cls("at_least")

    @classmethod
    def at_most(cls) -> "Tolerance":
        """Accept measured <= predicted."""
        return cls("at_most")

    def accepts(self, measured: float, predicted: float) -> bool:
        """Say whether the measurement agrees with the prediction; NaN agrees with nothing."""
        if math.isnan(measured) or math.isnan(predicted):
            return False
        if self.kind in ("at_least", "at_most"):
            return measured >= predicted if self.kind == "at_least" else measured <= predicted
        if measured == predicted:
            return True
        if self.kind == "factor":
            ratio = measured / predicted if predicted else 0.0
            return 1 / self.amount <= ratio <= self.amount
        slack = self.amount * (abs(predicted) if self.kind == "relative" else 1.0)
        return math.isfinite(predicted) and abs(measured - predicted) <= slack

    def opposite(self) -> "Tolerance":
        """Give what a rival holds: on the other side for a bound, the same tolerance otherwise."""
        if self.kind == "at_least":
            return Tolerance.at_most()
        return Tolerance.at_least() if self.kind == "at_most" else self

    def describe(self, predicted: float) -> str:
        """Write the prediction with its tolerance: `0.25 ± 5%`, `at least 100`."""
        text = f"{predicted:.4g}"
        return {
            "absolute": f"{text} ± {self.amount:g}" if self.amount else f"exactly {text}",
            "relative": f"{text} ± {100 * self.amount:g}%",
            "factor": f"{text} within a factor of {self.amount:g}",
            "at_least": f"at least {text}",
            "at_most": f"at most {text}",
        }[self.kind]


@dataclass(frozen=True)
class Verdict:
    """What a median says of the source's sentence; made by `holds`, `holds_only_if`, `refuted`.

    From `above` to `below` it is the ruling that the claim declares, `word` with `words`; beyond
    either it is `otherwise`. In both {x} is the median (or `show` of it),
    {percent} the same as a share, {points} a hundred times it.
    Raises ValueError where no median could give another ruling, or `otherwise` is none.
    """

    word: Word
    words: str = ""
    _: KW_ONLY
    above: float = -math.inf
    below: float = math.inf
    otherwise: str = "holds"
    show: Callable[[float], float] = float

    def __post_init__(self) -> None:
        if not self.above < self.below or (math.isinf(self.above) and math.isinf(self.below)):
            said = f"{self.word!r} above {self.above} and below {self.below} is no ruling"
            raise ValueError(f"{said}; give a limit that a median can miss.")
        if ruled(self.otherwise) == self.word:
            raise ValueError(f"Either way the ruling is {self.word!r}; say another in otherwise.")

    def of(self, median: float) -> str:
        """Return the ruling: `holds`, `holds: ...`, `holds only if ...` or `refuted: ...`."""
        joint = " " if self.word == "holds only if" else ": "
        declared = f"{self.word}{joint}{self.words}" if self.words else self.word
        x = self.show(median)
        chosen = declared if self.above <= median <= self.below else self.otherwise
        return chosen.format(x=x, percent=percent(x), points=100 * x)


holds = partial(Verdict, "holds", otherwise="refuted: it is {x:.3g}")
holds_only_if = partial(Verdict, "holds only if")
refuted = partial(Verdict, "refuted")


def ruled(text: str) -> Word:
    """Return the word that a ruling begins with; ValueError where it begins with none."""
    found = re.match(r"(holds only if(?= )|holds(?=:|$)|refuted(?=: ))", text)
    if not found:
        said = f"{text!r} is no ruling"
        raise ValueError(f"{said}; begin it with 'holds', 'holds only if' or 'refuted:'.")
    return cast(Word, found[0])


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Fact:
    """A statement that is checked, not tried: nothing that anybody believes would be otherwise.

    `id` is in kebab-case; `source` says who states it, `place` where (section and paragraph of a
    document), `says` quotes it with every condition that it makes; `setup` names data, loss,
    initialisation, biases, optimiser, batch and steps. `prediction` is a number or a function that
    computes it; `measure(seed)` is compared with it by its median over `seeds` seeds (one for an
    `exact` closed form). Statements about what a rate, a budget or a remedy can do name in `over`
    the values that `measure(seed, name=value)` is tried with; `best` of their medians counts.
    `slow` ones train networks and are run apart.
    Raises ValueError where a field is empty or malformed.
    """

    id: str
    source: str
    says: str
    setup: str
    prediction: float | Callable[[], float]
    measure: Callable[..., float]
    tolerance: Tolerance
    place: str = ""
    over: Mapping[str, Sequence[float]] = field(default_factory=dict)
    best: Literal["largest", "smallest"] = "largest"
    seeds: int = 5
    slow: bool = False
    exact: bool = False

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", self.id):
            raise ValueError(f"The claim id {self.id!r} is not in kebab-case; write it like-this.")
        for name, value in vars(self).items():
            if isinstance(value, str) and not value.strip() and name not in {"place", "same"}:
                raise ValueError(f"Claim {self.id} has an empty {name}; fill it in.")
        if self.seeds < (1 if self.exact else 5):
            raise ValueError(f"Claim {self.id} has {self.seeds} seeds; take 5, or say exact=True.")
        for name, values in self.over.items():
            if len(values) < 3 or max(values) < 100 * min(values):
                said = f"goes over {name} = {', '.join(map(str, values))}"
                raise ValueError(f"Claim {self.id} {said}; take three, a factor of ten apart.")

    @property
    def predicted(self) -> float:
        """The number that is predicted."""
        return float(self.prediction() if callable(self.prediction) else self.prediction)

    @property
    def points(self) -> list[dict[str, float]]:
        """The points of the grid of `over`, as arguments of `measure`; a single {} without one."""
        return [dict(zip(self.over, some, strict=True)) for some in product(*self.over.values())]

    @fair_weather()
    def trial(self, seeds: Sequence[int] | None = None) -> "Ruling":
        """Measure once a seed, whatever a learner has set, and judge the outcome."""
        chosen = range(1 if self.exact else self.seeds) if seeds is None else seeds
        return self.judge(*([self.measure(s, **point) for s in chosen] for point in self.points))

    def judge(self, *values: Iterable[float]) -> "Ruling":
        """Judge measurements that were made before, those of each point of the grid by themselves.

        Raises ValueError where a point has none.
        """
        measured = [tuple(float(value) for value in some) for some in values]
        if len(measured) != len(self.points) or not all(measured):
            raise ValueError(f"Claim {self.id} has nothing measured; give at least one seed.")
        medians = [float(np.median(some)) for some in measured]
        sign = 1 if self.best == "largest" else -1
        # A median that is not a number is the worst of all.
        worth = [-math.inf if math.isnan(median) else sign * median for median in medians]
        chosen = worth.index(max(worth))
        predicted, median = self.predicted, medians[chosen]
        agrees = self.tolerance.accepts(median, predicted)
        rejected, verdict = self._ruling(median, agrees)
        return Ruling(
            claim=self,
            predicted=predicted,
            values=measured[chosen],
            median=median,
            grid=tuple(zip(self.points, medians, strict=True)),
            agrees=agrees,
            rival_rejected=rejected,
            verdict=verdict,
        )

    def row(self) -> dict[str, str]:
        """Give what is claimed as a row of a table, without measuring."""
        return {"claim": self.id, "source": self.where, "says": self.says}

    @property
    def where(self) -> str:
        """The source, with the place in it."""
        return f"{self.source}, {self.place}" if self.place else self.source

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id}: {self.says})"

    def _ruling(self, median: float, agrees: bool) -> tuple[bool, str]:
        return True, "fact: it is so" if agrees else "fact: it is NOT so"


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Claim(Fact):
    """A statement on trial: somebody believes it, or something else.

    `correction` is the true statement and `prediction` what it predicts. `rival` is a value that
    somebody might believe (`rival_says` why), which the measurement must reject; for a bound the
    rival lies on its other side, and claims that side. `ruling` judges what the source says; at the
    prediction it is the one declared and at the rival another, or `same` says why it is not.
    Raises ValueError as `Fact`, where the rival is too near, or where rulings and numbers
    contradict one another.
    """

    rival: float
    rival_says: str
    ruling: Verdict
    correction: str
    same: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not callable(self.prediction):
            self._check_rival(self.prediction)

    @property
    def predicted(self) -> float:
        """The number that the correction predicts; ValueError where the rival is too near to it."""
        predicted = super().predicted
        self._check_rival(predicted)
        return predicted

    def row(self) -> dict[str, str]:
        """Give what is claimed, and what is true, as a row of a table, without measuring."""
        return super().row() | {"correction": self.correction}

    def _ruling(self, median: float, agrees: bool) -> tuple[bool, str]:
        ruling = self.ruling.of(median)
        # No sentence is upheld by a number that the court itself did not expect.
        if ruled(ruling) != "refuted" and not agrees:
            ruling = f"open: what was measured, {median:.3g}, is not what the correction predicts"
        return not self.tolerance.opposite().accepts(median, self.rival), ruling

    def _check_rival(self, predicted: float) -> None:
        if math.isnan(predicted) or math.isnan(self.rival):
            said = "a prediction or a rival that is not a number"
            raise ValueError(f"Claim {self.id} has {said}; give both.")
        near = self.tolerance.accepts(self.rival, predicted)
        if near or self.tolerance.opposite().accepts(predicted, self.rival):
            raise ValueError(
                f"Claim {self.id} predicts {self.tolerance.describe(predicted)}, which does not "
                f"exclude its rival {self.rival:g}; take a rival or a tolerance that differs."
            )


# Claims whose prediction is a bound.
at_least = partial(Claim, tolerance=Tolerance.at_least())
at_most = partial(Claim, tolerance=Tolerance.at_most())


@dataclass(frozen=True, eq=False, repr=False)
class Ruling:
    """The outcome of a trial: what was measured, whether it agrees, and the verdict.

    `values: (n,)` one a seed, at the best point of the `grid`, which has a median for each of its
    points. `agrees`: the median is within the tolerance of `predicted`; `rival_rejected`: it is
    not within the tolerance of the rival.
    """

    claim: Fact
    predicted: float
    values: tuple[float, ...]
    median: float
    grid: tuple[tuple[Mapping[str, float], float], ...]
    agrees: bool
    rival_rejected: bool
    verdict: str

    @property
    def as_declared(self) -> bool:
        """Whether it agrees, rejects the rival and gives the ruling that the claim declares."""
        if not (self.agrees and self.rival_rejected):
            return False
        return not isinstance(self.claim, Claim) or ruled(self.verdict) == self.claim.ruling.word

    def row(self) -> dict[str, str]:
        """Give the outcome as a row of a table: plain text, fit for `table` and for JSON."""
        claim, row = self.claim, Fact.row(self.claim)
        row["predicted"] = claim.tolerance.describe(self.predicted)
        row["measured"] = f"{self._measured()}: {'agrees' if self.agrees else 'DISAGREES'}"
        if not isinstance(claim, Claim):
            return row | {"verdict": self.verdict}
        rejected = "rejected" if self.rival_rejected else "NOT REJECTED"
        row["rival"] = f"{claim.rival:.4g} ({claim.rival_says}): {rejected}"
        return row | {"verdict": self.verdict, "correction": claim.correction}

    def __repr__(self) -> str:
        row = self.row()
        shown = ("predicted", "measured", "rival")
        lines = [f"  {key:<9}  {row[key]}" for key in shown if key in row]
        return "\n".join([f"{row['claim']}: {row['verdict']}", *lines])

    def _repr_markdown_(self) -> str:
        rows = {**self.row(), "setup": self.claim.setup}
        order = ("source", "says", "setup", "predicted", "measured", "rival", "verdict")
        shown = [key for key in (*order, "correction") if key in rows]
        lines = [f"| {key} | {_cell(rows[key])} |" for key in shown]
        # One line that opens, so that a reader of several claims in a row sees what they come to.
        head = f"<details><summary>{escape(self.claim.id)}: {escape(self.verdict)}</summary>"
        return "\n".join([head, "", "| | |", "|:--|:--|", *lines, "", "</details>"])

    def _measured(self) -> str:
        text = f"{self.median:.3g}"
        if len(self.values) > 1:
            low, high = np.quantile(self.values, (0.1, 0.9), method="inverted_cdf")
            text += f", median of {len(self.values)} seeds ({low:.3g} to {high:.3g})"
        if len(self.grid) > 1:
            points = [", ".join(f"{n} {x:g}" for n, x in point.items()) for point, _ in self.grid]
            tried = (f"{m:.3g} at {at}" for at, (_, m) in zip(points, self.grid, strict=True))
            text += f", the best of {'; '.join(tried)}"
        return text


def table(rows: Sequence[Mapping[str, str]]) -> str:
    """Write rows, of `Claim.row` or `Ruling.row`, as a markdown table; the keys are its head."""
    if not rows:
        return ""
    head = list(rows[0])
    cells = [head, [":--"] * len(head), *([_cell(row[key]) for key in head] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def _cell(text: str) -> str:
    return escape(" ".join(text.split()), quote=False).replace("|", r"\|")


if __name__ == "__main__":
    from vglib.docket.command import main

    raise SystemExit(main())
