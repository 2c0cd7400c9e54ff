"""Batches, nets of torch's own layers and norms, and how they are trained."""

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vglib.data import digits
from vglib.networks import get_initialization, stream
from vglib.training import fitting

GROUPS = 5
MODULES = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "identity": nn.Identity}
NORMS: dict[str, Any] = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm}
NORMS |= {"rms": partial(nn.RMSNorm, eps=1e-5), "group": partial(nn.GroupNorm, GROUPS)}

# SGD on the cross-entropy of batches of 64; the records are of 64 images.
training = partial(fitting, loss=F.cross_entropy, batch=64, probe_size=64)


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


def linear(
    fan_in: int, fan_out: int, seed: int, layer: int, init: str, dtype: torch.dtype = torch.float64
) -> nn.Linear:
    """Make a linear layer with weights from a stream of its own and biases 0."""
    # torch would fill it with numbers from the reader's random state.
    made = nn.utils.skip_init(nn.Linear, fan_in, fan_out, dtype=dtype)
    with torch.no_grad():
        made.weight.copy_(get_initialization(init).draw(fan_in, fan_out, stream(seed, layer)))
        made.bias.zero_()
    return made


def norm_layer(kind: str, width: int) -> nn.Module:
    """Make torch's norm for so many units, in float64; the identity where torch has none."""
    return NORMS[kind](width, dtype=torch.float64) if kind in NORMS else nn.Identity()


def deep_net(
    kind: str, activation: str, depth: int, width: int, seed: int, n_in: int = 64, n_out: int = 10
) -> nn.Sequential:
    """Build h_l = phi(norm(W_l h_(l-1) + b_l)), a module each, and then a readout; float64.

    He's weights for ReLU, N(0, 1/n) for others and for the readout. With "weight" every layer has
    mean 0 and variance 1 on 256 digits at the start.
    """
    parts: list[nn.Module] = []
    for layer in range(1, depth + 1):
        fan_in, init = n_in if layer == 1 else width, "he" if activation == "relu" else "1/fan_in"
        parts += [linear(fan_in, width, seed, layer, init), norm_layer(kind, width)]
        parts.append(MODULES[activation]())
    net = nn.Sequential(*parts, linear(width, n_out, seed, 0, "1/fan_in"))
    if kind == "weight":
        _start_on_data(net, digits().x_train[:256])
    return net


@torch.no_grad()
def _start_on_data(net: nn.Sequential, h: Tensor) -> None:
    """Set every hidden layer to mean 0 and variance 1, then write its weights as g v / ||v||."""
    for part in list(net)[:-1]:
        if isinstance(part, nn.Linear):
            z = part(h)
            std = z.std(0, correction=0)
            part.weight.div_(std[:, None])
            part.bias.copy_(-z.mean(0) / std)
            nn.utils.parametrizations.weight_norm(part)
        h = part(h)


def descend(net: nn.Module, x: Tensor, y: Tensor, lr: float) -> None:
    """Take one step of descent on the cross-entropy of a batch."""
    parameters = list(net.parameters())
    gradients = torch.autograd.grad(F.cross_entropy(net(x), y), parameters)
    with torch.no_grad():
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.sub_(gradient, alpha=lr)
