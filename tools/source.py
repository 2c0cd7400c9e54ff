"""Read a chapter's percent-format source, find its faults, and make its two editions."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbformat import NotebookNode

EDITIONS = ("learner", "solutions")
MAX_CODE_LINES = 15
KNOWN_TAGS = frozenset(
    {
        "exercise",
        "check",
        "lab",
        "claims",
        "predict",
        "decisive",
        "setup",
        "optional",
        "nbval-check-output",
        "nbval-ignore-output",
        "raises-exception",
        "hide-input",
    }
)
# Not "-": the slides in JupyterLab leave such a cell out. One without a type, as a lab is, goes on
# with the slide before.
SLIDE_TYPES = frozenset({"slide", "subslide", "fragment", "skip", "notes"})
# How a remark for the lecturer begins.
REMARK = "**For the lecturer.** "
LOCKED = {"deletable": False, "editable": False}
NOTEBOOK_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}

_FILE_NAME = re.compile(r"(\d\d)_\w+\.py")
_CELL_START = re.compile(r"\s*#\s*%%+(\s.*)?$")
_TITLE = re.compile(r"# (\d\d) · (\S.*)")
_MINUTES = re.compile(r"\*\*Time\*\*\D*(\d+) min")
_HEADINGS = ("**Time**", "**You will do**", "**You will learn**", "**You need**")
_BEGIN, _END = "# BEGIN SOLUTION", "# END SOLUTION"
_ANY_MARK = re.compile(r"#\s*(begin|end)[\s_-]*solution\b|#\s*stub\b", re.IGNORECASE)
_STUB = re.compile(r"(\s*)# STUB (.*)")


class SourceError(Exception):
    """A malformed chapter, told as `chapters/02_chain_rule.py:117: what is wrong`."""

    def __init__(self, path: Path, line: int, message: str) -> None:
        super().__init__(f"{short_name(path)}:{line}: {message}")


@dataclass(frozen=True)
class ChapterInfo:
    """What a chapter's opening cell says; `question` is empty where no line of it asks one."""

    number: int
    title: str
    minutes: int
    question: str


@dataclass(frozen=True)
class Cell:
    """One cell of the source, its solution marks still in it; `line` is where it starts."""

    line: int
    kind: str
    source: str
    metadata: dict[str, Any]


@dataclass(frozen=True)
class Chapter:
    """A chapter that has passed every check of its source."""

    path: Path
    info: ChapterInfo
    cells: tuple[Cell, ...]

    @property
    def name(self) -> str:
        """The source as messages name it, `chapters/02_chain_rule.py`."""
        return short_name(self.path)


def short_name(path: Path) -> str:
    """Return the file with its folder, which is how messages name it."""
    return f"{path.parent.name}/{path.name}"


def chapter_info(path: Path) -> ChapterInfo:
    """Return the number, title, minutes and question of a chapter; raises SourceError."""
    return read_chapter(path).info


