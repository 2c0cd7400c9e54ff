"""Run the exercises of a folder of notebooks again, and say which are right.

    python -m vglib.progress FOLDER [--csv points.csv]

FOLDER holds notebooks of several students, or a folder for each student. ○ is not attempted, ✗ not
right, ✓ right. What a notebook has stored counts for nothing: the cells that its checks need are
run again, in a process of their own, in an empty folder. There they may write; what else they try
to write, to delete, to start or to reach is refused and told. That keeps out slips and pranks, and
is no prison.
"""

import argparse
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from vglib.progress.judging import CELL_SECONDS, progress
from vglib.progress.notebook import NotOurs, find
from vglib.progress.table import csv_text, table


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; return 0, or 2 where there is nothing to judge or nowhere to write."""
    parser = argparse.ArgumentParser(
        prog="python -m vglib.progress",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, help="where the notebooks are")
    parser.add_argument("--csv", type=Path, help="write a row for each exercise to this file")
    parser.add_argument(
        "--seconds", type=float, default=CELL_SECONDS, help="for one cell; default: %(default)g"
    )
    parser.add_argument("--jobs", type=int, help="notebooks at a time; default: one a core")
    options = parser.parse_args(arguments)
    if options.seconds <= 0 or (options.jobs or 1) < 1:
        parser.error("--seconds and --jobs must be above 0.")
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a console that has no ✓
    try:
        with (
            warnings.catch_warnings(action="ignore"),  # of the learners' code, as it is read
            tqdm(total=len(find(options.folder)), unit="notebook", leave=False) as bar,
        ):
            files = progress(options.folder, options.seconds, options.jobs, bar.update)
        print(table(files))
        if options.csv:
            _write(options.csv, csv_text(files))
    except (NotOurs, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130
    return 0


def _write(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        # The mark at its beginning tells spreadsheets that the text is UTF-8.
        part.write_text(text, encoding="utf-8-sig", newline="")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
