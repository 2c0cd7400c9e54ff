"""One unit under batch norm: its numbers over a batch, and the running averages of its moments."""

from math import ceil, log, sqrt

import numpy as np

from vglib.probe import Array
from vglib.results import result

SHAPES = ("a bell", "two heaps", "a tail to the right", "one outlier")
WHERE, SPREAD = 3.0, 2.0
RUNNING_STEPS, TRUE_MEAN, TRUE_STD = 150, 2.0, 3.0


@result
class OneUnit:
    """A unit's pre-activations z over a batch, and gamma u + beta; (batch,) each."""

    shape: str
    z: Array
    out: Array

    @property
    def fourth(self) -> float:
        """E u^4 of the standardised numbers; 3 for a normal distribution."""
        u = (self.z - self.z.mean()) / self.z.std()
        return float((u**4).mean())

    @property
    def verdict(self) -> str:
        """One sentence: mean and spread before and after, and what is left of the shape."""
        mean = round(float(self.out.mean()), 2) + 0.0
        return (
            f"mean {self.z.mean():.2f} and spread {self.z.std():.2f} become {mean:.2f} "
            f"and {self.out.std():.2f}; the shape stays {self.shape}: E u⁴ is {self.fourth:.2f} "
            "before and after, and a normal distribution has 3."
        )


def one_unit(
    shape: str, gamma: float = 1.0, beta: float = 0.0, batch: int = 2000, seed: int = 0
) -> OneUnit:
    """Draw one unit's z over a batch, mean about 3 and spread about 2, and batch-normalise it."""
    random = np.random.default_rng(seed)
    if shape == "two heaps":
        heaps = random.choice([-1.0, 1.0], batch) + 0.25 * random.standard_normal(batch)
        u = heaps / sqrt(1 + 0.25**2)
    elif shape == "a tail to the right":
        u = random.exponential(1.0, batch) - 1
    elif shape == "one outlier":
        u = np.append(random.standard_normal(batch - 1), 2.5 * sqrt(batch))
    else:
        u = random.standard_normal(batch)
    z = WHERE + SPREAD * u
    out = gamma * (z - z.mean()) / np.sqrt(z.var() + 1e-5) + beta
    return OneUnit(shape, z, out)


@result
class Running:
    """Mean and variance of one unit, (2, steps): of each batch, their running averages, expected.

    `expected` is what the running averages are on average.
    """

    momentum: float
    batch: int
    of_batch: Array
    averages: Array
    expected: Array

    @property
    def scatter(self) -> float:
        """The settled running mean's standard deviation, sigma sqrt(m / ((2 - m) batch))."""
        return TRUE_STD * sqrt(self.momentum / ((2 - self.momentum) * self.batch))

    @property
    def settled(self) -> int:
        """Steps until the start counts for a hundredth: ln 0.01 / ln(1 - momentum), rounded up."""
        return 1 if self.momentum == 1 else ceil(log(0.01) / log(1 - self.momentum))

    @property
    def verdict(self) -> str:
        """One sentence: how long the start is remembered, and how much the average still moves."""
        when = f"the start counts for at most 1% after step {self.settled}"
        if self.settled > RUNNING_STEPS:
            left = f"{(1 - self.momentum) ** RUNNING_STEPS:.0%}"
            when = f"not settled: after {RUNNING_STEPS} steps the start still counts for {left}"
        return (
            f"{when}; once settled the running mean scatters by ±{self.scatter:.2g}, a batch of "
            f"{self.batch} by ±{TRUE_STD / sqrt(self.batch):.2g}."
        )


def running(momentum: float = 0.1, batch: int = 32, jump: bool = False, seed: int = 0) -> Running:
    """Feed batches of z ~ N(2, 3^2) to running averages that start at mean 0 and variance 1.

    With `jump` the unit's z turns to mean -1 and spread 1.5 half way, as when the layer before has
    learned. running <- (1 - momentum) running + momentum batch; the variance is the unbiased one.
    """
    late = np.arange(RUNNING_STEPS) >= RUNNING_STEPS // 2
    true_mean = np.where(late & jump, -1.0, TRUE_MEAN)
    true_std = np.where(late & jump, 1.5, TRUE_STD)
    draws = np.random.default_rng(seed).standard_normal((RUNNING_STEPS, batch))
    z = true_mean[:, None] + true_std[:, None] * draws
    # Mean and variance: of the batches, and the true ones.
    moments = np.stack([[z.mean(1), z.var(1, ddof=1)], [true_mean, true_std**2]])
    kept, seen = np.array([0.0, 1.0]), []
    for now in np.moveaxis(moments, -1, 0):
        kept = (1 - momentum) * kept + momentum * now
        seen.append(kept)
    return Running(momentum, batch, moments[0], *np.moveaxis(np.array(seen), 0, -1))
