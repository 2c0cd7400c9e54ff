"""A figure as SVG text: it stands in a page of its own, without scripts, libraries or a network.

Ink is the page's own colour, so that it can be read on light and on dark; panels and spaces are
those of `Drawing.layout`.
"""

from collections.abc import Iterator, Sequence
from html import escape

import numpy as np

from vglib.figures import Drawing, Tree
from vglib.still import ink
from vglib.still.axes import Axis
from vglib.still.ink import text
from vglib.still.space import space
from vglib.still.traces import TRACES, extent

WIDTH = 860
# Pixels: the size of letters, a line of the legend, and a letter's width on average.
_SMALL, _SIZE, _TITLE, _LINE, _LETTER = 13, 14, 16, 24, 7.4


def svg(drawing: Drawing, title: str) -> str:
    """Return a drawing as SVG text; `title` is a sentence for who cannot see it.

    Raises ValueError for a trace of a kind that no lab of the course draws.
    """
    layout = drawing.layout
    traces = [t for t in drawing.data if t.get("visible") is not False]
    flat = [t for t in traces if "scene" not in t]
    if others := {t.get("type", "scatter") for t in flat} - set(TRACES):
        raise ValueError(f"An SVG is not drawn of {', '.join(sorted(others))}; use figure().")
    shows_names = layout.get("showlegend", True)
    legend, rows = _legend([t for t in traces if shows_names and t.get("showlegend")])
    height = layout["height"] + _LINE * max(0, rows - 1)
    left = _left(layout, flat)
    room = (left, _margin(layout, "t"), WIDTH - _margin(layout, "r"), _bottom(layout))
    parts: list[str] = []
    for suffix in (k.removeprefix("xaxis") for k in layout if k.startswith("xaxis")):
        parts += _panel(
            layout, suffix, [t for t in flat if t.get("xaxis", "x") == "x" + suffix], room
        )
    for name in (k for k in layout if k.startswith("scene")):
        parts += space(layout[name], [t for t in traces if t.get("scene") == name], room)
    below = ink.at(_margin(layout, "l"), height - _LINE * rows + 4)
    parts.append(f"<g {below}>{''.join(legend)}</g>")
    style = f"width:100%;max-width:{WIDTH}px;height:auto;color:inherit"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img"'
    font = f'font-family="Helvetica,Arial,sans-serif" font-size="{_SIZE}" fill="currentColor"'
    return f'{head} aria-label="{escape(title)}" style="{style}" {font}>{"".join(parts)}</svg>'


def _margin(layout: Tree, side: str) -> float:
    return float(layout.get("margin", {}).get(side, 40))


def _bottom(layout: Tree) -> float:
    return float(layout["height"]) - _margin(layout, "b")


def _left(layout: Tree, traces: Sequence[Tree]) -> float:
    """Return the left margin, wide enough for names along a y axis."""
    names = [str(n) for t in traces for n in np.ravel(t.get("y", ())) if isinstance(n, str)]
    return max(_margin(layout, "l"), 16 + _LETTER * max(map(len, names), default=0))


def _panel(
    layout: Tree,
    suffix: str,
    traces: Sequence[Tree],
    room: tuple[float, float, float, float],
) -> Iterator[str]:
    """Draw one pair of axes: grid, ticks and titles, lines, and markers above them."""
    x, y = _axes(layout, suffix, traces, room)
    wide, tall = x.high - x.low, y.low - y.high
    # An inner svg cuts off what leaves the panel, and needs no name that is the page's only one.
    cut = f'<svg x="{x.low:.1f}" y="{y.high:.1f}" width="{wide:.1f}" height="{tall:.1f}" '
    cut += f'viewBox="{x.low:.1f} {y.high:.1f} {wide:.1f} {tall:.1f}">'
    drawn = [TRACES[t.get("type", "scatter")](t, x, y, layout) for t in traces]
    yield f"{cut}{''.join(under for under, _ in drawn)}</svg>"
    yield from _frame(x, y)
    for note in layout.get("annotations", ()):
        if note.get("xref", "").split(" ")[0] == f"x{suffix}":
            yield _note(note, x, y)
    yield from (over for _, over in drawn)


