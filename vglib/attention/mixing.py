"""Streams that are mixed before every block: what a product of mixing matrices does to them."""

from math import inf, log, nan

import numpy as np
import torch

from vglib.checks import require, whole
from vglib.probe import Array
from vglib.results import result
from vglib.words import count, factor

STREAMS, ROUNDS = 4, 20
MOST = 1000


@result
class Mixing:
    """What the product P_l = M_l ... M_1 of mixing matrices does, for l = 1..depth.

    `log_rows`, `log_columns`: (depth,), the ln of the largest sum of |P_l| over a row (how much the
    signal can grow) and over a column (how much the gradient can); `log_differences`: (depth,), the
    ln of the largest factor by which a difference between the streams is stretched;
    `log_theory`: (depth,), of matrices left free ln sqrt(E ||P_l v||^2 / ||v||^2), of doubly
    stochastic ones 0, since all sums are 1; nan in between.
    """

    dial: float
    log_rows: Array
    log_columns: Array
    log_differences: Array
    log_theory: Array

    @property
    def log_gain(self) -> float:
        """The ln of the largest row or column sum of the whole product."""
        return float(max(self.log_rows[-1], self.log_columns[-1]))

    @property
    def verdict(self) -> str:
        """One sentence: the gains of the whole product, and what is left of differences."""
        rows, columns, left = (
            factor(float(line[-1]))
            for line in (self.log_rows, self.log_columns, self.log_differences)
        )
        where = f"over {count(len(self.log_rows), 'layer')}, dial at {self.dial:.2f}"
        return (
            f"{where}: the signal grows up to {rows} times, the gradient up to {columns} times; a "
            f"difference between streams ends at most {left} times as large."
        )


def sinkhorn(positive: Array, rounds: int = ROUNDS) -> Array:
    """Return matrices whose rows, and nearly whose columns, add up to 1: doubly stochastic ones.

    Each of the `rounds` divides columns by their sums, then rows by theirs; (..., n, n) in and out.
    Source: Sinkhorn 1964; in this order arXiv 2512.24880, eq. 9.
    """
    for _ in range(rounds):
        positive = positive / positive.sum(axis=-2, keepdims=True)
        positive = positive / positive.sum(axis=-1, keepdims=True)
    return positive


def matrices(
    depth: int = 60,
    dial: float = 0.0,
    spread: float = 0.3,
    diagonal: float = 1.0,
    rounds: int = ROUNDS,
    seed: int = 0,
) -> Array:
    """Return the mixing matrices M_1..M_depth, (depth, 4, 4).

    M = (1 - dial) (I + spread N) + dial sinkhorn(exp(diagonal I + spread N)),   N_ij ~ N(0, 1)

    Raises ValueError for a depth outside 1..1000, a dial outside 0..1, a spread that is negative or
    not finite, a diagonal outside 0..20, or less than one round.
    """
    require("depth", depth, whole(depth, 1) and depth <= MOST, f"a whole number from 1 to {MOST}")
    require("dial", dial, 0 <= dial <= 1, "a number from 0, free, to 1, doubly stochastic")
    require("spread", spread, 0 <= spread < inf, "0 or a positive finite number")
    require("diagonal", diagonal, 0 <= diagonal <= 20, "a number from 0 to 20")
    require("rounds", rounds, whole(rounds, 1), "a whole number from 1 on")
    generator = torch.Generator().manual_seed(seed)
    shape = (depth, STREAMS, STREAMS)
    drawn = spread * torch.randn(shape, generator=generator, dtype=torch.float64).numpy()
    identity = np.eye(STREAMS)
    exponents = diagonal * identity + drawn
    # A factor common to all entries of a matrix changes nothing, and keeps exp within float64.
    exponents -= exponents.max(axis=(1, 2), keepdims=True)
    return (1 - dial) * (identity + drawn) + dial * sinkhorn(np.exp(exponents), rounds)


def mixing(
    depth: int = 60,
    dial: float = 0.0,
    spread: float = 0.3,
    diagonal: float = 1.0,
    rounds: int = ROUNDS,
    seed: int = 0,
) -> Mixing:
    """Multiply `depth` mixing matrices of four streams, free ones or ones that Sinkhorn calmed.

    Source: arXiv 2512.24880, figures 3 and 7. Raises ValueError as `matrices` does.
    """
    drawn = matrices(depth, dial, spread, diagonal, rounds, seed)
    product, log_scale = np.eye(STREAMS), 0.0
    # Differences between streams have mean 0; this takes a mean away.
    centre = np.eye(STREAMS) - 1 / STREAMS
    between, log_between = centre, 0.0
    lines = np.empty((3, depth))
    for layer, matrix in enumerate(drawn):
        product, log_scale = _scaled(matrix @ product, log_scale)
        between, log_between = _scaled(centre @ matrix @ between, log_between)
        size = np.abs(product)
        sums = size.sum(axis=1).max(), size.sum(axis=0).max()
        lines[:2, layer] = np.log(sums) + log_scale
        lines[2, layer] = log(np.linalg.norm(between, 2)) + log_between
    each = {0.0: log(1 + STREAMS * spread**2) / 2, 1.0: 0.0}.get(dial, nan)
    rows, columns, between_streams = lines
    return Mixing(dial, rows, columns, between_streams, each * np.arange(1.0, depth + 1))


def _scaled(matrix: Array, log_scale: float) -> tuple[Array, float]:
    """Divide a matrix by its largest entry, which a deep product would take out of float64."""
    largest = float(np.abs(matrix).max())
    return matrix / largest, log_scale + log(largest)
