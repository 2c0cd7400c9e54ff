"""Mean-field theory of signal and gradient propagation, and small exact results.

Setting of the maps: a fully connected network, wide, with weights N(0, sigma_w^2 / fan_in) and
biases N(0, sigma_b^2). Its pre-activations are then Gaussian; `q` is their variance in a layer and
`chi` the factor by which a layer multiplies the expected squared gradient. `phi` is an activation
and `dphi` its derivative, both elementwise on numpy arrays.

Sources: Poole et al. 2016, "Exponential expressivity in deep neural networks through transient
chaos"; Schoenholz et al. 2017, "Deep information propagation"; Pennington, Schoenholz & Ganguli
2017, "Resurrecting the sigmoid in deep learning through dynamical isometry"; Nielsen 2015, "Neural
networks and deep learning", chapter 5.
"""

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray
from scipy.optimize import brentq, minimize_scalar
from scipy.special import erf, expit

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
    if not nodes >= 1:
        raise ValueError(f"nodes is {nodes}, but must be at least 1.")
    return _mean(f, variance, nodes)


def _mean(f: Function, q: NDArray, nodes: int = 16) -> NDArray:
    # Gauss-Hermite samples u at distances of about 1, so at large q it misses a bump such as
    # sigmoid'(sqrt(q) u), whose width in u is 1 / sqrt(q), and it never sees a kink exactly. Panels
    # that halve towards 0 until they are narrower than 1 in z = sqrt(q) u resolve the Gaussian,
    # the bump and everything between them, and end at the kink.
    finite = np.minimum(q, np.finfo(np.float64).max)
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
    rule = np.concatenate([-u[::-1], u]), np.concatenate([weights[::-1], weights])
    for array in rule:
        array.flags.writeable = False
    return rule


def q_map(q: ArrayLike, phi: Function, sigma_w: float, sigma_b: float) -> NDArray:
    """Return the pre-activation variance of a layer from that of the layer before it.

    q_(l+1) = sigma_w^2 E phi(sqrt(q_l) u)^2 + sigma_b^2

    q: any shape, and so the result; inf where it overflows.
    Raises ValueError for a negative or nan q, sigma_w <= 0 or sigma_b < 0.
    Source: Poole et al. 2016, eq. 3.
    """
    _check_scales(sigma_w, sigma_b)
    return _q_map(_checked_variance(q), phi, sigma_w, sigma_b)


def _q_map(q: NDArray, phi: Function, sigma_w: float, sigma_b: float) -> NDArray:
    with np.errstate(over="ignore"):
        return sigma_w**2 * _mean(lambda z: phi(z) ** 2, q) + sigma_b**2


def q_trajectory(
    q_first: float, phi: Function, sigma_w: float, sigma_b: float, depth: int
) -> NDArray:
    """Return the pre-activation variances of layers 1 to depth.

    q_1 = q_first, q_(l+1) = q_map(q_l)

    Result: (depth,); inf from the layer at which it overflows.
    Raises ValueError for a negative or nan q_first, sigma_w <= 0, sigma_b < 0 or depth < 1.
    """
    _check_scales(sigma_w, sigma_b)
    _check_depth(depth)
    q = _checked_variance(q_first)
    if q.ndim:
        raise ValueError("q_first is an array, but must be one number.")
    trajectory = np.empty(depth)
    trajectory[0] = q
    for layer in range(1, depth):
        q = np.asarray(_q_map(q, phi, sigma_w, sigma_b))
        trajectory[layer] = q
        # Once a layer repeats its predecessor all later ones do, and that is most of a deep net.
        if q == trajectory[layer - 1]:
            trajectory[layer:] = q
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
    if not 0 < start < np.inf:
        raise ValueError(f"start is {start}, but must be positive and finite.")

    def rise(q: float) -> float:
        return float(_q_map(np.asarray(q), phi, sigma_w, sigma_b)) - q

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
    return sigma_w**2 * _mean(lambda z: dphi(z) ** 2, variance)


def chi_at_fixed_point(phi: Function, dphi: Function, sigma_w: float, sigma_b: float) -> float:
    """Return chi at q*: below 1 gradients vanish with depth, above 1 they explode.

    chi_1 = sigma_w^2 E dphi(sqrt(q*) u)^2

    Where q* is 0 or inf, the limit of chi for small or large q.
    Raises ValueError for sigma_w <= 0 or sigma_b < 0.
    """
    return float(chi(q_fixed_point(phi, sigma_w, sigma_b), dphi, sigma_w))


