"""Faults of the numbers: something is not finite, or soon will not be."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.doctor.case import Patient
from tests.doctor.materials import clusters, conv_net, flat_digits, mlp, pictures, teacher
from tests.doctor.training import twins


@twins
def nan_input(sick: bool) -> Patient:
    """A table of sensors in which one value is missing; the twin has it."""
    x, y = teacher(96, 12)
    if sick:
        x[17, 5] = torch.nan
    model = mlp(12, 32, 32, 1)
    return Patient(
        model, nn.MSELoss(), (x, y), optimizer=torch.optim.Adam(model.parameters(), 5e-3)
    )


@twins
def nan_weight(sick: bool) -> Patient:
    """A checkpoint of which one weight of the second convolution is NaN."""
    model = conv_net()
    if sick:
        with torch.no_grad():
            model[4].weight[3, 2, 1, 1] = torch.nan
    optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9)
    return Patient(model, nn.CrossEntropyLoss(), pictures(64), optimizer=optimizer)


class Choice(nn.Module):
    """The probabilities of those classes that an example allows."""

    def __init__(self, features: int, classes: int):
        super().__init__()
        self.body = mlp(features, 32, 32, classes)

    def forward(self, x: Tensor, allowed: Tensor) -> Tensor:
        return torch.softmax(self.body(x).masked_fill(~allowed, -1e9), dim=1)


def _choose(model: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
    return model(batch[0], batch[1])


@twins
def log_zero(sick: bool) -> Patient:
    """Cross-entropy by hand, -sum y log p, where p is exactly 0: 0 times infinity."""
    x, y = clusters(96, 10, 5)
    allowed = (torch.rand(96, 5) < 0.7) | F.one_hot(y, 5).bool()
    model = Choice(10, 5)

    def loss_fn(p: Tensor, batch: tuple[Tensor, ...]) -> Tensor:
        log_p = torch.log(p if sick else p.clamp(min=1e-9))
        return -(F.one_hot(batch[2], 5) * log_p).sum(1).mean()

    optimizer = torch.optim.AdamW(model.parameters(), 5e-3)
    return Patient(model, loss_fn, (x, allowed, y), forward=_choose, optimizer=optimizer)


def _embed_both(model: nn.Module, batch: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
    return model(batch[0]), model(batch[1])


@twins
def sqrt_zero_backward(sick: bool) -> Patient:
    """A Siamese net on pairs, some of an image with itself: the distance's slope there is 1/0."""
    images, labels = flat_digits(128)
    one, other = images[:64], images[64:]
    same = labels[:64] == labels[64:]
    other[:16], same[:16] = one[:16], True
    model = mlp(64, 32, 8)

    def contrastive(output: tuple[Tensor, Tensor], batch: tuple[Tensor, ...]) -> Tensor:
        squares = (output[0] - output[1]).square().sum(1)
        distance = torch.sqrt(squares if sick else squares + 1e-8)
        alike = batch[2]
        return torch.where(alike, distance.square(), F.relu(1 - distance).square()).mean()

    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    return Patient(model, contrastive, (one, other, same), forward=_embed_both, optimizer=optimizer)


class Standardise(nn.Module):
    """Subtract the training data's mean and divide by their deviation, feature by feature."""

    def __init__(self, data: Tensor, eps: float):
        super().__init__()
        self.eps = eps
        self.register_buffer("mean", data.mean(0))
        self.register_buffer("std", data.std(0))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / (self.std + self.eps)


@twins
def div_zero_std(sick: bool) -> Patient:
    """Standardised inputs, of which some are constant (the corners of the digits): 0/0."""
    x, y = flat_digits(128)
    model = nn.Sequential(Standardise(x, eps=0.0 if sick else 1e-2), *mlp(64, 32, 10))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    return Patient(model, nn.CrossEntropyLoss(), (x, y), optimizer=optimizer)


def _embed_both_in_half(model: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
    """Return how alike each of one view is to each of the other, a cosine, in float16."""
    with torch.autocast("cpu", dtype=torch.float16):
        one, other = (F.normalize(model(view), dim=1) for view in batch)
        return one @ other.T


@twins
def exp_overflow_fp16(sick: bool) -> Patient:
    """Contrastive learning under autocast; its softmax by hand takes exp(1 / 0.07) in float16."""
    x, _ = flat_digits(64)
    views = (x, x + 0.05 * torch.randn_like(x))
    model = mlp(64, 48, 16)

    def info_nce(cosines: Tensor, batch: tuple[Tensor, ...]) -> Tensor:
        logits = cosines / 0.07
        if sick:
            likeness = torch.exp(logits)
            return -torch.log(likeness.diagonal() / likeness.sum(1)).mean()
        return F.cross_entropy(logits.float(), torch.arange(len(logits)))

    optimizer = torch.optim.Adam(model.parameters(), 2e-3)
    return Patient(model, info_nce, views, forward=_embed_both_in_half, optimizer=optimizer)
