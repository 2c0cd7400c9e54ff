"""A transformer as a list of sublayers, each a branch beside a skip, with a norm where it stands.

x' = a x + b F(x)        place "none"
x' = a x + b F(N(x))     place "pre"
x' = N(a x + b F(x))     place "post"
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any, Literal, NamedTuple

import numpy as np

from vglib.attention.parts import Array, Attention, Branch, FeedForward, Gradients, LayerNorm
from vglib.checks import one_of

Place = Literal["none", "pre", "post"]
PLACES = ("none", "pre", "post")


@dataclass(frozen=True, eq=False)
class Sublayer:
    """One branch F with a share a of the skip and b of the branch, and its norm.

    Raises ValueError for a place that is none of "none", "pre", "post".
    """

    branch: Branch
    norm: LayerNorm
    place: Place = "pre"
    a: float = 1.0
    b: float = 1.0

    def __post_init__(self) -> None:
        one_of("place of a norm", self.place, PLACES)

    def forward(self, x: Array) -> tuple[Array, tuple[Any, Any]]:
        """Return the output and what the way back needs, of the norm and of the branch."""
        normed, of_norm = self.norm.forward(x) if self.place == "pre" else (x, None)
        out, of_branch = self.branch.forward(normed)
        out = self.b * out + self.a * x
        if self.place == "post":
            out, of_norm = self.norm.forward(out)
        return out, (of_norm, of_branch)

    def back(self, kept: tuple[Any, Any], g: Array) -> tuple[Array, Gradients]:
        """Return the gradients by the input and by the parameters, the norm's among them."""
        of_norm, of_branch = kept
        by_norm: Gradients = {}
        if self.place == "post":
            g, by_norm = self.norm.back(of_norm, g)
        below, by_branch = self.branch.back(of_branch, self.b * g)
        if self.place == "pre":
            below, by_norm = self.norm.back(of_norm, below)
        return self.a * g + below, {**by_branch, **by_norm}


class Passed(NamedTuple):
    """A forward pass: `streams` x_0..x_n, one more than sublayers, and what each has kept."""

    streams: list[Array]
    kept: list[Any]

    @property
    def branches(self) -> list[Any]:
        """What each branch has kept; of attention an `Attended`."""
        return [of_branch for _, of_branch in self.kept]


class Returned(NamedTuple):
    """A backward pass: `deltas` dL/dx_0..dL/dx_n, and the gradients of each sublayer."""

    deltas: list[Array]
    gradients: list[Gradients]


def forward(layers: Sequence[Sublayer], x: Array) -> Passed:
    """Send x (batch, tokens, width) through all sublayers."""
    streams, kept = [x], []
    with np.errstate(over="ignore", invalid="ignore"):
        for layer in layers:
            x, of = layer.forward(x)
            streams.append(x)
            kept.append(of)
    return Passed(streams, kept)


def backward(layers: Sequence[Sublayer], passed: Passed, g: Array) -> Returned:
    """Send g = dL/dx_n back through all sublayers."""
    deltas, gradients = [g], []
    with np.errstate(over="ignore", invalid="ignore"):
        for layer, kept in zip(reversed(layers), reversed(passed.kept), strict=True):
            g, by = layer.back(kept, g)
            deltas.append(g)
            gradients.append(by)
    return Returned(deltas[::-1], gradients[::-1])


def draw_attention(
    generator: np.random.Generator,
    width: int,
    *,
    heads: int = 1,
    qk: float = 1.0,
    v: float = 1.0,
    o: float = 1.0,
    qk_norm: bool = False,
) -> Attention:
    """Draw four matrices from N(0, 1/width), times `qk` (queries and keys), `v` and `o`."""
    normal = generator.standard_normal((4, width, width)) / sqrt(width)
    scale = np.array([qk, qk, v, o])[:, None, None]
    w_q, w_k, w_v, w_o = scale * normal
    return Attention(w_q, w_k, w_v, w_o, heads, qk_norm)


def draw_mlp(
    generator: np.random.Generator, width: int, hidden: int, scale: float = 1.0
) -> FeedForward:
    """Draw w_1 from N(0, 2/width) (He's) and w_2 from N(0, 1/hidden), both times `scale`."""
    first = generator.standard_normal((hidden, width)) * sqrt(2 / width)
    second = generator.standard_normal((width, hidden)) / sqrt(hidden)
    return FeedForward(scale * first, scale * second)
