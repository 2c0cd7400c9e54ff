"""A deep stack of blocks with its backward pass derived by hand, in numbers that never underflow.

With a the share of the skip, b that of the branch, W_l (width, width) and slopes phi' taken where
phi is:

    h_l = a h_(l-1) + b phi(N(W_l h_(l-1)))        "layer": the branch ends in the activation
    h_l = h_(l-1) + b W_l phi(N(h_(l-1)))          "pre-activation"
    h_l = phi(h_(l-1) + b W_l phi(h_(l-1)))        "after the sum"

where N normalises each unit over the batch (batch norm without scale and shift) or does nothing.
The backward pass carries g_l = dL/dh_l:

    g_(l-1) = a g_l + b W_l^T N'(phi' * g_l)       "layer"
    g_(l-1) = g_l + b N'(phi' * (W_l^T g_l))       "pre-activation"
    g_(l-1) = e + b phi' * (W_l^T e), e = phi'(u_l) * g_l,  u_l the sum, "after the sum"
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import exp, inf, isfinite, log, sqrt

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit

from vglib.networks import stream

Array = NDArray[np.float64]
Labels = NDArray[np.int64]

ACTIVATIONS = ("relu", "tanh", "sigmoid", "identity")
FORMS = ("layer", "pre-activation", "after the sum")
# The root of fan_in Var W at weight scale 1: He's for ReLU.
SIGMA_W = {"relu": sqrt(2), "tanh": 1.0, "sigmoid": 1.0, "identity": 1.0}
# Outside these bounds a signal is rescaled, long before its square leaves float64.
_SMALL, _LARGE = 1e-60, 1e60
EPS = 1e-5


def activate(name: str, z: Array) -> tuple[Array, Array | float]:
    """Return phi(z) and phi'(z)."""
    if name == "relu":
        on = (z > 0).astype(np.float64)
        return z * on, on
    if name == "tanh":
        value = np.tanh(z)
        return value, 1 - value * value
    if name == "sigmoid":
        value = expit(z)
        return value, value * (1 - value)
    return z, 1.0


@dataclass(frozen=True)
class Normalised:
    """What batch norm keeps for its way back: the normalised x and 1 / std of each unit."""

    x: Array
    inverse_std: Array

    @classmethod
    def of(cls, x: Array) -> Normalised:
        """Normalise each column over the rows."""
        centred = x - x.mean(0)
        inverse_std = 1 / np.sqrt((centred * centred).mean(0) + EPS)
        return cls(centred * inverse_std, inverse_std)

    def back(self, g: Array) -> Array:
        """Return the gradient by what went in."""
        return self.inverse_std * (g - g.mean(0) - self.x * (g * self.x).mean(0))


@dataclass
class Kept:
    """What the backward pass needs of a block: its input, the branch's last factor, its slopes."""

    inputs: Array
    slope: Array | float
    branch: Array | None = None
    norm: Normalised | None = None
    last_slope: Array | float = 1.0


@dataclass(frozen=True)
class Stack:
    """Weights and rule of a stack; `weights: (depth, width, width)`, W[l] maps h_l to h_(l+1)."""

    weights: Array
    activation: str = "relu"
    form: str = "layer"
    a: float = 1.0
    b: float = 1.0
    norm: bool = False

    @property
    def depth(self) -> int:
        """The number of blocks."""
        return len(self.weights)

    def block(self, index: int, h: Array) -> tuple[Array, Kept]:
        """Apply one block to h (batch, width)."""
        weight = self.weights[index]
        if self.form == "layer":
            z = h @ weight.T
            norm = Normalised.of(z) if self.norm else None
            value, slope = activate(self.activation, norm.x if norm else z)
            return self.a * h + self.b * value, Kept(h, slope, value, norm)
        norm = Normalised.of(h) if self.norm else None
        value, slope = activate(self.activation, norm.x if norm else h)
        total = h + self.b * (value @ weight.T)
        if self.form == "pre-activation":
            return total, Kept(h, slope, value, norm)
        out, last = activate(self.activation, total)
        return out, Kept(h, slope, value, norm, last)

    def back(self, index: int, kept: Kept, g: Array) -> tuple[Array, Array, Array]:
        """Return g_(l-1), and dL/dW_l as the pair (left, right) with dL/dW_l = left^T right."""
        weight = self.weights[index]
        if self.form == "layer":
            e = self.b * g * kept.slope
            if kept.norm:
                e = kept.norm.back(e)
            below = e @ weight
            return (below if self.a == 0 else self.a * g + below), e, kept.inputs
        e = g * kept.last_slope
        branch = (self.b * (e @ weight)) * kept.slope
        if kept.norm:
            branch = kept.norm.back(branch)
        assert kept.branch is not None
        return e + branch, self.b * e, kept.branch

    def forward(self, h: Array) -> tuple[Array, list[Kept]]:
        """Go through all blocks as a computer would, overflow and all."""
        kept = []
        for index in range(self.depth):
            h, one = self.block(index, h)
            kept.append(one)
        return h, kept


