"""Put the slow claims on trial, spread over cores or a cluster, and store what came out.

    python -m tools.try_claims            the slow claims; writes benchmarks/SLOW_CLAIMS.md
    python -m tools.try_claims ID ...     these claims, slow or fast; prints the table only

Exits with 1 if a measurement misses its prediction or does not reject its rival.
"""

from __future__ import annotations

import argparse
import platform
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path

from tools.spread import spread
from vglib.claim import Claim, Ruling, registry, table

ROOT = Path(__file__).resolve().parents[1]
COLUMNS = ("claim", "says", "predicted", "measured", "rival", "verdict")


def measure(claim_id: str, seed: int) -> tuple[str, int, float, float]:
    """Measure one claim at one seed; return id, seed, value and seconds."""
    start = time.perf_counter()
    # A claim holds functions that cannot travel to another process, so its name does.
    claim = next(c for c in registry() if c.id == claim_id)
    return claim_id, seed, float(claim.measure(seed)), time.perf_counter() - start


def try_all(claims: Sequence[Claim], jobs: int = -1) -> list[tuple[Ruling, float]]:
    """Try every claim over its seeds; return each ruling with the seconds it took on one core."""
    runs = [(c.id, seed) for c in claims for seed in range(1 if c.exact else c.seeds)]
    values: dict[str, dict[int, float]] = defaultdict(dict)
    seconds: dict[str, float] = defaultdict(float)
    for claim_id, seed, value, taken in spread(measure, runs, jobs):
        values[claim_id][seed] = value
        seconds[claim_id] += taken
    return [
        (c.judge(value for _, value in sorted(values[c.id].items())), seconds[c.id]) for c in claims
    ]


def report(rulings: Iterable[tuple[Ruling, float]], command: str) -> str:
    """Write the page: the command, the date and the machine, then a row for each claim."""
    rows = []
    for ruling, seconds in rulings:
        row = ruling.row()
        seeds = f"0 to {len(ruling.values) - 1}" if len(ruling.values) > 1 else "0"
        rows.append({k: row[k] for k in COLUMNS} | {"seeds": seeds, "seconds": f"{seconds:.0f}"})
    return (
        "# Slow claims on trial\n\n"
        f"Made by `{command}` on {date.today().isoformat()}, Python {platform.python_version()}, "
        f"{platform.system()} {platform.machine()}. Seconds are those of one core.\n\n"
        f"{table(rows)}\n"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line asks; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.try_claims", description=__doc__)
    parser.add_argument("ids", nargs="*", metavar="ID")
    parser.add_argument("--jobs", type=int, default=-1)
    args = parser.parse_args(argv)
    known = {c.id: c for c in registry()}
    if unknown := [i for i in args.ids if i not in known]:
        print(f"There is no claim {unknown[0]!r}; there are {', '.join(known)}.", file=sys.stderr)
        return 2
    claims = [known[i] for i in args.ids] or [c for c in known.values() if c.slow]
    if not claims:
        print("There is no slow claim to try.")
        return 0
    rulings = try_all(claims, args.jobs)
    page = report(rulings, "make test-long")
    if args.ids:
        print(page)
    else:
        target = ROOT / "benchmarks" / "SLOW_CLAIMS.md"
        part = target.with_suffix(".part")
        part.write_text(page, encoding="utf-8")
        part.replace(target)
    failed = [r for r, _ in rulings if not (r.agrees and r.rival_rejected)]
    for ruling in failed:
        print(f"FAILED {ruling!r}", file=sys.stderr)
    print(f"{len(rulings) - len(failed)} claims agree, {len(failed)} do not.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
