"""Stochastic gradient descent for a stack of blocks, in plain numpy: a thousand layers in seconds.

The numbers are a computer's: nothing is rescaled, so what overflows becomes inf and then NaN.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

import numpy as np

from vglib.residuals.stack import Array, Kept, Labels, Scaled, Stack, draw_matrix, softmax_gradient


@dataclass
class Net:
    """A stack between a stem (width, n_in) and readouts (n_out, width), no biases.

    `heads` are readouts for h_1..h_(depth-1), each with a loss of its own; empty for none.
    """

    stack: Stack
    stem: Array
    readout: Array
    heads: list[Array]

    @classmethod
    def start(
        cls, stack: Stack, seed: int, *, n_in: int = 64, n_out: int = 10, heads: bool = False
    ) -> Net:
        """Draw stem and readouts from N(0, 1/fan_in)."""
        n = stack.weights.shape[1]
        drawn = [draw_matrix(n, n_out, seed, -i - 1) for i in range(1, stack.depth)]
        return cls(
            stack,
            draw_matrix(n_in, n, seed, 0),
            draw_matrix(n, n_out, seed, -1),
            drawn if heads else [],
        )

    def hidden(self, x: Array) -> tuple[list[Array], list[Kept]]:
        """Return h_0..h_depth and what the way back needs."""
        hs, kept = [x @ self.stem.T], []
        for index in range(self.stack.depth):
            h, one = self.stack.block(index, hs[-1])
            hs.append(h)
            kept.append(one)
        return hs, kept

    def logits(self, x: Array) -> Array:
        """Return the output of the last readout."""
        return self.hidden(x)[0][-1] @ self.readout.T

    def gradients(self, x: Array, y: Labels) -> tuple[float, list[Array]]:
        """Return the loss (of the output alone) and the gradients of `parameters`."""
        hs, kept = self.hidden(x)
        p, loss = softmax_gradient(Scaled(hs[-1] @ self.readout.T), y)
        g, weights = p @ self.readout, np.empty_like(self.stack.weights)
        out = [weights, p.T @ hs[-1]]
        of_heads: list[Array] = []
        for index in reversed(range(self.stack.depth)):
            g, left, right = self.stack.back(index, kept[index], g)
            np.matmul(left.T, right, out=weights[index])
            if self.heads and index:
                q, _ = softmax_gradient(Scaled(hs[index] @ self.heads[index - 1].T), y)
                of_heads.insert(0, q.T @ hs[index])
                g = g + q @ self.heads[index - 1]
        return loss, [*out, g.T @ x, *of_heads]

    @property
    def parameters(self) -> list[Array]:
        """All that is trained, in the order of `gradients`."""
        return [self.stack.weights, self.readout, self.stem, *self.heads]


@dataclass(frozen=True)
class Training:
    """What a training showed: loss and length of the whole gradient at each step.

    `clipped`: how many steps were shortened; `broke_at`: the step at which the loss was no longer
    finite, None if never; `train_accuracy`, `test_accuracy`: at the end.
    """

    losses: Array
    gradient_norms: Array
    clipped: int
    broke_at: int | None
    train_loss: float
    train_accuracy: float
    test_accuracy: float


Data = tuple[Array, Labels, Array, Labels]


def train(
    net: Net,
    data: Data,
    *,
    lr: float,
    steps: int,
    momentum: float = 0.9,
    batch: int = 32,
    clip: float | None = None,
    seed: int = 0,
) -> Training:
    """Train a net in place: cross-entropy, v <- momentum v + g, W <- W - lr v.

    With `clip`, g is shortened to that length where it is longer. A net with batch norm is judged
    with the statistics of the images it is judged on.
    """
    x, y, x_test, y_test = data
    generator = np.random.default_rng(seed)
    velocities = [np.zeros_like(p) for p in net.parameters]
    losses, norms, clipped, broke_at = [], [], 0, None
    with np.errstate(all="ignore"):
        order = np.array([], dtype=int)
        for step in range(steps):
            if len(order) < batch:
                order = np.concatenate([order, generator.permutation(len(x))])
            rows, order = order[:batch], order[batch:]
            loss, gradients = net.gradients(x[rows], y[rows])
            norm = float(np.sqrt(sum(float(np.vdot(g, g)) for g in gradients)))
            losses.append(loss)
            norms.append(norm)
            if not isfinite(loss):
                broke_at = step
                break
            rate = 1.0
            if clip is not None and not norm <= clip:
                rate, clipped = clip / norm, clipped + 1
            for parameter, velocity, g in zip(net.parameters, velocities, gradients, strict=True):
                velocity *= momentum
                velocity += rate * g
                parameter -= lr * velocity
        train_loss, train_accuracy = _judge(net, x[:500], y[:500])
        test_accuracy = _judge(net, x_test, y_test)[1]
    return Training(
        np.array(losses),
        np.array(norms),
        clipped,
        broke_at,
        train_loss,
        train_accuracy,
        test_accuracy,
    )


def _judge(net: Net, x: Array, y: Labels) -> tuple[float, float]:
    logits = net.logits(x)
    if not np.isfinite(logits).all():
        return float("nan"), float("nan")
    _, loss = softmax_gradient(Scaled(logits), y)
    return loss, float((logits.argmax(1) == y).mean())
