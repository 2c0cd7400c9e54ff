"""Mean-field theory of two images at a time, for a sigmoid net with biases N(0, 1)."""

from functools import lru_cache
from math import log

import numpy as np
from scipy.special import expit

from vglib import theory
from vglib.activations import get_activation
from vglib.probe import Array
from vglib.results import frozen

SIGMOID = get_activation("sigmoid")


# Of one depth and scale for all seeds and widths.
@lru_cache(maxsize=64)
def two_way_theory(
    q_first: float, v_first: float, sigma_w: float, depth: int
) -> tuple[Array, Array]:
    """Return what becomes of the difference of two images forward, and of the gradient backward.

    q_l is a pre-activation's variance over units and data, v_l its variance over the data alone.
    Two images then give z, z' = m + d, m - d with m ~ N(0, q_l - v_l / 2), d ~ N(0, v_l / 2), and

        spread_l^2 = E (s(z) - s(z'))^2 / 2,   v_(l+1) = sigma_w^2 spread_l^2,
        ||dL/db_l||^2 = sigma_w^2 E s'(z) s'(z') ||dL/db_(l+1)||^2.

    Returns ln spread_l and ln of the factor of ||dL/db_l||, both (depth,). Where v is small both
    squares change by chi = sigma_w^2 E s'(z)^2 a layer. Source: the covariance maps of Poole et al.
    2016 and Schoenholz et al. 2017, written for the difference of two inputs.
    """
    q = theory.q_trajectory(q_first, SIGMOID.phi, sigma_w, 1.0, depth)
    log_spread, log_factors, v = np.empty(depth), np.empty(depth), v_first
    for layer in range(depth):
        spread, product = _over_pairs(q[layer], v)
        log_spread[layer], log_factors[layer] = 0.5 * log(spread), log(sigma_w) + 0.5 * log(product)
        v = sigma_w**2 * spread
    return frozen((log_spread, log_factors))


def _over_pairs(q: float, v: float) -> Array:
    """Return E (s(z) - s(z'))^2 / 2 and E s'(z) s'(z'), (2,)."""

    def of_both(m: Array, d: Array) -> Array:
        # s(m + d) - s(m - d) without cancellation, so that a spread of 1e-30 comes out right.
        size = np.abs(d)
        upper, lower = expit(m + size), expit(size - m)
        half_square = 0.5 * (upper * lower * -np.expm1(-2 * size)) ** 2
        return np.stack([half_square, upper * (1 - upper) * lower * (1 - lower)])

    def over_differences(m: Array) -> Array:
        return theory.gaussian_mean(lambda d: of_both(m[:, None], d), v / 2)

    return theory.gaussian_mean(over_differences, max(q - v / 2, 0.0))
