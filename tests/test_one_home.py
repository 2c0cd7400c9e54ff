"""One idea, one home: where each lives, and what a second home for it would look like."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

import vglib

ROOT = Path(vglib.__file__).parent
# An exercise's reference is a copy on purpose: a learner's answer is judged by independent code.
FILES = {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in ROOT.rglob("*.py")}
COURSE = {name: text for name, text in FILES.items() if not name.endswith("/check.py")}

HOMES = {
    "scaled": ("Scaled", "log_norm"),
    "learn": ("steps", "heavy_ball", "rmsprop", "adam"),
    "backprop": ("softmax_gradient", "PHI", "Phi", "Flat"),
    "training": ("fit", "fitting"),
    "words": ("percent", "number", "power_of_ten", "factor", "count"),
    "results": ("result", "last", "kept", "at_its_end", "frozen"),
    "checks": ("require", "one_of", "whole"),
    "weather": ("fair_weather", "one_thread"),
    "losses": ("quadratic", "nielsen_cross_entropy"),
    "data": ("digits", "split", "dataset"),
    "docket/registry": ("claims", "declared"),
    "course/copies": ("copy_new", "until_predicted", "copy_chapters"),
    "figures": ("panels", "theory", "level", "mark", "histogram", "Drawing", "template"),
    "activations": ("Activation", "ACTIVATIONS"),
    "networks": ("MLP", "INITIALIZATIONS"),
    "probe": ("Trace", "trace"),
    "doctor/operators": ("Observer", "Call", "rms"),
    "doctor/rules": ("RANK", "Finding", "finding"),
    "doctor/patient": ("accepted", "mapped", "rows_of"),
    "exercise": ("FunctionExercise", "NumberExercise", "ChoiceExercise", "first_mistake"),
    "claim": (
        *("Claim", "Fact", "Tolerance", "Ruling", "Verdict"),
        *("holds_only_if", "refuted", "at_least", "at_most"),
    ),
}

# What the code of a second home would hold, and the only files that may.
SIGNS = {
    "the gradient of softmax and cross-entropy": (r"\[\w+, y\] -= 1", "backprop.py"),
    "Adam's or RMSprop's step": (r"sqrt\(.+\) \+ (eps|1e-8)", "learn.py"),
    "a heavy ball's step": (r"momentum \* \w+ \+ g", "learn.py"),
    "the end of float64's squares": (r"1e-1[45]0|1e1[45]0", "scaled.py", "probe.py"),
    "a read-only array": (r"writeable = |setflags\(", "results.py"),
    "a figure of plotly's own": (
        r"go\.Figure\(|add_trace|FigureWidget|plotly\.(io|express|subplots)",
        "figures.py",
    ),
    "a notebook's widget": (r"import ipywidgets|import anywidget|import traitlets", "lab/"),
    "a control without its family's name": (r"from vglib\.lab\.controls import", "lab/"),
    "an unknown name": (r"; choose from \{", "checks.py"),
}


@cache
def defined(text: str) -> set[str]:
    """The names that a file defines outside functions and classes."""
    found = set()
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found


@pytest.fixture(scope="module")
def definitions():
    """The names that each file defines."""
    return {file: defined(text) for file, text in COURSE.items()}


@pytest.mark.parametrize(("home", "names"), HOMES.items(), ids=HOMES)
def test_each_idea_is_defined_once(home, names, definitions):
    for name in names:
        found = {file for file, known in definitions.items() if name in known}
        assert found == {f"{home}.py"}, name


@pytest.mark.parametrize(("pattern", "places"), [(p, w) for p, *w in SIGNS.values()], ids=SIGNS)
def test_no_second_home_is_built(pattern, places):
    found = {file for file, text in COURSE.items() if re.search(pattern, text)}
    assert found, "nothing holds it any more: the pattern is out of date"
    assert not {file for file in found if not file.startswith(tuple(places))}


def test_the_house_stays_small():
    """So that a newcomer reads the core in a day, and any file of a chapter at a sitting."""
    lines = {name: len(text.splitlines()) for name, text in FILES.items()}
    core = [count for name, count in lines.items() if "/" not in name or name.startswith("lab/")]
    assert max(count for name, count in lines.items() if name.startswith("doctor/")) <= 500
    assert sum(core) <= 4100
    chapters = {name: n for name, n in lines.items() if "/" in name and not name.startswith("lab/")}
    assert {name for name, count in chapters.items() if count > 500} == set()


def drawn_by_hand(text: str) -> list[int]:
    """The lines on which a curve is given a decimal logarithm, which its panel would take."""
    makers = {"Curve", "theory", "level", "mark", "histogram"}
    return [
        inner.lineno
        for call in ast.walk(ast.parse(text))
        if isinstance(call, ast.Call) and ast.unparse(call.func).removeprefix("figures.") in makers
        for inner in ast.walk(call)
        if isinstance(inner, ast.Call) and ast.unparse(inner.func).endswith("log10")
    ]


def test_a_panel_takes_the_logarithms():
    assert drawn_by_hand("figures.theory('t', x, np.log10(y))") == [1]
    drawings = {f: t for f, t in COURSE.items() if f.endswith(("/labs.py", "/drawings.py"))}
    assert len(drawings) >= 12
    assert {
        file: drawn_by_hand(text) for file, text in drawings.items() if drawn_by_hand(text)
    } == {}