def read_chapter(path: Path) -> Chapter:
    """Read one chapter and check all of it; raises SourceError at the first fault."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    starts = [i for i, line in enumerate(lines, 1) if _CELL_START.fullmatch(line)]
    if not starts or any(line.strip() for line in lines[: starts[0] - 1]):
        raise SourceError(path, 1, "the file must open with its first cell, `# %% [markdown]`.")
    for line in starts:
        _check_marker(path, line, lines[line - 1])
    ends = [*(line - 1 for line in starts[1:]), len(lines)]
    try:
        found = _percent_cells(text)
    except nbformat.ValidationError:
        raise _malformed_option(path, lines, starts, ends) from None
    if len(found) != len(starts):
        raise SourceError(path, starts[0], "a line inside a cell looks like the start of a cell.")
    cells = tuple(
        _read_cell(path, start, lines[start:end], cell)
        for start, end, cell in zip(starts, ends, found, strict=True)
    )
    return Chapter(path, _read_header(path, cells[0]), cells)


def edition_source(source: str, edition: str) -> str:
    """Return a cell as the given edition shows it.

    The learner gets the STUB lines of a solution, or `...` where it has none; the solutions
    edition gets the solution without its marks.
    """
    kept: list[str] = []
    indent: str | None = None
    stubs: list[str] = []
    for line in source.split("\n"):
        mark = line.strip()
        if mark == _BEGIN:
            indent, stubs = line[: line.index("#")], []
        elif mark == _END and indent is not None:
            if edition == "learner":
                kept += stubs or [indent + "..."]
            indent = None
        elif stub := _STUB.fullmatch(line):
            stubs.append(stub[1] + stub[2])
        elif indent is None or edition == "solutions":
            kept.append(line)
    return "\n".join(kept)


def edition_notebook(chapter: Chapter, edition: str) -> NotebookNode:
    """Return the unexecuted notebook of one edition, with its final ids and metadata."""
    notebook = nbformat.v4.new_notebook(metadata=NOTEBOOK_METADATA)
    seen: Counter[str] = Counter()
    for cell in chapter.cells:
        make = nbformat.v4.new_code_cell if cell.kind == "code" else nbformat.v4.new_markdown_cell
        source = edition_source(cell.source, edition) if cell.kind == "code" else _prose(cell)
        content = f"{cell.kind}\n{source}"
        cell_id = _digest(f"{seen[content]}\n{content}")
        seen[content] += 1
        metadata = cell.metadata | (LOCKED if is_check(cell.metadata) else {})
        notebook.cells.append(make(source, id=cell_id, metadata=dict(sorted(metadata.items()))))
    return notebook


def is_check(metadata: Mapping[str, Any]) -> bool:
    """Say whether a cell judges an answer: a learner may run it, and neither edit nor delete it."""
    return "check" in metadata.get("tags", [])


def _prose(cell: Cell) -> str:
    """Return a markdown cell; a lecturer's remark is set apart, as a learner sees it too."""
    if cell.metadata.get("slideshow") != {"slide_type": "notes"}:
        return cell.source
    return f"> {REMARK}" + cell.source.replace("\n", "\n> ")


def _percent_cells(text: str) -> list[NotebookNode]:
    return jupytext.reads(text, fmt="py:percent").cells


def _malformed_option(
    path: Path, lines: list[str], starts: list[int], ends: list[int]
) -> SourceError:
    """Return the error for the first cell that cannot be read on its own."""
    for start, end in zip(starts, ends, strict=True):
        try:
            _percent_cells("\n".join(lines[start - 1 : end]))
        except nbformat.ValidationError as error:
            return SourceError(path, start, f"a cell option is malformed: {error.message}.")
    return SourceError(path, starts[0], "the options of the cells are malformed.")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _check_marker(path: Path, line: int, marker: str) -> None:
    if not re.match(r"# %%(\s|$)", marker):
        raise SourceError(path, line, "a cell starts with `# %%` at the beginning of its line.")
    if "[md]" in marker:
        raise SourceError(path, line, "write [markdown] instead of [md].")


def _read_cell(path: Path, line: int, lines: list[str], found: NotebookNode) -> Cell:
    if found.cell_type not in ("code", "markdown"):
        raise SourceError(path, line, f"a {found.cell_type} cell is neither code nor markdown.")
    source = found.source.strip("\n")
    if not source.strip():
        raise SourceError(path, line, "the cell is empty.")
    cell = Cell(line, found.cell_type, source, _read_metadata(path, line, dict(found.metadata)))
    _check_marks(path, cell, lines)
    if cell.kind == "code":
        for edition in EDITIONS:
            length = edition_source(source, edition).count("\n") + 1
            if length > MAX_CODE_LINES:
                message = f"the code cell has {length} lines in the {edition} edition, and "
                raise SourceError(path, line, f"{message}{MAX_CODE_LINES} is the most.")
    return cell


