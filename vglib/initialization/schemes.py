"""What chapter 05 compares: ways to start, activations, and the critical point of each."""

from collections.abc import Mapping
from dataclasses import replace
from math import sqrt

import torch
from torch import Tensor

from vglib.networks import INITIALIZATIONS, Initialization

# A net whose input starts at a variance outside these bounds would measure rounding.
SMALL_Q, LARGE_Q = 1e-6, 1e6

# sigma_w and sigma_b; tanh's are those of Pennington, Schoenholz & Ganguli 2017.
CRITICAL = {"identity": (1.0, 0.0), "tanh": (sqrt(1.05), sqrt(2.01e-5)), "relu": (sqrt(2.0), 0.0)}


def _uniform(name: str) -> Initialization:
    """Return the uniform distribution with the variance of a normal scheme of the catalogue."""
    return replace(INITIALIZATIONS[name], name=f"{name} uniform", distribution="uniform")


SCHEMES: Mapping[str, Initialization] = {
    "torch default": INITIALIZATIONS["torch"],
    "LeCun uniform": INITIALIZATIONS["lecun"],
    "Glorot normal": INITIALIZATIONS["glorot"],
    "Glorot uniform": _uniform("glorot"),
    "He normal": INITIALIZATIONS["he"],
    "He uniform": _uniform("he"),
    "orthogonal": INITIALIZATIONS["orthogonal"],
    "N(0, 1)": INITIALIZATIONS["normal"],
}


def normal_inputs(*shape: int, seed: int) -> Tensor:
    """Draw inputs from N(0, 1), in float64, that are not the weights of the same seed."""
    generator = torch.Generator().manual_seed(seed + 31_337)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)
