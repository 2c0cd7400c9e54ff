"""Every exercise of every chapter: stub, solution, planted wrong answers, and nonsense.

A chapter's `tests/<chapter>/answers.py` has EXERCISES: its name to (stub, solution, wrong answers).
"""

import importlib
import pkgutil

import numpy as np
import pytest
import torch

import vglib
from vglib.exercise import Exercise, FunctionExercise

CHAPTERS = [
    module.name
    for module in pkgutil.iter_modules(vglib.__path__)
    if module.ispkg and importlib.util.find_spec(f"vglib.{module.name}.check")
]
ANSWERS = {
    (chapter, name): answers
    for chapter in CHAPTERS
    for name, answers in importlib.import_module(f"tests.{chapter}.answers").EXERCISES.items()
}
NONSENSE = ["text", None, torch.zeros(3, 2), np.ones(4), [], object(), float("nan")]


def exercises(chapter: str) -> dict[str, Exercise]:
    found = vars(importlib.import_module(f"vglib.{chapter}.check"))
    return {name: value for name, value in found.items() if isinstance(value, Exercise)}


def by_name(value: object) -> str:
    return ".".join(value) if isinstance(value, tuple) else "answer"


@pytest.fixture
def exercise(place) -> Exercise:
    chapter, name = place
    return exercises(chapter)[name]


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_exercise_is_here(chapter):
    assert set(exercises(chapter)) == {name for place, name in ANSWERS if place == chapter}


@pytest.mark.parametrize("place", ANSWERS, ids=by_name)
def test_stub_solution_and_planted_wrong_answers(place, exercise):
    stub, solution, wrong = ANSWERS[place]
    assert len(wrong) >= 2
    assert repr(exercise(stub)).startswith("○")
    assert repr(exercise(solution)).startswith("✓"), repr(exercise(solution))
    for answer in wrong:
        result = exercise(answer)
        assert repr(result).startswith("✗")
        assert len(result.message) > 15


@pytest.mark.parametrize("place", ANSWERS, ids=by_name)
def test_nonsense_never_raises(place, exercise):
    for nonsense in NONSENSE:
        assert repr(exercise(nonsense))[0] in "○✗"
    if isinstance(exercise, FunctionExercise):
        for nonsense in (*NONSENSE[2:], "text"):
            assert repr(exercise(lambda *_, n=nonsense: n))[0] in "○✗"
        for broken in (lambda *_: 1 / 0, lambda: 1.0):
            assert repr(exercise(broken)).startswith("✗")
