"""`python -m vglib.progress`: a class's answers are run again, and nothing else is touched.

It runs on a copy of the package alone, as a wheel brings it, with no repository beside it.
"""

import csv
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

import vglib
from vglib.progress import __main__ as command
from vglib.progress.cells import cell, needed
from vglib.progress.notebook import NotOurs, read, student

# One class is judged, for all tests.
pytestmark = pytest.mark.xdist_group("progress")
ROOT = Path(vglib.__file__).resolve().parents[1]
SETUP = "from vglib.chain_rule import check"
RIGHT = {
    "typical": "typical = 'B'",
    "factor": (
        "import math\ndef factor(w, a, b):\n    s = 1 / (1 + math.exp(-w * a - b))\n"
        "    return w * s * (1 - s)"
    ),
    "chain_gradient": (
        "def chain_gradient(weights, a):\n    product = 1\n    for w in weights:\n"
        "        product, a = product * factor(w, a, 0), 1 / (1 + math.exp(-w * a))\n"
        "    return product"
    ),
    "width": "width = 105",
    "layer_delta": "def layer_delta(weight, delta, slope):\n    return slope * (weight.T @ delta)",
    "flaw": "flaw = 2",
}
ORDER = ("typical", "factor", "chain_gradient", "width", "layer_delta", "flaw")


def notebook(*sources: str, title: str = "# 02 · Chain rule") -> str:
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    cells = [nbformat.v4.new_markdown_cell(title), *cells]
    return nbformat.writes(nbformat.v4.new_notebook(cells=cells))


def answered(setup: str = SETUP, **answers: str) -> str:
    """A notebook of chapter 02 with these answers; the others are left out with their checks."""
    pairs = [(answers[name], f"check.{name}({name})") for name in ORDER if name in answers]
    return notebook(setup, *(source for pair in pairs for source in pair))


def tree(folder: Path) -> dict[str, str]:
    """Every file below a folder, and a digest of what is in it."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def harmful(precious: Path) -> dict[str, str]:
    """Right answers whose cells, beside answering, try what they may not."""
    new = precious.with_name("new")
    width = f"{RIGHT['width']}\nimport subprocess\nsubprocess.run(['touch', {str(new)!r}])"
    flaw = f"{RIGHT['flaw']}\nopen({str(precious)!r}, 'a').write('!')"
    delta = (
        "import os, torch\n"
        "def layer_delta(weight, delta, slope):\n"
        "    try:\n"
        f"        os.remove({str(precious)!r})\n"
        "    except OSError:\n"
        "        pass\n"
        "    open('mine.txt', 'w').write('in my own folder I may')\n"
        "    return slope * (weight.T @ delta)"
    )
    typical = f"typical = 'B'\nimport torch\ntorch.save([1], {str(new)!r})"
    factor = (
        f"{RIGHT['factor']}\nimport multiprocessing as m\n"
        f"m.get_context('spawn').Process(target=print).start()"
    )
    chain = f"{RIGHT['chain_gradient']}\nimport pathlib\npathlib.Path({str(new)!r}).mkdir()"
    return {
        **{"typical": typical, "factor": factor, "chain_gradient": chain},
        **{"width": width, "layer_delta": delta, "flaw": flaw},
    }


CLUTTERED = notebook(
    "check.width(width)",  # above its answer, and above the set-up
    "%matplotlib inline\nfrom vglib.chain_rule import check, gone",
    "import time\ntime.sleep(10**6)  # nobody needs this cell",
    "def factor(w, a, b:\n    return 1",
    "check.factor(factor)",
    "answers = {}\nanswers['flaw'] = 3",
    "answers['flaw'] = 2",
    "check.flaw(answers['flaw'])",
    "typical = 'C'\nimport sys\nsys.exit()",
    "print(check.typical(typical))",
    "print(check.older(1))",
    "width = 105",
)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A lecturer's folder with `class/`, what lies beside it, and the package alone."""
    place = tmp_path_factory.mktemp("lecturer")
    shutil.copytree(ROOT / "vglib", place / "wheel" / "vglib")
    precious = place / "precious.txt"
    precious.write_text("grades", encoding="utf-8")
    half = {"typical": "typical = 'A'", "width": "width = ...", "factor": RIGHT["factor"]}
    half |= {"flaw": RIGHT["flaw"], "chain_gradient": RIGHT["chain_gradient"]}
    hangs = {**RIGHT, "width": "width = 105\nimport time\ntime.sleep(10**6)"}
    files = {
        "half/02.ipynb": answered(**half),
        "hangs/answers.ipynb": answered(**hangs),
        "harmful/02_chain_rule.ipynb": answered(**harmful(precious)),
        "cluttered_02_chain_rule.ipynb": CLUTTERED,
        "broken.ipynb": "{",
        "other.ipynb": notebook("import numpy", title="# Thermodynamics"),
        "later.ipynb": notebook("from vglib.quantum import check", "check.flaw(1)"),
        ".ipynb_checkpoints/half.ipynb": "{",
    }
    for name, text in files.items():
        (place / "class" / name).parent.mkdir(parents=True, exist_ok=True)
        (place / "class" / name).write_text(text, encoding="utf-8")
    shutil.copy(ROOT / "notebooks/solutions/02_chain_rule.ipynb", place / "class")
    return place


