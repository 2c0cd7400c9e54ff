"""Two weights on their way to a goal, fed by outputs of one sign or by centred ones."""

from dataclasses import replace
from math import isfinite, sqrt

import numpy as np
import torch

from vglib import learn, theory
from vglib.activations import get_activation
from vglib.probe import Array
from vglib.results import result
from vglib.words import percent

SIGMOID, TANH, RELU = map(get_activation, ("sigmoid", "tanh", "relu"))
# The same slopes as the sigmoid's, and outputs that are centred at 0.
CENTRED = replace(SIGMOID, name="sigmoid - 1/2", function=lambda z: torch.sigmoid(z) - 0.5)
INPUTS = {phi.name: phi for phi in (SIGMOID, CENTRED, TANH, RELU)}
# Where the two weights start and where the loss is smallest.
GOALS = {"one up, one down": ((-0.2, 2.0), (1.2, -1.0)), "both up": ((-1.2, -1.0), (1.2, 1.4))}
SAMPLES, WALK = 500, 60
# Along the two weights' sum and their difference: the directions of the two curvatures.
DIAGONALS = sqrt(0.5) * np.array([[1, 1], [1, -1]])


def moments(inputs: str) -> tuple[float, float]:
    """Return mean and variance of an activation of z ~ N(0, 1), by quadrature."""
    phi = INPUTS[inputs].phi
    mean = float(theory.gaussian_mean(phi, 1.0))
    return mean, float(theory.gaussian_mean(lambda z: phi(z) ** 2, 1.0)) - mean**2


def curvatures(mean: float, variance: float, n: int) -> tuple[float, float]:
    """Return the steepest and the flattest curvature of (1/2) E (sum_i e_i a_i)^2 over e.

    n independent inputs a_i: variance + n mean^2 along (1, ..., 1), variance across it.
    """
    return variance + n * mean**2, variance


@result
class Walk:
    """The path of two weights, (steps + 1, 2), and the excess loss E (1/2) ((w - w*) . a)^2.

    `predicted` is that loss for descent on infinitely much data.
    """

    inputs: str
    lr: float
    path: Array
    goal: Array
    losses: Array
    predicted: Array

    @property
    def steps(self) -> Array:
        """The steps, (n, 2), as far as a hundredth of the starting distance from the goal."""
        distance = np.linalg.norm(self.path - self.goal, axis=1)
        near = np.flatnonzero(distance < 0.01 * distance[0])
        return np.diff(self.path[: near[0] + 1] if len(near) else self.path, axis=0)

    @property
    def turns(self) -> float:
        """The share of steps that turn back by more than 90 degrees from the step before."""
        dots = (self.steps[1:] * self.steps[:-1]).sum(1)
        return float((dots < 0).mean()) if len(dots) else 0.0

    @property
    def together(self) -> float:
        """The share of steps that move both weights up, or both down."""
        return float((self.steps.prod(1) > 0).mean())

    @property
    def left(self) -> float:
        """What is left of the distance to the goal, as a share of the distance at the start."""
        start, end = (np.linalg.norm(self.path[i] - self.goal) for i in (0, -1))
        return float(end / start)

    @property
    def verdict(self) -> str:
        """One sentence: how it walks, and how far it still has to go."""
        steepest, _ = curvatures(*moments(self.inputs), 2)
        limit = f"on all data a step may be {2 / steepest:.3g} at most"
        if not isfinite(self.left) or self.left > 1.5:
            return f"overshoots: step {self.lr:.3g} is too large for these inputs; {limit}."
        way = "zig-zags" if self.turns > 0.4 else "wavers" if self.turns > 0.1 else "goes straight"
        end = "arrives" if self.left < 0.01 else "is under way"
        left = "less than 0.1%" if self.left < 1e-3 else percent(self.left)
        return (
            f"{way} and {end}: {percent(self.together)} of the steps move both weights the same "
            f"way, {percent(self.turns)} turn back; {left} of the way is left after {WALK} steps; "
            f"{limit}."
        )


def walk(
    inputs: str, batch: int = 1, lr: float = 0.5, goal: str = "one up, one down", seed: int = 0
) -> Walk:
    """Fit y = w* . a by gradient descent over two weights, where a_i = phi(z_i), z_i ~ N(0, 1).

    The loss is (1/2)(w . a - y)^2 averaged over the batch; 500 samples in random order.
    """
    generator = np.random.default_rng(seed)
    a = INPUTS[inputs].phi(generator.standard_normal((SAMPLES, 2)))
    start, target = (np.array(point) for point in GOALS[goal])
    w, path = start.copy(), [start]

    def gradient(rows: Array) -> tuple[float, list[Array]]:
        error = rows @ (w - target)
        return float(error @ error) / 2 / len(rows), [(error[:, None] * rows).mean(0)]

    batches = ((a[generator.permutation(SAMPLES)[:batch]],) for _ in range(WALK))
    for _ in learn.steps([w], gradient, batches, lr=lr):
        path.append(w.copy())
        if not np.abs(w).max() < 1e6:
            break
    # For each of the inputs E a a^T = v 1 + m^2 (1, 1)(1, 1)^T, whose eigenvectors these are.
    curvature = np.array(curvatures(*moments(inputs), 2))
    along = (np.array(path) - target) @ DIAGONALS
    steps = np.arange(len(path))[:, None]
    expected = (1 - lr * curvature) ** steps * along[0]
    losses, predicted = (0.5 * away**2 @ curvature for away in (along, expected))
    return Walk(inputs, lr, np.array(path), target, losses, predicted)
