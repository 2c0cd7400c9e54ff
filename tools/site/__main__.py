"""Make the pages: `python -m tools.site [CHAPTER ...] [--solutions] [--to FOLDER]`."""

import argparse
import os
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from plotly.offline import get_plotlyjs

from tools.build_notebooks import UsageError, chapter_paths, notebook_path
from tools.site import pages
from tools.site.store import all_frames, thinned

ROOT = Path(__file__).resolve().parents[2]
MOST_BYTES = 5_000_000


def site(chapters: Sequence[pages.Chapter], frames: Mapping[str, bytes]) -> dict[str, str]:
    """Return the files of the site by their names."""
    return {
        "index.html": pages.index_page(chapters, frames),
        **{c.page: pages.chapter_page(c, chapters, frames) for c in chapters},
        "site.css": (pages.HERE / "site.css").read_text(encoding="utf-8"),
        "plotly.min.js": get_plotlyjs(),
    }


def wanted(chapters: Sequence[pages.Chapter]) -> dict[str, bool]:
    """Return the labs that need frames, and whether with a plane, as a chapter's first one does."""
    first = {name for chapter in chapters for name in chapter.labs[:1]}
    return {name: name in first for chapter in chapters for name in chapter.labs}


def write(files: Mapping[str, str], folder: Path) -> None:
    """Put the site in its place, whole, instead of the one that stood there.

    Raises ValueError where something else stands there.
    """
    if folder.exists() and not {"index.html", "site.css"} <= set(os.listdir(folder)):
        raise ValueError(f"{folder} is there and holds no site; name another folder with --to.")
    draft = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    for name, text in files.items():
        (draft / name).write_text(text, encoding="utf-8")
    if folder.exists():
        old = folder.with_name(f"{folder.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        os.replace(folder, old)
        os.replace(draft, folder)
        shutil.rmtree(old)
    else:
        os.replace(draft, folder)


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Make the site; return 0, 1 where a page is too large, 2 where it cannot be made."""
    parser = argparse.ArgumentParser(prog="python -m tools.site", description=__doc__)
    parser.add_argument("chapters", nargs="*", metavar="CHAPTER", help="like 02; default: all")
    parser.add_argument("--solutions", action="store_true", help="with the exercises' solutions")
    parser.add_argument("--to", type=Path, default=root / "site", help="the folder; default: site")
    parser.add_argument("--jobs", type=int, default=-1, help="labs at a time; default: one a core")
    options = parser.parse_args(arguments)
    edition = "solutions" if options.solutions else "learner"
    began = time.perf_counter()
    try:
        paths = [notebook_path(root, p, edition) for p in chapter_paths(root, options.chapters)]
        chapters = [pages.read(path) for path in paths]
        frames = all_frames(wanted(chapters), root / "build" / "site-frames", options.jobs)
        files = site(chapters, frames)
        write(files, options.to)
    except (UsageError, ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    for name, made in frames.items():
        print(f"{name:40} {len(made) / 1e6:5.2f} MB, {thinned(made)}")
    sizes = {name: len(text.encode()) for name, text in files.items()}
    for name, size in sizes.items():
        print(f"{name:32} {size / 1e6:5.2f} MB")
    print(f"{options.to / 'index.html'}, in {time.perf_counter() - began:.0f} s")
    large = [n for n, size in sizes.items() if n.endswith(".html") and size > MOST_BYTES]
    for name in large:
        print(f"{name} has more than {MOST_BYTES / 1e6:g} MB.", file=sys.stderr)
    return int(bool(large))


if __name__ == "__main__":
    sys.exit(main())
