"""The game of chapter 00: find the scale at which a hundred layers neither vanish nor explode."""

from collections.abc import Sequence
from math import log

import numpy as np

from vglib.activations import get_activation
from vglib.results import result
from vglib.start_here.flow import STEADY, GradientFlow, gradient_flow
from vglib.theory import critical_sigma_w


@result
class Try:
    """One try at the game: the scale chosen, what came of it, and theory's critical scale."""

    flow: GradientFlow
    activation: str
    weight_scale: float
    critical_scale: float

    @property
    def factor(self) -> float:
        """By what factor the scale misses the critical one; 1 is a hit."""
        return float(np.exp(abs(log(self.weight_scale / self.critical_scale))))

    @property
    def hit(self) -> bool:
        """Whether the gradient reaches layer 1 within a factor STEADY."""
        return abs(self.flow.log_ratio) <= log(STEADY)

    @property
    def verdict(self) -> str:
        """What the try shows, without giving the critical scale away."""
        return self.flow.verdict.split("; theory")[0].rstrip(".") + "."


def try_scale(activation: str, weight_scale: float, depth: int = 100, seed: int = 0) -> Try:
    """Try one weight scale on a net of width 64 with N(0, 1/fan_in) weights and no biases."""
    flow = gradient_flow(depth, weight_scale, activation, "1/fan_in", 64, 0.0, seed)
    return Try(flow, activation, weight_scale, critical_scale(activation))


def critical_scale(activation: str) -> float:
    """Return theory's critical sigma_w of a net without biases."""
    phi = get_activation(activation)
    return critical_sigma_w(phi.phi, phi.dphi, 0.0)


def score(tries: Sequence[Try]) -> str:
    """Say for each activation tried how near the best registered scale came to the theory's."""
    best: dict[str, Try] = {}
    for one in tries:
        if one.activation not in best or one.factor < best[one.activation].factor:
            best[one.activation] = one
    parts = [
        f"{name}: best scale {one.weight_scale:.3g}, theory's critical scale "
        f"{one.critical_scale:.4g} ({'hit' if one.hit else 'not yet steady'})"
        for name, one in best.items()
    ]
    return f"{len(tries)} registered. " + "; ".join(parts) + "."
