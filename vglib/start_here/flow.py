"""Measurements of chapter 00: how the gradient flows through a freshly initialised network."""

from collections.abc import Iterator
from math import log

import numpy as np
from torch.nn.functional import cross_entropy

from vglib import theory
from vglib.activations import get_activation
from vglib.data import digits
from vglib.networks import mlp, sigma_b, sigma_w
from vglib.probe import Array, Trace, trace
from vglib.results import result
from vglib.words import power_of_ten

BATCH = 64
# Multiply-adds of one forward and backward pass that two slow cores finish in about a second.
BUDGET = 4e9
# Within this factor over the whole depth a gradient counts as neither vanishing nor exploding.
STEADY = 100.0
SEEDS = 10


@result
class GradientFlow:
    """A trace with mean-field theory's prediction of ln ||delta_l|| for the hidden layers (depth,).

    The prediction is anchored at the last hidden layer; nothing is fitted. `note` says what was
    narrowed to stay quick.
    """

    trace: Trace
    depth: int
    theory_log_delta: Array
    note: str

    @property
    def log_ratio(self) -> float:
        """Return ln(||delta_1|| / ||delta_depth||); -inf if layer 1 gets exactly nothing."""
        first, last = self.trace.log_delta[0], self.trace.log_delta[self.depth - 1]
        return -np.inf if np.isneginf(first) else float(first - last)

    @property
    def predicted_log_ratio(self) -> float:
        """Return what mean-field theory says of `log_ratio`."""
        return float(self.theory_log_delta[0] - self.theory_log_delta[-1])

    @property
    def verdict(self) -> str:
        """One sentence: vanishes, explodes, holds, overflows or dies, and what theory says."""
        return f"{self._finding()}{self.note}"

    def _finding(self) -> str:
        if self.trace.overflow_layer is not None:
            return (
                f"overflows: the signal leaves float64 on its way forward, at layer "
                f"{self.trace.overflow_layer} of {self.depth}; there is no gradient to speak of."
            )
        if self.depth == 1:
            return "one hidden layer: there is no depth yet over which a gradient could change."
        signal = self.trace.pre_std[: self.depth]
        faded = np.flatnonzero((signal > 0) & (signal < 1e-300))
        if len(faded):
            return (
                f"fades: the signal falls below what float64 can hold on its way forward, at layer "
                f"{faded[0] + 1} of {self.depth}; nothing can flow back."
            )
        if self.trace.zero_gradient_layers:
            last = max(self.trace.zero_gradient_layers)
            return (
                f"dies: the gradient is exactly 0 in layers 1 to {last}; all paths there are shut."
            )
        ratio, limit = self.log_ratio, log(STEADY)
        word = "vanishes" if ratio < -limit else "explodes" if ratio > limit else "holds"
        return (
            f"{word}: layer 1 gets {power_of_ten(ratio)} of layer {self.depth}'s gradient; "
            f"theory says {power_of_ten(self.predicted_log_ratio)}."
        )


def gradient_flow(
    depth: int = 20,
    weight_scale: float = 1.0,
    activation: str = "sigmoid",
    init: str = "glorot",
    width: int = 100,
    bias_scale: float = 0.0,
    seed: int = 0,
    budget: float = BUDGET,
) -> GradientFlow:
    """Trace a fresh MLP on a batch of digits (cross-entropy) beside mean-field theory.

    Where more than `budget` multiply-adds would be needed, the width is narrowed and the verdict
    says so. Raises ValueError for an argument out of range.
    """
    note, asked = "", width
    widest = int((budget / (3 * BATCH * depth)) ** 0.5)
    if width > widest:
        width = widest
        note = f" (Width {asked} would take long at depth {depth}; this is width {width}.)"
    data = digits()
    x, y = data.x_train[:BATCH], data.y_train[:BATCH]
    network = mlp(
        depth,
        width,
        activation=activation,
        init=init,
        weight_scale=weight_scale,
        bias_scale=bias_scale,
        seed=seed,
    )
    measured = trace(network, x, y, cross_entropy)
    return GradientFlow(
        trace=measured,
        depth=depth,
        theory_log_delta=predicted_log_delta(
            measured,
            float((x**2).mean()),
            x.shape[1],
            activation,
            init,
            width,
            weight_scale,
            bias_scale,
        ),
        note=note,
    )


def predicted_log_delta(
    measured: Trace,
    input_mean_square: float,
    n_in: int,
    activation: str,
    init: str,
    width: int,
    weight_scale: float,
    bias_scale: float | None,
) -> Array:
    """Return mean-field theory's ln ||delta_l||, l = 1..depth, anchored at the last hidden layer.

    q_1 = sigma_w1^2 mean(x^2) + sigma_b^2, q_(l+1) = q_map(q_l), and
    ||delta_l||^2 = chi(q_l) ||delta_(l+1)||^2. Source: Schoenholz et al. 2017.
    """
    phi = get_activation(activation)
    depth = len(measured.log_delta) - 1
    first_w = sigma_w(init, width, weight_scale, fan_in=n_in)
    first_b = sigma_b(init, n_in, bias_scale)
    ratios = theory.gradient_log_ratios(
        first_w**2 * input_mean_square + first_b**2,
        phi.phi,
        phi.dphi,
        sigma_w(init, width, weight_scale),
        sigma_b(init, width, bias_scale),
        depth,
    )
    return measured.log_delta[depth - 1] + ratios


@result
class Wander:
    """The same network under ten seeds: ln(||delta_l|| / ||delta_depth||), (seeds, depth)."""

    log_ratios: Array
    theory: Array
    note: str

    @property
    def verdict(self) -> str:
        """What layer 1 gets, over the seeds, and what theory says of infinite width."""
        first = self.log_ratios[:, 0]
        if not np.isfinite(first).all():
            return "some of these networks have no finite gradient left in layer 1."
        low, high = power_of_ten(float(first.min())), power_of_ten(float(first.max()))
        said = power_of_ten(float(self.theory[0]))
        return (
            f"layer 1 gets from {low} to {high} of the last layer's gradient, by seed; theory, for "
            f"infinite width, says {said}.{self.note}"
        )


def wander(
    activation: str = "sigmoid", weight_scale: float = 10.15, width: int = 64, depth: int = 100
) -> Iterator[Wander]:
    """Trace ten networks with N(0, 1/fan_in) weights that differ in nothing but their seed."""
    ratios = []
    for seed in range(SEEDS):
        flow = gradient_flow(
            depth, weight_scale, activation, "1/fan_in", width, 0.0, seed, BUDGET / 10
        )
        # A gradient that is exactly 0 everywhere has no ratio.
        with np.errstate(invalid="ignore"):
            ratios.append(flow.trace.log_delta[:depth] - flow.trace.log_delta[depth - 1])
            predicted = flow.theory_log_delta - flow.theory_log_delta[-1]
        yield Wander(np.array(ratios), predicted, flow.note)
