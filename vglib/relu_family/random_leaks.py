"""Random leaks (RReLU): what their noise adds to the squared error of a readout."""

import numpy as np
from numpy.typing import ArrayLike

from vglib.probe import Array
from vglib.results import result


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
    output = np.where(z > 0, z, slopes * z) @ w
    return float(output.var())


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
