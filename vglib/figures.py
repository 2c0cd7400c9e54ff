"""Figures of the course: one theme, one palette, one vocabulary of axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor
from types import MappingProxyType
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike, NDArray

# Okabe & Ito's colours, the darker ones lightened until they stand out from white and from black.
BLUE, ORANGE, GREEN, PINK, SKY, GREY = (
    "#2f7fc1",
    "#d55e00",
    "#009e73",
    "#b8629b",
    "#3fa7d6",
    "#8a8a8a",
)
PALETTE = (BLUE, ORANGE, GREEN, PINK, SKY, GREY)
DIVERGING = ((0.0, BLUE), (0.5, "#f2f2f2"), (1.0, ORANGE))
SEQUENTIAL = "Cividis"

LAYER = "layer (1 is nearest the input)"
EPOCH = "epoch"
STEP = "step"
DELTA = "‖∂L/∂z‖"
WEIGHT_GRADIENT = "‖∂L/∂W‖"
BIAS_GRADIENT = "‖∂L/∂b‖"
SPREAD = "spread of h over the data"

MEASURED, THEORY, GHOST = "measured", "theory", "ghost"

_LN10 = float(np.log(10.0))


@dataclass(frozen=True)
class Curve:
    """One line of a panel; `role` is what it stands for: MEASURED (can be held) or THEORY.

    Theory is a dashed line without points over the measurement; a measurement has points where
    there are few.
    """

    name: str
    x: ArrayLike
    y: ArrayLike
    color: str = BLUE
    role: str = MEASURED
    mode: str | None = None


@dataclass(frozen=True)
class Panel:
    """One pair of axes with its curves; `title` says what the y axis shows, with its unit.

    With `powers` the y values are decimal exponents and the axis reads 10^y, which also shows what
    float64 cannot hold. Where a curve of such a panel has y = -inf, a cross on the floor of the
    panel stands for a value that is exactly 0. `y_range` and `x_range` are rounded out from the
    data unless given.
    """

    title: str
    curves: Sequence[Curve]
    x_title: str = LAYER
    powers: bool = False
    x_log: bool = False
    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float] | None = None


def theme(dark: bool = False) -> Mapping[str, Any]:
    """Return the layout properties of the light or the dark theme."""
    ink, paper, grid = (
        ("#e6e6e6", "#111111", "#3a3a3a") if dark else ("#1f1f1f", "#ffffff", "#dcdcdc")
    )
    axis = {
        "gridcolor": grid,
        "zerolinecolor": grid,
        "linecolor": ink,
        "tickcolor": ink,
        "ticks": "outside",
        "showline": True,
        "title": {"font": {"size": 17}, "standoff": 8},
        "automargin": True,
        # Looking for labels that would overlap takes plotly a fifth of every repaint.
        "ticklabeloverflow": "allow",
    }
    scene_axis = {"gridcolor": grid, "color": ink, "backgroundcolor": paper, "showbackground": True}
    return MappingProxyType(
        {
            "font": {"size": 15, "color": ink, "family": "Helvetica, Arial, sans-serif"},
            "paper_bgcolor": paper,
            "plot_bgcolor": paper,
            "colorway": list(PALETTE),
            "xaxis": axis,
            "yaxis": axis,
            "scene": {"xaxis": scene_axis, "yaxis": scene_axis, "zaxis": scene_axis},
            "hoverlabel": {"font": {"size": 14}},
            "legend": {"font": {"size": 15}, "bgcolor": "rgba(0,0,0,0)"},
        }
    )


def figure(data: Sequence[Mapping[str, Any]], layout: Mapping[str, Any]) -> go.Figure:
    """Build a figure in the course's theme from plain dicts of traces and layout."""
    base = {
        "template": {"layout": dict(theme())},
        "height": 420,
        "autosize": True,
        "margin": {"l": 10, "r": 10, "t": 44, "b": 84},
        "legend": {
            "orientation": "h",
            "x": 0,
            "yref": "container",
            "y": 0.01,
            "yanchor": "bottom",
        },
        "hovermode": "closest",
    }
    # Checking each property takes longer than the rest of a redraw; a Lab checks its first figure.
    return go.Figure(list(data), {**base, **layout}, _validate=False)


def panels(
    content: Sequence[Panel],
    *,
    height: int = 420,
    columns: int | None = None,
    layout: Mapping[str, Any] | None = None,
) -> go.Figure:
    """Draw panels side by side (or in rows of `columns`), one legend above them.

    Curves of one name share one legend entry. The number of traces depends on the panels and their
    curves alone, never on the data.
    """
    columns = columns or len(content)
    rows = ceil(len(content) / columns)
    data: list[dict[str, Any]] = []
    axes: dict[str, Any] = {}
    titles: list[dict[str, Any]] = []
    named: set[str] = set()
    for index, panel in enumerate(content):
        suffix = "" if index == 0 else str(index + 1)
        row, column = divmod(index, columns)
        y_range = panel.y_range or _y_range(panel)
        axes["xaxis" + suffix] = {
            "domain": _domain(column, columns, 0.075),
            "anchor": "y" + suffix,
            "title": {"text": panel.x_title},
            **_x_axis(panel),
        }
        axes["yaxis" + suffix] = {
            "domain": _domain(rows - 1 - row, rows, 0.2),
            "anchor": "x" + suffix,
            "range": list(y_range),
            # Measuring labels to make room for them would take plotly half of every repaint.
            "automargin": False,
            **(_power_ticks(y_range) if panel.powers else {}),
        }
        titles.append(_title(panel.title, suffix))
        for curve in panel.curves:
            data.append(_line(curve, panel, suffix, curve.name not in named))
            named.add(curve.name)
        if panel.powers:
            data.append(_zeros(panel, suffix, y_range[0], "exactly 0" not in named))
            named.add("exactly 0")
    room = {"l": 60, "r": 10, "t": 44, "b": 84}
    base = {"height": height, "annotations": titles, "margin": room}
    return figure(data, {**base, **axes, **(layout or {})})


