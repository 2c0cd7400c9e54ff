"""Stub, solution and planted wrong answers of each exercise of chapter 07."""

from math import exp

EXERCISES = {
    "guess_growth": (..., "c", ["A", "B"]),
    "guess_cure": (..., "A", ["B", "C"]),
    "skip_back": (
        lambda weight, delta, slope, alpha: ...,
        lambda weight, delta, slope, alpha: delta + alpha * slope * (weight.T @ delta),
        [
            lambda weight, delta, slope, alpha: alpha * slope * (weight.T @ delta),
            lambda weight, delta, slope, alpha: delta + alpha * slope * (weight @ delta),
            lambda weight, delta, slope, alpha: slope * (delta + alpha * (weight.T @ delta)),
            lambda weight, delta, slope, alpha: delta + alpha * (weight.T @ (slope * delta)),
        ],
    ),
    "branch_scale": (
        lambda depth, growth: None,
        lambda depth, growth: (growth ** (1 / depth) - 1) ** 0.5,
        [
            lambda depth, growth: depth**-0.5,
            lambda depth, growth: growth ** (1 / depth) - 1,
            lambda depth, growth: (growth / depth) ** 0.5,
        ],
    ),
    "mean_length": (..., 10, [25, 12.5, 50 / 3, 1]),
    "guess_rate": (..., "B", ["A", "C"]),
    "same_change": (
        lambda lr, old, new, power: ...,
        lambda lr, old, new, power: lr * old ** (1 - 2 * power) / new ** (1 - 2 * power),
        [
            lambda lr, old, new, power: lr * (new / old) ** (power - 1),
            lambda lr, old, new, power: lr * (new / old) ** (1 - 2 * power),
            lambda lr, old, new, power: lr * old / new,
        ],
    ),
    "flaw": (..., 4, [1, 2, 3, 5]),
    "carried": (
        ...,
        3e-6,
        [1 / (1 + exp(2)), (1 / (1 + exp(2))) ** 100, 1 / (1 + exp(-2)), 0.5],
    ),
}
