"""Exercises of chapter 05."""

from math import log, sqrt

import numpy as np
import torch

from vglib.activations import get_activation
from vglib.exercise import ChoiceExercise, FunctionExercise, NumberExercise, first_mistake
from vglib.initialization.convolution import delta_orthogonal
from vglib.initialization.mean_field import depth_scale
from vglib.theory import chi_at_fixed_point

guess = ChoiceExercise(
    "my_guess",
    correct="C",
    why={
        "A": "that would be a loss of about 1% per layer; torch's default loses five sixths.",
        "B": "four powers of ten are gone after five or six layers: 6^5 is 7776.",
        "C": "each layer keeps one sixth: n Var w = 1/3, and ReLU takes half. 49 steps from layer "
        "50 to layer 1 make 6^-49 = 7.4e-39.",
    },
)

he_bound = FunctionExercise(
    "he_bound",
    "return the a of U(-a, a).",
    reference=lambda fan_in: sqrt(6 / fan_in),
    cases=[1, 2, 6, 100, 1000],
    random=lambda rng: int(rng.integers(1, 5000)),
    domain=lambda fan_in: fan_in >= 1,
    hint="Which variance does He ask for, and which has U(-a, a)?",
    praise="a²/3 = 2/fan_in.",
)

dropout_gain = FunctionExercise(
    "dropout_gain",
    "return sigma_w.",
    reference=lambda keep: sqrt(2 * keep),
    cases=[1.0, 0.5, 0.8, 0.9, 0.1],
    random=lambda rng: float(rng.uniform(0.02, 1)),
    domain=lambda keep: 0 < keep <= 1,
    hint="A kept h becomes h/keep, and it is kept with probability `keep`. What is the mean of the "
    "square?",
    praise="E h² grows by 1/keep, so the weights must be smaller; the way back has the same "
    "factor, for the mask is the same.",
)


def _xi() -> float:
    tanh = get_activation("tanh")
    return float(depth_scale(chi_at_fixed_point(tanh.phi, tanh.dphi, 1.0, sqrt(0.05))))


xi = NumberExercise(
    "xi",
    "give a number of layers.",
    expected=_xi,
    rtol=0.02,
    near={
        lambda answer: abs(answer + _xi()) < 0.1: "A number of layers is positive.",
        lambda answer: abs(answer - 2 * _xi()) < 0.1: "That is for ‖δ‖; the question is ‖δ‖².",
        lambda answer: abs(answer * _xi() - 1) < 0.02: "That is the change per layer; how many "
        "layers make a factor e?",
    },
    hint="The line of the lab falls by ln χ per layer; how many layers until it has fallen by 1?",
    praise="it is -1/ln χ.",
)


def _not_on_the_edge(largest: float, first: float, growth: float) -> bool:
    if not (first > 0 and growth > 1.01 and first < largest < 1e300):
        return False
    steps = log(largest / first) / log(growth)
    return abs(steps - round(steps)) > 1e-6


def _layers_until(largest: float, first: float, growth: float) -> int:
    layer, size = 1, first
    while size <= largest:
        layer, size = layer + 1, size * growth
    return layer


layers_until = FunctionExercise(
    "layers_until",
    "return the layer's number.",
    reference=_layers_until,
    cases=[
        *[(65504.0, 10.0, 4.0), (65504.0, 1.5, 2.0), (3.4e38, 10.0, 4.0)],
        *[(100.0, 3.0, 10.0), (65504.0, 1.0, 1.5)],
        # A size that equals the largest does not exceed it.
        *[(8.0, 1.0, 2.0), (7.5, 1.0, 2.0), (8.5, 1.0, 2.0), (1.0, 1.0, 2.0), (1.0, 3.0, 2.0)],
    ],
    random=lambda rng: (
        float(10 ** rng.uniform(1, 5)),
        float(rng.uniform(0.5, 9)),
        float(rng.uniform(1.2, 5)),
    ),
    domain=_not_on_the_edge,
    hint="Layer l has the size first · growth^(l-1).",
    praise="a logarithm: the exponential reaches any limit, and soon.",
)


def _orthonormal_rows(rng: np.random.Generator) -> np.ndarray:
    rows, columns = sorted(map(int, rng.integers(1, 4, 2)))
    return np.linalg.qr(rng.standard_normal((columns, rows)))[0].T


delta_kernel = FunctionExercise(
    "delta_kernel",
    "return the kernel, an array of the shape (c_out, c_in, k, k).",
    reference=lambda Q, k: delta_orthogonal(torch.from_numpy(Q), k).numpy(),
    cases=[
        (np.array([[1.0]]), 3),
        (np.array([[0.0, 1.0], [-1.0, 0.0]]), 1),
        (np.array([[0.6, 0.8], [-0.8, 0.6]]), 3),
        (np.array([[0.6, 0.8]]), 5),
    ],
    random=lambda rng: (_orthonormal_rows(rng), int(rng.choice([1, 3, 5, 7]))),
    domain=lambda Q, k: Q.ndim == 2 and Q.size > 0 and Q.any() and k >= 1 and k % 2 == 1,
    hint="All taps are 0 but the middle one: where is it in K[:, :, i, j]?",
    praise="a 1 x 1 convolution in a larger kernel; training moves the other taps away from 0.",
)

flaw = first_mistake(
    correct=3,
    why={
        1: "this is He's condition, and χ = 1; the lab confirms it.",
        2: "true: χ is the mean of s² of one layer, and means multiply through the layers.",
        3: "a mean of 1 can be made of one huge value and many tiny ones. In a Gaussian product "
        "the median is 2^(-L/2).",
        4: "it follows from line 3; look for the first mistake.",
    },
)
