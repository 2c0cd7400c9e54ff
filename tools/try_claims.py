"""Put claims on trial, spread over cores or a cluster, and store what came out.

    python -m tools.try_claims                               the slow ones; SLOW_CLAIMS.md
    python -m tools.try_claims --fast --base-seeds 0 100 200    the fast ones; FAST_CLAIMS.md
    python -m tools.try_claims --missing          those that the page lacks, at its base seeds
    python -m tools.try_claims ID ...                        these, slow or fast; prints only

The two pages are in benchmarks/. A claim of n seeds is measured at b, b + 1, ..., b + n - 1 for
each base seed b (0 unless others are named), and judged at each of them apart.
Exits with 1 if at any of them a measurement misses its prediction, does not reject its rival, or
gives another ruling than the claim declares.
"""

import argparse
import os
import platform
import re
import shlex
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from tools.spread import spread
from vglib.claim import Claim, Fact, Ruling, table
from vglib.docket import registry

ROOT = Path(__file__).resolve().parents[1]


class Outcome(NamedTuple):
    """What one claim's trials gave: its ruling at each base seed, and the seconds of one core."""

    chapter: str
    rulings: Mapping[int, Ruling]
    seconds: float

    @property
    def failed(self) -> dict[int, Ruling]:
        """The rulings that are not as the claim declares them, by base seed."""
        return {base: ruling for base, ruling in self.rulings.items() if not ruling.as_declared}

    def row(self) -> dict[str, str]:
        """Give the outcome as a row of the page's table, with a column for each base seed."""
        first, *_ = self.rulings.values()
        claim, measured = first.claim, {}
        for base, ruling in self.rulings.items():
            rejected = ", rival rejected" if ruling.rival_rejected else ", rival NOT REJECTED"
            known = rejected if isinstance(claim, Claim) else ""
            measured[f"from seed {base}"] = f"{ruling.row()['measured']}{known}"
        return {
            "claim": claim.id,
            "chapter": self.chapter,
            "says": claim.says,
            "predicted": first.row()["predicted"],
            "rival": first.row().get("rival", "").rpartition(":")[0],
            **measured,
            "verdict": first.verdict,
            "seconds": f"{self.seconds:.1f}",
        }


def measure(claim_id: str, seed: int, place: int) -> tuple[str, int, int, float, float]:
    """Measure one claim at one seed and one place of its grid.

    Returns id, seed, place, value and seconds of one core.
    """
    # A claim holds functions that cannot travel to another process, so its name does.
    claim = next(c for _, c in claims() if c.id == claim_id)
    # Not the clock on the wall: runs share the cores with one another, and with who knows what.
    start = time.process_time()
    value = float(claim.measure(seed, **claim.points[place]))
    return claim_id, seed, place, value, time.process_time() - start


def claims() -> list[tuple[str, Fact]]:
    """List every claim of the course with its chapter."""
    return [(chapter, claim) for chapter, found in registry.claims().items() for claim in found]


def try_all(
    chosen: Sequence[tuple[str, Fact]], bases: Sequence[int] = (0,), jobs: int = -1
) -> list[Outcome]:
    """Try every claim, given with its chapter, over its seeds from each base seed."""

    def seeds(claim: Fact, base: int) -> range:
        return range(base, base + (1 if claim.exact else claim.seeds))

    # A set of a dict's keys: base seeds that overlap share a run, and the order stays.
    runs = dict.fromkeys(
        (c.id, seed, place)
        for _, c in chosen
        for base in bases
        for seed in seeds(c, base)
        for place in range(len(c.points))
    )
    values: dict[tuple[str, int, int], float] = {}
    seconds: dict[str, float] = defaultdict(float)
    for claim_id, seed, place, value, taken in spread(measure, list(runs), jobs):
        values[claim_id, seed, place] = value
        seconds[claim_id] += taken

    def judged(claim: Fact, base: int) -> Ruling:
        places = range(len(claim.points))
        return claim.judge(*([values[claim.id, s, p] for s in seeds(claim, base)] for p in places))

    return [
        Outcome(ch, {base: judged(c, base) for base in bases}, seconds[c.id]) for ch, c in chosen
    ]


