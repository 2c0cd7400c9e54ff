"""The figure on the page: all that touches the insides of plotly, anywidget and ipywidgets."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from math import isfinite
from pathlib import Path
from typing import Any

import anywidget
import comm
import ipywidgets as widgets
import numpy as np
import traitlets
from plotly.offline import get_plotlyjs

from vglib.figures import Drawing, template
from vglib.jupyter.kernel import page_asks, request

HERE = Path(__file__).parent
LAYOUT = -1
# A trace's place, or LAYOUT; the path of a property; its new value, None for none.
Change = tuple[int, str, Any]


class Plotly(anywidget.AnyWidget):
    """plotly's JavaScript, five megabytes, for all figures of a page."""

    source = traitlets.Unicode().tag(sync=True)
    _esm = "export default {}"  # anywidget takes a widget's module and style from these two names


@lru_cache(maxsize=2)
def plotly(for_a_page: bool) -> Plotly:
    """Return the one widget that holds plotly, for pages, or for those who have none."""
    return Plotly(source=get_plotlyjs())


class Page(anywidget.AnyWidget):
    """What the page round a lab is told: its keys, its sliders' names, that its kernel is gone."""

    _esm = (HERE / "page.js").read_text(encoding="utf-8")
    _css = (HERE / "page.css").read_text(encoding="utf-8")


class Figure(anywidget.AnyWidget):
    """A drawing on the page with its words; `show` sends what differs from the last, and no more.

    The trait `state` is the whole of it, as it is at the moment when a page asks: a page that is
    loaded anew, or that has missed a message, since each has its number.
    """

    _esm = (HERE / "figure.js").read_text(encoding="utf-8")
    plotly = traitlets.Unicode().tag(sync=True)
    templates = traitlets.Dict().tag(sync=True)
    state = traitlets.Dict().tag(sync=True, to_json=lambda _, figure: figure.whole())

    def __init__(self, drawing: Drawing, verdict: str) -> None:
        self.drawing, self.number = drawing, 0
        self.words: dict[str, Any] = {"verdict": verdict, "error": "", "busy": False}
        themes = {"light": template(), "dark": template(dark=True)}
        super().__init__(plotly=plotly(page_asks()).model_id, templates=themes)
        self.on_msg(self._answer)

    def whole(self) -> dict[str, Any]:
        """Return the state as the page takes it."""
        numbers = Numbers()
        tree = numbers.pack({"data": list(self.drawing.data), "layout": self.drawing.layout})
        words = dict(self.words)
        return {"tree": tree, "bytes": numbers.bytes(), "number": self.number, "words": words}

    def show(self, drawing: Drawing, verdict: str, *, busy: bool = False) -> None:
        """Show a drawing with the sentence that goes with it; `busy` where more will follow."""
        before, self.drawing = self.drawing, drawing
        self._say(changes(before, drawing), verdict=verdict, error="", busy=busy)

    def complain(self, error: str) -> None:
        """Show one line that says what went wrong, over the figure as it is."""
        self._say([], error=error, busy=False)

    def resend(self) -> None:
        """Send the whole once more, as the first page to show it may have missed a change."""
        if self.number:
            self.send_state("state")

    def _say(self, changed: list[Change] | None, **words: Any) -> None:
        self.words |= words
        self.number += 1
        if changed is None:
            self.send_state("state")
            return
        numbers = Numbers()
        message = {"number": self.number, "words": dict(self.words)}
        message["changes"] = [[target, path, numbers.pack(new)] for target, path, new in changed]
        self.send(message, buffers=[numbers.bytes()])

    def _answer(self, _: Any, message: Mapping[str, Any], buffers: Any) -> None:
        if message.get("ask") == "state":
            self.send_state("state")


def changes(old: Drawing, new: Drawing) -> list[Change] | None:
    """Return what differs between two drawings; None where they have not the same traces."""
    if [t["type"] for t in old.data] != [t["type"] for t in new.data]:
        return None
    pairs = [*enumerate(zip(old.data, new.data, strict=True)), (LAYOUT, (old.layout, new.layout))]
    found = []
    for place, (one, other) in pairs:
        before, after = dict(_leaves(one)), dict(_leaves(other))
        for path in [*before, *(p for p in after if p not in before)]:
            if not _same(before.get(path), after.get(path)):
                found.append((place, path, after.get(path)))
    return found


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        numeric = one.dtype.kind == "f" and other.dtype.kind == "f"
        return one.shape == other.shape and np.array_equal(one, other, equal_nan=numeric)
    return type(one) is type(other) and one == other


class Numbers:
    """The arrays of a description in one block of float64; each leaves its place and its shape."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._length = 0

    def pack(self, value: Any) -> Any:
        """Return a value as JSON takes it, with its arrays of numbers put into the block."""
        if isinstance(value, np.ndarray) and value.dtype.kind in "fiub" and value.ndim:
            part = np.ascontiguousarray(value, dtype="<f8")
            place = [self._length, list(part.shape)]
            self._parts.append(part.tobytes())
            self._length += part.size
            return {"numbers": place}
        if isinstance(value, np.ndarray | np.generic):
            return self.pack(value.tolist())
        if isinstance(value, Mapping):
            return {key: self.pack(part) for key, part in value.items()}
        if isinstance(value, Sequence) and not isinstance(value, str):
            return [self.pack(part) for part in value]
        # JSON knows no nan.
        return None if isinstance(value, float) and not isfinite(value) else value

    def bytes(self) -> memoryview:
        """Return the block."""
        return memoryview(b"".join(self._parts))


def close(box: widgets.Widget) -> None:
    """Close a widget, what it holds and what they look like; ipywidgets closes the outermost."""
    for child in getattr(box, "children", ()):
        close(child)
    for part in ("layout", "style"):
        if (look := getattr(box, part, None)) is not None:
            look.close()
    box.close()


@contextmanager
def on_page() -> Iterator[None]:
    """Make widgets of which the page hears that waits for them, and nobody where none does."""
    usual = comm.create_comm
    if not page_asks():
        comm.create_comm = comm.DummyComm
    try:
        yield
    finally:
        comm.create_comm = usual


def heard(widget: widgets.Widget) -> bool:
    """Return whether a page knows the widget."""
    return widget.comm is not None and not isinstance(widget.comm, comm.DummyComm)


@lru_cache(maxsize=1)
def _by_cell() -> dict[str, tuple[str, list[widgets.Widget]]]:
    return {}


def replace_earlier(*made: widgets.Widget) -> None:
    """Close what the same cell made when it was run before; JupyterLab names the cell it runs."""
    asked = request()
    cell = asked.get("metadata", {}).get("cellId")
    run = asked.get("header", {}).get("msg_id", "")
    if cell is None:
        return
    kept = _by_cell()
    if cell in kept and kept[cell][0] != run:
        for old in kept.pop(cell)[1]:
            close(old)
    kept.setdefault(cell, (run, []))[1].extend(made)
