"""Run the whole tournament, every measure and pair on every sick net, and store its table.

    python -m tools.tournament            five seeds; writes benchmarks/TOURNAMENT.md

Rows are kept as they finish, in benchmarks/TOURNAMENT.part.jsonl: a run that was stopped goes on
where it was. With VGLIB_DASK the runs go to a Dask cluster (tools/spread.py).
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np

from tools.spread import spread
from vglib.claim import table
from vglib.other_remedies.tournament import FULL_STEPS, MEASURES, Row, compete, starters

ROOT = Path(__file__).resolve().parents[1]
HEAD = "# Tournament of the measures"


def key(net: str, measures: Sequence[str], seed: int, steps: int) -> str:
    """Name a run, so that one which is stored is not made again."""
    return json.dumps([net, list(measures), seed, steps], ensure_ascii=False)


def read(part: Path, steps: int) -> dict[str, Row]:
    """Read the rows that a stopped run left, by their keys; a last line cut short is left out."""
    found: dict[str, Row] = {}
    lines = part.read_text(encoding="utf-8").splitlines() if part.exists() else []
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
            taken = record.pop("steps")
            row = Row(**record | {"measures": tuple(record["measures"])})
        except (ValueError, TypeError, KeyError) as error:
            if number == len(lines):
                break
            raise ValueError(
                f"{part.name} is damaged in line {number}: delete that line, or the file."
            ) from error
        if taken == steps:
            found[key(row.net, row.measures, row.seed, steps)] = row
    return found


def run(part: Path, seeds: int, steps: int, jobs: int = -1, pairs: bool = True) -> list[Row]:
    """Run what is not in the file of finished rows yet, and append each row as it finishes."""
    found = read(part, steps)
    runs = [(*start, steps) for start in starters(pairs, seeds)]
    missing = [r for r in runs if key(*r) not in found]
    if part.exists():
        # Without a cut line at its end, to which the next row would be joined.
        _write(part, "".join(_line(row, steps) for row in found.values()))
    with part.open("a", encoding="utf-8") as file:
        for row in spread(compete, missing, jobs) if missing else ():
            file.write(_line(row, steps))
            file.flush()
            found[key(row.net, row.measures, row.seed, steps)] = row
    return [found[key(*r)] for r in runs]


def report(rows: Sequence[Row], seeds: int, steps: int, seconds: float, command: str) -> str:
    """Write the page: command, date and machine, then a line for each choice of measures."""
    nets = list(dict.fromkeys(row.net for row in rows))
    lines = []
    for entry in dict.fromkeys(row.entry for row in rows):
        of_entry = [row for row in rows if row.entry == entry]
        acts = dict.fromkeys(MEASURES[name].acts_on for name in of_entry[0].measures)
        cells = {net: _cell([row for row in of_entry if row.net == net]) for net in nets}
        lines.append({"measures": entry, "act on": ", ".join(acts), **cells})
    return (
        f"{HEAD}\n\n"
        f"Made by `{command}` on {date.today().isoformat()}: {len(rows)} runs of {steps} steps, "
        f"seeds 0 to {seeds - 1}, {seconds / 60:.0f} minutes, Python {platform.python_version()}, "
        f"{platform.system()} {platform.machine()}.\n\n"
        "Each cell: test accuracy, median (lowest to highest); the power of ten of ||delta||, last "
        "hidden layer over first, before training; the share of runs that end in NaN.\n\n"
        f"{table(lines)}\n"
    )


def _cell(rows: Sequence[Row]) -> str:
    if not rows:
        return "does not apply"
    shares = [100 * row.accuracy for row in rows]
    ratio = float(np.median([row.ratio_start for row in rows])) + 0.0
    broken = np.mean([row.broken for row in rows])
    return (
        f"{np.median(shares):.0f}% ({min(shares):.0f} to {max(shares):.0f}), "
        f"10^{ratio:+.1f}, NaN {broken:.0%}"
    )


def _line(row: Row, steps: int) -> str:
    return json.dumps(row.record() | {"steps": steps}, ensure_ascii=False) + "\n"


def _write(target: Path, text: str) -> None:
    part = target.with_name(f"{target.name}.new")
    part.write_text(text, encoding="utf-8")
    part.replace(target)


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line asks; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.tournament", description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=FULL_STEPS)
    parser.add_argument("--jobs", type=int, default=-1)
    parser.add_argument("--quick", action="store_true", help="each measure alone, no pairs")
    args = parser.parse_args(argv)
    if args.seeds < 1 or args.steps < 10:
        parser.error("give at least 1 seed and 10 steps")
    folder = ROOT / "benchmarks"
    part = folder / "TOURNAMENT.part.jsonl"
    start = time.monotonic()
    try:
        rows = run(part, args.seeds, args.steps, args.jobs, pairs=not args.quick)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"Stopped; what is finished is in {part.name}, and the next run goes on from there.")
        return 130
    command = " ".join(["python -m tools.tournament", *(sys.argv[1:] if argv is None else argv)])
    page = report(rows, args.seeds, args.steps, time.monotonic() - start, command)
    _write(folder / "TOURNAMENT.md", page)
    part.unlink(missing_ok=True)
    print(f"{len(rows)} runs are in benchmarks/TOURNAMENT.md.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
