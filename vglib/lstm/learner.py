"""A recurrent cell with a linear readout that learns, in NumPy: small enough for a lab."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, isfinite

import numpy as np

from vglib.lstm.cells import Array, Cell, Run, backward, run


class Learner:
    """A cell and a readout y_t = W_out h_t + b_out, trained by Adam or plain SGD.

    The gradient is clipped by its norm: g <- g min(1, clip / ||g||), over all parameters together.
    """

    def __init__(
        self, cell: Cell, n_out: int, rule: str = "Adam", *, generator: np.random.Generator
    ) -> None:
        bound = cell.hidden**-0.5
        self.cell, self.rule = cell, rule
        self.w_out = generator.uniform(-bound, bound, (n_out, cell.hidden))
        self.b_out = np.zeros(n_out)
        self._values = [*cell.parameters().values(), self.w_out, self.b_out]
        self._first = [np.zeros_like(v) for v in self._values]
        self._second = [np.zeros_like(v) for v in self._values]
        self._step = 0

    def read(self, h: Array) -> Array:
        """Map states (..., hidden) to outputs (..., n_out)."""
        return h @ self.w_out.T + self.b_out

    def gradient(self, seen: Run, d_out: Array) -> list[Array]:
        """Return dL/d(parameters) for d_out = dL/dy: (T, batch, n_out), through all T steps."""
        by_state = backward(seen, d_out @ self.w_out)
        flat, h = d_out.reshape(-1, len(self.b_out)), seen.h[1:].reshape(-1, self.cell.hidden)
        return [*by_state.parameters.values(), flat.T @ h, flat.sum(0)]

    def update(self, gradients: Sequence[Array], lr: float, clip: float = inf) -> float:
        """Take one step in place and return the norm of the gradient before clipping."""
        norm = float(np.sqrt(sum(float((g**2).sum()) for g in gradients)))
        if not isfinite(norm):
            return norm
        share = min(1.0, clip / norm) if norm else 1.0
        self._step += 1
        for value, g, first, second in zip(
            self._values, gradients, self._first, self._second, strict=True
        ):
            if self.rule == "SGD":
                value -= lr * share * g
                continue
            first += 0.1 * (share * g - first)
            second += 0.001 * ((share * g) ** 2 - second)
            size = np.sqrt(second / (1 - 0.999**self._step)) + 1e-8
            value -= lr / (1 - 0.9**self._step) * first / size
        return norm

    def windows(self, x: Array, window: int) -> list[slice]:
        """Cut the time axis of x into windows for truncated backpropagation."""
        return [slice(s, s + window) for s in range(0, len(x) - window + 1, window)]

    def forward(self, x: Array, state: tuple[Array, Array] | None = None) -> Run:
        """Run the cell over x: (T, batch, n_in) from a state (h, c), 0 unless given."""
        return run(self.cell, x, *(state or (None, None)))
