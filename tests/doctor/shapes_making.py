"""What the makers of shapes share: chance that touches nobody else's, inputs and labels."""

from collections.abc import Callable
from functools import wraps

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.doctor.case import Patient

Maker = Callable[[], Patient]
CLASSES = 3


def seeded(make: Maker) -> Maker:
    """Make the same patient at each call, and give the global random state back."""

    @wraps(make)
    def made() -> Patient:
        with torch.random.fork_rng(devices=[]):
            # `torch.manual_seed` would seed accelerators too, which the fork does not give back.
            torch.default_generator.manual_seed(0)
            return make()

    return made


def labels(rows: int, classes: int = CLASSES) -> Tensor:
    """Every class in turn, so that none is missing."""
    return torch.arange(rows) % classes


def classifier(model: nn.Module, *shape: int) -> Patient:
    """A net that is handed normal inputs of this shape and classes one row each."""
    return Patient(model, F.cross_entropy, (torch.randn(shape), labels(shape[0])))


def layers(activation: Callable[[], nn.Module] = nn.ReLU) -> nn.Sequential:
    """6 -> 16 -> 16 -> 3, the net that carries a shape which is not about the net."""
    return nn.Sequential(
        nn.Linear(6, 16),
        activation(),
        nn.Linear(16, 16),
        activation(),
        nn.Linear(16, CLASSES),
    )
