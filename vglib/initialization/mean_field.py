"""Mean field: the variance of one input and the correlation of two, from layer to layer.

The q map and the c map of infinite width, each beside a real net.
"""

from functools import lru_cache, partial
from math import acos, ceil, isfinite, log2, pi, sqrt

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from torch import Tensor
from torch.nn.functional import cosine_similarity

from vglib import theory
from vglib.activations import ACTIVATIONS, Activation
from vglib.checks import require
from vglib.initialization.schemes import LARGE_Q, SMALL_Q, normal_inputs
from vglib.probe import Array
from vglib.results import frozen, result
from vglib.theory import Function

# P(|u| > 10) is 1.5e-23: beyond it nothing of float64's precision is left.
_CUT = 10.0


def wide_layers(
    z: Tensor, phi: Activation, sigma_w: float, sigma_b: float, depth: int, seed: int
) -> list[Tensor]:
    """Return the pre-activations of layers 1 to depth of a random net whose layer 1 is given.

    z_(l+1) = W phi(z_l) + b; z: (batch, width), W ~ N(0, sigma_w^2 / width), b ~ N(0, sigma_b^2).
    """
    n, zs = z.shape[1], [z]
    for w, b in _unit_layers(n, depth - 1, seed):
        zs.append(phi.function(zs[-1]) @ w.T * (sigma_w / sqrt(n)) + b * sigma_b)
    return zs


# Moving sigma_w or sigma_b only scales the numbers, which take longer to draw than to use.
@lru_cache(maxsize=2)
def _unit_layers(n: int, layers: int, seed: int) -> list[tuple[Tensor, Tensor]]:
    """Draw weights (n, n) and biases (n,) from N(0, 1) for each layer."""
    generator = torch.Generator().manual_seed(seed)
    draw = partial(torch.randn, generator=generator, dtype=torch.float64)
    return [(draw(n, n), draw(n)) for _ in range(layers)]


def variance_after(
    activation: str, sigma_w: float, depth: int, seed: int = 0, *, width: int = 400
) -> float:
    """Return the mean of z^2 in layer `depth` of a real net whose layer 1 has variance 1."""
    z = normal_inputs(8, width, seed=seed)
    return float(
        (wide_layers(z, ACTIVATIONS[activation], sigma_w, 0.0, depth, seed)[-1] ** 2).mean()
    )


@result
class QMap:
    """The q map, its staircase, and a real net's mean of z^2, layer by layer.

    `grid`, `image`: the map; `steps`: (depth,) the map iterated; `measured`: (depth,).
    """

    grid: Array
    image: Array
    steps: Array
    measured: Array
    fixed_point: float
    chi: float

    @property
    def verdict(self) -> str:
        """One sentence: where the variance settles, and how near the real net comes."""
        if not isfinite(self.fixed_point):
            where = "runs away: the q map has no fixed point above the start"
        elif self.fixed_point == 0:
            where = "dies out: the only fixed point is q* = 0"
        else:
            where = f"settles at q* = {self.fixed_point:.4g}"
        return (
            f"the variance {where}; after {len(self.steps)} layers the map says "
            f"{self.steps[-1]:.3g} and the real network has {self.measured[-1]:.3g}; χ at q* is "
            f"{self.chi:.4g}."
        )


def q_map_steps(
    activation: str, sigma_w: float, sigma_b: float, q_start: float = 3.0, seed: int = 0
) -> QMap:
    """Iterate the q map from q_start, beside 15 layers of 400 units, the first of that variance."""
    phi = ACTIVATIONS[activation]
    fixed = theory.q_fixed_point(phi.phi, sigma_w, sigma_b, start=q_start)
    top = 1.15 * max(q_start, fixed if fixed < 30 * q_start else 0.0)
    grid = np.linspace(0.0, top, 161)
    first = sqrt(q_start) * normal_inputs(4, 400, seed=seed)
    zs = wide_layers(first, phi, sigma_w, sigma_b, 15, seed)
    image = theory.q_map(grid, phi.phi, sigma_w, sigma_b)
    steps = theory.q_trajectory(q_start, phi.phi, sigma_w, sigma_b, 15)
    measured = np.array([float((z**2).mean()) for z in zs])
    return QMap(grid, image, steps, measured, fixed, float(theory.chi(fixed, phi.dphi, sigma_w)))


def square_ratio(f: Function, q: float) -> float:
    """Return E f^4 / (E f^2)^2 under a centred Gaussian of variance q."""
    square = theory.gaussian_mean(lambda z: f(z) ** 2, q)
    return float(theory.gaussian_mean(lambda z: f(z) ** 4, q) / square**2)