def _read_metadata(path: Path, line: int, found: dict[str, Any]) -> dict[str, Any]:
    found.pop("lines_to_next_cell", None)
    if "incorrectly_encoded_metadata" in found:
        text = found["incorrectly_encoded_metadata"]
        raise SourceError(path, line, f"the cell option `{text}` is not valid JSON after its `=`.")
    for key in found:
        if key not in ("tags", "slideshow", "jupyter"):
            raise SourceError(path, line, f"a cell has no option '{key}'.")
    tags = found.get("tags", [])
    for tag in tags:
        if tag not in KNOWN_TAGS:
            raise SourceError(path, line, f"the tag '{tag}' is not known.")
    if "slideshow" in found:
        _check_slide(path, line, found["slideshow"])
    if "jupyter" in found and found["jupyter"] != {"source_hidden": True}:
        raise SourceError(path, line, 'the one jupyter option is {"source_hidden": true}.')
    return dict(sorted(found.items()))


def _check_slide(path: Path, line: int, slideshow: object) -> None:
    kind = slideshow.get("slide_type") if isinstance(slideshow, dict) else None
    if slideshow != {"slide_type": kind} or kind not in SLIDE_TYPES:
        known = ", ".join(sorted(SLIDE_TYPES))
        raise SourceError(path, line, f"slideshow takes one slide_type of: {known}.")


def _marks(lines: list[str], first_line: int) -> Iterator[tuple[int, str]]:
    for line, text in enumerate(lines, first_line):
        if _ANY_MARK.match(text.strip()):
            yield line, text


def _check_marks(path: Path, cell: Cell, lines: list[str]) -> None:
    is_exercise = cell.kind == "code" and "exercise" in cell.metadata.get("tags", [])
    opened, blocks = 0, 0
    for line, text in _marks(lines, cell.line + 1):
        mark = text.strip()
        if mark not in (_BEGIN, _END) and not _STUB.fullmatch(text):
            raise SourceError(path, line, f"`{mark}` is not a solution mark; is it misspelt?")
        if not is_exercise:
            message = "a solution mark belongs in a code cell with the tag 'exercise'."
            raise SourceError(path, line, message)
        if mark == _BEGIN and opened:
            raise SourceError(path, line, f"a solution is already open since line {opened}.")
        if mark != _BEGIN and not opened:
            raise SourceError(path, line, f"`{mark}` stands outside a solution.")
        if mark == _BEGIN:
            opened, blocks = line, blocks + 1
        elif mark == _END:
            opened = 0
    if opened:
        raise SourceError(path, opened, "the solution is never closed with `# END SOLUTION`.")
    if is_exercise and not blocks:
        message = "the exercise marks no solution, so a learner would be given all of it."
        raise SourceError(path, cell.line, message)


def _read_header(path: Path, cell: Cell) -> ChapterInfo:
    file_name = _FILE_NAME.fullmatch(path.name)
    if not file_name:
        raise SourceError(path, 1, "a chapter's file is named like 02_chain_rule.py.")
    lines = cell.source.split("\n")
    title = _TITLE.fullmatch(lines[0])
    if cell.kind != "markdown" or not title or title[1] != file_name[1]:
        message = f"the first cell must be markdown that opens with `# {file_name[1]} · Title`."
        raise SourceError(path, cell.line, message)
    for heading in _HEADINGS:
        if heading not in cell.source:
            raise SourceError(path, cell.line, f"the first cell has no line with {heading}.")
    minutes = _MINUTES.search(cell.source)
    if not minutes:
        message = "**Time** needs a number of minutes, like `**Time** 40 minutes`."
        raise SourceError(path, cell.line, message)
    questions = (line.strip(" *_>") for line in lines[1:] if line.rstrip(" *_").endswith("?"))
    return ChapterInfo(int(title[1]), title[2].strip(), int(minutes[1]), next(questions, ""))
