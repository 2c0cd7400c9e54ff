"""What was judged, as a table to read and as CSV for a spreadsheet."""

import csv
import io
import textwrap
from collections.abc import Iterator, Sequence

from vglib.progress.judging import Judged

MARKS = {"not attempted": "○", "wrong": "✗", "right": "✓"}
COLUMNS = ("student", "chapter", "file", "exercise", "mark", "status", "message")
_WIDTH = 100


def table(files: Sequence[Judged]) -> str:
    """Return the marks by chapter and student, and below them what is to be known of a file."""
    files = sorted(files, key=lambda file: (file.student, file.file))
    chapters = {file.chapter: _title(file, files) for file in files if file.results}
    parts = [
        "\n".join(_chapter(title, [f for f in files if f.chapter == name and f.results]))
        for name, title in sorted(chapters.items(), key=lambda item: item[1])
    ]
    lines = [f"{f.file}: {line}" for f in files for line in f.lines]
    return "\n\n".join(parts + (["\n".join(map(_plain, lines))] if lines else []))


def rows(files: Sequence[Judged]) -> Iterator[tuple[str, ...]]:
    """Give a row for each exercise of each file, and one for a file without any."""
    for file in files:
        start = (file.student, _title(file, files), file.file)
        if not file.results:
            yield (*start, "", "", "", " ".join(file.lines))
        for name, (status, message) in file.results.items():
            yield (*start, name, MARKS[status], status, message)


def csv_text(files: Sequence[Judged]) -> str:
    """Return the rows as CSV, which no spreadsheet takes for formulas."""
    page = io.StringIO(newline="")
    writer = csv.writer(page)
    writer.writerow(COLUMNS)
    for row in rows(files):
        writer.writerow([f"'{v}" if v[:1] in ("=", "+", "-", "@") else v for v in map(_plain, row)])
    return page.getvalue()


def _title(file: Judged, files: Sequence[Judged]) -> str:
    """Return a chapter's title as most of its notebooks have it: a learner may have changed one."""
    titles = [f.title for f in files if f.chapter == file.chapter and f.title]
    return max(titles, key=titles.count, default=file.chapter)


def _chapter(title: str, files: Sequence[Judged]) -> Iterator[str]:
    names = list(files[0].results)
    yield title
    legend = textwrap.wrap("  ".join(f"{n}\u00a0{name}" for n, name in enumerate(names, 1)), _WIDTH)
    yield from (f"  {line}".replace("\u00a0", " ") for line in legend)
    owners = [f.student for f in files]
    shown = [
        _plain(f.student if owners.count(f.student) == 1 else f"{f.student} ({f.file})")
        for f in files
    ]
    width = max(map(len, shown))
    yield "  " + " " * width + "".join(f"{number:>3}" for number in range(1, len(names) + 1))
    for owner, file in zip(shown, files, strict=True):
        marks = "".join(f"  {MARKS[status]}" for status, _ in file.results.values())
        yield f"  {owner:<{width}}{marks}   {file.right} of {len(names)}"


def _plain(text: str) -> str:
    """Leave out what would move a terminal's cursor: names of files are the learners'."""
    return "".join(c if c.isprintable() else "?" for c in text)