def c_map(c: ArrayLike, q: float, phi: Function, sigma_w: float, sigma_b: float) -> NDArray:
    """Return the correlation of two inputs' pre-activations from that of the layer before.

    c_(l+1) = (sigma_w^2 E phi(z_1) phi(z_2) + sigma_b^2) / q_map(q), z_1 and z_2 of variance q and
    correlation c

    Its slope at c = 1 is chi where q is the fixed point. c: any shape, and so the result.
    Raises ValueError for a c outside [-1, 1], a q that is not positive and finite, sigma_w <= 0 or
    sigma_b < 0.
    Source: Poole et al. 2016, eq. 5.
    """
    together = sigma_w**2 * pair_mean(phi, c, q) + sigma_b**2
    return together / theory.q_map(q, phi, sigma_w, sigma_b)


def pair_mean(f: Function, c: ArrayLike, q: float) -> NDArray:
    """Return E f(z_1) f(z_2) of two centred Gaussians with variance q and correlation c.

    c: any shape, and so the result. f as for `theory.gaussian_mean`. Relative error about 1e-10.
    Raises ValueError for a c outside [-1, 1], or a q that is not positive and finite.
    """
    correlation = np.asarray(c, dtype=np.float64)
    require("c", c, np.all(np.abs(correlation) <= 1), "a correlation, from -1 to 1")
    require("q", q, 0 < q < np.inf, "positive and finite")
    halvings = min(max(ceil(log2(max(_CUT * sqrt(q), 1.0))), 3), 20)
    radius, by_radius, part, by_part = _polar_rule(halvings)
    z = sqrt(q) * radius[:, None]
    means = []
    for value in correlation.ravel():
        # The kinks cut the circle into arcs of lengths pi - angle, angle, pi - angle and angle. The
        # mirror that exchanges z_1 and z_2 maps one half of it to the other, so a half is enough.
        angle, quarter = acos(value), pi / 2
        wide, narrow = (pi - angle) * part, angle * part
        arcs = [wide - quarter + angle, narrow + quarter]
        theta = np.concatenate([*arcs, angle + quarter - narrow, angle + quarter + wide])
        by_wide, by_narrow = (pi - angle) * by_part, angle * by_part
        by_theta = np.concatenate([by_wide, by_narrow, by_narrow, by_wide]) / pi
        both = f(z * np.cos(theta)) * f(z * np.cos(theta - angle))
        means.append(by_radius @ both @ by_theta)
    return np.array(means, dtype=np.float64).reshape(correlation.shape)


@lru_cache(maxsize=64)
def _polar_rule(halvings: int) -> tuple[NDArray, ...]:
    """Return nodes and weights for the radius of two Gaussians, and for the first half of an arc.

    In polar coordinates z_1 and z_2 are the radius times two cosines, so the kinks at z_1 = 0 and
    z_2 = 0 lie at fixed angles: panels that halve towards these ends see each of them exactly.
    """
    edges = np.concatenate([[0.0], 2.0 ** np.arange(-halvings, 1)])
    x, w = np.polynomial.legendre.leggauss(10)
    half_width = np.diff(edges)[:, None] / 2
    at, by = (edges[:-1, None] + half_width * (1 + x)).ravel(), (half_width * w).ravel()
    by_radius = by * at * np.exp(-((_CUT * at) ** 2) / 2)
    return frozen((_CUT * at, by_radius / by_radius.sum(), at / 2, by / 2))


def c_fixed_point(phi: Function, dphi: Function, sigma_w: float, sigma_b: float) -> float:
    """Return the correlation c* that two different inputs tend to with depth.

    c* = c_map(c*), at q*: 1 in the ordered phase and on the critical line, below 1 in the chaotic

    Where q* is 0 or inf, the limit of small or large q.
    Raises ValueError for sigma_w <= 0 or sigma_b < 0.
    Source: Poole et al. 2016, section 3.
    """
    return _fixed_points(phi, dphi, sigma_w, sigma_b)[1]


def depth_scale(chi: ArrayLike) -> NDArray:
    """Return the number of layers over which the squared gradient changes by a factor e.

    xi = 1 / |ln chi|

    chi: any shape, and so the result. For chi < 1 this is xi_grad = -1 / ln chi, the depth of
    vanishing; for chi > 1, where -1 / ln chi is negative, the depth of exploding; inf at 1.
    Raises ValueError for a negative or nan chi.
    Source: Schoenholz et al. 2017, who write it xi_grad (up to sign where gradients explode).
    """
    factor = np.asarray(chi, dtype=np.float64)
    require("chi", chi, np.all(factor >= 0), "0 or positive")
    with np.errstate(divide="ignore"):
        return 1 / np.abs(np.log(factor))


