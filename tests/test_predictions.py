"""The reader commits before seeing: a question has its cell, and its check, before the lab."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.source import Cell, read_chapter

CHAPTERS = sorted((Path(__file__).resolve().parents[1] / "chapters").glob("[0-9]*.py"))


def tags(cell: Cell) -> list[str]:
    return cell.metadata.get("tags", [])


def with_next(path: Path) -> Iterator[tuple[Cell, Cell | None]]:
    """Give every cell of a chapter with the code cell that comes next."""
    cells = read_chapter(path).cells
    for place, cell in enumerate(cells):
        yield cell, next((later for later in cells[place + 1 :] if later.kind == "code"), None)


def is_question(cell: Cell) -> bool:
    notes = cell.metadata.get("slideshow", {}).get("slide_type") == "notes"
    return cell.kind == "markdown" and not notes and bool(re.search(r"\bPredict\b", cell.source))


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_question_to_predict_has_a_cell_to_answer_in(path):
    asked = [(cell, later) for cell, later in with_next(path) if is_question(cell) and later]
    without = [cell.line for cell, later in asked if "predict" not in tags(later)]
    assert without == []


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_prediction_is_checked_before_anything_is_shown(path):
    """One in words has no check: it says so by its name, `prediction`."""
    predicted = [(cell, later) for cell, later in with_next(path) if "predict" in tags(cell)]
    free = re.compile(r"^prediction = ", re.MULTILINE)
    assert predicted
    assert [
        cell.line
        for cell, later in predicted
        if not free.search(cell.source) and "check" not in tags(later)
    ] == []
