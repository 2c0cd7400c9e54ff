"""Find what must not stand in a published notebook."""

import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from tools.source import KNOWN_TAGS, LOCKED, MAX_CODE_LINES, is_check

MAX_BYTES = 1_000_000
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
PLOTLY = "application/vnd.plotly.v1+json"

# An absolute or home path, a Windows drive, or an installed package's folder; a URL, a fraction
# and a closing html tag are none of these.
_PATH = re.compile(r"(?<![\w./<])~?/(?:[\w.-]+/)+[\w.-]*|(?<!\w)~/\w|\b[A-Z]:\\|site-packages")
ANSI = re.compile(r"\x1b\[[0-9;]*m")
_ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]{6,}")


def lint_file(path: Path, name: str) -> list[str]:
    """Return one line for each fault of a stored notebook, opening with the given name."""
    faults = []
    if path.stat().st_size > MAX_BYTES:
        size = path.stat().st_size / 1e6
        faults.append(f"{name}: the file has {size:.1f} MB, and {MAX_BYTES / 1e6:g} is the most.")
    try:
        notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    except Exception as error:  # nbformat raises half a dozen kinds
        return [*faults, f"{name}: is not a notebook that can be read ({_first_line(error)})."]
    return faults + lint(notebook, name)


def lint(notebook: NotebookNode, name: str) -> list[str]:
    """Return one line for each fault of a notebook, opening with the given name."""
    faults = []
    try:
        nbformat.validate(notebook)
    except nbformat.ValidationError as error:
        faults.append(f"{name}: is not a valid notebook ({_first_line(error)}).")
    if "widgets" in notebook.metadata:
        faults.append(f"{name}: the metadata hold the state of widgets.")
    count = 0
    for number, cell in enumerate(notebook.cells, 1):
        found = list(_cell_faults(cell))
        if cell.cell_type == "code":
            count += 1
            if cell.execution_count != count:
                found.insert(0, f"the execution count is {cell.execution_count}, not {count}.")
        faults += [f"{name}: cell {number}: {fault}" for fault in found]
    return faults


def _cell_faults(cell: NotebookNode) -> Iterator[str]:
    tags = cell.metadata.get("tags", [])
    for tag in tags:
        if tag not in KNOWN_TAGS:
            yield f"the tag '{tag}' is not known."
    locked = {key: cell.metadata[key] for key in LOCKED if key in cell.metadata}
    if locked != (LOCKED if is_check(cell.metadata) else {}):
        yield "a cell is locked (editable and deletable are false) where it checks, and only there."
    if cell.cell_type != "code":
        return
    length = cell.source.count("\n") + 1
    if length > MAX_CODE_LINES:
        yield f"the code has {length} lines, and {MAX_CODE_LINES} is the most."
    for output in cell.outputs:
        yield from _output_faults(output, "raises-exception" in tags)


def _output_faults(output: NotebookNode, may_raise: bool) -> Iterator[str]:
    if output.output_type == "error" and not may_raise:
        yield f"the output is an error ({output.ename}: {output.evalue})."
    if output.get("name") == "stderr":
        yield f"the cell writes to stderr: {_first_line(output.text)}"
    data = output.get("data", {})
    if WIDGET_VIEW in data:
        yield "the output holds the view of a widget."
    if PLOTLY in data:
        yield "the output holds a plotly figure instead of a picture."
    if "data" in output and not data:
        yield "the output is neither text nor a picture, so nothing of it can be stored."
    text = ANSI.sub("", "\n".join(_texts(output)))
    if path := _PATH.search(text):
        yield f"the output names a path of one machine ({path[0]})."
    if address := _ADDRESS.search(text):
        yield f"the output names a memory address ({address[0]}), which differs in every run."


def _texts(output: NotebookNode) -> Iterator[str]:
    yield output.get("text", "")
    yield output.get("evalue", "")
    yield from output.get("traceback", [])
    for mime, value in output.get("data", {}).items():
        if not mime.startswith("image/") and isinstance(value, str):
            yield value


def _first_line(text: object) -> str:
    return next(iter(str(text).strip().splitlines()), "")
