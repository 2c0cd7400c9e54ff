import pytest
import torch

from vglib.exercise import Exercise
from vglib.start_here import check

EXERCISES = {
    "guess": (..., "C", ["A", "B"]),
    "share": (
        lambda r, depth: ...,
        lambda r, depth: r ** (depth - 1),
        [lambda r, depth: r**depth, lambda r, depth: 1 - r * (depth - 1)],
    ),
    "verdict": (
        lambda first, last: None,
        lambda f, s: "vanishes" if f / s < 0.01 else "explodes" if f / s > 100 else "holds",
        [
            lambda f, s: "vanishes" if f < 0.01 else "explodes" if f > 100 else "holds",
            lambda f, s: "explodes" if f / s < 0.01 else "vanishes" if f / s > 100 else "holds",
        ],
    ),
    "relu_scale": (..., 2**0.5, [1.0, 2.0, 7]),
    "tanh_scale": (..., 1, [5 / 3, 2.0]),
    "sigmoid_scale": (..., 10.2, [4, 1.0]),
    "flaw": (..., 2, [1, 3]),
}


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
