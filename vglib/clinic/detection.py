"""What a number says of a net: trainings on digits in which thresholds are right or wrong."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import islice
from math import inf, log, nan
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import cross_entropy

from vglib import learn
from vglib.backprop import Flat
from vglib.data import digits
from vglib.networks import MLP, mlp
from vglib.scaled import norm

Array = NDArray[np.float64]
BATCH = 64
# 2^-20, about a millionth: a power of two, so that nothing is rounded.
UNIT = 2.0**-20


@lru_cache(maxsize=1)
def images() -> tuple[Array, NDArray[np.int64], Array, NDArray[np.int64]]:
    """Return standardised digits and labels, for training and for the test."""
    data = digits()
    return (
        data.x_train.numpy(),
        data.y_train.numpy(),
        data.x_test.numpy(),
        data.y_test.numpy(),
    )


def descend(
    flat: Flat,
    x: Array,
    y: NDArray[np.int64],
    steps: int,
    lr: float,
    seed: int,
    *,
    rule: learn.Rule = learn.plain,
    unit: float = 1.0,
    parameters: Sequence[Array] | None = None,
    by: Sequence[Array] | None = None,
) -> Iterator[learn.Step]:
    """Train a net in batches of 64, its loss times `unit`, and yield each step once it is taken.

    `parameters` and the gradients `by` them are those that the optimiser was given, default all.
    """
    rows = flat.rows(x)
    parameters, by = parameters or [flat.theta], by or [flat.gradient]

    def gradient(chosen: NDArray[np.int64]) -> tuple[float, Sequence[Array]]:
        value = unit * flat(rows[chosen], y[chosen])
        flat.gradient[...] *= unit
        return value, by

    count = -(-steps // -(-len(x) // BATCH))
    batches = learn.epochs(len(x), min(BATCH, len(x)), count, np.random.default_rng(seed))
    taken = learn.steps(parameters, gradient, ((b,) for b in batches), lr=lr, rule=rule)
    yield from islice(taken, steps)


def right(flat: Flat, x: Array, y: NDArray[np.int64]) -> float:
    """Return the share of images that are told right; 0.1 stands for a net without numbers."""
    with np.errstate(all="ignore"):
        output = flat.forward(flat.rows(x)).units[-1]
    return float((output.argmax(0) == y).mean()) if np.isfinite(output).all() else 0.1


def mean_sizes(flat: Flat) -> list[float]:
    """Return mean |g| of each layer's matrix, biases left out."""
    return [float(np.abs(g[:, :-1]).mean()) for g in flat.matrices(flat.gradient)]


def flat_net(network: MLP) -> Flat:
    """Return a net written out, with cross-entropy."""
    return Flat(network, cross_entropy)


def below(seed: int, unit: float = UNIT, threshold: float = 1e-7) -> float:
    """Return the test accuracy of a net whose every mean |g| is below the threshold at every step.

    64-50-50-10 ReLU, He, descent at lr 0.1 / unit, 200 steps; nan where a mean |g| is not below it.
    """
    x, y, x_test, y_test = images()
    flat = flat_net(mlp(2, 50, activation="relu", init="he", seed=seed))
    largest = 0.0
    for _ in descend(flat, x, y, 200, 0.1 / unit, seed, unit=unit):
        largest = max(largest, *mean_sizes(flat))
    return right(flat, x_test, y_test) if largest < threshold else nan


def above(seed: int, depth: int = 6, threshold: float = 1e-7) -> float:
    """Return ||delta_1|| / ||delta_depth|| of a sigmoid net, weights N(0, 1/n), biases 0.

    50 units a layer, 64 digits; nan where the mean |g| of a layer is below the threshold.
    """
    x, y, *_ = images()
    flat = flat_net(mlp(depth, 50, init="1/fan_in", seed=seed))
    flat(flat.rows(x[:64]), y[:64])
    deltas = flat.seen.deltas
    return norm(deltas[0]) / norm(deltas[-2]) if min(mean_sizes(flat)) > threshold else nan


def zeros(seed: int, bias: float = -1.0) -> tuple[float, float, float]:
    """Return a trained layer's share of zeros, its share of dead units, and the test accuracy.

    64-64-10 ReLU, He, biases of the layer `bias` at the start, descent at lr 0.2, 200 steps; on
    all training images.
    """
    x, y, x_test, y_test = images()
    network = mlp(1, 64, activation="relu", init="he", seed=seed)
    with torch.no_grad():
        network.biases[0].fill_(bias)
    flat = flat_net(network)
    for _ in descend(flat, x, y, 200, 0.2, seed):
        pass
    h = flat.forward(flat.rows(x)).units[0]
    shares = float((h == 0).mean()), float((h.max(1) == 0).mean())
    return *shares, right(flat, x_test, y_test)


def dead_among_zeros(seed: int) -> float:
    """Return the share of dead units in a layer with more than 70% zeros; nan with fewer."""
    share, dead, _ = zeros(seed)
    return dead if share > 0.7 else nan


