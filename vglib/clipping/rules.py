"""What clipping leaves of a gradient: by norm and by value, of a vector and of a deep net."""

from functools import lru_cache
from math import log, nan, sqrt

import numpy as np
from scipy.special import logsumexp
from torch.nn.functional import cross_entropy

from vglib.backprop import Array, Flat
from vglib.checks import one_of
from vglib.data import digits
from vglib.networks import mlp
from vglib.results import result
from vglib.scaled import log_norm
from vglib.words import power_of_ten

# What is clipped together.
RULES = ("whole norm", "each layer", "two groups", "each entry", "each unit, by its weights")
# What adaptive clipping takes for the norm of weights that are next to nothing.
LEAST_WEIGHT = 1e-3
THRESHOLDS = np.geomspace(1e-3, 1e3, 121)


def by_norm(g: Array, c: float) -> Array:
    """Clip by norm: g min(1, c/||g||)."""
    norm = float(np.linalg.norm(g))
    return g * min(1.0, c / norm) if norm else g.copy()


def by_value(g: Array, c: float) -> Array:
    """Clip by value: each entry is put into [-c, c]."""
    return np.clip(g, -c, c)


def by_weights(w: Array, g: Array, c: float) -> Array:
    """Clip each unit's gradient (adaptive clipping): g_i min(1, c max(||w_i||, 0.001)/||g_i||).

    w, g: (units, inputs). Source: Brock, De, Smith & Simonyan 2021, equation 3.
    """
    return g * np.exp(np.minimum(0.0, log_allowed(w, c) - _log_rows(g)))[:, None]


def log_allowed(w: Array, c: float) -> Array:
    """Return ln of the longest gradient that adaptive clipping lets through, unit by unit."""
    return log(c) + np.maximum(_log_rows(w), log(LEAST_WEIGHT))


@np.errstate(divide="ignore")
def _log_rows(matrix: Array) -> Array:
    largest = np.abs(matrix).max(1, keepdims=True)
    rows = matrix / np.where(largest > 0, largest, 1.0)
    return np.log(largest[:, 0]) + np.log(np.maximum(np.linalg.norm(rows, axis=1), 1.0))


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
    """A gradient in the plane and what clipping by value and by norm makes of it.

    `value_angles`, `norm_angles` (n,): the degrees by which each turns g at each of `THRESHOLDS`.
    """

    g: Array
    threshold: float
    value: Array
    norm: Array
    value_angles: Array
    norm_angles: Array

    @property
    def verdict(self) -> str:
        """One sentence: cosine and length of both rules."""
        size, value, norm = (np.linalg.norm(v) for v in (self.g, self.value, self.norm))
        if size <= self.threshold:
            return (
                f"untouched: ‖g‖ = {size:.3g} is within the threshold {self.threshold:.3g}, and "
                "both rules leave g as it is."
            )
        cos = cosine(self.g, self.value)
        return (
            f"{'turned' if cos < 0.999 else 'shortened'}: ‖g‖ = {size:.3g}; by value cosine "
            f"{cos:.3f} and length {value:.3g}, by norm cosine {cosine(self.g, self.norm):.3f} and "
            f"length {norm:.3g}."
        )


def angle(g1: float = 0.9, g2: float = 100.0, threshold: float = 1.0) -> Angle:
    """Clip g = (g1, g2) by value and by norm."""
    g = np.array([g1, g2])
    turned = [
        np.degrees(np.arccos([min(1.0, cosine(g, rule(g, c))) for c in THRESHOLDS]))
        for rule in (by_value, by_norm)
    ]
    return Angle(g, threshold, by_value(g, threshold), by_norm(g, threshold), *turned)


@result
class Scopes:
    """A network's gradient before and after one clipping rule, layer by layer, the readout last.

    `log_before`, `log_after`: (depth + 1,) ln of each layer's norm, weights and bias together;
    `cosines`: (depth + 1,) between each layer's gradient before and after; `log_limit`:
    (depth + 1,) ln of the threshold, or of what adaptive clipping allows the layer.
    """

    rule: str
    threshold: float
    log_before: Array
    log_after: Array
    cosines: Array
    log_limit: Array

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
        before, after = self.log_before, self.log_after
        return float(before[0] - before[-2]), float(after[0] - after[-2])

    @property
    def verdict(self) -> str:
        """One sentence: the whole gradient's length and direction, and the ratio of layers."""
        before, after = (power_of_ten(x) for x in self.log_length)
        first, second = (power_of_ten(x) for x in self.log_ratio)
        if np.allclose(self.log_before, self.log_after, atol=1e-12):
            return (
                f"untouched: the gradient's norm is {before}, no part of it is above the threshold "
                f"({self.threshold:.3g}), and layer 1 over the last hidden layer stays {first}."
            )
        turned = "keeps its direction" if self.cosine > 0.9999 else "is turned"
        return (
            f"{self.rule}: the gradient {turned} (cosine {self.cosine:.3f}), its norm goes from "
            f"{before} to {after}, and layer 1 over the last hidden layer from {first} to {second}."
        )


def _log_length(logs: Array) -> float:
    return float(logsumexp(2 * logs)) / 2


@lru_cache(maxsize=8)
def first_gradient(
    depth: int, weight_scale: float, activation: str, seed: int
) -> tuple[list[Array], list[Array]]:
    """Return each layer's matrix at the start and the loss's gradient by it, biases last in a row.

    64-50-...-50-10, Glorot (ReLU: He) times the weight scale, cross-entropy, 100 digits.
    """
    init = "he" if activation == "relu" else "glorot"
    network = mlp(depth, 50, activation=activation, init=init, weight_scale=weight_scale, seed=seed)
    flat, data = Flat(network, cross_entropy), digits()
    flat(flat.rows(data.x_train[:100].numpy()), data.y_train[:100].numpy())
    return flat.matrices(flat.theta), flat.matrices(flat.gradient)


def scopes(
    rule: str = "whole norm",
    threshold: float = 1.0,
    depth: int = 20,
    weight_scale: float = 1.5,
    activation: str = "tanh",
    seed: int = 0,
) -> Scopes:
    """Clip the gradient of a net on digits, at its start (`first_gradient`), by one of five rules.

    "two groups" are the hidden layers and the readout, each with its own norm; "each unit, by its
    weights" lets through `threshold` times the norm of what enters the unit, bias included.
    """
    weights, parts = first_gradient(depth, weight_scale, activation, seed)
    before = np.array([log_norm(p) for p in parts])
    limit = np.full(len(parts), log(threshold))
    if rule in RULES[3:]:
        if rule == "each entry":
            clipped = [by_value(g, threshold) for g in parts]
        else:
            pairs = zip(weights, parts, strict=True)
            clipped = [by_weights(w, g, threshold) for w, g in pairs]
            limit = np.array([_log_length(log_allowed(w, threshold)) for w in weights])
        after = np.array([log_norm(p) for p in clipped])
        turned = zip(parts, clipped, strict=True)
        cosines = np.array([cosine(p.ravel(), q.ravel()) for p, q in turned])
        return Scopes(rule, threshold, before, after, cosines, limit)
    ends = {"whole norm": [], "two groups": [-1], "each layer": range(1, len(parts))}
    one_of("rule", rule, [*ends, *RULES[3:]])
    groups = np.split(before, ends[rule])
    cut = [logs + min(0.0, log(threshold) - _log_length(logs)) for logs in groups]
    return Scopes(rule, threshold, before, np.concatenate(cut), np.ones(len(parts)), limit)
