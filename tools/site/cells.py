"""A notebook's cells as HTML: text, code, what it printed, labs and exercises."""

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from types import ModuleType

from nbformat import NotebookNode
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from tools import markdown
from tools.site.answers import asked, form
from tools.source import REMARK, is_check

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_HEADING = re.compile(r"<h([23])>(.*?)</h\1>", re.DOTALL)
_TABLE = re.compile(r"<table\b.*?</table>", re.DOTALL)
_TAG = re.compile(r"<[^>]*>")
_PREDICTION = '<label class="prediction">Your prediction <textarea rows="2"></textarea></label>'
_SCRIPT = re.compile(r"<script|\son\w+=|javascript:", re.IGNORECASE)


@dataclass(frozen=True)
class Part:
    """A piece of a page: its HTML, and of a lab the function that makes it."""

    html: str
    lab: str = ""


def parts(
    cells: Sequence[NotebookNode],
    labs: ModuleType | None,
    check: ModuleType | None,
    *,
    solutions: bool = False,
) -> Iterator[Part]:
    """Give a notebook's cells as HTML, in order; `labs` and `check` are its chapter's modules.

    A lab becomes a place with its still, which the page fills; an exercise that a page can judge
    becomes a form; what is for the lecturer is folded, and so are `solutions`, where these are
    what the exercises hold. Raises ValueError for a lab that the chapter has not.
    """
    for number, cell in enumerate(cells):
        tags = cell.metadata.get("tags", [])
        if cell.cell_type == "markdown":
            notes = cell.metadata.get("slideshow", {}).get("slide_type") == "notes"
            yield Part(_notes(cell.source) if notes else markdown.html(cell.source))
        elif "lab" in tags:
            yield _lab(cell, labs)
        elif "exercise" in tags:
            yield Part(_exercise(cell, cells[number + 1 :][:1], check, solutions))
        elif is_check(cell.metadata) and (exercises := asked(cell.source, check)):
            forms = (form(one, f"answer-{number}-{i}") for i, one in enumerate(exercises))
            yield Part("".join(forms))
        elif "setup" in tags:
            yield Part(_folded("setup", "What this chapter imports", code(cell.source)))
        else:
            yield Part(code(cell.source) + _outputs(cell))


def with_ids(html: str) -> tuple[str, list[tuple[int, str, str]]]:
    """Give each heading an id; return the HTML, and (level, id, HTML) of each."""
    found: list[tuple[int, str, str]] = []

    def name(heading: re.Match[str]) -> str:
        words = re.findall(r"\w+", _TAG.sub("", heading[2]).lower())
        slug = "-".join(words) or "section"
        slug += f"-{len(found)}" if slug in {taken for _, taken, _ in found} else ""
        found.append((int(heading[1]), slug, heading[2]))
        return f'<h{heading[1]} id="{slug}">{heading[2]}</h{heading[1]}>'

    return _HEADING.sub(name, html), found


def with_room(html: str) -> str:
    """Put each table into a box of its own that can be moved sideways where it is too wide."""
    return _TABLE.sub(lambda table: f'<div class="scroll">{table[0]}</div>', html)


def code(source: str) -> str:
    """Return Python with its words marked by what they are."""
    return highlight(source, PythonLexer(), HtmlFormatter(cssclass="code", wrapcode=True))


def _folded(kind: str, summary: str, html: str) -> str:
    return f'<details class="{kind}"><summary>{summary}</summary>{html}</details>'


def _notes(source: str) -> str:
    said = re.sub(r"^> ?", "", source, flags=re.MULTILINE).removeprefix(REMARK)
    return _folded("notes", "For the lecturer", markdown.html(said))


def _exercise(
    cell: NotebookNode, after: Sequence[NotebookNode], check: ModuleType | None, solutions: bool
) -> str:
    """Return a solution, a place for a prediction that nobody judges, or the stub of a function.

    Where the cell after it asks on the page, that is enough.
    """
    if solutions:
        return _folded("solution", "Solution", code(cell.source))
    judged = any(is_check(checks.metadata) for checks in after)
    if not judged and "predict" in cell.metadata.get("tags", []):
        return _PREDICTION
    on_page = judged and any(asked(checks.source, check) for checks in after)
    return "" if on_page else code(cell.source)


def _lab(cell: NotebookNode, labs: ModuleType | None) -> Part:
    call = ast.parse(cell.source).body[-1]
    name, preset = "", ""
    for node in ast.walk(call):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "labs":
            name = node.attr
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "preset":
            preset = ast.literal_eval(node.args[0])
    if not hasattr(labs, name):
        raise ValueError(f"`{cell.source}` names no lab of its chapter.")
    still = "".join(_picture(output) for output in cell.outputs if "data" in output)
    opening = f' data-preset="{escape(preset)}"' if preset else ""
    group = f'role="group" aria-label="{name.replace("_", " ")}"'
    return Part(f'<div class="lab" {group} data-lab="{name}"{opening}>{still}</div>', name)


def _outputs(cell: NotebookNode) -> str:
    return "".join(map(_output, cell.outputs))


def _output(output: NotebookNode) -> str:
    if output.output_type == "stream":
        return _printed(output.text)
    if output.output_type == "error":
        return _printed("\n".join(output.traceback))
    data = output.data
    if "image/png" in data:
        return _picture(output)
    if "text/html" in data and not _SCRIPT.search(data["text/html"]):
        return f'<div class="shown">{data["text/html"]}</div>'
    if "text/markdown" in data:
        return f'<div class="shown">{markdown.html(data["text/markdown"])}</div>'
    return _printed(data.get("text/plain", ""))


def _printed(text: str) -> str:
    return f'<pre class="printed">{escape(_ANSI.sub("", text).rstrip())}</pre>' if text else ""


def _picture(output: NotebookNode) -> str:
    # Its text is `Lab(values): verdict`.
    says = output.data.get("text/plain", "")
    source = "".join(output.data["image/png"].split())
    return f'<img class="still" alt="{escape(says)}" src="data:image/png;base64,{source}">'
