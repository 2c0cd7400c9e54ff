"""What the variance of the weights does to one neuron, and to signal and gradient over depth."""

from collections.abc import Iterator, Sequence
from math import exp, log, pi, sqrt
from typing import Any

import numpy as np
from torch.nn.functional import cross_entropy

from vglib import theory
from vglib.activations import ACTIVATIONS
from vglib.data import digits
from vglib.initialization.schemes import SCHEMES, normal_inputs
from vglib.networks import mlp, sigma_b, sigma_w
from vglib.probe import Array, Trace, trace
from vglib.results import at_its_end, result
from vglib.words import count, power_of_ten

BATCH = 128
# Multiply-adds of one forward and backward pass that two slow cores finish in about a second.
BUDGET = 4e9
# From this depth on a few images go first, since all of them take more than a tenth of a second.
DEEP, FEW = 80, 8


@result
class BesideNormal:
    """A histogram, `edges: (bins + 1,)`, `heights: (bins,)`, and a `density` on a `grid`."""

    edges: Array
    heights: Array
    grid: Array
    density: Array


def beside_normal(
    values: Array, mean: float, variance: float, bins: int, ends: tuple[float, float] | None = None
) -> BesideNormal:
    """Count values in bins between two ends, as a density, beside that of a normal.

    The ends lie four standard deviations from the mean unless given.
    """
    std = sqrt(variance)
    low, high = ends or (mean - 4 * std, mean + 4 * std)
    heights, edges = np.histogram(values, bins=np.linspace(low, high, bins + 1), density=True)
    grid = np.linspace(low, high, 161)
    density = np.exp(-((grid - mean) ** 2) / (2 * variance)) / (std * sqrt(2 * pi))
    return BesideNormal(edges, heights, grid, density)


@result
class Neuron:
    """One neuron's z = w_1 h_1 + ... + w_n h_n over many draws of its weights, `z: (draws,)`.

    `predicted` is its variance as theory says, n Var w E h^2.
    """

    fan_in: int
    predicted: float
    z: Array
    histogram: BesideNormal

    @property
    def variance(self) -> float:
        """The variance of z over the draws."""
        return float(self.z.var())

    @property
    def verdict(self) -> str:
        """One sentence: the variance measured and predicted."""
        return (
            f"{count(self.fan_in, 'input')}: Var z is {self.variance:.3g} over {len(self.z)} draws "
            f"of the weights; n Var w E h² says {self.predicted:.3g}."
        )


def one_neuron(fan_in: int, n_var: float, distribution: str, seed: int = 0) -> Neuron:
    """Draw a neuron's weights 4000 times, of variance n_var / fan_in, for one fixed input h.

    "coin" is +-1, "uniform" U(+-sqrt(3)), "normal" N(0, 1), each times sqrt(n_var / fan_in).
    """
    h = np.abs(np.random.default_rng(seed + 10**6).standard_normal(fan_in))
    generator, shape = np.random.default_rng(seed), (4000, fan_in)
    unit = {
        "coin": lambda: 2.0 * generator.integers(0, 2, shape) - 1,
        "uniform": lambda: generator.uniform(-sqrt(3), sqrt(3), shape),
        "normal": lambda: generator.standard_normal(shape),
    }[distribution]()
    z = np.asarray(sqrt(n_var / fan_in) * unit @ h, dtype=np.float64)
    predicted = n_var * float((h**2).mean())
    return Neuron(fan_in, predicted, z, beside_normal(z, 0.0, predicted, 40))


