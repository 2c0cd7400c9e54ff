"""Truncated backpropagation: which lag a window can teach, on a stream of coin flips."""

from collections.abc import Iterator, Mapping

import numpy as np

from vglib.lstm.cells import Array, make_cell
from vglib.lstm.learner import Learner, windows
from vglib.results import at_its_end, kept, result
from vglib.words import percent

# The cell and the bias of the gate that keeps.
STREAM_CELLS: Mapping[str, tuple[str, float]] = {
    "LSTM": ("lstm", 1.0),
    "GRU": ("gru", 1.0),
    "tanh RNN": ("tanh", 0.0),
}
STREAM_UNITS, STREAM_BATCH, STREAM_STEPS = 16, 16, 2400


@result
class Truncation:
    """Learning y_t = x_(t - lag) from a stream of `steps`, backpropagating within windows.

    `seen: (updates,)` steps of the stream read, `losses: (updates,)` mean squared errors, so far.
    """

    window: int
    lag: int
    cell: str
    seen: Array
    losses: Array
    steps: int = STREAM_STEPS

    @property
    def loss(self) -> float:
        """The error over the last tenth of the updates."""
        return float(self.losses[-max(1, len(self.losses) // 10) :].mean())

    @property
    def share(self) -> float:
        """The share of a window's outputs whose input `lag` steps before lies inside it."""
        return max(0.0, 1 - self.lag / self.window)

    @property
    def verdict(self) -> str:
        """One sentence: the error that is left, and whether the window could reach."""
        left = self.loss
        state = "learns it" if left < 0.1 else "is learning" if left < 0.8 else "learns nothing"
        reach = f"a window of {self.window} never holds an output together with its input"
        if self.share:
            inside = f"outputs in a window of {self.window} have their input inside it"
            reach = f"{percent(self.share)} of the {inside}"
        over = len(self.seen) == self.steps // self.window
        read = self.steps if over else int(self.seen[-1])
        error = f"the error of the {self.cell} is {left:.3f} (1 is guessing)"
        lies = f"the answer lies {self.lag} steps back, and {reach}"
        return f"{state}: after {read} steps of the stream {error}; {lies}."


@kept(64)
def learning_the_lag(
    window: int = 5,
    lag: int = 5,
    cell: str = "LSTM",
    seed: int = 0,
    input_weights: float = 1.0,
    units: int = STREAM_UNITS,
    lr: float = 0.02,
    steps: int = STREAM_STEPS,
) -> Iterator[Truncation]:
    """Train on a stream of coin flips to say what came `lag` steps ago; the state is carried on.

    Backpropagation stops at the window's start. 16 streams, Adam, clip 1, torch's weights, those of
    the input times `input_weights`; the number of steps read is the same for every window. Yields
    what is there so far.
    """
    kind, bias = STREAM_CELLS[cell]
    generator = np.random.default_rng([seed, 7])
    made = make_cell(kind, 1, units, keep_bias=bias, generator=generator)
    made.w_in[:] *= input_weights
    learner = Learner(made, 1, generator=generator)
    flips = np.where(generator.random((steps + lag, STREAM_BATCH, 1)) < 0.5, -1.0, 1.0)
    batches, updates = windows(window, flips[lag:], flips[:-lag]), steps // window
    for losses, _ in learner.training(_error, batches, updates, lr=lr, clip=1.0, carry=True):
        seen = window * np.arange(1.0, len(losses) + 1)
        yield Truncation(window, lag, cell, seen, losses, steps)


def _error(outputs: Array, y: Array) -> tuple[float, Array]:
    error = outputs - y
    return float((error**2).mean()), 2 * error / error.size


truncation = at_its_end(learning_the_lag)
