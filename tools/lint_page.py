"""Lint the files of the pages, and their format: `python -m tools.lint_page [--fix]`."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("vglib/lab", "vglib/court", "tools/site", "jupyter/lecture")


def commands(fix: bool) -> list[list[str]]:
    """Return what is to be run: oxlint for errors, biome for the format."""
    write = ["--write"] if fix else []
    return [
        ["oxlint", "--deny-warnings", *(["--fix"] if fix else []), *PAGES],
        ["biome", "format", "--config-path", "tools/biome", *write, *PAGES],
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run both; return 1 where one has found something, and say which of them is not installed."""
    fix = "--fix" in (sys.argv[1:] if arguments is None else arguments)
    beside = str(Path(sys.executable).parent)
    failed = False
    for command in commands(fix):
        program = shutil.which(command[0], path=beside) or shutil.which(command[0])
        if program is None:  # biome has no wheel for every system
            print(f"{command[0]} is not installed here, so the pages are not checked by it.")
            continue
        done = subprocess.run([program, *command[1:]], cwd=ROOT, capture_output=True, text=True)
        if done.returncode:
            print(done.stdout + done.stderr)
            failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
