"""Stub, solution and planted wrong answers of each exercise."""

from math import atanh, sqrt, tanh

import numpy as np

EXERCISES = {
    "guess_signs": (..., "B", ["A", "C"]),
    "tanh_pair": (
        lambda z: ...,
        lambda z: (2 / (1 + np.exp(-2 * z)) - 1, 1 - tanh(z) ** 2),
        [
            lambda z: (2 / (1 + np.exp(-z)) - 1, 1 - tanh(z) ** 2),
            lambda z: (tanh(z), (1 - tanh(z) ** 2) / 2),
            lambda z: tanh(z),
        ],
    ),
    "tanh_point": (..., atanh(sqrt(0.9)), [3.637, 7.27, 2.0]),
    "one_sign": (
        lambda gradient: None,
        lambda g: ((g >= 0).all(1) | (g <= 0).all(1)).double().mean().item(),
        [
            lambda g: (g > 0).all(1).double().mean().item(),
            lambda g: (g.sign().sum(1).abs() / g.shape[1]).mean().item(),
            lambda g: ((g >= 0).all(0) | (g <= 0).all(0)).double().mean().item(),
        ],
    ),
    "largest_step": (
        lambda mean, variance, n: ...,
        lambda mean, variance, n: 2 / (variance + n * mean**2),
        [
            lambda mean, variance, n: 1 / (variance + n * mean**2),
            lambda mean, variance, n: 2 / (n * (variance + mean**2)),
            lambda mean, variance, n: 2 / variance,
        ],
    ),
    "flaw": (..., 3, [1, 2, 4]),
}