@result
class DepthFlow:
    """A trace of digits through a fresh net, beside theory, for the hidden layers (depth,).

    `log_signal`: ln of the mean of z^2; `theory_log_signal`, `theory_log_delta`: mean-field
    theory's, the second anchored at the last hidden layer.
    """

    trace: Trace
    depth: int
    log_signal: Array
    theory_log_signal: Array
    theory_log_delta: Array
    note: str = ""

    @property
    def log_delta(self) -> Array:
        """ln ||delta_l|| of the hidden layers."""
        return self.trace.log_delta[: self.depth]

    @property
    def changes(self) -> tuple[float, float]:
        """The ln of what all layers do to the mean of z^2, and to ||delta||^2 on its way back."""
        signal, delta = self.log_signal, self.log_delta
        return float(signal[-1] - signal[0]), 2 * float(delta[0] - delta[-1])

    @property
    def forward_factor(self) -> float:
        """By what a layer multiplies the mean of z^2, as the geometric mean over the depth."""
        return exp(self.changes[0] / (self.depth - 1))

    @property
    def backward_factor(self) -> float:
        """By what a layer multiplies ||delta||^2 on its way back, as the geometric mean."""
        return exp(self.changes[1] / (self.depth - 1))

    @property
    def verdict(self) -> str:
        """One sentence: what becomes of the signal and of the gradient."""
        if self.trace.overflow_layer is not None:
            return f"overflows: the signal leaves float64 at layer {self.trace.overflow_layer}."
        if self.depth == 1:
            return f"one hidden layer: there is no depth yet to go through.{self.note}"
        if not np.isfinite(self.log_signal).all() or not np.isfinite(self.log_delta).all():
            return f"dies: signal or gradient is exactly 0 before the far end.{self.note}"
        signal, gradient = map(power_of_ten, self.changes)
        return (
            f"over {self.depth} layers the mean square of z changes by {signal} "
            f"({self.forward_factor:.3g} per layer) and ‖δ‖² on its way back by {gradient} "
            f"({self.backward_factor:.3g} per layer).{self.note}"
        )


def going_deep(
    depth: int = 50,
    weight_scale: float = 1.0,
    activation: str = "relu",
    init: str = "torch default",
    width: int = 200,
    biases: bool = True,
    seed: int = 0,
) -> Iterator[DepthFlow]:
    """Trace a fresh MLP on a batch of digits (cross-entropy); narrowed where it would take long.

    With `biases` they are the scheme's own: U(+-1/sqrt(fan_in)) for torch's default, else 0. A
    deep net is traced on a few images first, and then on all of the batch.
    """
    note, widest = "", int((BUDGET / (3 * BATCH * depth)) ** 0.5)
    if width > widest:
        note = f" (Width {width} would take long at depth {depth}; this is width {widest}.)"
        width = widest
    data, scheme, phi = digits(), SCHEMES[init], ACTIVATIONS[activation]
    bias_scale = None if biases else 0.0
    drawn: dict[str, Any] = {"weight_scale": weight_scale, "bias_scale": bias_scale, "seed": seed}
    network = mlp(depth, width, activation=phi, init=scheme, **drawn)
    x, pixels = data.x_train[:BATCH], data.n_in
    first_w = sigma_w(scheme, width, weight_scale, fan_in=pixels)
    q_first = first_w**2 * float((x**2).mean()) + sigma_b(scheme, pixels, bias_scale) ** 2
    w, b = sigma_w(scheme, width, weight_scale), sigma_b(scheme, width, bias_scale)
    with np.errstate(divide="ignore"):
        log_q = np.log(theory.q_trajectory(q_first, phi.phi, w, b, depth))
    ratios = theory.gradient_log_ratios(q_first, phi.phi, phi.dphi, w, b, depth)
    for images in (FEW, BATCH) if depth > DEEP else (BATCH,):
        seen = trace(network, x[:images], data.y_train[:images], cross_entropy)
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            log_signal = 2 * np.log(np.hypot(seen.pre_std, seen.pre_mean)[:depth])
        theory_log_delta = seen.log_delta[depth - 1] + ratios
        yield DepthFlow(seen, depth, log_signal, log_q, theory_log_delta, note)


through_depth = at_its_end(going_deep)


def layer_factors(cases: Sequence[tuple[str, str]]) -> list[tuple[float, float]]:
    """Return forward and backward factor per layer for each (activation, init), without biases.

    20 layers of 500 units.
    """
    flows = [through_depth(20, 1.0, phi, init, 500, biases=False) for phi, init in cases]
    return [(flow.forward_factor, flow.backward_factor) for flow in flows]


def alternating_factors(narrow: int, wide: int, seed: int = 0) -> tuple[float, float]:
    """Return the factors per pair of layers of a linear Glorot net of alternating widths.

    21 layers. E z^2 going forward and ||delta||^2 / n, the mean square of an entry, going back.
    """
    widths = [*[narrow, wide] * 10, narrow]
    network = mlp(widths, n_in=wide, n_out=wide, activation="identity", init="glorot", seed=seed)
    x = normal_inputs(64, wide, seed=seed)
    # A loss that is linear in the output, so that delta knows nothing of the forward pass.
    target = normal_inputs(64, wide, seed=seed + 1)
    seen = trace(network, x, target, lambda out, y: (out * y).sum())
    forward = 2 * (log(seen.pre_std[20]) - log(seen.pre_std[0])) / 10
    backward = 2 * (seen.log_delta[0] - seen.log_delta[20]) / 10
    return exp(forward), exp(float(backward))
