"""Exercises of chapter 07."""

from math import exp

import numpy as np

from vglib.exercise import ChoiceExercise, FunctionExercise, NumberExercise, first_mistake
from vglib.residuals.stack import Array

guess_growth = ChoiceExercise(
    "my_growth",
    correct="C",
    why={
        "A": "the skip alone would leave it as it is, but the branches add to it.",
        "B": "with the 1 in every block it cannot die out like that.",
        "C": "every block doubles the squared length: 2^20 is a million, a thousand in length.",
    },
)

guess_cure = ChoiceExercise(
    "my_cure",
    correct="A",
    why={
        "A": "it shortens each step, and from a loss in the ten thousands a hundredth is a short "
        "one. Nothing is NaN, though: with ten times the step size it learns as well, later.",
        "B": "batch norm in the branch does help: each branch then adds a fixed amount to a stream "
        "that grows, so it counts for less and less.",
        "C": "a small alpha does help: the factor per block is 1 + alpha^2.",
    },
)


def _skip_back(weight: Array, delta: Array, slope: Array, alpha: float) -> Array:
    return delta + alpha * slope * (weight.T @ delta)


def _block_case(generator: np.random.Generator) -> tuple[Array, Array, Array, float]:
    weight, delta = generator.integers(-2, 3, (2, 2)), generator.integers(-2, 3, 2)
    slope = generator.integers(0, 2, 2)
    alpha = float(generator.choice([0.1, 0.5, 1.0, 2.0, -1.0]))
    return weight.astype(float), delta.astype(float), slope.astype(float), alpha


skip_back = FunctionExercise(
    "skip_back",
    "return the gradient in front of the block.",
    reference=_skip_back,
    cases=[
        (np.array([[2.0]]), np.array([1.0]), np.array([1.0]), 1.0),
        (np.array([[2.0]]), np.array([1.0]), np.array([0.0]), 1.0),
        (np.array([[-1.0]]), np.array([3.0]), np.array([1.0]), 1.0),
        (np.array([[0.0, 1.0], [2.0, 3.0]]), np.array([1.0, -1.0]), np.array([1.0, 0.5]), 0.5),
    ],
    random=_block_case,
    # A ReLU's slopes.
    domain=lambda weight, delta, slope, alpha: bool(np.isin(slope, (0, 1)).all()),
    hint="The skip hands delta on; the branch adds alpha times slope times W^T delta.",
    praise="one line, and every lab of this chapter runs on it.",
)

branch_scale = FunctionExercise(
    "branch_scale",
    "return the alpha at which depth blocks multiply the squared gradient by growth.",
    reference=lambda depth, growth: (growth ** (1 / depth) - 1) ** 0.5,
    cases=[(1, 2.0), (2, 4.0), (20, 4.0), (100, exp(1)), (1000, 10.0), (10, 1.0)],
    random=lambda rng: (int(rng.integers(1, 300)), float(rng.uniform(1, 20))),
    domain=lambda depth, growth: depth >= 1 and growth >= 1,
    hint="Solve (1 + alpha^2)^depth = growth for alpha.",
    praise="for growth = e and many blocks this is 1/sqrt(depth).",
)

mean_length = NumberExercise(
    "length",
    "give the mean number of branches, weighed by the squared gradient.",
    expected=10.0,
    rtol=0.01,
    near={
        25.0: "That is the mean over the paths themselves, each counted once.",
        12.5: "A branch's share is alpha^2 / (1 + alpha^2), not alpha^2.",
        50 / 3: "The shares are of the squared gradient: alpha enters as alpha^2.",
    },
    hint="A block's branch carries alpha^2 / (1 + alpha^2) of the squared gradient.",
    praise="10 of 50: the long paths are many, but each of them carries too little.",
)

guess_rate = ChoiceExercise(
    "my_rate",
    correct="B",
    why={
        "A": "with branches of scale 1 it is so: there the squared signal doubles in each block.",
        "B": "L branches of scale 1/sqrt L move the output as far as one does, at any L.",
        "C": "each block moves less, but there are more of them: L times 1/L.",
    },
)

same_change = FunctionExercise(
    "same_change",
    "return the step size at which new blocks change the output as old blocks did at lr.",
    reference=lambda lr, old, new, power: lr * (new / old) ** (2 * power - 1),
    cases=[
        *[(0.01, 4, 64, 0.5), (0.01, 4, 64, 0.0), (0.01, 4, 64, 1.0), (1.0, 10, 10, 0.3)],
        *[(2.0, 16, 4, 0.25), (0.5, 3, 12, 0.75), (1.0, 2, 6, 2.0)],
    ],
    random=lambda rng: (
        float(rng.uniform(0.01, 3)),
        *map(int, rng.integers(1, 100, 2)),
        float(rng.integers(0, 5)) / 4,
    ),
    domain=lambda lr, old, new, power: lr > 0 and old >= 1 and new >= 1 and power >= 0,
    hint="lr L alpha^2 is to stay, with alpha = L^-power: lr L^(1 - 2 power).",
    praise="power 1/2 is the one at which the step size need not know the depth.",
)

carried = NumberExercise(
    "left",
    "give what is left of the gradient on the path through skips alone.",
    expected=(1 - 1 / (1 + exp(2))) ** 100,
    # Three millionths are right as well.
    rtol=0.05,
    near={
        1 / (1 + exp(2)): "That is the gate T itself. The skip keeps 1 - T in each layer.",
        (1 / (1 + exp(2))) ** 100: "T goes to the branch; the skip has 1 - T.",
        1 - 1 / (1 + exp(2)): "That is one layer. There are a hundred.",
    },
    hint="T = 1/(1 + e^2), and the skip keeps 1 - T, a hundred times over.",
    praise="three millionths: a skip that is not exactly 1 vanishes with depth after all.",
)

flaw = first_mistake(
    correct=4,
    why={
        1: "that is the chain rule of a block whose sum goes on as it is.",
        2: "multiply out: each bracket gives its 1 or its J.",
        3: "the term in which every bracket gives its 1.",
        4: "a sum can be shorter than one of its terms: with J = -I the second term of the block "
        "takes away all of the first, 1 - 1 = 0.",
        5: "it follows from line 4; look for the first mistake.",
    },
)
