"""Measure what must be fast: `python -m benchmarks [PART ...] [--labs]`.

All parts together write benchmarks/RESULTS.md; some of them print their table only. `doctor` and
`pages` take minutes and run only where they are named: the one writes benchmarks/DOCTOR.md, the
other looks at what `make site` has made.
"""

import argparse
import os
import shlex
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

from benchmarks.report import Part, Row, page, progress

RESULTS = Path(__file__).with_name("RESULTS.md")
PARTS = ("repaint", "trace", "import", "chapters")
WHEN_NAMED = ("doctor", "pages")
EVERY = (*PARTS, *WHEN_NAMED)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts asked for; return 1 where one could not be measured, a missed budget is 0."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(EVERY)}")
    parser.add_argument("--labs", action="store_true", help="repaint: every lab of every chapter")
    parser.add_argument("--seeds", type=int, default=3, help="doctor: of each patient (3)")
    options = parser.parse_args(arguments)
    if unknown := set(options.parts) - set(EVERY):
        parser.error(
            f"there is no part {', '.join(sorted(unknown))}: choose from {', '.join(EVERY)}"
        )
    wanted = [part for part in EVERY if part in options.parts] or list(PARTS)
    date, load = f"{datetime.now():%Y-%m-%d %H:%M}", _load()
    failed, found = False, []
    for name in wanted:
        start = time.perf_counter()
        try:
            found.append(_measure(name, options.labs, options.seeds)())
        except Exception as error:  # the other parts are still worth having
            traceback.print_exc()
            failed = True
            found.append(Part([Row(name, f"not measured: {type(error).__name__}")]))
        progress(f"{name}: {time.perf_counter() - start:.0f} s")
    asked = sys.argv[1:] if arguments is None else arguments
    command = shlex.join(["python", "-m", "benchmarks", *asked])
    text = page(command, date, load, found)
    print(text)
    if wanted == list(PARTS):
        RESULTS.write_text(text, encoding="utf-8")
        progress(f"written to {RESULTS.relative_to(RESULTS.parents[1])}")
    return int(failed)


def _measure(name: str, labs: bool, seeds: int) -> Callable[[], Part]:
    """Import a part where it is run, so that none pays for the others."""
    if name == "repaint":
        from benchmarks import repaint

        return partial(repaint.measure, labs)
    if name == "trace":
        from benchmarks import tracing

        return tracing.measure
    if name == "doctor":
        from benchmarks import doctor

        return partial(doctor.measure, seeds)
    if name == "pages":
        from benchmarks import pages

        return pages.measure
    if name == "import":
        from benchmarks import importing

        return importing.measure
    from benchmarks import chapters

    return chapters.measure


def _load() -> str:
    if not hasattr(os, "getloadavg"):
        return "unknown"
    return f"{os.getloadavg()[0]:.1f} on average in the last minute (0 is idle)"


if __name__ == "__main__":
    sys.exit(main())
