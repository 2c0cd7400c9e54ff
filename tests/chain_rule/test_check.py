import math

import numpy as np
import pytest
import torch

from vglib.chain_rule import check
from vglib.exercise import Exercise


def slope(z):
    s = 1 / (1 + math.exp(-z))
    return s * (1 - s)


def chain(weights, a):
    product = 1.0
    for w in weights:
        product, a = product * w * slope(w * a), 1 / (1 + math.exp(-w * a))
    return product


def chain_without_activation(weights, a):
    product = 1.0
    for w in weights:
        product, a = product * w * slope(w * a), w * a
    return product


EXERCISES = {
    "typical": (..., "b", ["A", "C"]),
    "factor": (
        lambda w, a, b: ...,
        lambda w, a, b: w * slope(w * a + b),
        [lambda w, a, b: slope(w * a + b), lambda w, a, b: w * slope(w * a) + b],
    ),
    "chain_gradient": (
        lambda weights, a: None,
        chain,
        [chain_without_activation, lambda weights, a: chain(weights, a) / weights[0]],
    ),
    "width": (..., 105, [16, 50, 300]),
    "layer_delta": (
        lambda weight, delta, slope: ...,
        lambda weight, delta, slope: slope * (weight.T @ delta),
        [
            lambda weight, delta, slope: slope * (weight @ delta),
            lambda weight, delta, slope: weight.T @ delta,
        ],
    ),
    "flaw": (..., 2, [1, 3, 4]),
}


def test_every_exercise_is_here():
    assert {n for n, v in vars(check).items() if isinstance(v, Exercise)} == set(EXERCISES)


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


@pytest.mark.parametrize("garbage", ["text", None, torch.zeros(3, 2), np.ones(4), [], object()])
@pytest.mark.parametrize("name", EXERCISES)
def test_garbage_never_raises(name, garbage):
    assert repr(getattr(check, name)(garbage))[0] in "○✗"
