"""A new chapter, made in a copy of what it needs: it works at once, or nothing is made."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest

from tools import discover, new_chapter
from tools.lint_notebooks import lint
from tools.source import EDITIONS, edition_notebook, read_chapter

ROOT = Path(__file__).resolve().parents[1]
MADE = ("weights", "a_name_of_thirty_small_letters")
# The suite's own tests that every chapter must pass.
SUITE = [
    "test_exercises.py",
    "test_labs.py",
    "test_claim.py::test_a_fast_claim_that_no_chapter_tries",
    "test_discover.py::test_every_chapter_of_the_text_has_its_folder",
    "test_docs.py::test_the_table_of_chapters_is_that_of_the_sources",
    "test_predictions.py",
]
NEEDED = [
    "tests/__init__.py",
    "tests/conftest.py",
    "tests/holding.py",
    "tests/storm.py",
    *(f"tests/{t.split('::')[0]}" for t in SUITE),
]
NEEDED += ["pyproject.toml", "README.md", "CONTRIBUTING.md", "chapters/00_start_here.py"]
# Runs every code cell of both editions and says what came of it; then, as all is imported, the
# tests that it is given.
LOOK = """
import ast, importlib, json, sys
from pathlib import Path
import pytest
from tools import discover
from tools.source import EDITIONS, edition_notebook, read_chapter
from vglib.docket import registry

said = {}
chapter = read_chapter(Path("chapters/14_weights.py"))
for edition in EDITIONS:
    names, said[edition] = {}, []
    for cell in edition_notebook(chapter, edition).cells:
        if cell.cell_type == "code":
            *body, last = ast.parse(cell.source).body
            if isinstance(last, ast.Expr):
                exec(compile(ast.Module(body, []), "cell", "exec"), names)
                said[edition].append(repr(eval(ast.unparse(last), names)))
            else:
                exec(cell.source, names)