def draw_weights(depth: int, width: int, sigma_w: float, seed: int) -> Array:
    """Draw W_1..W_depth ~ N(0, sigma_w^2 / width), each from a stream of its own."""
    return _unit_weights(depth, width, seed) * (sigma_w / sqrt(width))


# A slider that only scales the weights need not wait for the same random numbers again.
@lru_cache(maxsize=2)
def _unit_weights(depth: int, width: int, seed: int) -> Array:
    weights = np.empty((depth, width, width))
    for index in range(depth):
        torch.randn(
            width, width, generator=stream(seed, index + 1), out=torch.from_numpy(weights[index])
        )
    weights.setflags(write=False)
    return weights


def draw_matrix(fan_in: int, fan_out: int, seed: int, stream_number: int) -> Array:
    """Draw W ~ N(0, 1/fan_in), (fan_out, fan_in), from the stream 100,000 + its number."""
    generator = stream(seed, 100_000 + stream_number)
    drawn = torch.randn(fan_out, fan_in, generator=generator, dtype=torch.float64)
    return drawn.numpy() / sqrt(fan_in)


@dataclass(frozen=True)
class Scaled:
    """The array exp(log) * unit, which may lie far outside float64."""

    unit: Array
    log: float = 0.0

    @property
    def log_norm(self) -> float:
        """The ln of its Euclidean norm; -inf where it is exactly 0, nan where it is not finite."""
        # The largest entry first: the squares of what float64 holds may not fit into it.
        largest = float(np.abs(self.unit).max())
        if not 0 < largest < inf:
            return nan_safe_log(largest)
        return log(largest * float(np.linalg.norm(self.unit / largest))) + self.log

    def tame(self) -> Scaled:
        """Return the same with a unit of norm 1, if its norm is far from it."""
        norm = float(np.linalg.norm(self.unit))
        if _SMALL < norm < _LARGE or norm == 0 or not isfinite(norm):
            return self
        return Scaled(self.unit / norm, self.log + log(norm))

    def plus(self, other: Scaled) -> Scaled:
        """Return the sum, in the scale of the larger."""
        if self.log < other.log:
            return other.plus(self)
        return Scaled(self.unit + exp(other.log - self.log) * other.unit, self.log)


def nan_safe_log(x: float) -> float:
    """Return ln x, -inf for 0 and nan for nan."""
    return log(x) if 0 < x < inf else -inf if x == 0 else x


def run(stack: Stack, h: Array) -> tuple[list[Scaled], list[Kept], list[Stack]]:
    """Go through all blocks with the signal rescaled where it would leave float64.

    Exact: a homogeneous activation passes a factor on, and tanh below 1e-60 is the identity.
    Returns h_0..h_depth, what each block keeps (of the rescaled signal), and each block's rule.
    """
    scaled, signals, kept, rules = Scaled(h), [Scaled(h)], [], []
    free = stack.activation in ("relu", "identity") and not stack.norm
    for index in range(stack.depth):
        out, one = stack.block(index, scaled.unit)
        kept.append(one)
        rules.append(stack)
        new = Scaled(out, scaled.log)
        if free or stack.activation == "tanh":
            tamed = new.tame()
            if not free and tamed is not new and tamed.log < 0:
                stack, free = _linear(stack), True
            new = tamed if free else new
        scaled = new
        signals.append(scaled)
    return signals, kept, rules


def _linear(stack: Stack) -> Stack:
    return Stack(stack.weights, "identity", stack.form, stack.a, stack.b, stack.norm)


def run_back(
    rules: Sequence[Stack], kept: Sequence[Kept], signals: Sequence[Scaled], g: Scaled
) -> Generator[tuple[int, Scaled, float], Scaled | None, None]:
    """Yield (l, g_(l-1), ln ||dL/dW_l||) for l = depth..1; send a gradient to add to g_(l-1)."""
    for index in reversed(range(len(kept))):
        below, left, right = rules[index].back(index, kept[index], g.unit)
        log_dw = Scaled(left.T @ right, g.log + signals[index].log).log_norm
        g = Scaled(below, g.log).tame()
        extra = yield index + 1, g, log_dw
        if extra is not None:
            g = g.plus(extra)
            yield index + 1, g, log_dw


def softmax_gradient(logits: Scaled, labels: Labels) -> tuple[Array, float]:
    """Return dL/dlogits of the cross-entropy averaged over the batch, and L (inf if too large)."""
    top = logits.unit - logits.unit.max(1, keepdims=True)
    with np.errstate(over="ignore", under="ignore"):
        scaled = top * exp(min(logits.log, 700.0))
        p = np.exp(scaled)
        total = p.sum(1, keepdims=True)
        rows = np.arange(len(labels))
        losses = np.log(total[:, 0]) - scaled[rows, labels]
        p /= total
        loss = float(losses.mean())
    p[rows, labels] -= 1
    return p / len(labels), loss
