"""Whose notebook a file is, of which chapter, and what of it is to be run."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from vglib.progress.cells import Cell, cell, needed

_PACKAGE = Path(__file__).resolve().parents[1]
_CHECK = re.compile(r"vglib\.\w+\.check")
_TITLE = re.compile(r"^# (\d\d) · (\S.*)$", re.MULTILINE)


class NotOurs(Exception):
    """A file that cannot be judged, told in one sentence."""


@dataclass(frozen=True)
class Notebook:
    """A learner's notebook: `chapter` is its folder in vglib, `title` as it stands in it, or "".

    `cells` are those to run, in order, `moved` the checks among them that stood above their answer;
    `asked` has each exercise that is checked, by the number of the cell.
    """

    chapter: str
    title: str
    cells: tuple[Cell, ...]
    moved: tuple[Cell, ...]
    asked: dict[str, int]


def find(folder: Path) -> list[Path]:
    """Return the notebooks of a folder and of the folders in it, without hidden ones.

    Raises NotOurs where there are none.
    """
    if not folder.is_dir():
        raise NotOurs(f"There is no folder {folder}: name one that has notebooks.")
    found = sorted(
        path
        for path in folder.rglob("*.ipynb")
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    if not found:
        raise NotOurs(f"There is no notebook in {folder}.")
    return found


def read(path: Path) -> Notebook:
    """Read a learner's notebook; raises NotOurs where it is none of this course.

    What is checked twice counts as it is checked last.
    """
    entries = list(_entries(path))
    cells = [cell(number, text) for number, kind, text in entries if kind == "code"]
    chapter = _chapter(cells)
    names = {to for c in cells for full, to in c.imports if _CHECK.fullmatch(full)} | {"check"}
    asked = {exercise: c.number for c in cells for owner, exercise in c.calls if owner in names}
    to_run, moved = needed(cells, [c for c in cells if c.number in asked.values()])
    title = _TITLE.search("\n".join(text for _, kind, text in entries if kind == "markdown"))
    name = f"{title[1]} · {title[2].strip()}" if title else ""
    return Notebook(chapter, name, tuple(to_run), tuple(moved), asked)


def student(file: str, folder: Path, notebook: Notebook | None) -> str:
    """Name whose file it is: the folder that it lies in, or what its name has beside the chapter's.

    A file that bears its chapter's name alone belongs to the owner of the whole folder.
    """
    *folders, name = PurePosixPath(file).parts
    if folders:
        return folders[0]
    rest = name.removesuffix(".ipynb")
    if notebook:
        rest = re.sub(rf"(\d\d_)?{notebook.chapter}", "", rest)
    rest = rest.strip(" _-.()")
    return folder.resolve().name if not rest or rest.isdigit() else rest


def _entries(path: Path) -> Iterator[tuple[int, str, str]]:
    """Give number, kind and text of each cell; raises NotOurs."""
    try:
        tree: Any = json.loads(path.read_bytes())
    except OSError as error:
        raise NotOurs(f"cannot be read ({error.strerror or error}).") from None
    except (ValueError, RecursionError) as error:
        raise NotOurs(f"is no notebook: it is not JSON ({error}).") from None
    cells = tree.get("cells") if isinstance(tree, dict) else None
    if not isinstance(cells, list):
        raise NotOurs("is no notebook: it has no list of cells.")
    for number, entry in enumerate(cells, 1):
        if not isinstance(entry, dict):
            raise NotOurs(f"is no notebook: its cell {number} is none.")
        text = entry.get("source", "")
        text = "".join(map(str, text)) if isinstance(text, list) else str(text)
        yield number, str(entry.get("cell_type")), text


def _chapter(cells: Sequence[Cell]) -> str:
    """Return the folder whose check the cells import, or that they use; raises NotOurs."""
    names = [full.split(".") for c in cells for full, _ in c.imports if full.startswith("vglib.")]
    for folder in [n[1] for n in names if n[2:3] == ["check"]] + [n[1] for n in names]:
        if (_PACKAGE / folder / "check.py").exists():
            return folder
        if [folder, "check"] in [n[1:3] for n in names]:
            raise NotOurs(f"is of a chapter, {folder}, that this edition of the course lacks.")
    raise NotOurs("asks for no exercise of this course: is it another course's notebook?")
