"""Mean-field theory of a block: what it does to the signal, and to the gradient's length."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import exp, inf, log, pi, sqrt

import numpy as np

from vglib import theory
from vglib.activations import get_activation
from vglib.residuals.blocks import mixture
from vglib.residuals.stack import Array, Stack
from vglib.scaled import Scaled, norm


@dataclass(frozen=True)
class Moments:
    """E phi, E phi^2 and E phi'^2 at z ~ N(0, q), as functions of ln q, over sqrt(q), q and 1."""

    mean: Callable[[float], float]
    second: Callable[[float], float]
    slope: Callable[[float], float]


@lru_cache(maxsize=8)
def moments(activation: str) -> Moments:
    """Return the moments, tabulated for tanh and sigmoid, where a thousand layers ask for them."""
    if activation == "relu":
        return Moments(lambda t: 1 / sqrt(2 * pi), lambda t: 0.5, lambda t: 0.5)
    if activation == "identity":
        return Moments(lambda t: 0.0, lambda t: 1.0, lambda t: 1.0)
    phi = get_activation(activation)
    grid = np.linspace(-30, 30, 1201)
    q = np.exp(grid)
    second = np.log(theory.gaussian_mean(lambda z: phi.phi(z) ** 2, q)) - grid
    slope = np.log(theory.gaussian_mean(lambda z: phi.dphi(z) ** 2, q))
    # Below the table phi' is phi'(0); above it phi is 1 and E phi'^2 falls like 1/sqrt(q).
    low = 0.0 if activation == "tanh" else -1.0

    def look(table: Array, below: float, above: float) -> Callable[[float], float]:
        def value(t: float) -> float:
            beyond = (below if t < 0 else above) * (t - min(max(t, -30.0), 30.0))
            return exp(min(float(np.interp(t, grid, table)) + beyond, 700.0))

        return value

    mean = (lambda t: 0.0) if activation == "tanh" else (lambda t: 0.5 * exp(min(-t / 2, 300.0)))
    return Moments(mean, look(second, low, -1.0), look(slope, 0.0, -0.5))


def block_theory(
    kind: str, depth: int, alpha: float, sigma_w: float, activation: str, ln_q: float, ln_v: float
) -> tuple[Array, Array]:
    """Return ln E h_l^2 for l = 0..depth and ln chi_l for l = 1..depth, of one block each.

    "layer": q' = a^2 q + 2 a b m E phi + b^2 E phi^2, m' = a m + b E phi, chi = a^2 + b^2 sigma_w^2
    E phi'^2, with phi at z ~ N(0, sigma_w^2 q); "pre-activation": q' = q + alpha^2 sigma_w^2
    E phi(h)^2, chi = 1 + alpha^2 sigma_w^2 E phi'(h)^2. With BN, v the variance over the batch,
    exp(ln_v) at first: v' = v + alpha^2 sigma_w^2 Var phi(u),
    chi = 1 + alpha^2 sigma_w^2 E phi'(u)^2 / v.
    All nan for "ReLU after the sum", which has no closed form.
    """
    if kind == "ReLU after the sum":
        return np.full(depth + 1, np.nan), np.full(depth, np.nan)
    of, (a, b) = moments(activation), mixture(kind, alpha)
    ln_w, gain = 2 * log(sigma_w), (alpha * sigma_w) ** 2
    if kind == "pre-activation with BN":
        added, passed = gain * (of.second(0.0) - of.mean(0.0) ** 2), gain * of.slope(0.0)
        v = exp(ln_v) + added * np.arange(depth + 1)
        q = exp(ln_q) + gain * of.second(0.0) * np.arange(depth + 1)
        return np.log(q), np.log1p(passed / v[:-1])
    qs, chis, r = [ln_q], [], 0.0
    for _ in range(depth):
        if kind == "pre-activation":
            growth = 1 + gain * of.second(ln_q)
            chi = 1 + gain * of.slope(ln_q)
        else:
            # What phi gives is in units of sqrt(q) of its own input, which is sigma_w^2 q.
            t = ln_q + ln_w
            mean, second = sigma_w * of.mean(t), sigma_w**2 * of.second(t)
            growth = a * a + 2 * a * b * r * mean + b * b * second
            chi = a * a + b * b * sigma_w**2 * of.slope(t)
            r = (a * r + b * mean) / sqrt(growth) if growth > 0 else 0.0
        ln_q += _ln(growth)
        qs.append(ln_q)
        chis.append(_ln(chi))
    return np.array(qs), np.array(chis)


