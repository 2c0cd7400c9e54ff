"""A WGAN's critic on a line, held by weight clipping, by gradient penalty, by gradient clipping."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import inf, log

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

Array = NDArray[np.float64]

UNITS, SAMPLES, UPDATES, LR = 16, 64, 120, 0.01
METHODS = ("weight clipping", "gradient penalty", "gradient clipping", "nothing")


@dataclass(frozen=True, eq=False)
class Critic:
    """A critic after training: `f` and its `slope` on `grid`, and what it was held by.

    `gap` is the mean of f over the real points minus that over the fake ones, `distance` the true
    Wasserstein-1 distance of the two samples, `at_limit` the share of weights at +-limit,
    `log_predicted` ln of the slope that theory gives: c (c n)^depth, the steepest that weights of
    size c can make, or 1 + distance/(2 penalty); nan where nothing holds the slope.
    """

    method: str
    depth: int
    limit: float
    penalty: float
    grid: Array
    f: Array
    slope: Array
    real: Array
    fake: Array
    gap: float
    distance: float
    at_limit: float
    largest_weight: float
    log_predicted: float

    @property
    def steepest(self) -> float:
        """The largest |f'(x)| on the grid."""
        return float(np.abs(self.slope).max())

    @property
    def verdict(self) -> str:
        """One sentence: the slope against the 1 that is wanted, and what was limited."""
        steep = f"the steepest slope is {self.steepest:.2g} where 1 is wanted"
        if self.method == "weight clipping":
            word = (
                "too flat" if self.steepest < 0.5 else "too steep" if self.steepest > 2 else "fits"
            )
            return (
                f"{word}: weights within ±{self.limit:.2g}, {100 * self.at_limit:.0f}% of them at "
                f"the limit; {steep}, and at most c(cn)^depth = {np.exp(self.log_predicted):.2g}."
            )
        if self.method == "gradient penalty":
            return (
                f"held: {steep}, {np.exp(self.log_predicted):.2f} by theory; real minus fake is "
                f"{self.gap:.2f}, the true distance {self.distance:.2f}; the largest weight is "
                f"{self.largest_weight:.2g}."
            )
        held = "the gradient by the weights was clipped at 1" if "grad" in self.method else "free"
        return f"runs away: {held}, and {steep}, after {UPDATES} steps and still growing."


def _weights(depth: int, generator: torch.Generator) -> list[Tensor]:
    sizes = [1, *[UNITS] * depth, 1]
    parts = []
    for fan_in, fan_out in pairwise(sizes):
        w = torch.randn(fan_out, fan_in, generator=generator, dtype=torch.float64)
        parts.append(w * (2 / fan_in) ** 0.5)
        spread = 1.0 if fan_in == 1 else 0.0
        b = 2 * torch.rand(fan_out, generator=generator, dtype=torch.float64) - 1
        parts.append(spread * b)
    return [p.requires_grad_() for p in parts]


def _value(parts: list[Tensor], x: Tensor) -> Tensor:
    h = x
    for w, b in zip(parts[:-2:2], parts[1:-2:2], strict=True):
        h = F.leaky_relu(F.linear(h, w, b), 0.2)
    return F.linear(h, parts[-2], parts[-1]).squeeze(1)


def log_slope_bound(limit: float, depth: int) -> float:
    """Return ln of c (c n)^depth, the steepest slope of a critic with weights within +-c.

    Each of n units feeds n: the first layer has slopes up to c, each later one and the readout add
    a factor c n.
    """
    return log(limit) + depth * log(limit * UNITS)


@lru_cache(maxsize=32)
def train_critic(
    method: str = "weight clipping",
    limit: float = 0.1,
    depth: int = 3,
    penalty: float = 10.0,
    seed: int = 0,
    updates: int = UPDATES,
) -> Critic:
    """Train a critic to tell points around 2 from points around -1: raise mean f(real) - f(fake).

    1-n-...-n-1 with leaky ReLU, Adam with step 0.01 in each case. "weight clipping" puts every
    weight back into [-limit, limit] after each step (Arjovsky et al. 2017); "gradient penalty" adds
    penalty * mean (|f'(x)| - 1)^2 at points between real and fake (Gulrajani et al. 2017);
    "gradient clipping" limits the norm of the gradient by the weights to 1.
    """
    generator = torch.Generator().manual_seed(seed)
    noise = 0.5 * torch.randn(2, SAMPLES, 1, generator=generator, dtype=torch.float64)
    real, fake = 2 + noise[0], -1 + noise[1]
    parts = _weights(depth, generator)
    first, second = ([torch.zeros_like(p) for p in parts] for _ in range(2))
    for step in range(1, updates + 1):
        loss = _value(parts, fake).mean() - _value(parts, real).mean()
        if method == "gradient penalty":
            t = torch.rand(SAMPLES, 1, generator=generator, dtype=torch.float64)
            between = (t * real + (1 - t) * fake).requires_grad_()
            (slope,) = torch.autograd.grad(_value(parts, between).sum(), between, create_graph=True)
            loss = loss + penalty * ((slope.abs() - 1) ** 2).mean()
        gradient = torch.autograd.grad(loss, parts)
        if method == "gradient clipping":
            norm = torch.cat([g.flatten() for g in gradient]).norm()
            gradient = tuple(g * (1 / norm).clamp(max=1) for g in gradient)
        with torch.no_grad():
            for p, g, m, v in zip(parts, gradient, first, second, strict=True):
                # Adam in three lines: torch.optim takes seconds to import.
                m.lerp_(g, 0.5)
                v.lerp_(g * g, 0.1)
                p -= LR * m / (1 - 0.5**step) / ((v / (1 - 0.9**step)).sqrt() + 1e-8)
                if method == "weight clipping":
                    p.clamp_(-limit, limit)
    grid = torch.linspace(-2.5, 3.5, 121, dtype=torch.float64).unsqueeze(1).requires_grad_()
    f = _value(parts, grid)
    (slope,) = torch.autograd.grad(f.sum(), grid)
    with torch.no_grad():
        gap = float(_value(parts, real).mean() - _value(parts, fake).mean())
        flat = torch.cat([p.flatten() for p in parts])
    distance = float((real.sort(0)[0] - fake.sort(0)[0]).abs().mean())
    if method == "weight clipping":
        predicted = log_slope_bound(limit, depth)
    else:
        predicted = log(1 + distance / (2 * penalty)) if method == "gradient penalty" else inf
    return Critic(
        method,
        depth,
        limit,
        penalty,
        grid.detach().numpy()[:, 0],
        f.detach().numpy(),
        slope.numpy()[:, 0],
        real.numpy()[:, 0],
        fake.numpy()[:, 0],
        gap,
        distance,
        float((flat.abs() > 0.999 * limit).double().mean()),
        float(flat.abs().max()),
        predicted if predicted < inf else float("nan"),
    )
