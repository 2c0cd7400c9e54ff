"""Deep nets before training: what norms do to the gradient, by theory and in fresh nets."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from math import acos, asin, exp, isfinite, log, nan, pi, sqrt

import numpy as np
import torch
from torch.nn import functional as F

from vglib.activations import get_activation
from vglib.batch_norm.layers import generator, images, noise
from vglib.batch_norm.normed_net import NAMES, Flow, build, flow
from vglib.probe import Array
from vglib.results import result
from vglib.theory import gaussian_mean
from vglib.words import power_of_ten

BATCHES = (4, 5, 6, 8, 11, 16, 23, 32, 45, 64, 90, 128, 181, 256)
# The first layers still carry the data's own correlations; the theory speaks of what comes after.
SKIPPED = 5
# Multiply-adds of a forward and backward pass that one slow core finishes in about 0.2 s.
BUDGET = 1.2e9
SHALLOW = "one hidden layer: there is no depth yet to go through."


def wide_factor(activation: str, gamma: float = 1.0) -> float:
    """Return E f'(u)^2 / Var f(u), f(u) = phi(gamma u), u ~ N(0, 1): wide layers, large batch.

    At least 1 for a phi without jumps, 1 for a linear one alone (Gaussian Poincaré inequality).
    Source: Yang, Pennington, Rao, Sohl-Dickstein & Schoenholz 2019.
    """
    phi = get_activation(activation)
    slope = gaussian_mean(lambda u: (gamma * phi.dphi(gamma * u)) ** 2, 1.0)
    square = gaussian_mean(lambda u: phi.phi(gamma * u) ** 2, 1.0)
    return float(slope / (square - gaussian_mean(lambda u: phi.phi(gamma * u), 1.0) ** 2))


def layer_factor(activation: str) -> float:
    """Return E phi'(u)^2 / E phi(u)^2: the same for a norm over the units, wide layers."""
    phi = get_activation(activation)
    slope = gaussian_mean(lambda u: phi.dphi(u) ** 2, 1.0)
    return float(slope / gaussian_mean(lambda u: phi.phi(u) ** 2, 1.0))


@lru_cache(maxsize=256)
def batch_factor(activation: str, batch: int) -> float:
    """Return the factor of ||delta||^2 per layer at a finite batch, wide layers, at the start.

    With u even on the sphere of radius sqrt(B) among the vectors of mean 0, G = 1 - 11^T/B,
    P = G - u u^T/B and D = diag phi'(u):

        B / (B - 3)  E tr(P D G D P) / E sum_i (phi(u_i) - mean)^2

    The first factor is E 1/var of a Gaussian batch. identity: (B - 2)/(B - 3). ReLU: closed form,
    pi / (pi - 1) at B = infinity. Others: dice. nan below B = 4, where that mean does not exist.
    """
    if batch <= 3:
        return nan
    if activation == "identity":
        return (batch - 2) / (batch - 3)
    if activation == "relu":
        rho = -1 / (batch - 1)
        both = 1 / 4 + asin(rho) / (2 * pi)
        product = (sqrt(1 - rho**2) + (pi - acos(rho)) * rho) / (2 * pi)
        return ((batch - 2) / 2 + both + product) / ((batch - 3) * (1 / 2 - product))
    return thrown_factor(activation, batch)


