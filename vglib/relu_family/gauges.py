"""Gauges of one backward pass: what each layer does to the gradient, and which gauge shows it."""

from math import exp, inf, isfinite, log, nan, sqrt
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from vglib import theory
from vglib.data import digits
from vglib.networks import MLP, mlp, sigma_w
from vglib.probe import Array, Trace, trace
from vglib.results import result
from vglib.scaled import Scaled
from vglib.training import History, fit
from vglib.words import power_of_ten

BATCH = 128


@result
class Slope:
    """One backward pass through a fresh net, read as one factor a layer; hidden layers (depth,).

    `log_delta` and `log_weight_grad` are ln ||delta_l|| and ln ||dL/dW_l||. `theory_log_delta` is
    mean-field theory's ln ||delta_l||, anchored at the last hidden layer, and `chi` its mean factor
    on the square a layer, 1 at depth 1; nothing is fitted.
    """

    network: MLP
    trace: Trace
    depth: int
    log_delta: Array
    log_weight_grad: Array
    theory_log_delta: Array
    chi: float
    note: str

    @property
    def factors(self) -> tuple[Array, Array]:
        """||delta_l||^2 / ||delta_(l+1)||^2 of the hidden layers, (depth - 1,), and theory's."""
        with np.errstate(over="ignore", invalid="ignore"):
            return tuple(np.exp(-2 * np.diff([self.log_delta, self.theory_log_delta])))

    @property
    def log_factor(self) -> float:
        """The mean ln of a layer's factor on ||delta||^2, nan at depth 1."""
        return 2 * self.log_delta_ratio / (self.depth - 1) if self.depth > 1 else nan

    def factor_from(self, layer: int) -> float:
        """By what a layer multiplies ||delta||^2 from hidden layer `layer` on, geometric mean."""
        return exp(2 * (self.log_delta[layer - 1] - self.log_delta[-1]) / (self.depth - layer))

    @property
    def log_delta_ratio(self) -> float:
        """ln(||delta_1|| / ||delta_depth||)."""
        return float(self.log_delta[0] - self.log_delta[-1])

    @property
    def log_weight_ratio(self) -> float:
        """ln(||dL/dW_1|| / ||dL/dW_depth||)."""
        return float(self.log_weight_grad[0] - self.log_weight_grad[-1])

    @property
    def nothing_to_say(self) -> str:
        """Why there are no two gradients to compare; empty where there are."""
        if self.trace.overflow_layer is not None:
            return f"overflows: the signal leaves float64 at layer {self.trace.overflow_layer}."
        if self.trace.zero_gradient_layers:
            last = max(self.trace.zero_gradient_layers)
            return f"dies: the gradient is exactly 0 in layers 1 to {last}; all paths are shut."
        if (self.trace.pre_std[: self.depth] < 1e-300).any():
            return "fades: no signal is left that float64 could hold."
        if self.depth == 1:
            return "one hidden layer: there is no second layer to compare it with."
        return ""

    @property
    def verdict(self) -> str:
        """The mean factor a layer puts on the squared gradient, theory's, and what follows."""
        if self.nothing_to_say:
            return self.nothing_to_say
        change = self.log_delta_ratio
        word = "vanishes" if change < -log(100) else "explodes" if change > log(100) else "holds"
        return (
            f"{word}: each layer multiplies ‖∂L/∂z‖² by {exp(self.log_factor):.3g}, theory says "
            f"{self.chi:.3g}; layer 1 gets {power_of_ten(change)} of layer {self.depth}'s gradient."
            f"{self.note}"
        )


@result
class Gauges(Slope):
    """The same pass with a third gauge beside ||delta_l|| and ||dL/dW_l||.

    `log_inner` is ln |<W_l, dL/dW_l>|, the sum of the products entry by entry, with its `sign`.
    """

    log_inner: Array
    sign: Array

    @property
    def inner_unequal(self) -> float:
        """Largest / smallest |<W_l, dL/dW_l>| of the hidden layers, less 1; inf if signs differ."""
        if len(set(self.sign)) > 1:
            return inf
        with np.errstate(over="ignore"):
            return float(np.expm1(self.log_inner.max() - self.log_inner.min()))

    @property
    def verdict(self) -> str:
        """What the two gauges ||delta|| and ||dL/dW|| say, and whether <W, dW> is equal."""
        if self.nothing_to_say:
            return self.nothing_to_say
        same = "the same" if self.inner_unequal < 1e-6 else "not the same"
        delta, weight = map(power_of_ten, (self.log_delta_ratio, self.log_weight_ratio))
        return (
            f"from layer {self.depth} to layer 1, ‖∂L/∂z‖ changes by a factor {delta} but ‖∂L/∂W‖ "
            f"by {weight}; ⟨W, ∂L/∂W⟩ is {same} in every layer."
        )


