"""Exercises of chapter 03."""

from math import tanh

import numpy as np
import torch
from torch import Tensor

from vglib.exercise import ChoiceExercise, FunctionExercise, NumberExercise, first_mistake
from vglib.sigmoid.unit import where_slope_is

guess_signs = ChoiceExercise(
    "my_signs",
    correct="B",
    why={
        "A": "that holds for a single sample; a batch adds up vectors of both signs.",
        "B": "most units, but not all: move the batch size and see.",
        "C": "for tanh it is about none; sigmoid outputs are all positive.",
    },
)


tanh_pair = FunctionExercise(
    "tanh_pair",
    "return tanh(z) and tanh'(z), written with the sigmoid alone.",
    reference=lambda z: (tanh(z), 1 - tanh(z) ** 2),
    cases=[0.0, 0.5, 1.0, -1.0, 2.0, -3.0],
    random=lambda rng: float(2 * rng.normal()),
    hint="tanh(z) = 2 s(2z) - 1: both factors 2 appear again in the derivative.",
    praise="tanh is a sigmoid, twice as tall, twice as steep in z and shifted to 0.",
)

tanh_point = NumberExercise(
    "tanh_point",
    "give the |z| at which tanh's slope is 10% of its maximum.",
    expected=lambda: where_slope_is(0.1, "tanh"),
    rtol=0.005,
    near={
        where_slope_is(0.1): "That is the sigmoid's point. tanh'(z) = 4 s'(2z): which z is that?",
        2 * where_slope_is(0.1): "2z must reach the sigmoid's point, so z is smaller, not larger.",
    },
    hint="tanh'(z) = 4 s'(2z), and the sigmoid's slope is at 10% where |z| = 3.64.",
    praise="half of the sigmoid's 3.64: tanh saturates earlier, not later.",
)


def _signs_case(generator: np.random.Generator) -> Tensor:
    numbers = generator.integers(-2, 3, (3, 2)).astype(float)
    # No row may be all 0: the task leaves that case out.
    numbers[:, 0] = generator.choice([-1.0, 1.0, 2.0], 3)
    return torch.from_numpy(numbers)


one_sign = FunctionExercise(
    "one_sign",
    "return the share of rows whose numbers share one sign.",
    reference=lambda rows: float(((rows >= 0).all(-1) | (rows <= 0).all(-1)).double().mean()),
    cases=[
        torch.tensor([[1.0, 2.0]]),
        torch.tensor([[1.0, -2.0]]),
        torch.tensor([[-1.0, -2.0], [1.0, -1.0]]),
        torch.tensor([[1.0, 2.0, 3.0], [-1.0, -2.0, -3.0], [1.0, -1.0, 5.0]]),
        torch.tensor([[0.0, 2.0], [0.0, -1.0]]),
    ],
    random=_signs_case,
    domain=lambda gradient: bool((gradient != 0).any(1).all()),
    hint="A row counts if it has no positive number, or no negative one.",
    praise="this is what the batch-size lab plots.",
)

largest_step = FunctionExercise(
    "largest_step",
    "return the largest stable step size.",
    reference=lambda mean, variance, n: 2 / (variance + n * mean**2),
    cases=[(0.0, 1.0, 1), (0.0, 0.25, 100), (0.5, 0.25, 1), (0.5, 0.04, 2), (1.0, 1.0, 10)],
    random=lambda rng: (
        float(rng.normal()),
        float(rng.uniform(0.05, 3)),
        int(rng.integers(1, 60)),
    ),
    domain=lambda mean, variance, n: variance > 0 and n >= 1,
    hint="The steepest curvature is along (1, ..., 1): what do n equal means add there?",
    praise="n inputs of mean 1/2 cut the step by n/4 over the variance.",
)

flaw = first_mistake(
    correct=3,
    why={
        1: "s(z) lies between 0 and 1.",
        2: "for one sample the gradient is delta times the inputs, and one number delta sets the "
        "sign of all.",
        3: "samples whose deltas differ in sign give vectors of opposite sign, and their average "
        "can have both: samples (1, 3) and -(3, 1) average to (-1, 1).",
        4: "true enough if line 3 were; look for the first mistake.",
    },
)
