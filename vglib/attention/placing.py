"""Where the norm stands: post-LN, pre-LN, DeepNorm, and pre-LN with the norm over root l."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import log, nan, sqrt
from typing import NamedTuple, Self

import numpy as np

from vglib.attention.parts import Array, Gradients, LayerNorm, Unit
from vglib.attention.transformer import (
    Place,
    Sublayer,
    backward,
    draw_attention,
    draw_mlp,
    forward,
)
from vglib.backprop import softmax_gradient
from vglib.results import at_its_end, result
from vglib.scaled import log_norm
from vglib.words import count, factor, percent

POST, PRE, DEEP, SCALED = "post-LN", "pre-LN", "DeepNorm", "pre-LN / √l"
PLACINGS = (POST, PRE, DEEP, SCALED)
TOKENS, CLASSES = 16, 10
# The sizes of a first step that are tried.
RATES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)


@result
class Placing:
    """Four transformers of one depth at their start.

    By name: `log_square` (depth + 1,), ln of the mean square of the stream before block 1 and
    behind each block; `log_by_w2` (depth,), ln ||dL/dW_2|| of each block's MLP; `log_moved`
    (rates,), ln of the relative change of the output in one step of each size of `RATES`. nan
    where a number left float64, and in nets that are not `done`.
    """

    depth: int
    log_square: Mapping[str, Array]
    log_by_w2: Mapping[str, Array]
    log_moved: Mapping[str, Array]
    done: int = len(PLACINGS)

    def moved(self, name: str, rate: float = 0.001) -> float:
        """The relative change of a net's output in one step of a size that is among `RATES`."""
        return float(np.exp(self.log_moved[name][RATES.index(rate)]))

    @property
    def verdict(self) -> str:
        """One sentence: how far one step moves the outputs, and what the pre-LN stream grows to."""
        where = count(self.depth, "block")
        if self.done < len(PLACINGS):
            return f"measuring: {where}, {self.done} of {len(PLACINGS)} nets."
        moved = ", ".join(f"{name} by {percent(self.moved(name))}" for name in PLACINGS)
        pre, scaled = (factor(float(self.log_square[name][-1])) for name in (PRE, SCALED))
        return (
            f"{where}: a first step of 0.001 moves the output of {moved}; the mean square of the "
            f"pre-LN stream ends at {pre}, with 1/√l at {scaled}."
        )


def build(
    name: str, depth: int, width: int, generator: np.random.Generator, weight_scale: float = 1.0
) -> list[Sublayer]:
    """Return the sublayers of a net: attention and an MLP (four times as wide) in each block.

    Weights as `draw_attention` and `draw_mlp` draw them, times `weight_scale`. DeepNorm has a skip
    of (2 depth)^(1/4) and W_v, W_o, W_1, W_2 times (8 depth)^(-1/4), post-LN otherwise (arXiv
    2203.00555, figure 2, encoder). "pre-LN / √l" divides the norms of block l by sqrt(l) (arXiv
    2502.05795, section 4, eq. 12).
    """
    deep = name == DEEP
    a, beta = ((2 * depth) ** 0.25, (8 * depth) ** -0.25) if deep else (1.0, 1.0)
    place: Place = "pre" if name in (PRE, SCALED) else "post"
    scale = beta * weight_scale
    layers = []
    for block in range(1, depth + 1):
        norm = LayerNorm.start(width, 1 / sqrt(block) if name == SCALED else 1.0)
        attention = draw_attention(generator, width, qk=weight_scale, v=scale, o=scale)
        mlp = draw_mlp(generator, width, 4 * width, scale)
        layers += [Sublayer(branch, norm, place, a) for branch in (attention, mlp)]
    return layers


class Top(NamedTuple):
    """What stands behind the last block: the last norm of a pre-LN net, in others nothing."""

    norm: LayerNorm | None

    @classmethod
    def of(cls, name: str, width: int) -> Self:
        """Return that of a net of this name."""
        return cls(LayerNorm.start(width) if name in (PRE, SCALED) else None)

    def forward(self, x: Array) -> tuple[Array, Unit | None]:
        """Return the output and what the way back needs."""
        return self.norm.forward(x) if self.norm else (x, None)

    def back(self, kept: Unit | None, g: Array) -> Array:
        """Return the gradient by what came in."""
        return self.norm.back(kept, g)[0] if self.norm and kept else g


