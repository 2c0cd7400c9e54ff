"""Exercises of chapter 12."""

from math import floor, log2

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

guess_mixers = ChoiceExercise(
    "my_gain",
    correct="C",
    why={
        "A": "each entry is drawn round the identity, but what is drawn adds to the length every "
        "time: squares do not cancel.",
        "B": "that is what a single matrix does: 1 + 4 x 0.3^2 = 1.36 in the mean square.",
        "C": "1.36 per matrix in the mean square, sixty times over: 10^8, so 10^4 in length; "
        "typical draws come to some thousands.",
    },
)

guess_wider = ChoiceExercise(
    "my_rate",
    correct="C",
    why={
        "A": "Adam's step has one size for each weight, but a wider unit adds up more of them.",
        "B": "a wider net is changed more by the same rate, not less.",
        "C": "sixteen times as many weights move a unit in step, so each has to move less.",
    },
)

guess_lost = ChoiceExercise(
    "my_share",
    correct="C",
    why={
        "A": "the range is float32's, and so large that it does not matter here; the digits are "
        "fewer.",
        "B": "rounding is to the nearest: a step smaller than half of the distance to the next "
        "number is lost altogether, not by a half.",
        "C": "next to 0.1 the numbers lie 0.0005 apart, and a step of 0.0001 is less than half.",
    },
)


def _coordinate_check(widths: list[float], changes: list[float]) -> float:
    x, y = np.log(np.asarray(widths, float)), np.log(np.asarray(changes, float))
    return float(((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum())


def _check_case(generator: np.random.Generator) -> tuple[list[float], list[float]]:
    widths = 2.0 ** np.arange(4, 4 + int(generator.integers(3, 6)))
    noise = np.exp(0.3 * generator.standard_normal(len(widths)))
    power = generator.choice([0.0, 0.5, 1.0, -0.5])
    return widths.tolist(), [float(f"{c:.3g}") for c in 0.01 * widths**power * noise]


coordinate_check = FunctionExercise(
    "coordinate_check",
    "return the power of the width by which the changes grow: the slope of ln over ln.",
    reference=_coordinate_check,
    cases=[
        ([16.0, 32.0], [1.0, 2.0]),
        ([16.0, 64.0], [3.0, 3.0]),
        ([10.0, 100.0, 1000.0], [1.0, 0.1, 0.01]),
        ([16.0, 64.0, 256.0], [0.02, 0.03, 0.2]),
        # Widths may be relative ones.
        ([0.25, 0.5, 4.0], [1.0, 3.0, 5.0]),
    ],
    random=_check_case,
    domain=lambda widths, changes: (
        len(widths) == len(changes) > 1 and len(set(widths)) > 1 and min(*widths, *changes) > 0
    ),
    atol=1e-9,
    hint="Take the logarithms of both, and fit a straight line by least squares.",
    praise="0 means that a layer moves alike at every width, which is what muP asks for.",
)


def _sinkhorn_round(matrix: Array) -> Array:
    by_column = matrix / np.sum(matrix, axis=0)
    return by_column / np.sum(by_column, axis=1, keepdims=True)


sinkhorn_round = FunctionExercise(
    "sinkhorn_round",
    "return the matrix after one round: columns divided by their sums, then rows by theirs.",
    reference=_sinkhorn_round,
    cases=[
        np.array([[1.0, 1.0], [1.0, 1.0]]),
        np.array([[1.0, 2.0], [3.0, 4.0]]),
        np.array([[1.0, 0.5, 0.1], [2.0, 1.0, 4.0], [1.0, 1.0, 3.0]]),
    ],
    random=lambda generator: generator.integers(1, 9, (3, 3)).astype(float),
    domain=lambda matrix: matrix.ndim == 2 and len(matrix) > 1 and bool((matrix > 0).all()),
    hint="Sums over axis 0 are the columns'. The rows' sums are taken after the columns are done.",
    praise="twenty such rounds, and rows and columns both add up to 1, nearly always.",
)


def _loss_scale(largest: float, limit: float) -> float:
    return 2.0 ** floor(log2(limit / largest))


loss_scale = FunctionExercise(
    "loss_scale",
    "return the largest power of two by which the loss may be multiplied.",
    reference=_loss_scale,
    cases=[(1.0, 65504.0), (0.03, 65504.0), (2.0, 448.0), (1000.0, 448.0), (0.5, 4.0), (1.0, 15.0)],
    random=lambda generator: (
        float(f"{10 ** generator.uniform(-6, 3):.3g}"),
        float(generator.choice([448.0, 57344.0, 65504.0])),
    ),
    domain=lambda largest, limit: largest > 0 and limit > 0,
    hint="The largest gradient times the scale must not exceed the limit; a power of two changes "
    "no digit.",
    praise="frameworks find it by trial: double it every so often, halve it after an infinity.",
)
