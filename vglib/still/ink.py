"""The elements of a still: text, lines, points, and colours for numbers."""

import re
import struct
import zlib
from base64 import b64encode
from collections.abc import Mapping
from functools import lru_cache
from html import escape, unescape
from typing import Any

import numpy as np
from plotly.colors import get_colorscale, sample_colorscale, unlabel_rgb

_DASHES = {"dash": "8 5", "dot": "2 4", "dashdot": "8 4 2 4", "longdash": "14 6"}
# Of seven pixels, plotly's usual size in the course; those with a stroke have no inside.
_SHAPES = {
    "x": ("M-3.5-3.5 3.5 3.5M-3.5 3.5 3.5-3.5", True),
    "cross": ("M-3.5 0H3.5M0-3.5V3.5", True),
    "square": ("M-3.5-3.5H3.5V3.5H-3.5Z", False),
    "diamond": ("M0-4.5 4.5 0 0 4.5-4.5 0Z", False),
    "triangle-up": ("M0-4.5 4.2 3H-4.2Z", False),
    "triangle-down": ("M0 4.5 4.2-3H-4.2Z", False),
    "circle": ("M-3.5 0A3.5 3.5 0 1 1 3.5 0A3.5 3.5 0 1 1-3.5 0", False),
}


def text(words: str, x: float, y: float, anchor: str, size: int, fill: str = "") -> str:
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
    color = f' fill="{escape(fill)}"' if fill else ""
    head = f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}"{color}'
    return f"{head}>{''.join(pieces)}</text>" if pieces else ""


def at(x: float, y: float) -> str:
    """Return the attribute that puts an element there."""
    return f'transform="translate({x:.1f} {y:.1f})"'


def color(trace: Mapping[str, Any], index: int = 0) -> str:
    """Return the colour of a trace, or of one of its points."""
    for part in ("line", "marker"):
        found = trace.get(part, {}).get("color")
        if isinstance(found, str):
            return escape(found)
        if found is not None and len(found) and isinstance(found[0], str):
            return escape(found[index % len(found)])
    return "currentColor"


def polyline(x: np.ndarray, y: np.ndarray) -> str:
    """Return the path through points; what is not finite leaves a gap."""
    path, pen = [], "M"
    seen = np.isfinite(x) & np.isfinite(y)
    places = np.clip([x, y], -1e5, 1e5).T.tolist()
    for (a, b), shows in zip(places, seen.tolist(), strict=True):
        if shows:
            path.append(f"{pen}{a:.1f} {b:.1f}")
        pen = "L" if shows else "M"
    return "".join(path)


def stroke(trace: Mapping[str, Any], path: str) -> str:
    """Draw a path in the style of a trace's line."""
    line = trace.get("line", {})
    dash = _DASHES.get(line.get("dash", "solid"))
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    style = f'stroke="{color(trace)}" stroke-width="{line.get("width", 2):g}"{dashes}'
    return f'<path d="{path}" fill="none" stroke-linejoin="round" {style}/>' if path else ""


def point(trace: Mapping[str, Any], x: float, y: float, index: int = 0) -> str:
    """Draw one point in the style of a trace's marker."""
    marker = trace.get("marker", {})
    name = str(marker.get("symbol", "circle"))
    shape, open_ = _SHAPES.get(name.removesuffix("-open"), _SHAPES["circle"])
    own, size = color({"marker": marker} if "color" in marker else trace, index), marker.get("size")
    size = float(size) if isinstance(size, int | float) else 7.0
    edge = marker.get("line", {})
    ink = edge.get("color") if isinstance(edge.get("color"), str) else own
    hollow = open_ or name.endswith("-open")
    width = edge.get("width", 2 if hollow else 1) * 7 / size
    look = f'fill="{"none" if hollow else own}" stroke="{escape(ink)}" stroke-width="{width:.2g}"'
    place = at(x, y)[:-1] + (f' scale({size / 7:.2g})"' if size != 7 else '"')
    return f'<path d="{shape}" {place} {look}/>'


def shades(scale: Any) -> np.ndarray:
    """Return 256 colours, as rows of red, green and blue, from a colour scale of plotly's."""
    return _shades(scale if isinstance(scale, str) else tuple(map(tuple, scale)))


@lru_cache(maxsize=16)
def _shades(scale: str | tuple[tuple[float, str], ...]) -> np.ndarray:
    stops = get_colorscale(scale) if isinstance(scale, str) else [list(stop) for stop in scale]
    names = sample_colorscale(stops, list(np.linspace(0, 1, 256)), colortype="rgb")
    return np.array([unlabel_rgb(name) for name in names]).round().astype(np.uint8)


def levels(z: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return the place of each number among 256 colours."""
    share = np.nan_to_num((np.asarray(z, dtype=float) - low) / ((high - low) or 1.0))
    return np.clip(share * 255, 0, 255).round().astype(np.uint8)


def raster(z: np.ndarray, low: float, high: float, scale: Any) -> str:
    """Return a table of numbers as a PNG, in a data address; nan is clear."""
    rows = np.concatenate([shades(scale)[levels(z, low, high)], 255 * np.isfinite(z)[..., None]], 2)
    lines = b"".join(b"\0" + row.tobytes() for row in rows.astype(np.uint8))
    height, width = np.shape(z)
    head = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
    made = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    return f"data:image/png;base64,{b64encode(made).decode()}"