class Start(NamedTuple):
    """A net before its first step, on one batch: streams, gradients of its sublayers, output."""

    net: list[Sublayer]
    top: Top
    streams: list[Array]
    gradients: list[Gradients]
    output: Array

    @classmethod
    def of(cls, name: str, depth: int, weight_scale: float, seed: int, width: int) -> Self:
        """Draw a net and its batch, send it through and the gradient of the loss back."""
        generator = np.random.default_rng(seed)
        x = generator.standard_normal((1, TOKENS, width))
        y = generator.integers(0, CLASSES, TOKENS)
        readout = generator.standard_normal((CLASSES, width)) / sqrt(width)
        net = build(name, depth, width, generator, weight_scale)
        top, passed = Top.of(name, width), forward(net, x)
        output, kept = top.forward(passed.streams[-1])
        g = top.back(kept, (softmax_gradient(output[0] @ readout.T, y)[1] @ readout)[None])
        return cls(net, top, passed.streams, backward(net, passed, g).gradients, output)

    def after(self, rate: float) -> Array:
        """Return the output after one step of plain descent on the matrices of the branches."""
        last = forward(stepped(self.net, self.gradients, rate), self.streams[0]).streams[-1]
        return self.top.forward(last)[0]


def placings(
    depth: int = 12, weight_scale: float = 1.0, seed: int = 0, width: int = 32
) -> Iterator[Placing]:
    """Send 16 random tokens through each net, the loss's gradient back, and take a first step.

    Tokens have entries N(0, 1), and each has one of ten classes at random. The loss is the mean
    cross-entropy of a readout N(0, 1/width) of the output, which in pre-LN nets has gone through a
    last norm. A step is plain descent on all matrices of the blocks. Yields after each net; what
    is to come is nan.
    """
    square = {name: np.full(depth + 1, nan) for name in PLACINGS}
    by_w2 = {name: np.full(depth, nan) for name in PLACINGS}
    moved = {name: np.full(len(RATES), nan) for name in PLACINGS}
    for number, name in enumerate(PLACINGS, 1):
        start = Start.of(name, depth, weight_scale, seed, width)
        square[name] = np.array([2 * log_norm(h) - log(h.size) for h in start.streams[::2]])
        by_w2[name] = np.array([log_norm(by["w_2"]) for by in start.gradients[1::2]])
        changes = [log_norm(start.after(rate) - start.output) for rate in RATES]
        moved[name] = np.array(changes) - log_norm(start.output)
        yield Placing(depth, dict(square), dict(by_w2), dict(moved), number)


placing = at_its_end(placings)


def last_by_w2(name: str, depth: int, seed: int = 0, width: int = 64) -> float:
    """Return ||dL/dW_2|| of the last block of a net at its start."""
    return float(np.linalg.norm(Start.of(name, depth, 1.0, seed, width).gradients[-1]["w_2"]))


def first_step(name: str, depth: int, rate: float, seed: int = 0, width: int = 32) -> float:
    """Return the relative change of a net's output in one step of descent from its start."""
    start = Start.of(name, depth, 1.0, seed, width)
    return float(np.linalg.norm(start.after(rate) - start.output) / np.linalg.norm(start.output))


def stepped(net: Sequence[Sublayer], gradients: Sequence[Gradients], rate: float) -> list[Sublayer]:
    """Return a net one step of plain descent further on, on the matrices of its branches."""
    moved = []
    for layer, by in zip(net, gradients, strict=True):
        matrices = {name: g for name, g in by.items() if name.startswith("w_")}
        new = {name: getattr(layer.branch, name) - rate * g for name, g in matrices.items()}
        moved.append(replace(layer, branch=replace(layer.branch, **new)))
    return moved


def mean_squares(name: str, depth: int, seed: int = 0, width: int = 32) -> Array:
    """Return the mean square of the stream before block 1 and behind each; shape (depth + 1,)."""
    return np.array([np.mean(h * h) for h in Start.of(name, depth, 1.0, seed, width).streams[::2]])


def shares(name: str, depth: int, seed: int = 0, width: int = 32) -> Array:
    """Return ||what block l adds|| / ||stream behind it|| of a net at its start; shape (depth,)."""
    streams = Start.of(name, depth, 1.0, seed, width).streams[::2]
    pairs = itertools.pairwise(streams)
    return np.array([np.linalg.norm(h - below) / np.linalg.norm(h) for below, h in pairs])