def report(outcomes: Iterable[Outcome], title: str, command: str) -> str:
    """Write the page: the command, the date and the machine, then a row for each claim."""
    return (
        f"# {title}\n\n"
        f"Made by `{command}` on {date.today().isoformat()}, Python {platform.python_version()}, "
        f"torch {version('torch')}, {platform.system()} {platform.machine()}, {os.cpu_count()} "
        "cores. A claim of n seeds is measured at n seeds from each base seed on. "
        "The verdict is that of the first base seed; seconds are those of one core, all seeds "
        f"together.\n\n{table([o.row() for o in outcomes])}\n"
    )


def lines_of(page: str) -> dict[str, str]:
    """Return the lines of a page's table by their first cell; that of the head is "claim"."""
    lines = [line for line in page.splitlines() if line.startswith("| ")]
    return {line.split("|")[1].strip(): line for line in lines}


def joined(page: str, more: str, order: Iterable[str], said: str) -> str:
    """Return a page with the rows of another among its own, and a line on where they are from."""
    lines = lines_of(page) | lines_of(more)
    above = page.partition(lines["claim"])[0]
    table = [lines[name] for name in ("claim", ":--", *order) if name in lines]
    return above + said + "\n\n" + "\n".join(table) + "\n"


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line asks; return the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(
        prog="python -m tools.try_claims",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("ids", nargs="*", metavar="ID")
    parser.add_argument("--fast", action="store_true", help="the fast claims, not the slow ones")
    parser.add_argument("--missing", action="store_true", help="only those that the page lacks")
    parser.add_argument("--base-seeds", type=int, nargs="+", default=[0], metavar="SEED")
    parser.add_argument("--jobs", type=int, default=-1)
    args = parser.parse_args(argv)
    if args.missing and (args.ids or args.base_seeds != [0]):
        parser.error("--missing takes neither IDs nor base seeds: the page says what it lacks.")
    known = {claim.id: (chapter, claim) for chapter, claim in claims()}
    if unknown := [i for i in args.ids if i not in known]:
        print(f"There is no claim {unknown[0]!r}; there are {', '.join(known)}.", file=sys.stderr)
        return 2
    speed = "fast" if args.fast else "slow"
    target = ROOT / "benchmarks" / f"{speed.upper()}_CLAIMS.md"
    old = target.read_text(encoding="utf-8") if args.missing and target.exists() else ""
    chosen = [known[i] for i in args.ids] or [
        (chapter, c) for chapter, c in known.values() if c.slow != args.fast
    ]
    chosen = [(chapter, c) for chapter, c in chosen if c.id not in lines_of(old)]
    if not chosen:
        print(f"The page has each {speed} claim." if old else f"There is no {speed} claim to try.")
        return 0
    on_page = [
        int(base) for base in re.findall(r"from seed (-?\d+)", lines_of(old).get("claim", ""))
    ]
    outcomes = try_all(chosen, on_page or list(dict.fromkeys(args.base_seeds)), args.jobs)
    command = shlex.join(["python", "-m", "tools.try_claims", *argv])
    title = "Claims on trial" if args.ids else f"{speed.capitalize()} claims on trial"
    page = report(outcomes, title, command)
    if args.ids:
        print(page)
    else:
        if old:
            names = ", ".join(claim.id for _, claim in chosen)
            said = f"Added by `{command}` on {date.today().isoformat()}: {names}."
            page = joined(old, page, known, said)
        part = target.with_suffix(".part")
        part.write_text(page, encoding="utf-8")
        part.replace(target)
    failed = 0
    for outcome in outcomes:
        failed += bool(outcome.failed)
        for base, ruling in outcome.failed.items():
            print(f"FAILED from seed {base}: {ruling!r}", file=sys.stderr)
    print(f"{len(outcomes) - failed} claims agree, {failed} do not.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
