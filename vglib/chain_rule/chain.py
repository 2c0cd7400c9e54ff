"""Sigmoid neurons in a row, one a layer: the chain rule's factors w s'(z), and their product."""

from math import acosh, log, sqrt

import numpy as np
from numpy.typing import ArrayLike, DTypeLike
from scipy.integrate import quad
from scipy.special import erf, expit
from scipy.stats import norm

from vglib import theory
from vglib.activations import get_activation
from vglib.probe import Array
from vglib.results import result
from vglib.words import percent, power_of_ten

SIGMOID = get_activation("sigmoid")
CHAINS = 4000


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
        largest, n = float(np.abs(self.factors).max()), len(self.factors)
        size = abs(self.product)
        if size == 0:
            return f"cut: {terms} = 0; a weight of 0 lets nothing through."
        less = f", but less than {n} factors of 1/4 would" if size > 0.25**n else ""
        word = "explodes" if size > 1 else f"shrinks{less}"
        return f"{word}: {terms} = {self.product:.3g}; the largest factor is {largest:.3g}."


def one_neuron_chain(
    w1: float = 1.0,
    w2: float = 1.0,
    w3: float = 1.0,
    w4: float = 1.0,
    x: float = 1.0,
    centred: bool = False,
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
    def log_products(self) -> Array:
        """ln |product of the first l factors|, l = 1..depth; (depth, chains)."""
        return np.cumsum(self.log_factors, axis=0)

    @property
    def log_typical(self) -> float:
        """The mean of ln |factor|: its exponential is the geometric mean."""
        return float(self.log_factors.mean())

    @property
    def share_above_quarter(self) -> float:
        """The share of factors larger than 1/4."""
        return float((self.log_factors > log(0.25)).mean())

    @property
    def share_above_bound(self) -> float:
        """The share of chains whose product beats 0.25^depth."""
        return float((self.log_factors.sum(axis=0) > self.depth * log(0.25)).mean())

    @property
    def share_exploding(self) -> float:
        """The share of chains whose product is larger than 1."""
        return float((self.log_factors.sum(axis=0) > 0).mean())

    @property
    def verdict(self) -> str:
        """One sentence: the typical factor, and how often the popular bound fails."""
        word = "vanishes" if self.share_exploding < 0.5 else "explodes"
        layers = "one factor" if self.depth == 1 else f"{self.depth} factors"
        return (
            f"typically {word}: a factor's geometric mean is {power_of_ten(self.log_typical)}; "
            f"{percent(self.share_above_quarter)} of the factors exceed 1/4; of the products of "
            f"{layers}, {percent(self.share_above_bound)} exceed 0.25^{self.depth} and "
            f"{percent(self.share_exploding)} exceed 1."
        )


def random_chains(
    depth: int = 4, weight_scale: float = 1.0, seed: int = 0, *, chains: int = CHAINS
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


def probability_above_quarter(incoming: float = 0.5) -> float:
    """Return P(|w s'(w a + b)| > 1/4) for w, b ~ N(0, 1) and the given a, by quadrature.

    s'(z) > 1/(4|w|) means |z| < 2 arcosh(sqrt|w|), and z given w is N(w a, 1).
    """

    def density(w: float) -> float:
        reach = 2 * acosh(sqrt(w))
        inside = norm.cdf(reach - w * incoming) - norm.cdf(-reach - w * incoming)
        return 2 * float(norm.pdf(w) * inside)

    return float(quad(density, 1, 12, epsabs=1e-12, limit=200)[0])


def probability_weight_below_one() -> float:
    """Return P(|w| < 1) for w ~ N(0, 1): erf(1 / sqrt(2)) = 0.6827."""
    return float(erf(1 / np.sqrt(2)))


def expected_factor(incoming: ArrayLike = 0.0) -> Array:
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

    def factor(u: Array) -> Array:
        z = spread * u
        mean, std = a * z / spread**2, 1 / spread
        size = std * np.sqrt(2 / np.pi) * np.exp(-0.5 * (mean / std) ** 2)
        size = size + mean * erf(mean / (std * np.sqrt(2)))
        return size * expit(z) * expit(-z)

    return theory.gaussian_mean(factor, 1.0)


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
