"""The first steps of a deep net with batch norm: its gradient flattens; what its signal lacks."""

from collections.abc import Iterator
from math import exp

import numpy as np

from vglib.batch_norm.layers import images
from vglib.batch_norm.normed_net import Flow, build, flow, standardise, stepped
from vglib.probe import Array
from vglib.results import at_its_end, result
from vglib.words import number


@result
class Steps:
    """A deep batch-norm net before and after some steps of descent on one batch.

    `before`, `after`: the two passes; `losses`: (steps + 1,); `unevenness`: (steps + 1,) the
    largest ||dL/dW_l|| of the hidden layers over the smallest.
    """

    lr: float
    before: Flow
    after: Flow
    losses: Array
    unevenness: Array

    @property
    def growth(self) -> Array:
        """||W_l|| after the steps over before; (depth,)."""
        return self.after.weight_norm / self.before.weight_norm

    @property
    def first_growth(self) -> Array:
        """What the first step alone does to ||W_l||: sqrt(1 + (lr ||dL/dW|| / ||W||)^2)."""
        ratio = self.lr * np.exp(self.before.log_weight_grad) / self.before.weight_norm
        return np.sqrt(1 + ratio**2)

    @property
    def verdict(self) -> str:
        """One sentence: the unevenness before and after, and how the weights have grown."""
        count = len(self.losses) - 1
        steps = "one step takes" if count == 1 else f"{count} steps take"
        first, last = self.unevenness[0], self.unevenness[-1]
        word = "flattens" if last < 0.1 * first else "shrinks"
        if last >= first:
            word = "does not shrink"
        return (
            f"{word}: at learning rate {self.lr:g}, {steps} the unevenness, largest ‖∂L/∂W‖ over "
            f"smallest, from {number(first)} to {number(last)}; ‖W‖ of layer 1 grows by a factor "
            f"{number(self.growth[0])}, of layer {len(self.growth)} by {self.growth[-1]:.3g}; the "
            f"loss goes from {self.losses[0]:.2f} to {self.losses[-1]:.2f}."
        )


def stepping(
    lr: float = 1.0, steps: int = 1, depth: int = 40, weight_scale: float = 1.0, seed: int = 0
) -> Iterator[Steps]:
    """Take steps of plain descent on one batch of 128 digits: ReLU, batch norm, width 100.

    Width 50 from depth 60 on. Only the weight matrices learn. Yields what there is after each step.
    """
    x, y = images(128, seed)
    net = build(depth, 100 if depth < 60 else 50, weight_scale=weight_scale, seed=seed)
    seen = [flow(net, x, y)]
    for _ in range(steps):
        net = stepped(net, seen[-1].gradients, lr)
        seen.append(flow(net, x, y))
        losses = np.array([one.loss for one in seen])
        unevenness = np.array([exp(np.ptp(one.log_weight_grad)) for one in seen])
        yield Steps(lr, seen[0], seen[-1], losses, unevenness)


first_steps = at_its_end(stepping)


def likeness(kind: str, depth: int, seed: int = 0) -> tuple[Array, Array]:
    """Return the mean cosine of two images' z_l, of one class and of two; (depth,) each.

    A fresh ReLU net of width 100 and 128 digits.
    """
    h, labels = (part.numpy() for part in images(128, seed))
    other = labels[:, None] != labels
    alike = ~other & ~np.eye(len(labels), dtype=bool)
    means = []
    for weight in build(depth, 100, kind, seed=seed).weights[:-1]:
        u, _ = standardise(h @ weight.numpy().T, kind)
        unit = u / np.linalg.norm(u, axis=1, keepdims=True)
        cosine = unit @ unit.T
        means.append((cosine[alike].mean(), cosine[other].mean()))
        h = np.maximum(u, 0)
    same, different = np.array(means).T
    return same, different
