"""Print a chapter's page of the site, as a hand-out in PDF: `python -m tools.handout 02`."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from tools.browser import find_browser, skip_reason
from tools.launch import ROOT, LaunchError, find_chapter

SECONDS = 120


def handout(page: Path, browser: Path) -> Path:
    """Print a page as it stands on paper; return the PDF beside it.

    Raises:
        LaunchError: there is no such page, or the browser makes no PDF of it.
    """
    if not page.exists():
        raise LaunchError(f"There is no {page} yet: make it with 'make site'.")
    printed = page.with_suffix(".pdf")
    part = printed.with_name(f".{printed.name}.part")
    with TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [
            str(browser),
            "--headless",
            "--disable-gpu",
            "--no-pdf-header-footer",
            f"--user-data-dir={profile}",
            f"--print-to-pdf={part}",
            page.absolute().as_uri(),
        ]
        if os.name == "posix" and os.geteuid() == 0:
            command.insert(1, "--no-sandbox")  # in a container the user often is root
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
        except subprocess.TimeoutExpired:
            raise LaunchError(f"{browser} has not printed {page} in {SECONDS} s.") from None
    if not part.exists():
        raise LaunchError(f"{browser} has not printed {page}: {done.stderr.strip()[-300:]}")
    os.replace(part, printed)
    return printed


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Print the named chapters; return 2, with one sentence, where that cannot be."""
    chapters = list(sys.argv[1:] if arguments is None else arguments)
    browser = find_browser()
    try:
        if not chapters:
            raise LaunchError("Say which chapter: 'make handout CHAPTER=02'.")
        if browser is None:
            raise LaunchError(skip_reason())
        for chapter in chapters:
            name = find_chapter(root, chapter).stem
            print(handout(root / "site" / f"{name}.html", browser))
    except LaunchError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