(lab,) = (make() for name, make in discover.labs().items() if name.startswith("weights."))
drawn = [lab.set(weight_scale=scale).figure.data[0].y.tolist() for scale in (1.0, 3.0)]
rulings = [claim.trial() for claims in registry.claims().values() for claim in claims]
print(json.dumps({
    "from": str(Path(importlib.import_module("vglib.weights").__file__).resolve()),
    "said": said,
    "labs": list(discover.labs()),
    "moves": drawn[0] != drawn[1],
    "claims": {r.claim.id: r.as_declared for r in rulings},
}), flush=True)
sys.exit(pytest.main(sys.argv[1:]))
"""
# Chapter 00's labs, and the count of all labs, are tried where they belong.
CHOSEN = ["-rp", "-p", "no:cacheprovider", "-k", "not test_labs or weights or letters"]

# A worker that makes the copy tries all that is in it.
pytestmark = pytest.mark.xdist_group("new_chapter")


def copy_of(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    # The rows of the chapters that are not copied.
    for page in new_chapter.TABLES:
        text = (root / page).read_text(encoding="utf-8")
        rows = re.sub(r"(?m)^(# )?\| (?!00)\d\d \|.*\n", "", text)
        (root / page).write_text(rows, encoding="utf-8")
    return root


def python(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(root), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    environment.pop("PYTEST_ADDOPTS", None)
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    """A copy of the core and chapter 00, in which two new chapters are made."""
    root = copy_of(tmp_path_factory.mktemp("copy"), *NEEDED)
    for folder in ("tools", "vglib/lab", "vglib/docket", "vglib/start_here", "tests/start_here"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder, root / folder, ignore=ignored)
    for module in (ROOT / "vglib").glob("*.py"):
        shutil.copy(module, root / "vglib")
    options = ["--title", "How weights multiply", "--no-build"]
    assert new_chapter.main(["14", "weights", *options], root) == 0
    # The name is the first and among the longest, the number has one digit.
    assert new_chapter.main(["7", "a_name_of_thirty_small_letters", "--no-build"], root) == 0
    return root


@pytest.fixture(scope="module")
def looked(copy) -> subprocess.CompletedProcess[str]:
    tests = [f"tests/{test}" for test in (*MADE, *SUITE)]
    done = python(copy, "-c", LOOK, *CHOSEN, *tests)
    assert done.stdout.startswith("{"), done.stderr
    return done


@pytest.fixture(scope="module")
def seen(looked) -> dict:
    assert looked.stderr == ""
    return json.loads(looked.stdout.splitlines()[0])


def test_what_is_made_is_found(copy, seen):
    assert seen["from"] == str((copy / "vglib/weights/__init__.py").resolve())
    assert discover.faults(copy) == []
    assert "weights.chain_lab" in seen["labs"]
    assert "a_name_of_thirty_small_letters.chain_lab" in seen["labs"]


def test_the_lab_moves(seen):
    assert seen["moves"]


def test_the_claims_agree_and_reject_their_rival(seen):
    assert len(seen["claims"]) == 2
    assert all(seen["claims"].values())


@pytest.mark.parametrize(("edition", "mark"), [("learner", "○"), ("solutions", "✓")])
def test_every_cell_runs_in_both_editions(seen, edition, mark):
    guess, lab, exercise, claim = seen["said"][edition]
    assert lab.startswith("Lab(depth=50, weight_scale=1, seed=0): layer 1 of a typical chain")
    assert guess.startswith(mark)
    assert exercise.startswith(mark)
    assert "agrees" in claim


@pytest.mark.parametrize("name", MADE)
def test_it_passes_its_own_tests_and_those_of_every_chapter(looked, name):
    assert looked.returncode == 0, looked.stdout
    passed = looked.stdout.split("PASSED tests/")
    claim = f"{name.replace('_', '-')}-mean-square"
    for test in (
        f"{name}/test_factors.py::test_the_mean_logarithm",
        f"{name}/test_labs.py::test_larger_weights",
        f"test_labs.py::test_corners[{name}.chain_lab]",
        f"test_exercises.py::test_stub_solution_and_planted_wrong_answers[{name}.geometric_mean]",
        f"test_claim.py::test_a_fast_claim_that_no_chapter_tries[{claim}",
        "test_docs.py::test_the_table_of_chapters",
        "test_predictions.py::test_a_prediction_is_checked_before_anything_is_shown",
    ):
        assert any(line.startswith(test) for line in passed), test


def test_ruff_finds_nothing(copy):
    paths = [f"{folder}/{name}" for folder in ("vglib", "tests") for name in MADE]
    for command in (["check", "--no-cache"], ["format", "--check", "--no-cache"]):
        done = python(copy, "-m", "ruff", *command, *paths)
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("edition", EDITIONS)
def test_the_text_is_one_that_the_builder_takes(copy, seen, edition):
    chapter = read_chapter(copy / "chapters/14_weights.py")
    assert (chapter.info.number, chapter.info.title) == (14, "How weights multiply")
    notebook = edition_notebook(chapter, edition)
    said = iter(seen["said"][edition])
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for number, cell in enumerate(code, 1):
        cell.execution_count = number
        if {"lab", "check", "claims"} & set(cell.metadata.get("tags", [])):
            output = nbformat.v4.new_output("stream", name="stdout", text=next(said))
            cell.outputs = [output]
    assert lint(notebook, "it") == []
    slideshows = [cell.metadata.get("slideshow", {}) for cell in notebook.cells]
    kinds = {slideshow.get("slide_type") for slideshow in slideshows}
    assert kinds == {"slide", "subslide", "skip", "notes", None}


@pytest.mark.parametrize("page", new_chapter.TABLES)
def test_both_tables_have_the_rows_in_their_order(copy, page):
    question = "do weights of mean square 1 keep the gradient of a chain?"
    lines = (copy / page).read_text(encoding="utf-8").splitlines()
    rows = [line.removeprefix("# ") for line in lines if re.match(r"(# )?\| \d\d \|", line)]
    assert rows[1:] == [
        f"| 07 | A name of thirty small letters | {question} | 10 |",
        f"| 14 | How weights multiply | {question} | 10 |",
    ]
    assert rows[0].startswith("| 00 | Start here |")
    assert (page == "README.md") == (rows[2] in lines)


def test_nothing_is_left_to_fill_in():
    texts = new_chapter.files(14, "weights", "A title").values()
    assert [text for text in texts if "{{" in text or "}}" in text] == []


@pytest.fixture
def small(tmp_path) -> Path:
    """The folders of a course of one chapter."""
    root = copy_of(tmp_path, "README.md", "chapters/00_start_here.py")
    for name in ("theory.py", "lab/__init__.py", "start_here/__init__.py"):
        (root / "vglib" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "vglib" / name).touch()
    (root / "tests" / "browser").mkdir(parents=True)
    (root / "notebooks").mkdir()
    (root / "notebooks" / "00_start_here.ipynb").write_text("as it was")
    return root


def tree(root: Path) -> dict[str, bytes | None]:
    return {str(p): p.read_bytes() if p.is_file() else None for p in sorted(root.rglob("*"))}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["00", "name"], "The number 00 is taken by chapters/00_start_here.py; choose another."),
        (["0", "name"], "The number 0 is taken by chapters/00_start_here.py; choose another."),
        (["100", "name"], "The number is '100'; it must be a whole number from 0 to 99."),
        (["-1", "name"], "The number is '-1'; it must be a whole number from 0 to 99."),
        (["xi", "name"], "The number is 'xi'; it must be a whole number from 0 to 99."),
        (["14", "start_here"], f"is taken by {Path('chapters/00_start_here.py')}; choose another."),
        (["14", "theory"], f"is taken by {Path('vglib/theory.py')}; choose another."),
        (["14", "lab"], f"is taken by {Path('vglib/lab')}; choose another."),
        (["14", "browser"], f"is taken by {Path('tests/browser')}; choose another."),
        (["14", "no-name"], "The name 'no-name' cannot be a chapter's: take"),
        (["14", "2fast"], "The name '2fast' cannot be"),
        (["14", "class"], "The name 'class' cannot be"),
        (["14", "Upper"], "The name 'Upper' cannot be"),
        (["14", "../x"], "The name '../x' cannot be"),
        (["14", "a" * 31], "cannot be a chapter's: take up to 30 small letters"),
        (["14", ""], "The name '' cannot be"),
        (["14", "name", "--title", " "], "The title '' does not fit a table"),
        (["14", "name", "--title", "a | b"], "The title 'a | b' does not fit a table"),
        (["14", "name", "--title", "a\nb"], r"The title 'a\nb' does not fit a table"),
    ],
    ids=lambda value: " ".join(value)[:20] if isinstance(value, list) else "",
)
def test_what_cannot_be_is_refused_in_one_sentence(small, capsys, arguments, said):
    before = tree(small)
    assert new_chapter.main(arguments, small) == 2
    refusal = capsys.readouterr().err
    assert said in refusal
    assert refusal.endswith(".\n")
    assert refusal.count("\n") == 1
    assert tree(small) == before


@pytest.mark.parametrize("page", new_chapter.TABLES)
def test_a_page_without_a_table_leaves_nothing_behind(small, capsys, page):
    text = (small / page).read_text(encoding="utf-8")
    (small / page).write_text(text.replace("| 00 |", "| zero |"), encoding="utf-8")
    before = tree(small)
    assert new_chapter.main(["14", "name", "--no-build"], small) == 2
    assert f"{Path(page).name} has no table of chapters" in capsys.readouterr().err
    assert tree(small) == before


def builder(root: Path, outcome: int | BaseException, asked: list):
    """Stand in for the builder: it publishes both chapters, and then fails or not."""

    def run(command, cwd):
        asked.append(command[1:])
        for name in ("00_start_here", "14_name", "solutions/14_name"):
            (root / "notebooks" / f"{name}.ipynb").parent.mkdir(exist_ok=True)
            (root / "notebooks" / f"{name}.ipynb").write_text("built")
        (root / "vglib" / "name" / "__pycache__").mkdir()
        with (root / "README.md").open("a") as page:
            page.write("written meanwhile\n")
        if isinstance(outcome, BaseException):
            raise outcome
        return SimpleNamespace(returncode=outcome)

    return run


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (1, "No notebooks could be built, so nothing was made; --no-build goes without.\n"),
        (KeyboardInterrupt(), "Stopped, so nothing was made.\n"),
    ],
    ids=["fails", "is stopped"],
)
def test_a_build_that_does_not_end_well_leaves_nothing(small, capsys, monkeypatch, outcome, said):
    (small / "notebooks" / "solutions").mkdir()
    before = tree(small)
    monkeypatch.setattr(new_chapter.subprocess, "run", builder(small, outcome, []))
    assert new_chapter.main(["14", "name"], small) == 2
    assert capsys.readouterr().err == said
    # What somebody else has written meanwhile is no part of it.
    before[str(small / "README.md")] += b"written meanwhile\n"
    assert tree(small) == before


def test_the_new_chapter_and_that_with_the_table_are_built(small, capsys, monkeypatch):
    asked = []
    monkeypatch.setattr(new_chapter.subprocess, "run", builder(small, 0, asked))
    assert new_chapter.main(["14", "name"], small) == 0
    assert asked == [["-m", "tools.build_notebooks", "00_start_here", "14_name"]]
    assert (small / "notebooks" / "14_name.ipynb").read_text() == "built"
    assert "| 14 | Name |" in (small / "README.md").read_text(encoding="utf-8")
    printed = capsys.readouterr().out
    assert "vglib/name/labs.py" in printed
    assert printed.endswith("Next: make lab CHAPTER=14\n")
