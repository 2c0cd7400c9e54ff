"""The gradients of an MLP written out in NumPy, for quick labs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeGuard

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit
from torch import Tensor, nn
from torch.nn import functional as F

from vglib.activations import ACTIVATIONS, Activation
from vglib.losses import quadratic
from vglib.networks import MLP
from vglib.probe import Loss

# float32 or float64, whichever the network has.
Array = NDArray[np.floating]
Labels = NDArray[np.int64]

# The leaky ReLU's slope below 0, as in `vglib.activations`.
_LEAK = 0.01

# phi, which may overwrite its argument, and phi'(z) as a function of h = phi(z).
_PHI: Mapping[str, tuple[Callable[[Array], Array], Callable[[Array], Any]]] = MappingProxyType(
    {
        "identity": (lambda z: z, lambda h: 1),
        "sigmoid": (lambda z: expit(z, out=z), lambda h: h * (1 - h)),
        "tanh": (lambda z: np.tanh(z, out=z), lambda h: 1 - h * h),
        "relu": (lambda z: np.maximum(z, 0, out=z), lambda h: h > 0),
        "leaky_relu": (
            lambda z: np.maximum(z, _LEAK * z, out=z),
            lambda h: np.where(h > 0, 1, _LEAK),
        ),
    }
)


def _cross_entropy(z: Array, y: Labels) -> tuple[float, Array]:
    rows = np.arange(len(y))
    z = z - z.max(1, keepdims=True)
    delta = np.exp(z)
    total = delta.sum(1, keepdims=True)
    value = (np.log(total[:, 0]) - z[rows, y]).mean()
    delta /= total
    delta[rows, y] -= 1
    return float(value), delta / len(y)


def _quadratic(h: Array, y: Labels) -> tuple[float, Array]:
    error = h.copy()
    error[np.arange(len(y)), y] -= 1
    return float((error * error).mean()), error * (2 / error.size)


# A loss and its derivative by the outputs, both averaged over the batch.
_LOSSES: Mapping[Loss, Callable[[Array, Labels], tuple[float, Array]]] = MappingProxyType(
    {F.cross_entropy: _cross_entropy, quadratic: _quadratic}
)


# Where torch keeps what a module or a parameter is to do in autograd's course.
_HOOKS = (
    *("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks"),
    "_post_accumulate_grad_hooks",
)


def written_out(network: nn.Module, x: Tensor, y: Tensor, loss: Loss) -> TypeGuard[MLP]:
    """Tell whether `gradients` can do what autograd does, for batches of these inputs and labels.

    It can for an `MLP` on the processor in float32 or float64, with no hooks and no parameter in
    two places, whose activations are among identity, sigmoid, tanh, ReLU and leaky ReLU, for labels
    that name an output, and with cross-entropy or `quadratic` as the loss.
    """
    if type(network) is not MLP or not any(loss is known for known in _LOSSES):
        return False
    if x.dim() != 2 or x.requires_grad or x.dtype not in (torch.float32, torch.float64):
        return False
    if y.dim() != 1 or y.dtype != torch.int64:
        return False
    parameters = [*network.weights, *network.biases]
    hooked = any(getattr(p, hooks, None) for p in (network, *parameters) for hooks in _HOOKS)
    plain = all(p.device.type == "cpu" and p.dtype == x.dtype for p in parameters)
    apart = len({id(p) for p in parameters}) == len(parameters)
    known = all(_known(phi) for phi in (network.activation, network.output))
    named = int(y.min()) >= 0 and int(y.max()) < len(network.biases[-1])
    return not hooked and plain and apart and known and named


def gradients(network: MLP, loss: Loss) -> Callable[[Tensor, Tensor], float]:
    """Return a function of (inputs, labels) that leaves dL/dp in each parameter's `.grad`.

        delta_L = dL/dH_L * phi'(Z_L),   delta_l = (delta_(l+1) W_(l+1)) * phi'(Z_l)
        dL/dW_l = delta_l^T H_(l-1),   dL/db_l = sum over the batch of delta_l

    It returns the loss L, and does in a half to a third of the time what autograd does, at the
    sizes of a lab. Frozen parameters get no gradient. `written_out` says for which networks it is.
    """
    weights, biases = list(network.weights), list(network.biases)
    phis = [_PHI[network.layer_activation(i).name] for i in range(len(weights))]
    of_loss = _LOSSES[loss]

    def compute(x: Tensor, y: Tensor) -> float:
        with np.errstate(all="ignore"):
            ws = [weight.detach().numpy() for weight in weights]
            acts: list[Array] = [x.numpy()]
            for w, bias, (function, _) in zip(ws, biases, phis, strict=True):
                z = acts[-1] @ w.T
                z += bias.detach().numpy()
                acts.append(function(z))
            value, delta = of_loss(acts[-1], y.numpy())
            for i in reversed(range(len(ws))):
                delta *= phis[i][1](acts[i + 1])
                if weights[i].requires_grad:
                    weights[i].grad = torch.from_numpy(delta.T @ acts[i])
                if biases[i].requires_grad:
                    biases[i].grad = torch.from_numpy(delta.sum(0))
                if i:
                    delta = delta @ ws[i]
        return value

    return compute


def _known(phi: Activation) -> bool:
    return phi.name in _PHI and ACTIVATIONS.get(phi.name) is phi
