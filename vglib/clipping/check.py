"""Exercises of chapter 09."""

from math import hypot

import numpy as np

from vglib.clipping.rules import by_norm
from vglib.exercise import ChoiceExercise, FunctionExercise, first_mistake

guess_cliff = ChoiceExercise(
    "my_cliff",
    correct="C",
    why={
        "A": "a fixed step size turns a huge gradient into a huge step, so it does not slide.",
        "B": "it comes to the foot of the wall first; one step further up the wall is enough.",
        "C": "the step is the gradient times a constant, and on the wall the gradient is up to 361 "
        "here.",
    },
)

guess_decay = ChoiceExercise(
    "my_decay",
    correct="C",
    why={
        "A": "0.01 takes one ten-thousandth off a weight in each step; that is far too slow.",
        "B": "1 takes a hundredth off a weight in each step, and the net is lost in a handful.",
        "C": "the explosion is over within a few steps, before such a decay has done anything.",
    },
)

clip = FunctionExercise(
    "clip",
    "return g, shortened to the length c if it is longer.",
    reference=by_norm,
    cases=[
        (np.array(g), 1.0) for g in ([3.0, 4.0], [0.3, 0.4], [0.9, 100.0], [0.0, 0.0], [6e-9, 8e-9])
    ],
    random=lambda rng: (rng.integers(-9, 10, 3).astype(float), float(rng.choice([0.5, 1.0, 5.0]))),
    domain=lambda g, c: c > 0,
    hint="Multiply by min(1, c/‖g‖); a gradient of length 0 stays as it is.",
    praise="this is clipping by norm: the direction stays, and nothing grows.",
)

clip_whole = FunctionExercise(
    "clip_whole",
    "return the layers' norms after clipping the whole gradient at c.",
    reference=lambda norms, c: [n * min(1.0, c / hypot(*norms)) for n in norms],
    cases=[
        ([3.0, 4.0], 1.0),
        ([1.0], 2.0),
        ([0.6, 0.8], 1.0),
        ([100.0, 1.0], 1.0),
        ([2.0, 2.0, 1.0], 1.5),
    ],
    random=lambda rng: (list(rng.uniform(0.1, 9, rng.integers(1, 5))), float(rng.uniform(0.2, 9))),
    domain=lambda norms, c: c > 0 and len(norms) > 0 and min(norms) > 0,
    hint="One factor for all layers; the whole length is the root of the sum of squares.",
    praise="all layers shrink by one factor, so the ratio between them stays.",
)

guess_step = ChoiceExercise(
    "my_step",
    correct="C",
    why={
        "A": "it may, by luck, at one start; from most the largest stable step is 2/x² = 0.02.",
        "B": "the start is left in no time; what takes long is the flat middle, 1/(2 lr x²) steps.",
        "C": "0.02 is all that the start allows, and in the middle such a step is far too small.",
    },
)


def _adaptive(w: np.ndarray, g: np.ndarray, c: float) -> np.ndarray:
    of_weights = np.maximum(np.linalg.norm(w, axis=1, keepdims=True), 1e-3)
    return g * np.minimum(
        1, c * of_weights / np.maximum(np.linalg.norm(g, axis=1), 1e-300)[:, None]
    )


adaptive_clip = FunctionExercise(
    "adaptive_clip",
    "return g, each row shortened to c times the norm of its row of weights.",
    reference=_adaptive,
    cases=[
        (np.array([[3.0, 4.0]]), np.array([[0.6, 0.8]]), 0.01),
        (np.array([[3.0, 4.0], [30.0, 40.0]]), np.array([[0.0, 1.0], [0.0, 1.0]]), 0.1),
        (np.array([[0.0, 0.0]]), np.array([[3.0, 4.0]]), 0.01),
        (np.array([[3.0, 4.0]]), np.array([[18.0, 24.0]]), 2.0),
        (np.array([[3.0, 4.0]]), np.array([[0.0, 0.0]]), 0.01),
    ],
    random=lambda rng: (
        *(rng.integers(-9, 10, (2, 2, 3)).astype(float) * np.array([1, 0.1])[:, None, None]),
        float(rng.choice([0.01, 0.1, 1.0])),
    ),
    domain=lambda w, g, c: c > 0 and w.shape == g.shape and w.ndim == 2,
    hint="Row by row: g_i min(1, c max(‖w_i‖, 0.001)/‖g_i‖); a row of zeros stays.",
    praise="a threshold that nobody has to look up: it goes with the weights.",
)

soft = FunctionExercise(
    "soft",
    "return the w that minimises a (w - goal)^2 / 2 + strength |w|.",
    reference=lambda goal, a, strength: float(np.sign(goal) * max(abs(goal) - strength / a, 0.0)),
    cases=[
        *((goal, 1.0, 1.0) for goal in (2.0, -2.0, 0.5, -0.5)),
        *((goal, 4.0, 1.0) for goal in (2.0, 0.5, -0.5, 0.25, 0.125)),
        *((goal, 0.5, 1.0) for goal in (1.5, -1.5, 2.5)),
        (1.0, 1.0, 0.0),
    ],
    random=lambda rng: (
        float(rng.integers(-8, 9)) / 4,
        float(rng.choice([0.5, 1.0, 4.0])),
        float(rng.choice([0.25, 0.5, 2.0])),
    ),
    domain=lambda goal, a, strength: a > 0 and strength >= 0,
    hint="For w > 0 the slope is a (w - goal) + strength; where would w change sign, it is 0.",
    praise="small weights become exactly 0, which L2 never does.",
)

flaw = first_mistake(
    correct=4,
    why={
        1: "right: the factor min(1, c/‖g‖) is positive.",
        2: "right: a positive factor changes no direction.",
        3: "right: that is what the average over batches means.",
        4: "each batch has a factor of its own: 9, -1, -1 has a positive mean, and clipped at 1 "
        "it becomes 1, -1, -1 with a negative one.",
    },
)