def thrown_factor(activation: str, batch: int) -> float:
    """Throw dice for `batch_factor`, 100,000 numbers."""
    phi = get_activation(activation)
    z = torch.randn(100_000 // batch, batch, generator=generator(0), dtype=torch.float64)
    z -= z.mean(1, keepdim=True)
    u = z / z.square().mean(1, keepdim=True).sqrt()
    h, d = phi.function(u), phi.derivative(u)
    alone = (1 - 1 / batch) * (d**2 * (1 - 1 / batch - u**2 / batch)).sum(1)
    pairs = [v.sum(1) ** 2 - (v**2).sum(1) for v in (d, d * u)]
    kept = alone + (pairs[0] + pairs[1]) / batch**2
    spread = (h - h.mean(1, keepdim=True)).square().sum(1)
    return float(batch / (batch - 3) * kept.mean() / spread.mean())


def factor_per_layer(log_delta: Array) -> float:
    """Return by what a layer multiplies ||delta||^2 going back, from layer 6 on (geometric mean).

    nan where a gradient is 0 or there are too few layers.
    """
    first = SKIPPED if len(log_delta) > SKIPPED + 2 else 0
    if len(log_delta) < 2 or not np.isfinite(log_delta[[first, -1]]).all():
        return nan
    return exp(2 * (log_delta[first] - log_delta[-1]) / (len(log_delta) - 1 - first))


@result
class Explosion:
    """The weight gradients of a net with batch norm, of its twin without, and the theory.

    `normed`, `plain`: the two passes; `theory`: (depth,) ln ||dL/dW|| with slope (1/2) ln(factor)
    through the last layer; `factors`: theory's factor for each of `BATCHES`. On the way `plain` is
    not there yet, or factors are nan.
    """

    batch: int
    activation: str
    normed: Flow
    plain: Flow | None
    theory: Array
    factors: Array
    note: str = ""

    @property
    def depth(self) -> int:
        """The number of hidden layers."""
        return len(self.normed.log_delta)

    @property
    def measured(self) -> float:
        """The factor of ||delta||^2 per layer."""
        return factor_per_layer(self.normed.log_delta)

    @property
    def predicted(self) -> float:
        """Theory's factor."""
        return batch_factor(self.activation, self.batch)

    @property
    def verdict(self) -> str:
        """One sentence: what the first layer gets with batch norm and without, and the factor."""
        if self.depth == 1:
            return f"{SHALLOW}{self.note}"
        ratio, limit = self.normed.log_ratio, log(3)
        times = power_of_ten(ratio)
        without = f"; without it {power_of_ten(self.plain.log_ratio)} times" if self.plain else ""
        if self.batch == 2:
            return (
                "a batch of 2: batch norm puts out only +1 and -1, with slope 0 except where the "
                f"two samples nearly tie, where it is steep; layer 1 gets {times} times the last "
                f"layer's gradient{without}.{self.note}"
            )
        word = "explodes" if ratio > limit else "vanishes" if ratio < -limit else "even"
        said = f"{self.predicted:.3f}" if isfinite(self.predicted) else "has no number below 4"
        return (
            f"{word}: with batch norm ‖∂L/∂W‖ of layer 1 is {times} times that of layer "
            f"{self.depth}, ‖δ‖² grows by {self.measured:.3f} per layer (theory {said}){without}."
            f"{self.note}"
        )


def exploding(
    batch: int, depth: int = 40, weight_scale: float = 1.0, activation: str = "relu", seed: int = 0
) -> Iterator[Explosion]:
    """Send a batch of digits through a fresh deep net with batch norm, and without.

    The net without comes second, and then one after the other theory's factors for other batches.
    """
    width, note = _affordable(depth, batch)
    x, y = images(batch, seed)
    net = build(depth, width, "batch", activation, weight_scale=weight_scale, seed=seed)
    normed, slope = flow(net, x, y), 0.5 * log(batch_factor(activation, batch))
    line = normed.log_weight_grad[-1] + slope * np.arange(depth - 1, -1, -1.0)
    known = np.full(len(BATCHES), nan)
    yield Explosion(batch, activation, normed, None, line, known.copy(), note)
    plain = flow(replace(net, kind="none"), x, y)
    for i, other in enumerate(BATCHES):
        known[i] = batch_factor(activation, other)
        yield Explosion(batch, activation, normed, plain, line, known.copy(), note)


def _affordable(depth: int, batch: int) -> tuple[int, str]:
    widest = max(10, 5 * int(sqrt(BUDGET / (6 * depth * batch)) / 5))
    if widest >= 100:
        return 100, ""
    return widest, f" (Width 100 would take long at depth {depth}; this is width {widest}.)"


def factors(activation: str, batch: int, width: int, depth: int, seed: int) -> float:
    """Return the factor of ||delta||^2 per layer for inputs N(0, 1)."""
    net = build(depth, width, "batch", activation, seed=seed)
    return factor_per_layer(flow(net, *noise(batch, 64, seed)).log_delta)


def first_to_last(kind: str, depth: int, width: int, batch: int, seed: int) -> float:
    """Return ||dL/dW|| of layer 1 over that of the last hidden layer; ReLU, inputs N(0, 1)."""
    net = build(depth, width, kind, n_in=width, seed=seed)
    return exp(flow(net, *noise(batch, width, seed)).log_ratio)


def scaled_gradient(c: float, seed: int = 0) -> float:
    """Return ||dL/d(cW)|| / ||dL/dW|| of one layer of 50 ReLUs on 64 digits, by torch's autograd.

    Batch norm is torch's, with eps 1e-5.
    """
    x, y = images(64, seed)
    sizes = []
    for scale in (1.0, c):
        net = build(1, 50, weight_scale=scale, seed=seed)
        weight = net.weights[0].requires_grad_()
        (gradient,) = torch.autograd.grad(F.cross_entropy(net(x), y), weight)
        sizes.append(float(gradient.norm()))
    return sizes[1] / sizes[0]


@result
class Norms:
    """ln ||delta_l|| at the start for each kind of norm so far, (depth,).

    `theory`: the factor of ||delta||^2 for a norm over the "batch" and over the "units".
    """

    activation: str
    depth: int
    log_delta: Mapping[str, Array]
    theory: Mapping[str, float]

    @property
    def verdict(self) -> str:
        """One sentence: the factor of ||delta||^2 per layer of each norm."""
        if self.depth == 1:
            return SHALLOW
        each = {NAMES[kind]: factor_per_layer(values) for kind, values in self.log_delta.items()}
        parts = [f"{name} {f:.2f}" if isfinite(f) else f"{name} 0" for name, f in each.items()]
        batch, units = self.theory["batch"], self.theory["units"]
        over = f"{batch:.2f}" if isfinite(batch) else "no number"
        return (
            f"{self.activation}, ‖δ‖² per layer: {', '.join(parts)}; theory says {over} for "
            f"batch norm and {units:.2f} for a norm over the units."
        )


def comparing(
    activation: str, depth: int = 30, weight_scale: float = 1.0, batch: int = 64, seed: int = 0
) -> Iterator[Norms]:
    """Send one batch of digits through nets with the same weights and different norms."""
    width, _ = _affordable(3 * depth, batch)
    x, y = images(batch, seed)
    net = build(depth, width, activation=activation, weight_scale=weight_scale, seed=seed)
    theory = {"batch": batch_factor(activation, batch), "units": layer_factor(activation)}
    found: dict[str, Array] = {}
    for kind in NAMES:
        found[kind] = flow(replace(net, kind=kind), x, y).log_delta
        yield Norms(activation, depth, found, theory)
