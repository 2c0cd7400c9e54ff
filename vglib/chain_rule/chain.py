"""Sigmoid neurons in a row, one a layer: the chain rule's factors w s'(z), and their product."""

from math import acosh, exp, log, sqrt

import numpy as np
from numpy.typing import DTypeLike
from scipy.integrate import quad
from scipy.special import expit
from scipy.stats import norm

from vglib import theory
from vglib.activations import get_activation
from vglib.checks import require
from vglib.probe import Array
from vglib.results import result
from vglib.words import percent, power_of_ten

SIGMOID = get_activation("sigmoid")


@result
class Chain:
    """One sigmoid neuron a layer: z_l = w_l a_(l-1) + b_l, a_l = s(z_l), all (n,).

    `factors` are the chain rule's terms w_l s'(z_l), whose product is da_n/da_0.
    """

    pre_activations: Array
    slopes: Array
    factors: Array

    @property
    def product(self) -> float:
        """The derivative of the output by the input."""
        return float(np.prod(self.factors))

    @property
    def verdict(self) -> str:
        """One sentence: the product, and its largest factor."""
        terms = " x ".join(f"{f:.3g}" for f in self.factors)
        size, n = abs(self.product), len(self.factors)
        if size == 0:
            return f"cut: {terms} = 0; a weight of 0 lets nothing through."
        less = f", but less than {n} factors of 1/4 would" if size > 0.25**n else ""
        word = "explodes" if size > 1 else f"shrinks{less}"
        largest = np.abs(self.factors).max()
        return f"{word}: {terms} = {self.product:.3g}; the largest factor is {largest:.3g}."


def one_neuron_chain(
    w1: float, w2: float, w3: float, w4: float, x: float, centred: bool = False
) -> Chain:
    """Run the input through four neurons in a row and keep what the chain rule needs.

    Biases are 0 or, if `centred`, b_l = -w_l / 2, so that an incoming 0.5 meets the steepest point.
    """
    weights, pres, a = np.array([w1, w2, w3, w4]), [], x
    for w in weights:
        pres.append(w * (a - 0.5) if centred else w * a)
        a = float(expit(pres[-1]))
    slopes = SIGMOID.dphi(pres)
    return Chain(np.array(pres), slopes, weights * slopes)


@result
class RandomChains:
    """Many random chains; `log_factors` is ln |w_l s'(z_l)|, shape (depth, chains)."""

    log_factors: Array

    @property
    def depth(self) -> int:
        """The number of factors."""
        return len(self.log_factors)

    @property
    def log_typical(self) -> float:
        """The mean of ln |factor|: its exponential is the geometric mean."""
        return float(self.log_factors.mean())

    @property
    def share_above_quarter(self) -> float:
        """The share of factors larger than 1/4."""
        return float((self.log_factors > log(0.25)).mean())

    @property
    def verdict(self) -> str:
        """One sentence: the typical factor, and how often the popular bound fails."""
        products = self.log_factors.sum(axis=0)
        exploding = float((products > 0).mean())
        beat = percent(float((products > self.depth * log(0.25)).mean()))
        layers = "one factor" if self.depth == 1 else f"{self.depth} factors"
        return (
            f"typically {'vanishes' if exploding < 0.5 else 'explodes'}: a factor's geometric mean "
            f"is {power_of_ten(self.log_typical)}; {percent(self.share_above_quarter)} of the "
            f"factors exceed 1/4; of the products of {layers}, {beat} "
            f"exceed 0.25^{self.depth} and {percent(exploding)} exceed 1."
        )


def random_chains(
    depth: int = 4, weight_scale: float = 1.0, seed: int = 0, *, chains: int = 4000
) -> RandomChains:
    """Draw chains with w ~ N(0, weight_scale^2), b ~ N(0, 1) and the first incoming a = 0.5.

    With one seed the first layers of a deeper draw are those of a shallower one.
    """
    generator = np.random.default_rng(seed)
    a, logs = np.full(chains, 0.5), np.empty((depth, chains))
    for row in logs:
        w = weight_scale * generator.standard_normal(chains)
        z = w * a + generator.standard_normal(chains)
        row[:] = np.log(np.abs(w)) + log_slope(z)
        a = expit(z)
    return RandomChains(logs)


def log_slope(z: Array) -> Array:
    """Return ln s'(z) = -|z| - 2 ln(1 + e^-|z|), finite where s'(z) itself underflows."""
    size = np.abs(z)
    return -size - 2 * np.log1p(np.exp(-size))


def typical_factor() -> float:
    """Return exp(E ln |w s'(w a + b)|) for w, b ~ N(0, 1) and a = 1/2, the geometric mean: 0.1005.

    E ln |w| = -(gamma + ln 2) / 2 with Euler's gamma, and z ~ N(0, a^2 + 1).
    """
    log_weight = -(np.euler_gamma + log(2)) / 2
    return exp(log_weight + float(theory.gaussian_mean(log_slope, 1.25)))


def probability_above_quarter() -> float:
    """Return P(|w s'(w a + b)| > 1/4) for w, b ~ N(0, 1) and a = 1/2, by quadrature.

    s'(z) > 1/(4|w|) means |z| < 2 arcosh(sqrt|w|), and z given w is N(w a, 1).
    """

    def density(w: float) -> float:
        reach = 2 * acosh(sqrt(w))
        return 2 * float(norm.pdf(w) * (norm.cdf(reach - w / 2) - norm.cdf(-reach - w / 2)))

    return float(quad(density, 1, 12, epsabs=1e-12, limit=200)[0])


def underflow_depth(factor: float, dtype: DTypeLike) -> int:
    """Return the smallest n for which factor^n, multiplied up in a float type, is exactly 0.

    dtype: a numpy float type. Sigmoid's largest derivative, 0.25: n = 13 in float16, 75 in float32
    and 538 in float64.
    Raises ValueError for a factor outside (0, 0.5] (a larger one sticks at the smallest number
    above 0, which rounding restores) and for a dtype that is no float type.
    """
    require("factor", factor, 0 < factor <= 0.5, "above 0 and not above 0.5")
    known = np.issubdtype(dtype, np.floating)
    require("dtype", dtype, known, "a float type such as numpy.float32")
    step, product, n = np.asarray(factor, dtype), np.ones((), dtype), 0
    with np.errstate(under="ignore"):
        while product != 0:
            product = product * step
            n += 1
    return n
