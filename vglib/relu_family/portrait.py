"""The members of the family one by one: function, slope, moments, own He scale, time."""

import timeit
from dataclasses import dataclass
from functools import lru_cache
from math import sqrt

import numpy as np
import torch

from vglib import theory
from vglib.activations import Activation, get_activation
from vglib.probe import Array
from vglib.results import result

FAMILY = (
    *("sigmoid", "tanh", "relu", "leaky_relu", "prelu", "rrelu", "elu", "softplus", "selu"),
    *("gelu", "silu", "mish", "hardswish"),
)
# Hard-swish has kinks at -3 and 3, where the library's rule has no panel edge.
NODES = 400


@dataclass(frozen=True)
class Face:
    """What an activation does to z ~ N(0, spread^2).

    `mean` and `variance` are those of phi(z). `he_sigma_w` is the activation's own He scale, the
    sigma_w that keeps the variance of z, and `chi` the factor on ||delta||^2 there.
    """

    mean: float
    variance: float
    he_sigma_w: float
    chi: float


def face(activation: str | Activation, spread: float = 1.0) -> Face:
    """Integrate an activation and its slope over z ~ N(0, spread^2), no biases.

    sigma_w^2 E phi(z)^2 = spread^2, chi = sigma_w^2 E phi'(z)^2
    """
    phi, q = get_activation(activation), spread**2
    mean = float(theory.gaussian_mean(phi.phi, q, NODES))
    square = float(theory.gaussian_mean(lambda z: phi.phi(z) ** 2, q, NODES))
    slope = float(theory.gaussian_mean(lambda z: phi.dphi(z) ** 2, q, NODES))
    return Face(mean, square - mean**2, sqrt(q / square), q / square * slope)


@result
class Portrait:
    """An activation drawn on a grid z: (n,), with chi at its own He scale for m spreads."""

    activation: Activation
    spread: float
    z: Array
    phi: Array
    dphi: Array
    spreads: Array
    chis: Array
    face: Face

    @property
    def verdict(self) -> str:
        """Mean and variance of the output, the He scale, and what it does to the gradient."""
        f = self.face
        per_layer = 100 * (f.chi - 1)
        word = (
            "keeps the gradient"
            if abs(per_layer) < 0.05
            else f"lets its square {'grow' if per_layer > 0 else 'shrink'} by "
            f"{abs(per_layer):.3g}% a layer"
        )
        return (
            f"{self.activation.name} at z ~ N(0, {self.spread:.3g}²): output mean {f.mean:.3g}, "
            f"variance {f.variance:.3g}; the scale that keeps the signal is σ_w = "
            f"{f.he_sigma_w:.4g}, and it {word} (χ = {f.chi:.4g})."
        )


def portrait(activation: str = "relu", spread: float = 1.0) -> Portrait:
    """Draw one activation, its slope, and chi at its own He scale over the spread of z."""
    phi = get_activation(activation)
    z = np.linspace(-5, 5, 401)
    return Portrait(phi, spread, z, phi.phi(z), phi.dphi(z), *_chis(phi.name), face(phi, spread))


@lru_cache(maxsize=32)
def _chis(activation: str) -> tuple[Array, Array]:
    spreads = np.geomspace(0.05, 20, 41)
    return spreads, np.array([face(activation, spread).chi for spread in spreads])


def milliseconds(activation: str, rows: int = 128, units: int = 1024, repeats: int = 20) -> float:
    """Time one call on float32 numbers (rows, units): the fastest of `repeats`, in ms.

    "matmul" times the product with a (units, units) matrix that comes before it.
    """
    z = torch.randn(rows, units, generator=torch.Generator().manual_seed(0))
    weight = torch.randn(units, units, generator=torch.Generator().manual_seed(1))
    work = get_activation(activation).function if activation != "matmul" else weight.matmul
    argument = z if activation != "matmul" else z.T
    return 1000 * min(timeit.repeat(lambda: work(argument), number=1, repeat=repeats))
