from itertools import pairwise

import numpy as np
import pytest
import torch

from vglib.concept import check
from vglib.exercise import Exercise

NORM = np.linalg.norm
EXERCISES = {
    "largest_step": (
        lambda a: ...,
        lambda a: 1 / a,
        [lambda a: 2 / a, lambda a: 1 / (2 * a), lambda a: 1.0],
    ),
    "fastest": (..., "b", ["A", "C"]),
    "six_layers": (..., 2773, [4.88**6, 5 * 4.88, 4.88**4, 116]),
    "per_layer": (
        lambda speeds: None,
        lambda speeds: (speeds[0] / speeds[-1]) ** (1 / (len(speeds) - 1)),
        [
            lambda speeds: (speeds[0] / speeds[-1]) ** (1 / len(speeds)),
            lambda speeds: (speeds[-1] / speeds[0]) ** (1 / (len(speeds) - 1)),
            lambda speeds: float(np.mean([a / b for a, b in pairwise(speeds)])),
        ],
    ),
    "moved": (
        lambda start, now: ...,
        lambda start, now: NORM(now - start) / NORM(start),
        [
            lambda start, now: abs(NORM(now) - NORM(start)) / NORM(start),
            lambda start, now: NORM(now - start),
            lambda start, now: NORM(now - start) / NORM(now),
        ],
    ),
    "learns": (..., "D", ["A", "B", "C"]),
    "flaw": (..., 3, [1, 2, 4]),
}  # fmt: skip


def test_every_exercise_is_here():
    found = {n for n, v in vars(check).items() if isinstance(v, Exercise)}
    assert found == set(EXERCISES)


@pytest.mark.parametrize("name", EXERCISES)
def test_stub_solution_and_planted_wrong_answers(name):
    exercise = getattr(check, name)
    stub, solution, wrong = EXERCISES[name]
    assert repr(exercise(stub)).startswith("○")
    assert repr(exercise(solution)).startswith("✓")
    for answer in wrong:
        result = exercise(answer)
        assert repr(result).startswith("✗")
        assert len(result.message) > 15


@pytest.mark.parametrize("garbage", ["text", None, torch.zeros(3, 2), [], object(), float("nan")])
@pytest.mark.parametrize("name", EXERCISES)
def test_garbage_never_raises(name, garbage):
    assert repr(getattr(check, name)(garbage))[0] in "○✗"


@pytest.mark.parametrize("name", ["largest_step", "per_layer", "moved"])
def test_functions_of_a_wrong_shape_are_wrong(name):
    for answer in (lambda: 1.0, lambda *a: torch.ones(3), lambda *a: "text", lambda *a: 1 / 0):
        assert repr(getattr(check, name)(answer)).startswith("✗")
