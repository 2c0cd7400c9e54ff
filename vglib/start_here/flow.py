"""Measurements of chapter 00: how the gradient flows through a freshly initialised network."""

from collections.abc import Iterator
from math import log

import numpy as np
from torch.nn.functional import cross_entropy

from vglib.activations import get_activation
from vglib.checks import require, whole
from vglib.data import digits
from vglib.networks import mlp, sigma_w
from vglib.probe import Array, Trace, trace
from vglib.results import result
from vglib.theory import gradient_log_ratios
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

        q_1 = sigma_w1^2 mean(x^2) + sigma_b^2,   q_(l+1) = q_map(q_l)
        ||delta_l||^2 = chi(q_l) ||delta_(l+1)||^2

    Where more than `budget` multiply-adds would be needed, the width is narrowed and the verdict
    says so. Raises ValueError for an argument out of range. Source: Schoenholz et al. 2017.
    """
    require("depth", depth, whole(depth, 1), "a whole number from 1 on")
    note, widest = "", int((budget / (3 * BATCH * depth)) ** 0.5)
    if width > widest:
        note = f" (Width {width} would take long at depth {depth}; this is width {widest}.)"
        width = widest
    data, phi = digits(), get_activation(activation)
    x, y = data.x_train[:BATCH], data.y_train[:BATCH]
    network = mlp(
        depth,
        width,
        activation=phi,
        init=init,
        weight_scale=weight_scale,
        bias_scale=bias_scale,
        seed=seed,
    )
    seen = trace(network, x, y, cross_entropy)
    first_w = sigma_w(init, width, weight_scale, fan_in=x.shape[1])
    q_first = first_w**2 * float((x**2).mean()) + bias_scale**2
    later_w = sigma_w(init, width, weight_scale)
    ratios = gradient_log_ratios(q_first, phi.phi, phi.dphi, later_w, bias_scale, depth)
    return GradientFlow(seen, depth, seen.log_delta[depth - 1] + ratios, note)


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
        fresh = depth, weight_scale, activation, "1/fan_in", width, 0.0, seed
        flow = gradient_flow(*fresh, budget=BUDGET / 10)
        # A gradient that is exactly 0 everywhere has no ratio.
        with np.errstate(invalid="ignore"):
            ratios.append(flow.trace.log_delta[:depth] - flow.trace.log_delta[depth - 1])
            predicted = flow.theory_log_delta - flow.theory_log_delta[-1]
        yield Wander(np.array(ratios), predicted, flow.note)
