"""Random numbers thrown again and again: what averages of them, and sums, settle at."""

from collections.abc import Callable, Mapping
from math import sqrt
from types import MappingProxyType

import numpy as np
from scipy.stats import norm

from vglib import theory
from vglib.chain_rule.chain import SIGMOID
from vglib.probe import Array
from vglib.results import result

_slope = SIGMOID.dphi
QUANTITIES: Mapping[str, Callable[[Array], Array]] = MappingProxyType(
    {"s'(z)": _slope, "s'(z)²": lambda z: _slope(z) ** 2, "|z|": np.abs, "z²": np.square}
)
THROWN = ("coin", "uniform", "normal")


@result
class Dice:
    """The average of f(z) over more and more throws of z ~ N(0, weight_scale^2).

    `counts` and `averages`: after so many throws; `expected` is the integral, `std` that of one
    f(z). `grid`, `values`, `density`: f and the bell curve over z.
    """

    quantity: str
    counts: Array
    averages: Array
    expected: float
    std: float
    grid: Array
    values: Array
    density: Array

    @property
    def verdict(self) -> str:
        """One sentence: the average of all throws beside the integral."""
        n = self.counts[-1]
        return (
            f"the average of {n} throws of {self.quantity} is {self.averages[-1]:.4g}, give or "
            f"take {self.std / sqrt(n):.1g}; the integral says {self.expected:.4g}."
        )


def throw_dice(quantity: str, throws: int, weight_scale: float, seed: int) -> Dice:
    """Throw z ~ N(0, weight_scale^2), average f(z), and compare with the integral E f(z)."""
    f = QUANTITIES[quantity]
    z = weight_scale * np.random.default_rng(seed).standard_normal(throws)
    counts = np.unique(np.geomspace(1, throws, 200).astype(int))
    expected = float(theory.gaussian_mean(f, weight_scale**2))
    square = float(theory.gaussian_mean(lambda v: f(v) ** 2, weight_scale**2))
    std = sqrt(max(square - expected**2, 0.0))
    averages = np.cumsum(f(z))[counts - 1] / counts
    reach = 4 * max(weight_scale, 1.0)
    grid = np.linspace(-reach, reach, 401)
    density = norm.pdf(grid, scale=weight_scale)
    return Dice(quantity, counts, averages, expected, std, grid, f(grid), density)


@result
class Sums:
    """Sums z = w_1 a_1 + ... + w_n a_n, thrown many times with the same a.

    `sums`: (throws,) at the full width; `variances`: of the partial sums of 1..n terms, with
    `rule`, what the variances of their terms add up to.
    """

    sums: Array
    variances: Array
    rule: Array

    @property
    def width(self) -> int:
        """The number n of terms."""
        return len(self.rule)

    @property
    def predicted(self) -> float:
        """The variance of the whole sum: n times that of one weight times the mean of a^2."""
        return float(self.rule[-1])

    @property
    def verdict(self) -> str:
        """One sentence: the variance of the sum, measured and predicted."""
        terms, rule = "one term" if self.width == 1 else f"{self.width} terms", self.predicted
        return (
            f"the sum of {terms} has variance {self.variances[-1]:.3g} over {len(self.sums)} "
            f"throws; the rule says {rule:.3g}, so its size is about {sqrt(rule):.3g}."
        )


def weighted_sums(width: int, weight_scale: float, throw: str, seed: int = 0) -> Sums:
    """Throw weights of mean 0 and standard deviation weight_scale onto fixed 0 < a < 1, and sum.

    A coin gives +-1, a uniform draw +-sqrt(3) at most, each times weight_scale.
    """
    generator = np.random.default_rng(seed)
    a = weight_scale * np.random.default_rng(seed + 10**6).uniform(size=width)
    shape = (width, 3000)
    unit = {
        "coin": lambda: 2.0 * generator.integers(0, 2, shape) - 1,
        "uniform": lambda: generator.uniform(-sqrt(3), sqrt(3), shape),
        "normal": lambda: generator.standard_normal(shape),
    }[throw]()
    partial = np.cumsum(unit * a[:, None], axis=0)
    return Sums(partial[-1], (partial**2).mean(axis=1), np.cumsum(a**2))
