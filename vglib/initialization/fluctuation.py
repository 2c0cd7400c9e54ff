"""Finite width: how far nets of one critical scale differ in the size of their signal."""

from collections.abc import Iterator
from functools import lru_cache
from math import sqrt

import numpy as np
import torch

from vglib.activations import ACTIVATIONS
from vglib.checks import require
from vglib.initialization.mean_field import square_ratio
from vglib.initialization.schemes import CRITICAL
from vglib.initialization.variance import BesideNormal, beside_normal
from vglib.initialization.watching import Walk
from vglib.probe import Array
from vglib.results import result
from vglib.theory import Function
from vglib.words import power_of_ten


def log_norm_variance(phi: Function, depth: int, width: int) -> float:
    """Return the variance of ln ||h_depth||^2 over fresh Gaussian weights at finite width.

    (L / n) (E phi(u)^4 / (E phi(u)^2)^2 - 1): 5 L/n for ReLU, 2 L/n for a linear net

    To first order in L/n, for a phi with phi(c z) = c phi(z), c > 0, and no biases.
    Raises ValueError for depth < 1 or width < 1.
    Source: Hanin & Nica 2020, theorem 1.
    """
    for name, number in (("depth", depth), ("width", width)):
        require(name, number, number >= 1, "at least 1")
    return depth / width * (square_ratio(phi, 1.0) - 1)


@result
class Fluctuation:
    """ln(||h_l||^2 / ||h_0||^2) of many nets after the layers so far, `log_norms: (nets,)`.

    `histogram` has the normal density that theory says of it; `predicted` is its variance.
    """

    log_norms: Array
    predicted: float
    histogram: BesideNormal

    @property
    def variance(self) -> float:
        """The variance over the nets."""
        return float(self.log_norms.var())

    @property
    def verdict(self) -> str:
        """One sentence: the variance measured and predicted, and what it does to a net."""
        low, high = np.quantile(self.log_norms, (0.1, 0.9))
        return (
            f"Var ln‖h‖² is {self.variance:.3g} over {len(self.log_norms)} nets, theory says "
            f"{self.predicted:.3g}; eight nets in ten multiply ‖h‖² by something between "
            f"{power_of_ten(low)} and {power_of_ten(high)}."
        )


def fluctuations(
    activation: str = "relu", depth: int = 20, width: int = 50, seed: int = 0, *, nets: int = 2000
) -> Iterator[Fluctuation]:
    """Send one input through many nets at the critical scale and look at its size, going deeper.

    A Gaussian matrix times a vector h is exactly ||h|| / sqrt(n) times n fresh normal numbers, so
    the nets need no matrices: z_l = sigma_w ||h_(l-1)|| / sqrt(n) u_l. Where every unit of a net
    is shut it is left out.
    """
    walk, phi = _walk(activation, width, nets, seed), ACTIVATIONS[activation].phi
    whole = log_norm_variance(phi, depth, width)
    ends = -whole / 2 - 4 * sqrt(whole), -whole / 2 + 4 * sqrt(whole)
    for layers in walk.news(depth):
        logs, so_far = walk.first(layers)[-1], log_norm_variance(phi, layers, width)
        logs = logs[np.isfinite(logs)]
        yield Fluctuation(logs, so_far, beside_normal(logs, -so_far / 2, so_far, 32, ends))


@lru_cache(maxsize=4)
def _walk(activation: str, width: int, nets: int, seed: int) -> Walk[Array]:
    """Return the walk of ln(||h_l||^2 / ||h_0||^2) of all nets after l = 1, 2, ...; (nets,)."""
    phi, (w_scale, _) = ACTIVATIONS[activation], CRITICAL[activation]

    def layers() -> Iterator[Array]:
        generator, logs = np.random.default_rng(seed), np.zeros(nets)
        while True:
            h = phi.phi(w_scale * generator.standard_normal((nets, width)))
            with np.errstate(divide="ignore"):
                logs = logs + np.log((h**2).mean(axis=1))
            yield logs

    return Walk(layers)


def log_norms_of_real_nets(activation: str, depth: int, width: int, seed: int, nets: int) -> Array:
    """Return ln(||h_L||^2 / ||h_0||^2) of nets with real weight matrices; (nets,)."""
    phi, (w_scale, _) = ACTIVATIONS[activation], CRITICAL[activation]
    generator = torch.Generator().manual_seed(seed)
    h = torch.ones(nets, width, 1, dtype=torch.float64)
    for _ in range(depth):
        w = torch.randn(nets, width, width, generator=generator, dtype=torch.float64)
        h = phi.function(torch.bmm(w, h) * (w_scale / sqrt(width)))
    with np.errstate(divide="ignore"):
        return np.log((h**2).mean(dim=(1, 2)).numpy())
