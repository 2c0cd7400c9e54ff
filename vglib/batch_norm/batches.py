"""Batches of data: digits, and noise without correlations."""

import torch
from torch import Tensor

from vglib.data import digits


def generator(seed: int) -> torch.Generator:
    """Return the random numbers of a batch, others than those of a net with the same seed."""
    return torch.Generator().manual_seed(seed + 77_003)


def images(batch: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return a random batch of training digits and their labels."""
    data = digits()
    rows = torch.randperm(len(data.x_train), generator=generator(seed))[:batch]
    return data.x_train[rows], data.y_train[rows]


def noise(batch: int, n_in: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return a batch of inputs N(0, 1) with random labels: data without correlations."""
    random = generator(seed)
    x = torch.randn(batch, n_in, generator=random, dtype=torch.float64)
    return x, torch.randint(10, (batch,), generator=random)
