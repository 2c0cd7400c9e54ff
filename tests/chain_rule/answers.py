"""Stub, solution and planted wrong answers of each exercise."""

import math


def slope(z):
    s = 1 / (1 + math.exp(-z))
    return s * (1 - s)


def chain(weights, a):
    product = 1.0
    for w in weights:
        product, a = product * w * slope(w * a), 1 / (1 + math.exp(-w * a))
    return product


def chain_without_activation(weights, a):
    product = 1.0
    for w in weights:
        product, a = product * w * slope(w * a), w * a
    return product


EXERCISES = {
    "typical": (..., "b", ["A", "C"]),
    "factor": (
        lambda w, a, b: ...,
        lambda w, a, b: w * slope(w * a + b),
        [lambda w, a, b: slope(w * a + b), lambda w, a, b: w * slope(w * a) + b],
    ),
    "chain_gradient": (
        lambda weights, a: None,
        chain,
        [chain_without_activation, lambda weights, a: chain(weights, a) / weights[0]],
    ),
    "width": (..., 105, [16, 50, 300]),
    "layer_delta": (
        lambda weight, delta, slope: ...,
        lambda weight, delta, slope: slope * (weight.T @ delta),
        [
            lambda weight, delta, slope: slope * (weight @ delta),
            lambda weight, delta, slope: weight.T @ delta,
        ],
    ),
    "flaw": (..., 2, [1, 3, 4]),
}
