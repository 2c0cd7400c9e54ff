"""Plain descent of a net of sigmoids over whole epochs, for quick labs."""

from collections.abc import Iterator, Mapping
from math import isfinite
from types import MappingProxyType

import torch

from vglib.backprop import Flat
from vglib.data import Dataset
from vglib.losses import nielsen_cross_entropy, quadratic
from vglib.probe import Loss

LOSSES: Mapping[str, Loss] = MappingProxyType(
    {"quadratic": quadratic, "cross-entropy": nielsen_cross_entropy}
)


def descend(
    net: Flat, data: Dataset, *, lr: float, epochs: int, batch: int = 10, seed: int = 0
) -> Iterator[int]:
    """Train by plain SGD, and yield the number of each epoch at its end.

    The batches are those of `vglib.training.fit` with the same seed, and so are the weights up to
    rounding; what `fit` asks and records at each step would take longer than a step of so small a
    net. Raises ValueError for lr that is not positive and finite, or epochs or batch below 1.
    """
    if not (isfinite(lr) and lr > 0):
        raise ValueError(f"lr is {lr}; it must be a positive finite number.")
    if min(epochs, batch) < 1:
        raise ValueError("epochs and batch must be whole numbers from 1 on.")
    x, y = net.rows(data.x_train.numpy()), data.y_train.numpy()
    generator = torch.Generator().manual_seed(seed)
    for epoch in range(1, epochs + 1):
        order = torch.randperm(len(x), generator=generator).numpy()
        images, labels = x[order], y[order]
        for first in range(0, len(x), batch):
            net(images[first : first + batch], labels[first : first + batch])
            net.theta -= lr * net.gradient
        yield epoch