def log10(ln: ArrayLike) -> NDArray[np.float64]:
    """Turn natural logarithms into decimal ones, for a panel with `powers`."""
    return np.asarray(ln, dtype=float) / _LN10


def _line(curve: Curve, panel: Panel, suffix: str, first: bool) -> dict[str, Any]:
    x, y = np.asarray(curve.x), np.asarray(curve.y, dtype=float)
    y = np.where(np.isfinite(y), y, np.nan)
    theory = curve.role == THEORY
    mode = curve.mode or ("lines" if theory or len(x) > 40 else "lines+markers")
    return {
        "type": "scatter",
        "x": x,
        "y": y,
        "xaxis": "x" + suffix,
        "yaxis": "y" + suffix,
        "name": curve.name,
        "legendgroup": curve.name,
        "showlegend": first,
        "mode": mode,
        "meta": curve.role,
        "line": {"color": curve.color, "width": 2.5, "dash": "dash" if theory else "solid"},
        "marker": {"color": curve.color, "size": 7},
        "hovertemplate": "%{x}: " + ("10^%{y:.2f}" if panel.powers else "%{y:.4g}"),
    }


def _zeros(panel: Panel, suffix: str, floor_: float, first: bool) -> dict[str, Any]:
    """Mark on the panel's floor what is exactly 0, since a log axis has no place for it."""
    where = [
        np.asarray(c.x)[np.isneginf(np.asarray(c.y, dtype=float))]
        for c in panel.curves
        if c.role == MEASURED
    ]
    x = np.concatenate(where) if where else np.array([])
    return {
        "type": "scatter",
        "x": x,
        "y": np.full(len(x), floor_),
        "xaxis": "x" + suffix,
        "yaxis": "y" + suffix,
        "name": "exactly 0",
        "legendgroup": "exactly 0",
        "showlegend": first and len(x) > 0,
        "mode": "markers",
        "marker": {"symbol": "x", "size": 9, "color": ORANGE},
        "cliponaxis": False,
        "hovertemplate": "%{x}: exactly 0",
    }


def _domain(index: int, count: int, gap: float) -> list[float]:
    size = (1 - gap * (count - 1)) / count
    start = index * (size + gap)
    return [start, start + size]


def _x_axis(panel: Panel) -> dict[str, Any]:
    xs = [np.asarray(c.x, dtype=float) for c in panel.curves if len(np.asarray(c.x))]
    low, high = panel.x_range or (
        (min(x.min() for x in xs), max(x.max() for x in xs)) if xs else (0.0, 1.0)
    )
    if panel.x_log:
        return {"type": "log", "range": [np.log10(low), np.log10(high)]}
    pad = 0.02 * (high - low) or 0.5
    return {"range": [low - pad, high + pad]}


def _y_range(panel: Panel) -> tuple[float, float]:
    """Round the data's range out to whole steps, so that a small change leaves the axis alone."""
    values = np.concatenate([np.asarray(c.y, dtype=float).ravel() for c in panel.curves])
    values = values[np.isfinite(values)]
    if not len(values):
        return (-1.0, 1.0)
    low, high = float(values.min()), float(values.max())
    # A flat curve still needs an axis with two ends, which rounding must not make one.
    step = _nice_step(max(high - low, 1e-6 * max(-low, high)) / 4)
    if panel.powers:
        step = max(step, 1.0)
    low, high = floor(low / step) * step, ceil(high / step) * step
    return (low, high) if high > low else (low - step, high + step)


def _nice_step(size: float) -> float:
    if size <= 0:
        return 1.0
    base = 10.0 ** floor(np.log10(size))
    return next(m * base for m in (1, 2, 5, 10) if m * base >= size * (1 - 1e-9))


def whole_step(low: float, high: float) -> int:
    """Return the distance between ticks at whole numbers, at most seven of them."""
    return max(1, round(_nice_step((high - low) / 6)))


def _power_ticks(y_range: tuple[float, float]) -> dict[str, Any]:
    dtick = whole_step(*y_range)
    return {"tickprefix": "10<sup>", "ticksuffix": "</sup>", "tick0": 0, "dtick": dtick}


def _title(text: str, suffix: str) -> dict[str, Any]:
    """Write a panel's y title level above its axis, where it needs no width and no turned head."""
    return {
        "text": text,
        "xref": f"x{suffix} domain",
        "yref": f"y{suffix} domain",
        "x": 0,
        "y": 1,
        "xanchor": "left",
        "yanchor": "bottom",
        "yshift": 8,
        "showarrow": False,
        "font": {"size": 17},
    }