@pytest.fixture(scope="module")
def judged(place) -> tuple[str, list[dict[str, str]], dict[str, str], dict[str, str]]:
    """What is printed, the rows of the CSV, and the lecturer's files before and after."""
    before = tree(place)
    table = place.with_name("points.csv")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "vglib.progress", "class", "--csv", table, "--seconds", "10"],
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(place / "wheel"), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    with table.open(encoding="utf-8-sig", newline="") as page:
        rows = list(csv.DictReader(page))
    return done.stdout, rows, before, tree(place)


def test_the_table_has_each_students_marks(judged):
    shown = judged[0].splitlines()
    assert shown[:8] == [
        "02 · Chain rule",
        "  1 typical  2 factor  3 chain_gradient  4 width  5 layer_delta  6 flaw",
        "             1  2  3  4  5  6",
        "  class      ✓  ✓  ✓  ✓  ✓  ✓   6 of 6",
        "  cluttered  ✗  ✗  ○  ✓  ○  ✓   2 of 6",
        "  half       ✗  ✓  ✓  ○  ○  ✓   3 of 6",
        "  hangs      ✓  ✓  ✓  ✗  ✓  ✓   5 of 6",
        "  harmful    ✓  ✓  ✓  ✓  ✓  ✓   6 of 6",
    ]


def test_nothing_outside_is_touched_and_each_attempt_is_named(judged, place):
    shown, _, before, after = judged
    assert before == after
    assert before["precious.txt"]
    new = place / "new"
    for what in (
        f"write {new}",
        f"make the folder {new}",
        f"write {place / 'precious.txt'}",
        f"delete {place / 'precious.txt'}",
        "start or end a process",
    ):
        said = [line for line in shown.splitlines() if f"tried to {what}: refused." in line]
        assert said, what
        assert all(line.startswith("harmful/02_chain_rule.ipynb: cell ") for line in said)
    assert len([line for line in shown.splitlines() if line.startswith("harmful/")]) == 6
    assert "mine.txt" not in shown


def test_a_cell_that_hangs_is_stopped_and_named(judged):
    hanging = "hangs/answers.ipynb: cell 9, `width = 105`, was stopped after 10 seconds."
    assert hanging in judged[0].splitlines()


@pytest.mark.parametrize(
    "line",
    [
        "broken.ipynb: is no notebook: it is not JSON (Expecting property name enclosed in double",
        "other.ipynb: asks for no exercise of this course: is it another course's notebook?",
        "later.ipynb: is of a chapter, quantum, that this edition of the course lacks.",
        "half/02.ipynb: no cell checks layer_delta.",
        "cluttered_02_chain_rule.ipynb: cell 2 stands above the answer that it checks, and was",
        "cluttered_02_chain_rule.ipynb: cell 3, `from vglib.chain_rule import check, gone`, raised",
        "cluttered_02_chain_rule.ipynb: cell 5, `def factor(w, a, b:`, raised SyntaxError:",
        "cluttered_02_chain_rule.ipynb: cell 6, `check.factor(factor)`, raised NameError: name",
        "cluttered_02_chain_rule.ipynb: cell 10, `typical = 'C'`, raised SystemExit.",
        "cluttered_02_chain_rule.ipynb: no cell checks chain_gradient, layer_delta.",
        "cluttered_02_chain_rule.ipynb: asks for older, which this edition of the course lacks.",
    ],
)
def test_each_oddity_is_one_clear_line(judged, line):
    assert len([said for said in judged[0].splitlines() if said.startswith(line)]) == 1, judged[0]


