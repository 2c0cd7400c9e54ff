"""The phase diagram of a wide random net: ln chi over the plane, and a real net at one point."""

from functools import lru_cache
from math import isinf, log, sqrt
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from vglib import theory
from vglib.activations import ACTIVATIONS, get_activation
from vglib.initialization.mean_field import depth_scale
from vglib.initialization.schemes import LARGE_Q, SMALL_Q, normal_inputs
from vglib.networks import mlp
from vglib.probe import Array, trace
from vglib.results import result


@result
class Phases:
    """ln chi over the plane, (n_b, n_w), and the critical line; `sigma_ws` are logarithmic."""

    sigma_ws: Array
    sigma_bs: Array
    log_chi: Array
    line_w: Array
    line_b: Array


@lru_cache(maxsize=8)
def phases(activation: str) -> Phases:
    """Compute the phase diagram from two Gaussian means on a grid of q alone.

    A given q is the fixed point of sigma_b^2 = q - sigma_w^2 E phi^2, and chi = sigma_w^2 E phi'^2
    there; so the edge chi = 1 is the curve sigma_w = (E phi'^2)^(-1/2).
    """
    phi, q = ACTIVATIONS[activation], np.geomspace(1e-7, 1e4, 3000)
    square = theory.gaussian_mean(lambda z: phi.phi(z) ** 2, q)
    slope_square = theory.gaussian_mean(lambda z: phi.dphi(z) ** 2, q)
    sigma_ws, sigma_bs = np.geomspace(0.5, 20.0, 81), np.linspace(0.0, 2.0, 41)
    log_chi = np.empty((len(sigma_bs), len(sigma_ws)))
    for column, w in enumerate(sigma_ws):
        b_square = q - w**2 * square
        # Beyond the last q that would need sigma_b^2 < 0 the fixed points are stable and in order.
        start = min(int(np.append(np.flatnonzero(b_square < 0), -1).max()) + 1, len(q) - 1)
        values = np.log(w**2 * slope_square[start:])
        log_chi[:, column] = np.interp(sigma_bs**2, np.maximum(b_square[start:], 0), values)
    line_w = slope_square**-0.5
    if np.ptp(line_w) < 1e-9:
        # ReLU and the identity: chi does not depend on q, and the edge is a vertical line.
        return Phases(sigma_ws, sigma_bs, log_chi, np.full(2, line_w[0]), np.array([0.0, 2.0]))
    b_square = q - line_w**2 * square
    keep = (b_square >= 0) & (b_square <= 4.0) & (line_w <= 20.0)
    return Phases(sigma_ws, sigma_bs, log_chi, line_w[keep], np.sqrt(b_square[keep]))


@result
class PhasePoint:
    """A real net at one point of the plane: ln ||delta_l||^2 by layer (depth,), and the theory's.

    The input has the size that makes layer 1 start at `q`, q*, where there is a q* to start at.
    """

    activation: str
    sigma_w: float
    sigma_b: float
    log_delta_square: Array
    theory: Array
    q: float
    chi: float

    @property
    def depth(self) -> int:
        """The number of hidden layers."""
        return len(self.theory)

    @property
    def slope(self) -> float:
        """The slope of ln ||delta||^2 per layer on its way back, least squares over all layers."""
        return _slope(self.log_delta_square)

    @property
    def theory_slope(self) -> float:
        """The same of the theory's line, which is ln chi where q stays at q*."""
        return _slope(self.theory)

    @property
    def phase(self) -> str:
        """Ordered, critical (chi within 1% of 1), chaotic, or runaway, where no q* is finite.

        Two inputs part where chaos is; where q runs away, as in a ReLU net, they become alike.
        """
        if abs(self.chi - 1) < 0.01:
            return "critical"
        return "ordered" if self.chi < 1 else "runaway" if isinf(self.q) else "chaotic"

    @property
    def verdict(self) -> str:
        """One sentence: the phase, the measured slope, and ln chi."""
        if self.depth < 3:
            return f"{self.phase} by theory: {self.depth} layers are too few for a slope."
        if not np.isfinite(self.log_delta_square).all():
            return f"{self.phase} by theory: the gradient is exactly 0 in some layer of this net."
        xi, log_chi = float(depth_scale(self.chi)), log(self.chi)
        change = f"a factor e in {xi:.3g} layers" if xi < 1e4 else "no change with depth"
        if abs(self.theory_slope - log_chi) > 0.005 + 0.02 * abs(log_chi):
            change += f"; here q still moves and the theory's own line has {self.theory_slope:+.3f}"
        end = "; q grows without end, and two inputs do not part" if self.phase == "runaway" else ""
        return (
            f"{self.phase}: ln‖δ‖² changes by {self.slope:+.3f} per layer on its way back, and "
            f"ln χ is {log_chi:+.3f} ({change}){end}."
        )


def _slope(line: Array) -> float:
    return float(np.polyfit(-np.arange(float(len(line))), line, 1)[0])


def phase_point(
    activation: str,
    sigma_w: float,
    sigma_b: float,
    depth: int = 30,
    seed: int = 0,
    *,
    width: int = 400,
) -> PhasePoint:
    """Measure ln ||delta||^2 in a real net of weights N(0, sigma_w^2 / n), biases N(0, sigma_b^2).

    8 random inputs, cross-entropy at a readout of 10 outputs with weights N(0, sigma_w^2 / n).
    """
    phi = get_activation(activation)
    q = theory.q_fixed_point(phi.phi, sigma_w, sigma_b)
    settled = SMALL_Q < q < LARGE_Q
    mean_square = float(theory.gaussian_mean(lambda z: phi.phi(z) ** 2, q)) if settled else 1.0
    # Unit biases, scaled later: for another sigma_b all weights would be drawn anew.
    drawn: dict[str, Any] = {"init": "1/fan_in", "weight_scale": sigma_w, "bias_scale": 1.0}
    network = mlp(depth, width, n_in=width, activation=phi, seed=seed, **drawn)
    with torch.no_grad():
        for bias in network.biases:
            bias.mul_(sigma_b)
    x = normal_inputs(8, width, seed=seed)
    x = x * (sqrt(mean_square * width) / x.norm(dim=1, keepdim=True))
    measured = 2 * trace(network, x, torch.arange(8), cross_entropy).log_delta[:depth]
    q_first = sigma_w**2 * mean_square + sigma_b**2
    line = 2 * theory.gradient_log_ratios(q_first, phi.phi, phi.dphi, sigma_w, sigma_b, depth)
    # Through the middle of the measurement: the line's slope is predicted, its height is not.
    finite = np.isfinite(measured)
    offset = float((measured - line)[finite].mean()) if finite.any() else 0.0
    chi = float(theory.chi(q, phi.dphi, sigma_w))
    return PhasePoint(activation, sigma_w, sigma_b, measured, line + offset, q, chi)
