"""A backward pass written by hand, right or with a slip, and three ways to check it."""

from collections.abc import Callable
from functools import lru_cache
from math import nan

import numpy as np
from numpy.typing import NDArray

from vglib.checks import one_of
from vglib.data import digits
from vglib.networks import mlp
from vglib.scaled import norm

# Real numbers, or complex ones for the complex step.
Array = NDArray[np.inexact]
Loss = Callable[[list[Array]], float]
SLIPS = ("none", "slope forgotten", "not transposed", "sum for mean", "one weight")


def sigmoid(z: Array) -> Array:
    """Return 1 / (1 + exp(-z)), of complex numbers too."""
    with np.errstate(over="ignore"):
        return np.asarray(1 / (1 + np.exp(-z)))


def signals(weights: list[Array], x: Array) -> list[Array]:
    """Return x and the sigmoid activations of every layer, each (batch, units); no biases."""
    layers = [x]
    for weight in weights:
        layers.append(sigmoid(layers[-1] @ weight.T))
    return layers


def loss(weights: list[Array], x: Array, y: Array) -> Array:
    """Return the mean of (output - y)^2, a complex number for complex weights."""
    return np.asarray(((signals(weights, x)[-1] - y) ** 2).mean())


def backward(weights: list[Array], x: Array, y: Array, slip: str = "none") -> list[Array]:
    """Return dL/dW of every layer by the chain rule, with one of the SLIPS.

    slope forgotten: the first layer's s'(z) is left out; not transposed: the second layer's square
    W in place of W^T; sum for mean: no division by the batch; one weight: the derivative by the
    first unit's weight for pixel 20 is 0. Raises ValueError for another slip.
    """
    one_of("slip", slip, SLIPS)
    layers = signals(weights, x)
    size = layers[-1].shape[1] if slip == "sum for mean" else y.size
    delta = 2 / size * (layers[-1] - y)
    gradients: list[Array] = []
    for i in reversed(range(len(weights))):
        h = layers[i + 1]
        if not (slip == "slope forgotten" and i == 0):
            delta = delta * h * (1 - h)
        gradients.insert(0, delta.T @ layers[i])
        across = weights[i].T if slip == "not transposed" and i == 1 else weights[i]
        delta = delta @ across if i else delta
    if slip == "one weight":
        gradients[0][0, 20] = 0
    return gradients


def case(depth: int, width: int, seed: int, batch: int = 16) -> tuple[list[Array], Array, Array]:
    """Return weights N(0, 1/n) of a sigmoid net, images (batch, 64) and targets one for a class."""
    data = _data()
    rows = np.random.default_rng(seed).permutation(len(data[0]))[:batch]
    net = mlp(depth, width, init="1/fan_in", seed=seed)
    return [w.detach().numpy().copy() for w in net.weights], data[0][rows], data[1][rows]


@lru_cache(maxsize=1)
def _data() -> tuple[Array, Array]:
    data = digits()
    return data.x_train.numpy(), np.eye(10)[data.y_train.numpy()]


def directional(at: Loss, weights: list[Array], layer: int, d: Array, h: float) -> float:
    """Return (L(w + h d) - L(w - h d)) / 2h, moving the matrix of one layer."""
    ends = []
    for sign in (1, -1):
        moved = [w + sign * h * d if i == layer else w for i, w in enumerate(weights)]
        ends.append(at(moved))
    return float(ends[0] - ends[1]) / (2 * h)


def complex_step(weights: list[Array], x: Array, y: Array, layer: int, d: Array) -> float:
    """Return Im L(w + i h d) / h with h = 1e-30, which nothing is subtracted for.

    Source: Squire & Trapp 1998.
    """
    moved = [w + 1e-30j * d if i == layer else w for i, w in enumerate(weights)]
    return float(np.imag(loss(moved, x, y)) / 1e-30)


def error(found: float, expected: float) -> float:
    """Return |a - b| / max(|a|, |b|); 0 for two zeros."""
    larger = max(abs(found), abs(expected))
    return abs(found - expected) / larger if larger else 0.0


def error_of_slip(slip: str, seed: int, layer: int = 0) -> float:
    """Return the error along one random direction, of length 1, with a slip in the backward pass.

    A net of 2 hidden layers of 100, and a difference with h = 1e-4.
    """
    weights, x, y = case(2, 100, seed)
    d = np.random.default_rng(seed).standard_normal(weights[layer].shape)
    d /= norm(d)
    claimed = float((backward(weights, x, y, slip)[layer] * d).sum())
    return error(claimed, directional(lambda w: float(loss(w, x, y)), weights, layer, d, 1e-4))


def error_when_vanished(depth: int, seed: int) -> float:
    """Return the complex step's error in layer 1 of a net of `depth` layers of 30.

    nan unless the first layer's gradient is below 1e-7 of the last hidden one's.
    """
    weights, x, y = case(depth, 30, seed)
    gradients = backward(weights, x, y)
    if not 0 < norm(gradients[0]) < 1e-7 * norm(gradients[depth - 1]):
        return nan
    d = np.random.default_rng(seed).standard_normal(weights[0].shape)
    claimed = float((gradients[0] * d).sum())
    return error(claimed, complex_step(weights, x, y, 0, d))


def accuracy_with_slip(slip: str, seed: int, lr: float, steps: int = 200) -> float:
    """Return the test accuracy of a net of one hidden layer of 50, trained with a slip in it.

    Gradient descent in batches of 64.
    """
    data = digits()
    x_test, y_test = data.x_test.numpy(), data.y_test.numpy()
    rng = np.random.default_rng(seed)
    x, y = _data()
    weights = case(1, 50, seed)[0]
    for _ in range(steps):
        rows = rng.integers(0, len(x), 64)
        gradients = backward(weights, x[rows], y[rows], slip)
        weights = [w - lr * g for w, g in zip(weights, gradients, strict=True)]
    return float((signals(weights, x_test)[-1].argmax(1) == y_test).mean())