def depth_scale(chi: ArrayLike) -> NDArray:
    """Return the number of layers over which the squared gradient changes by a factor e.

    xi = 1 / |ln chi|

    chi: any shape, and so the result. For chi < 1 this is xi_grad = -1 / ln chi, the depth of
    vanishing; for chi > 1, where -1 / ln chi is negative, the depth of exploding; inf at 1.
    Raises ValueError for a negative or nan chi.
    Source: Schoenholz et al. 2017, who write it xi_grad (up to sign where gradients explode).
    """
    factor = np.asarray(chi, dtype=np.float64)
    if not np.all(factor >= 0):
        raise ValueError("chi contains a negative number or nan, but must be 0 or positive.")
    with np.errstate(divide="ignore"):
        return 1 / np.abs(np.log(factor))


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


def critical_line(phi: Function, dphi: Function, sigma_bs: ArrayLike) -> NDArray:
    """Return the critical weight scale for each bias scale: the edge of chaos.

    sigma_bs: any shape, and so the result.
    Raises ValueError as `critical_sigma_w` does.
    """
    sigma_b = np.asarray(sigma_bs, dtype=np.float64)
    line = [critical_sigma_w(phi, dphi, float(value)) for value in sigma_b.ravel()]
    return np.array(line, dtype=np.float64).reshape(sigma_b.shape)


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


def last_to_first_ratio(chi: float, hidden_layers: int) -> float:
    """Return the ratio of the last hidden layer's gradient norm to the first one's.

    ||delta_k|| / ||delta_1|| = chi^(-(k-1)/2), k hidden layers of equal width

    Nielsen's network (sigmoid, sigma_w = sigma_b = 1): chi = 0.04196, hence 4.88, 23.8 and 116 for
    k = 2, 3, 4. inf where the ratio overflows.
    Raises ValueError for chi that is not positive and finite, or hidden_layers < 1.
    """
    if not 0 < chi < np.inf:
        raise ValueError(f"chi is {chi}, but must be positive and finite.")
    _check_depth(hidden_layers)
    with np.errstate(over="ignore", under="ignore"):
        return float(np.exp(-0.5 * (hidden_layers - 1) * np.log(chi)))


def unscaled_chi(width: float, phi: Function, dphi: Function) -> float:
    """Return chi of a network whose weights and biases are all N(0, 1), not scaled by fan-in.

    chi at the fixed point of sigma_w^2 = width, sigma_b = 1

    Raises ValueError for a width that is not positive and finite.
    """
    if not 0 < width < np.inf:
        raise ValueError(f"width is {width}, but must be positive and finite.")
    return chi_at_fixed_point(phi, dphi, float(np.sqrt(width)), 1.0)


def critical_width(phi: Function, dphi: Function) -> float:
    """Return the width at which N(0, 1) weights and biases pass from vanishing to exploding.

    unscaled_chi(width) = 1: the square of the critical sigma_w at sigma_b = 1. Sigmoid: 105.4.

    Raises ValueError where there is none.
    """
    return critical_sigma_w(phi, dphi, 1.0) ** 2


def c_map(c: ArrayLike, q: float, phi: Function, sigma_w: float, sigma_b: float) -> NDArray:
    """Return the correlation of two inputs' pre-activations from that of the layer before.

    c_(l+1) = (sigma_w^2 E phi(z_1) phi(z_2) + sigma_b^2) / q_map(q), z_1 and z_2 of variance q and
    correlation c

    Its slope at c = 1 is chi where q is the fixed point. c: any shape, and so the result.
    Raises ValueError for a c outside [-1, 1], a q that is not positive and finite, sigma_w <= 0 or
    sigma_b < 0.
    Source: Poole et al. 2016, eq. 5.
    """
    _check_scales(sigma_w, sigma_b)
    together = sigma_w**2 * pair_mean(phi, c, q) + sigma_b**2
    return together / _q_map(np.asarray(q, dtype=np.float64), phi, sigma_w, sigma_b)


