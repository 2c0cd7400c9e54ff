"""A figure as SVG text: it stands in a page of its own, without scripts, libraries or a network.

Ink is the page's own colour, so that it can be read on light and on dark; the panels are those of
`Drawing.layout`, the traces lines and markers.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape, unescape
from math import ceil, floor, log10
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from vglib.figures import Drawing

WIDTH = 860
# Pixels: the size of letters, a line of the legend, and a letter's width on average.
_SMALL, _SIZE, _TITLE, _LINE, _LETTER = 13, 14, 16, 24, 7.4
_DASHES = {"dash": "8 5", "dot": "2 4", "dashdot": "8 4 2 4", "longdash": "14 6"}
_SHAPES = {
    "x": ("M-3.5-3.5 3.5 3.5M-3.5 3.5 3.5-3.5", "none"),
    "square": ("M-3.5-3.5H3.5V3.5H-3.5Z", ""),
    "diamond": ("M0-4.5 4.5 0 0 4.5-4.5 0Z", ""),
    "circle": ("M-3.5 0A3.5 3.5 0 1 1 3.5 0A3.5 3.5 0 1 1-3.5 0", ""),
}


def svg(drawing: Drawing, title: str) -> str:
    """Return a drawing of scatter traces as SVG text; `title` is a sentence for who cannot see it.

    Raises ValueError for traces of another type and for a logarithmic x axis.
    """
    axes = {k.removeprefix("xaxis"): v for k, v in drawing.layout.items() if k.startswith("xaxis")}
    others = {trace.get("type", "scatter") for trace in drawing.data} - {"scatter"}
    others |= {"a logarithmic x axis" for axis in axes.values() if axis.get("type") == "log"}
    if others:
        said = f"An SVG is drawn of scatter traces alone, and here is {', '.join(sorted(others))}"
        raise ValueError(f"{said}; use figure().")
    legend, rows = _legend([t for t in drawing.data if t.get("showlegend")])
    height = drawing.layout["height"] + _LINE * max(0, rows - 1)
    parts = [part for suffix in axes for part in _panel(drawing, suffix)]
    below = _at(_margin(drawing, "l"), height - _LINE * rows + 4)
    parts.append(f"<g {below}>{''.join(legend)}</g>")
    style = f"width:100%;max-width:{WIDTH}px;height:auto;color:inherit"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img"'
    font = f'font-family="Helvetica,Arial,sans-serif" font-size="{_SIZE}" fill="currentColor"'
    return f'{head} aria-label="{escape(title)}" style="{style}" {font}>{"".join(parts)}</svg>'


def _margin(drawing: Drawing, side: str) -> float:
    return float(drawing.layout.get("margin", {}).get(side, 40))


class _Axis:
    """One axis: from values to pixels, and where its ticks are."""

    def __init__(self, spec: Mapping[str, Any], low: float, high: float, data: np.ndarray) -> None:
        self.spec, self.low, self.high = spec, low, high
        data = data[np.isfinite(data)]
        ends = (data.min(), data.max()) if len(data) else (-1.0, 1.0)
        self.start, self.end = map(float, spec.get("range", ends))
        self.end += self.start == self.end

    def pixels(self, values: ArrayLike) -> np.ndarray:
        """Return where values are; nan stays nan."""
        share = (np.asarray(values, dtype=float) - self.start) / (self.end - self.start)
        return self.low + share * (self.high - self.low)

    def ticks(self) -> Iterator[tuple[float, str]]:
        """Yield the pixel and the text, perhaps with <sup>, of each tick."""
        spec = self.spec
        if "tickvals" in spec:
            marks = [float(v) for v in spec["tickvals"]]
            texts = [str(t) for t in spec.get("ticktext", [f"{v:g}" for v in marks])]
        else:
            step = float(spec.get("dtick") or _step((self.end - self.start) / 5))
            first = float(spec.get("tick0") or 0.0)
            ends = ceil((self.start - first) / step - 1e-9), (self.end - first) / step + 1e-9
            marks = [first + n * step for n in range(ends[0], floor(ends[1]) + 1)]
            before, after = spec.get("tickprefix", ""), spec.get("ticksuffix", "")
            # Adding 0.0 makes 0 of -0.
            texts = [f"{before}{round(v, 9) + 0.0:g}{after}" for v in marks]
        low, high = sorted((self.low, self.high))
        for place, text in zip(self.pixels(marks), texts, strict=False):
            if low - 0.5 <= place <= high + 0.5:
                yield float(place), text


def _step(size: float) -> float:
    base = 10.0 ** floor(log10(size))
    return next(m * base for m in (1, 2, 5, 10) if m * base >= size * (1 - 1e-9))


def _panel(drawing: Drawing, suffix: str) -> Iterator[str]:
    """Draw one pair of axes: grid, ticks and titles, lines, and markers above them."""
    layout = drawing.layout
    inside = [t for t in drawing.data if t.get("xaxis", "x") == "x" + suffix]
    left, top = _margin(drawing, "l"), _margin(drawing, "t")
    wide = WIDTH - left - _margin(drawing, "r")
    tall = layout["height"] - top - _margin(drawing, "b")
    specs = [layout[f"{name}axis{suffix}"] for name in "xy"]
    (x0, x1), (y0, y1) = (spec.get("domain", (0, 1)) for spec in specs)
    values = [np.concatenate([[], *(np.asarray(t[k], float) for t in inside)]) for k in "xy"]
    x = _Axis(specs[0], left + x0 * wide, left + x1 * wide, values[0])
    y = _Axis(specs[1], top + (1 - y0) * tall, top + (1 - y1) * tall, values[1])
    across, down = f"M{x.low:.1f} {{:.1f}}H{x.high:.1f}", f"M{{:.1f}} {y.high:.1f}V{y.low:.1f}"
    grid = "".join(across.format(at) for at, _ in y.ticks())
    yield f'<path d="{grid}" stroke="currentColor" stroke-opacity=".15" fill="none"/>'
    edges = down.format(x.low) + across.format(y.low)
    edges += "".join(f"M{at:.1f} {y.low:.1f}v5" for at, _ in x.ticks())
    edges += "".join(f"M{x.low:.1f} {at:.1f}h-5" for at, _ in y.ticks())
    yield f'<path d="{edges}" stroke="currentColor" fill="none"/>'
    yield from (_text(t, at, y.low + 20, "middle", _SMALL) for at, t in x.ticks())
    yield from (_text(t, x.low - 9, at + 5, "end", _SMALL) for at, t in y.ticks())
    words = specs[0].get("title", {}).get("text", "")
    yield _text(words, (x.low + x.high) / 2, y.low + 42, "middle", _SIZE)
    for note in layout.get("annotations", ()):
        if note.get("xref") == f"x{suffix} domain":
            at = x.low + note["x"] * (x.high - x.low), y.low + note["y"] * (y.high - y.low)
            yield _text(note["text"], at[0], at[1] - note.get("yshift", 0), "start", _TITLE)
    # An inner svg cuts off what leaves the panel, and needs no name that is the page's only one.
    size = f'width="{x.high - x.low:.1f}" height="{y.low - y.high:.1f}"'
    box = f"{x.low:.1f} {y.high:.1f} {x.high - x.low:.1f} {y.low - y.high:.1f}"
    lines = "".join(_line(t, x.pixels(t["x"]), y.pixels(t["y"])) for t in inside)
    yield f'<svg x="{x.low:.1f}" y="{y.high:.1f}" {size} viewBox="{box}">{lines}</svg>'
    for trace in inside:
        yield from _markers(trace, x, y)


def _line(trace: Mapping[str, Any], x: np.ndarray, y: np.ndarray) -> str:
    """Draw a trace's line; what is not finite leaves a gap."""
    if "lines" not in trace.get("mode", "lines"):
        return ""
    path, pen = [], "M"
    for a, b in zip(x, y, strict=True):
        if np.isfinite(a) and np.isfinite(b):
            path.append(f"{pen}{a:.1f} {np.clip(b, -1e5, 1e5):.1f}")
        pen = "L" if np.isfinite(a) and np.isfinite(b) else "M"
    return _stroke(trace, "".join(path))


