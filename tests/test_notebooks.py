"""The published notebooks: fresh, clean, and each of them runs under nbval."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tests import kernels
from tests.editions import only_what_differs
from tests.holding import held
from tools.build_notebooks import NO_ANSWER, ROOT, STARTS, check, notebook_path
from tools.source import EDITIONS, is_check

CHAPTERS = sorted((ROOT / "chapters").glob("*.py"))
SECONDS = 600


def run_nbval(folder: Path, *notebooks: Path) -> subprocess.CompletedProcess[str]:
    """Run copies of notebooks, so that nothing is written beside the published ones."""
    copies = []
    for number, notebook in enumerate(notebooks):
        (folder / str(number)).mkdir()
        copies.append(shutil.copy(notebook, folder / str(number)))
    dropped = ("VGLIB_STORE_PNG", "PYTEST_ADDOPTS")
    environment = {key: value for key, value in os.environ.items() if key not in dropped}
    # Where our plugin is found, and the package of this very checkout.
    environment["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), str(ROOT)])
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # a quicker start
    environment |= (asking := kernels.asking())
    # Without a server of kernels that of this very environment, whatever the user's python3 is.
    kernel = "--nbval-kernel-name=python3" if asking else "--nbval-current-env"
    options = ["--nbval-lax", kernel, f"--nbval-cell-timeout={SECONDS // 2}"]
    plugins = ["-p", "nbval.plugin", "-p", "nbval_outputs", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", "-q", "--color=no", *plugins, *options]
    for _ in range(STARTS):
        done = subprocess.run(
            [*command, f"--rootdir={folder}", *copies],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        if NO_ANSWER not in done.stdout + done.stderr:
            break
    return done


@pytest.mark.skipif(not CHAPTERS, reason="there is no chapter yet")
def test_the_published_notebooks_are_fresh_and_clean() -> None:
    faults = check(ROOT)
    assert not faults, "\n" + "\n".join(faults)


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_both_editions_run(chapter: Path, tmp_path: Path) -> None:
    """The learner's whole, its claims held to their rulings; of the solutions what can differ."""
    learner, solutions = (notebook_path(ROOT, chapter, edition) for edition in EDITIONS)
    for notebook in (learner, solutions):
        assert notebook.exists(), f"{notebook} is missing; run `make build`."
    whole, answered = (nbformat.read(path, 4) for path in (learner, solutions))
    nbformat.write(held(whole), tmp_path / "learner.ipynb")
    nbformat.write(only_what_differs(whole, answered), tmp_path / "solutions.ipynb")
    done = run_nbval(tmp_path, tmp_path / "learner.ipynb", tmp_path / "solutions.ipynb")
    assert done.returncode == 0, done.stdout + done.stderr


CELLS = {
    "x = 1": "x = 1",
    "share = []": "share = []",
    "wide = x + 1": "wide = x + 1",
    "print(wide)": "print(wide)",
    "def answer():\n    raise NotImplementedError": "def answer():\n    return x",
    "share[0].part[:] = [answer]": "share[0].part[:] = [answer]",
    "[seen := answer for _ in [1]]": "[seen := answer for _ in [1]]",
    "print(seen)": "print(seen)",
    "print(answer)": "print(answer)",
    "answer = 2": "answer = 2",
    "print(answer) # given": "print(answer) # given",
    "for one in share:\n    print(one)": "for one in share:\n    print(one)",
}


def test_of_the_solutions_runs_what_differs_and_what_that_needs() -> None:
    editions = [
        nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
        for sources in (CELLS.keys(), CELLS.values())
    ]
    runs = [cell.source for cell in only_what_differs(*editions).cells]
    left_out = ["wide = x + 1", "print(wide)", "answer = 2", "print(answer) # given"]
    assert runs == [source for source in CELLS.values() if source not in left_out]


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_every_answer_and_every_check_of_the_solutions_runs(chapter: Path) -> None:
    learner, solutions = (
        nbformat.read(notebook_path(ROOT, chapter, edition), 4) for edition in EDITIONS
    )
    given = {cell.source for cell in learner.cells}
    runs = [cell.id for cell in only_what_differs(learner, solutions).cells]
    code = [cell for cell in solutions.cells if cell.cell_type == "code"]
    wanted = [c.id for c in code if is_check(c.metadata) or c.source not in given]
    assert wanted
    assert [cell for cell in runs if cell in wanted] == wanted


TRIAL = """\
from dataclasses import replace
from types import SimpleNamespace
from vglib.chain_rule.claims import BY_ID
given = BY_ID["every-factor-is-below-a-quarter"]
claims = SimpleNamespace(GIVEN=given, WRONG=replace(given, measure=lambda seed: given.rival))
"""
SMALL = [
    (TRIAL + "claims.GIVEN.trial()", [], "", True),
    (TRIAL + "claims.WRONG.trial()", [], "", False),
    ("print(1)", ["nbval-check-output"], "1\n", True),
    ("print(1)", ["nbval-check-output"], "2\n", False),
    ("print(1)", [], "2\n", True),
    ("assert 1 == 2", [], "", False),
]


def test_nbval_tells_a_good_notebook_from_a_bad_one(tmp_path: Path) -> None:
    paths = []
    for number, (source, tags, stored, _) in enumerate(SMALL):
        output = nbformat.v4.new_output("stream", name="stdout", text=stored)
        cell = nbformat.v4.new_code_cell(source, execution_count=1, outputs=[output])
        cell.metadata.tags = tags
        paths.append(tmp_path / f"small{number}.ipynb")
        nbformat.write(held(nbformat.v4.new_notebook(cells=[cell])), paths[-1])
    before = [path.read_bytes() for path in paths]
    done = run_nbval(tmp_path, *paths)
    assert done.returncode == 1
    for path, (*_, passes) in zip(paths, SMALL, strict=True):
        failed = re.search(rf"^FAILED \S*{path.name}", done.stdout, re.MULTILINE)
        assert (failed is None) == passes, done.stdout
    assert " 3 failed, 3 passed " in f" {done.stdout.splitlines()[-1]} "
    assert [path.read_bytes() for path in paths] == before
