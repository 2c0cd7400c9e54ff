"""A reader's own copies of the chapters: made where there are none, and never written over."""

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from vglib.words import count

HERE = Path(__file__).resolve().parent
FOLDER = "my_notebooks"


def published(here: Path = HERE) -> Path:
    """Return the folder of the published notebooks: in the package, or in a checkout beside it."""
    inside = here / "notebooks"
    return inside if inside.is_dir() else here.parents[1] / "notebooks"


def require_writable(folder: Path) -> None:
    """Make a folder where there is none; raises OSError where no file can be made in it."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        return


def copy_new(source: Path, target: Path, change: Callable[[bytes], bytes] = bytes) -> bool:
    """Copy a file, changed, to where there is none yet, whole or not at all; return whether so."""
    if os.path.lexists(target):
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        part.write_bytes(change(source.read_bytes()))
        try:
            os.link(part, target)  # unlike a rename, never replaces a file
        except FileExistsError:
            return False
        except OSError:  # a file system without links
            if os.path.lexists(target):
                return False
            os.rename(part, target)
    finally:
        part.unlink(missing_ok=True)
    return True


def until_predicted(notebook: bytes) -> bytes:
    """Leave out what a notebook shows after its first prediction: the reader is to make it first.

    Running the cells brings it back, and the published notebook keeps it. A file that is no
    notebook stays as it is.
    """
    try:
        tree = json.loads(notebook)
        cells = tree["cells"]
        predicted = False
        for cell in cells:
            if predicted and cell["cell_type"] == "code":
                cell |= {"outputs": [], "execution_count": None}
            predicted |= "predict" in cell["metadata"].get("tags", [])
    except (ValueError, LookupError, TypeError, AttributeError):
        return notebook
    return f"{json.dumps(tree, ensure_ascii=False, indent=1)}\n".encode()


def copy_chapters(
    notebooks: Path, folder: Path, change: Callable[[bytes], bytes] = until_predicted
) -> list[Path]:
    """Copy each chapter that a folder lacks into it; return the new copies."""
    targets = [(source, folder / source.name) for source in sorted(notebooks.glob("*.ipynb"))]
    return [target for source, target in targets if copy_new(source, target, change)]


def how_to_open(notebook: Path) -> str:
    """Say in words and a command how to open a notebook here."""
    if find_spec("jupyterlab") is None:
        return f"Open it with your Jupyter, {notebook.name} first."
    return f"To open the first of them:\n  {as_typed('-m', 'jupyterlab', str(notebook))}"


def as_typed(*arguments: str) -> str:
    """Write a command of this Python as it is typed here."""
    command = [sys.executable, *arguments]
    return subprocess.list2cmdline(command) if os.name == "nt" else shlex.join(command)


def main(argv: list[str] | None = None) -> int:
    """Copy the chapters into the folder of the command line; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m vglib",
        description="Copy the chapters of the course into a folder; no file there is replaced.",
    )
    parser.add_argument("folder", nargs="?", default=FOLDER, help=f"default: {FOLDER}, here")
    folder = Path(os.path.expanduser(parser.parse_args(argv).folder)).resolve()
    notebooks = published()
    there = sorted(notebooks.glob("*.ipynb"))
    if not there:
        print(
            f"No chapters came with this package: there are none in {notebooks}.", file=sys.stderr
        )
        return 2
    try:
        require_writable(folder)
        new = copy_chapters(notebooks, folder)
    except OSError as error:
        reason = error.strerror or error
        print(f"{folder} cannot be written to ({reason}): name another folder.", file=sys.stderr)
        return 2
    stay = f", {len(there) - len(new)} were there" if len(new) < len(there) else ""
    print(f"{count(len(new), 'chapter')} copied into {folder}{stay}.")
    print(how_to_open(folder / there[0].name))
    return 0
