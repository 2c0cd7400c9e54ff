"""Exercises of chapter 06."""

from functools import partial
from math import log, pi

import numpy as np
import torch
from torch import Tensor

from vglib.exercise import ChoiceExercise, FunctionExercise, NumberExercise, first_mistake

_guess = partial(ChoiceExercise, correct="C")

guess_explosion = _guess(
    "my_guess",
    why={
        "A": "that is what batch norm does to the signal; the gradient is another matter.",
        "B": "without batch norm and with weights too small it would; here it goes the other way.",
        "C": "at depth 50 it is of the order of ten thousand, and it grows with every layer.",
    },
)

guess_step = _guess(
    "my_step",
    why={
        "A": "a plain net might; here the weights can only grow, and the output does not notice.",
        "B": "the first layers move by many times their own length: see the lab's right panel.",
        "C": "the layers with the largest gradient grow most, and a gradient goes with 1/‖W‖.",
    },
)


def _rms_backward(grad: Tensor, z: Tensor) -> Tensor:
    r = z.square().mean().sqrt()
    u = z / r
    return (grad - u * (u * grad).mean()) / r


def _vectors(generator: np.random.Generator) -> tuple[Tensor, Tensor]:
    numbers = generator.integers(-3, 4, (2, 4)).astype(float)
    # r must not be 0.
    numbers[1, 0] = generator.choice([-2.0, 1.0, 3.0])
    return torch.from_numpy(numbers[0]), torch.from_numpy(numbers[1])


rms_backward = FunctionExercise(
    "rms_backward",
    "return dL/dz for u = z / r, with r the root of the mean of z².",
    reference=_rms_backward,
    cases=[
        (torch.tensor([1.0, 0.0]).double(), torch.tensor([1.0, 1.0]).double()),
        (torch.tensor([1.0, 2.0]).double(), torch.tensor([3.0, -4.0]).double()),
        (torch.tensor([1.0, -1.0, 2.0]).double(), torch.tensor([2.0, 2.0, 2.0]).double()),
    ],
    random=_vectors,
    domain=lambda grad, z: len(grad) == len(z) and bool((z != 0).any()),
    hint="The derivation of batch norm without the mean: dr/dz_j = u_j / n.",
    atol=1e-9,
    praise="no mean is subtracted, so none is taken out of the gradient.",
)


def _fold(
    W: Tensor, b: Tensor, mean: Tensor, var: Tensor, gamma: Tensor, beta: Tensor
) -> tuple[Tensor, Tensor]:
    scale = gamma / (var + 1e-5).sqrt()
    return scale[:, None] * W, scale * (b - mean) + beta


def _layer(n_out: int, n_in: int, seed: int) -> tuple[Tensor, ...]:
    numbers = np.random.default_rng(seed).integers(-3, 4, (n_out, n_in + 4)).astype(float)
    numbers[:, n_in + 1] = np.abs(numbers[:, n_in + 1]) + 1
    t = torch.from_numpy(numbers)
    mean, var, gamma, beta = t[:, n_in:].T.clone()
    return t[:, :n_in].clone(), t[:, 0] - 1, mean, var, gamma + 0.5, beta


def _one(w: float, b: float, mean: float, var: float, gamma: float, beta: float) -> tuple:
    return tuple(torch.tensor(v).double() for v in ([[w]], [b], [mean], [var], [gamma], [beta]))


fold = FunctionExercise(
    "fold",
    "return the weight matrix and the bias of one linear layer that does both.",
    reference=_fold,
    cases=[
        *(_one(1.0, 0.0, 0.0, 4.0, 1.0, 0.0), _one(1.0, 0.0, 2.0, 1.0, 1.0, 0.0)),
        *(_one(2.0, 1.0, 3.0, 4.0, 0.5, -1.0), _layer(2, 3, 0), _layer(3, 2, 1)),
    ],
    domain=lambda W, b, mean, var, gamma, beta: bool(
        W.dim() == 2
        and all(v.shape == (len(W),) for v in (b, mean, var, gamma, beta))
        and (var > 0).all()
    ),
    hint="gamma (W x + b - mean) / sqrt(var + 1e-5) + beta: what multiplies x, and what is left?",
    praise="nothing is left of batch norm at prediction time.",
)

settle = NumberExercise(
    "steps",
    "give a whole number of steps.",
    expected=90,
    rtol=0,
    atol=0.5,
    near={
        89: "0.95^89 is 0.0104, still above a hundredth.",
        2: "torch's momentum 0.05 is the weight of the newest batch, not of what was there.",
        44: "That is for momentum 0.1.",
        20: "Above 0.01 still: 0.95^20 is 0.36.",
    },
    hint="After t steps the start counts for 0.95^t.",
    praise="0.95^90 = 0.0099. An average of fewer steps still remembers a start that never was.",
)

_LAYERS = 2 * log(1000) / log(pi / (pi - 1))

layers_to_thousand = NumberExercise(
    "layers",
    "give a number of layers.",
    expected=_LAYERS,
    rtol=0.03,
    near={
        _LAYERS / 2: "π/(π-1) is the factor of the *squared* norm.",
        2 * _LAYERS: "The factor of the norm is the root of π/(π-1): half of the logarithm.",
        log(10) * 2 / log(pi / (pi - 1)): "That is for a factor of 10.",
    },
    hint="k layers multiply the norm by (π/(π-1))^(k/2).",
    praise="about 36 layers for each factor of a thousand.",
)

flaw = first_mistake(
    correct=3,
    why={
        1: "that is what batch norm computes, in training, up to eps.",
        2: "γ = 1 and β = 0 at the start, so ReLU always meets mean 0 and variance 1.",
        3: "forward and backward are two conditions: a ReLU layer keeps half of the squared "
        "gradient, and batch norm divides by the variance (1 - 1/π)/2, which is less than that.",
        4: "true enough if line 3 were; look for the first mistake.",
    },
)
