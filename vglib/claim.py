"""What a claim on trial is: a statement, a measurement, and a verdict that follows from it.

A chapter's `claims.py` holds `CHAPTER`, its number, and `CLAIMS`, a tuple of `Claim`.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Literal

import numpy as np

from vglib.words import percent

Kind = Literal["absolute", "relative", "factor", "at_least", "at_most"]


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
        if self.kind == "at_least":
            return measured >= predicted
        if self.kind == "at_most":
            return measured <= predicted
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


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Claim:
    """A statement that a learner meets elsewhere, with what is true and how that is measured.

    `id` is in kebab-case; `source` says who claims it, `says` quotes it fairly; `setup` names data,
    loss, initialisation, biases, optimiser, batch and steps; `correction` is the true statement.
    `prediction` is what the correction predicts, a number or a function that computes it;
    `measure(seed)` is compared with it by its median over `seeds` seeds (one for an `exact` closed
    form). `rival` is a value that somebody might believe (`rival_says` why), which the measurement
    must reject; for a bound the rival lies on its other side, and claims that side.
    `verdict(median)` judges what the source says and begins with `holds`, `holds only if` or
    `refuted:`. `slow` claims train networks and are run apart.
    Raises ValueError where a field is empty or malformed, or the rival is too near.
    """

    id: str
    source: str
    says: str
    setup: str
    prediction: float | Callable[[], float]
    measure: Callable[[int], float]
    tolerance: Tolerance
    rival: float
    rival_says: str
    verdict: Callable[[float], str]
    correction: str
    seeds: int = 5
    slow: bool = False
    exact: bool = False

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", self.id):
            raise ValueError(f"The claim id {self.id!r} is not in kebab-case; write it like-this.")
        for name in ("source", "says", "setup", "rival_says", "correction"):
            if not getattr(self, name).strip():
                raise ValueError(f"Claim {self.id} has an empty {name}; fill it in.")
        if self.seeds < (1 if self.exact else 5):
            raise ValueError(f"Claim {self.id} has {self.seeds} seeds; take 5, or say exact=True.")
        if not callable(self.prediction):
            self._check_rival(self.prediction)

    @property
    def predicted(self) -> float:
        """The number that the correction predicts; ValueError where the rival is too near to it."""
        if not callable(self.prediction):
            return float(self.prediction)
        predicted = float(self.prediction())
        self._check_rival(predicted)
        return predicted

    def trial(self, seeds: int | Sequence[int] | None = None) -> "Ruling":
        """Measure once a seed (a count, or the seeds themselves) and judge the outcome."""
        if seeds is None:
            seeds = 1 if self.exact else self.seeds
        chosen = range(seeds) if isinstance(seeds, int) else seeds
        return self.judge(self.measure(seed) for seed in chosen)

    def judge(self, values: Iterable[float]) -> "Ruling":
        """Judge measurements that were made before; ValueError without any."""
        measured = tuple(float(value) for value in values)
        if not measured:
            raise ValueError(f"Claim {self.id} has nothing measured; give at least one seed.")
        median = float(np.median(measured))
        verdict = self.verdict(median)
        if not re.match(r"holds(\b(?! only)|\b only if )|refuted: ", verdict):
            begin = "begin it with 'holds', 'holds only if' or 'refuted:'"
            raise ValueError(f"Claim {self.id} has the verdict {verdict!r}; {begin}.")
        predicted = self.predicted
        agrees = self.tolerance.accepts(median, predicted)
        rejected = not self.tolerance.opposite().accepts(median, self.rival)
        return Ruling(self, predicted, measured, median, agrees, rejected, verdict)

    def with_rival(self) -> "Claim":
        """Put the rival in the prediction's place, in a claim whose trial must not agree."""
        other = self.tolerance.opposite()
        return replace(self, prediction=self.rival, tolerance=other, rival=self.predicted)

    def row(self) -> dict[str, str]:
        """Give what is claimed as a row of a table, without measuring."""
        said = {"claim": self.id, "source": self.source, "says": self.says}
        return said | {"correction": self.correction}

    def __repr__(self) -> str:
        return f"Claim({self.id}: {self.says})"

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


@dataclass(frozen=True, eq=False, repr=False)
class Ruling:
    """The outcome of a trial: what was measured, whether it agrees, and the verdict.

    `values: (n,)` one a seed. `agrees`: the median is within the tolerance of `predicted`;
    `rival_rejected`: it is not within the tolerance of the rival.
    """

    claim: Claim
    predicted: float
    values: tuple[float, ...]
    median: float
    agrees: bool
    rival_rejected: bool
    verdict: str

    @property
    def ends(self) -> tuple[float, float]:
        """The 10% and the 90% quantile of the values, two of them."""
        low, high = np.quantile(self.values, (0.1, 0.9), method="inverted_cdf")
        return float(low), float(high)

    def row(self) -> dict[str, str]:
        """Give the outcome as a row of a table: plain text, fit for `table` and for JSON."""
        agrees = "agrees" if self.agrees else "DISAGREES"
        rejected = "rejected" if self.rival_rejected else "NOT REJECTED"
        return {
            "claim": self.claim.id,
            "source": self.claim.source,
            "says": self.claim.says,
            "predicted": self.claim.tolerance.describe(self.predicted),
            "measured": f"{self._measured()}: {agrees}",
            "rival": f"{self.claim.rival:.4g} ({self.claim.rival_says}): {rejected}",
            "verdict": self.verdict,
            "correction": self.claim.correction,
        }

    def __repr__(self) -> str:
        row = self.row()
        lines = [f"  {key:<9}  {row[key]}" for key in ("predicted", "measured", "rival")]
        return "\n".join([f"{row['claim']}: {row['verdict']}", *lines])

    def _repr_markdown_(self) -> str:
        rows = {**self.row(), "setup": self.claim.setup}
        order = ("source", "says", "setup", "predicted", "measured", "rival", "verdict")
        lines = [f"| {key} | {_cell(rows[key])} |" for key in (*order, "correction")]
        return "\n".join([f"| claim | {_cell(self.claim.id)} |", "|:--|:--|", *lines])

    def _measured(self) -> str:
        text, (low, high) = f"{self.median:.3g}", self.ends
        if len(self.values) == 1:
            return text
        return f"{text}, median of {len(self.values)} seeds ({low:.3g} to {high:.3g})"


def above(limit: float, words: str, otherwise: str = "holds") -> Callable[[float], str]:
    """Make a verdict: `words` for a median above the limit, else `otherwise`.

    In both {x} is the median, {percent} the same as a share, {points} a hundred times it.
    """
    return lambda x: _filled(words if x > limit else otherwise, x)


def below(limit: float, words: str, otherwise: str = "holds") -> Callable[[float], str]:
    """Make a verdict as `above` does, with `words` for a median below the limit."""
    return lambda x: _filled(words if x < limit else otherwise, x)


def _filled(words: str, x: float) -> str:
    return words.format(x=x, percent=percent(x), points=100 * x)


def table(rows: Sequence[Mapping[str, str]]) -> str:
    """Write rows, of `Claim.row` or `Ruling.row`, as a markdown table; the keys are its head."""
    if not rows:
        return ""
    head = list(rows[0])
    cells = [head, [":--"] * len(head), *([_cell(row[key]) for key in head] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def _cell(text: str) -> str:
    return escape(" ".join(text.split()), quote=False).replace("|", r"\|")