def clipped_ratio(seed: int, c: float, depth: int = 10) -> float:
    """Return the norm of layer 1's gradient over the last hidden one's, the whole clipped at c.

    By the biases, whose gradient is delta summed over the batch; 64 digits, 50 sigmoids a layer.
    """
    x, y, *_ = images()
    flat = flat_net(mlp(depth, 50, init="1/fan_in", seed=seed))
    flat(flat.rows(x[:64]), y[:64])
    flat.gradient *= min(1.0, c / norm(flat.gradient))
    by_bias = [g[:, -1] for g in flat.matrices(flat.gradient)]
    return norm(by_bias[0]) / norm(by_bias[depth - 1])


def log_growth(seed: int, lr: float) -> float:
    """Return ln of the largest norm of the gradient in 30 steps over the first.

    64-50x5-10 ReLU, He: chi = 1. It ends with the last norm that is finite.
    """
    x, y, *_ = images()
    flat = flat_net(mlp(5, 50, activation="relu", init="he", seed=seed))
    norms = [step.norm for step in descend(flat, x, y, 30, lr, seed)]
    return log(max(size for size in norms if size < inf) / norms[0])


def first_nan(seed: int, lr: float, steps: int = 30) -> float:
    """Return the step whose loss is not a number, counted from 0; `steps` where none is.

    Each batch of digits is standardised pixel by pixel, (x - mean) / std, and some are constant.
    """
    data = digits(standardised=False)
    x, y = data.x_train.numpy(), data.y_train.numpy()
    rng = np.random.default_rng(seed)
    flat = flat_net(mlp(1, 30, activation="relu", init="he", seed=seed))
    for step in range(steps):
        rows = rng.permutation(len(x))[:BATCH]
        with np.errstate(invalid="ignore"):
            scaled = (x[rows] - x[rows].mean(0)) / x[rows].std(0)
        if np.isnan(flat(flat.rows(scaled), y[rows])):
            return float(step)
        flat.theta -= lr * flat.gradient
    return float(steps)


def near_a_thousandth(seed: int, lr: float) -> float:
    """Return how many of all ratios lie within a factor of 3 of 1e-3, in a healthy training.

    ||dW|| / ||W|| of each matrix at each of 300 steps, 64-50-50-10 ReLU, He, momentum 0.9; nan
    where the test accuracy ends below 0.9, since of such a net the rule says nothing.
    """
    ratios, accuracy = update_ratios(seed, lr)
    inside = (ratios > 1e-3 / 3) & (ratios < 3e-3)
    return float(inside.mean()) if accuracy >= 0.9 else nan


def update_ratios(
    seed: int, lr: float, rule: learn.Rule = learn.heavy_ball, steps: int = 300
) -> tuple[Array, float]:
    """Return ||dW|| / ||W||, (steps, matrices), of the real steps, and the test accuracy."""
    x, y, x_test, y_test = images()
    flat = flat_net(mlp(2, 50, activation="relu", init="he", seed=seed))
    weights = [m[:, :-1] for m in flat.matrices(flat.theta)]
    rows, before = [], [w.copy() for w in weights]
    for _ in descend(flat, x, y, steps, lr, seed, rule=rule):
        rows.append([norm(w - b) / norm(b) for w, b in zip(weights, before, strict=True)])
        before = [w.copy() for w in weights]
    return np.array(rows), right(flat, x_test, y_test)


BUGS = ("modules in a list", "labels shuffled", "label in the input")


def one_batch(bug: str, seed: int, steps: int = 150) -> tuple[float, float]:
    """Return the accuracies of a net with a bug, on the 64 images of its training and on tests.

    64-50-50-10 ReLU, He, Adam, lr 0.01. modules in a list: the optimiser gets the last layer
    alone; labels shuffled: dealt out to the images anew; label in the input: pixel 0 is the label,
    and 0 in the test.
    """
    x, y, x_test, y_test = images()
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(x))[:BATCH]
    x, y, x_test = x[rows].copy(), y[rows], x_test.copy()
    flat = flat_net(mlp(2, 50, activation="relu", init="he", seed=seed))
    first = -1 if bug == "modules in a list" else 0
    if bug == "labels shuffled":
        y = rng.permutation(y)
    if bug == "label in the input":
        x[:, 0], x_test[:, 0] = y, 0
    parameters, by = flat.matrices(flat.theta)[first:], flat.matrices(flat.gradient)[first:]
    options: dict[str, Any] = {"parameters": parameters, "by": by, "rule": learn.adam}
    for _ in descend(flat, x, y, steps, 0.01, seed, **options):
        pass
    return right(flat, x, y), right(flat, x_test, y_test)


def worst_of_one_batch(seed: int) -> float:
    """Return the lowest of the accuracies on one batch with one of the BUGS."""
    return min(one_batch(bug, seed)[0] for bug in BUGS)


def beyond_one(seed: int) -> float:
    """Return the test accuracy of a net on standardised digits, which reach beyond [-1, 1].

    64-50-10 ReLU, He, descent at lr 0.1, 200 steps; nan where they do not reach beyond.
    """
    x, y, x_test, y_test = images()
    flat = flat_net(mlp(1, 50, activation="relu", init="he", seed=seed))
    for _ in descend(flat, x, y, 200, 0.1, seed):
        pass
    return right(flat, x_test, y_test) if np.abs(x).max() > 1 else nan
