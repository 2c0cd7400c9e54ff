"""Every lab of every chapter, driven through the corners of its controls without a browser."""

import itertools
import re
from collections.abc import Mapping
from dataclasses import is_dataclass
from xml.etree import ElementTree

import numpy as np
import pytest

from tests.storm import forget, storm
from tools import discover
from vglib.lab import Lab
from vglib.still import svg

LABS = discover.labs()


# Control number i is high in the mixtures of the i-th set, else low. Any two of the sets have a
# member in common and each one that the other lacks, so with all low the mixtures hold every pair
# of ends of two controls (Kleitman & Spencer 1973).
HIGH_IN = list(itertools.combinations(range(5), 3))


def preset_settings(lab: Lab) -> list[dict]:
    """What the presets set: the start, and what each names."""
    return [lab.start | preset for preset in lab.presets.values()]


def settings(lab: Lab) -> list[dict]:
    """One control at a time at each of its corners, then all low and all high."""
    single = [{name: value} for name, values in corners(lab).items() for value in values]
    ends = [{name: values[end] for name, values in corners(lab).items()} for end in (0, -1)]
    return once(lab, [*single, *ends])


def mixtures(lab: Lab) -> list[dict]:
    """Some controls high, the others low; with `settings`, every pair of ends of two controls."""
    pairs = list(zip(corners(lab).items(), HIGH_IN, strict=False))
    assert len(lab.controls) <= len(HIGH_IN), "more controls than sets: let combinations give more"
    rows = [
        {name: values[-1 if row in high else 0] for (name, values), high in pairs}
        for row in range(5)
    ]
    others = settings(lab)
    return [mixed for mixed in once(lab, rows) if mixed not in others]


def corners(lab: Lab) -> dict[str, tuple]:
    return {name: control.corners for name, control in lab.controls.items()}


def once(lab: Lab, changes: list[dict]) -> list[dict]:
    """Whole settings, none of them twice, and none that the tests of start and presets make."""
    found = [lab.start | change for change in changes]
    elsewhere = [lab.start, *preset_settings(lab)]
    return [v for i, v in enumerate(found) if v not in elsewhere and v not in found[:i]]


# A lab's tests share the lab, so they share the worker.
@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in LABS],
    ids=str,
)
def lab(request):
    return LABS[request.param]()


@pytest.fixture(scope="module")
def first(lab):
    """What the lab shows before anything is set."""
    return plotted(lab)


def test_there_are_labs():
    assert len(LABS) >= 83


def test_the_mixtures_hold_every_pair_of_ends():
    rows = [set(), *({i for i, high in enumerate(HIGH_IN) if row in high} for row in range(5))]
    for one, other in itertools.combinations(range(len(HIGH_IN)), 2):
        assert len({(one in row, other in row) for row in rows}) == 4


def try_each(lab: Lab, all_of_them: list[dict], first: list[np.ndarray]) -> None:
    for values in all_of_them:
        before = lab.values
        if complaint := refused(lab, values):
            # An impossible combination is explained in one sentence, and nothing has changed.
            assert complaint.strip().endswith("."), values
            assert lab.values == before
            continue
        check(lab, first)


def test_corners(lab, first):
    try_each(lab, settings(lab), first)


@pytest.mark.slow
def test_mixtures_of_corners(lab, first):
    try_each(lab, mixtures(lab), first)


def test_a_still_is_drawn_where_the_corners_end_and_at_the_start(lab):
    for moved in (lab, lab.reset()):
        drawn = svg(moved._view.drawing, moved.verdict)
        root = ElementTree.fromstring(drawn)
        assert len(list(root.iter("{http://www.w3.org/2000/svg}path"))) > 3
        places = [v for e in root.iter() for k, v in e.items() if k != "aria-label"]
        assert not [v for v in places if re.search(r"\bnan\b|\binf\b", v)]


def check(lab: Lab, first: list[np.ndarray]) -> None:
    """A figure of as many traces as at first, with something to see, and a sentence on it."""
    traces, layout = lab._view.drawing.data, lab._view.drawing.layout
    assert len(traces) == len(first), lab.values
    assert lab.verdict.strip().endswith((".", ")")), lab.values
    assert "nan" not in lab.verdict.split(), lab.values
    declared = any(word in lab.verdict for word in ("overflow", "dies", "exactly 0", "no "))
    assert declared or any(np.isfinite(y).any() for y in plotted(lab) if y.size), lab.values
    for axis in layout:
        if axis.startswith(("xaxis", "yaxis")) and "range" in layout[axis]:
            assert np.isfinite(np.array(layout[axis]["range"], float)).all(), lab.values
    check_legend(lab)


