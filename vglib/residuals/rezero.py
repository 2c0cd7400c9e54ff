"""Branches whose factor is learnt and starts at 0, as in ReZero and SkipInit, in training."""

from dataclasses import dataclass, replace
from functools import lru_cache
from math import inf, isfinite, sqrt
from typing import Self

import numpy as np

from vglib.checks import one_of
from vglib.residuals.blocks import build, digit_arrays
from vglib.residuals.net import Net, training
from vglib.residuals.stack import Array, Kept, Labels
from vglib.results import last

# How the branches' factors begin, and step sizes a factor ten apart.
STARTS = ("learnt, from 0", "1/√L", "1")
RATES = (1e-4, 1e-3, 0.01, 0.1)


@dataclass(frozen=True, eq=False)
class Learnt(Net):
    """A net whose branches F_l have a learnt factor each; the stack is the branches, skip apart.

        h_l = h_(l-1) + a_l F_l(h_(l-1)),   dL/dW_l = a_l G_l,   dL/da_l = <W_l, G_l>,

    with G_l what dL/dW_l were if this a_l were 1 and dL/dh_l the same. The last holds where W_l
    ends the branch or a ReLU follows it, without batch norm. Source: Bachlechner and others 2020,
    equation 1.
    """

    factors: Array

    @classmethod
    def of(cls, net: Net) -> Self:
        """Make of a net one whose factors are learnt, from 0."""
        stack = replace(net.stack, a=0.0, b=1.0)
        return cls(stack, net.stem, net.readout, [], np.zeros(stack.depth))

    def block(self, index: int, h: Array) -> tuple[Array, Kept]:
        """Apply one block to h (batch, width)."""
        branch, kept = self.stack.block(index, h)
        return h + self.factors[index] * branch, kept

    def back(self, index: int, kept: Kept, g: Array) -> tuple[Array, Array]:
        """Return dL/dh before the block, and the left with which G_l = left^T right."""
        below, left = self.stack.back(index, kept, g)
        return g + self.factors[index] * below, left

    def gradients(self, x: Array, y: Labels) -> tuple[float, list[Array]]:
        """Return the loss and the gradients of `parameters`."""
        loss, (full, *rest) = super().gradients(x, y)
        pairs = zip(full, self.stack.weights, strict=True)
        factors = np.array([(of * weight).sum() for of, weight in pairs])
        return loss, [self.factors[:, None, None] * full, *rest, factors]

    @property
    def parameters(self) -> list[Array]:
        """All that is trained, in the order of `gradients`."""
        return [*super().parameters, self.factors]


@lru_cache(maxsize=512)
def loss_after(start: str, lr: float, depth: int = 50, steps: int = 150, seed: int = 0) -> float:
    """Return the training loss of h + a W relu(h) on digits, with a by `STARTS`; inf if it broke.

    Width 32, He's weights, cross-entropy, SGD with momentum 0.9, batch 32. Raises ValueError for
    another start.
    """
    one_of("start", start, STARTS)
    alpha = 1 / sqrt(depth) if start == STARTS[1] else 1.0
    net = Net.start(build("pre-activation", depth, 32, alpha, 1.0, "relu", seed), seed)
    chosen = Learnt.of(net) if start == STARTS[0] else net
    loss = last(training(chosen, digit_arrays(), lr, steps, seed=seed)).train_loss
    return loss if isfinite(loss) else inf


def best_loss(start: str, depth: int = 50, steps: int = 150, seed: int = 0) -> float:
    """Return the lowest of the losses at `RATES`; inf where all of them broke."""
    return min(loss_after(start, lr, depth, steps, seed) for lr in RATES)
