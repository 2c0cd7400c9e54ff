"""What the doctor says: findings, what was seen, and what was not checked."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from vglib.doctor.rules import Finding
from vglib.words import count

MOST = 3


class Broken(AssertionError):
    """A network has a finding that `raise_if_broken` or `assert_healthy` does not let pass."""


@dataclass(frozen=True)
class Seen:
    """How much the forward pass showed: `matrices` seen `of` all, and why not the rest.

    A matrix is a parameter with two or more dimensions; one that is shared counts once. `missing`
    holds (name, reason) of those not seen.
    """

    matrices: int
    of: int
    missing: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        said = f"{self.matrices} of {count(self.of, 'matrix').replace('matrixs', 'matrices')}"
        if not self.missing:
            return f"{said}."
        reasons: dict[str, list[str]] = {}
        for name, reason in self.missing:
            reasons.setdefault(reason, []).append(name)
        parts = [f"{', '.join(n)}, because {reason}" for reason, n in reasons.items()]
        return f"{said}; not seen: {'; '.join(parts)}."


@dataclass(frozen=True)
class Layer:
    """One operation with weights: root mean squares of its signal and of the gradient there.

    `gradient`, `weight`, `ratio` belong to its largest matrix: the gradient by it, itself, and the
    first real step over it. nan where something does not exist.
    """

    name: str
    operation: str
    signal: float
    delta: float
    gradient: float
    weight: float
    ratio: float
    chi: float
    dead: float
    saturated: float


@dataclass(frozen=True, repr=False)
class Report:
    """What an examination found.

    `findings`: causes first, each with layer, number, bound, reason, cure and chapter; `seen` and
    `not_checked` say how much that is worth; `layers` hold the numbers, `in_time` the gradient by
    step for recurrent layers, `losses` (step, loss) of the short training.
    """

    findings: tuple[Finding, ...]
    seen: Seen
    not_checked: tuple[str, ...]
    layers: tuple[Layer, ...]
    losses: tuple[tuple[int, float], ...]
    in_time: tuple[tuple[str, tuple[float, ...]], ...]
    loss: float
    best_constant: float | None
    seconds: float

    @property
    def healthy(self) -> bool:
        """Whether nothing was found beyond notes."""
        return all(found.certainty == "note" for found in self.findings)

    def raise_if_broken(self, likely: bool = False) -> None:
        """Raise `Broken` where something is broken, with `likely` also where theory says so."""
        levels = ("broken", "likely") if likely else ("broken",)
        bad = [found for found in self.findings if found.certainty in levels]
        if bad:
            raise Broken("\n".join(str(found) for found in bad))

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values, fit for JSON.

        {"healthy": bool, "findings": [{"name", "certainty", "layer", "seen", "number", "bound",
        "why", "cure", "chapter", "source"}], "seen": {"matrices", "of", "missing": [[name,
        reason]]}, "not_checked": [str],
        "layers": [{"name", "operation", "signal", "delta", "gradient", "weight", "ratio", "chi",
        "dead", "saturated"}], "losses": [[step, loss]],
        "in_time": {layer: [float]}, "loss": float, "best_constant": float or null,
        "seconds": float}; a number that is not finite is null.
        """
        return {
            "healthy": self.healthy,
            "findings": [_plain(vars(found)) for found in self.findings],
            "seen": {
                "matrices": self.seen.matrices,
                "of": self.seen.of,
                "missing": [list(pair) for pair in self.seen.missing],
            },
            "not_checked": list(self.not_checked),
            "layers": [_plain(vars(layer)) for layer in self.layers],
            "losses": [[step, _finite(loss)] for step, loss in self.losses],
            "in_time": {name: [_finite(v) for v in values] for name, values in self.in_time},
            "loss": _finite(self.loss),
            "best_constant": _finite(self.best_constant),
            "seconds": self.seconds,
        }

    def figure(self) -> Any:
        """Return the figure by layer (and by time) as plotly's."""
        from vglib.doctor.pictures import draw

        return draw(self).figure()

    def __repr__(self) -> str:
        real = [found for found in self.findings if found.certainty != "note"]
        notes = [found for found in self.findings if found.certainty == "note"]
        lines = [self._head(real)]
        for found in real[:MOST]:
            lines += ["", *_lines(found)]
        if len(real) > MOST:
            lines += ["", f"and {len(real) - MOST} more in .findings"]
        if notes:
            lines += ["", *(f"note: {found}" for found in notes[:MOST])]
        lines += ["", f"Seen: {self.seen}"]
        lines += [f"Not checked: {text}" for text in self.not_checked]
        return "\n".join(lines)

    def _head(self, real: Sequence[Finding]) -> str:
        how = ""
        if self.losses:
            first, last = self.losses[0], self.losses[-1]
            how = (
                f" In {last[0]} steps on a copy the loss went from {first[1]:.3g} to {last[1]:.3g}."
            )
        short = any("time was up" in text or "fitted" in text for text in self.not_checked)
        if not real and short:
            return f"Nothing was found in the {self.seconds:.0f} seconds that there were.{how}"
        if not real and self._stands_still:
            return f"No cause was found, and this batch was not learnt.{how}"
        if not real:
            return f"Nothing was found.{how}"
        names = "finding" if len(real) == 1 else "findings"
        return f"{len(real)} {names}.{how}"

    @property
    def _stands_still(self) -> bool:
        if not self.losses:
            return False
        first, last = self.losses[0][1], self.losses[-1][1]
        known = self.best_constant
        good = known is not None and last < 0.5 * known
        return not good and not last < first - 0.01 * abs(first)

    def _repr_html_(self) -> str:
        real = [found for found in self.findings if found.certainty != "note"]
        notes = [found for found in self.findings if found.certainty == "note"]
        parts = [f"<p><b>{escape(self._head(real))}</b></p>", *map(_html, real[:MOST])]
        if folded := [*real[MOST:], *notes]:
            more = f"{len(folded)} more" if len(real) > MOST else count(len(notes), "note")
            inside = "".join(map(_html, folded))
            parts.append(f"<details><summary>{more}</summary>{inside}</details>")
        parts.append(f"<p>Seen: {escape(str(self.seen))}</p>")
        if self.not_checked:
            items = "".join(f"<li>{escape(text)}</li>" for text in self.not_checked)
            parts.append(f"<p>Not checked:</p><ul>{items}</ul>")
        if self.layers:
            parts.append(self._drawn())
        return f"<div>{''.join(parts)}</div>"

    def _drawn(self) -> str:
        from vglib.doctor.pictures import draw
        from vglib.still import image

        shown = "root mean square of signal and gradients, chi and shares, and the first step"
        over = f" over {count(len(self.layers), 'operation')} in the order of the forward pass."
        return image(draw(self), shown[0].upper() + shown[1:] + over)


def _lines(found: Finding) -> list[str]:
    cure = [f"    {line}" for line in found.cure.splitlines()]
    chapter = f"  (chapter {found.chapter}; {found.source})"
    return [str(found), f"  {found.why}", chapter, "  What to try:", *cure]


def _html(found: Finding) -> str:
    place = f" at <code>{escape(found.layer)}</code>" if found.layer else ""
    head = f"<b>{escape(found.name)}</b>{place} ({found.certainty})"
    seen = found.seen[:1].upper() + found.seen[1:]
    where = f"<i>(chapter {found.chapter}; {escape(found.source)})</i>"
    cure = f'<pre style="padding-left:2em">{escape(found.cure)}</pre>'
    return f"<p>{head}<br>{escape(seen)} {escape(found.why)} {where}</p>{cure}"


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {key: _finite(v) if isinstance(v, float) else v for key, v in values.items()}


def _finite(value: float | None) -> float | None:
    if value is None or value != value or value in (float("inf"), float("-inf")):
        return None
    return float(value)
