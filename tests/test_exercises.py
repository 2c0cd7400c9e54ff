"""Every exercise of every chapter: stub, solution, planted wrong answers, and nonsense.

A chapter's `tests/<chapter>/answers.py` has EXERCISES: its name to (stub, solution, wrong answers).
"""

import importlib
import importlib.util

import numpy as np
import pytest
import torch

from tools import discover
from vglib.exercise import Exercise, FunctionExercise

CHAPTERS = [name for name in discover.chapters() if discover.part(name, "check")]


def answers_of(chapter: str) -> dict[str, tuple]:
    """Give a chapter's answers, none where the file is missing; a test of its own says so."""
    name = f"tests.{chapter}.answers"
    return importlib.import_module(name).EXERCISES if importlib.util.find_spec(name) else {}


ANSWERS = {
    (chapter, name): answers
    for chapter in CHAPTERS
    for name, answers in answers_of(chapter).items()
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
