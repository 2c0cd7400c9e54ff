"""A figure as SVG: what a page without scripts shows of a lab or a report."""

import base64
import re
import struct
import zlib
from xml.etree import ElementTree

import numpy as np
import pytest

from vglib import figures
from vglib.figures import Curve, Heat, Panel
from vglib.still import captioned, svg
from vglib.still.axes import Axis

NAN = float("nan")
SPACE = "{http://www.w3.org/2000/svg}"


def drawn_svg(*content, **options):
    panel = Panel("the <title>", list(content), x_title="x & y", **options)
    text = svg(figures.panels([panel], height=300), 'A "sentence".')
    return text, ElementTree.fromstring(text)


def test_an_svg_is_a_picture_with_a_sentence():
    text, root = drawn_svg(Curve("one", [0, 1, 2], [0, 1, 4]))
    assert root.tag == f"{SPACE}svg"
    assert root.get("role") == "img"
    assert root.get("aria-label") == 'A "sentence".'
    assert root.get("viewBox") == "0 0 860 300"
    assert "width:100%" in root.get("style")
    assert "<script" not in text
    words = ["".join(element.itertext()) for element in root.iter(f"{SPACE}text")]
    assert "x & y" in words
    assert "one" in words


def test_ink_is_the_pages_and_letters_are_large_enough():
    text, root = drawn_svg(Curve("one", [0, 1, 2], [1e-9, 1, 1e4]), scale="log")
    assert root.get("fill") == "currentColor"
    sizes = [float(e.get("font-size")) for e in root.iter() if e.get("font-size")]
    assert min(sizes) >= 12
    colors = set(re.findall(r"(?:stroke|fill)=\"([^\"]+)\"", text))
    assert colors <= {"currentColor", "none", *figures.PALETTE}
    raised = ["".join(e.itertext()) for e in root.iter(f"{SPACE}text")]
    assert {"10-5", "100"} <= set(raised)


def paths(root, color):
    return [e for e in root.iter(f"{SPACE}path") if e.get("stroke") == color]


def points(path) -> list[tuple[float, float]]:
    return [tuple(map(float, p)) for p in re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", path.get("d"))]


def test_points_stand_where_their_values_are():
    _, root = drawn_svg(Curve("one", [0, 1, 2], [0.0, 5.0, 10.0]), x_range=(0, 2), y_range=(0, 10))
    line = points(next(e for e in paths(root, figures.BLUE) if "L" in e.get("d")))
    (x0, y0), (x1, y1), (x2, y2) = line
    assert x1 - x0 == pytest.approx(x2 - x1, abs=0.15)
    assert y0 - y1 == pytest.approx(y1 - y2, abs=0.15)
    # Larger is higher, and the whole panel is used, but for plotly's 2% beside the points.
    assert y0 == pytest.approx(300 - 84, abs=0.2)
    assert y2 == pytest.approx(44, abs=0.2)
    assert x0 == pytest.approx(60 + 790 * 0.04 / 2.08, abs=8)


def test_a_gap_stays_a_gap_and_theory_is_dashed():
    _, root = drawn_svg(
        Curve("one", range(5), [1, 2, NAN, 3, 4]), figures.theory("law", [0, 4], [1, 4])
    )
    line = next(e for e in paths(root, figures.BLUE) if "L" in e.get("d"))
    assert line.get("d").count("M") == 2
    assert line.get("stroke-dasharray") is None
    assert all(e.get("stroke-dasharray") for e in paths(root, figures.ORANGE))


def test_what_is_exactly_zero_is_a_cross():
    _, root = drawn_svg(Curve("one", [1, 2], [0.0, 1.0]), scale="log")
    assert "exactly 0" in ["".join(e.itertext()) for e in root.iter(f"{SPACE}text")]
    assert len(paths(root, figures.ORANGE)) == 2


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ValueError, match=r"^An SVG is not drawn of pie; use figure\(\)\.$"):
        drawn_svg({"type": "pie", "x": [], "y": []})


def test_a_hidden_trace_is_not_drawn():
    shown, hidden = Curve("one", [0, 1], [0, 1]), Curve("two", [0, 1], [1, 0], figures.PINK)
    drawing = figures.panels([Panel("y", [shown, hidden])])
    data = [drawing.data[0], {**drawing.data[1], "visible": False}]
    text = svg(figures.Drawing(data, drawing.layout), "A sentence.")
    assert figures.BLUE in text
    assert figures.PINK not in text
    assert ">two<" not in text


def test_a_logarithmic_axis_counts_in_factors():
    axis = Axis({"type": "log", "range": [0, 3]}, 0, 300, [[1, 1000]])
    assert axis.pixels([1, 10, 1000]) == pytest.approx([0, 100, 300])
    assert [text for _, text in axis.ticks()] == ["1", "10", "100", "1000"]


def pixels(href) -> np.ndarray:
    """Read a PNG as this package writes it: one chunk, four bytes a pixel, no filter."""
    made = base64.b64decode(href.partition(",")[2])
    width, height = struct.unpack(">II", made[16:24])
    size = struct.unpack(">I", made[33:37])[0]
    rows = zlib.decompress(made[41 : 41 + size])
    return (
        np.frombuffer(rows, np.uint8)
        .reshape(height, 1 + 4 * width)[:, 1:]
        .reshape(height, width, 4)
    )