def test_nothing_else_is_said(judged):
    lines = judged[0].split("\n\n")[-1].splitlines()
    assert len([line for line in lines if not line.startswith("harmful")]) == 3 + 7 + 1 + 2


def test_the_csv_has_a_row_for_each_exercise(judged):
    rows = {(row["file"], row["exercise"]): row for row in judged[1]}
    assert len(rows) == len(judged[1]) == 5 * 6 + 3
    typical = rows["half/02.ipynb", "typical"]
    assert (typical["student"], typical["chapter"]) == ("half", "02 · Chain rule")
    assert (typical["mark"], typical["status"]) == ("✗", "wrong")
    assert typical["message"].startswith("A: |w| < 1 has probability")
    raised = rows["cluttered_02_chain_rule.ipynb", "factor"]
    assert raised["message"] == "its check came to no result; see the line on its cell."
    assert rows["other.ipynb", ""]["message"].startswith("asks for no exercise")


def numbers(*sources: str) -> list[int]:
    """The cells that the last one, a check, needs, by their places among these."""
    cells = [cell(n, source) for n, source in enumerate(sources, 1)]
    return [c.number for c in needed(cells, cells[-1:])[0]]


@pytest.mark.parametrize(
    ("sources", "wanted"),
    [
        (["x = 1", "y = 2", "check.x(x)"], [1, 3]),
        (["x = 1", "x = 2", "check.x(x)"], [2, 3]),
        (["x = 1", "x += 1", "check.x(x)"], [1, 2, 3]),
        (["x = []", "x.append(1)", "check.x(x)"], [1, 2, 3]),
        (["x = {}", "x['a'] = 1", "y = x", "check.x(x)"], [1, 2, 4]),
        (
            ["import math", "def f(): return g()", "def g(): return math.e", "check.f(f)"],
            [1, 2, 3, 4],
        ),
        (["n = 1", "x = [n for _ in 'ab']", "n = 2", "check.x(x)"], [1, 2, 4]),
        (["class A:\n    y = n", "n = 1", "x = A()", "check.x(x)"], [1, 3, 4]),
        (["from math import *", "def f(): return pi", "check.f(f)"], [1, 2, 3]),
        (["import labs", "labs.show()", "x = labs.x", "check.x(x)"], [1, 3, 4]),
        (["%%bash\nx = 1", "%%time\nx = 2", "!ls\nx?", "check.x(x)"], [2, 4]),
        (["def f(:", "check.f(f)"], [1, 2]),
    ],
)
def test_only_what_a_check_needs_is_run(sources, wanted):
    assert numbers(*sources) == wanted


def tags(entry: dict) -> list[str]:
    return entry["metadata"].get("tags", [])


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda p: p.stem)
def test_every_check_of_every_chapter_is_found_without_labs_and_claims(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    notebook = read(path)
    run = {c.number for c in notebook.cells}
    assert {n for n, entry in enumerate(cells, 1) if "check" in tags(entry)} <= run
    assert not [n for n in run if {"lab", "claims"} & set(tags(cells[n - 1]))]
    assert notebook.moved == ()
    assert f"vglib.{notebook.chapter}" in "".join(map(str, cells))


def test_whose_notebook_a_file_is(tmp_path):
    path = tmp_path / "any.ipynb"
    path.write_text(answered(), encoding="utf-8")
    names = {
        "02_chain_rule.ipynb": tmp_path.name,
        "02_chain_rule-2.ipynb": tmp_path.name,
        "02_chain_rule_ada.ipynb": "ada",
        "ada-chain_rule.ipynb": "ada",
        "ada/02_chain_rule.ipynb": "ada",
        "ada/week 3/02.ipynb": "ada",
    }
    notebook = read(path)
    assert {name: student(name, tmp_path, notebook) for name in names} == names


def test_what_cannot_be_judged_is_one_sentence(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    for folder, said in (("none", "There is no folder"), ("empty", "There is no notebook in")):
        assert command.main([str(tmp_path / folder)]) == 2
        assert capsys.readouterr().err.splitlines()[-1].startswith(said)
    for text in ("[]", '{"cells": [1]}', '{"cells": 3}', "\xff"):
        (tmp_path / "x.ipynb").write_text(text, encoding="latin-1")
        with pytest.raises(NotOurs, match="is no notebook"):
            read(tmp_path / "x.ipynb")
    (tmp_path / "y.ipynb").mkdir()
    with pytest.raises(NotOurs, match="cannot be read"):
        read(tmp_path / "y.ipynb")
