"""Rows of the one table, the machine they were measured on, and the page that holds them."""

import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = (
    *("torch", "numpy", "plotly", "ipywidgets", "anywidget"),
    *("jupyterlab", "ipykernel", "playwright", "matplotlib"),
)


@dataclass(frozen=True)
class Row:
    """One figure; `met` is None where there is no budget or nothing was measured."""

    what: str
    measured: str
    budget: str = ""
    met: bool | None = None

    def cells(self) -> list[str]:
        verdict = {True: "pass", False: "MISS", None: ""}[self.met]
        return [self.what, self.measured, self.budget, verdict]


@dataclass
class Part:
    """What one part of the benchmarks found: its rows, and notes that stand below the table."""

    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def within(what: str, value: float, limit: float, unit: str = "x", *, detail: str = "") -> Row:
    """Make the row of a figure that must be at most `limit`."""
    shown = f"{_short(value)}{_unit(unit)}{detail}"
    return Row(what, shown, f"at most {_short(limit)}{_unit(unit)}", value <= limit)


def at_least(what: str, value: float, limit: float, unit: str = "x", *, detail: str = "") -> Row:
    """Make the row of a figure that must be at least `limit`."""
    shown = f"{_short(value)}{_unit(unit)}{detail}"
    return Row(what, shown, f"at least {_short(limit)}{_unit(unit)}", value >= limit)


def progress(text: str) -> None:
    """Say on stderr what is being measured, since most of it takes a while."""
    print(f"[benchmarks] {text}", file=sys.stderr, flush=True)


def machine() -> str:
    """Describe in one line what the numbers were measured on."""
    return ", ".join(
        [
            f"{os.cpu_count()} cores",
            _cpu_model(),
            platform.system(),
            f"Python {platform.python_version()}",
            *(f"{name} {found}" for name in PACKAGES if (found := _version(name))),
        ]
    )


def page(command: str, date: str, load: str, parts: Sequence[Part]) -> str:
    """Write the whole report as Markdown."""
    rows = [row for part in parts for row in part.rows]
    judged = [row for row in rows if row.met is not None]
    missed = sum(not row.met for row in judged)
    lines = [
        "# Benchmarks",
        "",
        "Written by the command below; not to be edited by hand. One run, all figures from it.",
        "",
        f"- command: `{command}`",
        f"- date: {date}",
        f"- machine: {machine()}",
        f"- load before: {load}",
        f"- budgets: {len(judged) - missed} of {len(judged)} met",
        "",
        *_table([["what", "measured", "budget", ""], *(row.cells() for row in rows)]),
    ]
    for note in (note for part in parts for note in part.notes):
        lines += ["", note]
    return "\n".join(lines) + "\n"


def _table(rows: list[list[str]]) -> list[str]:
    head, *body = [
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in r)} |" for r in rows
    ]
    return [head, "|" + "---|" * len(rows[0]), *body]


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _unit(unit: str) -> str:
    return f" {unit}" if unit not in ("", "x") else unit


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
