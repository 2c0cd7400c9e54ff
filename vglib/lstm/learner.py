"""A recurrent cell with a linear readout that learns, in NumPy: small enough for a lab."""

from collections.abc import Callable, Iterable, Iterator
from copy import copy
from dataclasses import replace
from math import inf
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from vglib import learn
from vglib.lstm.cells import Array, Cell, Run, backward, run
from vglib.results import frozen

# How often a training is looked at on its way.
LOOKS = 10


class Learner:
    """A cell and a readout y_t = W_out h_t + b_out, whose parameters are views of one vector.

    `theta` is that vector, so that a step has one array to change and one norm to take.
    """

    def __init__(self, cell: Cell, n_out: int, *, generator: np.random.Generator) -> None:
        bound = cell.hidden**-0.5
        w_out = generator.uniform(-bound, bound, (n_out, cell.hidden))
        arrays = [*cell.parameters().values(), w_out, np.zeros(n_out)]
        self._shapes = [array.shape for array in arrays]
        self.cell = cell
        self.look_at(np.concatenate([array.ravel() for array in arrays]))

    def look_at(self, theta: Array) -> None:
        """Take all parameters from a vector."""
        self.theta = theta
        w_in, w_h, b_in, b_h, self.w_out, self.b_out = self.arrays(theta)
        self.cell = replace(self.cell, w_in=w_in, w_h=w_h, b_in=b_in, b_h=b_h)

    def arrays(self, vector: Array) -> list[Array]:
        """Cut a vector like `theta` into the cell's arrays, W_out and b_out; views, no copies."""
        ends = np.cumsum([np.prod(shape) for shape in self._shapes])[:-1]
        parts = zip(np.split(vector, ends), self._shapes, strict=True)
        return [part.reshape(shape) for part, shape in parts]

    def still(self) -> Self:
        """Return a copy that learns no more."""
        kept = copy(self)
        kept.look_at(frozen(self.theta.copy()))
        return kept

    def forward(self, x: Array, state: tuple[Array, Array] | None = None) -> Run:
        """Run the cell over x: (T, batch, n_in) from a state (h, c), 0 unless given."""
        return run(self.cell, x, *(state or ()))

    def read(self, h: Array) -> Array:
        """Map states (..., hidden) to outputs (..., n_out)."""
        return h @ self.w_out.T + self.b_out

    def gradient(self, seen: Run, d_out: Array) -> Array:
        """Return dL/d(theta) for d_out = dL/dy: (T, batch, n_out), through all T steps."""
        by_state = backward(seen, d_out @ self.w_out)
        flat, h = d_out.reshape(-1, len(self.b_out)), seen.h[1:].reshape(-1, self.cell.hidden)
        parts = [*by_state.parameters.values(), flat.T @ h, flat.sum(0)]
        return np.concatenate([part.ravel() for part in parts])

    def training(
        self,
        loss: Callable[[Array, Any], tuple[float, Array]],
        batches: Iterable[tuple[Array, Any]],
        updates: int,
        *,
        lr: float,
        rule: learn.Rule = learn.adam,
        clip: float = inf,
        carry: bool = False,
    ) -> Iterator[tuple[Array, Array]]:
        """Learn from batches (x, y), and yield losses and gradients' norms so far, now and then.

        `loss(outputs, y)` returns the loss and dL/d(outputs), (T, batch, n_out); the norm is that
        before clipping. With `carry` each batch starts from the state in which the last one ended.
        """
        state: tuple[Array, Array] | None = None

        def gradient(x: Array, y: Any) -> tuple[float, list[Array]]:
            nonlocal state
            seen = self.forward(x, state)
            if carry:
                state = seen.h[-1], seen.c[-1]
            value, d_out = loss(self.read(seen.h[1:]), y)
            return value, [self.gradient(seen, d_out)]

        shown = []
        for step in learn.steps([self.theta], gradient, batches, lr=lr, rule=rule, clip=clip):
            shown.append((step.loss, step.norm))
            due = step.taken % max(1, updates // LOOKS) == 0
            if due or step.why or step.taken == updates:
                losses, norms = np.array(shown).T
                yield losses, norms


def windows(window: int, x: NDArray, y: NDArray) -> Iterator[tuple[NDArray, NDArray]]:
    """Cut two streams (T, batch, ...) into windows, for truncated backpropagation."""
    for first in range(0, len(x) - window + 1, window):
        yield x[first : first + window], y[first : first + window]
