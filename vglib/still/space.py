"""The still of a space with three axes, as its camera sees it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from vglib.figures import Tree
from vglib.still import ink

# A surface of so many fields a side at most: more are a large file and look the same.
_FIELDS = 30


def space(
    scene: Mapping[str, Any], traces: Sequence[Tree], room: tuple[float, float, float, float]
) -> Iterator[str]:
    """Draw surfaces, farther fields first, then points and lines over them, then the axes."""
    camera = _Camera(scene, room)
    for trace in traces:
        if trace["type"] == "surface":
            yield from _surface(trace, camera)
    yield from _edges(scene, camera)
    for trace in traces:
        if trace["type"] != "scatter3d":
            continue
        x, y, _ = camera.see(*(np.asarray(trace[k], dtype=float) for k in "xyz"))
        line = {**trace.get("line", {}), "width": 3}
        if "lines" in trace.get("mode", "lines"):
            yield ink.stroke({**trace, "line": line}, ink.polyline(x, y))
        if "markers" in trace.get("mode", "lines"):
            marker = {**trace.get("marker", {}), "size": 5}
            points = (p for p in zip(x, y, strict=True) if np.isfinite(p).all())
            yield from (ink.point({"marker": marker}, *place) for place in points)


class _Camera:
    """From values on the three axes to pixels, as plotly's camera sees them."""

    def __init__(self, scene: Mapping[str, Any], room: tuple[float, float, float, float]) -> None:
        left, top, right, bottom = room
        self.ranges = np.array([scene[f"{k}axis"]["range"] for k in "xyz"], dtype=float)
        self.aspect = np.array([scene["aspectratio"][k] for k in "xyz"])
        eye, center = (
            np.array([scene["camera"].get(part, {}).get(k, usual) for k in "xyz"], dtype=float)
            for part, usual in (("eye", 1.25), ("center", 0.0))
        )
        self.eye, forward = eye, (center - eye) / np.linalg.norm(center - eye)
        across = np.cross(forward, (0.0, 0.0, 1.0))
        across /= np.linalg.norm(across)
        self.axes = np.array([across, np.cross(across, forward), forward])
        self.scale, self.shift = np.ones(2), np.zeros(2)
        domain = scene.get("domain", {})
        (x0, x1), (y0, y1) = domain.get("x", (0, 1)), domain.get("y", (0, 1))
        x0, x1 = (left + share * (right - left) for share in (x0, x1))
        y0, y1 = (bottom - share * (bottom - top) for share in (y0, y1))
        corners = np.array(self.see(*self.corners().T)[:2])
        low, high = corners.min(1), corners.max(1)
        # Room for the names of the axes.
        wide, tall = x1 - x0 - 90, y0 - y1 - 60
        one = min(wide / (high[0] - low[0]), tall / (high[1] - low[1]))
        middle = np.array([(x0 + x1) / 2, (y0 + y1) / 2])
        self.scale, self.shift = np.full(2, one), middle - one * (low + high) / 2

    def corners(self) -> np.ndarray:
        """Return the eight corners of the box."""
        return np.array([[r[b] for r, b in zip(self.ranges, bits, strict=True)]
                         for bits in np.ndindex(2, 2, 2)])  # fmt: skip

    def see(self, *values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return pixels across and down, and how far away each point is."""
        shares = [
            ((v - low) / (high - low) - 0.5) * side
            for v, (low, high), side in zip(values, self.ranges, self.aspect, strict=True)
        ]
        across, up, away = np.tensordot(self.axes, np.array(shares) - self._eye(shares), 1)
        sx, sy = self.scale
        return self.shift[0] + sx * across / away, self.shift[1] - sy * up / away, away

    def _eye(self, shares: Sequence[np.ndarray]) -> np.ndarray:
        return self.eye.reshape(3, *[1] * np.ndim(shares[0]))


def _surface(trace: Tree, camera: _Camera) -> Iterator[str]:
    z = np.asarray(trace["z"], dtype=float)
    rows, columns = (
        np.linspace(0, n - 1, min(n, _FIELDS + 1)).round().astype(int) for n in z.shape
    )
    pick = np.ix_(rows, columns)
    colors = np.asarray(trace.get("surfacecolor", z), dtype=float)[pick]
    ends = trace.get("cmin", np.nanmin(colors)), trace.get("cmax", np.nanmax(colors))
    table = ink.shades(trace["colorscale"])[ink.levels(colors, *ends)]
    grid = np.meshgrid(np.asarray(trace["x"])[columns], np.asarray(trace["y"])[rows])
    x, y, away = camera.see(*grid, z[pick])
    fields = [(i, j) for i in range(len(rows) - 1) for j in range(len(columns) - 1)]
    fields.sort(key=lambda f: -away[f[0] : f[0] + 2, f[1] : f[1] + 2].mean())
    yield f'<g opacity="{trace.get("opacity", 1)}">'
    for i, j in fields:
        corners = [(i, j), (i, j + 1), (i + 1, j + 1), (i + 1, j)]
        path = "L".join(f"{x[c]:.0f} {y[c]:.0f}" for c in corners)
        red, green, blue = table[i, j]
        fill = f"#{red:02x}{green:02x}{blue:02x}"
        yield f'<path d="M{path}Z" fill="{fill}" stroke="{fill}"/>'
    yield "</g>"


def _edges(scene: Mapping[str, Any], camera: _Camera) -> Iterator[str]:
    """Draw the three edges that a reader reads by: each with its ends and its name."""
    corners = camera.corners()
    x, y, _ = camera.see(*corners.T)
    middle = x.mean(), y.mean()
    for axis, name in enumerate("xyz"):
        pairs = [(i, i + (4, 2, 1)[axis]) for i in range(8) if not i & (4, 2, 1)[axis]]
        # Below in front for the floor's two, at the left for the height.
        key = (lambda p: -x[p[0]]) if axis == 2 else (lambda p: y[p[0]] + y[p[1]])
        one, other = max(pairs, key=key)
        spec = scene[f"{name}axis"]
        yield (
            f'<path d="M{x[one]:.1f} {y[one]:.1f}L{x[other]:.1f} {y[other]:.1f}" '
            'stroke="currentColor" fill="none"/>'
        )
        for corner, value in zip((one, other), spec["range"], strict=True):
            yield _beside(f"{value:g}", x[corner], y[corner], middle, 14, axis)
        here = (x[one] + x[other]) / 2, (y[one] + y[other]) / 2
        yield _beside(spec["title"]["text"], *here, middle, 26, axis)


def _beside(
    words: str, x: float, y: float, middle: tuple[float, float], away: float, axis: int
) -> str:
    if axis == 2:
        return ink.text(words, x - away / 2, y + 4, "end", 13)
    return ink.text(words, x, y + away + 4, "start" if x > middle[0] else "end", 13)
