"""A stack of blocks between a stem and its readouts, in training: a thousand layers in seconds.

The numbers are a computer's: nothing is rescaled, so what overflows becomes inf and then NaN.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import inf, nan
from typing import Self

import numpy as np

from vglib import learn
from vglib.backprop import softmax_gradient
from vglib.residuals.blocks import N_IN, N_OUT
from vglib.residuals.stack import Array, Kept, Labels, Stack, draw_matrix
from vglib.results import result

# Of the labs' trainings: width, and steps, unless the net is deep.
WIDTH, STEPS = 50, 60
# x_train, y_train, x_test, y_test.
Data = tuple[Array, Labels, Array, Labels]


@dataclass(frozen=True, eq=False)
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
        cls, stack: Stack, seed: int, *, n_in: int = N_IN, n_out: int = N_OUT, heads: bool = False
    ) -> Self:
        """Draw stem and readouts from N(0, 1/fan_in); the stack's weights are copied."""
        n, layers = stack.width, range(1, stack.depth) if heads else ()
        return cls(
            replace(stack, weights=stack.gain * stack.weights, gain=1.0, turned=None),
            draw_matrix(n_in, n, seed, 0).copy(),
            draw_matrix(n, n_out, seed, -1).copy(),
            [draw_matrix(n, n_out, seed, -layer - 1).copy() for layer in layers],
        )

    def block(self, index: int, h: Array) -> tuple[Array, Kept]:
        """Apply one block to h (batch, width)."""
        return self.stack.block(index, h)

    def back(self, index: int, kept: Kept, g: Array) -> tuple[Array, Array]:
        """Return dL/dh before the block, and the left with which dL/dW = left^T right."""
        return self.stack.back(index, kept, g)

    def hidden(self, x: Array) -> tuple[list[Array], list[Kept]]:
        """Return h_0..h_depth and what the way back needs."""
        hs, kept = [x @ self.stem.T], []
        for index in range(self.stack.depth):
            h, one = self.block(index, hs[-1])
            hs.append(h)
            kept.append(one)
        return hs, kept

    def logits(self, x: Array) -> Array:
        """Return the output of the last readout."""
        return self.hidden(x)[0][-1] @ self.readout.T

    def gradients(self, x: Array, y: Labels) -> tuple[float, list[Array]]:
        """Return the loss (of the output alone) and the gradients of `parameters`."""
        hs, kept = self.hidden(x)
        loss, p = softmax_gradient(hs[-1] @ self.readout.T, y)
        g, weights = p @ self.readout, np.empty_like(self.stack.weights)
        out = [weights, p.T @ hs[-1]]
        of_heads: list[Array] = []
        for index in reversed(range(self.stack.depth)):
            g, left = self.back(index, kept[index], g)
            np.matmul(left.T, kept[index].right, out=weights[index])
            if self.heads and index:
                _, q = softmax_gradient(hs[index] @ self.heads[index - 1].T, y)
                of_heads.insert(0, q.T @ hs[index])
                g = g + q @ self.heads[index - 1]
        return loss, [*out, g.T @ x, *of_heads]

    @property
    def parameters(self) -> list[Array]:
        """All that is trained, in the order of `gradients`."""
        return [self.stack.weights, self.readout, self.stem, *self.heads]


@result
class Training:
    """What a training has shown so far: loss and length of the whole gradient at each step.

    `clipped`: how many steps were shortened; `broke_at`: the step at which the loss was no longer
    finite, None if never; `train_loss`, `test_accuracy`: at the end, nan before and where the
    numbers broke; `ended`: whether it is over.
    """

    losses: Array
    gradient_norms: Array
    clipped: int
    broke_at: int | None = None
    train_loss: float = nan
    test_accuracy: float = nan
    ended: bool = False


def training(
    net: Net, data: Data, lr: float, steps: int, batch: int = 32, clip: float = inf, seed: int = 0
) -> Iterator[Training]:
    """Train a net in place and yield what it has shown after each step, and at its end.

    Cross-entropy, v <- 0.9 v + g, W <- W - lr v. With `clip`, g is shortened to that length
    where it is longer. A net with batch norm is judged with the statistics of the images it is
    judged on.
    """
    x, y, x_test, y_test = data
    losses, norms, clipped, broke_at = [], [], 0, None
    batches = ((x[rows], y[rows]) for rows in _batches(len(x), batch, steps, seed))
    rule = learn.heavy_ball
    for step in learn.steps(net.parameters, net.gradients, batches, lr=lr, rule=rule, clip=clip):
        losses.append(step.loss)
        norms.append(step.norm)
        clipped += step.clipped
        if step.why:
            broke_at = step.taken
        else:
            yield Training(np.array(losses), np.array(norms), clipped)
    judged = _judge(net, x[:500], y[:500])[0], _judge(net, x_test, y_test)[1]
    yield Training(np.array(losses), np.array(norms), clipped, broke_at, *judged, ended=True)


def lab_steps(depth: int, steps: int | None) -> tuple[int, str]:
    """Return for how many steps a lab trains, 60 unless given, and a note where they are fewer."""
    taken = steps or max(10, min(STEPS, 1200 // depth))
    short = steps is None and taken < STEPS
    return taken, " (Fewer steps than 60, to stay quick.)" if short else ""


def _batches(n: int, batch: int, steps: int, seed: int) -> Iterator[Array]:
    """Yield the rows of each batch; what an epoch leaves over goes before the next one."""
    generator, order = np.random.default_rng(seed), np.array([], dtype=int)
    for _ in range(steps):
        if len(order) < batch:
            order = np.concatenate([order, generator.permutation(n)])
        rows, order = order[:batch], order[batch:]
        yield rows


@np.errstate(all="ignore")
def _judge(net: Net, x: Array, y: Labels) -> tuple[float, float]:
    """Return loss and accuracy on all of x; nan where the numbers have broken."""
    logits = net.logits(x)
    if not np.isfinite(logits).all():
        return nan, nan
    return softmax_gradient(logits, y)[0], float((logits.argmax(1) == y).mean())
