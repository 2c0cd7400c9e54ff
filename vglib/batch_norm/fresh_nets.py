"""Deep nets before any training: what batch norm and the other norms do to the gradient."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import exp, isfinite, log, nan, sqrt

import numpy as np
import torch
from torch.nn import functional as F

from vglib.batch_norm.batches import images, noise
from vglib.batch_norm.factors import BATCHES, batch_factor, layer_factor
from vglib.batch_norm.normed_net import NAMES, Flow, build, flow
from vglib.probe import Array
from vglib.results import at_its_end, result
from vglib.words import power_of_ten

# The first layers still carry the data's own correlations; the theory speaks of what comes after.
SKIPPED = 5
# Multiply-adds of a forward and backward pass that one slow core finishes in about 0.2 s.
BUDGET = 1.2e9
SHALLOW = "one hidden layer: there is no depth yet to go through."


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
    batch: int = 128,
    depth: int = 40,
    weight_scale: float = 1.0,
    activation: str = "relu",
    width: int = 100,
    seed: int = 0,
) -> Iterator[Explosion]:
    """Send a batch of digits through a fresh deep net with batch norm, and without.

    The net without comes second, and then one after the other theory's factors for other batches.
    """
    width, note = _affordable(depth, width, batch)
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


explosion = at_its_end(exploding)


def _affordable(depth: int, width: int, batch: int) -> tuple[int, str]:
    widest = max(10, 5 * int(sqrt(BUDGET / (6 * depth * batch)) / 5))
    if width <= widest:
        return width, ""
    return widest, f" (Width {width} would take long at depth {depth}; this is width {widest}.)"


def factors(activation: str, batch: int, width: int, depth: int, seed: int) -> float:
    """Return the factor of ||delta||^2 per layer for inputs N(0, 1)."""
    net = build(depth, width, "batch", activation, seed=seed)
    return factor_per_layer(flow(net, *noise(batch, 64, seed)).log_delta)


def first_to_last(kind: str, depth: int, width: int, batch: int, seed: int) -> float:
    """Return ||dL/dW|| of layer 1 over that of the last hidden layer; ReLU, inputs N(0, 1)."""
    net = build(depth, width, kind, n_in=width, seed=seed)
    return exp(flow(net, *noise(batch, width, seed)).log_ratio)


def scaled_gradient(c: float, seed: int = 0) -> tuple[float, float]:
    """Return the largest change of BN(c W x) from BN(W x), and ||dL/d(cW)|| / ||dL/dW||.

    One layer of 50 with ReLU and a readout on 64 digits; torch's autograd, eps 1e-5.
    """
    x, y = images(64, seed)
    net = build(1, 50, "none", seed=seed)
    outputs, gradients = [], []
    for scale in (1.0, c):
        weight = (scale * net.weights[0]).requires_grad_()
        u = F.batch_norm(x @ weight.T, None, None, training=True)
        loss = F.cross_entropy(torch.relu(u) @ net.weights[1].T, y)
        (gradient,) = torch.autograd.grad(loss, weight)
        outputs.append(u.detach())
        gradients.append(float(gradient.norm()))
    return float((outputs[1] - outputs[0]).abs().max()), gradients[1] / gradients[0]


@result
class Norms:
    """ln ||delta_l|| at the start for each kind of norm so far, (depth,); theory's two factors."""

    activation: str
    depth: int
    log_delta: Mapping[str, Array]
    over_batch: float
    over_units: float

    @property
    def verdict(self) -> str:
        """One sentence: the factor of ||delta||^2 per layer of each norm."""
        if self.depth == 1:
            return SHALLOW
        each = {NAMES[kind]: factor_per_layer(values) for kind, values in self.log_delta.items()}
        parts = [f"{name} {f:.2f}" if isfinite(f) else f"{name} 0" for name, f in each.items()]
        over = f"{self.over_batch:.2f}" if isfinite(self.over_batch) else "no number"
        return (
            f"{self.activation}, ‖δ‖² per layer: {', '.join(parts)}; theory says {over} for "
            f"batch norm and {self.over_units:.2f} for a norm over the units."
        )


def comparing(
    activation: str = "relu",
    depth: int = 30,
    weight_scale: float = 1.0,
    batch: int = 64,
    seed: int = 0,
) -> Iterator[Norms]:
    """Send one batch of digits through nets with the same weights and different norms."""
    width, _ = _affordable(3 * depth, 100, batch)
    x, y = images(batch, seed)
    net = build(depth, width, activation=activation, weight_scale=weight_scale, seed=seed)
    theory = batch_factor(activation, batch), layer_factor(activation)
    found: dict[str, Array] = {}
    for kind in NAMES:
        found[kind] = flow(replace(net, kind=kind), x, y).log_delta
        yield Norms(activation, depth, found, *theory)


norms = at_its_end(comparing)
