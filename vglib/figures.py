"""Figures of the course: one theme, one palette, one vocabulary of axes.

A draw function turns a result into `panels([Panel(title, [Curve(...), ...]), ...])`. What comes out
is a `Drawing`, plotly's description of a figure in plain dicts, which a lab moves on the page.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from itertools import chain
from math import ceil, floor
from typing import Any, Literal

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike

# Okabe & Ito's colours, the darker ones lightened until they stand out from white and from black.
PALETTE = ("#2f7fc1", "#d55e00", "#009e73", "#b8629b", "#3fa7d6", "#8a8a8a")
BLUE, ORANGE, GREEN, PINK, SKY, GREY = PALETTE
DIVERGING = ((0.0, BLUE), (0.5, "#f2f2f2"), (1.0, ORANGE))
SEQUENTIAL = "Cividis"
INK = ((0.0, "#ffffff"), (1.0, "#1f1f1f"))

LAYER = "layer (1 is nearest the input)"
EPOCH = "epoch"
STEP = "step"
DELTA = "‖∂L/∂z‖"
WEIGHT_GRADIENT = "‖∂L/∂W‖"
BIAS_GRADIENT = "‖∂L/∂b‖"
SPREAD = "spread of h over the data"

# What a trace stands for: MEASURED can be held, THEORY switched off, ASIDE is neither (a mark, a
# thing drawn to read by, a number quoted), GHOST is what is held.
MEASURED, THEORY, ASIDE, GHOST = "measured", "theory", "aside", "ghost"

Scale = Literal["linear", "ln", "log"]
Tree = dict[str, Any]
Ticks = Sequence[float] | Mapping[float, str]

_LN10 = float(np.log(10.0))
# Pixels: around all panels, between two rows of them (axis title, next title), at least between
# two columns (ticks), and beside a colour bar.
_MARGIN = {"l": 60, "r": 10, "t": 44, "b": 84}
_BETWEEN_ROWS, _BETWEEN_COLUMNS, _COLOR_BAR = 95, 62, 48


@dataclass(frozen=True, eq=False)
class Curve:
    """One line of a panel; theory is dashed and without points, a measurement has them where few.

    `scale` is that of its y values where it is not the panel's; `style` holds further properties of
    plotly's trace, and `legend=False` keeps its name out of the legend.
    """

    name: str
    x: ArrayLike
    y: ArrayLike
    color: str = BLUE
    role: str = MEASURED
    mode: str | None = None
    scale: Scale | None = None
    legend: bool = True
    style: Mapping[str, Any] = field(default_factory=dict)


def theory(name: str, x: ArrayLike, y: ArrayLike, color: str = ORANGE, **options: Any) -> Curve:
    """Make a line that theory predicts."""
    return Curve(name, x, y, color, THEORY, **options)


def level(name: str, y: float, ends: Sequence[float], color: str = GREY, **options: Any) -> Curve:
    """Make a horizontal line to compare with, such as the accuracy of guessing."""
    return Curve(name, [ends[0], ends[-1]], [y, y], color, THEORY, **options)


def mark(
    name: str, x: ArrayLike, y: ArrayLike, color: str = PINK, size: int = 11, **marker: Any
) -> Curve:
    """Make a point that says where the controls stand; `marker` holds more of plotly's marker."""
    style = {"marker": {"size": size, **marker}}
    return Curve(name, np.atleast_1d(x), np.atleast_1d(y), color, ASIDE, "markers", style=style)


def histogram(
    name: str, edges: ArrayLike, heights: ArrayLike, color: str = BLUE, **options: Any
) -> Curve:
    """Make the outline of a histogram; `edges` has one entry more than `heights`."""
    outline = np.concatenate([[0.0], np.repeat(np.asarray(heights, dtype=float), 2), [0.0]])
    return Curve(name, np.repeat(np.asarray(edges), 2), outline, color, mode="lines", **options)