def pair_mean(f: Function, c: ArrayLike, q: float, nodes: int = 10) -> NDArray:
    """Return E f(z_1) f(z_2) of two centred Gaussians with variance q and correlation c.

    c: any shape, and so the result. f as for `gaussian_mean`. Relative error about 1e-10.
    Raises ValueError for a c outside [-1, 1], a q that is not positive and finite, or nodes < 1.
    """
    correlation = np.asarray(c, dtype=np.float64)
    if not np.all(np.abs(correlation) <= 1):
        raise ValueError("c contains a number outside [-1, 1] or nan, but must be a correlation.")
    if not 0 < q < np.inf:
        raise ValueError(f"q is {q}, but must be positive and finite.")
    if not nodes >= 1:
        raise ValueError(f"nodes is {nodes}, but must be at least 1.")
    # In polar coordinates z_1 and z_2 are the radius times two cosines, so the kinks at z_1 = 0 and
    # z_2 = 0 lie at fixed angles: panels that halve towards these ends see each of them exactly.
    halvings = min(max(math.ceil(math.log2(max(_CUT * math.sqrt(q), 1.0))), 3), 20)
    x, w = np.polynomial.legendre.leggauss(nodes)
    steps = 2.0 ** np.arange(-halvings, 1)
    radius, by_radius = _panel_rule(x, w, _CUT * np.concatenate([[0.0], steps]))
    by_radius *= radius * np.exp(-(radius**2) / 2)
    by_radius /= by_radius.sum()
    half = np.concatenate([[0.0], steps / 2])
    part, by_part = _panel_rule(x, w, np.concatenate([half, 1 - half[-2::-1]]))
    means = []
    for value in correlation.ravel():
        angle = math.acos(value)
        ends = np.array([angle - np.pi / 2, np.pi / 2, angle + np.pi / 2, 3 * np.pi / 2])
        lengths = np.array([np.pi - angle, angle, np.pi - angle, angle])
        theta = (ends[:, None] + lengths[:, None] * part).ravel()
        by_theta = (lengths[:, None] * by_part).ravel() / (2 * np.pi)
        z = math.sqrt(q) * radius[:, None]
        both = f(z * np.cos(theta)) * f(z * np.cos(theta - angle))
        means.append(by_radius @ both @ by_theta)
    return np.array(means, dtype=np.float64).reshape(correlation.shape)


def _panel_rule(x: NDArray, w: NDArray, edges: NDArray) -> tuple[NDArray, NDArray]:
    """Return the nodes and weights of a Gauss rule in each of the panels between the edges."""
    half_width = np.diff(edges)[:, None] / 2
    return (edges[:-1, None] + half_width * (1 + x)).ravel(), (half_width * w).ravel()


def c_fixed_point(phi: Function, dphi: Function, sigma_w: float, sigma_b: float) -> float:
    """Return the correlation c* that two different inputs tend to with depth.

    c* = c_map(c*), at q*: 1 in the ordered phase and on the critical line, below 1 in the chaotic

    Where q* is 0 or inf, the limit of small or large q.
    Raises ValueError for sigma_w <= 0 or sigma_b < 0.
    Source: Poole et al. 2016, section 3.
    """
    q = min(max(q_fixed_point(phi, sigma_w, sigma_b), 1e-12), 1e12)

    def rise(c: float) -> float:
        return float(c_map(c, q, phi, sigma_w, sigma_b)) - c

    if _c_slope(1.0, q, phi, dphi, sigma_w, sigma_b) <= 1 + 1e-9 or rise(1 - 1e-9) >= 0:
        return 1.0
    return 0.0 if rise(0.0) <= 1e-12 else float(brentq(rise, 0.0, 1 - 1e-9, xtol=1e-12))


def correlation_depth_scale(phi: Function, dphi: Function, sigma_w: float, sigma_b: float) -> float:
    """Return xi_c, the layers over which the distance of c to c* falls by a factor e.

    xi_c = -1 / ln(sigma_w^2 E phi'(z_1) phi'(z_2)), at q* and c*

    inf where the slope of the c map is 1. In the ordered phase it is `depth_scale(chi)`.
    Raises ValueError for sigma_w <= 0 or sigma_b < 0.
    Source: Schoenholz et al. 2017, eq. 9.
    """
    q = min(max(q_fixed_point(phi, sigma_w, sigma_b), 1e-12), 1e12)
    c = c_fixed_point(phi, dphi, sigma_w, sigma_b)
    return float(depth_scale(min(_c_slope(c, q, phi, dphi, sigma_w, sigma_b), 1.0)))


