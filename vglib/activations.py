"""The catalogue of activation functions: function, derivative, formula, gain and source of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import sqrt
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor


@dataclass(frozen=True)
class Activation:
    """One activation function phi with its derivative and what the literature says of it.

    `function` and `derivative` act entry by entry on a tensor of any shape. At a kink the
    derivative is torch's choice (0 for ReLU at 0). `gain` is what
    `torch.nn.init.calculate_gain` recommends; `max_slope` is the supremum of |phi'|; the formulas
    are LaTeX without dollar signs.
    """

    name: str
    function: Callable[[Tensor], Tensor]
    derivative: Callable[[Tensor], Tensor]
    latex: str
    latex_derivative: str
    gain: float
    max_slope: float
    source: str

    def phi(self, z: ArrayLike) -> NDArray[np.float64]:
        """Return phi(z) in float64 for numbers or an array, as `vglib.theory` wants it."""
        return self.function(_tensor(z)).numpy()

    def dphi(self, z: ArrayLike) -> NDArray[np.float64]:
        """Return phi'(z) in float64 for numbers or an array, as `vglib.theory` wants it."""
        return self.derivative(_tensor(z)).numpy()

    def saturated(self, slope: NDArray) -> NDArray[np.bool_]:
        """Mark the slopes below a tenth of the steepest: |phi'(z)| < max_slope / 10."""
        return np.abs(slope) < 0.1 * self.max_slope


def _tensor(z: ArrayLike) -> Tensor:
    # A copy: the identity must not alias its argument, and torch refuses negative strides.
    return torch.from_numpy(np.array(z, dtype=np.float64, order="C"))


def _sigmoid_slope(z: Tensor) -> Tensor:
    # s(z)(1 - s(z)) is exactly 0 from z = 37 on; s(z)s(-z) stays right down to z = 709.
    return torch.sigmoid(z) * torch.sigmoid(-z)


def _tanh_slope(z: Tensor) -> Tensor:
    # 1 - tanh^2 is exactly 0 from z = 19 on; 4 s(2z)s(-2z) is the same function without that loss.
    return 4 * _sigmoid_slope(2 * z)


_CATALOGUE = (
    Activation(
        name="identity",
        function=lambda z: z,
        derivative=torch.ones_like,
        latex=r"\phi(z) = z",
        latex_derivative=r"\phi'(z) = 1",
        gain=1.0,
        max_slope=1.0,
        source="Saxe, McClelland & Ganguli 2014 (deep linear networks)",
    ),
    Activation(
        name="sigmoid",
        function=torch.sigmoid,
        derivative=_sigmoid_slope,
        latex=r"s(z) = \frac{1}{1 + e^{-z}}",
        latex_derivative=r"s'(z) = s(z)\,(1 - s(z)) \le \tfrac14",
        gain=1.0,
        max_slope=0.25,
        source="Rumelhart, Hinton & Williams 1986",
    ),
    Activation(
        name="tanh",
        function=torch.tanh,
        derivative=_tanh_slope,
        latex=r"\tanh(z) = \frac{e^{z} - e^{-z}}{e^{z} + e^{-z}}",
        latex_derivative=r"\tanh'(z) = 1 - \tanh^2(z) \le 1",
        gain=5 / 3,
        max_slope=1.0,
        source="LeCun, Bottou, Orr & Müller 1998",
    ),
    Activation(
        name="relu",
        function=torch.relu,
        derivative=lambda z: (z > 0).to(z.dtype),
        latex=r"\phi(z) = \max(0, z)",
        latex_derivative=r"\phi'(z) = 1 \text{ if } z > 0 \text{ else } 0",
        gain=sqrt(2.0),
        max_slope=1.0,
        source="Nair & Hinton 2010; Glorot, Bordes & Bengio 2011",
    ),
)

ACTIVATIONS: Mapping[str, Activation] = MappingProxyType({a.name: a for a in _CATALOGUE})


def get_activation(name: str | Activation) -> Activation:
    """Look an activation up by name; a record is returned as it is.

    Raises ValueError with the allowed names if there is none of this name.
    """
    if isinstance(name, Activation):
        return name
    if name not in ACTIVATIONS:
        raise ValueError(
            f"There is no activation called {name!r}; choose from {', '.join(ACTIVATIONS)}."
        )
    return ACTIVATIONS[name]