@dataclass(frozen=True, eq=False)
class Heat:
    """A table of numbers as colours, from `low` to `high`; an entry that is nan stays blank.

    `x`, `y` place its columns and rows, by numbers or names. `bar` are the ticks of a colour bar,
    none without; `digits`, such as ".0f", writes each number into its field; `style` holds further
    properties of plotly's trace.
    """

    z: ArrayLike
    low: float
    high: float
    x: ArrayLike | None = None
    y: ArrayLike | None = None
    colors: Any = SEQUENTIAL
    bar: Sequence[float] = ()
    digits: str = ""
    hover: str = "%{z:.3g}"
    style: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Panel:
    """One pair of axes with its curves; `title` says what the y axis shows, with its unit.

    `content` holds curves, `Heat`s, and whatever else plotly draws, as dicts. With scale "ln" the y
    values are natural logarithms and with "log" plain numbers, and the axis reads in powers of ten,
    which also shows what float64 cannot hold; there a cross on the floor of the panel stands for a
    value that is exactly 0, and `y_range` is in decimal exponents. `x_range` and `y_range` are
    rounded out from the data unless given; with `clip` a value beyond them is drawn at the edge.
    `x_ticks`, `y_ticks`: where the ticks are, perhaps with a text each. `square`: a unit is as long
    on both axes. `x_axis`, `y_axis`: further properties of plotly's axes; `notes` its annotations,
    placed by the panel's axes.
    """

    title: str
    content: Sequence[Curve | Heat | Mapping[str, Any]]
    x_title: str = LAYER
    scale: Scale = "linear"
    x_log: bool = False
    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float] | None = None
    clip: bool = False
    x_ticks: Ticks | None = None
    y_ticks: Ticks | None = None
    square: bool = False
    x_axis: Mapping[str, Any] = field(default_factory=dict)
    y_axis: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[Mapping[str, Any]] = ()

    @property
    def powers(self) -> bool:
        """Whether the axis reads in powers of ten."""
        return self.scale != "linear"


@dataclass(frozen=True, eq=False)
class Space:
    """A box with three axes; `content` holds plotly's 3-D traces as dicts.

    `axes` are plotly's axes x, y and z: a title and perhaps a range each; `camera` and `aspect` say
    from where it is seen, and its proportions.
    """

    content: Sequence[Mapping[str, Any]]
    axes: tuple[Mapping[str, Any], Mapping[str, Any], Mapping[str, Any]]
    camera: Mapping[str, Any]
    aspect: tuple[float, float, float]


Content = Sequence[Panel | Space]
Shares = Sequence[float] | None


def space_axis(title: str, low: float, high: float, **more: Any) -> Tree:
    """Make one axis of a `Space`."""
    return {"title": {"text": title}, "range": [low, high], "tickfont": {"size": 12}, **more}


@dataclass(frozen=True, eq=False)
class Drawing:
    """plotly's description of a figure: its traces and its layout, in plain dicts, no theme yet.

    `layout["meta"]` holds the other arrangements of the panels, for a page that is too narrow.
    """

    data: Sequence[Tree]
    layout: Tree

    def figure(self, dark: bool = False) -> go.Figure:
        """Return a figure in the course's theme, each property checked by plotly."""
        return go.Figure(list(self.data), {**self.layout, "template": template(dark)})


def template(dark: bool = False) -> Tree:
    """Return the light or the dark theme as plotly's template."""
    light, night = ("#1f1f1f", "#ffffff", "#dcdcdc"), ("#e6e6e6", "#111111", "#3a3a3a")
    ink, paper, grid = night if dark else light
    edges = {"gridcolor": grid, "zerolinecolor": grid, "linecolor": ink, "tickcolor": ink}
    axis = {
        **edges,
        "ticks": "outside",
        "showline": True,
        "automargin": True,
        "title": {"font": {"size": 17}, "standoff": 8},
        # Looking for labels that would overlap takes plotly a fifth of every repaint.
        "ticklabeloverflow": "allow",
    }
    in_space = {"gridcolor": grid, "color": ink, "backgroundcolor": paper, "showbackground": True}
    layout = {
        "font": {"size": 15, "color": ink, "family": "Helvetica, Arial, sans-serif"},
        "paper_bgcolor": paper,
        "plot_bgcolor": paper,
        "colorway": list(PALETTE),
        "xaxis": axis,
        "yaxis": axis,
        "scene": {"xaxis": in_space, "yaxis": in_space, "zaxis": in_space},
        "hoverlabel": {"font": {"size": 14}},
        "legend": {"font": {"size": 15}, "bgcolor": "rgba(0,0,0,0)"},
    }
    return {"layout": layout}


