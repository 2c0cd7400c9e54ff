"""Figures: the same traces for any data, nothing dropped in silence, readable in both themes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vglib import figures
from vglib.figures import THEORY, Curve, Panel


def panel(y, **kwargs):
    return figures.panels([Panel("‖δ‖", [Curve("a", np.arange(1, len(y) + 1), y)], **kwargs)])


def test_exact_zeros_stand_on_the_floor():
    figure = panel(np.array([-np.inf, -3.0, -np.inf, -1.0]), powers=True)
    line, zeros = figure.data
    assert np.isnan(line.y[0])
    assert list(zeros.x) == [1, 3]
    assert set(zeros.y) == {figure.layout.yaxis.range[0]}
    assert zeros.showlegend is True


def test_the_number_of_traces_does_not_depend_on_the_data():
    counts = {
        len(panel(np.array(y), powers=True).data)
        for y in ([1.0, 2.0], [-np.inf, -np.inf], [np.nan, np.nan], [-633.0, 12.0])
    }
    assert counts == {2}


@given(st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=20), st.booleans())
def test_ranges_hold_the_data(values, powers):
    low, high = panel(np.array(values), powers=powers).layout.yaxis.range
    assert low < high
    hair = 1e-9 * (high - low)
    assert low - hair <= min(values)
    assert max(values) <= high + hair


def test_a_small_change_leaves_the_range_alone():
    one = panel(np.array([-3.2, -0.4]), powers=True).layout.yaxis.range
    assert one == panel(np.array([-3.3, -0.5]), powers=True).layout.yaxis.range


def test_theory_is_dashed_and_marked():
    curve = Curve("theory", [1, 2], [1.0, 2.0], role=THEORY)
    (line,) = figures.panels([Panel("y", [curve])]).data
    assert line.line.dash == "dash"
    assert line.meta == THEORY


def test_log10_of_natural_logarithms():
    np.testing.assert_allclose(figures.log10(np.log([1e-9, 100.0])), [-9, 2])


def luminance(color: str) -> float:
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("dark", [False, True])
def test_ink_and_lines_stand_out_from_the_paper(dark):
    theme = figures.theme(dark)
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
