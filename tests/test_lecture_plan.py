"""What a lecturer has of a chapter: a plan whose minutes add up, and labs under their question."""

import itertools
import re
from pathlib import Path

import pytest

from tools.source import Cell, Chapter, edition_source, read_chapter

CHAPTERS = sorted((Path(__file__).resolve().parents[1] / "chapters").glob("[0-9]*.py"))
# What a plan is for, and one of its entries: a slide or a lab, and its minutes.
MINUTES = re.compile(r"^\*\*(\d+) minutes\*\*: ", re.MULTILINE)
ENTRY = re.compile(r"(?:`(\w+)`|\*([^*]+)\*)\s(\d+)")
# So many characters of code fit beside each other on the smallest screen, 1024 x 768.
WIDEST = 75

each_chapter = pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)


def slide_type(cell: Cell) -> str | None:
    return cell.metadata.get("slideshow", {}).get("slide_type")


def slides(chapter: Chapter) -> list[Cell]:
    """The cells that a class sees."""
    return [cell for cell in chapter.cells if slide_type(cell) not in ("skip", "notes")]


def is_lab(cell: Cell) -> bool:
    return "lab" in cell.metadata.get("tags", [])


def plans(chapter: Chapter) -> dict[int, list[tuple[str, str, str]]]:
    """The plans that follow the title, by the minutes they are for: (lab, or slide, minutes)."""
    cell = chapter.cells[1]
    assert slide_type(cell) == "notes", f"{chapter.name} has no plan after its title"
    _, *parts = MINUTES.split(cell.source)
    texts = zip(parts[::2], parts[1::2], strict=True)
    return {int(minutes): ENTRY.findall(text.replace("\n", " ")) for minutes, text in texts}


@each_chapter
def test_the_minutes_of_each_plan_add_up(path):
    found = {m: sum(int(e[2]) for e in entries) for m, entries in plans(read_chapter(path)).items()}
    wanted = (20, 45) if path.stem.startswith("00") else (45, 90)
    assert found == {minutes: minutes for minutes in wanted}


@each_chapter
def test_a_plan_names_slides_and_labs_that_exist_in_their_order(path):
    chapter = read_chapter(path)
    text = "\n".join(cell.source for cell in slides(chapter))
    for entries in plans(chapter).values():
        places = []
        for lab, slide, _ in entries:
            sign = rf"labs\.{lab}\(\)" if lab else rf"^##+ {re.escape(slide)}$"
            found = [m.start() for m in re.finditer(sign, text, re.MULTILINE)]
            assert found, lab or slide
            later = [place for place in found if place > max(places, default=-1)]
            assert later, f"{lab or slide} stands out of order"
            places.append(later[0])


@each_chapter
def test_minutes_stand_in_the_plan_alone(path):
    said = [cell for cell in read_chapter(path).cells[2:] if slide_type(cell) == "notes"]
    assert [c.line for c in said if re.match(r"[A-Z]\w+ minutes?\b", c.source)] == []


@each_chapter
def test_a_labs_question_stands_above_it_on_its_slide(path):
    """One line, or the lab would have no room; the lab has no type, and so no slide of its own."""
    seen = slides(read_chapter(path))
    assert [c.line for c in seen if slide_type(c) is None and not is_lab(c)] == []
    for before, cell in itertools.pairwise(seen):
        if is_lab(cell):
            assert slide_type(cell) is None, cell.line
            assert before.kind == "markdown", cell.line
            assert slide_type(before) in ("slide", "subslide"), cell.line
            assert "?" in before.source, cell.line
            assert "\n" not in before.source, cell.line
            assert len(before.source) <= 100, cell.line


@each_chapter
def test_code_on_a_slide_is_not_cut_off(path):
    wide = []
    for cell in slides(read_chapter(path)):
        if cell.kind == "code" and "source_hidden" not in cell.metadata.get("jupyter", {}):
            lines = edition_source(cell.source, "solutions").split("\n")
            wide += [(cell.line, line) for line in lines if len(line) > WIDEST]
    assert wide == []
