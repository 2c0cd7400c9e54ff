"""The kinds of blocks that chapter 07 compares."""

from collections.abc import Mapping
from math import sqrt
from types import MappingProxyType

import numpy as np

from vglib.checks import one_of
from vglib.data import digits
from vglib.residuals.stack import SIGMA_W, Array, Labels, Stack, normal_numbers

BATCH = 32
N_IN, N_OUT = 64, 10

FORMULA: Mapping[str, str] = MappingProxyType(
    {
        "plain": "h' = φ(W h)",
        "residual": "h' = h + α φ(W h)",
        "pre-activation": "h' = h + α W φ(h)",
        "pre-activation with BN": "h' = h + α W φ(BN(h))",
        "ReLU after the sum": "h' = φ(h + α W φ(h))",
        "highway": "h' = (1 − T) h + T φ(W h), T = α",
        "ReZero": "h' = h + a φ(W h), a = 0 at the start",
        "deep supervision": "h' = φ(W h), and a loss, weighed α, at every layer",
    }
)
KINDS = tuple(FORMULA)


def mixture(kind: str, alpha: float) -> tuple[float, float]:
    """Return the shares (a, b) of skip and branch."""
    if kind in ("plain", "deep supervision"):
        return 0.0, 1.0
    return {"highway": (1 - alpha, alpha), "ReZero": (1.0, 0.0)}.get(kind, (1.0, alpha))


def build(
    kind: str, depth: int, width: int, alpha: float, weight_scale: float, activation: str, seed: int
) -> Stack:
    """Build the blocks of a net of one kind; weights N(0, 1/n), N(0, 2/n) for ReLU, times scale."""
    one_of("kind of block", kind, KINDS)
    form = {
        "pre-activation": "pre-activation",
        "pre-activation with BN": "pre-activation",
        "ReLU after the sum": "after the sum",
    }.get(kind, "layer")
    (a, b), norm = mixture(kind, alpha), kind == "pre-activation with BN"
    weights, turned = normal_numbers(depth, width, seed)
    gain = SIGMA_W[activation] * weight_scale / sqrt(width)
    return Stack(weights, activation, form, a, b, norm, gain, turned)


def digit_arrays() -> tuple[Array, Labels, Array, Labels]:
    """Return the digits as NumPy arrays: x_train, y_train, x_test, y_test."""
    data = digits()
    return data.x_train.numpy(), data.y_train.numpy(), data.x_test.numpy(), data.y_test.numpy()


def probe_batch() -> tuple[Array, Labels]:
    """Return 32 digits, each scaled to mean square 1, so that theory has one q for all of them."""
    x, y, *_ = digit_arrays()
    x = x[:BATCH]
    return x / np.sqrt((x * x).mean(1, keepdims=True)), y[:BATCH]
