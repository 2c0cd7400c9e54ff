"""Stub, solution and planted wrong answers of each exercise."""

from itertools import count
from math import ceil, floor, log, sqrt

EXERCISES = {
    "guess": (..., "C", ["A", "B"]),
    "he_bound": (
        lambda fan_in: ...,
        lambda fan_in: sqrt(6 / fan_in),
        [lambda fan_in: sqrt(2 / fan_in), lambda fan_in: 1 / sqrt(fan_in)],
    ),
    "conv_std": (
        lambda in_channels, out_channels, kernel: ...,
        lambda in_channels, out_channels, kernel: sqrt(2 / in_channels) / kernel,
        [
            lambda i, o, k: sqrt(2 / (o * k * k)),
            lambda i, o, k: sqrt(2 / i),
            lambda i, o, k: 2 / (i * k * k),
        ],
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
    "flaw": (..., 3, [1, 2, 4]),
}
