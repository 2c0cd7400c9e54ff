"""Numbers beyond float64: an array of ordinary size, and the ln of the factor before it."""

from dataclasses import dataclass
from math import exp, inf, isfinite, log, nan, sqrt
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

# A NumPy array or a tensor, on whichever device.
A = TypeVar("A", NDArray[Any], Tensor)

# Outside these bounds an array is scaled, long before squares or products of it leave its type.
SMALL, LARGE = 1e-60, 1e60
_SMALL_SINGLE, _LARGE_SINGLE = 1e-3, 1e3
# Numbers that BLAS multiplies on one thread: with more it starts others and waits for them.
_ALONE = 10_000


@dataclass(frozen=True, eq=False)
class Scaled:
    """The array exp(log) * unit, which may lie far outside float64; `unit` is not always of norm 1.

    Products of matrices keep it exact: whatever is linear acts on `unit` and leaves `log`.
    """

    unit: Any
    log: float = 0.0

    @property
    def log_norm(self) -> float:
        """The ln of the Euclidean norm; -inf where it is exactly 0, nan where it is not finite."""
        return log_norm(self.unit) + self.log

    def measured(self) -> "tuple[Scaled, float]":
        """Return the same, its unit of norm 1 where it was far from it, and `log_norm`."""
        size = norm(self.unit)
        double = self.unit.dtype in (np.float64, torch.float64)
        small, large = (SMALL, LARGE) if double else (_SMALL_SINGLE, _LARGE_SINGLE)
        if small < size < large:
            return self, log(size) + self.log
        ln = log_norm(self.unit)
        if not isfinite(ln):
            return self, ln
        # Two steps, as one factor may not fit into the number type.
        unit = self.unit / _largest(self.unit)
        return Scaled(unit / norm(unit), ln + self.log), ln + self.log

    def plus(self, other: "Scaled") -> "Scaled":
        """Return the sum, in the scale of the larger."""
        if self.log < other.log:
            return other.plus(self)
        return Scaled(self.unit + exp(other.log - self.log) * other.unit, self.log)


def norm(array: NDArray[Any] | Tensor) -> float:
    """Return the Euclidean norm of all entries, summed in float64; inf where it overflows there."""
    if isinstance(array, Tensor):
        array = array.detach()
        if array.device.type != "cpu" or array.dtype != torch.float64:
            return float(torch.linalg.vector_norm(array, dtype=torch.float64))
        array = array.numpy()
    flat = array.ravel(order="K").astype(np.float64, copy=False)
    # By vdot, which overflows in silence.
    parts = (flat[start : start + _ALONE] for start in range(0, len(flat), _ALONE))
    return sqrt(sum(np.vdot(part, part) for part in parts))


def log_norm(array: NDArray[Any] | Tensor | None) -> float:
    """Return the ln of the norm, exact also where its square leaves float64.

    -inf for an array of zeros, nan for None and where an entry is not finite.
    """
    if array is None:
        return nan
    size = norm(array)
    if SMALL < size < LARGE:
        return log(size)
    largest = _largest(array)
    if not 0 < largest < inf:
        return -inf if largest == 0 else nan
    return log(largest) + log(norm(array / largest))


def _largest(array: NDArray[Any] | Tensor) -> float:
    """Return the largest absolute entry; nan where an entry is nan, 0 for an empty array."""
    if isinstance(array, Tensor):
        return float(array.detach().abs().max()) if array.numel() else 0.0
    return float(np.abs(array).max(initial=0.0))
