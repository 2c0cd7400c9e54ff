"""Build notebooks/ from chapters/: `python -m tools.build_notebooks [CHAPTER ...] [--check]`.

Each chapter becomes a learner's notebook and, under `solutions/`, the same with its solutions.
Both run in fresh kernels, are linted, and only then replace the stored ones.
"""

import argparse
import os
import re
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from tqdm import tqdm

from tools.lint_notebooks import ANSI, WIDGET_VIEW, lint, lint_file
from tools.source import (
    EDITIONS,
    NOTEBOOK_METADATA,
    Chapter,
    SourceError,
    edition_notebook,
    read_chapter,
)

ROOT = Path(__file__).resolve().parents[1]
CELL_TIMEOUT = 300
# A kernel is told which ports to take; if another program takes one before it does, the kernel ends
# with these words. Nothing has run by then, so it is started again.
STARTS = 3
NO_ANSWER = "Kernel died before replying"

_STORED_TYPES = ("text/plain", "text/html", "text/latex", "text/markdown", "image/png")
_PROGRESS_BAR = re.compile(r"\[\d+:\d\d(:\d\d)?[<,]")


class UsageError(Exception):
    """A build that cannot start, told in one sentence."""


class BuildError(Exception):
    """A chapter that does not run, or whose outputs must not be stored."""


def chapter_paths(root: Path, wanted: Sequence[str] = ()) -> list[Path]:
    """Return the sources in order, all or those named by number, name or path."""
    everything = sorted((root / "chapters").glob("*.py"))
    if not everything:
        raise UsageError("There is no chapter in chapters/ to build.")
    chosen = set()
    for name in wanted:
        stem = Path(name).stem
        found = [p for p in everything if stem in (p.stem, p.name[:2], p.name[:2].lstrip("0"))]
        if not found:
            raise UsageError(f"There is no chapter '{name}'; name one like 02 or 02_chain_rule.")
        chosen.update(found)
    return sorted(chosen) if wanted else everything


def notebook_path(root: Path, source: Path, edition: str) -> Path:
    """Return where an edition of a chapter is published."""
    folder = root / "notebooks" / ("solutions" if edition == "solutions" else "")
    return folder / f"{source.stem}.ipynb"


def build(
    root: Path, paths: Sequence[Path], jobs: int | None = None, browser: Path | None = None
) -> None:
    """Execute both editions of the chapters and publish each chapter whose editions both run.

    Raises SourceError before anything runs, and BuildError at the first cell that fails.
    """
    chapters = [read_chapter(path) for path in paths]
    for chapter in chapters:
        for edition in EDITIONS:
            _staged_path(root, chapter, edition).unlink(missing_ok=True)
    cells = sum(cell.kind == "code" for chapter in chapters for cell in chapter.cells)
    # Threads suffice, the work is in the kernels; and when the builder is killed no worker is left.
    pool = ThreadPoolExecutor(jobs or os.cpu_count() or 1)
    with tqdm(total=cells * len(EDITIONS), unit="cell", desc="Building") as bar:
        editions = {
            pool.submit(execute, chapter, edition, browser, bar.update): (chapter, edition)
            for chapter in chapters
            for edition in EDITIONS
        }
        try:
            _publish_as_completed(root, editions)
        except KeyboardInterrupt:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            print("\nStopped; the chapters not yet finished are as they were.", file=sys.stderr)
            os._exit(130)  # an ordinary exit would wait for the kernels, which end by themselves
        finally:
            pool.shutdown(cancel_futures=True)


def _publish_as_completed(
    root: Path, editions: dict[Future[NotebookNode], tuple[Chapter, str]]
) -> None:
    staged: dict[Path, list[tuple[Path, Path]]] = {}
    for future in as_completed(editions):
        chapter, edition = editions[future]
        draft = _staged_path(root, chapter, edition)
        draft.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(nbformat.writes(future.result()) + "\n", encoding="utf-8")
        pairs = staged.setdefault(chapter.path, [])
        pairs.append((draft, notebook_path(root, chapter.path, edition)))
        if len(pairs) == len(EDITIONS):
            for finished, target in pairs:
                target.parent.mkdir(parents=True, exist_ok=True)
                os.replace(finished, target)