def check_legend(lab: Lab) -> None:
    """No two names of the legend look alike, the names that other settings would bring included."""
    names: dict[tuple, set[str]] = {}
    drawing = lab._view.drawing
    for trace in drawing.data if drawing.layout["showlegend"] else ():
        if may_be_named(trace):
            names.setdefault(look(trace), set()).add(trace["name"])
    assert [alike for alike in names.values() if len(alike) > 1] == [], lab.values


def may_be_named(trace: dict) -> bool:
    """Whether the legend names it or would, did it have data."""
    if not trace["type"].startswith("scatter") or trace.get("name") is None:
        return False
    # A ghost after the first has neither an entry nor a name of its own.
    hidden = trace.get("showlegend") is False
    return not hidden or not np.isfinite(np.asarray(trace["y"], float)).any()


def look(trace: dict) -> tuple:
    """What tells an entry of the legend from another: how it is drawn, and of which colour."""
    mode, line, marker = trace["mode"], trace.get("line", {}), trace.get("marker", {})
    drawn = (line.get("color"), line.get("dash")) if "lines" in mode else ()
    marked = (str(marker.get("color")), marker.get("symbol")) if "markers" in mode else ()
    return mode, drawn, marked


def at_start(lab: Lab) -> Lab:
    """Bring the lab back, unless it is there: another test may have left it so, or none has run."""
    return lab if lab.values == lab.start else lab.reset()


def refused(lab: Lab, values: dict) -> str:
    try:
        lab.set(**values)
    except ValueError as error:
        return str(error)
    return ""


def test_same_arguments_same_figure(lab, first):
    """Back at the start after the corners, the lab shows what it showed at first."""
    at_start(lab)
    check(lab, first)
    for one, other in zip(first, plotted(lab), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_preset_is_the_same_from_everywhere(lab, first, monkeypatch):
    """From the far corner of all controls it sets what it sets from the start; the seed stays."""
    far = {name: control.corners[-1] for name, control in lab.controls.items()}
    for name, values in zip(lab.presets, preset_settings(lab), strict=True):
        with monkeypatch.context() as quick:
            quick.setattr(lab, "_experiment", lambda **values: lab.result)
            lab.set(**far | {"seed": lab.start["seed"]} if "seed" in far else far)
        lab.preset(name)
        assert lab.values == values
        check(lab, first)


def test_no_two_names_of_a_legend_look_alike(lab):
    check_legend(at_start(lab).hold())
    lab.reset()


def test_what_a_learner_has_set_changes_nothing(lab, first, request):
    at_start(lab)
    forget()
    with storm():
        other = LABS[request.node.callspec.params["lab"]]()
    if lab.repeatable:
        assert other.verdict == lab.verdict
        for one, two in zip(first, plotted(other), strict=True):
            np.testing.assert_allclose(two, one, rtol=1e-9, atol=1e-12)
    check(other, first)


def test_plotly_knows_every_property_and_every_axis_has_a_title(lab):
    layout = lab.figure.layout.to_plotly_json()
    notes = [a["text"] for a in layout.get("annotations", [])]
    planes = [k for k in layout if k.startswith("xaxis")]
    for key in planes:
        assert layout[key]["title"]["text"]
        y_title = layout[key.replace("x", "y", 1)].get("title", {}).get("text")
        assert y_title or len(notes) >= len(planes)
    for key in (k for k in layout if k.startswith("scene")):
        assert all(layout[key][f"{a}axis"]["title"]["text"] for a in "xyz")


def test_what_is_shown_cannot_be_spoiled(lab):
    """No array that can be reached from a lab's result takes a new value, and no list an entry."""
    assert spoilable(lab.result, "result") == []


def spoilable(value: object, name: str, seen: frozenset = frozenset()) -> list[str]:
    if id(value) in seen:
        return []
    seen |= {id(value)}
    if isinstance(value, np.ndarray):
        return [name] if value.flags.writeable else []
    if isinstance(value, list | dict):
        return [name]
    if isinstance(value, tuple):
        return [bad for i, v in enumerate(value) for bad in spoilable(v, f"{name}[{i}]", seen)]
    if isinstance(value, Mapping):
        return [bad for k, v in value.items() for bad in spoilable(v, f"{name}[{k!r}]", seen)]
    if is_dataclass(value):
        parts = vars(value).items()
        return [bad for k, v in parts for bad in spoilable(v, f"{name}.{k}", seen)]
    return []


def plotted(lab: Lab) -> list[np.ndarray]:
    """What is drawn, trace by trace: heights, or the numbers behind colours."""
    found = []
    for trace in lab._view.drawing.data:
        key = next((k for k in ("z", "y") if trace.get(k) is not None), None)
        found.append(np.array(trace[key], dtype=float) if key else np.array([]))
    return found
