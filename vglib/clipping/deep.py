"""Deep nets trained with clipping: one that overflows, step by step, and one that vanishes."""

from functools import lru_cache
from math import inf, isfinite
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy
from torch.nn.utils import clip_grad_norm_

from vglib import learn
from vglib.backprop import Array, Flat
from vglib.clipping.rules import by_weights
from vglib.data import digits
from vglib.losses import quadratic
from vglib.networks import mlp
from vglib.results import result
from vglib.training import fit

OVERFLOW_STEPS = 30
# Step sizes, and the loss of always answering a tenth for each digit.
RATES, GUESSING = (0.01, 0.1, 1.0, 10.0), 0.09


@result
class Fall:
    """A short training of a deep ReLU net in a given number type, step by step.

    `losses` (n,), `norms` (n,) of the whole gradient, `largest` (n, layers) the largest |z| of each
    layer; it ends with the first step whose loss is not finite.
    """

    losses: Array
    norms: Array
    largest: Array

    @property
    def broken(self) -> int | None:
        """The step whose loss is not finite; None if none."""
        return None if isfinite(self.losses[-1]) else len(self.losses) - 1

    @property
    def layer(self) -> int | None:
        """The first layer whose z overflows in the last step, counted from 1; None if none."""
        bad = np.flatnonzero(~np.isfinite(self.largest[-1]))
        return int(bad[0]) + 1 if len(bad) else None


@result
class Overflow:
    """The same training without and with clipping by norm."""

    number_type: str
    depth: int
    plain: Fall
    clipped: Fall

    @property
    def limit(self) -> float:
        """The largest number of the type."""
        return float(np.finfo(self.number_type).max)

    @property
    def verdict(self) -> str:
        """One sentence: the step and the layer of the overflow, and what clipping makes of it."""
        return f"unclipped {self._say(self.plain)}; clipped {self._say(self.clipped)}."

    def _say(self, fall: Fall) -> str:
        if fall.broken is None:
            return f"it stays finite, loss {fall.losses[0]:.3g} to {fall.losses[-1]:.3g}"
        if fall.layer is None:
            # The square of a number beyond the root of the limit leaves the type first.
            return f"the loss overflows at step {fall.broken}, with every layer still finite"
        name = "the readout" if fall.layer == self.depth + 1 else f"layer {fall.layer}"
        when = "before the first step" if fall.broken == 0 else f"after {fall.broken} steps"
        return f"{name} is the first to overflow {self.number_type}, {when}"


def fall(
    clip: float, lr: float, depth: int, weight_scale: float, number_type: str, seed: int
) -> Fall:
    """Train for 30 steps, or until the loss is not finite, clipped by norm at `clip`."""
    network = mlp(depth, 30, activation="relu", init="he", weight_scale=weight_scale, seed=seed)
    flat = Flat(network.to(getattr(torch, number_type)), quadratic)
    matrices, by_matrix = flat.matrices(flat.theta), flat.matrices(flat.gradient)
    data, rng, largest = digits(), np.random.default_rng(seed), []
    images, labels = flat.rows(data.x_train.numpy().astype(number_type)), data.y_train.numpy()

    def gradient(rows: np.ndarray) -> tuple[float, list[Array]]:
        h, sizes = images[rows, :-1], []
        for matrix in matrices:
            z = h @ matrix[:, :-1].T + matrix[:, -1]
            sizes.append(float(np.abs(z).max()))
            h = np.maximum(z, 0)
        largest.append(sizes)
        loss = flat(images[rows], labels[rows])
        # The norm is taken in float64: in float32 the squares would overflow before the numbers do.
        return loss, [g.astype(np.float64) for g in by_matrix]

    batches = ((rng.integers(0, len(images), 64),) for _ in range(OVERFLOW_STEPS + 1))
    taken = learn.steps(matrices, gradient, batches, lr=lr, clip=clip)
    losses, norms = np.array([(step.loss, step.norm) for step in taken]).T
    return Fall(losses, norms, np.array(largest))


@lru_cache(maxsize=32)
def overflow(
    lr: float = 1.0,
    threshold: float = 1.0,
    depth: int = 10,
    weight_scale: float = 1.0,
    number_type: str = "float32",
    seed: int = 0,
) -> Overflow:
    """Train a deep ReLU net for 30 steps without and with clipping, until a number overflows.

    64-30-...-30-10 on digits, He times the weight scale, mean squared error, SGD, batch 64.
    """
    falls = [fall(c, lr, depth, weight_scale, number_type, seed) for c in (inf, threshold)]
    return Overflow(number_type, depth, *falls)


@lru_cache(maxsize=8)
def deep_sigmoid_accuracy(clip: float, seed: int, lr: float = 0.2) -> float:
    """Train 20 sigmoid layers of 30 on digits with clipping by norm; return the test accuracy."""
    network = mlp(20, 30, init="1/fan_in", seed=seed)
    plan: dict[str, Any] = {"loss": cross_entropy, "lr": lr, "batch": 64, "steps": 150}
    plan |= {"before_step": lambda net: clip_grad_norm_(net.parameters(), clip), "seed": seed}
    history = fit(network, digits(), record_at=[150], probe_size=10, **plan)
    return float(history.test_accuracy[-1])


def rates_that_train(threshold: float, adaptive: bool, seed: int = 0, steps: int = 1000) -> float:
    """Return the share of `RATES` at which a deep ReLU net halves the loss of guessing.

    64-30-...-30-10, ten layers, on digits, He, mean squared error, SGD, batch 64; mean of the last
    20 losses. Clipped adaptively, each unit by its weights, or by norm.
    """
    found = [_trains(adaptive, threshold, lr, seed, steps) for lr in RATES]
    return sum(found) / len(found)


@lru_cache(maxsize=256)
def _trains(adaptive: bool, threshold: float, lr: float, seed: int, steps: int) -> bool:
    flat = Flat(mlp(10, 30, activation="relu", init="he", seed=seed), quadratic)
    matrices, by_matrix = flat.matrices(flat.theta), flat.matrices(flat.gradient)
    data, rng = digits(), np.random.default_rng(seed)
    images, labels = flat.rows(data.x_train.numpy()), data.y_train.numpy()

    def gradient(rows: np.ndarray) -> tuple[float, list[Array]]:
        loss = flat(images[rows], labels[rows])
        if not adaptive:
            return loss, by_matrix
        pairs = zip(matrices[:-1], by_matrix[:-1], strict=True)
        return loss, [*(by_weights(w, g, threshold) for w, g in pairs), by_matrix[-1]]

    batches = ((rng.integers(0, len(images), 64),) for _ in range(steps))
    clip = inf if adaptive else threshold
    losses = [step.loss for step in learn.steps(matrices, gradient, batches, lr=lr, clip=clip)]
    return bool(np.mean(losses[-20:]) < GUESSING / 2)
