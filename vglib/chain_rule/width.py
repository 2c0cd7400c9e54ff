"""Nets with unscaled weights: how width decides whether their gradient vanishes or explodes."""

from collections.abc import Iterator
from functools import lru_cache
from math import nan, sqrt
from typing import Any

import numpy as np
from torch.nn.functional import cross_entropy

from vglib import theory
from vglib.chain_rule.chain import SIGMOID, random_chains
from vglib.data import digits
from vglib.networks import mlp
from vglib.probe import Array, Trace, trace
from vglib.results import kept, result

WIDTHS = (10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500)
CURVE_WIDTHS = tuple(np.geomspace(10, 500, 40))


def unscaled_chi(width: float, phi: theory.Function, dphi: theory.Function) -> float:
    """Return chi of a network whose weights and biases are all N(0, 1), not scaled by fan-in.

    chi at the fixed point of sigma_w^2 = width, sigma_b = 1

    Raises ValueError for a width that is not positive and finite.
    """
    if not 0 < width < np.inf:
        raise ValueError(f"width is {width}, but must be positive and finite.")
    return theory.chi_at_fixed_point(phi, dphi, float(np.sqrt(width)), 1.0)


@lru_cache(maxsize=8)
def critical_width(phi: theory.Function, dphi: theory.Function) -> float:
    """Return the width at which N(0, 1) weights and biases pass from vanishing to exploding.

    unscaled_chi(width) = 1: the square of the critical sigma_w at sigma_b = 1. Sigmoid: 105.4.

    Raises ValueError where there is none.
    """
    return theory.critical_sigma_w(phi, dphi, 1.0) ** 2


@lru_cache(maxsize=4096)
def _chi(width: float, weight_scale: float) -> float:
    return unscaled_chi(width * weight_scale**2, SIGMOID.phi, SIGMOID.dphi)


@result
class WidthFlow:
    """A sigmoid net with unscaled weights: its gradient by layer, and the ratio at each width.

    `theory_log_delta`: (depth,) anchored at the last hidden layer; `ratios`: of nets of `WIDTHS`,
    nan where one is still to come.
    """

    width: int
    depth: int
    weight_scale: float
    trace: Trace
    theory_log_delta: Array
    ratios: Array

    @property
    def ratio(self) -> float:
        """The ratio of this net, nan with one hidden layer."""
        return ratio_per_layer(self.trace, self.depth)

    @property
    def curve(self) -> Array:
        """Chi at the fixed point, at each of `CURVE_WIDTHS`."""
        return np.array([_chi(width, self.weight_scale) for width in CURVE_WIDTHS])

    @property
    def verdict(self) -> str:
        """One sentence: vanishes or explodes, the ratio with theory, and the critical width."""
        critical = critical_width(SIGMOID.phi, SIGMOID.dphi) / self.weight_scale**2
        where, ratio = f"theory's critical width is {critical:.4g}", self.ratio
        if np.isnan(ratio):
            return f"too shallow: a ratio needs at least two hidden layers; {where}."
        # A hundred layers would turn 3% a layer into a factor of 20: nearer is neither.
        word = "vanishes" if ratio < 0.97 else "explodes" if ratio > 1.03 else "holds"
        chi = _chi(self.width, self.weight_scale)
        # In a net so narrow or so saturated few units carry what theory takes for an average.
        off = "" if 0.5 < ratio / chi < 2 else "; here theory no longer holds"
        return (
            f"{word}: at width {self.width} each layer on the way back multiplies ‖∂L/∂z‖² by "
            f"{ratio:.3g} (chi = {chi:.3g}); {where}{off}."
        )


def width_flow(
    width: int = 100, depth: int = 12, weight_scale: float = 1.0, seed: int = 0
) -> Iterator[WidthFlow]:
    """Trace a net with N(0, 1) weights and biases beside theory, then nets of other widths."""
    measured = _trace(width, depth, weight_scale, seed)
    mean_square = float((digits().x_train[:32] ** 2).mean())
    q, scale = 64 * weight_scale**2 * mean_square + 1, weight_scale * sqrt(width)
    steps = theory.gradient_log_ratios(q, SIGMOID.phi, SIGMOID.dphi, scale, 1.0, depth)
    predicted = measured.log_delta[depth - 1] + steps
    for ratios in _sweep(depth, weight_scale, seed):
        yield WidthFlow(width, depth, weight_scale, measured, predicted, ratios)


@kept(64)
def _sweep(depth: int, weight_scale: float, seed: int) -> Iterator[Array]:
    """Measure the ratio at one width after the other; nan where it is still to come."""
    ratios = np.full(len(WIDTHS), nan)
    yield ratios.copy()
    for place, width in enumerate(WIDTHS):
        ratios[place] = unscaled_ratio(width, depth, weight_scale, seed)
        yield ratios.copy()


def ratio_per_layer(measured: Trace, depth: int) -> float:
    """Return the mean factor of ||delta||^2 per layer on the way back.

    (||delta_l||^2 / ||delta_depth||^2)^(1 / (depth - l)), l = 3, or less in a shallow net; nan in a
    net of one hidden layer.
    """
    # The first two layers still feel the data; from the third on the network has forgotten them.
    first = min(3, depth - 1)
    if first < 1:
        return nan
    drop = measured.log_delta[first - 1] - measured.log_delta[depth - 1]
    return float(np.exp(2 * drop / (depth - first)))


def unscaled_ratio(
    width: int, depth: int = 12, weight_scale: float = 1.0, seed: int = 0, nets: int = 1
) -> float:
    """Return `ratio_per_layer` of nets with unscaled weights, their geometric mean."""
    seeds = range(seed * nets, (seed + 1) * nets)
    ratios = [ratio_per_layer(_trace(width, depth, weight_scale, s), depth) for s in seeds]
    return float(np.exp(np.log(ratios).mean()))


def ratio_of_large_weights(seed: int, width: float) -> float:
    """Return the factor of ||delta||^2 per layer with weights N(0, 16^2), its geometric mean.

    Of a net of 12 layers, or at width 1 of 4000 chains, whose slopes stay above 0 in logarithms.
    """
    if width == 1:
        return float(np.exp(2 * random_chains(12, 16.0, seed).log_typical))
    return unscaled_ratio(int(width), weight_scale=16.0, seed=seed)


def measured_critical_width(seed: int) -> float:
    """Return the width at which the measured ratio passes 1, by a line through ln ratio, ln n."""
    widths = (60, 80, 100, 130, 170)
    logs = np.log([unscaled_ratio(n, seed=seed, nets=4) for n in widths])
    slope, offset = np.polyfit(np.log(widths), logs, 1)
    return float(np.exp(-offset / slope))


def linear_ratio(weight_scale: float, seed: int) -> float:
    """Return `ratio_per_layer` of 10 linear layers of 200 units, N(0, scale^2 / n) weights.

    Its activation has slope 1 everywhere, so all of the factor is the weights'.
    """
    scheme: dict[str, Any] = {"activation": "identity", "init": "1/fan_in", "bias_scale": 0.0}
    return ratio_per_layer(_trace(200, 10, weight_scale, seed, **scheme), 10)


def _trace(width: int, depth: int, weight_scale: float, seed: int, **scheme: Any) -> Trace:
    scheme = {"init": "normal", "bias_scale": 1.0, **scheme}
    network, data = mlp(depth, width, weight_scale=weight_scale, seed=seed, **scheme), digits()
    return trace(network, data.x_train[:32], data.y_train[:32], cross_entropy)