def _c_slope(
    c: float, q: float, phi: Function, dphi: Function, sigma_w: float, sigma_b: float
) -> float:
    variance = np.asarray(q, dtype=np.float64)
    mean = _mean(lambda z: dphi(z) ** 2, variance) if c == 1 else pair_mean(dphi, c, q)
    # At a fixed point the quotient is 1; where q runs away to 0 or inf it is what remains finite.
    return float(sigma_w**2 * mean * variance / _q_map(variance, phi, sigma_w, sigma_b))


def jacobian_spread(depth: int, dphi: Function, q: float, orthogonal: bool = False) -> float:
    """Return Var(s^2) / mean(s^2)^2 of the singular values s of a deep net's Jacobian.

    L (mu_2 / mu_1^2 - 1 - s_1), mu_k = E phi'(sqrt(q) u)^(2k), s_1 = -1 for Gaussian weights and 0
    for orthogonal ones

    Wide layers of one width, all at variance q. Linear: L Gaussian, 0 orthogonal; ReLU: 2L and L.
    Raises ValueError for depth < 1 or a q that is negative or nan.
    Source: Pennington, Schoenholz & Ganguli 2017, eq. 21.
    """
    _check_depth(depth)
    variance = np.maximum(_checked_variance(q), 1e-300)
    return depth * (_square_ratio(dphi, variance) - 1 + (0 if orthogonal else 1))


def gaussian_product_edge(depth: int) -> float:
    """Return the largest singular value of a product of wide square N(0, 1/n) matrices.

    sqrt((L + 1)^(L + 1) / L^L): 2 for one matrix, about sqrt(e L) for many. Needs n >> L.

    Raises ValueError for depth < 1.
    Source: Pennington, Schoenholz & Ganguli 2017, section 2.
    """
    _check_depth(depth)
    return float(np.exp(0.5 * ((depth + 1) * np.log(depth + 1) - depth * np.log(depth))))


def gaussian_product_log_quantile(share: ArrayLike, depth: int) -> NDArray:
    """Return ln s below which a share of the singular values of a deep Gaussian product lies.

    (L / 2) ln p, for a product of L square N(0, 1/n) matrices, L large: the median is 2^(-L/2)

    share: any shape, and so the result.
    Raises ValueError for a share outside (0, 1] or depth < 1.
    Source: Newman 1986.
    """
    _check_depth(depth)
    p = np.asarray(share, dtype=np.float64)
    if not np.all((p > 0) & (p <= 1)):
        raise ValueError("share contains a number that is no share; it must lie in (0, 1].")
    return 0.5 * depth * np.log(p)


def log_norm_variance(phi: Function, depth: int, width: int) -> float:
    """Return the variance of ln ||h_depth||^2 over fresh Gaussian weights at finite width.

    (L / n) (E phi(u)^4 / (E phi(u)^2)^2 - 1): 5 L/n for ReLU, 2 L/n for a linear net

    To first order in L/n, for a phi with phi(c z) = c phi(z), c > 0, and no biases.
    Raises ValueError for depth < 1 or width < 1.
    Source: Hanin & Nica 2020, theorem 1.
    """
    _check_depth(depth)
    if not width >= 1:
        raise ValueError(f"width is {width}, but must be at least 1.")
    return depth / width * (_square_ratio(phi, np.ones(())) - 1)


def _square_ratio(f: Function, q: NDArray) -> float:
    """Return E f^4 / (E f^2)^2 under a centred Gaussian of variance q."""
    return float(_mean(lambda z: f(z) ** 4, q) / _mean(lambda z: f(z) ** 2, q) ** 2)


