"""Exercises of chapter 12."""

import numpy as np

from vglib.attention.parts import Array
from vglib.exercise import ChoiceExercise, FunctionExercise, first_mistake


def _softmax_back(weights: Array, by_weights: Array) -> Array:
    return weights * (by_weights - (weights * by_weights).sum())


def _row(generator: np.random.Generator) -> tuple[Array, Array]:
    weights = generator.dirichlet(np.ones(generator.integers(2, 6)))
    return weights, generator.integers(-3, 4, len(weights)).astype(float)


softmax_back = FunctionExercise(
    "softmax_back",
    "return dL/ds of one row, from its weights a and dL/da.",
    reference=_softmax_back,
    cases=[
        (np.array([0.5, 0.5]), np.array([1.0, -1.0])),
        (np.array([0.5, 0.5]), np.array([2.0, 2.0])),
        (np.array([1.0, 0.0]), np.array([3.0, -5.0])),
        (np.array([0.2, 0.3, 0.5]), np.array([1.0, 0.0, 2.0])),
    ],
    random=_row,
    domain=lambda weights, by_weights: (
        len(weights) == len(by_weights)
        and bool((weights >= 0).all())
        and abs(weights.sum() - 1) < 1e-9
    ),
    hint="Subtract from dL/da its mean, weighed by the weights; then multiply by the weights.",
    praise="note that its entries add up to 0: what all scores of a row share, the softmax loses.",
)

branch_scale = FunctionExercise(
    "branch_scale",
    "return the b at which `layers` layers of uniform attention end at the mean cosine `cosine`.",
    reference=lambda layers, tokens, cosine: (
        (((1 + (tokens - 1) * cosine) / (1 - cosine)) ** (1 / layers) - 1) ** 0.5
    ),
    cases=[(24, 32, 0.5), (1, 2, 0.5), (100, 32, 0.05), (10, 1000, 0.9), (7, 16, 0.0)],
    random=lambda rng: (
        *(int(rng.integers(1, 60)), int(rng.integers(2, 100))),
        float(rng.uniform(0, 0.95)),
    ),
    domain=lambda layers, tokens, cosine: layers >= 1 and tokens >= 2 and 0 <= cosine < 1,
    hint="Solve the boxed line for g^L, take the L-th root, and remember that g = 1 + b^2.",
    praise="for a cosine of 1/2 among 32 tokens 24 layers want b = 0.40, about 2/sqrt(L).",
)

guess_step = ChoiceExercise(
    "my_net",
    correct="C",
    why={
        "A": "its output moves farther and farther: at 48 blocks twenty times as far and more.",
        "B": "its last gradients do shrink, but there are more and more layers that move.",
        "C": "its skips are so strong, and its branches so small, that all steps together move the "
        "output as far as at three blocks.",
    },
)

guess_rows = ChoiceExercise(
    "my_rows",
    correct="B",
    why={
        "A": "that is so in most rows, but not in all of them, and those that are left weigh more.",
        "B": "where two scores are nearly equal a weight flips from one key to the other at the "
        "least push; and with Q and K larger, the push is, too.",
        "C": "most rows have next to nothing: the middle one 10^-20 or less.",
    },
)

flaw = first_mistake(
    correct=3,
    why={
        1: "that is the softmax's Jacobian, in the diagonal and beside it.",
        2: "a row with one weight near 1 and all others near 0 has only small products.",
        3: "not of every row: where the two largest scores are nearly equal, a is near (1/2, 1/2) "
        "and its Jacobian as large as it can be. Among many rows there are some like that.",
        4: "it follows from line 3; look for the first mistake.",
        5: "it follows from line 4; look for the first mistake.",
    },
)