def panels(
    content: Content,
    *,
    height: int = 420,
    columns: int | None = None,
    shares: Shares = None,
    legend: bool = True,
) -> Drawing:
    """Draw panels side by side (or in rows of `columns`), one legend below them.

    `shares` are the widths of one row's panels, in proportion. Curves of one name share one entry
    of the legend, which names no curve without data. The number of traces depends on the panels
    and what they hold alone, never on the data.
    """
    columns = columns or len(content)
    places, named = _places(content), set[str]()
    axes, data, notes = Tree(), list[Tree](), list[Tree]()
    for panel, place in zip(content, places, strict=True):
        if isinstance(panel, Space):
            axes[place] = _scene(panel)
            data += [{**trace, "scene": place} for trace in panel.content]
            continue
        curves = _on_axis(panel)
        axes |= _axes(panel, place, curves)
        plain = {"xref": f"x{place}", "yref": f"y{place}", "showarrow": False}
        notes += [_title(panel.title, place), *({**plain, **note} for note in panel.notes)]
        data += _traces(panel, place, curves, axes[f"yaxis{place}"]["range"][0], named)
        for heat in panel.content:
            if isinstance(heat, Heat) and heat.bar:
                axes[f"coloraxis{place}"] = _color_axis(heat)
    arrangements = [
        _arrangement(content, places, height, columns, k, shares) for k in range(columns, 0, -1)
    ]
    for path, value in arrangements[0]["layout"].items():
        *outer, last = path.split(".")
        reduce(lambda spot, key: spot[key], outer, axes)[last] = value
    below = {"orientation": "h", "x": 0, "yref": "container", "y": 0.01, "yanchor": "bottom"}
    layout = {
        "height": height,
        "autosize": True,
        "margin": dict(_MARGIN),
        "legend": below,
        "showlegend": legend,
        "hovermode": "closest",
        "annotations": notes,
        "meta": {"arrangements": arrangements},
        **axes,
    }
    return Drawing(data, layout)


def _on_axis(panel: Panel) -> list[Curve]:
    """Return a panel's curves with y as its axis counts: numbers, or decimal exponents."""
    curves = []
    for curve in panel.content:
        if not isinstance(curve, Curve):
            continue
        y = np.asarray(curve.y, dtype=float)
        scale = curve.scale or panel.scale
        if scale == "ln":
            y = y / _LN10
        elif scale == "log":
            with np.errstate(divide="ignore", invalid="ignore"):
                y = np.log10(y)
        if panel.clip and panel.y_range:
            y = np.where((y == -np.inf) & panel.powers, y, np.clip(y, *panel.y_range))
        curves.append(replace(curve, x=np.asarray(curve.x), y=y))
    return curves


def _places(content: Content) -> list[str]:
    """Return the suffix of each panel's axes ("", "2", ...), and the name of a space's scene."""
    suffixes = chain([""], map(str, range(2, len(content) + 2)))
    scenes = chain(["scene"], (f"scene{number}" for number in range(2, len(content) + 2)))
    return [next(scenes) if isinstance(panel, Space) else next(suffixes) for panel in content]


def _axes(panel: Panel, suffix: str, curves: Sequence[Curve]) -> Tree:
    y_range = panel.y_range or _y_range(curves, panel.powers)
    x_axis = {"anchor": "y" + suffix, "title": {"text": panel.x_title}, **_x_axis(panel, curves)}
    x_axis |= _ticks(panel.x_ticks) | dict(panel.x_axis)
    # Measuring labels to make room for them would take plotly half of every repaint.
    y_axis = {"anchor": "x" + suffix, "range": list(y_range), "automargin": False}
    if panel.powers:
        y_axis |= {"tickprefix": "10<sup>", "ticksuffix": "</sup>", "tick0": 0}
        y_axis["dtick"] = whole_step(*y_range)
    y_axis |= _ticks(panel.y_ticks) | dict(panel.y_axis)
    if panel.square:
        x_axis["constrain"] = y_axis["constrain"] = "domain"
        y_axis["scaleanchor"] = "x" + suffix
    return {f"xaxis{suffix}": x_axis, f"yaxis{suffix}": y_axis}