def nielsen_window(w: ArrayLike) -> NDArray:
    """Return the width of the interval of inputs a on which |w sigmoid'(w a + b)| >= 1.

    (2 / |w|) ln(|w| (1 + sqrt(1 - 4/|w|)) / 2 - 1); 0 for |w| <= 4; the bias only shifts it

    w: any shape, and so the result.
    Raises ValueError for a w that is not finite.
    Source: Nielsen 2015, chapter 5, problem on the unstable gradient.
    """
    size = np.abs(np.asarray(w, dtype=np.float64))
    if not np.all(np.isfinite(size)):
        raise ValueError("w contains inf or nan, but must be finite.")
    # max(|w|, 4) turns the formula into 2/4 ln(1) = 0 where there is no interval.
    size = np.maximum(size, 4.0)
    return 2 / size * np.log(size * (1 + np.sqrt(1 - 4 / size)) / 2 - 1)


def widest_nielsen_window() -> tuple[float, float]:
    """Return the |w| with the widest window of `nielsen_window`, and that width: 6.894, 0.4477."""
    best = minimize_scalar(
        lambda w: -float(nielsen_window(w)),
        bounds=(4, 40),
        method="bounded",
        options={"xatol": 1e-9},
    )
    return float(best.x), -float(best.fun)


def probability_weight_below_one() -> float:
    """Return P(|w| < 1) for w ~ N(0, 1): erf(1 / sqrt(2)) = 0.6827."""
    return float(erf(1 / np.sqrt(2)))


def expected_factor(incoming: ArrayLike = 0.0) -> NDArray:
    """Return the mean size of the chain rule's factor in a chain of one sigmoid neuron a layer.

    E |w sigmoid'(w a + b)|, w and b ~ N(0, 1) independent, a = incoming

    incoming: any shape, and so the result. At a = 0 the derivative does not contain w, so the mean
    is E|w| E sigmoid'(b) = 0.7979 x 0.2066 = 0.1649, the value for independent factors. In a chain
    a is the neuron's output before: `gaussian_mean(lambda u: expected_factor(expit(u)), 1.0)` is
    0.1521 for a = sigmoid(u), u ~ N(0, 1).
    Raises ValueError for an incoming that is not finite.
    """
    a = np.asarray(incoming, dtype=np.float64)[..., None]
    if not np.all(np.isfinite(a)):
        raise ValueError("incoming contains inf or nan, but must be finite.")
    # w given z = w a + b is Gaussian, and E|w| of a Gaussian is known: one integral is left.
    spread = np.sqrt(1 + a**2)

    def factor(u: NDArray) -> NDArray:
        z = spread * u
        mean, std = a * z / spread**2, 1 / spread
        size = std * np.sqrt(2 / np.pi) * np.exp(-0.5 * (mean / std) ** 2)
        size = size + mean * erf(mean / (std * np.sqrt(2)))
        return size * expit(z) * expit(-z)

    return gaussian_mean(factor, 1.0)


def underflow_depth(factor: float, dtype: DTypeLike) -> int:
    """Return the smallest n for which factor^n, multiplied up in a float type, is exactly 0.

    dtype: a numpy float type. Sigmoid's largest derivative, 0.25: n = 13 in float16, 75 in float32
    and 538 in float64.
    Raises ValueError for a factor outside (0, 0.5] (a larger one sticks at the smallest number
    above 0, which rounding restores) and for a dtype that is no float type.
    """
    if not 0 < factor <= 0.5:
        raise ValueError(f"factor is {factor}, but must lie above 0 and not above 0.5.")
    if not np.issubdtype(dtype, np.floating):
        raise ValueError(f"dtype is {dtype}, but must be a float type such as numpy.float32.")
    step, product, n = np.asarray(factor, dtype), np.ones((), dtype), 0
    with np.errstate(under="ignore"):
        while product != 0:
            product = product * step
            n += 1
    return n


def _checked_variance(q: ArrayLike) -> NDArray:
    variance = np.asarray(q, dtype=np.float64)
    if not np.all(variance >= 0):
        raise ValueError("q contains a negative number or nan, but a variance is 0 or positive.")
    return variance


def _check_scales(sigma_w: float, sigma_b: float) -> None:
    if not 0 < sigma_w < np.inf:
        raise ValueError(f"sigma_w is {sigma_w}, but must be positive and finite.")
    if not 0 <= sigma_b < np.inf:
        raise ValueError(f"sigma_b is {sigma_b}, but must be 0 or positive, and finite.")


def _check_depth(depth: int) -> None:
    if not depth >= 1:
        raise ValueError(f"The number of layers is {depth}, but must be at least 1.")
