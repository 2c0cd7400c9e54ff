"""Mean-field theory of signal and gradient propagation.

Setting of the maps: a fully connected network, wide, with weights N(0, sigma_w^2 / fan_in) and
biases N(0, sigma_b^2). Its pre-activations are then Gaussian; `q` is their variance in a layer and
`chi` the factor by which a layer multiplies the expected squared gradient. `phi` is an activation
and `dphi` its derivative, both elementwise on numpy arrays.

Sources: Poole et al. 2016, "Exponential expressivity in deep neural networks through transient
chaos"; Schoenholz et al. 2017, "Deep information propagation"; Pennington, Schoenholz & Ganguli
2017, "Resurrecting the sigmoid in deep learning through dynamical isometry".
"""

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq

from vglib.checks import require
from vglib.results import frozen

Function = Callable[[NDArray], NDArray]

# P(|u| > 10) is 1.5e-23: beyond it nothing of float64's precision is left.
_CUT = 10.0


def gaussian_mean(f: Function, q: ArrayLike, nodes: int = 16) -> NDArray:
    """Return the expectation of a function of a centred Gaussian with variance q.

    E f(sqrt(q) u), u ~ N(0, 1)

    q: any shape; the result has the same shape. q = 0 gives f(0), q = inf the limit (taken at the
    largest float). f maps an array elementwise; it may have a kink or a jump at 0, and only there,
    and features of order 1 in its argument. `nodes` is the number of Gauss-Legendre nodes a panel.
    Relative error about 1e-14 for smooth f and q up to 1e12.
    Raises ValueError for a negative or nan q and for nodes < 1.
    """
    variance = _checked_variance(q)
    require("nodes", nodes, nodes >= 1, "at least 1")
    # Gauss-Hermite samples u at distances of about 1, so at large q it misses a bump such as
    # sigmoid'(sqrt(q) u), whose width in u is 1 / sqrt(q), and it never sees a kink exactly. Panels
    # that halve towards 0 until they are narrower than 1 in z = sqrt(q) u resolve the Gaussian,
    # the bump and everything between them, and end at the kink.
    finite = np.minimum(variance, np.finfo(np.float64).max)
    widest = math.sqrt(finite.max(initial=0.0))
    halvings = math.ceil(math.log2(max(_CUT * widest, 1.0)))
    u, weights = _gaussian_rule(nodes, min(max(halvings, 3), 40))
    with np.errstate(over="ignore", under="ignore"):
        return f(np.sqrt(finite)[..., None] * u) @ weights


@lru_cache(maxsize=64)
def _gaussian_rule(nodes: int, halvings: int) -> tuple[NDArray, NDArray]:
    """Return nodes and weights on [-10, 10] in panels that halve towards 0, for the N(0, 1) mean.

    Both (2 * nodes * (halvings + 1),), read-only.
    """
    x, w = np.polynomial.legendre.leggauss(nodes)
    edges = np.concatenate([[0.0], _CUT * 2.0 ** np.arange(-halvings, 1)])
    half_width = np.diff(edges)[:, None] / 2
    u = (edges[:-1, None] + half_width * (1 + x)).ravel()
    weights = (half_width * w).ravel() * np.exp(-(u**2) / 2)
    # Both halves sum to exactly 1/2 up to rounding, so constants and steps at 0 come out right.
    weights *= 0.5 / weights.sum()
    return frozen((np.concatenate([-u[::-1], u]), np.concatenate([weights[::-1], weights])))


def q_map(q: ArrayLike, phi: Function, sigma_w: float, sigma_b: float) -> NDArray:
    """Return the pre-activation variance of a layer from that of the layer before it.

    q_(l+1) = sigma_w^2 E phi(sqrt(q_l) u)^2 + sigma_b^2

    q: any shape, and so the result; inf where it overflows.
    Raises ValueError for a negative or nan q, sigma_w <= 0 or sigma_b < 0.
    Source: Poole et al. 2016, eq. 3.
    """
    _check_scales(sigma_w, sigma_b)
    with np.errstate(over="ignore"):
        return sigma_w**2 * gaussian_mean(lambda z: phi(z) ** 2, q) + sigma_b**2


def q_trajectory(
    q_first: float, phi: Function, sigma_w: float, sigma_b: float, depth: int
) -> NDArray:
    """Return the pre-activation variances of layers 1 to depth.

    q_1 = q_first, q_(l+1) = q_map(q_l)

    Result: (depth,); inf from the layer at which it overflows.
    Raises ValueError for a negative or nan q_first, sigma_w <= 0, sigma_b < 0 or depth < 1.
    """
    _check_scales(sigma_w, sigma_b)
    require("depth", depth, depth >= 1, "at least 1")
    q = _checked_variance(q_first)
    require("q_first", q_first, not q.ndim, "one number")
    trajectory = np.full(depth, q)
    for layer in range(1, depth):
        trajectory[layer:] = q_map(trajectory[layer - 1], phi, sigma_w, sigma_b)
        # Once a layer repeats its predecessor all later ones do, and that is most of a deep net.
        if trajectory[layer] == trajectory[layer - 1]:
            break
    return trajectory


