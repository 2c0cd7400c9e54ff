"""A deep net with a norm in every layer, and its backward pass derived by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, log

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vglib.activations import Activation, get_activation
from vglib.networks import get_initialization, stream
from vglib.probe import Array

KINDS = ("none", "batch", "layer", "rms", "group", "weight")
GROUPS = 5
EPS = 1e-5


def standardise(z: Tensor, kind: str, eps: float = EPS) -> tuple[Tensor, Tensor]:
    """Return u = (z - mean) / std and 1 / std; z and u are (batch, units).

    "batch" takes mean and std over the batch for each unit, "layer" over the units for each sample,
    "group" over each of 5 groups of units, "rms" over the units with 0 for the mean; std is
    sqrt(variance + eps). "weight" has the forward pass of "batch": a weight-normalised layer whose
    g and b were set on this batch (Salimans & Kingma 2016, eq. 7).
    """
    v = _grouped(z, kind)
    if kind != "rms":
        v = v - v.mean(_axis(kind), keepdim=True)
    inverse = torch.rsqrt(v.square().mean(_axis(kind), keepdim=True) + eps)
    return (v * inverse).reshape(z.shape), inverse


def standardise_backward(grad: Tensor, u: Tensor, inverse: Tensor, kind: str) -> Tensor:
    """Return dL/dz from grad = dL/du, all (batch, units): what `standardise` does to a gradient.

    dL/dz = (1 / std) (grad - mean(grad) - u mean(u grad)), the means over the entries that were
    standardised together; "rms" lacks the first mean, and to "weight" the statistics are constants.
    """
    if kind == "weight":
        return grad * inverse
    g, v = _grouped(grad, kind), _grouped(u, kind)
    back = g - v * (g * v).mean(_axis(kind), keepdim=True)
    if kind != "rms":
        back -= g.mean(_axis(kind), keepdim=True)
    return (back * inverse).reshape(grad.shape)


def _axis(kind: str) -> int:
    return {"batch": 0, "weight": 0, "layer": 1, "rms": 1, "group": 2}[kind]


def _grouped(z: Tensor, kind: str) -> Tensor:
    return z.reshape(len(z), GROUPS, -1) if kind == "group" else z


@dataclass(frozen=True, eq=False)
class NormedNet:
    """h_l = phi(gamma norm(W_l h_(l-1)) + beta) for the hidden layers, then logits W h.

    `weights`: depth matrices and the readout, (fan_out, fan_in) each; gamma and beta are two
    numbers, the same for all units. Without a norm, kind "none", they are not used.
    """

    weights: tuple[Tensor, ...]
    kind: str
    activation: Activation
    gamma: float = 1.0
    beta: float = 0.0

    @property
    def depth(self) -> int:
        """The number of hidden layers."""
        return len(self.weights) - 1

    def __call__(self, x: Tensor) -> Tensor:
        """Map inputs (batch, n_in) to logits (batch, n_out), with the statistics of this batch."""
        h = x
        for weight in self.weights[:-1]:
            z = h @ weight.T
            if self.kind != "none":
                z = self.gamma * standardise(z, self.kind)[0] + self.beta
            h = self.activation.function(z)
        return h @ self.weights[-1].T


@dataclass(frozen=True, eq=False)
class Flow:
    """One forward and backward pass; (depth,) arrays of the hidden layers, Frobenius norms.

    `log_delta`: ln ||dL/dz_l||, z_l = W_l h_(l-1); `log_weight_grad`: ln ||dL/dW_l||; -inf for an
    exact 0. `weight_norm`: ||W_l||. `signal`: standard deviation of z_l over all its entries.
    `gradients`: dL/dW_l of every layer, the readout last, as (unit matrix, ln of its norm).
    """

    loss: float
    log_delta: Array
    log_weight_grad: Array
    weight_norm: Array
    signal: Array
    gradients: tuple[tuple[Tensor, float], ...]


def build(
    depth: int,
    width: int = 100,
    kind: str = "batch",
    activation: str = "relu",
    *,
    weight_scale: float = 1.0,
    gamma: float = 1.0,
    beta: float = 0.0,
    n_in: int = 64,
    seed: int = 0,
) -> NormedNet:
    """Draw a net for digits: He's weights for ReLU, N(0, 1/n) for others, times `weight_scale`.

    Layer l has a stream of its own, so that at depth 21 the first 20 layers are those of depth 20.
    Raises ValueError for a kind of norm that does not exist.
    """
    if kind not in KINDS:
        raise ValueError(f"There is no norm called {kind!r}; choose from {', '.join(KINDS)}.")
    scheme = get_initialization("he" if activation == "relu" else "1/fan_in")
    fans = [n_in, *[width] * depth]
    hidden = [
        scheme.draw(fans[i], width, stream(seed, i + 1)).mul_(weight_scale) for i in range(depth)
    ]
    readout = get_initialization("1/fan_in").draw(width, 10, stream(seed, 0))
    return NormedNet((*hidden, readout), kind, get_activation(activation), gamma, beta)


@torch.no_grad()
def flow(net: NormedNet, x: Tensor, y: Tensor) -> Flow:
    """Run forward and backward (cross-entropy) with delta carried as (unit array, ln of its norm).

    With g = dL/dh_l: delta_l = norm_backward(gamma phi'(a_l) g), dL/dW_l = delta_l^T h_(l-1), and
    g of the layer before is delta_l W_l.
    """
    hs, slopes, us, inverses, signal = [x], [], [], [], np.empty(net.depth)
    for i, weight in enumerate(net.weights[:-1]):
        z = hs[-1] @ weight.T
        signal[i] = float(z.std(correction=0))
        u, inverse, a = z, z, z
        if net.kind != "none":
            u, inverse = standardise(z, net.kind)
            a = net.gamma * u + net.beta
        us.append(u)
        inverses.append(inverse)
        slopes.append(net.activation.derivative(a))
        hs.append(net.activation.function(a))
    logits = hs[-1] @ net.weights[-1].T
    rows = torch.arange(len(y))
    delta = torch.softmax(logits, 1)
    delta[rows, y] -= 1
    unit, ln = _split(delta / len(y), 0.0)
    gradients = [_split(unit.T @ hs[-1], ln)]
    log_delta, log_dw = np.empty(net.depth), np.empty(net.depth)
    for i in reversed(range(net.depth)):
        g = (unit @ net.weights[i + 1]).mul_(slopes[i])
        if net.kind != "none":
            g = standardise_backward(g.mul_(net.gamma), us[i], inverses[i], net.kind)
        unit, ln = _split(g, ln)
        gradients.append(_split(unit.T @ hs[i], ln))
        log_delta[i], log_dw[i] = ln, gradients[-1][1]
    norms = np.array([float(torch.linalg.vector_norm(w)) for w in net.weights[:-1]])
    loss = float(F.cross_entropy(logits, y))
    return Flow(loss, log_delta, log_dw, norms, signal, tuple(reversed(gradients)))


def stepped(net: NormedNet, gradients: Sequence[tuple[Tensor, float]], lr: float) -> NormedNet:
    """Return the net after one step of gradient descent on every weight matrix."""
    moved = [
        w if ln == -inf else w - lr * np.exp(ln) * unit
        for w, (unit, ln) in zip(net.weights, gradients, strict=True)
    ]
    return NormedNet(tuple(moved), net.kind, net.activation, net.gamma, net.beta)


def _split(tensor: Tensor, ln: float) -> tuple[Tensor, float]:
    """Split exp(ln) times a tensor into a unit array and the ln of its norm."""
    largest = float(tensor.abs().max())
    if largest == 0 or ln == -inf:
        return torch.zeros_like(tensor), -inf
    tensor = tensor / largest
    norm = float(torch.linalg.vector_norm(tensor))
    return tensor.div_(norm), ln + log(largest) + log(norm)
