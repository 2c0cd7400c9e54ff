"""The published notebooks: fresh, clean, and each of them runs under nbval."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tools.build_notebooks import ROOT, check, notebook_path
from tools.source import EDITIONS

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
    environment["PYTHONPATH"] = str(Path(__file__).parent)  # where the plugin is found
    options = ["--nbval-lax", "--nbval-current-env", f"--nbval-cell-timeout={SECONDS // 2}"]
    plugins = ["-p", "nbval_outputs", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", "-q", "-x", "--color=no", *plugins, *options]
    return subprocess.run(
        [*command, f"--rootdir={folder}", *copies],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )


@pytest.mark.skipif(not CHAPTERS, reason="there is no chapter yet")
def test_the_published_notebooks_are_fresh_and_clean() -> None:
    faults = check(ROOT)
    assert not faults, "\n" + "\n".join(faults)


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_both_editions_run(chapter: Path, tmp_path: Path) -> None:
    notebooks = [notebook_path(ROOT, chapter, edition) for edition in EDITIONS]
    for notebook in notebooks:
        assert notebook.exists(), f"{notebook} is missing; run `make build`."
    done = run_nbval(tmp_path, *notebooks)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("source", "tags", "stored", "passes"),
    [
        ("print(1)", ["nbval-check-output"], "1\n", True),
        ("print(1)", ["nbval-check-output"], "2\n", False),
        ("print(1)", [], "2\n", True),
        ("assert 1 == 2", [], "", False),
    ],
)
def test_nbval_tells_a_good_notebook_from_a_bad_one(
    tmp_path: Path, source: str, tags: list[str], stored: str, passes: bool
) -> None:
    output = nbformat.v4.new_output("stream", name="stdout", text=stored)
    cell = nbformat.v4.new_code_cell(source, execution_count=1, outputs=[output])
    cell.metadata.tags = tags
    (tmp_path / "stored").mkdir()
    path = tmp_path / "stored" / "small.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
    before = path.read_bytes()
    assert (run_nbval(tmp_path, path).returncode == 0) == passes
    assert path.read_bytes() == before
