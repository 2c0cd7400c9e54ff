"""Every lab of every chapter, driven through the corners of its controls without a browser."""

import importlib
import inspect
import itertools
import operator
import pkgutil

import numpy as np
import pytest

import vglib
from vglib.lab import Lab


def labs() -> dict[str, object]:
    found = {}
    for chapter in pkgutil.iter_modules(vglib.__path__):
        if not chapter.ispkg:
            continue
        name = f"vglib.{chapter.name}.labs"
        if importlib.util.find_spec(name) is None:
            continue
        for attribute, function in vars(importlib.import_module(name)).items():
            if inspect.isfunction(function) and function.__annotations__.get("return") == "Lab":
                found[f"{chapter.name}.{attribute}"] = function
    return found


LABS = labs()


# Control number i is high in the mixtures of the i-th set, else low. Any two of the sets have a
# member in common and each one that the other lacks, so with all low the mixtures hold every pair
# of ends of two controls (Kleitman & Spencer 1973).
HIGH_IN = list(itertools.combinations(range(5), 3))


def start(lab: Lab) -> dict:
    return {name: control.value for name, control in lab.controls.items()}


def preset_settings(lab: Lab) -> list[dict]:
    """What the presets set, one after the other from the start; each leaves some controls alone."""
    return list(itertools.accumulate(lab.presets.values(), operator.or_, initial=start(lab)))[1:]


def settings(lab: Lab) -> list[dict]:
    """One control at a time at each of its corners, then all low, all high, and mixtures.

    Each setting is whole, none comes twice, and none is one that the other tests make.
    """
    corners = {name: control.corners for name, control in lab.controls.items()}
    assert len(corners) <= len(HIGH_IN), "more controls than sets: let combinations give more"
    single = [{name: value} for name, values in corners.items() for value in values]
    ends = [{n: v[i] for n, v in corners.items()} for i in (0, -1)]
    mixtures = [
        {
            n: v[-1 if row in high else 0]
            for (n, v), high in zip(corners.items(), HIGH_IN, strict=False)
        }
        for row in range(5)
    ]
    found = [start(lab) | s for s in (*single, *ends, *mixtures)]
    elsewhere = [start(lab), *preset_settings(lab)]
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
    return [plotted(t).copy() for t in lab.figure.data]


def test_there_are_labs():
    assert len(LABS) >= 3


def test_the_mixtures_hold_every_pair_of_ends():
    rows = [set(), *({i for i, high in enumerate(HIGH_IN) if row in high} for row in range(5))]
    for one, other in itertools.combinations(range(len(HIGH_IN)), 2):
        assert len({(one in row, other in row) for row in rows}) == 4


def test_corners(lab, first):
    for values in settings(lab):
        before = lab.values
        if complaint := refused(lab, values):
            # An impossible combination is explained in one sentence, and nothing has changed.
            assert complaint.strip().endswith("."), values
            assert lab.values == before
            continue
        check(lab, first)


def check(lab: Lab, first: list[np.ndarray]) -> None:
    """A figure of as many traces as at first, with something to see, and a sentence on it."""
    assert len(lab.figure.data) == len(first), lab.values
    assert lab.verdict.strip().endswith((".", ")")), lab.values
    assert "nan" not in lab.verdict.split(), lab.values
    finite = [plotted(t) for t in lab.figure.data if t.visible is not False]
    declared = any(word in lab.verdict for word in ("overflow", "dies", "exactly 0", "no "))
    assert declared or any(np.isfinite(y).any() for y in finite if y.size), lab.values
    for axis in ("xaxis", "yaxis"):
        axis_range = lab.figure.layout[axis].range
        assert axis_range is None or np.isfinite(np.array(axis_range, float)).all(), lab.values


def refused(lab: Lab, values: dict) -> str:
    try:
        lab.set(**values)
    except ValueError as error:
        return str(error)
    return ""


def test_same_arguments_same_figure(lab, first):
    """Back at the start after the corners, the lab shows what it showed at first."""
    lab.reset()
    check(lab, first)
    for one, other in zip(first, [plotted(t) for t in lab.figure.data], strict=True):
        np.testing.assert_array_equal(one, other)


def test_presets(lab, first):
    if lab.values != start(lab):
        lab.reset()
    for name, values in zip(lab.presets, preset_settings(lab), strict=True):
        lab.preset(name)
        assert lab.values == values
        check(lab, first)


def test_every_axis_has_a_title(lab):
    layout = lab.figure.layout.to_plotly_json()
    notes = [a["text"] for a in layout.get("annotations", [])]
    planes = [k for k in layout if k.startswith("xaxis")]
    for key in planes:
        assert layout[key]["title"]["text"]
        y_title = layout[key.replace("x", "y", 1)].get("title", {}).get("text")
        assert y_title or len(notes) >= len(planes)
    for key in (k for k in layout if k.startswith("scene")):
        assert all(layout[key][f"{a}axis"]["title"]["text"] for a in "xyz")


def plotted(trace) -> np.ndarray:
    for key in ("z", "y"):
        if getattr(trace, key, None) is not None:
            return np.asarray(trace[key], dtype=float)
    return np.array([])
