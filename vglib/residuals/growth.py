"""Three laws by which the gradient grows over the blocks: exponential, exp(c sqrt L), a power."""

from collections.abc import Mapping
from math import log, pi, sqrt
from types import MappingProxyType

import numpy as np

from vglib.residuals.blocks import N_IN, N_OUT, build
from vglib.residuals.flow import flow, measure
from vglib.residuals.stack import Array
from vglib.results import result
from vglib.words import count, power_of_ten

# The block and the activation of each.
GROWTHS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "ReLU": ("pre-activation", "relu"),
        "tanh": ("pre-activation", "tanh"),
        "BN and ReLU": ("pre-activation with BN", "relu"),
    }
)
TANH_C = 8 / (3 * sqrt(2 * pi))
BN_EXPONENT = pi / (pi - 1)


@result
class Growth:
    """How the squared gradient grows over L blocks: exponential, exp(c sqrt L), a power of L.

    `blocks: (depth,)` is L = 1..depth; `measured[name]`, `predicted[name]`, `law[name]`: (depth,),
    ln(||dL/dh_0||^2 / ||dL/dh_L||^2) in one net, from the exact product, and from its leading term.
    """

    depth: int
    alpha: float
    blocks: Array
    measured: Mapping[str, Array]
    predicted: Mapping[str, Array]
    law: Mapping[str, Array]

    @property
    def verdict(self) -> str:
        """One sentence: the three at full depth."""
        parts = [
            f"{name} {power_of_ten(float(self.measured[name][-1]))} (theory "
            f"{power_of_ten(float(self.predicted[name][-1]))})"
            for name in GROWTHS
        ]
        where = f"over {count(self.depth, 'block')} with α = {self.alpha:.3g}"
        return f"{where} the squared gradient grows by: {', '.join(parts)}."


def growth(depth: int, alpha: float = 1.0, weight_scale: float = 1.0, seed: int = 0) -> Growth:
    """Measure pre-activation blocks with ReLU, with tanh, and with BN and ReLU."""
    blocks = np.arange(1.0, depth + 1)
    measured, predicted = {}, {}
    for name, (kind, activation) in GROWTHS.items():
        seen = flow(depth, kind, alpha, False, weight_scale, activation, seed)
        measured[name] = 2 * (seen.log_grad[0] - seen.log_grad[1:])
        predicted[name] = np.cumsum(seen.log_chi)
    scale = alpha * weight_scale
    # The power's constant is fixed where the law should hold, at the last block.
    power = float(predicted["BN and ReLU"][-1]) + BN_EXPONENT * np.log(blocks / depth)
    law = {
        "ReLU": blocks * log(1 + scale**2),
        "tanh": TANH_C * scale * np.sqrt(blocks),
        # Far below 1 it is no law yet, and would stretch the axis.
        "BN and ReLU": np.where(power > -1, power, np.nan),
    }
    return Growth(depth, alpha, blocks, measured, predicted, law)


def power_law(depth: int, seed: int, *, batch: int = 100) -> tuple[float, float]:
    """Return ln(||dL/dh_0||^2 / ||dL/dh_L||^2) of 100-wide BN blocks on N(0, 1), and theory's."""
    generator = np.random.default_rng(seed)
    x, y = generator.standard_normal((batch, N_IN)), generator.integers(0, N_OUT, batch)
    kind = "pre-activation with BN"
    seen = measure(build(kind, depth, 100, 1.0, 1.0, "relu", seed), kind, 1.0, seed, (x, y))
    return 2 * seen.ratio, 2 * seen.theory_ratio
