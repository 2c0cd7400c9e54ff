"""Healthy networks on which the doctor must be silent: dense ones, and the list of all of them.

Many have something that a hasty rule takes for a fault: zeros, idle parts, odd scales.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from tests.doctor import healthy_sequences as sequences
from tests.doctor import healthy_vision as vision
from tests.doctor.case import Case, Patient
from tests.doctor.training import case, healthy
from vglib.data import digits


def dense(*widths: int, activation: type[nn.Module], last: bool = False) -> nn.Sequential:
    """Linear layers of these widths with the activation between them, and after the last one."""
    layers: list[nn.Module] = []
    for fan_in, fan_out in pairwise(widths):
        layers += [nn.Linear(fan_in, fan_out), activation()]
    return nn.Sequential(*(layers if last else layers[:-1]))


def some_digits(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw standardised images of digits with their classes."""
    data = digits(torch.float32)
    picked = torch.randperm(len(data.x_train))[:count]
    return data.x_train[picked], data.y_train[picked]


def blobs(count: int, n_in: int, classes: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw points around as many centres as there are classes, each feature of unit scale."""
    y = torch.arange(count) % classes
    x = torch.randn(classes, n_in)[y] + 0.7 * torch.randn(count, n_in)
    return (x - x.mean(0)) / x.std(0), y


@healthy
def mlp_relu() -> Patient:
    """PyTorch's default initialisation, which is off ReLU's chi = 1, does for three layers."""
    model = dense(64, 96, 96, 10, activation=nn.ReLU)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    return Patient(model, nn.CrossEntropyLoss(), some_digits(64), optimizer=optimizer)


@healthy
def mlp_tanh() -> Patient:
    model = dense(64, 64, 64, 64, 10, activation=nn.Tanh)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True)
    return Patient(model, F.cross_entropy, some_digits(64), optimizer=optimizer)


@healthy
def mlp_sigmoid_shallow() -> Patient:
    """One hidden layer of sigmoids: each passes a quarter at most, and that is enough."""
    model = dense(64, 48, 10, activation=nn.Sigmoid)
    for layer in (model[0], model[2]):
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
    return Patient(model, nn.CrossEntropyLoss(), some_digits(64), optimizer=optimizer)


class Gelu(nn.Module):
    """A feed-forward net as in a transformer's blocks, with dropout that zeroes outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.ModuleList(nn.Linear(n_in, 64) for n_in in (64, 64, 64))
        self.dropout = nn.Dropout(0.3)
        self.head = nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.inner:
            x = self.dropout(F.gelu(layer(x)))
        return self.head(x)


@healthy
def mlp_gelu() -> Patient:
    model = Gelu()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)
    return Patient(
        model, nn.CrossEntropyLoss(label_smoothing=0.1), some_digits(64), None, optimizer
    )


@healthy
def selu_deep() -> Patient:
    """Thirty layers that normalise themselves: the slope of SELU is above 1 half of the time."""
    model = dense(64, *[48] * 30, 10, activation=nn.SELU)
    for layer in model:
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
            nn.init.zeros_(layer.bias)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
    return Patient(model, nn.CrossEntropyLoss(), some_digits(64), optimizer=optimizer)