def slope(
    depth: int = 20,
    weight_scale: float = 1.0,
    activation: str = "relu",
    width: int = 100,
    seed: int = 0,
    init: str = "1/fan_in",
    biases: bool = False,
) -> Slope:
    """Trace a fresh net on a batch of digits (cross-entropy), N(0, 1/n) weights times the scale.

    `init` names other weights. Without `biases` all biases are 0; with them they are torch's,
    U(+-1/sqrt(fan_in)). Above depth 200 the width is at most 50, and the note says so.
    """
    note, (x, y) = "", _batch()
    if depth > 200 and width > 50:
        note, width = f" (Width {width} would take long at this depth; this is 50.)", 50
    scale_b = sqrt(1 / (3 * width)) if biases else 0.0
    drawn: dict[str, Any] = {"init": init, "weight_scale": weight_scale, "seed": seed}
    drawn["bias_scale"] = None if biases and init == "torch" else scale_b
    network = mlp(depth, width, activation=activation, **drawn)
    seen, phi = trace(network, x, y, cross_entropy), network.activation
    first, scale_w = (sigma_w(init, width, weight_scale, n) for n in (x.shape[1], width))
    q_first = first**2 * float((x**2).mean()) + scale_b**2
    ratios = theory.gradient_log_ratios(q_first, phi.phi, phi.dphi, scale_w, scale_b, depth)
    chi = exp(2 * (ratios[0] - ratios[-1]) / max(depth - 1, 1))
    logs = seen.log_delta[:depth], seen.log_weight_grad[:depth], seen.log_delta[depth - 1] + ratios
    return Slope(network, seen, depth, *logs, chi, note)


def gauges(depth: int, weight_scale: float = 1.0, init: str = "torch", **options: Any) -> Gauges:
    """Trace a net as `slope` does, with its other options, and <W_l, dL/dW_l> beside it."""
    seen = slope(depth, weight_scale, init=init, **options)
    log_inner, sign = (each[:depth] for each in _inner_products(seen.network, *_batch()))
    return Gauges(**vars(seen), log_inner=log_inner, sign=sign)


def _batch() -> tuple[Tensor, Tensor]:
    data = digits()
    return data.x_train[:BATCH], data.y_train[:BATCH]


@torch.no_grad()
def _inner_products(network: MLP, x: Tensor, y: Tensor) -> tuple[Array, Array]:
    """Return ln |<W_l, dL/dW_l>| and its sign for every layer, readout included.

    <W_l, dL/dW_l> = sum over units and images of delta_l (z_l - b_l)
    """
    h, pres = x, []
    for i, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
        pres.append(torch.addmm(bias, h, weight.T))
        h = network.layer_activation(i).function(pres[-1])
    with torch.enable_grad():
        output = h.detach().requires_grad_()
        delta = Scaled(torch.autograd.grad(cross_entropy(output, y), output)[0])
    logs, signs = np.full(len(pres), nan), np.zeros(len(pres))
    for i in reversed(range(len(pres))):
        slopes = network.layer_activation(i).derivative(pres[i])
        delta, size = Scaled(delta.unit * slopes, delta.log).measured()
        if not isfinite(size):
            logs[: i + 1] = size
            break
        inner = float((delta.unit * (pres[i] - network.biases[i])).sum())
        logs[i] = delta.log + log(abs(inner)) if inner else -inf
        signs[i] = np.sign(inner)
        delta = Scaled(delta.unit @ network.weights[i], delta.log)
    return logs, signs


def train_deep(
    init: str, biases: bool, epochs: int = 10, lr: float = 0.02, depth: int = 20, seed: int = 0
) -> History:
    """Train a ReLU net on digits (cross-entropy, SGD, batch 50); without biases they stay at 0."""
    bias_scale = None if biases else 0.0
    network = mlp(depth, 100, activation="relu", init=init, bias_scale=bias_scale, seed=seed)
    network.biases.requires_grad_(biases)
    course: dict[str, Any] = {"batch": 50, "epochs": epochs, "probe_size": 10, "seed": seed}
    return fit(network, digits(), loss=cross_entropy, lr=lr, **course)
