"""Theory: by what a layer with a norm multiplies the squared gradient, at the start."""

from functools import lru_cache
from math import acos, asin, nan, pi, sqrt

import torch

from vglib.activations import get_activation
from vglib.batch_norm.batches import generator
from vglib.theory import gaussian_mean

BATCHES = (4, 5, 6, 8, 11, 16, 23, 32, 45, 64, 90, 128, 181, 256)


def wide_factor(activation: str, gamma: float = 1.0) -> float:
    """Return E f'(u)^2 / Var f(u), f(u) = phi(gamma u), u ~ N(0, 1): wide layers, large batch.

    At least 1 for every phi, and 1 for a linear one alone (Gaussian Poincaré inequality).
    Source: Yang, Pennington, Rao, Sohl-Dickstein & Schoenholz 2019.
    """
    phi = get_activation(activation)
    slope = gaussian_mean(lambda u: (gamma * phi.dphi(gamma * u)) ** 2, 1.0)
    square = gaussian_mean(lambda u: phi.phi(gamma * u) ** 2, 1.0)
    return float(slope / (square - gaussian_mean(lambda u: phi.phi(gamma * u), 1.0) ** 2))


def layer_factor(activation: str) -> float:
    """Return E phi'(u)^2 / E phi(u)^2: the same for a norm over the units, wide layers."""
    phi = get_activation(activation)
    slope = gaussian_mean(lambda u: phi.dphi(u) ** 2, 1.0)
    return float(slope / gaussian_mean(lambda u: phi.phi(u) ** 2, 1.0))


@lru_cache(maxsize=256)
def batch_factor(activation: str, batch: int) -> float:
    """Return the factor of ||delta||^2 per layer at a finite batch, wide layers, at the start.

    With u even on the sphere of radius sqrt(B) among the vectors of mean 0, G = 1 - 11^T/B,
    P = G - u u^T/B and D = diag phi'(u):

        B / (B - 3)  E tr(P D G D P) / E sum_i (phi(u_i) - mean)^2

    The first factor is E 1/var of a Gaussian batch. identity: (B - 2)/(B - 3). ReLU: closed form,
    pi / (pi - 1) at B = infinity. Others: dice. nan below B = 4, where that mean does not exist.
    """
    if batch <= 3:
        return nan
    if activation == "identity":
        return (batch - 2) / (batch - 3)
    if activation == "relu":
        rho = -1 / (batch - 1)
        both = 1 / 4 + asin(rho) / (2 * pi)
        product = (sqrt(1 - rho**2) + (pi - acos(rho)) * rho) / (2 * pi)
        return ((batch - 2) / 2 + both + product) / ((batch - 3) * (1 / 2 - product))
    return thrown_factor(activation, batch)


def thrown_factor(activation: str, batch: int) -> float:
    """Throw dice for `batch_factor`, 100,000 numbers."""
    phi = get_activation(activation)
    z = torch.randn(100_000 // batch, batch, generator=generator(0), dtype=torch.float64)
    z -= z.mean(1, keepdim=True)
    u = z / z.square().mean(1, keepdim=True).sqrt()
    h, d = phi.function(u), phi.derivative(u)
    alone = (1 - 1 / batch) * (d**2 * (1 - 1 / batch - u**2 / batch)).sum(1)
    pairs = [v.sum(1) ** 2 - (v**2).sum(1) for v in (d, d * u)]
    kept = alone + (pairs[0] + pairs[1]) / batch**2
    spread = (h - h.mean(1, keepdim=True)).square().sum(1)
    return float(batch / (batch - 3) * kept.mean() / spread.mean())
