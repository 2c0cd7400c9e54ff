"""Muon: a gradient matrix whose singular values are all brought near 1, by matrix products."""

import numpy as np

from vglib.other_remedies.descent import BATCH, images
from vglib.other_remedies.net import Array, build
from vglib.results import result
from vglib.words import count

# Jordan et al. 2024, kellerjordan.github.io/posts/muon: steep at 0, and not settled at 1.
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
NEAR = (0.68, 1.21)
STARTS = {"relu": "he", "tanh": "glorot", "sigmoid": "1/fan_in"}


def newton_schulz(matrix: Array, steps: int = 5) -> Array:
    """Return Muon's update: X = G / ||G||, then X <- a X + (b A + c A^2) X with A = X X^T.

    In X = U S V^T it changes S alone, see `on_singular_values`. Source: Jordan et al. 2024.
    """
    a, b, c = COEFFICIENTS
    wide = matrix.shape[0] <= matrix.shape[1]
    x = (matrix if wide else matrix.T) / (np.linalg.norm(matrix) + 1e-30)
    for _ in range(steps):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return x if wide else x.T


def on_singular_values(s: Array, steps: int = 5) -> Array:
    """Return what the steps make of singular values s: s <- a s + b s^3 + c s^5."""
    a, b, c = COEFFICIENTS
    for _ in range(steps):
        s = a * s + b * s**3 + c * s**5
    return s


@result
class Evened:
    """A layer's gradient, over its norm: what it stretches, before and after the steps; (n,) each.

    `before` are its singular values, the largest first, `after` u^T X v of the same directions.
    """

    steps: int
    layer: int
    before: Array
    after: Array

    @property
    def near(self) -> float:
        """The share of singular values that end from 0.68 to 1.21."""
        return float(np.mean((self.after >= NEAR[0]) & (self.after <= NEAR[1])))

    @property
    def verdict(self) -> str:
        """One sentence: the spread before and after."""
        done = count(self.steps, "step")
        near = f"{100 * self.near:.0f}% of them near 1, from {NEAR[0]} to {NEAR[1]}"
        first, last = np.median(self.before), np.median(self.after)
        return (
            f"layer {self.layer}: half of the singular values are below {first:.2g} of the "
            f"gradient's norm; after {done} half are below {last:.2g}, the largest is "
            f"{self.after.max():.3g}, and {near}."
        )


def evened(
    steps: int = 5,
    depth: int = 6,
    weight_scale: float = 1.0,
    activation: str = "relu",
    seed: int = 0,
) -> Evened:
    """Even out the gradient of the middle layer of an untrained net, 64-50-...-50-10, one batch."""
    net = build(depth, 50, activation, STARTS[activation], weight_scale, seed)
    (x, y), layer = images(), depth // 2
    rows = np.random.default_rng(seed).permutation(len(x))[:BATCH]
    with np.errstate(all="ignore"):
        gradient = net.split(net.gradient(x[rows], y[rows])[1])[0][layer]
    size = np.abs(gradient).max()
    if not 0 < size < np.inf:
        raise ValueError("The gradient is 0 or no number; choose fewer layers or a scale near 1.")
    gradient = gradient / size
    u, before, vt = np.linalg.svd(gradient / np.linalg.norm(gradient), full_matrices=False)
    # In the order of before: the steps do not keep it.
    after = np.einsum("ik,ij,kj->k", u, newton_schulz(gradient, steps), vt)
    return Evened(steps, layer + 1, before, after)
