"""Open JupyterLab at the learner's copy of a chapter, as a notebook or as slides."""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from itertools import count
from pathlib import Path

from jupyter_core.paths import jupyter_runtime_dir

from vglib.course.copies import (
    FOLDER,
    as_typed,
    copy_chapters,
    copy_new,
    require_writable,
    until_predicted,
)

ROOT = Path(__file__).resolve().parents[1]
DECK_SETTINGS = Path("jupyterlab-slideshow/plugin.jupyterlab-settings")
THEME_SETTINGS = Path("@jupyterlab/apputils-extension/themes.jupyterlab-settings")
# Text that is read from the last row; JupyterLab takes font sizes from user settings alone.
SIZES = {"content-font-size1": "22px", "code-font-size": "17px", "ui-font-size1": "16px"}
LECTURE_THEME = json.dumps({"overrides": SIZES}) + "\n"
# The labs' matrices are small: a second thread gains nothing, and while the browser draws the two
# wait for each other. Networks worth more threads have torch.set_num_threads.
ONE_THREAD = {"OMP_NUM_THREADS": "1"}


class LaunchError(Exception):
    """What the user asked for cannot be opened."""


def find_chapter(root: Path, chapter: str) -> Path:
    """Return the published notebook of a chapter, named by its number or its whole name.

    Raises:
        LaunchError: nothing is built, or none or several notebooks have that name.
    """
    notebooks = sorted((root / "notebooks").glob("*.ipynb"))
    if not notebooks:
        raise LaunchError("There are no notebooks yet: build them with 'make build'.")
    wanted = chapter.removesuffix(".ipynb")
    found = [n for n in notebooks if n.stem == wanted] or [
        n for n in notebooks if n.stem.startswith(f"{wanted.zfill(2)}_")
    ]
    if not found:
        numbers = ", ".join(n.stem.split("_")[0] for n in notebooks)
        raise LaunchError(f"There is no chapter {chapter!r}: there are {numbers}.")
    if len(found) > 1:
        names = ", ".join(n.stem for n in found)
        raise LaunchError(f"Chapter {chapter!r} may be {names}: give the whole name.")
    return found[0]


def copy_fresh(root: Path, chapter: str) -> Path:
    """Put a new copy of a chapter beside the learner's older ones; return it."""
    source = find_chapter(root, chapter)
    target = root / FOLDER / source.name
    for number in count(2):
        if copy_new(source, target, until_predicted):
            break
        target = target.with_name(f"{source.stem}-{number}.ipynb")
    return target


def compose(
    action: str,
    root: Path,
    notebook: str,
    port: int | None,
    browser: bool,
    environ: Mapping[str, str],
) -> tuple[list[str], dict[str, str]]:
    """Return the command that opens a notebook of my_notebooks, and its environment.

    The course's defaults come from `jupyter/`, beneath the user's own settings. The layout of the
    open tabs is kept in `.jupyter/`, as that of other projects names files which are not here; in
    a lecture the settings are too, as the deck writes into them. Kernels compute on one thread
    unless the user's environment says otherwise.
    """
    configs = [root / "jupyter"]
    own = root / ".jupyter" / action
    env = {**ONE_THREAD, **environ, "JUPYTERLAB_WORKSPACES_DIR": str(own / "workspaces")}
    # The server imports vglib.jupyter.server, wherever it is started from.
    python_path = [str(ROOT), *filter(None, [environ.get("PYTHONPATH")])]
    env["PYTHONPATH"] = os.pathsep.join(python_path)
    if action == "lecture":
        configs.insert(0, root / "jupyter" / "lecture")
        env["JUPYTERLAB_SETTINGS_DIR"] = str(own / "settings")
    users = environ.get("JUPYTER_CONFIG_PATH")
    paths = [str(c) for c in configs] + ([users] if users else [])
    env["JUPYTER_CONFIG_PATH"] = os.pathsep.join(paths)
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        f"--ServerApp.root_dir={root / FOLDER}",
        f"--LabApp.default_url=/lab/tree/{notebook}",
        "--ServerApp.answer_yes=True",  # the first Ctrl-C ends it
        "--allow-root",  # in a container the user often is root
    ]
    if action == "lecture":
        extensions = root / "jupyter" / "lecture" / "labextensions"
        command.append(f"--LabApp.extra_labextensions_path={extensions}")
    if port is not None:
        command.append(f"--ServerApp.port={port}")
    if not browser:
        command.append("--no-browser")
    return command, env


def prepare_lecture(root: Path) -> None:
    """Drop what the last lecture left (deck closed, tabs open), and set large type the first time.

    A theme or a size that the lecturer chose since then is kept.
    """
    own = root / ".jupyter" / "lecture"
    shutil.rmtree(own / "workspaces", ignore_errors=True)
    (own / "settings" / DECK_SETTINGS).unlink(missing_ok=True)
    theme = own / "settings" / THEME_SETTINGS
    if not theme.exists():
        theme.parent.mkdir(parents=True, exist_ok=True)
        theme.write_text(LECTURE_THEME, encoding="utf-8")


def with_a_home(environ: Mapping[str, str], root: Path) -> dict[str, str]:
    """Return an environment in which Jupyter may keep what it keeps at home.

    A user of a container or a service may have no home: theirs is in `.jupyter/` then.
    """
    try:
        require_writable(Path(jupyter_runtime_dir()))
    except (OSError, RuntimeError):  # no place for it, or no name to know the place by
        return {**environ, "HOME": str(root / ".jupyter" / "home")}
    return dict(environ)


def start(command: list[str], env: dict[str, str]) -> int:
    """Become the command where the system can, so that a Ctrl-C goes straight to it."""
    if os.name == "posix":
        os.execve(command[0], command, env)
    process = subprocess.Popen(command, env=env)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:  # the server has had it too and is shutting down
            continue


def main(argv: list[str] | None = None, root: Path = ROOT) -> int:
    """Do what the command line asks; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.launch", description=__doc__)
    parser.add_argument("action", choices=["lab", "lecture", "fresh"])
    parser.add_argument("--chapter", help="its number (02) or its name (02_chain_rule)")
    parser.add_argument("--port", type=int)
    parser.add_argument("--no-browser", action="store_true")
    args = parser.parse_args(argv)
    try:
        if args.action == "fresh" and not args.chapter:
            raise LaunchError("Say which chapter: 'make fresh CHAPTER=02'.")
        notebook = find_chapter(root, args.chapter or "00").name
        for folder in (FOLDER, ".jupyter"):
            require_writable(root / folder)
        if args.action == "fresh":
            print(f"A new copy: {copy_fresh(root, args.chapter).relative_to(root)}")
            return 0
        # A lecturer's slides keep their pictures, should a cell fail in front of the class.
        change = bytes if args.action == "lecture" else until_predicted
        copy_chapters(root / "notebooks", root / FOLDER, change)
        if args.action == "lecture":
            prepare_lecture(root)
        environ = with_a_home(os.environ, root)
    except LaunchError as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        reason = error.strerror or error
        elsewhere = as_typed("-m", "vglib", "FOLDER")
        print(
            f"Your copies of the chapters belong into {root}, where nothing can be written "
            f"({reason}): take them elsewhere with {elsewhere}",
            file=sys.stderr,
        )
        return 2
    browser = not args.no_browser
    return start(*compose(args.action, root, notebook, args.port, browser, environ))


if __name__ == "__main__":
    sys.exit(main())
