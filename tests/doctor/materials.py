"""What the bank's patients are made of: data with structure and small nets.

All draw from torch's own generator, which `tests.doctor.training.twins` seeds and restores.
"""

import functools
import math
from collections.abc import Callable
from itertools import pairwise

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn


def mlp(*widths: int, activation: Callable[[], nn.Module] = nn.ReLU) -> nn.Sequential:
    """Return linear layers with the activation between them: their indices are 0, 2, 4, ..."""
    layers: list[nn.Module] = []
    for fan_in, fan_out in pairwise(widths):
        layers += [nn.Linear(fan_in, fan_out), activation()]
    return nn.Sequential(*layers[:-1])


def redrawn(model: nn.Module, gain: float) -> nn.Module:
    """Draw every linear layer's weights anew, normal of deviation gain / sqrt(fan_in), biases 0."""
    for layer in model.modules():
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=gain / math.sqrt(layer.in_features))
            nn.init.zeros_(layer.bias)
    return model


@functools.cache
def _all_digits() -> tuple[Tensor, Tensor]:
    bunch = load_digits()
    return torch.tensor(bunch.images / 16, dtype=torch.float32), torch.tensor(bunch.target)


def digits(size: int) -> tuple[Tensor, Tensor]:
    """Return scanned digits (size, 8, 8) with grey levels in [0, 1], and their labels 0 to 9."""
    images, labels = _all_digits()
    rows = torch.randperm(len(images))[:size]
    return images[rows], labels[rows].long()


def flat_digits(size: int) -> tuple[Tensor, Tensor]:
    """Return digits as rows of 64 pixels."""
    images, labels = digits(size)
    return images.flatten(1), labels


def pictures(size: int) -> tuple[Tensor, Tensor]:
    """Return digits as pictures of one channel (size, 1, 8, 8)."""
    images, labels = digits(size)
    return images[:, None], labels


def clusters(size: int, features: int, classes: int) -> tuple[Tensor, Tensor]:
    """Return points of deviation about 1 round one centre a class, and their classes."""
    labels = torch.arange(size)[torch.randperm(size)] % classes
    points = torch.randn(classes, features)[labels] + torch.randn(size, features)
    return (points - points.mean(0)) / points.std(0), labels


def teacher(size: int, features: int) -> tuple[Tensor, Tensor]:
    """Return normal inputs and a random net's answer (size, 1), of mean 0 and deviation 1."""
    x = torch.randn(size, features)
    hidden = torch.tanh(x @ torch.randn(features, 8) / math.sqrt(features) * 1.5)
    y = hidden @ torch.randn(8, 1) + 0.05 * torch.randn(size, 1)
    return x, (y - y.mean()) / y.std()


def drifts(size: int, time: int, features: int, classes: int) -> tuple[Tensor, Tensor]:
    """Return noisy sequences (size, time, features) that drift where their class says."""
    labels = torch.arange(size)[torch.randperm(size)] % classes
    course = torch.linspace(0.2, 1, time)[:, None] * torch.randn(classes, 1, features)[labels]
    return course + 0.5 * torch.randn(size, time, features), labels


def texts(size: int, length: int, words: int) -> tuple[Tensor, Tensor]:
    """Return sentences of a language in which two words, likely and less so, follow each word.

    Inputs (size, length) and targets, which are the inputs one word on.
    """
    likely, other = torch.randperm(words), torch.randperm(words)
    sentence = [torch.randint(words, (size,))]
    for _ in range(length):
        last = sentence[-1]
        sentence.append(torch.where(torch.rand(size) < 0.85, likely[last], other[last]))
    tokens = torch.stack(sentence, dim=1)
    return tokens[:, :-1], tokens[:, 1:]


def conv_net(normed: bool = True) -> nn.Sequential:
    """Return a small net for pictures of 8 x 8: two convolutions, pooling, a linear head."""

    def block(channels_in: int, channels: int) -> list[nn.Module]:
        norm = [nn.BatchNorm2d(channels)] if normed else []
        return [nn.Conv2d(channels_in, channels, 3, padding=1), *norm, nn.ReLU(), nn.MaxPool2d(2)]

    return nn.Sequential(*block(1, 8), *block(8, 16), nn.Flatten(), nn.Linear(64, 10))
