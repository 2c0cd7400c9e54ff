"""No lab, claim or exercise can get lost in silence."""

import importlib.util
from pathlib import Path

import pytest

from tools import discover
from vglib.lab import Lab


def test_every_chapter_has_what_its_parts_need():
    assert discover.faults() == []


def test_every_chapter_of_the_text_has_its_folder():
    texts = {path.stem[3:] for path in (discover.ROOT / "chapters").glob("[0-9][0-9]_*.py")}
    assert texts == set(discover.chapters())


@pytest.mark.parametrize("name", ["labs", "claims", "check"])
def test_every_chapter_has_all_three(name):
    without = {c for c in discover.chapters() if discover.part(c, name) is None}
    assert without == ({"start_here"} if name == "claims" else set())


def project(root: Path, *files: str) -> Path:
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("")
    return root


WHOLE = ("vglib/new/__init__.py", "vglib/new/check.py", "tests/new/__init__.py")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ((*WHOLE, "tests/new/answers.py"), []),
        (WHOLE, ["tests/new/answers.py; write it"]),
        (WHOLE[1:], ["vglib/new has no __init__.py", "tests/new/answers.py"]),
        ((*WHOLE[:1], "vglib/new/labs.py"), ["tests/new has no __init__.py"]),
        (("vglib/core.py", "vglib/other/words.py"), []),
    ],
)
def test_what_is_missing_is_said_in_a_sentence(tmp_path, files, said):
    found = discover.faults(project(tmp_path, *files))
    assert len(found) == len(said)
    for fault, part in zip(found, said, strict=True):
        assert part in fault
        assert fault.endswith(".")


LABS = """
{future}
from vglib.lab import Lab
import vglib.lab as other

def plain() -> Lab: ...
def quoted() -> "Lab": ...
def dotted() -> other.Lab: ...
def no_lab() -> str: ...
def helper(): ...
"""


@pytest.mark.parametrize("future", ["", "from __future__ import annotations"])
def test_a_lab_is_found_however_its_type_is_written(tmp_path, future):
    path = tmp_path / "some_labs.py"
    path.write_text(LABS.format(future=future))
    spec = importlib.util.spec_from_file_location("some_labs", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert list(discover.labs_in(module)) == ["plain", "quoted", "dotted"]
    assert Lab not in discover.labs_in(module).values()