def q_fixed_point(phi: Function, sigma_w: float, sigma_b: float, start: float = 1.0) -> float:
    """Return the pre-activation variance q* that the q map settles at, going from `start`.

    q* = sigma_w^2 E phi(sqrt(q*) u)^2 + sigma_b^2

    It is the first fixed point above `start` if the map rises there, below it if it falls. A q*
    below 1e-12 is returned as 0 where 0 is a fixed point, one above 1e12 as inf (the variance
    diverges). Where every q is a fixed point (identity, or ReLU at sigma_w = sqrt(2), both with
    sigma_b = 0) the result is `start`.
    Assumes that the map increases with q, as it does for every common activation.
    Raises ValueError for sigma_w <= 0, sigma_b < 0 or a start that is not positive and finite.
    """
    _check_scales(sigma_w, sigma_b)
    require("start", start, 0 < start < np.inf, "positive and finite")

    def rise(q: float) -> float:
        return float(q_map(q, phi, sigma_w, sigma_b)) - q

    first = rise(start)
    # 1e-14 is the quadrature's own error: a smaller rise has no meaning.
    if abs(first) <= 1e-14 * start:
        return float(start)
    factor = 2.0 if first > 0 else 0.5
    near, far = start, start * factor
    while rise(far) * first > 0:
        near, far = far, far * factor
        if far > 1e12:
            return np.inf
        if far < 1e-12 and rise(0.0) <= 1e-14 * far:
            return 0.0
    low, high = sorted((near, far))
    return float(brentq(rise, low, high, xtol=1e-300, rtol=1e-15))


def chi(q: ArrayLike, dphi: Function, sigma_w: float) -> NDArray:
    """Return the factor by which a layer multiplies the expected squared gradient.

    chi = sigma_w^2 E dphi(sqrt(q) u)^2

    q: any shape, and so the result; q = 0 and q = inf give the limits, so ReLU has sigma_w^2 / 2.
    Raises ValueError for a negative or nan q or sigma_w <= 0.
    Source: Schoenholz et al. 2017, who define chi_1 at q = q*.
    """
    _check_scales(sigma_w, 0.0)
    # At q = 0 itself every sample would sit on the jump of ReLU's derivative.
    variance = np.maximum(_checked_variance(q), 1e-300)
    return sigma_w**2 * gaussian_mean(lambda z: dphi(z) ** 2, variance)


def chi_at_fixed_point(phi: Function, dphi: Function, sigma_w: float, sigma_b: float) -> float:
    """Return chi at q*: below 1 gradients vanish with depth, above 1 they explode.

    chi_1 = sigma_w^2 E dphi(sqrt(q*) u)^2

    Where q* is 0 or inf, the limit of chi for small or large q.
    Raises ValueError for sigma_w <= 0 or sigma_b < 0.
    """
    return float(chi(q_fixed_point(phi, sigma_w, sigma_b), dphi, sigma_w))


def critical_sigma_w(phi: Function, dphi: Function, sigma_b: float) -> float:
    """Return the weight scale at which gradients neither vanish nor explode.

    chi(q*(sigma_w, sigma_b)) = 1

    The crossing found is the one nearest to sigma_w = 1, between 0.001 and 1000.
    Raises ValueError for sigma_b < 0 and where chi does not pass through 1.
    """
    _check_scales(1.0, sigma_b)

    def excess(sigma_w: float) -> float:
        return chi_at_fixed_point(phi, dphi, sigma_w, sigma_b) - 1

    no_root = (
        f"No critical sigma_w was found for sigma_b = {sigma_b}: chi at the fixed point does not "
        "pass through 1 between sigma_w = 0.001 and 1000."
    )
    first = excess(1.0)
    factor = 2.0 if first < 0 else 0.5
    near, far = 1.0, factor
    while excess(far) * first > 0:
        near, far = far, far * factor
        if not 1e-3 <= far <= 1e3:
            raise ValueError(no_root)
    low, high = sorted((near, far))
    root = float(brentq(excess, low, high, xtol=1e-14, rtol=1e-14))
    # At a jump (q* may run away to infinity) brentq returns the jump, which is no root.
    if abs(excess(root)) > 1e-6:
        raise ValueError(no_root)
    return root


def gradient_log_ratios(
    q_first: float, phi: Function, dphi: Function, sigma_w: float, sigma_b: float, depth: int
) -> NDArray:
    """Return the predicted ln(||delta_l|| / ||delta_depth||) of layers l = 1 to depth.

    E ||delta_l||^2 = chi(q_l) E ||delta_(l+1)||^2, in layers of equal width

    delta is the gradient by pre-activation, the norm Euclidean. Each layer's own q_l is used, so
    the layers before the fixed point count as well. Result: (depth,), natural logs, the last 0; a
    log does not underflow at any depth. -inf where a layer's chi is 0 in float64.
    Raises ValueError for a negative or nan q_first, sigma_w <= 0, sigma_b < 0 or depth < 1.
    Source: Schoenholz et al. 2017, who use chi at the fixed point.
    """
    q = q_trajectory(q_first, phi, sigma_w, sigma_b, depth)
    # Most layers of a deep net share one q: the integral is worth doing once.
    distinct, layer = np.unique(q[:-1], return_inverse=True)
    with np.errstate(divide="ignore"):
        steps = 0.5 * np.log(chi(distinct, dphi, sigma_w))[layer]
    return np.append(np.cumsum(steps[::-1])[::-1], 0.0)


def _checked_variance(q: ArrayLike) -> NDArray:
    variance = np.asarray(q, dtype=np.float64)
    require("q", q, np.all(variance >= 0), "0 or positive, as a variance is")
    return variance


def _check_scales(sigma_w: float, sigma_b: float) -> None:
    require("sigma_w", sigma_w, 0 < sigma_w < np.inf, "positive and finite")
    require("sigma_b", sigma_b, 0 <= sigma_b < np.inf, "0 or positive, and finite")
