"""What a transformer is made of, forward and backward by hand: attention, MLP, norm.

Signals are (batch, tokens, width), float64. Each part has `forward(x)`, which returns its output
and what the way back needs, and `back(kept, g)`, which returns the gradient by x and by each of
its parameters, under their names.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from vglib.checks import require

Array = NDArray[np.float64]
Gradients = Mapping[str, Array]

EPS = 1e-5


def softmax(scores: Array) -> Array:
    """Return exp(s_ij) / sum_j exp(s_ij) of each row."""
    with np.errstate(over="ignore", invalid="ignore"):
        weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    return weights


def softmax_back(weights: Array, g: Array) -> Array:
    """Return dL/ds of each row: a_j (g_j - sum_k a_k g_k), with a the weights and g = dL/da."""
    passed = weights * g
    passed -= weights * passed.sum(-1, keepdims=True)
    return passed


class Unit(NamedTuple):
    """Rows of mean square 1: `x = inverse * (what came in, minus its mean if centred)`."""

    x: Array
    inverse: Array
    centred: bool

    @classmethod
    def of(cls, x: Array, centred: bool = True) -> Self:
        """Normalise the last axis: that of a layer norm, or not centred, of an RMS norm."""
        if centred:
            x = x - x.mean(-1, keepdims=True)
        width = x.shape[-1]
        inverse = 1 / np.sqrt(np.einsum("...d,...d->...", x, x)[..., None] / width + EPS)
        return cls(x * inverse, inverse, centred)

    def back(self, g: Array) -> Array:
        """Return inverse (g - mean g - x mean(g x)); without `mean g` where not centred."""
        along = np.einsum("...d,...d->...", g, self.x)[..., None] / self.x.shape[-1]
        passed = g - self.x * along
        if self.centred:
            passed -= g.mean(-1, keepdims=True)
        return self.inverse * passed


@dataclass(frozen=True, eq=False)
class LayerNorm:
    """y = gain * unit(x) + shift over the width of each token; torch's `nn.LayerNorm`."""

    gain: Array
    shift: Array

    @classmethod
    def start(cls, width: int, gain: float = 1.0) -> Self:
        """Return a norm of one gain and shift 0."""
        return cls(np.full(width, gain), np.zeros(width))

    def forward(self, x: Array) -> tuple[Array, Unit]:
        """Return the output and what the way back needs."""
        unit = Unit.of(x)
        return self.gain * unit.x + self.shift, unit

    def back(self, kept: Unit, g: Array) -> tuple[Array, Gradients]:
        """Return the gradients by the input and by the parameters."""
        parameters = {"gain": (g * kept.x).sum((0, 1)), "shift": g.sum((0, 1))}
        return kept.back(self.gain * g), parameters


class Attended(NamedTuple):
    """What the way back of attention needs; per head but x and `context`."""

    x: Array
    queries: Array
    keys: Array
    values: Array
    scores: Array
    weights: Array
    context: Array
    norms: tuple[Unit, Unit] | None


@dataclass(frozen=True, eq=False)
class Attention:
    """Self-attention of one head or several, without biases and without a mask.

        Q = X Wq^T, K = X Wk^T, V = X Wv^T,  A = softmax(Q K^T / sqrt(d_head)),  Y = A V Wo^T

    The matrices are (width, width); heads share the width out. With `qk_norm` each query and key
    is divided by its root mean square, so that no score is beyond sqrt(d_head). Without QK-norm it
    is torch's `nn.MultiheadAttention(bias=False)`.
    """

    w_q: Array
    w_k: Array
    w_v: Array
    w_o: Array
    heads: int = 1
    qk_norm: bool = False

    def __post_init__(self) -> None:
        width = len(self.w_q)
        shares = self.heads >= 1 and width % self.heads == 0
        require("heads", self.heads, shares, f"a divisor of the width {width}")

    def forward(self, x: Array) -> tuple[Array, Attended]:
        """Return the output and what the way back needs."""
        queries, keys, values = (self._split(x @ w.T) for w in (self.w_q, self.w_k, self.w_v))
        norms = None
        if self.qk_norm:
            norms = Unit.of(queries, centred=False), Unit.of(keys, centred=False)
            queries, keys = (norm.x for norm in norms)
        scores = queries @ keys.swapaxes(-1, -2)
        scores *= self._temperature
        weights = softmax(scores)
        context = self._join(weights @ values)
        kept = Attended(x, queries, keys, values, scores, weights, context, norms)
        return context @ self.w_o.T, kept

    def back(self, kept: Attended, g: Array) -> tuple[Array, Gradients]:
        """Return the gradients by the input and by the parameters."""
        by_context = self._split(g @ self.w_o)
        by_weights = by_context @ kept.values.swapaxes(-1, -2)
        by_scores = softmax_back(kept.weights, by_weights)
        by_scores *= self._temperature
        by_q, by_k = by_scores @ kept.keys, by_scores.swapaxes(-1, -2) @ kept.queries
        if kept.norms is not None:
            by_q, by_k = (norm.back(by) for norm, by in zip(kept.norms, (by_q, by_k), strict=True))
        by_v = kept.weights.swapaxes(-1, -2) @ by_context
        q, k, v = (self._join(by) for by in (by_q, by_k, by_v))
        parameters = {
            "w_q": across(q, kept.x),
            "w_k": across(k, kept.x),
            "w_v": across(v, kept.x),
            "w_o": across(g, kept.context),
        }
        return q @ self.w_q + k @ self.w_k + v @ self.w_v, parameters

    @property
    def _temperature(self) -> float:
        return 1 / sqrt(len(self.w_q) / self.heads)

    def _split(self, x: Array) -> Array:
        """(batch, tokens, width) to (batch, heads, tokens, width / heads)."""
        return x.reshape(*x.shape[:2], self.heads, -1).swapaxes(1, 2)

    def _join(self, x: Array) -> Array:
        x = x.swapaxes(1, 2)
        return x.reshape(*x.shape[:2], -1)


@dataclass(frozen=True, eq=False)
class FeedForward:
    """The MLP of each token, Y = relu(X W1^T) W2^T; w_1 (hidden, width), w_2 (width, hidden)."""

    w_1: Array
    w_2: Array

    def forward(self, x: Array) -> tuple[Array, tuple[Array, Array]]:
        """Return the output and what the way back needs."""
        hidden = np.maximum(x @ self.w_1.T, 0)
        return hidden @ self.w_2.T, (x, hidden)

    def back(self, kept: tuple[Array, Array], g: Array) -> tuple[Array, Gradients]:
        """Return the gradients by the input and by the parameters."""
        x, hidden = kept
        delta = (g @ self.w_2) * (hidden > 0)
        return delta @ self.w_1, {"w_1": across(delta, x), "w_2": across(g, hidden)}


Branch = Attention | FeedForward


def across(delta: Array, x: Array) -> Array:
    """Return dL/dW of Y = X W^T: delta^T X, summed over the batch and its tokens."""
    return delta.reshape(-1, delta.shape[-1]).T @ x.reshape(-1, x.shape[-1])
