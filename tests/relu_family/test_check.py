import pytest
import torch

from vglib.exercise import Exercise
from vglib.relu_family import check

EXERCISES = {
    "guess": (..., "B", ["A", "C"]),
    "leaky_gain": (
        lambda a: ...,
        lambda a: (2 / (1 + a**2)) ** 0.5,
        [lambda a: 2 / (1 + a**2), lambda a: (2 / (1 + a)) ** 0.5, lambda a: 2**0.5],
    ),
    "inner": (
        lambda W, delta, h: None,
        lambda W, delta, h: float((delta * (h @ W.T)).sum()),
        [
            lambda W, delta, h: float((delta.T @ h).sum()),
            lambda W, delta, h: float(W.norm() * (delta.T @ h).norm()),
            lambda W, delta, h: W * (delta.T @ h),
        ],
    ),
    "flaw": (..., 3, [1, 2, 4]),
    "dead": (
        lambda z: ...,
        lambda z: int((z <= 0).all(0).sum()),
        [
            lambda z: int((z <= 0).all(1).sum()),
            lambda z: int((z <= 0).sum()),
            lambda z: int((z < 0).all(0).sum()),
            lambda z: int((z.mean(0) <= 0).sum()),
        ],
    ),
    "born_dead": (
        lambda width, layers: None,
        lambda width, layers: 1 - (1 - 2**-width) ** layers,
        [
            lambda width, layers: 2.0 ** (-width * layers),
            lambda width, layers: layers * 2.0**-width,
        ],
    ),
    "images": (..., 195_000, [97_500, 48_750, 19.5, 10_000]),
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


@pytest.mark.parametrize("name", ["leaky_gain", "inner", "dead", "born_dead"])
def test_a_function_that_returns_garbage_or_raises_is_wrong(name):
    exercise = getattr(check, name)
    for function in (lambda *_: "text", lambda *_: torch.zeros(3, 2), lambda *_: 1 / 0):
        assert repr(exercise(function)).startswith("✗")
