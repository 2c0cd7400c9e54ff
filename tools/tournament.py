"""Run the tournament, every measure and pair on every sick net, and store its table.

    python -m tools.tournament                        the full run; writes benchmarks/TOURNAMENT.md
    python -m tools.tournament --quick --steps 100    any other run: prints its page
    python -m tools.tournament --seeds 2 --out FILE   or writes it to a file of your choice

Each choice of measures is run at the net's own step size, at a tenth and at ten times it, but where
it sets the step size itself. Only the full run (five seeds, 600 steps, with the pairs) writes
benchmarks/TOURNAMENT.md.
Rows are kept as they finish, in benchmarks/TOURNAMENT.part.jsonl, and those of another run in a
part file of its own: a run that was stopped goes on where it was, and starts anew where the code or
torch is another one by then. With VGLIB_DASK the runs go to a Dask cluster (tools/spread.py).
"""

import argparse
import json
import platform
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import numpy as np

from tools.spread import spread
from vglib.claim import table
from vglib.other_remedies.tournament import (
    FACTORS,
    FULL_STEPS,
    LOOKS,
    MEASURES,
    Row,
    compete,
    sets_the_step,
    starters,
)

ROOT = Path(__file__).resolve().parents[1]
HEAD = "# Tournament of the measures"
FULL_SEEDS = 5
# What a row depends on; a test compares the list with what the tournament imports.
SOURCES = tuple(
    import_module(f"vglib.{name}")
    for name in (
        *("activations", "backprop", "checks", "data", "losses", "networks", "probe", "results"),
        *("scaled", "other_remedies.sick_nets", "other_remedies.tournament", "training", "weather"),
    )
)


@dataclass(frozen=True)
class Settings:
    """What decides which runs there are and how long each is."""

    seeds: int = FULL_SEEDS
    steps: int = FULL_STEPS
    pairs: bool = True

    @property
    def part(self) -> str:
        """The name of the file in which the finished rows of these runs are kept."""
        if self == Settings():
            return "TOURNAMENT.part.jsonl"
        alone = "" if self.pairs else ".quick"
        return f"TOURNAMENT.{self.seeds}x{self.steps}{alone}.part.jsonl"


@dataclass
class Kept:
    """What a part file holds: lines, rows by their keys, seconds by the start of each session."""

    lines: list[str] = field(default_factory=list)
    rows: dict[str, Row] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


def fingerprint() -> str:
    """Name the code and the torch that make the rows, in twelve letters."""
    known = sha256(version("torch").encode())
    for module in SOURCES:
        known.update(Path(str(module.__file__)).read_bytes())
    return known.hexdigest()[:12]


def key(net: str, measures: Sequence[str], seed: int, factor: float) -> str:
    """Name a run, so that one which is stored is not made again."""
    return json.dumps([net, list(measures), seed, factor], ensure_ascii=False)


def key_of(row: Row) -> str:
    """Name the run that made a row."""
    return key(row.net, row.measures, row.seed, row.factor)


def read(part: Path, code: str) -> Kept:
    """Read what a stopped run left; a last line cut short is left out.

    Nothing is taken, and a sentence says so, where the rows were made by other code than `code`.
    Raises ValueError where a line is damaged.
    """
    kept = Kept()
    lines = part.read_text(encoding="utf-8").splitlines() if part.exists() else []
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
            if record.pop("code", "") != code:
                print(
                    f"The code or torch has changed since {part.name} was begun: it starts anew.",
                    file=sys.stderr,
                )
                return Kept()
            session, seconds = record.pop("session"), record.pop("seconds")
            row = Row(**record | {"measures": tuple(record["measures"])})
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            if number == len(lines):
                break
            raise ValueError(
                f"{part.name} is damaged in line {number}: delete that line, or the file."
            ) from error
        kept.lines.append(line)
        kept.rows[key_of(row)] = row
        kept.seconds[session] = max(seconds, kept.seconds.get(session, 0.0))
    return kept


def run(part: Path, settings: Settings, jobs: int = -1) -> tuple[list[Row], list[float]]:
    """Run what is not in the file of finished rows yet, and append each row as it finishes.

    Returns the rows, in the table's order, and the seconds of each session that made some.
    """
    code = fingerprint()
    kept = read(part, code)
    runs = starters(settings.pairs, settings.seeds, FACTORS)
    missing = [(*r[:3], settings.steps, r[3]) for r in runs if key(*r) not in kept.rows]
    # Without a cut line at its end, to which the next row would be joined.
    _write(part, "".join(f"{line}\n" for line in kept.lines))
    session, start = f"{time.time():.3f}", time.monotonic()
    with part.open("a", encoding="utf-8") as file:
        for row in spread(compete, missing, jobs) if missing else ():
            seconds = round(time.monotonic() - start, 1)
            made = {"code": code, "session": session, "seconds": seconds}
            file.write(json.dumps(row.record() | made, ensure_ascii=False) + "\n")
            file.flush()
            kept.rows[key_of(row)] = row
            kept.seconds[session] = seconds
    return [kept.rows[key(*r)] for r in runs], list(kept.seconds.values())