def _stroke(trace: Mapping[str, Any], path: str) -> str:
    line = trace.get("line", {})
    dash = _DASHES.get(line.get("dash", "solid"))
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    style = f'stroke="{_color(trace)}" stroke-width="{line.get("width", 2):g}"{dashes}'
    return f'<path d="{path}" fill="none" stroke-linejoin="round" {style}/>' if path else ""


def _color(trace: Mapping[str, Any]) -> str:
    for part in ("line", "marker"):
        if isinstance(color := trace.get(part, {}).get("color"), str):
            return escape(color)
    return "currentColor"


def _markers(trace: Mapping[str, Any], x: _Axis, y: _Axis) -> Iterator[str]:
    """Draw a trace's points, each with its name and number for a pointer that rests on it."""
    if "markers" not in trace.get("mode", "lines"):
        return
    powers = "10<sup>" in y.spec.get("tickprefix", "")
    texts, values = trace.get("text"), np.asarray(trace["y"], dtype=float)
    for i, at in enumerate(zip(x.pixels(trace["x"]), y.pixels(trace["y"]), strict=True)):
        if not (x.low - 1 <= at[0] <= x.high + 1 and y.high - 1 <= at[1] <= y.low + 1):
            continue
        number = f"10^{values[i]:.3g}" if powers else f"{values[i]:.3g}"
        name = texts[i] if isinstance(texts, Sequence) and not isinstance(texts, str) else ""
        said = ": ".join(part for part in (str(trace.get("name", "")), str(name), number) if part)
        yield _marker(trace, *at, said)


