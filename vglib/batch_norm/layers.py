"""Nets to train, of torch's own layers and norms."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vglib.data import digits
from vglib.networks import get_initialization, stream

GROUPS = 5
MODULES = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "identity": nn.Identity}


def linear(
    fan_in: int, fan_out: int, seed: int, layer: int, init: str, dtype: torch.dtype = torch.float64
) -> nn.Linear:
    """Make a linear layer with weights from a stream of its own and biases 0."""
    # torch fills it first, and takes the numbers from the reader's random state.
    with torch.random.fork_rng(devices=[]):
        made = nn.Linear(fan_in, fan_out, dtype=dtype)
    with torch.no_grad():
        made.weight.copy_(get_initialization(init).draw(fan_in, fan_out, stream(seed, layer)))
        made.bias.zero_()
    return made


def norm_layer(kind: str, width: int) -> nn.Module:
    """Make torch's norm for so many units, in float64; the identity where torch has none."""
    if kind == "batch":
        return nn.BatchNorm1d(width, dtype=torch.float64)
    if kind == "layer":
        return nn.LayerNorm(width, dtype=torch.float64)
    if kind == "rms":
        return nn.RMSNorm(width, eps=1e-5, dtype=torch.float64)
    return nn.GroupNorm(GROUPS, width, dtype=torch.float64) if kind == "group" else nn.Identity()


def deep_net(
    kind: str,
    activation: str,
    depth: int,
    width: int,
    seed: int,
    n_in: int = 64,
    n_out: int = 10,
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