def with_a_mean(
    stack: Stack, sigma_w: float, ln_q: Array, ln_chi: Array, g: Scaled, h: Scaled
) -> Array:
    """Return ln ||g_l|| of branches that end in ReLU, whose Jacobian has a mean.

    `g`, `h`: dL/dh and h behind the last block. E W^T D = h (E phi) 1^T / |h|^2. With S = sum_i g_i
    and P = h . g, which is the same at every block: T = phi . g is regressed on (S, P),
    S' = a S + b T (sum h)/|h|^2 + noise, and
    |g'|^2 = chi |g|^2 + (2 a b T (h . g) + b^2 T^2) / |h|^2. All over q_l, in expectation.
    """
    a, b, n, depth = stack.a, stack.b, stack.width, len(ln_chi)
    mean_phi, var_phi = sigma_w / sqrt(2 * pi), sigma_w**2 * (0.5 - 0.5 / pi)
    # h is measured in units of sqrt(q_l) at its own block, so that P shrinks as the signal grows.
    m, steps = [0.0], np.exp(0.5 * np.diff(ln_q)).tolist()
    for step in steps:
        m.append((a * m[-1] + b * mean_phi) / step)
    sums = g.unit.sum(1)
    products = (g.unit * h.unit).sum(1) * exp(min(max(h.log - 0.5 * ln_q[-1], -600.0), 600.0))
    # Second moments of S and P, and |g|^2, all over exp(ln_scale).
    ss, sp, pp = float(sums @ sums), float(sums @ products), float(products @ products)
    size, ln_scale = norm(g.unit) ** 2, 2 * g.log
    out = np.empty(depth + 1)
    out[depth] = ln_scale + _ln(size)
    for index, chi in zip(reversed(range(depth)), np.exp(ln_chi[::-1]).tolist(), strict=True):
        up, mean = steps[index], m[index + 1]
        # T and P in units of sqrt(q_(l-1)): there phi has these moments, and h_l is `up` longer.
        beta = b * var_phi / max(up * up * (1 - mean**2), 1e-12)
        t_s, t_p = mean_phi - beta * up * mean, beta * up
        s_s, s_p = a + b * m[index] * t_s, b * m[index] * t_p
        cross_s, cross_p = -b * b * t_s, 2 * b * up - b * b * t_p
        extra = t_s * (ss * cross_s + sp * cross_p) + t_p * (sp * cross_s + pp * cross_p)
        noise = b * b * sigma_w**2 * 0.5 * (1 - m[index] ** 2) * size
        ss = s_s * s_s * ss + 2 * s_s * s_p * sp + s_p * s_p * pp + noise
        sp, pp = up * (s_s * sp + s_p * pp), up * up * pp
        size = size * chi + extra / n
        scale = max(size, 1e-300)
        ss, sp, pp, size = ss / scale, sp / scale, pp / scale, size / scale
        ln_scale += log(scale)
        out[index] = ln_scale + _ln(size)
    return 0.5 * out


def with_heads(ln_chi: Array, local: float, alpha: float) -> Array:
    """Return ln ||g_l|| with a head of weight alpha at each layer below the last, all alike."""
    squares = [2 * local]
    for index in reversed(range(len(ln_chi))):
        through = squares[-1] + ln_chi[index]
        own = 2 * (local + log(alpha)) if index else -inf
        squares.append(float(np.logaddexp(through, own)))
    return 0.5 * np.array(squares[::-1])


def _ln(x: float) -> float:
    return log(x) if x > 0 else -inf if x == 0 else x
