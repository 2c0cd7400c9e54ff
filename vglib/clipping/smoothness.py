"""Why clipping can beat a fixed step: where the gradient is long, the curvature is large."""

from collections.abc import Sequence
from functools import lru_cache
from math import inf

import numpy as np

from vglib import learn
from vglib.checks import require
from vglib.clipping.cliff import wall_curvature, wall_gradient
from vglib.clipping.recurrent import BATCH, UNITS, adding, irnn, irnn_gradient
from vglib.probe import Array
from vglib.results import frozen, result
from vglib.words import count, number

QUARTIC_STEPS, NEAR = 2000, 0.1
_NET_STEPS = 150


def quartic_smoothness(norms: Array) -> Array:
    """Return the second derivative of x^4/4 where its slope is `norms`: 3 x^2 = 3 |g|^(2/3)."""
    return 3 * np.asarray(norms, dtype=float) ** (2 / 3)


def descend_quartic(
    start: float, lr: float, clip: float = inf, steps: int = QUARTIC_STEPS
) -> Array:
    """Return |x| at each step of descent on x^4/4 by clipped gradients, until |x| is below 0.1.

    Ends after `steps`, or where it has left for beyond 1e6 times the start.
    """
    x, path = start, [abs(start)]
    while len(path) <= steps and NEAR <= path[-1] < 1e6 * start:
        g = x**3
        x -= lr * g * min(1.0, clip / abs(g))
        path.append(abs(x))
    return np.array(path)


def steps_to_the_middle(start: float, lr: float, clip: float = inf, steps: int = 20_000) -> float:
    """Return the steps from `start` to |x| < 0.1; inf where it takes more than `steps`."""
    path = descend_quartic(start, lr, clip, steps)
    return len(path) - 1.0 if path[-1] < NEAR else inf


def steps_over_clipped(start: float, lr: float) -> float:
    """Return `steps_to_the_middle` at lr over those at lr 0.5 clipped at 1."""
    return steps_to_the_middle(start, lr) / steps_to_the_middle(start, 0.5, 1.0)


@lru_cache(maxsize=32)
def net_smoothness(time_steps: int, seed: int) -> tuple[Array, Array]:
    """Return gradient norms of a clipped training of the IRNN, and the local smoothness; (n,) each.

    ||g(p + d) - g(p)|| / ||d|| on one batch, d the step taken; adding task, c = 1, lr 0.01. Source:
    Zhang et al. 2020 (arXiv 1905.11881), section 5 and appendix H.
    """
    rng, p, lr = np.random.default_rng([seed, 7]), irnn(UNITS, seed), 0.01
    norms, smoothness = np.empty((2, _NET_STEPS))
    for i in range(_NET_STEPS):
        batch = adding(rng, BATCH, time_steps)
        before = irnn_gradient(p, *batch)[1]
        norms[i] = learn.whole_norm(before)
        step = lr * min(1.0, 1 / norms[i])
        p = [part - step * g for part, g in zip(p, before, strict=True)]
        after = irnn_gradient(p, *batch)[1]
        change = [one - other for one, other in zip(after, before, strict=True)]
        smoothness[i] = learn.whole_norm(change) / (step * norms[i])
    return frozen(norms), frozen(smoothness)


def power(norms: Array, smoothness: Array) -> float:
    """Return the power p of smoothness ~ norm^p, by least squares of the logarithms."""
    return float(np.polyfit(np.log(norms), np.log(np.maximum(smoothness, 1e-300)), 1)[0])


def wall_smoothness(w: float, time_steps: Sequence[int]) -> tuple[Array, Array]:
    """Return ln gradient norm and ln curvature of the one-unit net on its wall, (n,) each."""
    ends = [(wall_gradient(w, t), wall_curvature(w, t)) for t in time_steps]
    return tuple(np.array(ends).T)


@result
class Smooth:
    """Two descents on x^4/4, `fixed` and `clipped`, |x| at each step; and where curvature is large.

    `norms`, `smoothness`: of the recurrent net, see `net_smoothness`.
    """

    start: float
    fixed: Array
    clipped: Array
    norms: Array
    smoothness: Array

    @property
    def verdict(self) -> str:
        """One sentence: which descent arrives when, and what smoothness does in the net."""
        said = f"at a fixed step it {_end(self.fixed)}, clipped it {_end(self.clipped)}"
        many = float(self.norms.max() / self.norms.min())
        slope = power(self.norms, self.smoothness)
        return (
            f"x⁴/4 from {self.start:.3g}: {said}; in the recurrent net gradients differ by a "
            f"factor of {number(many)}, and local smoothness goes like their norm to the power "
            f"{slope:.2f}."
        )


def _end(path: Array) -> str:
    taken = count(len(path) - 1, "step")
    if path[-1] < NEAR:
        return f"arrives in {taken}"
    return "flies off" if path[-1] > path[0] else f"has come to {path[-1]:.2g} after {taken}"


def smooth(
    start: float = 10.0,
    lr: float = 0.5,
    threshold: float = 1.0,
    time_steps: int = 20,
    seed: int = 0,
) -> Smooth:
    """Descend on x^4/4 at a fixed step and clipped at `threshold`; measure a net's smoothness."""
    for name, value in (("start", start), ("lr", lr), ("threshold", threshold)):
        require(name, value, value > 0, "above 0")
    fixed, clipped = (descend_quartic(start, lr, clip) for clip in (inf, threshold))
    return Smooth(start, fixed, clipped, *net_smoothness(time_steps, seed))
