"""Exercises of chapter 04."""

from functools import partial
from math import sqrt

import numpy as np
import torch
from torch import Tensor

from vglib.exercise import ChoiceExercise, FunctionExercise, NumberExercise, first_mistake

guess = ChoiceExercise(
    "my_guess",
    correct="B",
    why={
        "A": "a path of slope 1 keeps the gradient, but half of the paths are shut in each layer.",
        "B": "half of the square is lost in each of 19 steps: sqrt(0.5^19) = 0.0014.",
        "C": "0.5^19 = 1.9e-06 is the share of the squared norm; take its root.",
    },
)

leaky_gain = FunctionExercise(
    "leaky_gain",
    "return the sigma_w that makes chi = 1 for a leak a.",
    reference=lambda a: sqrt(2 / (1 + a**2)),
    cases=[0.0, 1.0, 0.01, 0.25, 0.5, -1.0, 2.0],
    random=lambda rng: float(rng.uniform(-2, 2)),
    domain=lambda a: abs(a) <= 10,
    hint="Half of the paths have the squared slope 1, the other half a^2.",
    praise="sqrt(2) without a leak, 1 for the identity: He's formula for every kinked line.",
)


def _inner_case(generator: np.random.Generator) -> tuple[Tensor, ...]:
    n, m, batch = generator.integers(1, 4, 3)
    shapes = ((n, m), (batch, n), (batch, m))
    return tuple(torch.from_numpy(generator.normal(size=shape)) for shape in shapes)


def _inner_cases() -> list[tuple[Tensor, ...]]:
    draw = partial(torch.randn, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    shapes = ((1, 2), (1, 1), (1, 2)), ((2, 3), (4, 2), (4, 3)), ((3, 3), (2, 3), (2, 3))
    small = tuple(torch.full((1, 1), n, dtype=torch.float64) for n in (2, 3, 5))
    return [small, *(tuple(map(draw, case)) for case in shapes)]


inner = FunctionExercise(
    "inner",
    "return the sum of W times dL/dW, entry by entry.",
    reference=lambda W, delta, h: float((W * (delta.T @ h)).sum()),
    cases=_inner_cases(),
    random=_inner_case,
    hint="dL/dW is delta.T @ h, of W's shape; multiply by W entry by entry, then sum.",
    praise="the same number as the sum of delta * (h @ W.T), and the h @ W.T is z.",
)

flaw = first_mistake(
    correct=3,
    why={
        1: "this is what the lab measures, with torch's scale and no biases.",
        2: "it is: 0.55 here, and 0.21 with He.",
        3: "an even norm of dL/dW is what <W, dL/dW> enforces in every ReLU net without biases. "
        "In the same net dL/dz falls by seven decades.",
        4: "true enough if line 3 were; look for the first mistake.",
    },
)


_FEW = ([[1.0]], [[-1.0]], [[0.0]], [[-1.0, 1.0], [-2.0, -1.0]])
_MORE = ([[-1.0, 3.0], [1.0, -3.0], [-1.0, 0.0]], [[-1.0, 0.0, -2.0], [0.0, 0.0, 1.0]])

dead = FunctionExercise(
    "dead",
    "return how many units are dead.",
    reference=lambda z: int((z <= 0).all(0).sum()),
    cases=[torch.tensor(z).double() for z in _FEW + _MORE],
    random=lambda rng: torch.from_numpy(rng.normal(-1, 1, rng.integers(1, 5, 2))),
    hint="A unit is a column. It is dead if no image, no row, turns it on.",
    praise="off for one image is a zero; off for all of them is death.",
)

born_dead = FunctionExercise(
    "born_dead",
    "return the chance that some layer is silent.",
    reference=lambda width, layers: 1 - (1 - 0.5**width) ** layers,
    cases=[(1, 1), (1, 2), (2, 1), (3, 9), (5, 9), (10, 100)],
    random=lambda rng: (int(rng.integers(1, 9)), int(rng.integers(1, 60))),
    domain=lambda width, layers: 1 <= width <= 20 and 1 <= layers <= 1000,
    hint="A layer is silent with chance 0.5^width; the net lives if none of them is.",
    praise="width saves exponentially, depth costs only linearly.",
)

P, GAP = 0.975, 0.001

images = NumberExercise(
    "images",
    "give the number of test images.",
    expected=2 * P * (1 - P) * (2 / GAP) ** 2,
    rtol=0.03,
    near={
        P * (1 - P) * (2 / GAP) ** 2: "That is for one score. A difference of two has twice the "
        "variance.",
        2 * P * (1 - P) / GAP**2: "That makes the gap one standard error; two were asked.",
        lambda n: 0 < n < 1000: "0.1 points are 0.001, not 0.1.",
    },
    hint="Set 2 p (1 - p) / n, the variance of the difference, equal to (gap / 2)^2.",
    praise="195,000: neither our 360 nor MNIST's 10,000 will do.",
)
