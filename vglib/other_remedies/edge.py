"""Plain descent at a constant step: the curvature that it climbs to, and steps beyond it."""

from collections.abc import Iterator
from math import inf, nan, sqrt

import numpy as np

from vglib.checks import one_of, require
from vglib.other_remedies.descent import images
from vglib.other_remedies.net import BEND, Array, build, largest_curvature
from vglib.results import at_its_end, kept, result

EDGE_STEPS, PICTURES, DIGITS = 400, 100, 10
PAIR, UNITS = "linear pair", 1000
NETS = (*BEND, PAIR)
# A look is as dear as some ten steps.
EVERY, LANCZOS, PARTS = 10, 10, 8
# A loss from which nothing comes back.
_LOST = 1e12


@result
class Edge:
    """Descent on the whole batch: `losses` before each step, (steps,); nan where not (yet) taken.

    `looks`: the steps taken at which `sharpness`, the largest curvature lambda, was measured;
    `units` is lr lambda_0.
    """

    units: float
    lr: float
    losses: Array
    looks: Array
    sharpness: Array

    @property
    def limit(self) -> float:
        """The curvature up to which the step is stable in a bowl, 2/lr."""
        return 2 / self.lr

    @property
    def late(self) -> float:
        """lr lambda, the median over the later half of what was measured; inf where it diverged."""
        seen = self.sharpness[np.isfinite(self.sharpness)]
        return float(np.median(seen[len(seen) // 2 :]) * self.lr) if len(seen) else inf

    @property
    def taken(self) -> Array:
        """The losses so far."""
        return self.losses[np.isfinite(self.losses)]

    @property
    def rises(self) -> int:
        """The number of steps on which the loss rose."""
        return int((np.diff(self.taken) > 0).sum())

    @property
    def verdict(self) -> str:
        """One sentence: where the curvature ends beside 2/lr, and how the loss came down."""
        seen = self.taken
        if not len(seen) or not seen[-1] < 100 * seen[0]:
            return f"a step of {self.units:.3g}/λ₀ diverges, within {len(seen)} steps."
        peak = f"up to {seen.max():.3g} " if seen.max() > 1.5 * seen[0] else ""
        climbs = f"from {self.sharpness[0]:.3g} to {self.late / self.lr:.3g}"
        return (
            f"the curvature goes {climbs}, where 2/lr is {self.limit:.3g}; the loss goes from "
            f"{seen[0]:.3g} {peak}to {seen[-1]:.2g} in {len(seen)} steps and rises on {self.rises} "
            "of them."
        )


@kept(32)
def at_the_edge(
    units: float = 1.5,
    depth: int = 2,
    weight_scale: float = 1.0,
    net: str = "tanh",
    seed: int = 0,
) -> Iterator[Edge]:
    """Descend at lr = `units` / lambda_0 on 100 digits: squared error, summed over the outputs.

    Net 64-32-...-32-10 of this activation, torch's start, 400 steps; or the "linear pair" of
    `catapult`, whatever depth and scale. Yields what there is after each eighth. Raises ValueError
    for another name, and where there is no curvature at the start.
    """
    one_of("net", net, NETS)
    require("units", units, units > 0, "above 0")
    if net == PAIR:
        yield catapult(units, seed)
        return
    yield from _descending(units, depth, weight_scale, net, seed, EDGE_STEPS)


edge = at_its_end(at_the_edge)


def catapult(units: float, seed: int = 0, steps: int = EDGE_STEPS) -> Edge:
    """Descend on L = f^2/2, f = u.v / sqrt n, from u, v ~ N(0, 1), n = 1000: two layers, no phi.

    With lambda = (|u|^2 + |v|^2)/n, f's share of the curvature: f <- f (1 - lr lambda + lr^2 f^2/n)
    and lambda <- lambda + lr f^2/n (lr lambda - 4). Source: Lewkowycz et al. 2020
    (arXiv 2003.02218), section 2, the simplified model.
    """
    u, v = np.random.default_rng([seed, 12]).standard_normal((2, UNITS))
    f, curvature = float(u @ v) / sqrt(UNITS), float(u @ u + v @ v) / UNITS
    lr, losses, curvatures = units / curvature, np.full(steps, nan), np.full(steps, nan)
    for taken in range(steps):
        losses[taken], curvatures[taken] = f**2 / 2, curvature
        if losses[taken] > _LOST:
            break
        rise = lr * f**2 / UNITS
        f, curvature = f * (1 - lr * curvature + lr * rise), curvature + rise * (lr * curvature - 4)
    looks = np.arange(0.0, steps, EVERY)
    return Edge(units, lr, losses, looks, curvatures[::EVERY])


def _descending(
    units: float, depth: int, weight_scale: float, activation: str, seed: int, steps: int
) -> Iterator[Edge]:
    net = build(depth, 32, activation, "torch", weight_scale, seed, "squared error")
    pictures, labels = images()
    x, targets = pictures[:PICTURES], np.eye(DIGITS)[labels[:PICTURES]]

    def curvature() -> float:
        return DIGITS * largest_curvature(net, x, targets, LANCZOS)

    first = curvature()
    if not 0 < first < inf:
        raise ValueError("The curvature at the start is 0 or no number; take a scale near 1.")
    lr, losses = units / first, np.full(steps, nan)
    looks = np.arange(0.0, steps, EVERY)
    sharpness = np.full(len(looks), nan)
    for taken in range(steps):
        with np.errstate(all="ignore"):
            loss, gradient = net.gradient(x, targets)
        losses[taken] = DIGITS * loss
        if not losses[taken] < _LOST:
            break
        if taken % EVERY == 0:
            sharpness[taken // EVERY] = first if taken == 0 else curvature()
        net.theta -= lr * DIGITS * gradient
        if taken and taken % (steps // PARTS) == 0:
            yield Edge(units, lr, losses.copy(), looks, sharpness.copy())
    yield Edge(units, lr, losses, looks, sharpness)
