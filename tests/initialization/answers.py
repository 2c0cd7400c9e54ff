"""Stub, solution and planted wrong answers of each exercise."""

from itertools import count
from math import ceil, floor, log, sqrt

import numpy as np


def _in_the_middle(Q, k):
    return np.pad(Q[:, :, None, None], [(0, 0), (0, 0), (k // 2, k // 2), (k // 2, k // 2)])


EXERCISES = {
    "guess": (..., "C", ["A", "B"]),
    "he_bound": (
        lambda fan_in: ...,
        lambda fan_in: sqrt(6 / fan_in),
        [lambda fan_in: sqrt(2 / fan_in), lambda fan_in: 1 / sqrt(fan_in)],
    ),
    "dropout_gain": (
        lambda keep: ...,
        lambda keep: sqrt(2) * sqrt(keep),
        [lambda keep: sqrt(2 / keep), lambda keep: sqrt(2.0), lambda keep: sqrt(2) * keep],
    ),
    "xi": (..., 3.63, [-3.627, 7.25, 0.2757, 12]),
    "layers_until": (
        lambda largest, first, growth: ...,
        lambda m, first, growth: next(n for n in count(1) if first * growth ** (n - 1) > m),
        [
            lambda m, first, growth: 1 + ceil(log(m / first) / log(growth)),
            lambda m, first, growth: floor(log(m / first) / log(growth)),
            lambda m, first, growth: log(m) / log(growth),
        ],
    ),
    "delta_kernel": (
        lambda Q, k: ...,
        _in_the_middle,
        [
            lambda Q, k: Q[:, :, None, None] * np.ones((k, k)) / k**2,
            lambda Q, k: Q[:, :, None, None] * np.eye(k),
            lambda Q, k: np.pad(Q[:, :, None, None], [(0, 0), (0, 0), (0, k - 1), (0, k - 1)]),
            lambda Q, k: _in_the_middle(Q.T, k),
        ],
    ),
    "flaw": (..., 3, [1, 2, 4]),
}
