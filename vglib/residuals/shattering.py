"""Shattered gradients: the gradient as a function of the input, smooth, rough or noise."""

from math import sqrt

import numpy as np

from vglib.residuals.stack import Array, Normalised, Stack, draw_weights, normal_numbers, run
from vglib.results import result
from vglib.words import count

NETS_1D = ("feed-forward", "feed-forward with BN", "residual", "residual with BN")
POINTS, LAGS = 256, 30


@result
class Shattered:
    """df/dx of a random function of one number x, at 256 points, and its autocorrelation.

    `gradient: (256,)` over its standard deviation; `correlation: (31,)` at lags 0..30.
    """

    kind: str
    depth: int
    centred: bool
    x: Array
    gradient: Array
    correlation: Array

    @property
    def verdict(self) -> str:
        """One sentence: the autocorrelation at lag 1."""
        lag1 = float(self.correlation[1])
        word = "white noise" if abs(lag1) < 0.15 else "smooth" if lag1 > 0.8 else "rough"
        how = "mean subtracted" if self.centred else "mean left in"
        return (
            f"{word}: {self.kind}, {count(self.depth, 'layer')}: neighbouring gradients correlate "
            f"with {lag1:.2f} ({how}; lag 10: {self.correlation[10]:.2f})."
        )


def autocorrelation(y: Array, centred: bool = True) -> Array:
    """Return sum_i y_i y_(i+lag) / sum_i y_i^2 for lags 0..30, of y minus its mean if centred."""
    y = y - y.mean() if centred else y
    total = max(float(y @ y), 1e-300)
    return np.array([float(y[lag:] @ y[: len(y) - lag]) / total for lag in range(LAGS + 1)])


def shattered(
    kind: str = "feed-forward with BN",
    depth: int = 50,
    alpha: float = 1.0,
    centred: bool = True,
    seed: int = 0,
) -> Shattered:
    """Take the gradient of a random ReLU net by its one input, at 256 points from -2 to 2.

    Width 200 (100 from 60 layers on), He's weights; h_0 = w x + b, w and b ~ N(0, 1); feed-forward
    h' = W relu(N(h)), residual h' = h + alpha W relu(N(h)), N batch norm over the grid or nothing.
    """
    width = 200 if depth <= 60 else 100
    a, b = (1.0, alpha) if kind.startswith("residual") else (0.0, float(alpha > 0))
    weights, turned = normal_numbers(depth, width, seed)
    gain = sqrt(2 / width)
    stack = Stack(weights, "relu", "pre-activation", a, b, "BN" in kind, gain, turned)
    x = np.linspace(-2, 2, POINTS)
    w, bias, v = np.random.default_rng(seed).standard_normal((3, width))
    kept = run(stack, np.outer(x, w) + bias).kept
    g = np.tile(v / sqrt(width), (POINTS, 1))
    for index in reversed(range(depth)):
        g, *_ = stack.back(index, kept[index], g)
        g /= max(float(np.abs(g).max()), 1e-300)
    gradient = g @ w
    std = max(float(gradient.std()), 1e-300)
    return Shattered(kind, depth, centred, x, gradient / std, autocorrelation(gradient, centred))


def gradient_correlation(depth: int, norm: bool, seed: int) -> float:
    """Return the mean cosine of df/dh_0 between pairs of 150 independent random inputs.

    300 ReLUs a layer, h' = W relu(N(h)); BN's statistics count as constants on the way back.
    """
    generator, width = np.random.default_rng(seed), 300
    weights = draw_weights(depth, width, sqrt(2), seed)
    h, kept = generator.standard_normal((150, width)), []
    for weight in weights:
        seen = Normalised.of(h) if norm else Normalised(h, np.ones(width))
        on = seen.x > 0
        kept.append(on * seen.inverse_std)
        h = (seen.x * on) @ weight.T
    g = np.tile(generator.standard_normal(width), (150, 1))
    for weight, slope in zip(weights[::-1], kept[::-1], strict=True):
        g = (g @ weight) * slope
    unit = g / np.linalg.norm(g, axis=1, keepdims=True)
    cosines = unit @ unit.T
    return float((cosines.sum() - len(g)) / (len(g) * (len(g) - 1)))
