"""The catalogue of activation functions: function, derivative, formula, gain and source of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import pi, sqrt
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Activation:
    """One activation function phi with its derivative and what the literature says of it.

    `function` and `derivative` act entry by entry on a tensor of any shape. At a kink the
    derivative is torch's choice (0 for ReLU at 0). `gain` is what
    `torch.nn.init.calculate_gain` recommends; where it has no advice, the gain that keeps a
    pre-activation's variance of 1, 1 / sqrt(E phi(u)^2) with u ~ N(0, 1), which for a kinked line
    of slope a below 0 is He's sqrt(2 / (1 + a^2)). `max_slope` is the supremum of |phi'|; the
    formulas are LaTeX without dollar signs.
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
    # s(z)(1 - s(z)) is exactly 0 from z = 37 on; u = s(-|z|) <= 1/2 stays right down to z = 709.
    u = torch.sigmoid(-z.abs())
    return u - u * u


def _tanh_slope(z: Tensor) -> Tensor:
    # 1 - tanh^2 is exactly 0 from z = 19 on; 4 s(2z)s(-2z) is the same function without that loss.
    return 4 * _sigmoid_slope(2 * z)


def _kinked(slope: float) -> Mapping[str, Callable[[Tensor], Tensor]]:
    """Return function and derivative of max(0, z) + slope min(0, z); torch's slope at 0."""
    return {
        "function": lambda z: F.leaky_relu(z, slope),
        "derivative": lambda z: torch.where(z > 0, torch.ones_like(z), slope),
    }


def _exponential_slope(z: Tensor, scale: float, alpha: float) -> Tensor:
    # min(z, 0) keeps the branch that is not taken from overflowing.
    return scale * torch.where(z > 0, 1.0, alpha * torch.exp(z.clamp(max=0)))


def _gelu_slope(z: Tensor) -> Tensor:
    # torch.special.ndtr is exactly 0 from z = -9 on; erfc stays right down to z = -37.
    return torch.special.erfc(-z / sqrt(2)) / 2 + z * torch.exp(-z * z / 2) / sqrt(2 * pi)


def _silu_slope(z: Tensor) -> Tensor:
    return torch.sigmoid(z) * (1 + z * torch.sigmoid(-z))


def _mish_slope(z: Tensor) -> Tensor:
    inner = F.softplus(z)
    return torch.tanh(inner) + z * torch.sigmoid(z) * _tanh_slope(inner)


def _hardswish_slope(z: Tensor) -> Tensor:
    # torch counts both kinks to the straight pieces outside: 0 at -3 and 1 at 3.
    return torch.where(z.abs() < 3, z / 3 + 0.5, (z >= 3).to(z.dtype))


_SELU_SCALE, _SELU_ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717

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
    Activation(
        name="leaky_relu",
        **_kinked(0.01),
        latex=r"\phi(z) = \max(0, z) + 0.01 \min(0, z)",
        latex_derivative=r"\phi'(z) = 1 \text{ if } z > 0 \text{ else } 0.01",
        gain=sqrt(2 / (1 + 0.01**2)),
        max_slope=1.0,
        source="Maas, Hannun & Ng 2013",
    ),
    Activation(
        name="prelu",
        **_kinked(0.25),
        latex=r"\phi(z) = \max(0, z) + a \min(0, z), \quad a = \tfrac14 \text{ at the start}",
        latex_derivative=r"\phi'(z) = 1 \text{ if } z > 0 \text{ else } a",
        gain=sqrt(2 / (1 + 0.25**2)),
        max_slope=1.0,
        source="He, Zhang, Ren & Sun 2015",
    ),
    Activation(
        name="rrelu",
        **_kinked(11 / 48),
        latex=r"\phi(z) = \max(0, z) + \tfrac{11}{48} \min(0, z) \text{ in evaluation}",
        latex_derivative=r"\phi'(z) = 1 \text{ if } z > 0 \text{ else } \tfrac{11}{48}",
        gain=sqrt(2 / (1 + (11 / 48) ** 2)),
        max_slope=1.0,
        source="Xu, Wang, Chen & Li 2015",
    ),
    Activation(
        name="elu",
        function=F.elu,
        derivative=lambda z: _exponential_slope(z, 1.0, 1.0),
        latex=r"\phi(z) = z \text{ if } z > 0 \text{ else } e^{z} - 1",
        latex_derivative=r"\phi'(z) = 1 \text{ if } z > 0 \text{ else } e^{z}",
        gain=1.2451983007007066,
        max_slope=1.0,
        source="Clevert, Unterthiner & Hochreiter 2016",
    ),
    Activation(
        name="softplus",
        function=F.softplus,
        derivative=torch.sigmoid,
        latex=r"\phi(z) = \ln(1 + e^{z})",
        latex_derivative=r"\phi'(z) = s(z)",
        gain=1.0418668355353016,
        max_slope=1.0,
        source="Dugas, Bengio, Bélisle, Nadeau & Garcia 2001",
    ),
    Activation(
        name="selu",
        function=F.selu,
        derivative=lambda z: _exponential_slope(z, _SELU_SCALE, _SELU_ALPHA),
        latex=r"\phi(z) = \lambda z \text{ if } z > 0 \text{ else } \lambda\alpha(e^{z} - 1), "
        r"\quad \lambda = 1.0507,\ \alpha = 1.6733",
        latex_derivative=r"\phi'(z) = \lambda \text{ if } z > 0 \text{ else } \lambda\alpha e^{z}",
        gain=0.75,
        max_slope=_SELU_SCALE * _SELU_ALPHA,
        source="Klambauer, Unterthiner, Mayr & Hochreiter 2017",
    ),
    Activation(
        name="gelu",
        function=F.gelu,
        derivative=_gelu_slope,
        latex=r"\phi(z) = z\,\Phi(z), \quad \Phi(z) = P(u \le z),\ u \sim N(0, 1)",
        latex_derivative=r"\phi'(z) = \Phi(z) + z\,\frac{e^{-z^2/2}}{\sqrt{2\pi}}",
        gain=1.5335304411955353,
        max_slope=1.1289041451851547,
        source="Hendrycks & Gimpel 2016",
    ),
    Activation(
        name="silu",
        function=F.silu,
        derivative=_silu_slope,
        latex=r"\phi(z) = z\,s(z)",
        latex_derivative=r"\phi'(z) = s(z)\,(1 + z\,s(-z))",
        gain=1.6765324703310909,
        max_slope=1.099839320128867,
        source="Elfwing, Uchibe & Doya 2018; Ramachandran, Zoph & Le 2017 (Swish)",
    ),
    Activation(
        name="mish",
        function=F.mish,
        derivative=_mish_slope,
        latex=r"\phi(z) = z \tanh(\ln(1 + e^{z}))",
        latex_derivative=r"\phi'(z) = t + z\,s(z)\,(1 - t^2), \quad t = \tanh(\ln(1 + e^{z}))",
        gain=1.486847581273208,
        max_slope=1.088498161251728,
        source="Misra 2019",
    ),
    Activation(
        name="hardswish",
        function=F.hardswish,
        derivative=_hardswish_slope,
        latex=r"\phi(z) = z\,\frac{\min(\max(z + 3, 0), 6)}{6}",
        latex_derivative=r"\phi'(z) = \tfrac{z}{3} + \tfrac12 \text{ if } \lvert z\rvert < 3, "
        r"\text{ else } 0 \text{ or } 1",
        gain=1.7366572127665416,
        max_slope=1.5,
        source="Howard et al. 2019",
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
