"""A deep net with a norm in every layer, and its backward pass derived by hand."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import exp

import numpy as np
import torch
from torch import Tensor

from vglib.activations import Activation, get_activation
from vglib.backprop import softmax_gradient
from vglib.batch_norm.layers import GROUPS, norm_layer
from vglib.checks import one_of
from vglib.networks import get_initialization, mlp, stream
from vglib.probe import Array
from vglib.results import result
from vglib.scaled import Scaled, norm

NAMES = {
    "none": "no norm",
    "batch": "batch norm",
    "layer": "layer norm",
    "rms": "RMS norm",
    "group": f"group norm ({GROUPS})",
    "weight": "weight norm",
}
EPS = 1e-5


def standardise(z: Array, kind: str) -> tuple[Array, Array]:
    """Return u = (z - mean) / std and 1 / std; z and u are (batch, units).

    "batch" takes mean and std over the batch for each unit, "layer" over the units for each sample,
    "group" over each of 5 groups of units, "rms" over the units with 0 for the mean; std is
    sqrt(variance + eps). "weight" has the forward pass of "batch": a weight-normalised layer whose
    g and b were set on this batch (Salimans & Kingma 2016, eq. 7).
    """
    v = _grouped(z, kind)
    if kind != "rms":
        v = v - _mean(v, kind)
    inverse = 1 / np.sqrt(_mean(v * v, kind) + EPS)
    return (v * inverse).reshape(z.shape), inverse


def standardise_backward(grad: Array, u: Array, inverse: Array, kind: str) -> Array:
    """Return dL/dz from grad = dL/du, all (batch, units): what `standardise` does to a gradient.

    dL/dz = (1 / std) (grad - mean(grad) - u mean(u grad)), the means over the entries that were
    standardised together; "rms" lacks the first mean, and to "weight" the statistics are constants.
    """
    if kind == "weight":
        return grad * inverse
    g, v = _grouped(grad, kind), _grouped(u, kind)
    back = g - v * _mean(g * v, kind)
    if kind != "rms":
        back -= _mean(g, kind)
    return (back * inverse).reshape(grad.shape)


def _grouped(z: Array, kind: str) -> Array:
    return z.reshape(len(z), GROUPS, -1) if kind == "group" else z


def _mean(v: Array, kind: str) -> Array:
    if kind in ("batch", "weight"):
        # Along the first axis numpy takes three times as long for a sum as for this product.
        return np.ones(len(v)) @ v / len(v)
    return v.mean(-1, keepdims=True)


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

    def __call__(self, x: Tensor) -> Tensor:
        """Map inputs (batch, n_in) to logits (batch, n_out) by torch's own norms, for autograd."""
        kind = "batch" if self.kind == "weight" else self.kind
        h = x
        for weight in self.weights[:-1]:
            z = h @ weight.T
            if kind != "none":
                z = self.gamma * norm_layer(kind, z.shape[1])(z) + self.beta
            h = self.activation.function(z)
        return h @ self.weights[-1].T


@result
class Flow:
    """One forward and backward pass; (depth,) arrays of the hidden layers, Frobenius norms.

    `log_delta`: ln ||dL/dz_l||, z_l = W_l h_(l-1); `log_weight_grad`: ln ||dL/dW_l||; -inf for an
    exact 0. `weight_norm`: ||W_l||. `gradients`: dL/dW_l of every layer, the readout last;
    their units are tensors.
    """

    loss: float
    log_delta: Array
    log_weight_grad: Array
    weight_norm: Array
    gradients: tuple[Scaled, ...]

    @property
    def log_ratio(self) -> float:
        """ln of ||dL/dW|| of the first hidden layer over that of the last."""
        return float(self.log_weight_grad[0] - self.log_weight_grad[-1])


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

    Layers have streams of their own, as in `mlp`; the readout is N(0, 1/n). Raises ValueError for
    a kind of norm that does not exist.
    """
    one_of("norm", kind, NAMES)
    init = "he" if activation == "relu" else "1/fan_in"
    drawn = mlp(depth, width, n_in=n_in, init=init, weight_scale=weight_scale, seed=seed)
    readout = get_initialization("1/fan_in").draw(width, 10, stream(seed, 0))
    weights = (*(weight.detach() for weight in drawn.weights[:-1]), readout)
    return NormedNet(weights, kind, get_activation(activation), gamma, beta)


def flow(net: NormedNet, x: Tensor, y: Tensor) -> Flow:
    """Run forward and backward (cross-entropy) with delta carried as (unit array, ln before it).

    With g = dL/dh_l: delta_l = standardise_backward(gamma phi'(a_l) g),
    dL/dW_l = delta_l^T h_(l-1), and g of the layer before is delta_l W_l.
    """
    weights, phi, normed = [w.numpy() for w in net.weights], net.activation, net.kind != "none"
    h, seen = x.numpy(), []
    for weight in weights[:-1]:
        u = inverse = a = h @ weight.T
        if normed:
            u, inverse = standardise(a, net.kind)
            a = net.gamma * u + net.beta
        seen.append((h, u, inverse, phi.dphi(a)))
        h = phi.phi(a)
    loss, unit = softmax_gradient(h @ weights[-1].T, y.numpy())
    delta, gradients = Scaled(unit), [Scaled(torch.from_numpy(unit.T @ h))]
    log_delta, log_dw = np.empty((2, len(seen)))
    for i, (h, u, inverse, slope) in reversed([*enumerate(seen)]):
        unit = (delta.unit @ weights[i + 1]) * slope
        if normed:
            unit = standardise_backward(net.gamma * unit, u, inverse, net.kind)
        delta, log_delta[i] = Scaled(unit, delta.log).measured()
        gradients.append(Scaled(torch.from_numpy(delta.unit.T @ h), delta.log))
        log_dw[i] = gradients[-1].log_norm
    norms = np.array([norm(w) for w in weights[:-1]])
    return Flow(loss, log_delta, log_dw, norms, tuple(reversed(gradients)))


def stepped(net: NormedNet, gradients: Sequence[Scaled], lr: float) -> NormedNet:
    """Return the net after one step of gradient descent on every weight matrix."""
    moved = (w - lr * exp(g.log) * g.unit for w, g in zip(net.weights, gradients, strict=True))
    return replace(net, weights=tuple(moved))
