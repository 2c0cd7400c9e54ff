"""Exercises of chapter 01."""

import numpy as np
from numpy.linalg import norm

from vglib.concept.speed import factor_nielsen
from vglib.exercise import ChoiceExercise, FunctionExercise, NumberExercise, first_mistake

largest_step = FunctionExercise(
    "largest_step",
    "return the step size at which the descent on a w^2 just fails to converge.",
    reference=lambda a: 1 / a,
    cases=[1.0, 0.5, 2.0, 10.0, 0.01],
    random=lambda rng: float(10 ** rng.uniform(-3, 3)),
    domain=lambda a: a > 0,
    hint="One step multiplies w by 1 - 2 a step. When is that factor -1?",
    praise="beyond it every step overshoots by more than the one before: the steepest direction "
    "sets the limit for all.",
)

fastest = ChoiceExercise(
    "fastest",
    correct="B",
    why={
        "A": "layer 1 is farthest from the error; look at the lab.",
        "B": "the error enters at the output, and each layer on its way back keeps a fifth.",
        "C": "they are alike in size and in how they were drawn, but not in their place.",
    },
)

six_layers = NumberExercise(
    "six_layers",
    "give theory's ratio for six hidden layers.",
    expected=lambda: factor_nielsen() ** -5,
    rtol=0.03,
    near={
        **{factor_nielsen() ** -k: "Six layers have five steps between them." for k in (6, 4)},
        **{k * 4.88: "The steps multiply; they do not add." for k in (5, 6)},
    },
    hint="Each step from a layer to the one before costs a factor 4.88.",
    praise="five steps, 4.88 each, and nothing was fitted.",
)

per_layer = FunctionExercise(
    "per_layer",
    "return the factor by which the speed changes from a layer to the one before it.",
    reference=lambda speeds: (speeds[0] / speeds[-1]) ** (1 / (len(speeds) - 1)),
    cases=[
        *[[1.0, 1.0], [1.0, 2.0], [1.0, 2.0, 8.0]],
        *[[0.003, 0.017, 0.07, 0.285], [8.0, 1.0, 1.0, 1.0]],
    ],
    random=lambda rng: list(rng.uniform(0.1, 5, rng.integers(2, 6))),
    domain=lambda speeds: len(speeds) >= 2 and min(speeds) > 0,
    hint="The same factor at each of len(speeds) - 1 steps must lead from the last to the first.",
    praise="below 1 the gradient vanishes, above 1 it explodes, and the depth is its exponent.",
)

moved = FunctionExercise(
    "moved",
    "return how far the weights have moved, in units of their length at the start.",
    reference=lambda start, now: float(norm(now - start) / norm(start)),
    cases=[
        (np.array([[1.0]]), np.array([[1.0]])),
        (np.array([[2.0]]), np.array([[3.0]])),
        (np.array([[3.0, 4.0]]), np.array([[3.0, 5.0]])),
        (np.array([[1.0, -1.0], [1.0, 1.0]]), np.array([[-1.0, 1.0], [1.0, 1.0]])),
    ],
    random=lambda rng: (rng.normal(size=(3, 2)), rng.normal(size=(3, 2))),
    domain=lambda start, now: bool(norm(start) > 0),
    hint="Divide the length of the difference by the length of the start.",
    praise="a layer whose weights turn round keeps its length, and yet it has moved.",
)

forward = ChoiceExercise(
    "forward",
    correct="C",
    why={
        "A": "what multiplies the gradient on its way back multiplies the differences forward.",
        "B": "two steps that keep a third each would leave that; how many are there?",
        "C": "three steps, and each keeps about a fifth: forward as well as backward.",
    },
)

learns = ChoiceExercise(
    "learns",
    "choose A, B, C or D.",
    correct="D",
    why={
        "A": "all three remedies work; try the presets.",
        "B": "larger weights do work, and they are the only one that changes the ratio; but a "
        "ratio of 100 alone does not stop a net.",
        "C": "cross-entropy does work, since its gradient is about 25 times larger; but that acts "
        "like a larger step, and 40 times the step works as well.",
        "D": "each gives layer 1 a step worth taking; only the weights change the ratio itself.",
    },
)

flaw = first_mistake(
    correct=3,
    why={
        1: "this is measured, and theory says it too.",
        2: "right: cross-entropy and the quadratic loss start with nearly the same ratio.",
        3: "the ratio says that layer 1 is slow beside layer 4, not that its steps are too small "
        "to matter: with 40 times the step the same net, with the same ratio, learns.",
        4: "this would follow if line 3 were true; look for the first mistake.",
    },
)