def test_a_table_has_the_colours_of_its_numbers():
    z = [[0.0, 1.0], [NAN, 0.5]]
    heat = Heat(z, 0, 1, colors=figures.INK, digits=".1f", bar=(0, 1))
    _, root = drawn_svg(heat)
    picture, _ = (e.get("href") for e in root.iter(f"{SPACE}image"))
    table = pixels(picture)
    top, bottom = table[10], table[-10]  # y counts upwards
    assert list(bottom[10]) == [255, 255, 255, 255]
    assert list(bottom[-10]) == [31, 31, 31, 255]
    assert top[10][3] == 0
    assert abs(int(top[-10][0]) - 143) <= 1
    words = {"".join(e.itertext()): e.get("fill") for e in root.iter(f"{SPACE}text")}
    assert (words["0.0"], words["1.0"]) == ("#1f1f1f", "#ffffff")
    assert "nan" not in words


def test_a_table_may_have_names():
    _, root = drawn_svg(Heat([[1.0, 2.0]], 0, 2, x=["left", "right"], y=["a row"]))
    words = ["".join(e.itertext()) for e in root.iter(f"{SPACE}text")]
    assert {"left", "right", "a row"} <= set(words)


def test_bars_stand_on_their_base():
    bars = {"type": "bar", "x": [1, 2], "y": [1.0, 3.0], "base": -4, "width": 0.5}
    bars["marker"] = {"color": [figures.BLUE, figures.PINK]}
    _, root = drawn_svg(bars, Curve("range", [0, 3], [-4, 0]))
    one, two = root.iter(f"{SPACE}rect")
    assert float(two.get("height")) == pytest.approx(3 * float(one.get("height")), rel=0.02)
    foot = [float(r.get("y")) + float(r.get("height")) for r in (one, two)]
    assert foot == pytest.approx([300 - 84] * 2, abs=0.2)
    assert [one.get("fill"), two.get("fill")] == [figures.BLUE, figures.PINK]
    del bars["base"]
    _, root = drawn_svg(bars, Curve("range", [0, 3], [-4, 4]))
    assert float(next(root.iter(f"{SPACE}rect")).get("height")) > 0


def test_a_contour_runs_where_the_height_is_reached():
    grid = np.linspace(0, 1, 5)
    z = np.tile(grid, (5, 1))
    line = {"type": "contour", "x": grid, "y": grid, "z": z, "line": {"color": figures.PINK}}
    line["contours"] = {"start": 0.4}
    _, root = drawn_svg(line, Curve("range", [0, 1], [0, 1]), x_range=(0, 1))
    (path,) = paths(root, figures.PINK)
    across = [x for x, _ in points(path)]
    (panel,) = root.findall(f"{SPACE}svg")
    left, wide = float(panel.get("x")), float(panel.get("width"))
    assert len(across) == 8
    assert across == pytest.approx([left + wide * (0.02 + 0.4) / 1.04] * 8, abs=1.5)


def test_a_space_is_seen_from_its_camera():
    corner = {"type": "scatter3d", "x": [0, 1], "y": [0, 0], "z": [0, 0], "mode": "markers"}
    ground = {"type": "surface", "x": [0, 1], "y": [0, 1], "z": [[0, 0], [0, 1]]}
    parts = [{**ground, "colorscale": figures.SEQUENTIAL}, corner]
    axes = tuple(figures.space_axis(name, 0, 1) for name in ("east", "north", "up"))
    seen = figures.Space(parts, axes, {"eye": {"x": 0, "y": -3, "z": 0.5}}, (1, 1, 1))
    root = ElementTree.fromstring(svg(figures.panels([seen]), "A sentence."))
    words = ["".join(e.itertext()) for e in root.iter(f"{SPACE}text")]
    assert {"east", "north", "up"} <= set(words)
    marks = [e.get("transform") for e in root.iter(f"{SPACE}path") if e.get("transform")]
    west, east = (tuple(map(float, re.findall(r"-?[\d.]+", m)))[:2] for m in marks)
    assert west[0] < east[0]  # from the south, east is at the right
    assert west[1] == pytest.approx(east[1], abs=0.2)


def test_a_picture_says_in_words_what_it_shows():
    drawing = figures.panels([Panel("y", [Curve("one", [0, 1], [0, 1])])])
    page = captioned(drawing, 'shrinks & "vanishes" < 1.', "It shows a < 1.", "Run it.")
    assert page.startswith("<p>shrinks &amp; &quot;vanishes&quot; &lt; 1.</p><img alt=")
    assert 'alt="shrinks &amp; &quot;vanishes&quot; &lt; 1."' in page
    assert page.endswith("<p><em>It shows a &lt; 1. Run it.</em></p>")


def test_what_cannot_be_drawn_is_said_in_words_alone():
    drawing = figures.panels([Panel("y", [{"type": "violin", "y": [1, 2]}])])
    page = captioned(drawing, "two numbers.", "It shows two.", "Run it.")
    assert page == "<p>two numbers.</p><p><em>Run it.</em></p>"