def _marker(trace: Mapping[str, Any], x: float, y: float, said: str = "") -> str:
    shape, fill = _SHAPES.get(trace.get("marker", {}).get("symbol", "circle"), _SHAPES["circle"])
    tip = f"<title>{escape(said)}</title>" if said else ""
    color = _color(trace)
    ink = f'fill="{fill or color}" stroke="{color}" stroke-width="{2 if fill else 1}"'
    return f'<path d="{shape}" {_at(x, y)} {ink}>{tip}</path>'


def _legend(traces: Sequence[Mapping[str, Any]]) -> tuple[list[str], int]:
    """Set the names of traces side by side, in as many rows as they need."""
    parts, x, row = [], 0.0, 0
    for trace in traces:
        name = str(trace.get("name", ""))
        wide = 62 + _LETTER * len(name)
        if x and x + wide > WIDTH - 70:
            x, row = 0.0, row + 1
        y = _LINE * row + 8
        if "lines" in trace.get("mode", "lines"):
            parts.append(_stroke(trace, f"M{x:.0f} {y}h30"))
        if "markers" in trace.get("mode", "lines"):
            parts.append(_marker(trace, x + 15, y))
        parts.append(_text(name, x + 37, y + 5, "start", _SIZE))
        x += wide
    return parts, row + 1


def _text(words: str, x: float, y: float, anchor: str, size: int) -> str:
    """Write a line; plotly's <sup> and <sub> are raised and lowered, other tags left out."""
    pieces, away, down = [], 0, 0
    for piece in re.split(r"(</?su[bp]>)", re.sub(r"<(?!/?su[bp]>)[^>]*>", " ", words)):
        if re.fullmatch(r"</?su[bp]>", piece):
            here = {"<sup>": -5, "<sub>": 4}.get(piece, 0)
            away, down = here, down + here - away
        elif piece:
            small = f' font-size="{max(12, size - 3)}"' if away else ""
            inside = escape(unescape(piece))
            pieces.append(f'<tspan dy="{down}"{small}>{inside}</tspan>' if down else inside)
            down = 0
    head = f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}"'
    return f"{head}>{''.join(pieces)}</text>" if pieces else ""


def _at(x: float, y: float) -> str:
    return f'transform="translate({x:.1f} {y:.1f})"'