def _staged_path(root: Path, chapter: Chapter, edition: str) -> Path:
    # On the disk of notebooks/, so that the replacement is one step, and ignored by git.
    return root / "build" / "notebooks" / f"{chapter.path.stem}.{edition}.ipynb"


def execute(
    chapter: Chapter, edition: str, browser: Path | None, on_cell: Callable[[], object]
) -> NotebookNode:
    """Run one edition in a fresh kernel and return it as it is published; raises BuildError."""
    notebook = edition_notebook(chapter, edition)
    current = 0

    def start(cell: NotebookNode, cell_index: int) -> None:
        nonlocal current
        current = cell_index

    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook,
            timeout=CELL_TIMEOUT,
            kernel_name="python3",
            store_widget_state=False,
            record_timing=False,
            extra_arguments=["--log-level=ERROR"],
            resources={"metadata": {"path": folder}},
            on_cell_start=start,
            on_cell_executed=lambda **_: on_cell(),
        )
        try:
            _run(client, _kernel_environment(Path(folder), browser))
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            cell = chapter.cells[current]
            first = notebook.cells[current].source.split("\n")[0]
            detail = error.traceback if isinstance(error, CellExecutionError) else str(error)
            raise BuildError(
                f"{chapter.name}:{cell.line}: cell {current + 1} of the {edition} edition "
                f"failed: {first}\n{ANSI.sub('', detail).rstrip()}"
            ) from None
    _clean(notebook)
    if faults := lint(notebook, f"{chapter.name} ({edition} edition)"):
        raise BuildError("\n".join(faults))
    return notebook


def _run(client: NotebookClient, environment: dict[str, str]) -> None:
    for _ in range(STARTS):
        try:
            client.execute(env=environment)
        except RuntimeError as error:
            if NO_ANSWER not in str(error):
                raise
        else:
            return
    raise BuildError(f"A kernel ended {STARTS} times before it answered: run `make build` again.")


def _kernel_environment(folder: Path, browser: Path | None) -> dict[str, str]:
    """Return an environment in which the outputs depend on the chapter alone."""
    environment = os.environ | {
        "VGLIB_STORE_PNG": "1",
        "PLOTLY_RENDERER": "png",
        "PYTHONHASHSEED": "0",
        # One thread whatever the number of jobs, as the order of a sum changes its last digits.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        # The author's own IPython profile has no say.
        "IPYTHONDIR": str(folder / "ipython"),
        # plotly warns so whenever it draws through a running kaleido server.
        "PYTHONWARNINGS": "ignore:The kopts argument is ignored",
    }
    if browser:
        environment["BROWSER_PATH"] = str(browser)
    return environment


def _clean(notebook: NotebookNode) -> None:
    """Keep of an executed notebook what reads anywhere and is the same in every build."""
    notebook.metadata = nbformat.from_dict(NOTEBOOK_METADATA)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.metadata.pop("execution", None)
            cell.outputs = _stored_outputs(cell.outputs)


def _stored_outputs(outputs: Sequence[NotebookNode]) -> list[NotebookNode]:
    kept: list[NotebookNode] = []
    stderr = ""
    for output in outputs:
        if output.get("name") == "stderr":
            stderr += output.text
        elif output.output_type == "stream" and kept and kept[-1].output_type == "stream":
            kept[-1].text += output.text  # where a stream is cut is chance
        elif "data" not in output:
            kept.append(output)
        elif not _is_progress_bar(output.data):
            _keep_stored_types(output)
            kept.append(output)
    lines = [line for line in re.split(r"[\r\n]+", stderr) if line.strip()]
    if warnings := [line for line in lines if not _PROGRESS_BAR.search(line)]:
        text = "\n".join(warnings)
        kept.append(nbformat.v4.new_output("stream", name="stderr", text=text))
    return kept


