from math import ceil, floor, log, sqrt

import pytest
import torch

from vglib.exercise import Exercise
from vglib.initialization import check

EXERCISES = {
    "guess": (..., "C", ["A", "B"]),
    "he_bound": (
        lambda fan_in: ...,
        lambda fan_in: sqrt(6 / fan_in),
        [lambda fan_in: sqrt(2 / fan_in), lambda fan_in: 1 / sqrt(fan_in)],
    ),
    "conv_std": (
        lambda in_channels, out_channels, kernel: ...,
        lambda in_channels, out_channels, kernel: sqrt(2 / in_channels) / kernel,
        [
            lambda i, o, k: sqrt(2 / (o * k * k)),
            lambda i, o, k: sqrt(2 / i),
            lambda i, o, k: 2 / (i * k * k),
        ],
    ),
    "leaky_gain": (
        lambda slope: ...,
        lambda slope: sqrt(2 / (1 + slope**2)),
        [lambda slope: sqrt(2 / (1 + slope)), lambda slope: sqrt(2.0)],
    ),
    "xi": (..., 3.63, [-3.627, 7.25, 0.2757, 12]),
    "layers_until": (
        lambda largest, first, growth: ...,
        lambda m, first, growth: 1 + ceil(log(m / first) / log(growth)),
        [
            lambda m, first, growth: floor(log(m / first) / log(growth)),
            lambda m, first, growth: log(m) / log(growth),
        ],
    ),
    "flaw": (..., 3, [1, 2, 4]),
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


def test_the_counterexample_is_small():
    said = check.he_bound(lambda fan_in: sqrt(2 / fan_in)).message
    assert "he_bound(fan_in=1)" in said


@pytest.mark.parametrize("garbage", ["text", None, torch.zeros(3, 2), [], object(), float("nan")])
@pytest.mark.parametrize("name", EXERCISES)
def test_garbage_never_raises(name, garbage):
    assert repr(getattr(check, name)(garbage))[0] in "○✗"
