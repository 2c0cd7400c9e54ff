"""Gradient descent on a sigmoid network with the backward recursion written out, for quick labs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isfinite
from types import MappingProxyType

import numpy as np
import torch
from scipy.special import expit

from vglib.data import Dataset
from vglib.losses import nielsen_cross_entropy, quadratic
from vglib.networks import MLP
from vglib.probe import Array, Loss, Trace, trace
from vglib.training import History, one_thread

# Outputs a and targets t, (batch, n_out), to delta of the output layer; both losses average over
# the batch, the quadratic one over the outputs too.
OutputDelta = Callable[[Array, Array], Array]
LOSSES: Mapping[str, tuple[Loss, OutputDelta]] = MappingProxyType(
    {
        "quadratic": (quadratic, lambda a, t: 2 * (a - t) * a * (1 - a) / a.size),
        "cross-entropy": (nielsen_cross_entropy, lambda a, t: (a - t) / len(a)),
    }
)


def descend(
    network: MLP,
    data: Dataset,
    *,
    loss: str,
    lr: float,
    epochs: int,
    batch: int = 10,
    record_every: int = 1,
    probe_size: int = 300,
    seed: int = 0,
) -> History:
    """Train a float64 MLP of sigmoids in place by plain SGD, three to five times as fast as `fit`.

    delta_L from `LOSSES`, delta_l = (delta_(l+1) W_(l+1)) * h_l (1 - h_l),
    W_l <- W_l - lr delta_l^T h_(l-1), b_l <- b_l - lr sum_batch delta_l

    The batches are those of `vglib.training.fit` with the same seed, and so is the result up to
    rounding. A record is made before the training and every `record_every` epochs, the last one
    included. `loss` is "quadratic" or "cross-entropy" (Nielsen's, of independent outputs).
    Raises ValueError for another loss, another activation, lr that is not positive and finite, or
    epochs, batch or record_every below 1.
    """
    if loss not in LOSSES:
        raise ValueError(f"There is no loss called {loss!r}; choose from {', '.join(LOSSES)}.")
    if {network.activation.name, network.output.name} != {"sigmoid"}:
        raise ValueError("Only a network of sigmoids, outputs included, can be trained here.")
    if not (isfinite(lr) and lr > 0):
        raise ValueError(f"lr is {lr}; it must be a positive finite number.")
    if min(epochs, batch, record_every) < 1:
        raise ValueError("epochs, batch and record_every must be whole numbers from 1 on.")
    function, output_delta = LOSSES[loss]
    # Views of the parameters: a step on the arrays is a step of the network.
    weights = [w.detach().numpy() for w in network.weights]
    biases = [b.detach().numpy() for b in network.biases]
    start = [w.copy() for w in weights]
    x = data.x_train.numpy()
    targets = np.eye(data.n_classes)[data.y_train.numpy()]
    generator = torch.Generator().manual_seed(seed)
    records: list[tuple[int, float, float, Trace, Array]] = []

    def record(epoch: int) -> None:
        probe = data.x_train[:probe_size], data.y_train[:probe_size]
        train, test = _accuracy(network, *probe), _accuracy(network, data.x_test, data.y_test)
        pairs = zip(weights, start, strict=True)
        moved = [np.linalg.norm(w - first) / np.linalg.norm(first) for w, first in pairs]
        records.append((epoch, train, test, trace(network, *probe, function), np.array(moved)))

    with one_thread():
        record(0)
        for epoch in range(1, epochs + 1):
            order = torch.randperm(len(x), generator=generator).numpy()
            for first in range(0, len(x), batch):
                rows = order[first : first + batch]
                _step(weights, biases, x[rows], targets[rows], output_delta, lr)
            if epoch % record_every == 0 or epoch == epochs:
                record(epoch)
    numbers, train, test, traces, moved = zip(*records, strict=True)
    per_epoch = -(-len(x) // batch)
    return History(
        steps=per_epoch * np.array(numbers),
        epochs=np.array(numbers, dtype=float),
        losses=np.array([t.loss for t in traces]),
        train_accuracy=np.array(train),
        test_accuracy=np.array(test),
        traces=traces,
        moved=np.stack(moved),
    )


def _step(
    weights: list[Array],
    biases: list[Array],
    x: Array,
    targets: Array,
    output_delta: OutputDelta,
    lr: float,
) -> None:
    acts = [x]
    for weight, bias in zip(weights, biases, strict=True):
        acts.append(expit(acts[-1] @ weight.T + bias))
    delta = output_delta(acts.pop(), targets)
    for layer in reversed(range(len(weights))):
        h = acts[layer]
        here, delta = delta, (delta @ weights[layer]) * (h * (1 - h)) if layer else delta
        weights[layer] -= lr * (here.T @ h)
        biases[layer] -= lr * here.sum(0)


@torch.no_grad()
def _accuracy(network: MLP, x: torch.Tensor, y: torch.Tensor) -> float:
    return float((network(x).argmax(1) == y).double().mean())