def correlation_depth_scale(phi: Function, dphi: Function, sigma_w: float, sigma_b: float) -> float:
    """Return xi_c, the layers over which the distance of c to c* falls by a factor e.

    xi_c = -1 / ln(sigma_w^2 E phi'(z_1) phi'(z_2)), at q* and c*

    inf where the slope of the c map is 1. In the ordered phase it is `depth_scale(chi)`.
    Raises ValueError for sigma_w <= 0 or sigma_b < 0.
    Source: Schoenholz et al. 2017, eq. 9.
    """
    q, c = _fixed_points(phi, dphi, sigma_w, sigma_b)
    return float(depth_scale(min(_slope(c, q, phi, dphi, sigma_w, sigma_b), 1.0)))


def _fixed_points(
    phi: Function, dphi: Function, sigma_w: float, sigma_b: float
) -> tuple[float, float]:
    """Return q*, kept between 1e-12 and 1e12, and c* there."""
    q = min(max(theory.q_fixed_point(phi, sigma_w, sigma_b), 1e-12), 1e12)

    def rise(c: float) -> float:
        return float(c_map(c, q, phi, sigma_w, sigma_b)) - c

    if _slope(1.0, q, phi, dphi, sigma_w, sigma_b) <= 1 + 1e-9 or rise(1 - 1e-9) >= 0:
        return q, 1.0
    return q, 0.0 if rise(0.0) <= 1e-12 else float(brentq(rise, 0.0, 1 - 1e-9, xtol=1e-12))


def _slope(
    c: float, q: float, phi: Function, dphi: Function, sigma_w: float, sigma_b: float
) -> float:
    """Return the slope of the c map."""
    product = sigma_w**2 * pair_mean(dphi, c, q) if c < 1 else theory.chi(q, dphi, sigma_w)
    # At a fixed point the quotient is 1; where q runs away to 0 or inf it is what remains finite.
    return float(product * q / theory.q_map(q, phi, sigma_w, sigma_b))


@result
class CMap:
    """The c map, its staircase, and the correlation of two inputs in a real net, by layer."""

    grid: Array
    image: Array
    steps: Array
    measured: Array
    slope: float
    fixed_point: float
    settled: bool

    @property
    def verdict(self) -> str:
        """One sentence: the fate of two inputs, and the slope at c = 1, which is chi."""
        if not self.settled:
            phase = "no q* but 0 or ∞: this is the map of a variance far out; its slope is not χ"
        elif abs(self.slope - 1) < 0.005:
            phase = "critical: the map touches the diagonal"
        elif self.slope < 1:
            phase = "ordered: different inputs become alike"
        else:
            phase = f"chaotic: near-equal inputs part until c = {self.fixed_point:.3g}"
        return (
            f"{phase}; the slope of the c map at c = 1 is {self.slope:.4g}; after "
            f"{len(self.steps)} layers the map says c = {self.steps[-1]:.3f} and the real network "
            f"has {self.measured[-1]:.3f}."
        )


def c_map_steps(
    activation: str, sigma_w: float, sigma_b: float, c_start: float = 0.9, seed: int = 0
) -> CMap:
    """Iterate the c map from c_start, beside two inputs, both at q*, of 15 layers of 500 units."""
    phi = ACTIVATIONS[activation]
    fixed = theory.q_fixed_point(phi.phi, sigma_w, sigma_b)
    q = min(max(fixed, SMALL_Q), LARGE_Q)
    grid = np.linspace(0.0, 1.0, 41)
    steps = [c_start]
    for _ in range(14):
        steps.append(float(np.clip(c_map(steps[-1], q, phi.phi, sigma_w, sigma_b), -1, 1)))
    one, other = normal_inputs(2, 500, seed=seed)
    # Exactly uncorrelated and of equal size, so that layer 1 has the correlation asked for.
    other = other - one * (one @ other) / (one @ one)
    other = other * one.norm() / other.norm()
    pair = torch.stack([one, c_start * one + sqrt(1 - c_start**2) * other])
    pair = pair * (sqrt(q * 500) / float(one.norm()))
    zs = wide_layers(pair, phi, sigma_w, sigma_b, 15, seed)
    image = c_map(grid, q, phi.phi, sigma_w, sigma_b)
    measured = np.array([float(cosine_similarity(z[0], z[1], dim=0)) for z in zs])
    slope = _slope(1.0, q, phi.phi, phi.dphi, sigma_w, sigma_b)
    end = c_fixed_point(phi.phi, phi.dphi, sigma_w, sigma_b)
    return CMap(grid, image, np.array(steps), measured, slope, end, SMALL_Q < fixed < LARGE_Q)
