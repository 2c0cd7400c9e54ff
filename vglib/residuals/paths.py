"""The gradient as a sum over paths, which take or skip each branch; and where skips are open."""

from math import inf, log, sqrt

import numpy as np
from scipy.special import gammaln

from vglib.residuals.blocks import BATCH, N_IN, build, digit_arrays
from vglib.residuals.mean_field import block_theory
from vglib.residuals.stack import Array, draw_matrix, run
from vglib.results import result
from vglib.scaled import norm
from vglib.words import percent, power_of_ten


@result
class Paths:
    """The gradient through L blocks, sorted by how many branches its paths take, k = 0..L.

    `log_sum`: ln of the length of the sum of all paths with k branches, over that of the gradient
    sent in; `log_one`: ln of a typical single path's; `counted`: C(L, k) / 2^L; `weighed`: the
    share of the squared length; `predicted`: theory's share. All (L + 1,). `theory_length`: its
    mean number of branches; `gap`: by how much the sum over all paths misses the gradient.
    """

    depth: int
    theory_length: float
    log_sum: Array
    log_one: Array
    log_sum_theory: Array
    counted: Array
    weighed: Array
    predicted: Array
    gap: float

    @property
    def mean_length(self) -> float:
        """The mean number of branches of a path, weighed by the squared gradient."""
        return float((np.arange(self.depth + 1) * self.weighed).sum())

    @property
    def verdict(self) -> str:
        """One sentence: how many paths, how long on average, and the skips' own share."""
        paths = power_of_ten(self.depth * log(2)) if self.depth > 20 else f"{2**self.depth}"
        return (
            f"{paths} paths, with {self.depth / 2:g} branches on average; weighed by the squared "
            f"gradient they have {self.mean_length:.2f} (theory {self.theory_length:.2f}), and "
            f"the path through skips alone carries {percent(float(self.weighed[0]))} of it."
        )


def paths(
    depth: int,
    alpha: float = 1.0,
    root: bool = False,
    weight_scale: float = 1.0,
    seed: int = 0,
    batch_norm: bool = False,
) -> Paths:
    """Expand the product of (I + J_l)^T into its 2^L paths, summed by length.

    Pre-activation blocks with ReLU, width 40, 8 digits, or 16 where batch norm needs a batch;
    J_l = alpha W_l D_l, with N' behind it under batch norm. The sums obey
    s_k <- s_k + J_l^T s_(k-1), so that no path need be followed on its own.
    """
    alpha, width, samples = 1 / sqrt(depth) if root else alpha, 40, 16 if batch_norm else 8
    kind = "pre-activation with BN" if batch_norm else "pre-activation"
    stack = build(kind, depth, width, alpha, weight_scale, "relu", seed)
    h0 = digit_arrays()[0][:samples] @ draw_matrix(N_IN, width, seed, 0).T
    kept = run(stack, h0).kept
    start = np.random.default_rng(seed).standard_normal((samples, width))
    sums, size, whole = np.zeros((depth + 1, samples, width)), 0.0, start
    sums[0] = start
    for done, index in enumerate(reversed(range(depth))):
        one = kept[index]
        by_branch = (sums[: done + 1] @ stack.weights[index]) * one.slope
        if one.norm:
            by_branch = one.norm.back(by_branch)
        sums[1 : done + 2] += alpha * stack.gain * by_branch
        whole, *_ = stack.back(index, one, whole)
        scale = float(np.abs(sums).max())
        sums /= scale
        whole = whole / scale
        size += log(scale)
    gap = float(np.abs(sums.sum(0) - whole).max() / np.abs(whole).max())
    squares = (sums**2).sum((1, 2))
    start_at, sigma_w = (0.0, float(log(h0.var(0).mean()))), stack.gain * sqrt(width)
    _, ln_chi = block_theory(kind, depth, alpha, sigma_w, "relu", *start_at)
    ks = np.arange(depth + 1)
    choose = gammaln(depth + 1) - gammaln(ks + 1) - gammaln(depth - ks + 1)
    with np.errstate(divide="ignore"):
        log_sum = 0.5 * np.log(squares) + size - log(norm(start))
        predicted = by_length(np.log(np.expm1(ln_chi)))
    shares = np.exp(choose - depth * log(2)), squares / squares.sum()
    logs = log_sum, 0.5 * (predicted - choose), 0.5 * predicted
    mean = float(-np.expm1(-ln_chi).sum())
    return Paths(depth, mean, *logs, *shares, np.exp(predicted - ln_chi.sum()), gap)


def by_length(log_gains: Array) -> Array:
    """Return ln of the coefficients of x^0..x^L in prod_l (1 + g_l x), from ln g_l.

    They are the expected squares of the paths of each length; where all g are p / (1 - p) they are
    a binomial distribution's over (1 - p)^L.
    """
    logs = np.full(len(log_gains) + 1, -inf)
    logs[0] = 0.0
    for gain in log_gains:
        logs[1:] = np.logaddexp(logs[1:], logs[:-1] + gain)
    return logs


def open_skips(depth: int, seed: int = 0) -> float:
    """Return the share of (unit, sample) at which no ReLU after a sum blocks the chain of skips.

    h' = relu(h + W relu(h)), He's weights, width 100, 32 digits.
    """
    stack = build("ReLU after the sum", depth, 100, 1.0, 1.0, "relu", seed)
    h = digit_arrays()[0][:BATCH] @ draw_matrix(N_IN, 100, seed, 0).T
    return float(np.all([kept.last_slope for kept in run(stack, h).kept], axis=0).mean())