def _traces(
    panel: Panel, suffix: str, curves: Sequence[Curve], floor_: float, named: set[str]
) -> Iterator[Tree]:
    """Make the traces of a panel: what lies below its curves first, zeros last."""
    axes = {"xaxis": "x" + suffix, "yaxis": "y" + suffix}
    for part in panel.content:
        if isinstance(part, Heat):
            yield {**_heat(part, suffix), **axes}
        elif not isinstance(part, Curve):
            yield {**part, **axes}
    lines = [_line(curve, panel) for curve in curves]
    hidden = [not curve.legend or bool(np.isnan(curve.y).all()) for curve in curves]
    if panel.powers:
        lines.append(_zeros(curves, floor_))
        hidden.append(not len(lines[-1]["x"]))
    for line, out in zip(lines, hidden, strict=True):
        shows = not out and line["name"] not in named
        named |= {line["name"]} if shows else set()
        yield {**line, **axes, "showlegend": shows}


def _arrangement(
    content: Content, places: list[str], height: int, usual: int, columns: int, shares: Shares
) -> Tree:
    """Lay panels out in so many columns: the pixels needed, the height, and what that sets."""
    rows, usual_rows = ceil(len(content) / columns), ceil(len(content) / usual)
    around = _MARGIN["t"] + _MARGIN["b"]
    row_height = (height - around - (usual_rows - 1) * _BETWEEN_ROWS) / usual_rows
    # Where panels are stacked, the whole should not be too long.
    row_height = row_height if columns == usual else min(row_height, 270.0)
    inner = rows * row_height + (rows - 1) * _BETWEEN_ROWS
    parts = np.array(shares if shares and columns == usual else [1.0] * columns)
    parts = parts / parts.sum()
    wanted = np.array([_width(panel) for panel in content])
    # A panel's share of the room, with the gap on one side of it, holds what it wants.
    room = max(w / parts[i % columns] for i, w in enumerate(wanted)) - _BETWEEN_COLUMNS
    gap = max(0.075, _BETWEEN_COLUMNS / room)
    widths = parts * (1 - gap * (columns - 1))
    layout: Tree = {}
    for index, (panel, place) in enumerate(zip(content, places, strict=True)):
        row, column = divmod(index, columns)
        left = float(widths[:column].sum()) + column * gap
        right = left + float(widths[column])
        top = 1 - row * (row_height + _BETWEEN_ROWS) / inner
        bottom = max(0.0, top - row_height / inner)
        if isinstance(panel, Space):
            layout |= {f"{place}.domain.x": [left, right], f"{place}.domain.y": [bottom, top]}
            continue
        if any(isinstance(part, Heat) and part.bar for part in panel.content):
            right -= _COLOR_BAR / room
            layout |= {
                f"coloraxis{place}.colorbar.{key}": value
                for key, value in (("x", right + 0.01), ("y", bottom), ("len", top - bottom))
            }
        layout |= {f"xaxis{place}.domain": [left, right], f"yaxis{place}.domain": [bottom, top]}
    needs = 0 if columns == 1 else round(room + _MARGIN["l"] + _MARGIN["r"])
    return {"needs": needs, "height": round(inner + around), "layout": layout}


def _width(panel: Panel | Space) -> float:
    """Return the pixels below which a panel is too narrow for its titles, gap included."""
    if isinstance(panel, Space):
        return 400.0
    bars = sum(isinstance(part, Heat) and len(part.bar) > 0 for part in panel.content)
    letters = max(len(panel.title), len(panel.x_title))
    return min(max(220.0, 8.2 * letters), 420.0) + _COLOR_BAR * bars


def _line(curve: Curve, panel: Panel) -> Tree:
    y = np.where(np.isfinite(curve.y), curve.y, np.nan)
    theory = curve.role == THEORY
    mode = curve.mode or ("lines" if theory or np.size(y) > 40 else "lines+markers")
    line: Tree = {
        "type": "scatter",
        "x": curve.x,
        "y": y,
        "name": curve.name,
        "legendgroup": curve.name,
        "mode": mode,
        "meta": curve.role,
        "line": {"color": curve.color, "width": 2.5, "dash": "dash" if theory else "solid"},
        "marker": {"color": curve.color, "size": 7},
        "hovertemplate": "%{x}: " + ("10^%{y:.2f}" if panel.powers else "%{y:.4g}"),
    }
    for key, value in curve.style.items():
        line[key] = {**line[key], **value} if isinstance(line.get(key), dict) else value
    return line


