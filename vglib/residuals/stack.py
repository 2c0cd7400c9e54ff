"""A deep stack of blocks with its backward pass derived by hand, in numbers that never underflow.

With a the share of the skip, b that of the branch, W_l (width, width) and slopes phi' taken where
phi is:

    h_l = a h_(l-1) + b phi(N(W_l h_(l-1)))        "layer": the branch ends in the activation
    h_l = a h_(l-1) + b W_l phi(N(h_(l-1)))        "pre-activation"
    h_l = phi(h_(l-1) + b W_l phi(h_(l-1)))        "after the sum"

where N normalises each unit over the batch (batch norm without scale and shift) or does nothing.
The backward pass carries g_l = dL/dh_l:

    g_(l-1) = a g_l + b W_l^T N'(phi' * g_l)       "layer"
    g_(l-1) = a g_l + b N'(phi' * (W_l^T g_l))     "pre-activation"
    g_(l-1) = e + b phi' * (W_l^T e), e = phi'(u_l) * g_l,  u_l the sum, "after the sum"
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from math import sqrt
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray

from vglib.backprop import PHI
from vglib.networks import stream
from vglib.results import frozen
from vglib.scaled import Scaled, log_norm

Array = NDArray[np.float64]
Labels = NDArray[np.int64]

# The root of fan_in Var W at weight scale 1: He's for ReLU.
SIGMA_W = {"relu": sqrt(2), "tanh": 1.0, "sigmoid": 1.0, "identity": 1.0}
EPS = 1e-5


class Normalised(NamedTuple):
    """What batch norm keeps for its way back: the normalised x and 1 / std of each unit."""

    x: Array
    inverse_std: Array

    @classmethod
    def of(cls, x: Array) -> Self:
        """Normalise each column over the rows."""
        centred = x - x.sum(0) / len(x)
        inverse_std = 1 / np.sqrt((centred * centred).sum(0) / len(x) + EPS)
        centred *= inverse_std
        return cls(centred, inverse_std)

    def back(self, g: Array) -> Array:
        """Return the gradient by what went in, of one (batch, width) or of many."""
        n = g.shape[-2]
        mean, along = (of.sum(-2, keepdims=True) / n for of in (g, g * self.x))
        return self.inverse_std * (g - mean - self.x * along)


class Kept(NamedTuple):
    """What the way back needs of a block: what W acted on, slopes of phi, N, slopes behind it."""

    right: Array
    slope: Any
    norm: Normalised | None = None
    last_slope: Any = 1


@dataclass(frozen=True, eq=False)
class Stack:
    """Weights and rule of a stack; W_(l+1) = gain weights[l], (width, width), maps h_l to h_(l+1).

    `turned` holds the transposed weights, which are faster to multiply by where they are at hand.
    """

    weights: Array
    activation: str = "relu"
    form: str = "layer"
    a: float = 1.0
    b: float = 1.0
    norm: bool = False
    gain: float = 1.0
    turned: Array | None = None

    @property
    def depth(self) -> int:
        """The number of blocks."""
        return len(self.weights)

    @property
    def width(self) -> int:
        """The number of units in each block."""
        return self.weights.shape[1]

    def block(self, index: int, h: Array) -> tuple[Array, Kept]:
        """Apply one block to h (batch, width)."""
        phi = PHI[self.activation]
        turned = self.weights[index].T if self.turned is None else self.turned[index]
        layer = self.form == "layer"
        z = _sum(0, h, self.gain, h @ turned) if layer else h
        norm = Normalised.of(z) if self.norm else None
        value: Any = phi.value(norm.x if norm else z, out=z if layer else None)
        slope = phi.slope(value)
        if layer:
            return _sum(self.a, h, self.b, value), Kept(h, slope, norm)
        total: Any = _sum(self.a, h, self.b * self.gain, value @ turned)
        if self.form == "pre-activation":
            return total, Kept(value, slope, norm)
        out: Any = phi.value(total, out=total)
        return out, Kept(value, slope, norm, phi.slope(out))

    def back(self, index: int, kept: Kept, g: Array) -> tuple[Array, Array]:
        """Return g_(l-1), and the left with which dL/dW_l = left^T right."""
        weight = self.weights[index]
        if self.form == "layer":
            left = _sum(0, g, self.b, g * kept.slope)
            if kept.norm:
                left = kept.norm.back(left)
            return _sum(self.a, g, self.gain, left @ weight), left
        e = g if self.form == "pre-activation" else g * kept.last_slope
        left = e if self.b == 1 else self.b * e
        branch = left @ weight
        branch *= kept.slope
        if kept.norm:
            branch = kept.norm.back(branch)
        return _sum(self.a, e, self.gain, branch), left


def _sum(a: float, skip: Array, b: float, branch: Array) -> Array:
    """Return a skip + b branch, in the memory of the branch."""
    if b != 1:
        branch *= b
    if a:
        branch += skip if a == 1 else a * skip
    return branch


def draw_weights(depth: int, width: int, sigma_w: float, seed: int) -> Array:
    """Draw W_1..W_depth ~ N(0, sigma_w^2 / width), each from a stream of its own."""
    return normal_numbers(depth, width, seed)[0] * (sigma_w / sqrt(width))


def normal_numbers(depth: int, width: int, seed: int) -> tuple[Array, Array]:
    """Return the weights of sigma_w^2 = width, and the same transposed; shared, so read-only."""
    # The next power of two, so that few moves of a depth slider wait for new numbers.
    weights, turned = _normal_numbers(1 << (depth - 1).bit_length(), width, seed)
    return weights[:depth], turned[:depth]


# A slider that only scales the weights need not wait for the same random numbers again.
@lru_cache(maxsize=2)
def _normal_numbers(depth: int, width: int, seed: int) -> tuple[Array, Array]:
    weights = np.stack([_normal(width, width, stream(seed, i + 1)) for i in range(depth)])
    turned = np.ascontiguousarray(weights.transpose(0, 2, 1))
    return frozen(weights), frozen(turned)


# Room for the heads of a thousand layers, which also stay when only a scale is moved.
@lru_cache(maxsize=2048)
def draw_matrix(fan_in: int, fan_out: int, seed: int, stream_number: int) -> Array:
    """Draw W ~ N(0, 1/fan_in), (fan_out, fan_in), from the stream 100,000 + number; read-only."""
    numbers = _normal(fan_out, fan_in, stream(seed, 100_000 + stream_number))
    return frozen(numbers / sqrt(fan_in))


def _normal(rows: int, columns: int, generator: torch.Generator) -> Array:
    return torch.randn(rows, columns, generator=generator, dtype=torch.float64).numpy()


class Passed(NamedTuple):
    """What a pass through a stack leaves: for the way back, and ln ||h_l||, l = 0..depth.

    `rules` and `kept` are those of each block, `logs` the ln of the factor by which what it has
    kept is to be multiplied; `last` is h_depth.
    """

    rules: list[Stack]
    kept: list[Kept]
    logs: list[float]
    log_norms: list[float]
    last: Scaled

    def inputs(self, layer: int) -> Scaled:
        """Return h_layer of a stack whose W act on what comes in, form "layer"."""
        if layer == len(self.kept):
            return self.last
        return Scaled(self.kept[layer].right, self.logs[layer])


def run(stack: Stack, h: Array) -> Passed:
    """Go through all blocks with the signal rescaled where it would leave float64.

    Exact: a homogeneous activation passes a factor on, and tanh below 1e-60 is the identity.
    """
    rules, kept, logs, scaled = [], [], [], Scaled(h)
    log_norms = [scaled.log_norm]
    free = stack.activation in ("relu", "identity") and not stack.norm
    for index in range(stack.depth):
        out, one = stack.block(index, scaled.unit)
        rules.append(stack)
        kept.append(one)
        logs.append(scaled.log)
        new = Scaled(out, scaled.log)
        tamed, ln = new.measured()
        if tamed.log < new.log and stack.activation == "tanh":
            stack, free = replace(stack, activation="identity"), True
        scaled = tamed if free else new
        log_norms.append(ln)
    return Passed(rules, kept, logs, log_norms, scaled)


def run_back(
    passed: Passed,
    g: Scaled,
    layer: int | None = None,
    heard: Callable[[int], Scaled] | None = None,
) -> Iterator[tuple[int, Scaled, float, float]]:
    """Yield (l, g_(l-1), ln ||g_(l-1)||, ln ||dL/dW_l||) for l = layer..1, with g_layer given.

    `layer` is the last unless given; `heard(l)`, for l = layer-1..1, is what reaches h_l otherwise.
    """
    by_weight = np.empty_like(passed.rules[0].weights[0])
    for index in reversed(range(layer or len(passed.kept))):
        kept = passed.kept[index]
        below, left = passed.rules[index].back(index, kept, g.unit)
        np.matmul(left.T, kept.right, out=by_weight)
        log_dw = log_norm(by_weight) + g.log + passed.logs[index]
        g = Scaled(below, g.log)
        if heard and index:
            g = g.plus(heard(index))
        g, ln = g.measured()
        yield index + 1, g, ln, log_dw