def report(rows: Sequence[Row], settings: Settings, seconds: Sequence[float], command: str) -> str:
    """Write the page: command, date and machine, then a line for each choice of measures."""
    nets = list(dict.fromkeys(row.net for row in rows))
    lines = []
    for entry in dict.fromkeys(row.entry for row in rows):
        of_entry = [row for row in rows if row.entry == entry]
        acts = dict.fromkeys(MEASURES[name].acts_on for name in of_entry[0].measures)
        own, tuned = {}, {}
        for net in nets:
            of_net = [row for row in of_entry if row.net == net]
            own[net] = _cell([row for row in of_net if row.factor == 1])
            tuned[f"{net}, tuned"] = _tuned(of_net)
        lines.append({"measures": entry, "act on": ", ".join(acts), **own, **tuned})
    parts = f" in {len(seconds)} parts" if len(seconds) > 1 else ""
    return (
        f"{HEAD}\n\n"
        f"Made by `{command}` on {date.today().isoformat()}: {len(rows)} runs of {settings.steps} "
        f"steps, seeds 0 to {settings.seeds - 1}, {_minutes(sum(seconds))}{parts}, "
        f"Python {platform.python_version()}, torch {version('torch')}, "
        f"{platform.system()} {platform.machine()}.\n\n"
        "Each cell: test accuracy, median (lowest to highest); ||delta|| of the last hidden layer "
        "over the first, before training → at the end, median of the runs that did not end in NaN; "
        "the share of those that did. Every net has one step size of its own there, whatever the "
        'measures. "Tuned" is the best median accuracy of that step size, a tenth of it and ten '
        "times it, chosen on the same 360 test images; where the measures set the step size, there "
        "is nothing to tune.\n\n"
        f"{table(lines)}\n"
    )


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} seconds" if seconds < 90 else f"{seconds / 60:.0f} minutes"


def _cell(rows: Sequence[Row]) -> str:
    if not rows:
        return "does not apply"
    whole = [row for row in rows if not row.broken]
    start = _power([row.ratio_start for row in rows])
    end = _power([row.ratio_end for row in whole]) if whole else "NaN"
    return f"{_accuracy(rows)}, {start} → {end}{_broken(rows)}"


def _tuned(rows: Sequence[Row]) -> str:
    if not rows or sets_the_step(rows[0].measures):
        return "does not apply"
    # The net's own step size first: it is named where others are no better.
    factors = sorted({row.factor for row in rows}, key=lambda factor: abs(np.log(factor)))
    of = {factor: [row for row in rows if row.factor == factor] for factor in factors}
    best = max(factors, key=lambda factor: np.median([row.accuracy for row in of[factor]]))
    word = {0.1: "lr ÷ 10", 1.0: "its own lr", 10.0: "lr × 10"}[best]
    return f"{_accuracy(of[best])} at {word}{_broken(of[best])}"


def _accuracy(rows: Sequence[Row]) -> str:
    shares = [100 * row.accuracy for row in rows]
    return f"{np.median(shares):.0f}% ({min(shares):.0f} to {max(shares):.0f})"


def _broken(rows: Sequence[Row]) -> str:
    share = float(np.mean([row.broken for row in rows]))
    return f", NaN in {share:.0%}" if share else ""


def _power(ratios: Sequence[float]) -> str:
    known = [ratio for ratio in ratios if np.isfinite(ratio)]
    # + 0.0: no "-0.0".
    return f"10^{round(float(np.median(known)), 1) + 0.0:+.1f}" if known else "no gradient"


def _write(target: Path, text: str) -> None:
    part = target.with_name(f"{target.name}.new")
    part.write_text(text, encoding="utf-8")
    part.replace(target)


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line asks; return the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(
        prog="python -m tools.tournament",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seeds", type=int, default=FULL_SEEDS, help=f"{FULL_SEEDS} in full")
    parser.add_argument("--steps", type=int, default=FULL_STEPS, help=f"{FULL_STEPS} in full")
    parser.add_argument("--quick", action="store_true", help="each measure alone, no pairs")
    parser.add_argument("--jobs", type=int, default=-1, help="processes; one a core by default")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="where the page goes; by default only the full run is stored, any other is printed",
    )
    args = parser.parse_args(argv)
    if args.seeds < 1 or args.steps < LOOKS or args.steps % LOOKS:
        parser.error(f"give at least 1 seed, and a multiple of {LOOKS} steps")
    folder = ROOT / "benchmarks"
    settings = Settings(args.seeds, args.steps, pairs=not args.quick)
    full, page_of_the_full = settings == Settings(), folder / "TOURNAMENT.md"
    if args.out and not args.out.resolve().parent.is_dir():
        parser.error(f"there is no folder {args.out.parent}: make it first")
    if args.out and not full and args.out.resolve() == page_of_the_full.resolve():
        parser.error("only the full run may write benchmarks/TOURNAMENT.md: name another file")
    part = folder / settings.part
    try:
        rows, seconds = run(part, settings, args.jobs)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(
            f"Stopped; what is finished is in {part.name}, and the same command goes on from "
            "there.",
            file=sys.stderr,
        )
        return 130
    page = report(rows, settings, seconds, shlex.join(["python", "-m", "tools.tournament", *argv]))
    target = args.out or (page_of_the_full if full else None)
    if target is None:
        print(page)
    else:
        _write(target, page)
        print(f"{len(rows)} runs are in {target.name}.")
    part.unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
