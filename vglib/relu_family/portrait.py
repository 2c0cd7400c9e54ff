"""The members of the family: function, slope, moments, own He scale, time; RReLU's random leaks."""

import timeit
from dataclasses import dataclass
from functools import lru_cache
from math import sqrt

import numpy as np
import torch
from numpy.typing import ArrayLike

from vglib import theory
from vglib.activations import ACTIVATIONS, Activation, get_activation
from vglib.probe import Array
from vglib.results import result

FAMILY = tuple(name for name in ACTIVATIONS if name != "identity")
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
        percent, way = 100 * abs(f.chi - 1), "grow" if f.chi > 1 else "shrink"
        change = f"lets its square {way} by {percent:.3g}% a layer"
        word = "keeps the gradient" if percent < 0.05 else change
        return (
            f"{self.activation.name} at z ~ N(0, {self.spread:.3g}²): output mean {f.mean:.3g}, "
            f"variance {f.variance:.3g}; the scale that keeps the signal is σ_w = "
            f"{f.he_sigma_w:.4g}, and it {word} (χ = {f.chi:.4g})."
        )


def portrait(activation: str = "relu", spread: float = 1.0) -> Portrait:
    """Draw one activation, its slope, and chi at its own He scale over the spread of z."""
    phi, z = get_activation(activation), np.linspace(-5, 5, 401)
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


@result
class Noise:
    """Random leaks: draws (z, phi) of one unit, and what the noise adds to a squared error.

    `widths`, `measured`, `predicted` are (n,): the width of the range of slopes, and the rise of
    E (y - w . phi(z))^2 over the error with the mean slope, by dice and by formula.
    """

    lower: float
    upper: float
    mean_slope: float
    z: Array
    phi: Array
    widths: Array
    measured: Array
    predicted: Array

    @property
    def verdict(self) -> str:
        """The mean slope, and the size of the penalty at the present range."""
        mean = f"{self.mean_slope:.3g}"
        if self.upper == self.lower:
            return f"no range, no noise: a leaky ReLU of slope {mean}, and no penalty."
        return (
            f"slopes from {self.lower:.3g} to {self.upper:.3g}: in evaluation the slope is their "
            f"mean, {mean}; in training the noise adds {self.measured[-1]:.3g} to the squared "
            f"error, formula {self.predicted[-1]:.3g}."
        )


def noise_penalty(w: ArrayLike, z: ArrayLike, lower: float, upper: float) -> float:
    """Return what a random leak adds to the expected squared error of a linear readout w.

    (upper - lower)^2 / 12 * sum_i w_i^2 z_i^2 [z_i < 0], one independent slope for each unit
    """
    shut = np.minimum(np.asarray(z, dtype=float), 0.0)
    return float((upper - lower) ** 2 / 12 * (np.asarray(w, dtype=float) ** 2 * shut**2).sum())


def measured_penalty(
    w: Array, z: Array, lower: float, upper: float, draws: int = 20_000, seed: int = 0
) -> float:
    """Throw dice for `noise_penalty`: the variance of w . phi(z) over random slopes."""
    slopes = np.random.default_rng(seed).uniform(lower, upper, (draws, len(z)))
    return float((np.where(z > 0, z, slopes * z) @ w).var())


def penalty_ratio(seed: int) -> float:
    """Return measured over predicted penalty for 50 units, z and w ~ N(0, 1), slopes 1/8 to 1/3."""
    w, z = np.random.default_rng(seed).normal(size=(2, 50))
    return measured_penalty(w, z, 1 / 8, 1 / 3, seed=seed) / noise_penalty(w, z, 1 / 8, 1 / 3)


def noise(middle: float = 11 / 48, width: float = 5 / 24, units: int = 20, seed: int = 0) -> Noise:
    """Draw random leaks, slopes uniform within width / 2 of the middle, and price their noise."""
    rng = np.random.default_rng(seed)
    w, readout_z = rng.normal(size=(2, units))
    z = np.linspace(-3, 1, 161)
    lower, upper = middle - width / 2, middle + width / 2
    phi = np.where(z > 0, z, rng.uniform(lower, upper, len(z)) * z)
    widths = np.linspace(0, width, 6)
    ranges = [(middle - s / 2, middle + s / 2) for s in widths]
    measured = [measured_penalty(w, readout_z, *ends, 4000, seed + 1) for ends in ranges]
    predicted = [noise_penalty(w, readout_z, *ends) for ends in ranges]
    return Noise(lower, upper, middle, z, phi, widths, np.array(measured), np.array(predicted))
