from math import atanh, sqrt, tanh

import numpy as np
import pytest
import torch

from vglib.exercise import Exercise
from vglib.sigmoid import check

EXERCISES = {
    "guess_slope": (..., "c", ["A", "B"]),
    "guess_signs": (..., "B", ["A", "C"]),
    "tanh_pair": (
        lambda z: ...,
        lambda z: (2 / (1 + np.exp(-2 * z)) - 1, 1 - tanh(z) ** 2),
        [
            lambda z: (2 / (1 + np.exp(-z)) - 1, 1 - tanh(z) ** 2),
            lambda z: (tanh(z), (1 - tanh(z) ** 2) / 2),
            lambda z: tanh(z),
        ],
    ),
    "tanh_point": (..., atanh(sqrt(0.9)), [3.637, 7.27, 2.0]),
    "one_sign": (
        lambda gradient: None,
        lambda g: ((g >= 0).all(1) | (g <= 0).all(1)).double().mean().item(),
        [
            lambda g: (g > 0).all(1).double().mean().item(),
            lambda g: (g.sign().sum(1).abs() / g.shape[1]).mean().item(),
            lambda g: ((g >= 0).all(0) | (g <= 0).all(0)).double().mean().item(),
        ],
    ),
    "largest_step": (
        lambda mean, variance, n: ...,
        lambda mean, variance, n: 2 / (variance + n * mean**2),
        [
            lambda mean, variance, n: 1 / (variance + n * mean**2),
            lambda mean, variance, n: 2 / (n * (variance + mean**2)),
            lambda mean, variance, n: 2 / variance,
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
    assert repr(exercise(solution)).startswith("✓"), repr(exercise(solution))
    for answer in wrong:
        result = exercise(answer)
        assert repr(result).startswith("✗")
        assert len(result.message) > 15


@pytest.mark.parametrize("garbage", ["text", None, torch.zeros(3, 2), [], object(), float("nan")])
@pytest.mark.parametrize("name", EXERCISES)
def test_garbage_never_raises(name, garbage):
    assert repr(getattr(check, name)(garbage))[0] in "○✗"


def test_the_flaws_own_counterexample():
    """Two samples with inputs (1, 3) and (3, 1) and deltas +1 and -1."""
    gradient = (1 * np.array([1, 3]) - 1 * np.array([3, 1])) / 2
    assert gradient.tolist() == [-1, 1]
