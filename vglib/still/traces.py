"""The traces of a panel's still: each is drawn in two parts, one cut off at the edges, one not."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import ArrayLike

from vglib.figures import Tree
from vglib.still import ink
from vglib.still.axes import Axis

_WORDS = 12


def extent(trace: Tree, key: str) -> ArrayLike:
    """Return what a trace asks of an axis; a table asks for its outer edges."""
    if trace.get("type") != "heatmap":
        return trace[key]
    places = _places(trace, key)
    return places if places.dtype.kind in "OU" else _edges(places.astype(float))


def _places(trace: Tree, key: str) -> np.ndarray:
    count = np.shape(trace["z"])["yx".index(key)]
    return np.asarray(trace.get(key, np.arange(count)))


def _edges(middles: np.ndarray) -> np.ndarray:
    between = (middles[1:] + middles[:-1]) / 2
    if not len(between):
        return np.array([middles[0] - 0.5, middles[0] + 0.5])
    return np.array([2 * middles[0] - between[0], *between, 2 * middles[-1] - between[-1]])


def _scatter(trace: Tree, x: Axis, y: Axis, _: Tree) -> tuple[str, str]:
    across, up, mode = x.pixels(trace["x"]), y.pixels(trace["y"]), trace.get("mode", "lines")
    line = ink.stroke(trace, ink.polyline(across, up)) if "lines" in mode else ""
    (left, right), (top, bottom) = sorted((x.low, x.high)), sorted((y.low, y.high))
    over = []
    for i, (a, b) in enumerate(zip(across, up, strict=True)):
        if not (left - 1 <= a <= right + 1 and top - 1 <= b <= bottom + 1):
            continue
        if "markers" in mode:
            over.append(ink.point(trace, a, b, i))
        if "text" in mode:
            over.append(_words(trace, a, b, i))
    return line, "".join(over)


def _words(trace: Tree, x: float, y: float, index: int) -> str:
    place = str(trace.get("textposition", "middle center"))
    dy = {"top": -8, "bottom": 18}.get(place.split()[0], 5)
    # plotly names the side of the point that the text is on.
    anchor = {"left": "end", "right": "start"}.get(place.split()[-1], "middle")
    words = trace["text"][index] if not isinstance(trace["text"], str) else trace["text"]
    return ink.text(str(words), x, y + dy, anchor, _WORDS + 1)


def _bar(trace: Tree, x: Axis, y: Axis, _: Tree) -> tuple[str, str]:
    places, width = np.asarray(trace["x"], float), trace.get("width", 0.8)
    base = trace.get("base", 0.0)
    left, right = x.pixels(places - width / 2), x.pixels(places + width / 2)
    low, high = y.pixels(np.full(len(places), base)), y.pixels(base + np.asarray(trace["y"]))
    faint = trace.get("marker", {}).get("opacity", 1)
    return "".join(
        f'<rect x="{a:.1f}" y="{min(d, c):.1f}" width="{b - a:.1f}" height="{abs(c - d):.1f}" '
        f'fill="{ink.color(trace, i)}" opacity="{faint}"/>'
        for i, (a, b, c, d) in enumerate(zip(left, right, low, high, strict=True))
    ), ""


def _heat(trace: Tree, x: Axis, y: Axis, layout: Tree) -> tuple[str, str]:
    """Draw a table as a picture of the panel's own pixels, each in the colour of its field."""
    shared = layout.get(trace.get("coloraxis", ""), {})
    low, high = (shared.get(f"c{end}", trace.get(f"z{end}")) for end in ("min", "max"))
    scale = shared.get("colorscale", trace.get("colorscale"))
    z = np.asarray(trace["z"], dtype=float)
    middles = x.pixels(_places(trace, "x")), y.pixels(_places(trace, "y"))
    spans, fields = [], []
    for middle in middles:
        edges = _edges(middle)
        first, last = sorted((edges[0], edges[-1]))
        pixels = np.arange(max(1, round(last - first))) + first + 0.5
        # Each pixel's field: the edges rise or fall.
        order = np.searchsorted(np.sort(edges), pixels) - 1
        order = np.clip(order, 0, len(middle) - 1)
        fields.append(order if edges[-1] >= edges[0] else len(middle) - 1 - order)
        spans.append((first, last - first))
    picture = ink.raster(z[np.ix_(fields[1], fields[0])], low, high, scale)
    (left, wide), (top, tall) = spans
    faint = f' opacity="{trace["opacity"]}"' if "opacity" in trace else ""
    box = f'x="{left:.1f}" y="{top:.1f}" width="{wide:.1f}" height="{tall:.1f}"'
    drawn = f'<image {box} preserveAspectRatio="none" href="{picture}"{faint}/>'
    numbers = _numbers(trace, z, middles, ink.shades(scale)[ink.levels(z, low, high)])
    return drawn, "".join([*numbers, *_color_bar(shared, x, y)])


def _numbers(
    trace: Tree, z: np.ndarray, middles: tuple[np.ndarray, np.ndarray], under: np.ndarray
) -> Iterator[str]:
    """Write each number into its field, dark on what is light."""
    if "texttemplate" not in trace:
        return
    digits = trace["texttemplate"].split(":")[-1].rstrip("}")
    for row, column in zip(*np.nonzero(np.isfinite(z)), strict=True):
        light = under[row, column] @ (0.3, 0.6, 0.1) > 140
        here = middles[0][column], middles[1][row] + 4
        number = f"{z[row, column]:{digits}}"
        yield ink.text(number, *here, "middle", _WORDS, "#1f1f1f" if light else "#ffffff")


def _color_bar(shared: Tree, x: Axis, y: Axis) -> Iterator[str]:
    if not shared:
        return
    low, high = shared["cmin"], shared["cmax"]
    column = np.linspace(high, low, 64)[:, None]
    box = f'x="{x.high + 10:.1f}" y="{y.high:.1f}" width="10" height="{y.low - y.high:.1f}"'
    source = ink.raster(column, low, high, shared["colorscale"])
    yield f'<image {box} preserveAspectRatio="none" href="{source}"/>'
    for value in shared["colorbar"]["tickvals"]:
        up = y.low + (value - low) / (high - low) * (y.high - y.low)
        yield ink.text(f"{value:g}", x.high + 24, up + 4, "start", _WORDS)


def _contour(trace: Tree, x: Axis, y: Axis, _: Tree) -> tuple[str, str]:
    """Draw the line at one height, a straight piece through each field that it crosses."""
    z = np.asarray(trace["z"], dtype=float) - trace["contours"]["start"]
    across, up = x.pixels(trace["x"]), y.pixels(trace["y"])
    pieces = []
    for i, j in np.ndindex(z.shape[0] - 1, z.shape[1] - 1):
        corners = [(i, j), (i, j + 1), (i + 1, j + 1), (i + 1, j)]
        crossed = []
        for one, other in zip(corners, corners[1:] + corners[:1], strict=True):
            if (z[one] < 0) != (z[other] < 0):
                share = z[one] / (z[one] - z[other])
                a, b = ((across[c], up[r]) for r, c in (one, other))
                crossed.append([p + share * (q - p) for p, q in zip(a, b, strict=True)])
        for (a, b), (c, d) in zip(crossed[::2], crossed[1::2], strict=True):
            pieces.append(f"M{a:.1f} {b:.1f}L{c:.1f} {d:.1f}")
    return ink.stroke(trace, "".join(pieces)), ""


TRACES: dict[str, Callable[[Tree, Axis, Axis, Tree], tuple[str, str]]] = {
    "scatter": _scatter,
    "bar": _bar,
    "heatmap": _heat,
    "contour": _contour,
}