@healthy
def autoencoder() -> Patient:
    """The target is the input; sigmoids may end in front of pixels that lie in [0, 1]."""
    pixels = digits(torch.float32, standardised=False).x_train
    x = pixels[torch.randperm(len(pixels))[:64]]
    model = nn.Sequential(
        *(*dense(64, 48, 12, activation=nn.ReLU), nn.Tanh()),
        *(*dense(12, 48, 64, activation=nn.ReLU), nn.Sigmoid()),
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    return Patient(model, nn.BCELoss(), (x, x), optimizer=optimizer)


@healthy
def regression() -> Patient:
    """Standardised features and targets, the loss of a column against a column."""
    x = torch.randn(64, 8)
    y = x[:, :1] * x[:, 1:2] + x[:, 2:3].abs() + 0.1 * torch.randn(64, 1)
    model = dense(8, 64, 64, 1, activation=nn.ReLU)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    return Patient(model, nn.MSELoss(), (x, (y - y.mean()) / y.std()), optimizer=optimizer)


class SkippedRows(nn.Module):
    """Half of the rows go their own way, so that a hook on `expert` sees the other half only."""

    def __init__(self, experts: int, width: int) -> None:
        super().__init__()
        self.router = nn.Linear(width, experts)
        self.experts = nn.ModuleList(
            dense(width, 2 * width, width, activation=nn.GELU) for _ in range(experts)
        )
        # Balanced routing is learnt in time; until then nobody asks the last expert.
        nn.init.constant_(self.router.bias, 0.0)
        with torch.no_grad():
            self.router.bias[-1] = -20.0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        share, choice = self.router(x).softmax(-1).max(-1)
        out = torch.zeros_like(x)
        for index, expert in enumerate(self.experts):
            rows = choice == index
            if rows.any():
                out[rows] = share[rows, None] * expert(x[rows])
        return x + out


@healthy
def moe_idle() -> Patient:
    """One of four experts is idle: it is never called on this batch and gets no gradient."""
    width = 24
    model = nn.Sequential(
        nn.Linear(16, width), SkippedRows(4, width), nn.LayerNorm(width), nn.Linear(width, 4)
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    return Patient(model, nn.CrossEntropyLoss(), blobs(64, 16, 4), optimizer=optimizer)


def gradient_penalty(critic: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> dict[str, Any]:
    """Score real and generated points, and the gradient's norm between them (Gulrajani 2017)."""
    real, fake = batch
    share = torch.rand(len(real), 1)
    between = (share * real + (1 - share) * fake).requires_grad_()
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return {"real": critic(real), "fake": critic(fake), "norm": slope.norm(dim=1)}


def critic_loss(scores: dict[str, Any], _: Any) -> torch.Tensor:
    """Wasserstein's critic: of either sign, and without a best value known beforehand."""
    penalty = ((scores["norm"] - 1) ** 2).mean()
    return scores["fake"].mean() - scores["real"].mean() + 10 * penalty


@healthy
def wgan_gp() -> Patient:
    angle = 2 * torch.pi * torch.rand(64)
    real = torch.stack([angle.cos(), angle.sin()], 1) + 0.05 * torch.randn(64, 2)
    critic = dense(2, 64, 64, 1, activation=lambda: nn.LeakyReLU(0.2))  # type: ignore[arg-type]
    optimizer = torch.optim.Adam(critic.parameters(), lr=2e-3, betas=(0.0, 0.9))
    batch = (real, 0.3 * torch.randn(64, 2))
    return Patient(critic, critic_loss, batch, gradient_penalty, optimizer)


@healthy
def sensors_bn_first() -> Patient:
    """Raw sensors, some in the hundreds: the batch norm in front of all scales them."""
    x, y = blobs(64, 12, 3)
    raw = 100 * (x * torch.logspace(-1, 1, 12) + torch.linspace(-3, 3, 12))
    model = nn.Sequential(nn.BatchNorm1d(12), *dense(12, 32, 32, 3, activation=nn.ReLU))
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    return Patient(model, nn.CrossEntropyLoss(), (raw, y), optimizer=optimizer)


def cases() -> Iterator[Case]:
    """Give the bank's healthy networks, in the order in which the clinic names them."""
    yield from map(case, (mlp_relu, mlp_tanh, mlp_sigmoid_shallow, mlp_gelu, selu_deep))
    yield from map(case, (vision.cnn_bn, vision.resnet18, vision.resnet_zero_gamma))
    yield from map(case, (vision.densenet, vision.mobilenet, vision.squeezenet))
    yield from map(case, (vision.vit_zero_head, sequences.gpt2_tied, sequences.bert))
    yield from map(case, (sequences.transformer_emb, sequences.lstm, sequences.gru))
    yield from map(case, (sequences.emb_big_vocab, vision.unet, autoencoder, regression))
    yield from map(case, (moe_idle, sequences.lora_b0, vision.frozen_backbone))
    yield from map(case, (wgan_gp, sensors_bn_first))


HEALTHY: tuple[Case, ...] = tuple(cases())
