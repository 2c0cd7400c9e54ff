"""A loss surface over the two weights of w2 tanh(w1 x), and a walk down on it."""

import numpy as np
from numpy.typing import ArrayLike

from vglib.probe import Array
from vglib.results import result

STEPS = 60
# The picture's window: weights beyond it have left the picture.
WINDOW = 4.0


def surface_data() -> tuple[Array, Array]:
    """Return the nine inputs x, (9,), and the targets g(x) = 1.5 tanh(x) of the two-weight net."""
    x = np.linspace(-2, 2, 9)
    return x, 1.5 * np.tanh(x)


def surface_loss(w1: ArrayLike, w2: ArrayLike) -> Array:
    """Return mean_x (w2 tanh(w1 x) - g(x))^2; w1 and w2 of one shape, and so the result."""
    x, target = surface_data()
    first, second = np.asarray(w1, float)[..., None], np.asarray(w2, float)[..., None]
    return ((second * np.tanh(first * x) - target) ** 2).mean(-1)


def surface_gradient(w1: float, w2: float) -> Array:
    """Return (dL/dw1, dL/dw2) of `surface_loss`, by the chain rule."""
    x, target = surface_data()
    h = np.tanh(w1 * x)
    error = 2 * (w2 * h - target) / len(x)
    return np.array([(error * w2 * (1 - h**2) * x).sum(), (error * h).sum()])


@result
class Descent:
    """A path of gradient descent: `path` (n + 1, 2), `losses` and `slopes` = ||grad L|| (n + 1,).

    The path ends early where a weight passes 1000.
    """

    path: Array
    losses: Array
    slopes: Array

    @property
    def turns(self) -> float:
        """Return the share of steps that turn back against the step before; 0 for a lone step."""
        moves = np.diff(self.path, axis=0)
        turned = (moves[1:] * moves[:-1]).sum(1) < 0
        return float(turned.mean()) if len(turned) else 0.0

    @property
    def verdict(self) -> str:
        """One sentence: diverges, zig-zags, converges, or creeps."""
        n, first, last = len(self.losses) - 1, self.losses[0], self.losses[-1]
        if last > first * (1 + 1e-9) or np.abs(self.path[-1]).max() > 10 * WINDOW:
            return (
                f"diverges: after {n} steps the loss has grown from {first:.3g} to {last:.3g}; no "
                f"step size above {largest_step():.3g} can settle at a minimum of this surface."
            )
        left = f"after {n} steps the loss is {last:.2g}"
        if self.turns > 0.4:
            return f"zig-zags: {self.turns:.0%} of the steps turn back on the step before; {left}."
        if last < 1e-3:
            near = int(np.argmax(self.losses < 1e-3))
            return f"converges: the loss falls below 0.001 at step {near} of {n}."
        slope = self.slopes[-1]
        if slope < 0.03:
            flat = f"after {n} steps the gradient is only {slope:.2g}"
            high = f"the loss is {last:.2g} where a minimum has 0"
            return f"creeps: {flat}, and yet {high}: flat ground is not low ground."
        return f"creeps: {left}, the gradient {slope:.2g}."


def largest_step() -> float:
    """Return the step size above which no minimum of the surface holds a descent: 2 / lambda.

    lambda: the largest eigenvalue of the Hessian at (1, 1.5), 2 mean_x J J^T with J the gradient of
    the output by (w1, w2), since the error is 0 there.
    """
    x, _ = surface_data()
    h = np.tanh(x)
    slopes = np.stack([1.5 * (1 - h**2) * x, h])
    return float(2 / np.linalg.eigvalsh(2 * slopes @ slopes.T / len(x)).max())


def descent(step: float = 0.9, w1: float = 2.5, w2: float = 2.5) -> Descent:
    """Walk 60 steps of w <- w - step grad L from (w1, w2) on the surface of the two-weight net."""
    path, gradients = [np.array([w1, w2])], [surface_gradient(w1, w2)]
    while len(path) <= STEPS and np.abs(path[-1]).max() <= 1000:
        path.append(path[-1] - step * gradients[-1])
        gradients.append(surface_gradient(*path[-1]))
    walked = np.array(path)
    return Descent(walked, surface_loss(*walked.T), np.linalg.norm(gradients, axis=1))
