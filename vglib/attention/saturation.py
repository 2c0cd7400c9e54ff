"""Large queries and keys: what a saturated softmax leaves of the gradient, row by row."""

from collections.abc import Mapping
from math import log

import numpy as np

from vglib.attention.parts import Array, Attended, Attention, LayerNorm, softmax_back
from vglib.attention.transformer import Sublayer, backward, draw_attention, forward
from vglib.results import result
from vglib.scaled import log_norm
from vglib.words import factor, number, percent, power_of_ten

PLAIN, NORMED = "as it is", "with QK-norm"
ARRANGEMENTS = (PLAIN, NORMED)
# The scales of W_q and W_k that are tried: factors of 2.
SCALES = tuple(2.0**k for k in range(-3, 8))


@result
class Seen:
    """A stack at one scale: mean entropy of a row, largest |score|, ln pull, ln of rows' gradients.

    The pull is the root of the sum over the layers of (||dL/dW_q|| ||W_q||)^2; the rows are those
    of layer 1, sorted, (rows,).
    """

    entropy: float
    largest: float
    log_pull: float
    log_rows: Array


@result
class Saturation:
    """A stack whose W_q and W_k grow, without and with QK-norm.

    By name: `entropy`, `largest` and `log_pull` at each of `SCALES`, as in `Seen`; `here`, what is
    seen at `scale`. `tokens`: how many a row chooses from; `layers`: how many there are.
    """

    depth: int
    scale: float
    tokens: int
    entropy: Mapping[str, Array]
    log_pull: Mapping[str, Array]
    here: Mapping[str, Seen]

    @property
    def alive(self) -> float:
        """The share of rows whose gradient is at least a hundredth of the largest row's."""
        rows = self.here[PLAIN].log_rows
        return float((rows > rows[-1] - log(100)).mean()) if np.isfinite(rows[-1]) else 0.0

    @property
    def verdict(self) -> str:
        """One sentence: scores, entropy, and what is left of the gradient, in whole and by row."""
        plain, normed = (self.here[name] for name in ARRANGEMENTS)
        middle = float(plain.log_rows[len(plain.log_rows) // 2])
        return (
            f"W_q and W_k × {self.scale:.3g}: the largest score is {number(plain.largest)}, the "
            f"mean entropy {plain.entropy:.2f} of {log(self.tokens):.2f}; ‖∂L/∂W_q‖ ‖W_q‖ is "
            f"{factor(plain.log_pull)}, the middle row's gradient {power_of_ten(middle)}, and "
            f"{percent(self.alive)} of the rows have a hundredth of the largest; with QK-norm "
            f"{number(normed.largest)}, {normed.entropy:.2f} and {factor(normed.log_pull)}."
        )


def saturation(depth: int = 1, qk_scale: float = 1.0, seed: int = 0) -> Saturation:
    """Try each scale in a stack of pre-LN attention without MLPs; two sequences of 32 tokens.

    Width 32, one head, tokens and the gradient that is sent in N(0, 1), matrices N(0, 1/width).
    """
    entropy, pull, here = {}, {}, {}
    for name in ARRANGEMENTS:
        seen = [look(depth, scale, name == NORMED, seed) for scale in SCALES]
        entropy[name] = np.array([one.entropy for one in seen])
        pull[name] = np.array([one.log_pull for one in seen])
        here[name] = look(depth, qk_scale, name == NORMED, seed)
    return Saturation(depth, qk_scale, 32, entropy, pull, here)


def look(
    depth: int,
    scale: float,
    qk_norm: bool = False,
    seed: int = 0,
    *,
    width: int = 32,
    tokens: int = 32,
    batch: int = 2,
) -> Seen:
    """Send tokens through and a gradient back, at one scale of W_q and W_k."""
    generator = np.random.default_rng(seed)
    x, g = generator.standard_normal((2, batch, tokens, width))
    norm = LayerNorm.start(width)
    nets = [draw_attention(generator, width, qk=scale, qk_norm=qk_norm) for _ in range(depth)]
    stack = [Sublayer(attention, norm) for attention in nets]
    passed = forward(stack, x)
    deltas, gradients = backward(stack, passed, g)
    rows = row_gradients(nets[0], passed.branches[0], deltas[1])
    pulls = [
        log_norm(by["w_q"]) + log_norm(net.w_q) for by, net in zip(gradients, nets, strict=True)
    ]
    return Seen(
        float(np.mean([mean_entropy(kept.weights) for kept in passed.branches])),
        max(float(np.abs(kept.scores).max()) for kept in passed.branches),
        float(np.logaddexp.reduce(2 * np.array(pulls)) / 2),
        np.sort(rows),
    )


def mean_entropy(weights: Array) -> float:
    """Return the mean over rows of -sum_j a_j ln a_j."""
    logs = np.log(weights, where=weights > 0, out=np.zeros_like(weights))
    # Rounding may leave -0.
    return float(max(0.0, -(weights * logs).sum(-1).mean()))


def gaussian_entropy(scales: Array, tokens: int) -> Array:
    """Return ln T - s^4 / 2, the entropy over T Gaussian scores of standard deviation s^2, or 0.

    It is that of very many tokens: Derrida's random energy model.
    """
    return np.maximum(0.0, log(tokens) - scales**4 / 2)


def row_gradients(attention: Attention, kept: Attended, g: Array) -> Array:
    """Return ln ||dL/ds_i|| of each row of scores of one head, for g = dL/dy; shape (rows,)."""
    by_weights = (g @ attention.w_o)[:, None] @ kept.values.swapaxes(-1, -2)
    rows = softmax_back(kept.weights, by_weights).reshape(-1, kept.weights.shape[-1])
    return np.array([log_norm(row) for row in rows])


def unscaled(width: int, seed: int = 0) -> tuple[float, float]:
    """Return what leaving out the 1/sqrt(width) does to dL/ds: in whole, and to the middle row.

    Two factors, each of the Euclidean norm; one layer, one head, four sequences of 64 tokens.
    Without the root the scores are sqrt(width) times as large, as with W_q and W_k times the fourth
    root of the width.
    """
    sizes = []
    for scale in (1.0, width**0.25):
        rows = look(1, scale, seed=seed, width=width, tokens=64, batch=4).log_rows
        sizes.append((np.logaddexp.reduce(2 * rows) / 2, rows[len(rows) // 2]))
    (whole, middle), (whole_without, middle_without) = sizes
    return float(np.exp(whole_without - whole)), float(np.exp(middle_without - middle))


def grown(scale: float, seed: int = 0, qk_norm: bool = False) -> float:
    """Return by which factor ||dL/dW_q|| ||W_q|| grows from scale 1 to this one.

    One layer of width 64, one head, eight sequences of 64 tokens.
    """
    sizes = {"width": 64, "tokens": 64, "batch": 8}
    one, other = (look(1, s, qk_norm, seed, **sizes).log_pull for s in (1.0, scale))
    return float(np.exp(other - one))
