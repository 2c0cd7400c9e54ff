"""README and chapter 00 name the chapters as they are."""

import re
from pathlib import Path

import pytest

from tools.source import chapter_info, read_chapter

ROOT = Path(__file__).resolve().parents[1]
CHAPTERS = sorted((ROOT / "chapters").glob("[0-9]*.py"))


@pytest.mark.parametrize("page", ["README.md", "chapters/00_start_here.py"])
def test_the_table_of_chapters_is_that_of_the_sources(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    rows = re.findall(r"^(?:# )?\| (\d\d) \| ([^|]+) \| [^|]+ \| (\d+) \|$", text, re.MULTILINE)
    infos = [chapter_info(path) for path in CHAPTERS]
    assert rows == [(f"{i.number:02}", i.title, str(i.minutes)) for i in infos]


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_something_moves_by_the_third_code_cell(path):
    code = [cell for cell in read_chapter(path).cells if cell.kind == "code"]
    assert any("lab" in cell.metadata.get("tags", []) for cell in code[:3])


def test_the_files_that_the_readme_names_exist():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (ROOT / name).exists(), name


def test_every_make_target_that_is_named_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in ("README.md", "CONTRIBUTING.md"):
        named = set(re.findall(r"`make ([a-z-]+)", (ROOT / page).read_text(encoding="utf-8")))
        assert named <= targets


def rows_of_the_documents():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = text.split("## Where each part of the five documents lives")[1].split("\n## ")[0]
    rows = [line.strip("|").split(" | ") for line in table.splitlines() if line.startswith("| ")]
    return [
        (part.strip(), number, re.findall(r"`([^`]+)`", cells))
        for _, part, number, cells in rows[1:]
    ]


@pytest.mark.parametrize(("part", "chapter", "cells"), rows_of_the_documents())
def test_each_part_of_the_documents_has_its_cells(part, chapter, cells):
    (path,) = (ROOT / "chapters").glob(f"{chapter}_*.py")
    lines = [line.removeprefix("# ") for line in path.read_text(encoding="utf-8").splitlines()]
    assert cells
    assert [cell for cell in cells if cell not in lines] == []


def test_every_document_has_its_parts():
    assert len(rows_of_the_documents()) >= 30
