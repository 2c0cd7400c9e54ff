"""Rank collapse: tokens that attention makes alike, and what that does to the gradient by W_q."""

from collections.abc import Mapping
from math import isfinite, log, sqrt
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from vglib.attention.parts import Array, Branch, LayerNorm
from vglib.attention.transformer import (
    Place,
    Sublayer,
    backward,
    draw_attention,
    draw_mlp,
    forward,
)
from vglib.results import result
from vglib.scaled import log_norm
from vglib.words import count, power_of_ten

TOKENS = 32
# How far apart nearly equal tokens are, in two tries.
NEAR = (0.001, 0.01)
ROOT = "skip, branch / √L"


class Kind(NamedTuple):
    """How a layer joins its branch: the norm's place, the skip's share, a branch over root L."""

    place: Place = "none"
    a: float = 1.0
    root: bool = False


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "attention alone": Kind(a=0.0),
        "skip": Kind(),
        "post-LN": Kind("post"),
        "pre-LN": Kind("pre"),
        ROOT: Kind(root=True),
    }
)


@result
class Collapse:
    """Five nets of one depth at their start.

    By name: `cosine` (depth + 1,), the mean cosine between two tokens of x_0..x_depth; `log_apart`,
    ln(||X - mean|| / ||X||), the same; `log_by_q` (depth,), ln ||dL/dW_q|| of layers 1..depth,
    -inf where it is exactly 0, nan where numbers left float64.
    """

    depth: int
    cosine: Mapping[str, Array]
    log_apart: Mapping[str, Array]
    log_by_q: Mapping[str, Array]
    note: str = ""

    @property
    def verdict(self) -> str:
        """One sentence: how alike the tokens are at the end, and which gradient is left there."""
        parts = []
        for name in KINDS:
            cosine, first, last = self.cosine[name][-1], *self.log_by_q[name][[0, -1]]
            if isfinite(cosine) and not np.isnan([first, last]).any():
                ends = f"{power_of_ten(first)} to {power_of_ten(last)}"
                parts.append(f"{name} {cosine:.3f} ({ends})")
            else:
                parts.append(f"{name} overflows")
        said = "mean cosine between tokens (and ‖∂L/∂W_q‖, first to last layer)"
        return f"after {count(self.depth, 'layer')}, {said}: {'; '.join(parts)}.{self.note}"


def collapse(
    depth: int = 24,
    weight_scale: float = 1.0,
    mlp: bool = False,
    seed: int = 0,
    *,
    qk: float = 1.0,
) -> Collapse:
    """Send 32 random tokens of width 64 through each net, and a random gradient back.

    Tokens and gradient have entries N(0, 1); all matrices of attention are N(0, 1/width) times
    `weight_scale`, those of queries and keys times `qk` as well. With `mlp` each layer has an MLP
    (He's weights, four times as wide) after its attention. From 30 layers on, or 15 with MLPs,
    the width is 32, to stay quick.
    """
    width = 64 if depth * (1 + mlp) <= 30 else 32
    note = "" if width == 64 else " (Width 32 in place of 64, to stay quick.)"
    cosine, apart, by_q = {}, {}, {}
    for name, kind in KINDS.items():
        generator = np.random.default_rng(seed)
        x, g = generator.standard_normal((2, 1, TOKENS, width))
        norm, b = LayerNorm.start(width), 1 / sqrt(depth) if kind.root else 1.0
        layers = []
        for _ in range(depth):
            v = o = weight_scale
            branches: list[Branch] = [draw_attention(generator, width, qk=qk * v, v=v, o=o)]
            if mlp:
                branches.append(draw_mlp(generator, width, 4 * width, weight_scale))
            layers += [Sublayer(branch, norm, kind.place, kind.a, b) for branch in branches]
        passed, every = forward(layers, x), 1 + mlp
        gradients = backward(layers, passed, g).gradients
        seen = [alike(x[0]) for x in passed.streams[::every]]
        cosine[name], apart[name] = np.array(seen).T
        by_q[name] = np.array([log_norm(by["w_q"]) for by in gradients[::every]])
    return Collapse(depth, cosine, apart, by_q, note)


def alike(tokens: Array) -> tuple[float, float]:
    """Return the mean cosine between two of the tokens (n, width), and ln(||X - mean|| / ||X||).

    nan and nan where a token is 0 or not finite.
    """
    largest = np.abs(tokens).max()
    if not 0 < largest < np.inf:
        return np.nan, np.nan
    # So that no square underflows.
    tokens = tokens / largest
    lengths = np.sqrt(np.einsum("td,td->t", tokens, tokens))
    if not lengths.all():
        return np.nan, np.nan
    n, total = len(tokens), (tokens / lengths[:, None]).sum(0)
    cosine = (total @ total - n) / (n * (n - 1))
    return float(cosine), log_norm(tokens - tokens.mean(0)) - log(np.linalg.norm(lengths))


def uniform_cosine(layers: int, b: float, tokens: int = TOKENS) -> float:
    """Return the mean cosine after layers x + b A x W with A = 1/tokens throughout, W ~ N(0, 1/n).

    (g^L - 1) / (g^L + tokens - 1), g = 1 + b^2: the tokens' mean grows, what sets them apart stays.
    """
    growth = (1 + b * b) ** layers
    return (growth - 1) / (growth + tokens - 1)


@result
class NearlyAlike:
    """One layer of attention alone on tokens that differ by little: what it leaves of that.

    `apart`: ||Y - mean|| / ||Y|| of its output; `by`: ||dL/dW|| of each of its matrices.
    """

    apart: float
    by: Mapping[str, float]


def nearly_alike(apart: float, seed: int = 0, width: int = 64) -> NearlyAlike:
    """Give 32 tokens of the same random mean, ||X - mean|| / ||X|| being about `apart`."""
    generator = np.random.default_rng(seed)
    mean, g = (
        generator.standard_normal((1, 1, width)),
        generator.standard_normal((1, TOKENS, width)),
    )
    x = mean + apart * generator.standard_normal((1, TOKENS, width))
    attention = draw_attention(generator, width)
    out, kept = attention.forward(x)
    gradients = attention.back(kept, g)[1]
    by = {name: float(np.linalg.norm(gradient)) for name, gradient in gradients.items()}
    return NearlyAlike(float(np.exp(alike(out[0])[1])), by)


def powers(seed: int = 0) -> dict[str, float]:
    """Return k of what grows as apart^k: of the output's `apart`, of the gradients by each W."""
    near, far = (nearly_alike(apart, seed) for apart in NEAR)
    pairs = {name: (near.by[name], far.by[name]) for name in near.by}
    pairs["apart"] = near.apart, far.apart
    return {name: log(b / a) / log(NEAR[1] / NEAR[0]) for name, (a, b) in pairs.items()}
