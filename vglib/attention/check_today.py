"""Exercises of chapter 12 on mixing matrices, widths and rates, and number formats."""

from math import floor, log2

import numpy as np

from vglib.exercise import ChoiceExercise, FunctionExercise
from vglib.probe import Array

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
