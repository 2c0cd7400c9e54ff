"""Make the pages: `python -m tools.site [CHAPTER ...] [--solutions] [--to FOLDER]`."""

import argparse
import os
import re
import shutil
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from plotly.offline import get_plotlyjs

from tools.build_notebooks import UsageError, chapter_paths, notebook_path
from tools.site import pages
from tools.site.store import all_frames, thinned

ROOT = Path(__file__).resolve().parents[2]
MOST_BYTES = 5_000_000


def site(
    chapters: Sequence[pages.Chapter], made: Sequence[pages.Chapter], frames: Mapping[str, bytes]
) -> dict[str, str]:
    """Return files of the site by their names: of all chapters, the pages of those to be made."""
    return {
        "index.html": pages.index_page(chapters, frames),
        **{c.page: pages.chapter_page(c, chapters, frames) for c in made},
        "site.css": (pages.HERE / "site.css").read_text(encoding="utf-8"),
        "plotly.min.js": get_plotlyjs(),
    }


def without_links(text: str, missing: Collection[str]) -> str:
    """Return a page whose links to pages that are missing are only their words."""
    if not missing:
        return text
    names = "|".join(map(re.escape, missing))
    return re.sub(rf'<a [^>]*href="(?:{names})(?:#[^"]*)?"[^>]*>(.*?)</a>', r"\1", text)


def wanted(made: Sequence[pages.Chapter]) -> dict[str, bool]:
    """Return the labs that need frames, and whether with a plane, as a chapter's first one does."""
    first = {pages.LAB, *(name for chapter in made for name in chapter.labs[:1])}
    return {name: name in first for c in made for name in c.labs} | {pages.LAB: True}


def write(files: Mapping[str, str], folder: Path, *, others: bool = False) -> None:
    """Put the site in its place, whole, instead of the one that stood there.

    With `others`, what stood there under other names stays.
    Raises ValueError where something else stands there.
    """
    if folder.exists() and not {"index.html", "site.css"} <= set(os.listdir(folder)):
        raise ValueError(f"{folder} is there and holds no site; name another folder with --to.")
    draft = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(draft, ignore_errors=True)
    if others and folder.exists():
        shutil.copytree(folder, draft)
    draft.mkdir(parents=True, exist_ok=True)
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
    parser.add_argument(
        "chapters",
        nargs="*",
        metavar="CHAPTER",
        help="make these pages, as 02, and leave the others; default: all",
    )
    parser.add_argument("--solutions", action="store_true", help="with the exercises' solutions")
    parser.add_argument("--to", type=Path, default=root / "site", help="the folder; default: site")
    parser.add_argument("--jobs", type=int, default=-1, help="labs at a time; default: one a core")
    options = parser.parse_args(arguments)
    edition = "solutions" if options.solutions else "learner"
    to, began = options.to, time.perf_counter()
    try:
        named = {path.stem for path in chapter_paths(root, options.chapters)}
        paths = [notebook_path(root, path, edition) for path in chapter_paths(root)]
        chapters = [pages.read(path) for path in paths]
        made = [chapter for chapter in chapters if chapter.notebook in named]
        frames = all_frames(wanted(made), root / "build" / "site-frames", options.jobs)
        files = site(chapters, made, frames)
        missing = [c.page for c in chapters if c.page not in files and not (to / c.page).exists()]
        files |= {n: without_links(files[n], missing) for n in files if n.endswith(".html")}
        write(files, to, others=bool(options.chapters))
    except (UsageError, ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    for name, packed in frames.items():
        print(f"{name:40} {len(packed) / 1e6:5.2f} MB, {thinned(packed)}")
    sizes = {name: len(text.encode()) for name, text in files.items()}
    for name, size in sizes.items():
        print(f"{name:32} {size / 1e6:5.2f} MB")
    print(f"{to / 'index.html'}, in {time.perf_counter() - began:.0f} s")
    large = [n for n, size in sizes.items() if n.endswith(".html") and size > MOST_BYTES]
    for name in large:
        print(f"{name} has more than {MOST_BYTES / 1e6:g} MB.", file=sys.stderr)
    return int(bool(large))


if __name__ == "__main__":
    sys.exit(main())