def _is_progress_bar(data: NotebookNode) -> bool:
    return WIDGET_VIEW in data and bool(_PROGRESS_BAR.search(data.get("text/plain", "")))


def _keep_stored_types(output: NotebookNode) -> None:
    html = output.data.get("text/html", "")
    if "image/png" in output.data or "<script" in html.lower():
        output.data.pop("text/html", None)
    output.data = {mime: output.data[mime] for mime in _STORED_TYPES if mime in output.data}
    output.metadata = {
        mime: output.metadata[mime] for mime in output.metadata if mime in output.data
    }


def check(root: Path, wanted: Sequence[str] = ()) -> list[str]:
    """Return one line for each notebook that is missing, stale, orphaned or faulty."""
    faults = []
    expected = set()
    for path in chapter_paths(root, wanted):
        chapter = read_chapter(path)
        for edition in EDITIONS:
            target = notebook_path(root, path, edition)
            expected.add(target)
            name = target.relative_to(root).as_posix()
            if not target.exists():
                faults.append(f"{name}: is missing; run `make build`.")
                continue
            faults += _stale(target, name, edition_notebook(chapter, edition))
            faults += lint_file(target, name)
    for path in [] if wanted else sorted((root / "notebooks").rglob("*.ipynb")):
        if path not in expected and ".ipynb_checkpoints" not in path.parts:
            faults.append(f"{path.relative_to(root).as_posix()}: belongs to no chapter; delete it.")
    return faults


def _stale(target: Path, name: str, fresh: NotebookNode) -> list[str]:
    try:
        stored = nbformat.read(target, as_version=nbformat.NO_CONVERT)
    except Exception:  # the lint tells what is wrong with it
        return []
    if stored.metadata != fresh.metadata:
        return [f"{name}: the metadata are not what the builder writes; run `make build`."]
    for number, (old, new) in enumerate(zip(stored.cells, fresh.cells, strict=False), 1):
        for part in ("cell_type", "source", "id", "metadata"):
            if old.get(part) != new[part]:
                return [
                    f"{name}: cell {number}: the {part} is not the chapter's; run `make build`."
                ]
    if len(stored.cells) != len(fresh.cells):
        count = f"has {len(stored.cells)} cells and its chapter {len(fresh.cells)}"
        return [f"{name}: {count}; run `make build`."]
    return []


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Build or check; return 0 if all is well, 1 after a fault, 2 where nothing could start."""
    parser = argparse.ArgumentParser(prog="python -m tools.build_notebooks", description=__doc__)
    parser.add_argument("chapters", nargs="*", metavar="CHAPTER", help="like 02; default: all")
    parser.add_argument("--check", action="store_true", help="only check what is stored")
    parser.add_argument("--jobs", type=int, help="notebooks at a time; default: one a core")
    options = parser.parse_args(arguments)
    try:
        if options.check:
            faults = check(root, options.chapters)
            print("\n".join(faults) or "The notebooks are fresh and clean.")
            return 1 if faults else 0
        paths = chapter_paths(root, options.chapters)
        for path in paths:  # a slip in the text is told before the browser is looked for
            read_chapter(path)
        build(root, paths, options.jobs, _browser())
    except (SourceError, UsageError) as error:
        print(error, file=sys.stderr)
        return 2
    except BuildError as error:
        print(f"{error}\nThe stored notebooks of this chapter are as they were.", file=sys.stderr)
        return 1
    return 0


def _browser() -> Path:
    from tools.browser import find_browser

    try:
        browser = find_browser()
    except ValueError as error:
        raise UsageError(str(error)) from None
    if not browser:
        raise UsageError("The pictures need a browser: install Chromium or Chrome and try again.")
    return browser


if __name__ == "__main__":
    sys.exit(main())
