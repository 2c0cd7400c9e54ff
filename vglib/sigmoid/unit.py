"""One unit: the curves of sigmoid and tanh, where they are flat, and an output that is wrong."""

from collections.abc import Mapping
from math import atanh, log, sqrt

import numpy as np

from vglib.activations import get_activation
from vglib.probe import Array
from vglib.results import result
from vglib.words import percent

SIGMOID = get_activation("sigmoid")


def where_slope_is(share: float, activation: str = "sigmoid") -> float:
    """Return the |z| at which the slope has fallen to a share of its maximum.

    sigmoid: 2 artanh(sqrt(1 - share)); tanh: half of that, since tanh'(z) = 4 s'(2z).
    """
    z = atanh(sqrt(1 - share))
    return 2 * z if activation == "sigmoid" else z


@result
class Curves:
    """An activation at one point z: value, slope, steepest slope; the whole curve on `grid`."""

    name: str
    z: float
    value: float
    slope: float
    max_slope: float
    grid: Array
    values: Array
    slopes: Array

    @property
    def share(self) -> float:
        """The slope at z as a share of the steepest."""
        return self.slope / self.max_slope

    @property
    def verdict(self) -> str:
        """One sentence: the slope here, and where it is a tenth."""
        share = self.share
        word = "saturated" if share < 0.1 else "bending" if share < 0.9 else "nearly linear"
        return (
            f"{word}: at z = {self.z:.2f} the slope of {self.name} is {self.slope:.3g}, "
            f"{percent(share)} of its maximum {self.max_slope:g}; it is down to 10% at |z| = "
            f"{where_slope_is(0.1, self.name):.2f}."
        )


def curves(activation: str = "sigmoid", z: float = 2.0) -> Curves:
    """Evaluate sigmoid or tanh and its derivative at z and on a grid."""
    phi = get_activation(activation)
    grid = np.linspace(-8, 8, 321)
    here = float(phi.phi(z)), float(phi.dphi(z))
    return Curves(activation, z, *here, phi.max_slope, grid, phi.phi(grid), phi.dphi(grid))


def quadratic_delta(z: float, target: float) -> float:
    """Return dL/dz of L = (a - y)^2 / 2 at one sigmoid output: (a - y) a (1 - a)."""
    return cross_entropy_delta(z, target) * float(SIGMOID.dphi(z))


def cross_entropy_delta(z: float, target: float) -> float:
    """Return dL/dz of L = -y ln a - (1 - y) ln(1 - a) at one sigmoid output: a - y."""
    return float(SIGMOID.phi(z)) - target


DELTAS = {"squared error": quadratic_delta, "cross-entropy": cross_entropy_delta}


@result
class OutputNeuron:
    """One sigmoid output with target 0 that starts at z: both losses, their gradients, learning.

    `outputs[loss]`: (steps + 1,) the output while it learns from one input x = 1.
    """

    z: float
    grid: Array
    gradients: Mapping[str, Array]
    here: Mapping[str, float]
    outputs: Mapping[str, Array]

    @property
    def verdict(self) -> str:
        """One sentence: the two gradients at the start and the two outputs at the end."""
        squared, entropy = (self.here[loss] for loss in DELTAS)
        ends = [float(self.outputs[loss][-1]) for loss in DELTAS]
        steps = len(self.outputs["squared error"]) - 1
        return (
            f"at output {SIGMOID.phi(self.z):.3f} (target 0) the gradient is {squared:.2g} with "
            f"squared error and {entropy:.2g} with cross-entropy, {entropy / squared:.3g} times "
            f"as large; after {steps} steps the output is {ends[0]:.2g} and {ends[1]:.2g}."
        )


def steps_to_unlearn(z: float, lr: float = 0.05, end: float = 0.2) -> int:
    """Count the steps in which one sigmoid output with target 0 falls from s(z) to `end`.

    Squared error, one input x = 1, w = b at the start, as in `output_neuron`.
    """
    steps = 0
    while SIGMOID.phi(z) > end:
        z -= 2 * lr * quadratic_delta(z, 0.0)
        steps += 1
    return steps


def time_to_unlearn(z: float, end: float = 0.2) -> float:
    """Return what `steps_to_unlearn` comes to for small steps, times 2 lr.

    The integral of 1 / (a s'(z)) over z is that of 1 / (a^3 (1 - a)^2) over the output a:

        F(s(z)) - F(end),   F(a) = 3 ln(a / (1 - a)) - 2 / a - 1 / (2 a^2) + 1 / (1 - a)
    """

    def integral(a: float) -> float:
        return 3 * log(a / (1 - a)) - 2 / a - 1 / (2 * a**2) + 1 / (1 - a)

    return integral(float(SIGMOID.phi(z))) - integral(end)


def output_neuron(z: float = 6.0, lr: float = 0.5, steps: int = 300) -> OutputNeuron:
    """Let one neuron a = s(w x + b), x = 1, unlearn a wrong output; w = b = z/2 at the start.

    Source: the experiment of Nielsen 2015, chapter 3 (w = b = 2, lr 0.15).
    """
    grid = np.linspace(-8, 8, 161)
    gradients = {k: np.array([abs(f(float(v), 0.0)) for v in grid]) for k, f in DELTAS.items()}
    outputs = {}
    for name, delta in DELTAS.items():
        path = [z]
        for _ in range(steps):
            # w and b have the same gradient, so z = w + b moves by twice the step.
            path.append(path[-1] - 2 * lr * delta(path[-1], 0.0))
        outputs[name] = SIGMOID.phi(path)
    here = {k: abs(f(z, 0.0)) for k, f in DELTAS.items()}
    return OutputNeuron(z, grid, gradients, here, outputs)
