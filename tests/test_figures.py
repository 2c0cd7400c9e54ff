"""Figures: the same traces for any data, nothing dropped in silence, readable in both themes."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vglib import figures
from vglib.figures import ASIDE, THEORY, Curve, Heat, Panel, Space, theory


def panel(y, **kwargs):
    return figures.panels([Panel("‖δ‖", [Curve("a", np.arange(1, len(y) + 1), y)], **kwargs)])


def test_exact_zeros_stand_on_the_floor():
    figure = panel(np.array([-np.inf, -3.0, -np.inf, -1.0]), scale="ln")
    line, zeros = figure.data
    assert np.isnan(line["y"][0])
    assert list(zeros["x"]) == [1, 3]
    assert set(zeros["y"]) == {figure.layout["yaxis"]["range"][0]}
    assert zeros["showlegend"] is True
    assert panel(np.array([0.0, 1e-3]), scale="log").data[1]["x"].tolist() == [1]


def test_the_number_of_traces_does_not_depend_on_the_data():
    counts = {
        len(panel(np.array(y), scale="ln").data)
        for y in ([1.0, 2.0], [-np.inf, -np.inf], [np.nan, np.nan], [-633.0, 12.0])
    }
    assert counts == {2}


@given(
    st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=20), st.sampled_from(["linear", "ln"])
)
def test_ranges_hold_the_data(values, scale):
    drawn = panel(np.array(values), scale=scale)
    low, high = drawn.layout["yaxis"]["range"]
    assert low < high
    hair = 1e-9 * (high - low)
    y = drawn.data[0]["y"]
    assert low - hair <= min(y)
    assert max(y) <= high + hair


def test_a_small_change_leaves_the_range_alone():
    one, other = (panel(np.array(y), scale="ln") for y in ([-7.2, -0.4], [-7.3, -0.5]))
    assert one.layout["yaxis"]["range"] == other.layout["yaxis"]["range"]


def test_theory_is_dashed_and_marked():
    (line,) = figures.panels([Panel("y", [theory("theory", [1, 2], [1.0, 2.0])])]).data
    assert line["line"]["dash"] == "dash"
    assert line["meta"] == THEORY


@pytest.mark.parametrize(
    ("scale", "own", "values", "drawn"),
    [
        ("linear", None, [1.0, 100.0], [1, 100]),
        ("ln", None, np.log([1e-9, 100.0]), [-9, 2]),
        ("log", None, [1e-9, 100.0], [-9, 2]),
        ("log", "ln", np.log([1e-9, 100.0]), [-9, 2]),
        ("ln", "log", [1e-9, 100.0], [-9, 2]),
        ("log", None, [-1.0, 10.0], [np.nan, 1]),
    ],
)
def test_a_panel_takes_the_logarithms(scale, own, values, drawn):
    line = figures.panels([Panel("y", [Curve("a", [1, 2], values, scale=own)], scale=scale)]).data[
        0
    ]
    np.testing.assert_allclose(line["y"], drawn, atol=1e-12)


def test_what_lies_beyond_a_clipped_panel_is_drawn_at_its_edge():
    y = [1e-20, 1e9, 1.0, 0.0]
    line, zeros = panel(y, scale="log", y_range=(-3, 4), clip=True).data
    np.testing.assert_array_equal(line["y"], [-3, 4, 0, np.nan])
    assert zeros["x"].tolist() == [4]


def test_the_legend_names_each_curve_with_data_once():
    content = [Curve("a", [1, 2], [1, 2]), Curve("b", [1, 2], [np.nan] * 2)]
    more = [Curve("a", [1], [2]), Curve("b", [1], [3]), Curve("c", [1], [3], legend=False)]
    drawn = figures.panels([Panel("one", content), Panel("two", more)])
    named = [(t["name"], t["xaxis"]) for t in drawn.data if t["showlegend"]]
    assert named == [("a", "x"), ("b", "x2")]


def test_helpers_say_what_a_trace_stands_for():
    content = [
        figures.level("guessing", 0.1, [0, 50]),
        figures.mark("here", 3.0, 2.0, size=15, symbol="x"),
        figures.histogram("draws", [0, 1, 2], [0.3, 0.7]),
    ]
    line, point, outline = figures.panels([Panel("y", content)]).data
    assert (list(line["x"]), list(line["y"]), line["meta"]) == ([0, 50], [0.1, 0.1], THEORY)
    assert (point["marker"]["size"], point["marker"]["symbol"], point["meta"]) == (15, "x", ASIDE)
    assert list(outline["x"]) == [0, 0, 1, 1, 2, 2]
    assert list(outline["y"]) == [0, 0.3, 0.3, 0.7, 0.7, 0]


def mixed():
    heat = Heat([[0, 1], [np.nan, 3]], 0, 3, bar=[0, 3], digits=".0f")
    space = Space(
        [{"type": "scatter3d", "x": [0, 1], "y": [0, 1], "z": [0, 1]}],
        tuple(figures.space_axis(name, 0, 1) for name in "abc"),
        {"eye": {"x": 1, "y": 1, "z": 1}},
        (1.0, 1.0, 0.7),
    )
    bar = {"type": "bar", "x": [1, 2], "y": [3, 4]}
    line = Panel("line", [bar, Curve("a", [1, 2], [1, 2])], x_ticks={1: "one"}, y_ticks=[1, 2])
    note = {"x": 1, "y": 1, "text": "here"}
    return [space, Panel("heat", [heat], square=True, notes=[note]), line]


def test_plotly_knows_every_property():
    figure = figures.panels(mixed(), shares=[2, 1, 1]).figure()
    kinds = [(t.type, getattr(t, "xaxis", None)) for t in figure.data]
    assert kinds == [("scatter3d", None), ("heatmap", "x"), ("bar", "x2"), ("scatter", "x2")]
    assert figure.layout.yaxis.scaleanchor == "x"
    assert list(figure.layout.xaxis2.ticktext) == ["one"]
    assert figure.layout.coloraxis.cmax == 3
    assert [a.text for a in figure.layout.annotations] == ["heat", "here", "line"]


def boxes(arrangement, names):
    layout = arrangement["layout"]
    found = []
    for name in names:
        if name.startswith("scene"):
            x, y = layout[f"{name}.domain.x"], layout[f"{name}.domain.y"]
        else:
            x, y = layout[f"xaxis{name}.domain"], layout[f"yaxis{name}.domain"]
        found.append((*x, *y))
    return found


@pytest.mark.parametrize("shares", [None, [2, 1, 1]])
def test_no_arrangement_lays_a_panel_over_another(shares):
    drawn = figures.panels(mixed(), shares=shares)
    ways = drawn.layout["meta"]["arrangements"]
    assert [way["needs"] for way in ways] == sorted((way["needs"] for way in ways), reverse=True)
    assert ways[-1]["needs"] == 0
    for way in ways:
        found = boxes(way, ["scene", "", "2"])
        for left, right, bottom, top in found:
            assert 0 <= left < right <= 1 + 1e-9
            assert -1e-9 <= bottom < top <= 1 + 1e-9
        for (l1, r1, b1, t1), (l2, r2, b2, t2) in itertools.combinations(found, 2):
            assert r1 < l2 or r2 < l1 or t1 < b2 or t2 < b1
    assert ways[0]["height"] == drawn.layout["height"]
    assert ways[0]["height"] < ways[-1]["height"]


def test_panels_in_rows_leave_room_for_titles():
    panels = [Panel(str(i), [Curve("a", [1, 2], [1, 2])]) for i in range(4)]
    (wide, *_) = figures.panels(panels, columns=2, height=600).layout["meta"]["arrangements"]
    gap = wide["layout"]["yaxis.domain"][0] - wide["layout"]["yaxis3.domain"][1]
    assert gap * (600 - 44 - 84) == pytest.approx(95)


def luminance(color: str) -> float:
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("dark", [False, True])
def test_ink_and_lines_stand_out_from_the_paper(dark):
    theme = figures.template(dark)["layout"]
    paper = theme["paper_bgcolor"]
    assert contrast(theme["font"]["color"], paper) > 10
    for color in figures.PALETTE:
        assert contrast(color, paper) > 2.5, color


def test_colours_stay_apart_for_a_reader_without_red_or_green():
    """Viénot's projection for deuteranopes, on linear light."""
    lms = np.array([[0.31399, 0.63951, 0.04650], [0.15537, 0.75789, 0.08670],
                    [0.01775, 0.10944, 0.87257]])  # fmt: skip
    blind = np.array([[1, 0, 0], [0.494207, 0, 1.24827], [0, 0, 1]])
    seen = []
    for color in figures.PALETTE[:4]:
        rgb = np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]) ** 2.2
        seen.append(np.clip(np.linalg.solve(lms, blind @ (lms @ rgb)), 0, 1) ** (1 / 2.2))
    distances = [np.abs(a - b).max() for i, a in enumerate(seen) for b in seen[:i]]
    assert min(distances) > 0.1
