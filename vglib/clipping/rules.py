"""What clipping leaves of a gradient: by norm and by value, of a vector and of a deep net."""

from functools import lru_cache
from math import log, nan, sqrt
from typing import Any

import numpy as np
from scipy.special import logsumexp
from torch.nn.functional import cross_entropy

from vglib.backprop import Flat
from vglib.data import digits
from vglib.networks import mlp
from vglib.probe import Array
from vglib.results import result
from vglib.scaled import log_norm
from vglib.words import power_of_ten

# What is clipped together.
RULES = ("whole norm", "each layer", "two groups", "each entry")


def by_norm(g: Array, c: float) -> Array:
    """Clip by norm: g min(1, c/||g||)."""
    norm = float(np.linalg.norm(g))
    return g * min(1.0, c / norm) if norm else g.copy()


def by_value(g: Array, c: float) -> Array:
    """Clip by value: each entry is put into [-c, c]."""
    return np.clip(g, -c, c)


def cosine(one: Array, other: Array) -> float:
    """Return the cosine of the angle between two vectors, at any size; nan where one is 0."""
    largest = [float(np.abs(v).max(initial=0.0)) for v in (one, other)]
    if not all(largest):
        return nan
    a, b = one / largest[0], other / largest[1]
    return float(a @ b / sqrt(float(a @ a) * float(b @ b)))


def sign_cosine(n: int, seed: int = 0) -> float:
    """Return the cosine between n numbers N(0, 1) and their signs: value clipping, c -> 0."""
    g = np.random.default_rng(seed).standard_normal(n)
    return cosine(g, np.sign(g))


@result
class Angle:
    """A gradient in the plane and what clipping makes of it, in units of the threshold.

    `thresholds` (n,) with the angles in degrees, `value_angles` and `norm_angles` (n,), by which
    each rule turns g at that threshold.
    """

    g: Array
    threshold: float
    value: Array
    norm: Array
    thresholds: Array
    value_angles: Array
    norm_angles: Array

    @property
    def verdict(self) -> str:
        """One sentence: cosine and length of both rules."""
        if np.linalg.norm(self.g) <= self.threshold:
            return (
                f"untouched: ‖g‖ = {np.linalg.norm(self.g):.3g} is within the threshold "
                f"{self.threshold:.3g}, and both rules leave g as it is."
            )
        cos = cosine(self.g, self.value)
        word = "turned" if cos < 0.999 else "shortened"
        return (
            f"{word}: ‖g‖ = {np.linalg.norm(self.g):.3g}; by value cosine {cos:.3f} and length "
            f"{np.linalg.norm(self.value):.3g}, by norm cosine {cosine(self.g, self.norm):.3f} and "
            f"length {np.linalg.norm(self.norm):.3g}."
        )


def angle(g1: float = 0.9, g2: float = 100.0, threshold: float = 1.0) -> Angle:
    """Clip g = (g1, g2) by value and by norm."""
    g, thresholds = np.array([g1, g2]), np.geomspace(1e-3, 1e3, 121)
    turned = [
        np.degrees(np.arccos([min(1.0, cosine(g, rule(g, c))) for c in thresholds]))
        for rule in (by_value, by_norm)
    ]
    return Angle(g, threshold, by_value(g, threshold), by_norm(g, threshold), thresholds, *turned)


@result
class Scopes:
    """A network's gradient before and after one clipping rule, layer by layer.

    `log_before`, `log_after`: (depth + 1,) ln of each layer's norm, weights and bias together, the
    readout last; `cosines`: (depth + 1,) between each layer's gradient before and after.
    """

    rule: str
    threshold: float
    log_before: Array
    log_after: Array
    cosines: Array

    @property
    def log_length(self) -> tuple[float, float]:
        """ln of the whole gradient's norm, before and after."""
        return _log_length(self.log_before), _log_length(self.log_after)

    @property
    def cosine(self) -> float:
        """Between the whole gradient before and after."""
        terms = np.exp(self.log_before + self.log_after - sum(self.log_length))
        return float(np.nansum(terms * self.cosines))

    @property
    def log_ratio(self) -> tuple[float, float]:
        """ln of layer 1's norm over that of the last hidden layer, before and after."""
        before, after = (float(logs[0] - logs[-2]) for logs in (self.log_before, self.log_after))
        return before, after

    @property
    def verdict(self) -> str:
        """One sentence: the whole gradient's length and direction, and the ratio of layers."""
        before, after = (power_of_ten(x) for x in self.log_length)
        first, second = (power_of_ten(x) for x in self.log_ratio)
        if np.allclose(self.log_before, self.log_after, atol=1e-12):
            return (
                f"untouched: the gradient's norm is {before}, no part of it is above the threshold "
                f"{self.threshold:.3g}, and layer 1 over the last hidden layer stays {first}."
            )
        turned = "keeps its direction" if self.cosine > 0.9999 else "is turned"
        return (
            f"{self.rule}: the gradient {turned} (cosine {self.cosine:.3f}), its norm goes from "
            f"{before} to {after}, and layer 1 over the last hidden layer from {first} to {second}."
        )


def _log_length(logs: Array) -> float:
    return float(logsumexp(2 * logs)) / 2


@lru_cache(maxsize=8)
def first_gradient(depth: int, weight_scale: float, activation: str, seed: int) -> list[Any]:
    """Return each layer's gradient at the start as one vector, weights and biases together.

    64-50-...-50-10, Glorot (ReLU: He) times the weight scale, cross-entropy, 100 digits.
    """
    init = "he" if activation == "relu" else "glorot"
    network = mlp(depth, 50, activation=activation, init=init, weight_scale=weight_scale, seed=seed)
    flat, data = Flat(network, cross_entropy), digits()
    flat(flat.rows(data.x_train[:100].numpy()), data.y_train[:100].numpy())
    return [matrix.ravel() for matrix in flat.matrices(flat.gradient)]


def scopes(
    rule: str = "whole norm",
    threshold: float = 1.0,
    depth: int = 20,
    weight_scale: float = 1.5,
    activation: str = "tanh",
    seed: int = 0,
) -> Scopes:
    """Clip the gradient of a net on digits, at its start (`first_gradient`), by one of four rules.

    "two groups" are the hidden layers and the readout, each with its own norm.
    """
    parts = first_gradient(depth, weight_scale, activation, seed)
    before = np.array([log_norm(p) for p in parts])
    cosines, limit = np.ones(len(parts)), log(threshold)
    if rule == "each entry":
        clipped = [by_value(p, threshold) for p in parts]
        after = np.array([log_norm(p) for p in clipped])
        cosines = np.array([cosine(p, q) for p, q in zip(parts, clipped, strict=True)])
    elif rule == "each layer":
        after = np.minimum(before, limit)
    elif rule == "two groups":
        body = min(0.0, limit - _log_length(before[:-1]))
        after = np.append(before[:-1] + body, min(before[-1], limit))
    else:
        after = before + min(0.0, limit - _log_length(before))
    return Scopes(rule, threshold, before, after, cosines)