def _zeros(curves: Sequence[Curve], floor_: float) -> Tree:
    """Mark on the panel's floor what is exactly 0, since a log axis has no place for it."""
    where = [np.asarray(c.x)[np.asarray(c.y) == -np.inf] for c in curves if c.role == MEASURED]
    x = np.concatenate(where) if where else np.array([])
    return {
        "type": "scatter",
        "x": x,
        "y": np.full(len(x), floor_),
        "name": "exactly 0",
        "legendgroup": "exactly 0",
        "mode": "markers",
        "marker": {"symbol": "x", "size": 9, "color": ORANGE},
        "cliponaxis": False,
        "hovertemplate": "%{x}: exactly 0",
    }


def _heat(heat: Heat, suffix: str) -> Tree:
    own = {"zmin": heat.low, "zmax": heat.high, "showscale": False, "colorscale": heat.colors}
    trace: Tree = {
        "type": "heatmap",
        "z": np.asarray(heat.z, dtype=float),
        "hovertemplate": f"{heat.hover}<extra></extra>",
        **({"coloraxis": f"coloraxis{suffix}"} if heat.bar else own),
    }
    trace |= {key: np.asarray(v) for key, v in (("x", heat.x), ("y", heat.y)) if v is not None}
    if heat.digits:
        trace["texttemplate"] = f"%{{z:{heat.digits}}}"
    return {**trace, **heat.style}


def _color_axis(heat: Heat) -> Tree:
    bar = {"thickness": 10, "tickvals": list(heat.bar), "xanchor": "left", "yanchor": "bottom"}
    return {"cmin": heat.low, "cmax": heat.high, "colorscale": heat.colors, "colorbar": bar}


def _scene(space: Space) -> Tree:
    scene = {f"{name}axis": dict(axis) for name, axis in zip("xyz", space.axes, strict=True)}
    shape = {"aspectratio": dict(zip("xyz", space.aspect, strict=True)), "domain": {}}
    return scene | shape | {"camera": dict(space.camera)}


def _ticks(ticks: Ticks | None) -> Tree:
    if ticks is None:
        return {}
    texts = list(ticks.values()) if isinstance(ticks, Mapping) else [f"{t:g}" for t in ticks]
    return {"tickvals": [float(t) for t in ticks], "ticktext": texts}


def _x_axis(panel: Panel, curves: Sequence[Curve]) -> Tree:
    xs = [np.asarray(c.x, dtype=float) for c in curves if np.size(c.x)]
    if panel.x_range is None and not xs:
        return {}
    low, high = panel.x_range or (min(x.min() for x in xs), max(x.max() for x in xs))
    if panel.x_log:
        return {"type": "log", "range": [float(np.log10(low)), float(np.log10(high))]}
    pad = 0.02 * (high - low) or 0.5
    return {"range": [float(low - pad), float(high + pad)]}


def _y_range(curves: Sequence[Curve], powers: bool) -> tuple[float, float]:
    """Round the data's range out to whole steps, so that a small change leaves the axis alone."""
    values = np.concatenate([np.array([]), *(np.ravel(c.y) for c in curves)])
    values = values[np.isfinite(values)]
    if not len(values):
        return (-1.0, 1.0)
    low, high = float(values.min()), float(values.max())
    # A flat curve still needs an axis with two ends, which rounding must not make one.
    step = nice_step(max(high - low, 1e-6 * max(-low, high)) / 4)
    if powers:
        step = max(step, 1.0)
    low, high = floor(low / step) * step, ceil(high / step) * step
    return (low, high) if high > low else (low - step, high + step)


def nice_step(size: float) -> float:
    """Return the least of 1, 2, 5 and 10 times a power of ten that is at least `size`."""
    if size <= 0:
        return 1.0
    base = 10.0 ** floor(np.log10(size))
    return next(m * base for m in (1, 2, 5, 10) if m * base >= size * (1 - 1e-9))


def whole_step(low: float, high: float) -> int:
    """Return the distance between ticks at whole numbers, at most seven of them."""
    return max(1, round(nice_step((high - low) / 6)))


def _title(text: str, suffix: str) -> Tree:
    """Write a panel's y title level above its axis, where it needs no width and no turned head."""
    corner = {"xref": f"x{suffix} domain", "yref": f"y{suffix} domain", "x": 0, "y": 1}
    place = {"xanchor": "left", "yanchor": "bottom", "yshift": 8}
    return {"text": text, **corner, **place, "showarrow": False, "font": {"size": 17}}