def _axes(
    layout: Tree,
    suffix: str,
    traces: Sequence[Tree],
    room: tuple[float, float, float, float],
) -> tuple[Axis, Axis]:
    left, top, right, bottom = room
    specs = layout[f"xaxis{suffix}"], layout[f"yaxis{suffix}"]
    (x0, x1), (y0, y1) = (spec.get("domain", (0, 1)) for spec in specs)
    x0, x1 = (left + share * (right - left) for share in (x0, x1))
    y0, y1 = (bottom - share * (bottom - top) for share in (y0, y1))
    xs, ys = ([extent(t, key) for t in traces] for key in "xy")
    x, y = Axis(specs[0], x0, x1, xs), Axis(specs[1], y0, y1, ys)
    if "scaleanchor" in specs[1]:
        units = abs(x.end - x.start), abs(y.end - y.start)
        one = min((x1 - x0) / units[0], (y0 - y1) / units[1])
        dx, dy = (x1 - x0 - one * units[0]) / 2, (y0 - y1 - one * units[1]) / 2
        return Axis(specs[0], x0 + dx, x1 - dx, xs), Axis(specs[1], y0 - dy, y1 + dy, ys)
    return x, y


def _frame(x: Axis, y: Axis) -> Iterator[str]:
    across, down = f"M{x.low:.1f} {{:.1f}}H{x.high:.1f}", f"M{{:.1f}} {y.high:.1f}V{y.low:.1f}"
    plain = y.spec.get("showgrid", True)
    grid = "".join(across.format(at) for at, _ in y.ticks() if plain)
    if grid:
        yield f'<path d="{grid}" stroke="currentColor" stroke-opacity=".15" fill="none"/>'
    edges = ""
    if y.spec.get("showline", True):
        edges = down.format(x.low) + across.format(y.low)
        edges += "".join(f"M{at:.1f} {y.low:.1f}v5" for at, _ in x.ticks())
        edges += "".join(f"M{x.low:.1f} {at:.1f}h-5" for at, _ in y.ticks())
        yield f'<path d="{edges}" stroke="currentColor" fill="none"/>'
    lines = 1
    for at, words in x.ticks() if x.spec.get("showticklabels", True) else ():
        parts = words.split("<br>")
        lines = max(lines, len(parts))
        yield from (text(t, at, y.low + 20 + 14 * i, "middle", _SMALL) for i, t in enumerate(parts))
    if y.spec.get("showticklabels", True):
        yield from (text(t, x.low - 9, at + 5, "end", _SMALL) for at, t in y.ticks())
    words = x.spec.get("title", {}).get("text", "")
    yield text(words, (x.low + x.high) / 2, y.low + 28 + 14 * lines, "middle", _SIZE)


def _note(note: Tree, x: Axis, y: Axis) -> str:
    """Write an annotation, placed by the panel's shares or by its values."""
    places = []
    for axis, ref, value in ((x, note["xref"], note["x"]), (y, note["yref"], note["y"])):
        share = axis.low + value * (axis.high - axis.low) if isinstance(value, int | float) else 0
        places.append(share if ref.endswith("domain") else float(axis.pixels([value])[0]))
    anchor = {"left": "start", "right": "end"}.get(note.get("xanchor", ""), "middle")
    down = 0 if note.get("yanchor") == "bottom" else 5
    font = note.get("font", {})
    size = min(int(font.get("size", _TITLE)), _TITLE)
    here = places[0] + note.get("xshift", 0), places[1] + down - note.get("yshift", 0)
    return text(note["text"], *here, anchor, size, font.get("color", ""))


def _legend(traces: Sequence[Tree]) -> tuple[list[str], int]:
    """Set the names of traces side by side, in as many rows as they need."""
    parts, x, row = [], 0.0, 0
    for trace in traces:
        name = str(trace.get("name", ""))
        wide = 62 + _LETTER * len(name)
        if x and x + wide > WIDTH - 70:
            x, row = 0.0, row + 1
        y = _LINE * row + 8
        if "lines" in trace.get("mode", "lines"):
            parts.append(ink.stroke(trace, f"M{x:.0f} {y}h30"))
        if "markers" in trace.get("mode", "lines"):
            parts.append(ink.point(trace, x + 15, y))
        parts.append(text(name, x + 37, y + 5, "start", _SIZE))
        x += wide
    return parts, row + 1
