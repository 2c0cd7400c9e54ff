"""The catalogue of activation functions: function, derivative, formula, gain and source of each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from math import pi, prod, sqrt
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.nn import functional as F

from vglib.checks import one_of


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
    gain: float
    max_slope: float
    latex: str
    latex_derivative: str

    def phi(self, z: ArrayLike) -> NDArray[np.float64]:
        """Return phi(z) in float64 for numbers or an array, as `vglib.theory` wants it."""
        return self.function(_tensor(z)).numpy()

    def dphi(self, z: ArrayLike) -> NDArray[np.float64]:
        """Return phi'(z) in float64 for numbers or an array, as `vglib.theory` wants it."""
        return self.derivative(_tensor(z)).numpy()

    def saturated(self, slope: NDArray) -> NDArray[np.bool_]:
        """Mark the slopes below a tenth of the steepest: |phi'(z)| < max_slope / 10."""
        return abs(slope) < 0.1 * self.max_slope


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


def _kinked(slope: float) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]:
    """Return function and derivative of max(0, z) + slope min(0, z); torch's slope at 0."""
    function = partial(F.leaky_relu, negative_slope=slope)
    return function, lambda z: torch.where(z > 0, torch.ones_like(z), slope)


def _exponential_slope(z: Tensor, scale: float = 1.0, alpha: float = 1.0) -> Tensor:
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


_SELU = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717

# phi and phi', with who brought it up.
_FORMULAS = {
    "identity": r"\phi(z) = z",
    "sigmoid": r"s(z) = \frac{1}{1 + e^{-z}}",
    "tanh": r"\tanh(z) = \frac{e^{z} - e^{-z}}{e^{z} + e^{-z}}",
    "relu": r"\phi(z) = \max(0, z)",  # Nair & Hinton 2010; Glorot, Bordes & Bengio 2011
    "leaky_relu": r"\phi(z) = \max(0, z) + 0.01 \min(0, z)",
    "prelu": r"\phi(z) = \max(0, z) + a \min(0, z), \quad a = \tfrac14 \text{ at the start}",
    "rrelu": r"\phi(z) = \max(0, z) + \tfrac{11}{48} \min(0, z) \text{ in evaluation}",
    "elu": r"\phi(z) = z \text{ if } z > 0 \text{ else } e^{z} - 1",
    "softplus": r"\phi(z) = \ln(1 + e^{z})",
    "selu": r"\phi(z) = \lambda z \text{ if } z > 0 \text{ else } \lambda\alpha(e^{z} - 1), "
    r"\quad \lambda = 1.0507,\ \alpha = 1.6733",  # Klambauer et al. 2017
    "gelu": r"\phi(z) = z\,\Phi(z), \quad \Phi(z) = P(u \le z),\ u \sim N(0, 1)",
    "silu": r"\phi(z) = z\,s(z)",
    "mish": r"\phi(z) = z \tanh(\ln(1 + e^{z}))",
    "hardswish": r"\phi(z) = z\,\frac{\min(\max(z + 3, 0), 6)}{6}",
}
_SLOPES = {
    "identity": r"\phi'(z) = 1",  # Saxe, McClelland & Ganguli 2014 (deep linear networks)
    "sigmoid": r"s'(z) = s(z)\,(1 - s(z)) \le \tfrac14",  # Rumelhart, Hinton & Williams 1986
    "tanh": r"\tanh'(z) = 1 - \tanh^2(z) \le 1",  # LeCun, Bottou, Orr & Müller 1998
    "relu": r"\phi'(z) = 1 \text{ if } z > 0 \text{ else } 0",
    "leaky_relu": r"\phi'(z) = 1 \text{ if } z > 0 \text{ else } 0.01",  # Maas, Hannun & Ng 2013
    "prelu": r"\phi'(z) = 1 \text{ if } z > 0 \text{ else } a",  # He, Zhang, Ren & Sun 2015
    "rrelu": r"\phi'(z) = 1 \text{ if } z > 0 \text{ else } \tfrac{11}{48}",  # Xu et al. 2015
    "elu": r"\phi'(z) = 1 \text{ if } z > 0 \text{ else } e^{z}",  # Clevert et al. 2016
    "softplus": r"\phi'(z) = s(z)",  # Dugas et al. 2001
    "selu": r"\phi'(z) = \lambda \text{ if } z > 0 \text{ else } \lambda\alpha e^{z}",
    "gelu": r"\phi'(z) = \Phi(z) + z\,\frac{e^{-z^2/2}}{\sqrt{2\pi}}",  # Hendrycks & Gimpel 2016
    "silu": r"\phi'(z) = s(z)\,(1 + z\,s(-z))",  # Elfwing et al. 2018; Ramachandran et al. 2017
    "mish": r"\phi'(z) = t + z\,s(z)\,(1 - t^2), \quad t = \tanh(\ln(1 + e^{z}))",  # Misra 2019
    "hardswish": r"\phi'(z) = \tfrac{z}{3} + \tfrac12 \text{ if } \lvert z\rvert < 3, "
    r"\text{ else } 0 \text{ or } 1",  # Howard et al. 2019
}

# Name, function, derivative, gain, max_slope.
_COMPUTED: tuple[tuple[Any, ...], ...] = (
    ("identity", lambda z: z, torch.ones_like, 1.0, 1.0),
    ("sigmoid", torch.sigmoid, _sigmoid_slope, 1.0, 0.25),
    ("tanh", torch.tanh, _tanh_slope, 5 / 3, 1.0),
    ("relu", torch.relu, lambda z: (z > 0).to(z.dtype), sqrt(2.0), 1.0),
    ("leaky_relu", *_kinked(0.01), sqrt(2 / (1 + 0.01**2)), 1.0),
    ("prelu", *_kinked(0.25), sqrt(2 / (1 + 0.25**2)), 1.0),
    ("rrelu", *_kinked(11 / 48), sqrt(2 / (1 + (11 / 48) ** 2)), 1.0),
    ("elu", F.elu, _exponential_slope, 1.2451983007007066, 1.0),
    ("softplus", F.softplus, torch.sigmoid, 1.0418668355353016, 1.0),
    ("selu", F.selu, lambda z: _exponential_slope(z, *_SELU), 0.75, prod(_SELU)),
    ("gelu", F.gelu, _gelu_slope, 1.5335304411955353, 1.1289041451851547),
    ("silu", F.silu, _silu_slope, 1.6765324703310909, 1.099839320128867),
    ("mish", F.mish, _mish_slope, 1.486847581273208, 1.088498161251728),
    ("hardswish", F.hardswish, _hardswish_slope, 1.7366572127665416, 1.5),
)

ACTIVATIONS: Mapping[str, Activation] = MappingProxyType(
    {
        n: Activation(n, f, df, gain, slope, _FORMULAS[n], _SLOPES[n])
        for n, f, df, gain, slope in _COMPUTED
    }
)


def get_activation(name: str | Activation) -> Activation:
    """Look an activation up by name; a record is returned as it is.

    Raises ValueError with the allowed names if there is none of this name.
    """
    if isinstance(name, Activation):
        return name
    one_of("activation", name, ACTIVATIONS)
    return ACTIVATIONS[name]
